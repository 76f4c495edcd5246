"""Spurious lines in lifted movement: the comb that public lifters leave at multiples of 25/9 Hz, or any other.

    python benchmarks/lifter_lines.py TRACK [TRACK ...]

TRACKs are COCO-17 at 25 Hz: `.npz` with `xyc` (T, 17, 3), or the `.poses` of `fidgety phantom cohort`. Printed is the
level of the largest line above .75 Hz over its neighbours, and of the largest on the comb, over all joints, of the
keypoints that went in and of the joints that came out, by the bundle's lifter.
"""

import argparse
from pathlib import Path

import numpy as np
from machine import describe_machine

from fidgety.bundle import default_bundle_path, open_bundle
from fidgety.phantom.fidelity.transfer import levels_db, power_spectrum
from fidgety.runtime.posefile import open_poses
from fidgety.runtime.track import smooth_rows
from fidgety.skeleton import COCO_17, H36M_17, joints_matrix
from fidgety.training.lifting.graph import LifterGraph, lift_keypoints

FPS = 25.0
COMB_HZ = FPS / 9


def lines(name: str, signals: np.ndarray) -> None:
    """signals (T, J, D): the largest line of any joint, and the largest on the comb."""
    found = []
    for joint in range(1, signals.shape[1]):
        frequency_hz, power = power_spectrum(signals[:, joint].astype(np.float64), FPS)
        levels = levels_db(power)
        levels[frequency_hz < 0.75] = -np.inf
        on_comb = np.abs(frequency_hz - COMB_HZ * np.maximum(np.rint(frequency_hz / COMB_HZ), 1)) <= 0.1
        top = int(np.nanargmax(levels))
        comb = float(np.nanmax(np.where(on_comb, levels, -np.inf)))
        found.append((float(levels[top]), float(frequency_hz[top]), H36M_17.keypoints[joint], comb))
    level, at_hz, joint_name, _ = max(found)
    print(
        f"  {name:>26}: {level:5.1f} dB at {at_hz:.2f} Hz ({joint_name}); comb {max(row[3] for row in found):5.1f} dB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tracks", type=Path, nargs="+")
    given = parser.parse_args()
    bundle = open_bundle(default_bundle_path())
    lifter = LifterGraph(bundle.file(bundle.manifest.lifter.graph), bundle.manifest.lifter)
    print(f"{describe_machine()}\n{bundle.label}")
    for path in given.tracks:
        poses = list(open_poses(path, FPS if path.suffix == ".npz" else None).poses)
        xy, scores = np.stack([pose.keypoints_xy for pose in poses]), np.stack([pose.keypoint_scores for pose in poses])
        seen = smooth_rows(xy, bundle.manifest.track.smoothing_weights)
        lifted = lift_keypoints(seen, lifter, scores)
        in_plane = joints_matrix(COCO_17) @ seen
        print(f"{path.name}: {len(lifted)} rows")
        lines("joints in the plane, in", in_plane - in_plane[:, :1])
        lines("lifted, plane", lifted[..., :2])
        lines("lifted, depth", lifted[..., 2:])


if __name__ == "__main__":
    main()
