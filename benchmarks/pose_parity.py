"""Landmarks of the whole pose stage against the `mediapipe` package on the same frames.

    python benchmarks/pose_parity.py RECORDING.mp4 --mediapipe-python PYTHON

Both get the very same pictures (RGB, as our decoder reads them: OpenCV's reader takes BT.709 for BT.601 and rounds
down, which alone moves landmarks), start by themselves and track. The second figure has ours read in mediapipe's own
crops: what differs then is the reading, not the tracking. Distances in source px. Reading from both sides in
turn is left out: mediapipe does not.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from machine import describe_machine

from fidgety.bundle import default_bundle_path, open_bundle
from fidgety.records import FloatArray, Frame, UInt8Array
from fidgety.runtime.blazepose import N_LANDMARKS, Region, crop_picture
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.source import open_source
from fidgety.skeleton import BLAZEPOSE_33

_LIMBS = BLAZEPOSE_33.indices(
    *(f"{side}_{joint}" for side in ("left", "right") for joint in ("elbow", "wrist", "knee", "ankle"))
)


def frames_of(recording: str) -> Iterator[Frame]:
    with open_source(recording) as source:
        yield from source.frames()


def rgb_of(frame: Frame) -> UInt8Array:
    """(H, W, 3) the whole picture as the pose stage reads its pixels."""
    whole = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    size = max(frame.width_px, frame.height_px)
    planes = crop_picture(frame, whole, size, low=0.0, is_replicated=True)[0, :, : frame.height_px, : frame.width_px]
    return np.ascontiguousarray(np.rint(planes.transpose(1, 2, 0) * 255).astype(np.uint8))


def their_poses(recording: str, python: str) -> tuple[FloatArray, FloatArray, str]:
    """mediapipe's landmarks (T, 33, 2) and crops (T, 4), and its version."""
    script = str(Path(__file__).with_name("mediapipe_landmarks.py"))
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/out.npz"
        process = None
        for frame in frames_of(recording):
            if process is None:
                command = [python, script, str(frame.height_px), str(frame.width_px), out]
                process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
            assert process.stdin is not None
            process.stdin.write(rgb_of(frame).tobytes())
        assert process is not None and process.stdin is not None
        process.stdin.close()
        if process.wait() != 0:
            raise SystemExit(f"{script} failed: does {python} hold mediapipe?")
        with np.load(out) as saved:
            return saved["landmarks"], saved["regions"], str(saved["version"])


def tell(name: str, distance: FloatArray) -> None:
    for points, values in (("all 33", distance), ("limbs", distance[:, _LIMBS])):
        known = values[np.isfinite(values)]
        median, most = np.median(known), np.percentile(known, 95)
        print(f"{name:>16}, {points:>6}: median {median:.3f} px, 95 % within {most:.2f} px")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording")
    parser.add_argument("--mediapipe-python", required=True)
    given = parser.parse_args()
    theirs, regions, version = their_poses(given.recording, given.mediapipe_python)
    bundle = open_bundle(default_bundle_path())
    pose = replace(bundle.manifest.pose, reads_both_sides=False, follows_picture=False)
    bundle = replace(bundle, manifest=replace(bundle.manifest, pose=pose))
    tracked = np.stack([pose.keypoints_xy for pose in PoseEstimator(bundle).poses(frames_of(given.recording))])
    reader = PoseEstimator(bundle)
    same_crop = [
        reader.read(frame, Region(*(float(value) for value in region))).keypoints_xy[:N_LANDMARKS]
        if np.isfinite(region).all()
        else np.full((N_LANDMARKS, 2), np.nan, np.float32)
        for frame, region in zip(frames_of(given.recording), regions, strict=True)
    ]
    both = np.isfinite(np.linalg.norm(tracked - theirs, axis=-1)[:, 0]).mean()
    print(f"{describe_machine()}, mediapipe {version}")
    print(f"{given.recording}: {len(tracked)} frames, both found the infant in {both:.1%}")
    tell("own tracking", np.linalg.norm(tracked - theirs, axis=-1))
    tell("in their crops", np.linalg.norm(np.stack(same_crop) - theirs, axis=-1))


if __name__ == "__main__":
    main()
