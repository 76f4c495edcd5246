"""A recording without a truth: how rigid its lifted bones are, its noise floor, and a plot of wrists and ankles.

    python benchmarks/lifter_bones.py RECORDING.mp4 --plot tracks.svg

Bones keep their lengths, so what varies is error: SD over mean length of each limb bone, of the lifter and of the pose
network's own 3D. The plot shows, over time, where wrists and ankles lie along the trunk and across it: as the pose
network reads them (every frame from one side, no filter), and as the chain lifts them.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from machine import describe_machine

from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.records import LiftedTrack
from fidgety.runtime.noise_floor import NoiseFloor
from fidgety.runtime.pipeline import lift_poses
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.source import open_source
from fidgety.skeleton import BLAZEPOSE_33, H36M_17, joints_matrix
from fidgety.training.lifting.measure import bone_variation

LIMBS = ("arm", ("shoulder", "elbow", "wrist")), ("leg", ("hip", "knee", "ankle"))
ENDS = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")
_HIP, _THORAX = H36M_17.indices("hip", "thorax")


def lift(path: str, bundle: Bundle) -> tuple[LiftedTrack, float | None, np.ndarray]:
    """The lifted track, its noise floor in mm, and the pose network's own 3D (T', 17, 3) m where it found an infant."""
    world: list[np.ndarray] = []

    def watched(poses):  # type: ignore[no-untyped-def]
        for pose in poses:
            if not pose.is_missing:
                world.append(pose.world_m)
            yield pose

    floor = NoiseFloor()
    with open_source(path) as source:
        poses = watched(PoseEstimator(bundle).poses(source.frames()))
        pieces = list(floor.listen(lift_poses(poses, BLAZEPOSE_33, bundle)))
    whole = LiftedTrack(*(np.concatenate([getattr(piece, name) for piece in pieces]) for name in LiftedTrack.__slots__))
    return whole, floor.measures()["noise_floor_mm"], joints_matrix(BLAZEPOSE_33) @ np.stack(world)


def limb_bones() -> list[int]:
    ends = [
        {f"{side}_{a}", f"{side}_{b}"}
        for side in ("left", "right")
        for _, (one, two, three) in LIMBS
        for a, b in ((one, two), (two, three))
    ]
    return [i for i, pair in enumerate(H36M_17.bones) if {H36M_17.keypoints[k] for k in pair} in ends]


def along_and_across(track: LiftedTrack, joint: str) -> np.ndarray:
    """(T, 2) trunk lengths from the hip in the picture, along the median trunk and across it."""
    points = track.joints_xy[:, H36M_17.index[joint]] - track.joints_xy[:, _HIP]
    trunk = np.nanmedian(track.joints_xy[:, _THORAX] - track.joints_xy[:, _HIP], axis=0)
    return points @ np.stack([trunk, [-trunk[1], trunk[0]]], axis=1) / (trunk @ trunk)


def plot(before: LiftedTrack, after: LiftedTrack, out: Path) -> None:
    """Two curves a panel, one panel per joint and direction."""
    width, height, gap = 1100, 90, 26
    parts = []
    for row, (joint, column) in enumerate((joint, column) for joint in ENDS for column in (0, 1)):
        curves = [along_and_across(track, joint)[:, column] for track in (before, after)]
        low, high = np.nanpercentile(curves[0], [0.5, 99.5])
        top = row * (height + gap) + 20
        title = (
            f"{joint.replace('_', ' ')}, {'along' if column == 0 else 'across'} the trunk, {high - low:.2f} trunks high"
        )
        parts.append(f'<text x="4" y="{top - 5}" font-size="12">{title}</text>')
        for curve, colour, thick in zip(curves, ("#c8553d", "#1d4e89"), (0.8, 1.2), strict=True):
            x = np.linspace(0, width, len(curve))
            y = top + height * (1 - (curve - low) / max(high - low, 1e-6))
            points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True) if np.isfinite(b))
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{thick}"/>')
    size = f'width="{width}" height="{8 * (height + gap) + 20}"'
    body = "".join(parts)
    out.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">{body}</svg>\n')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording")
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    bundle = open_bundle(default_bundle_path())
    track, floor_mm, _ = lift(given.recording, bundle)
    manifest = bundle.manifest
    plain = replace(
        manifest,
        pose=replace(manifest.pose, reads_both_sides=False, follows_picture=False),
        track=replace(manifest.track, smoothing_weights=(1.0,)),
    )
    before, _, world = lift(given.recording, replace(bundle, manifest=plain))
    bones = limb_bones()
    seen = np.isfinite(track.joints).all(axis=(1, 2))
    lifted, theirs = (bone_variation(joints.astype(np.float64))[bones] for joints in (track.joints[seen], world))
    print(f"{describe_machine()}\n{bundle.label}")
    print(f"{given.recording}: {len(seen)} rows, {seen.mean():.0%} with all joints; noise floor {floor_mm} mm")
    for i, bone in enumerate(bones):
        name = "-".join(H36M_17.keypoints[k] for k in H36M_17.bones[bone])
        print(f"{name:>30}: varies by {lifted[i]:.3f} lifted, {theirs[i]:.3f} in the pose network's own 3D")
    print(f"{'mean':>30}: {lifted.mean():.3f} against {theirs.mean():.3f}, ratio {lifted.mean() / theirs.mean():.2f}")
    if given.plot is not None:
        plot(before, track, given.plot)


if __name__ == "__main__":
    main()
