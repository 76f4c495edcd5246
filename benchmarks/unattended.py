"""Hundreds of recordings in one call, and one of two hours: memory, open files and time, as they go on.

    python benchmarks/unattended.py TRACK.poses [--recordings 500] [--seconds 12] [--hours 2] [--video RECORDING]

TRACK: a pose track (`fidgety pose fidgety/demo/sample.mp4`). The recordings are pieces of it, each a little different,
so that none is found as scored before; the long one is the track again and again. The folder is then asked for once
more, which finds every result. With --video the long one is that recording's pictures again and again, as they were
encoded, through the pose network too: as many hours on a slow machine. --recordings 0: the long one alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
from machine import describe_machine

from fidgety.records import Pose
from fidgety.runtime.posefile import PoseRecording, PoseWriter, open_poses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("track", type=Path)
    parser.add_argument("--recordings", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--video", type=Path)
    options = parser.parse_args()
    track = open_poses(options.track)
    print(describe_machine())
    with tempfile.TemporaryDirectory() as place:
        folder, out = Path(place) / "many", Path(place) / "out"
        folder.mkdir()
        for i in range(options.recordings):
            write(folder / f"{i:04d}.poses", track, piece(track, options.seconds, i))
        for what in ("scored", "found again") if options.recordings else ():
            report(f"{options.recordings} recordings of {options.seconds:g} s, {what}", folder, out)
        long = Path(place) / ("long.poses" if options.video is None else "long.mp4")
        if options.video is None:
            write(long, track, looped(track, options.hours * 3600.0))
        else:
            write_video(long, options.video, options.hours * 3600.0)
        report(f"one recording of {options.hours:g} h ({long.stat().st_size / 1e6:.0f} MB)", long, out)


def piece(track: PoseRecording, seconds: float, i: int) -> Iterator[Pose]:
    """`seconds` of the track from a place of its own, times from 0, half a pixel of noise."""
    rng = np.random.default_rng(i)
    n = int(seconds * 25)
    start = int(rng.integers(0, track.n_poses - n))
    for k, pose in enumerate(islice(track.poses, start, start + n)):
        noise = rng.normal(0.0, 0.3, pose.keypoints_xy.shape).astype(np.float32)
        yield replace(pose, frame_index=k, time_s=k / 25.0, keypoints_xy=pose.keypoints_xy + noise)


def looped(track: PoseRecording, seconds: float) -> Iterator[Pose]:
    """The track forwards and backwards, so that nothing leaps."""
    poses = list(track.poses)
    there_and_back = poses + poses[-2:0:-1]
    for k in range(int(seconds * 25)):
        yield replace(there_and_back[k % len(there_and_back)], frame_index=k, time_s=k / 25.0)


def write(path: Path, track: PoseRecording, poses: Iterator[Pose]) -> None:
    with PoseWriter(path, track.skeleton, {"recording": "benchmark"}) as writer:
        for pose in poses:
            writer.write(pose)


def write_video(path: Path, recording: Path, seconds: float) -> None:
    """The recording's packets, again and again: nothing is encoded anew."""
    with av.open(str(path), "w") as target:
        stream, passed_s = None, Fraction(0)
        while passed_s < seconds:
            with av.open(str(recording)) as source:
                video = source.streams.video[0]
                stream = stream or target.add_stream_from_template(video)
                packets = [packet for packet in source.demux(video) if packet.dts is not None]
                frame_s = 1 / Fraction(video.average_rate)
                end_s = passed_s + max(packet.pts * packet.time_base for packet in packets) + frame_s
                for packet in packets:
                    shift = round(passed_s / packet.time_base)
                    packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                    target.mux(packet)
                passed_s = end_s


def report(what: str, address: Path, out: Path) -> None:
    """Run the command, look at its process after every tenth line, and print how memory and handles went."""
    command = [sys.executable, "-u", "-m", "fidgety.cli", "score", str(address), "--age-weeks", "13", "--out", str(out)]
    started_s = time.monotonic()
    looks: list[tuple[float, int]] = []
    with subprocess.Popen(
        [*command, "--min-assessable-s", "5"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        for i, line in enumerate(process.stdout):
            if i % 10 == 0 and line.strip():
                looks.append(look(process.pid))
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):
        raise SystemExit(f"{what}: exit {process.returncode}")
    spent_s = time.monotonic() - started_s
    print(f"\n{what}: {spent_s:.0f} s, peak memory {usage.ru_maxrss / 1024:.0f} MB")
    looks = [one for one in looks if one[0] > 0]
    for share in (0.1, 0.25, 0.5, 0.75, 0.98):
        if len(looks) > 5:
            memory_mb, n_open = looks[int(share * (len(looks) - 1))]
            print(f"  at {share:4.0%}: {memory_mb:4.0f} MB, {n_open} open files")


def look(pid: int) -> tuple[float, int]:
    """(resident MB, open files) of a process; zeros when it has just ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except (OSError, IndexError):
        return 0.0, 0


if __name__ == "__main__":
    main()
