"""A recording without a truth: how rigid its lifted bones are, its noise floor, and a plot of wrists and ankles.

    python benchmarks/lifter_bones.py RECORDING.mp4 [--plot tracks.svg] [--lifters FOLDER ...]

Bones keep their lengths, so what varies is error: SD over mean length of each limb bone, of the lifter and of the pose
network's own 3D. The plot shows, over time, where wrists and ankles lie along the trunk and across it: as the pose
network reads them (every frame from one side, no filter), and as the chain lifts them. FOLDERs are what `fidgety
train-lifter` wrote, of any size: their mean variation is told as well.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from machine import describe_machine

from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.records import LiftedTrack, Pose
from fidgety.runtime.lift import TrackLifter, lift_tracks
from fidgety.runtime.noise_floor import NoiseFloor
from fidgety.runtime.pipeline import lift_poses, steady_tracks
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.source import open_source
from fidgety.skeleton import BLAZEPOSE_33, H36M_17, joints_matrix
from fidgety.training.lifting.graph import LifterGraph, open_lifter
from fidgety.training.lifting.measure import bone_variation

LIMBS = ("arm", ("shoulder", "elbow", "wrist")), ("leg", ("hip", "knee", "ankle"))
ENDS = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")
_HIP, _THORAX = H36M_17.indices("hip", "thorax")


def read_poses(path: str, bundle: Bundle) -> list[Pose]:
    with open_source(path) as source:
        return list(PoseEstimator(bundle).poses(source.frames()))


def lift(poses: list[Pose], bundle: Bundle, lifter: LifterGraph | None = None) -> tuple[LiftedTrack, float | None]:
    """The track as the bundle's lifter, or another, lifts it, and its noise floor in mm."""
    floor = NoiseFloor()
    if lifter is None:
        pieces = lift_poses(iter(poses), BLAZEPOSE_33, bundle)
    else:
        tracks = steady_tracks(iter(poses), BLAZEPOSE_33, bundle)
        pieces = lift_tracks(tracks, TrackLifter(lifter.path, lifter.settings))
    heard = list(floor.listen(pieces))
    whole = LiftedTrack(*(np.concatenate([getattr(piece, name) for piece in heard]) for name in LiftedTrack.__slots__))
    return whole, floor.measures()["noise_floor_mm"]


def limb_variation(track: LiftedTrack) -> np.ndarray:
    """SD over mean of every limb bone's length."""
    seen = np.isfinite(track.joints).all(axis=(1, 2))
    return bone_variation(track.joints[seen].astype(np.float64))[limb_bones()]


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
    parser.add_argument("--lifters", type=Path, nargs="+", default=[])
    given = parser.parse_args()
    bundle = open_bundle(default_bundle_path())
    poses = read_poses(given.recording, bundle)
    track, floor_mm = lift(poses, bundle)
    plain = _one_sided(bundle)
    plain_poses = read_poses(given.recording, plain)
    world = joints_matrix(BLAZEPOSE_33) @ np.stack([pose.world_m for pose in plain_poses if not pose.is_missing])
    bones = limb_bones()
    lifted, theirs = limb_variation(track), bone_variation(world.astype(np.float64))[bones]
    seen = np.isfinite(track.joints).all(axis=(1, 2))
    print(f"{describe_machine()}\n{bundle.label}")
    print(f"{given.recording}: {len(seen)} rows, {seen.mean():.0%} with all joints; noise floor {floor_mm} mm")
    for i, bone in enumerate(bones):
        name = "-".join(H36M_17.keypoints[k] for k in H36M_17.bones[bone])
        print(f"{name:>30}: varies by {lifted[i]:.3f} lifted, {theirs[i]:.3f} in the pose network's own 3D")
    print(f"{'mean':>30}: {_against(lifted, theirs)}")
    for folder in given.lifters:
        other, _ = lift(poses, bundle, open_lifter(folder))
        print(f"{folder.name:>30}: {_against(limb_variation(other), theirs)}")
    if given.plot is not None:
        plot(lift(plain_poses, plain)[0], track, given.plot)


def _one_sided(bundle: Bundle) -> Bundle:
    """The pose network as it reads by itself: no mirror image, no picture followed, no filter."""
    manifest = bundle.manifest
    pose = replace(manifest.pose, reads_both_sides=False, follows_picture=False)
    return replace(
        bundle, manifest=replace(manifest, pose=pose, track=replace(manifest.track, smoothing_weights=(1.0,)))
    )


def _against(lifted: np.ndarray, theirs: np.ndarray) -> str:
    return f"{lifted.mean():.3f} against {theirs.mean():.3f}, ratio {lifted.mean() / theirs.mean():.2f}"


if __name__ == "__main__":
    main()
