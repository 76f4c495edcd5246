"use strict";
(() => {
  const FRAME_MS = 40, N_JOINTS = 17, NOT_OBSERVED = 65535;
  const data = JSON.parse(document.getElementById("report-data").textContent);
  document.documentElement.classList.add("has-js");
  const clock = (seconds) => {
    const tenths = Math.round(Math.max(seconds, 0) * 10);
    const whole = Math.floor(tenths / 10);
    return `${String(Math.floor(whole / 60)).padStart(2, "0")}:${String(whole % 60).padStart(2, "0")}.${tenths % 10}`;
  };
  readTimeline();
  const players = [...document.querySelectorAll(".moment[data-keypoints]")].map(makePlayer);
  if (players.length) startAll();

  function readTimeline() {
    const plot = document.getElementById("timeline"), readout = document.getElementById("readout");
    const cursor = document.getElementById("cursor");
    if (!plot || !data.windows.length) return;
    const duration = Number(plot.dataset.duration);
    const middle = (i) => (data.windows[i][0] + data.windows[i][1]) / 2;
    let at = Math.floor(data.windows.length / 2);
    const show = (i) => {
      at = Math.min(Math.max(i, 0), data.windows.length - 1);
      const [start, end, probability, reason] = data.windows[at];
      const x = `${(100 * middle(at)) / duration}%`;
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
      cursor.setAttribute("visibility", "visible");
      const bold = document.createElement("strong");
      bold.textContent = probability === null ? `not scored: ${reason}` : `P(FMs) ${(100 * probability).toFixed(0)} %`;
      readout.replaceChildren(`${clock(start)} – ${clock(end)}  `, bold);
    };
    const nearest = (event) => {
      const box = plot.getBoundingClientRect();
      const time = ((event.clientX - box.left) / box.width) * duration;
      let best = 0;
      for (let i = 1; i < data.windows.length; i += 1) {
        if (Math.abs(middle(i) - time) < Math.abs(middle(best) - time)) best = i;
      }
      show(best);
    };
    plot.addEventListener("pointermove", nearest);
    plot.addEventListener("pointerdown", nearest);
    plot.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -1e9, End: 1e9 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      show(at + step);
    });
    readout.textContent = "Point at the timeline, or use the arrow keys, to read a window.";
  }

  function makePlayer(figure) {
    const bytes = Uint8Array.from(atob(figure.dataset.keypoints), (character) => character.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const n_frames = bytes.length / (4 * N_JOINTS);
    const start_s = Number(figure.dataset.start);
    const value = (frame, joint, axis) => view.getUint16(2 * ((frame * N_JOINTS + joint) * 2 + axis), true);
    const bones = [...figure.querySelectorAll("[data-bone]")].map((line) => [line, ...line.dataset.bone.split(" ").map(Number)]);
    const head = figure.querySelector("[data-head]"), ends = head.dataset.head.split(" ").map(Number);
    const button = figure.querySelector("button"), time = figure.querySelector(".now");
    const progress = figure.querySelector(".progress i");
    const player = { figure, frame: 0, is_playing: false, is_visible: true, drawn: -1 };
    const isSeen = (frame, joint) => value(frame, joint, 0) !== NOT_OBSERVED;
    player.draw = () => {
      const frame = player.frame;
      if (frame === player.drawn) return;
      player.drawn = frame;
      for (const [line, a, b] of bones) {
        const is_seen = isSeen(frame, a) && isSeen(frame, b);
        line.setAttribute("visibility", is_seen ? "visible" : "hidden");
        if (!is_seen) continue;
        line.setAttribute("x1", value(frame, a, 0));
        line.setAttribute("y1", value(frame, a, 1));
        line.setAttribute("x2", value(frame, b, 0));
        line.setAttribute("y2", value(frame, b, 1));
      }
      const has_head = isSeen(frame, ends[0]) && isSeen(frame, ends[1]);
      head.setAttribute("visibility", has_head ? "visible" : "hidden");
      if (has_head) {
        head.setAttribute("cx", (value(frame, ends[0], 0) + value(frame, ends[1], 0)) / 2);
        head.setAttribute("cy", (value(frame, ends[0], 1) + value(frame, ends[1], 1)) / 2);
      }
      time.textContent = clock(start_s + (frame * FRAME_MS) / 1000);
      progress.style.width = `${(100 * (frame + 1)) / n_frames}%`;
    };
    player.advance = (elapsed_frames) => { player.frame = (player.frame + elapsed_frames) % n_frames; };
    player.set = (is_playing) => {
      player.is_playing = is_playing;
      button.textContent = is_playing ? "Pause" : "Play";
      button.setAttribute("aria-label", `${button.textContent} moment ${figure.dataset.name}`);
    };
    button.addEventListener("click", () => player.set(!player.is_playing));
    const mark = document.querySelector(`[data-moment="${figure.dataset.name}"]`);
    for (const [kind, is_lit] of [["pointerenter", true], ["pointerleave", false], ["focusin", true], ["focusout", false]]) {
      figure.addEventListener(kind, () => mark && mark.classList.toggle("is-lit", is_lit));
    }
    return player;
  }

  function startAll() {
    const is_calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    const all = document.getElementById("play-all");
    const setAll = (is_playing) => {
      players.forEach((player) => player.set(is_playing));
      all.textContent = is_playing ? "Pause all" : "Play all";
    };
    all.addEventListener("click", () => setAll(all.textContent === "Play all"));
    setAll(!is_calm);
    const watcher = new IntersectionObserver((entries) => {
      for (const entry of entries) players.find((player) => player.figure === entry.target).is_visible = entry.isIntersecting;
    });
    players.forEach((player) => watcher.observe(player.figure));
    let last = performance.now();
    const tick = (now) => {
      const elapsed_frames = Math.floor((now - last) / FRAME_MS);
      if (elapsed_frames > 0) {
        last += elapsed_frames * FRAME_MS;
        for (const player of players) {
          if (!player.is_playing || !player.is_visible) continue;
          player.advance(elapsed_frames);
          player.draw();
        }
      }
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }
})();
