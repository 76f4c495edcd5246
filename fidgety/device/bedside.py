"""One recording from the first look to the verdict: what `fidgety record` does.

    place -> camera -> viewer -> recorder -> files in order -> verdict (at most 30 s after the end)

Nothing is asked of the person at the bedside: it waits until the infant lies well, records, and stops by itself.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.bundle.signature import require_trusted
from fidgety.device.camera import Camera, Wanted, camera_port
from fidgety.device.disk import free_mb
from fidgety.device.encoder import choose_encoder
from fidgety.device.leftovers import Finished, finish
from fidgety.device.places import Place
from fidgety.device.recorder import Recorder
from fidgety.device.recording_plan import Ending, Plan
from fidgety.device.verdict import Verdict, format_verdict, judge_recording
from fidgety.device.viewer import Viewer
from fidgety.errors import BundleError, DeviceError, NotAssessable, Stopped
from fidgety.records import Characteristics, QualityReason

__all__ = ["Outcome", "Session", "run_session"]

Say = Callable[[str], None]
_STRETCH_S, _VERDICT_S = 16.0, 27.0  # reading a stretch afterwards, and all that is waited for
_BITS_PER_PIXEL = 0.25  # what libx264 took at most on grainy pictures was .2
_FAULTS = ("camera-lost", "disk-full", "disk-failed", "encoder-failed")


@dataclass(frozen=True, slots=True)
class Session:
    """What was asked for."""

    camera: str
    wanted: Wanted
    minutes: tuple[float, float]
    wait_s: float
    infant: Characteristics
    bundle: Path | None = None
    has_guidance: bool = True
    n_threads: int = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    text: str
    exit_code: int
    finished: Finished | None  # None: it never began
    verdict: Verdict | None
    ending: Ending
    verdict_after_s: float  # from the end of the recording to the verdict


def run_session(session: Session, place: Place, say: Say) -> Outcome:
    """Record once. Raises UsageError, DeviceError (CameraError too) before the first frame; afterwards nothing is lost
    and the outcome tells."""
    bundle = _bundle(session, say)
    port = camera_port(session.camera, session.wanted)
    plan = replace(Plan(), min_s=session.minutes[0] * 60, max_s=session.minutes[1] * 60, wait_s=session.wait_s)
    with ExitStack() as stack:
        camera = port.open()
        try:
            _require_space(place.parent, camera, plan)
            encoder = choose_encoder(camera.format.width_px, camera.format.height_px, camera.format.fps or 25.0)
            viewer = _viewer(session, camera, place.picture, bundle, say)
        except BaseException:
            camera.close()
            raise
        if viewer is not None:
            stack.enter_context(viewer)
        stop = stack.enter_context(_stop_button())
        about = {"camera": port.name, "width_px": camera.format.width_px, "height_px": camera.format.height_px}
        recorder = Recorder(port, camera, place.begin, plan, encoder, viewer, {**about, "fps": camera.format.fps})
        ending = recorder.run(stop, say)
        ended_s = time.monotonic()
        say(ending.words)
        if recorder.folder is None:
            return Outcome(
                f"Nothing was recorded. {ending.words}", _exit_code(ending, None, None), None, None, ending, 0.0
            )
        finished = finish(recorder.folder)
        verdict = _verdict(finished, ending, viewer, bundle, session.infant, ended_s)
        after_s = time.monotonic() - ended_s
        return _outcome(place.end(finished), finished, ending, verdict, after_s)


def _verdict(
    finished: Finished,
    ending: Ending,
    viewer: Viewer | None,
    bundle: Bundle | None,
    infant: Characteristics,
    ended_s: float,
) -> Verdict | None:
    if bundle is None or finished.n_frames == 0:
        return None
    parts = []
    if viewer is not None:
        left_s = _VERDICT_S - (time.monotonic() - ended_s)
        parts = viewer.finish(finished.video, min(_STRETCH_S, left_s - 8.0), left_s)
    drops, own = finished.drops, _own_reasons(ending)
    return judge_recording(parts, finished.n_frames, finished.duration_s, drops, infant, bundle.manifest, own)


def _own_reasons(ending: Ending) -> list[QualityReason]:
    if ending.code not in _FAULTS:
        return []
    action = "look at the camera's plug and cable" if ending.code == "camera-lost" else "free some space on the disk"
    return [QualityReason(ending.code, False, ending.words, action)]


def _outcome(where: str, finished: Finished, ending: Ending, verdict: Verdict | None, after_s: float) -> Outcome:
    drops = finished.drops
    gap = f", longest gap {drops.longest_gap_s:.2f} s" if drops.gaps_s else ""
    lines = [f"{where}: {finished.duration_s:.1f} s, {finished.n_frames} frames, {drops.n_lost} lost{gap}"]
    if finished.n_frames == 0:
        lines = [f"Nothing was recorded. {ending.words}"]
    if verdict is not None:
        lines.append(format_verdict(verdict))
    return Outcome("\n".join(lines), _exit_code(ending, finished, verdict), finished, verdict, ending, after_s)


def _exit_code(ending: Ending, finished: Finished | None, verdict: Verdict | None) -> int:
    if ending.code in _FAULTS:
        return DeviceError.exit_code
    if ending.code == "never-began":
        return Stopped.exit_code
    is_bad = finished is None or finished.n_frames == 0 or (verdict is not None and not verdict.is_kept)
    return NotAssessable.exit_code if is_bad else 0


def _bundle(session: Session, say: Say) -> Bundle | None:
    """The bundle, for guidance and verdict; recording does without. Raises BundleError for one that was named."""
    try:
        bundle = open_bundle(session.bundle or default_bundle_path())
        require_trusted(bundle)
        return bundle
    except BundleError as error:
        if session.bundle is not None:
            raise
        say(f"no guidance and no verdict: {error}")
        return None


def _viewer(session: Session, camera: Camera, path: Path, bundle: Bundle | None, say: Say) -> Viewer | None:
    if bundle is None or not session.has_guidance:
        return None
    picture = camera.format
    try:
        return Viewer(
            session.bundle or default_bundle_path(),
            picture.width_px,
            picture.height_px,
            picture.fps or 25.0,
            path,
            session.n_threads,
        )
    except OSError as error:
        say(f"no guidance: {error.strerror}; the recording goes on without")
        return None


def _require_space(folder: Path, camera: Camera, plan: Plan) -> None:
    """Raises DeviceError unless the longest recording fits on the disk."""
    picture = camera.format
    bits_per_s = picture.width_px * picture.height_px * (picture.fps or 30.0) * _BITS_PER_PIXEL
    needed_mb = bits_per_s * plan.max_s / 8e6 + plan.reserve_mb
    there_mb = free_mb(folder)
    if there_mb < needed_mb:
        raise DeviceError(
            f"{there_mb:.0f} MB are free where recordings are kept, {needed_mb:.0f} MB are needed for "
            f"{plan.max_s / 60:g} minutes: free some space, or choose another folder"
        )


@contextmanager
def _stop_button() -> Iterator[threading.Event]:
    """Set by SIGTERM, Ctrl-C, or Enter at a terminal."""
    stop = threading.Event()
    kept: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            kept[number] = signal.signal(number, lambda *_: stop.set())
    is_done = threading.Event()
    if sys.stdin is not None and sys.stdin.isatty():
        threading.Thread(target=_wait_for_enter, args=(stop, is_done), name="enter", daemon=True).start()
    try:
        yield stop
    finally:
        is_done.set()
        for number, handler in kept.items():
            signal.signal(number, handler)


def _wait_for_enter(stop: threading.Event, is_done: threading.Event) -> None:
    while not is_done.is_set():
        if select.select([sys.stdin], [], [], 0.2)[0]:
            os.read(sys.stdin.fileno(), 1024)
            stop.set()
            return
