"""Peak memory of scoring a short and a long recording, each in a process of its own.

python benchmarks/memory.py SHORT.mp4 LONG.mp4
"""

import argparse
import os
import subprocess
import sys

from machine import describe_machine


def peak_mb(recording: str) -> float:
    """Peak resident size of `fidgety score` on it, MB."""
    command = [
        sys.executable,
        "-m",
        "fidgety.cli",
        "score",
        recording,
        "--age-weeks",
        "13",
        "--force",
        "--out",
        "out/memory",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):
        raise SystemExit(f"{recording}: exit {process.returncode}")
    return usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("short")
    parser.add_argument("long")
    given = parser.parse_args()
    short, long = peak_mb(given.short), peak_mb(given.long)
    print(describe_machine())
    print(f"{given.short}: {short:.0f} MB; {given.long}: {long:.0f} MB; ratio {long / short:.3f}")


main()
