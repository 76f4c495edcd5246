"""Frames per second of decoding alone, pose alone, the whole pipeline and the `mediapipe` package's loop.

    python benchmarks/throughput.py RECORDING.mp4 [--mediapipe-python PYTHON] [--rounds 3]

The cores' limit is (cores) / (CPU seconds of decoding + pose per frame), both measured in this run, on every frame:
what a frame costs wanders by a fifth within seconds on a shared machine, and the pipeline is measured for as long.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
from machine import describe_machine

from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.records import Characteristics
from fidgety.runtime.pipeline import Job, assess_recording
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.source import open_source

HELD_FRAMES = 200  # decoded ahead, a piece for the pose figure: 1080p takes 3 MB each


def decode(recording: str) -> int:
    with open_source(recording) as source:
        return sum(1 for _ in source.frames())


def pose(recording: str, bundle: Bundle) -> tuple[int, float, float]:
    """(frames, wall s, CPU s) of the pose stage alone, on every frame, each piece decoded beforehand."""
    n, wall, cpu = 0, 0.0, 0.0
    with open_source(recording) as source:
        frames = source.frames()
        while piece := list(islice(frames, HELD_FRAMES)):
            poses = PoseEstimator(bundle).poses(piece)
            next(poses)  # start: detector and four rotations
            began_wall, began_cpu = time.perf_counter(), time.process_time()
            n += sum(1 for _ in poses)
            wall, cpu = wall + time.perf_counter() - began_wall, cpu + time.process_time() - began_cpu
    return n, wall, cpu


def pipeline(recording: str, bundle: Bundle) -> int:
    n_poses = 0

    def count(_: object) -> None:
        nonlocal n_poses
        n_poses += 1

    with open_source(recording) as source:
        assess_recording(source, bundle, Job(source.info.name, Characteristics(13.0)), count)
    return n_poses


def mediapipe_loop(recording: str, python: str) -> tuple[int, float]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.npz"
        script = Path(__file__).with_name("mediapipe_loop.py")
        subprocess.run([python, str(script), recording, str(out)], check=True, capture_output=True)
        with np.load(out) as saved:
            return len(saved["landmarks"]), float(saved["wall_s"])


def timed(run: Callable[[], int]) -> tuple[int, float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    n = run()
    return n, time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording")
    parser.add_argument("--mediapipe-python")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    bundle = open_bundle(default_bundle_path())
    cores = os.cpu_count() or 1
    rows: dict[str, list[float]] = {}
    for _ in range(given.rounds):
        n, wall, decode_cpu = timed(lambda: decode(given.recording))
        rows.setdefault("decode alone", []).append(n / wall)
        n_pose, pose_wall, pose_cpu = pose(given.recording, bundle)
        rows.setdefault("pose alone", []).append(n_pose / pose_wall)
        limit = cores / (decode_cpu / n + pose_cpu / n_pose)
        rows.setdefault(f"limit of {cores} cores", []).append(limit)
        n, wall, cpu = timed(lambda: pipeline(given.recording, bundle))
        rows.setdefault("pipeline", []).append(n / wall)
        rows.setdefault("pipeline, cores busy", []).append(cpu / wall)
        rows.setdefault("pipeline / limit", []).append(n / wall / limit)
        if given.mediapipe_python:
            n_theirs, theirs = mediapipe_loop(given.recording, given.mediapipe_python)
            rows.setdefault("mediapipe's loop", []).append(n_theirs / theirs)
            rows.setdefault("pipeline / mediapipe", []).append(n / wall / (n_theirs / theirs))
    print(describe_machine())
    print(f"{given.recording}, {given.rounds} rounds: median (min - max), frames per second or ratio")
    for name, values in rows.items():
        print(f"{name:>24}  {statistics.median(values):7.2f}  ({min(values):.2f} - {max(values):.2f})")
    sys.exit(0)


main()
