"""Landmarks of the whole pose stage against the `mediapipe` package on the same frames.

    python benchmarks/pose_parity.py RECORDING.mp4 --mediapipe-python PYTHON

Both start by themselves and track; the recording must not carry rotation metadata. Prints distances in source px.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from machine import describe_machine

from fidgety.bundle import default_bundle_path, open_bundle
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.source import open_source
from fidgety.skeleton import BLAZEPOSE_33


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording")
    parser.add_argument("--mediapipe-python", required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.npz"
        script = Path(__file__).with_name("mediapipe_loop.py")
        subprocess.run(
            [given.mediapipe_python, str(script), given.recording, str(out)], check=True, capture_output=True
        )
        with np.load(out) as saved:
            theirs, their_version = saved["landmarks"], str(saved["version"])
    estimator = PoseEstimator(open_bundle(default_bundle_path()))
    with open_source(given.recording) as source:
        ours = np.stack([pose.keypoints_xy for pose in estimator.poses(source.frames())])
    distance = np.linalg.norm(ours - theirs[: len(ours)], axis=-1)
    limbs = BLAZEPOSE_33.indices(
        *(f"{side}_{joint}" for side in ("left", "right") for joint in ("elbow", "wrist", "knee", "ankle"))
    )
    print(f"{describe_machine()}, mediapipe {their_version}")
    print(f"{given.recording}: {len(ours)} frames, both found the infant in {np.isfinite(distance[:, 0]).mean():.1%}")
    for name, values in (("all 33 landmarks", distance), ("limbs", distance[:, limbs])):
        known = values[np.isfinite(values)]
        print(f"{name:>18}: median {np.median(known):.3f} px, 95th percentile {np.percentile(known, 95):.2f} px")


main()
