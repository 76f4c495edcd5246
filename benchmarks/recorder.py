"""A recording in real time from the simulated camera: what came, what is on the disk, at which times, when the verdict.

    python benchmarks/recorder.py [--minutes 3] [--hogs 2] [--camera test:fidgety/demo/sample.mp4,size=1080p]

Every picture holds its number, so each frame on the disk is told from every other; `--hogs` busy processes of the same
priority run beside it. The camera is in the recorder's own process and takes some of its time (decoded beforehand).
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np
from machine import describe_machine

from fidgety.device.bedside import Outcome, Session, run_session
from fidgety.device.camera import Wanted
from fidgety.device.frame_log import read_frame_log
from fidgety.device.places import folder_place
from fidgety.device.simulated_camera import read_number
from fidgety.records import Characteristics

HOG = "while True: sum(range(10_000))"


def record(camera: str, minutes: float, n_hogs: int, folder: Path, has_guidance: bool) -> tuple[Outcome, float]:
    """The outcome, and the CPU seconds of the recorder and its looking process."""
    hogs = [subprocess.Popen([sys.executable, "-c", HOG]) for _ in range(n_hogs)]
    before_s = cpu_s()
    try:
        session = Session(camera, Wanted(), (minutes, minutes), 30.0, Characteristics(13.0), None, has_guidance)
        with folder_place(folder, print) as place:
            outcome = run_session(session, place, say)
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
    return outcome, cpu_s() - before_s


def say(line: str) -> None:
    print(f"{time.monotonic():9.1f}  {line}", file=sys.stderr)


def cpu_s() -> float:
    """CPU seconds of this process and of the children that have ended; hogs are not waited for yet."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


def compare(video: Path, fps: float) -> dict[str, float | int | None]:
    """Frames on the disk against those that the camera gave, by the numbers in the pictures."""
    rows = read_frame_log(video.with_name("frame-times.log")).frames
    numbers, times_us = [], []
    with av.open(str(video)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for picture in container.decode(video=0):
            numbers.append(read_number(picture.to_ndarray(format="gray")[:64]))
            times_us.append(float(picture.pts * picture.time_base * 1_000_000))
    found = np.array(numbers)
    exact_us = (found - found[0]) / fps * 1e6
    host_us = np.array([row.host_us for row in rows], float)
    return {
        "frames_of_camera": int(found[-1] - found[0] + 1),
        "frames_on_disk": len(found),
        "frames_in_log": len(rows),
        "numbers_differ_from_log": int(sum(n != row.sequence for n, row in zip(numbers, rows, strict=True))),
        "lost": int(found[-1] - found[0] + 1 - len(found)),
        "largest_time_error_us": round(float(np.abs(np.array(times_us) - times_us[0] - exact_us).max()), 1),
        "largest_delay_ms": round(float((host_us - host_us[0] - exact_us).max() / 1e3), 1),
        "megabytes": round(video.stat().st_size / 1e6, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--hogs", type=int, default=0)
    parser.add_argument("--camera", default="test:fidgety/demo/sample.mp4,size=1080p")
    parser.add_argument("--fps", type=float, default=25.0)
    parser.add_argument("--no-guidance", action="store_true")
    chosen = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        outcome, spent_s = record(chosen.camera, chosen.minutes, chosen.hogs, Path(folder), not chosen.no_guidance)
        print(outcome.text)
        if outcome.finished is None:
            raise SystemExit(1)
        figures = compare(outcome.finished.video, chosen.fps)
        drops = outcome.finished.drops
        figures.update(
            lost_by_sequence=drops.by_sequence,
            lost_by_time=drops.by_time,
            behind=outcome.ending.n_behind,
            verdict_after_s=round(outcome.verdict_after_s, 1),
            cpu_s_per_recorded_s=round(spent_s / outcome.finished.duration_s, 2),
        )
        if outcome.verdict is not None:
            figures.update(looked_at=outcome.verdict.n_looked_at, read_after=outcome.verdict.n_read_after)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
