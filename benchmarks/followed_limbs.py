"""Limbs that move as the picture around them does against limbs as the pose network reads them, on whole recordings.

    python benchmarks/followed_limbs.py RECORDING.mp4 [RECORDING.mp4 ...]

RECORDINGs are rendered ones with their truth beside them. Each goes through the whole chain both ways; printed is the
error between .5 and 4 Hz in the picture plane from the hip, mm rms, over both sides and all recordings, and beside it
the true movement. The fidelity bench tells what becomes of single movements; this, what is left of it when an infant
moves as infants do.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from machine import describe_machine

from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.phantom.fidelity.bench import BAND_HZ
from fidgety.phantom.fidelity.transfer import band_rms
from fidgety.phantom.truth import read_camera, read_truth
from fidgety.runtime.pipeline import lift_poses
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.source import open_source
from fidgety.skeleton import H36M_17

KINDS = ("wrist", "elbow", "ankle", "knee")
_HIP, _THORAX = H36M_17.indices("hip", "thorax")
_EDGE_S = 2.0  # left out at both ends


def lifted(path: Path, bundle: Bundle) -> np.ndarray:
    """(T, 17, 2) trunk lengths from the hip in the picture plane, 25 Hz; gaps are bridged by straight lines."""
    with open_source(str(path)) as source:
        estimator = PoseEstimator(bundle)
        pieces = list(lift_poses(estimator.poses(source.frames()), estimator.skeleton, bundle))
    joints = np.concatenate([piece.joints for piece in pieces])[..., :2].astype(np.float64)
    flat, rows = joints.reshape(len(joints), -1), np.arange(len(joints))
    for column in flat.T:
        known = np.isfinite(column)
        column[~known] = np.interp(rows[~known], rows[known], column[known])
    return flat.reshape(joints.shape)


def in_band_mm2(points: np.ndarray, fps: float, joint: str) -> float:
    """Mean square of one joint of (T, 17, 2) mm between .5 and 4 Hz, both axes together, mm squared."""
    edge = round(_EDGE_S * fps)
    return float(np.sum(band_rms(points[edge:-edge, H36M_17.index[joint]], fps, *BAND_HZ) ** 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", type=Path, nargs="+")
    given = parser.parse_args()
    followed = open_bundle(default_bundle_path())
    pose = replace(followed.manifest.pose, follows_picture=False)
    read = replace(followed, manifest=replace(followed.manifest, pose=pose))
    fps = followed.manifest.track.fps
    found: dict[str, dict[str, list[float]]] = {
        name: {kind: [] for kind in KINDS} for name in ("as read", "followed", "true movement")
    }
    for path in given.recordings:
        truth = read_truth(path)
        if not np.allclose(np.diff(truth.times_s), 1 / fps):
            raise SystemExit(f"{path} was not rendered at {fps:g} frames a second: the rows of its truth are others")
        true = 1e3 * read_camera(path).to_camera(truth.joints_m)
        true -= true[:, _HIP, None]
        trunk_mm = float(np.median(np.linalg.norm(true[:, _THORAX], axis=-1)))
        for name, bundle in (("as read", read), ("followed", followed), ("true movement", None)):
            points = true[..., :2]
            if bundle is not None:
                joints = trunk_mm * lifted(path, bundle)
                points = joints - points[: len(joints)]
            for kind in KINDS:
                found[name][kind] += [in_band_mm2(points, fps, f"{side}_{kind}") for side in ("left", "right")]
    print(f"{describe_machine()}\n{followed.label}: {len(given.recordings)} recordings, mm rms")
    for name, by_kind in found.items():
        print(f"{name:>14}: " + ", ".join(f"{kind}s {np.sqrt(np.mean(by_kind[kind])):.2f}" for kind in KINDS))


if __name__ == "__main__":
    main()
