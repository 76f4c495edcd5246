"""A new site: 5 frames a recording of 20 rendered recordings fine-tune the heat-map network; errors before and after.

    fidgety train-pose RUN --seed 1
    python benchmarks/pose_fine_tuning.py RUN OUT [STEPS]

Renders single frames of 24 recordings of a site (OTHER_SITE: dim, noisy, soft, other clothes and mat), writes them as
COCO-keypoint JSON, fine-tunes what is in RUN on the frames of 20 of them, and prints the keypoint error on the frames
of the other 4, before and after.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from machine import describe_machine

from fidgety.training.pose.phantom_frames import OTHER_SITE, phantom_frames

__all__ = ["main"]


def main(run: Path, out: Path, steps: int) -> int:
    """Gives the exit status of the training."""
    frames = phantom_frames(out / "site", OTHER_SITE)
    print(f"{len(frames)} frames of {len({f.recording for f in frames})} recordings; {describe_machine()}", flush=True)
    command = ["fidgety.cli", "train-pose", str(out / "tuned"), "--annotations", str(out / "site" / "annotations.json")]
    command += ["--start", str(run), "--steps", str(steps), "--held-out", "0.17"]
    return subprocess.run([sys.executable, "-m", *command], check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 300))
