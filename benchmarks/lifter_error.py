"""The bundle's lifter against the pose network's own 3D and against flat joints, where the truth is known.

    python benchmarks/lifter_error.py RECORDING.mp4 [RECORDING.mp4 ...] [--pairs POSES.npz] [--lifters FOLDER ...]

RECORDINGs are rendered ones with their truth beside them. POSES.npz holds single poses: `pose2d` (N, 13, 2) px,
`pose3d` (N, 13, 3) in any axes and `valid` (N, 13), of 13 joints (0 head; 1, 3, 5 the right and 2, 4, 6 the left arm;
7, 9, 11 the right and 8, 10, 12 the left leg). Prints the mean error of the joints after similarity alignment in trunk
lengths, the share of bones whose depth has the right sign (of all that truly point away or near, and of those that the
lifter tells by so much and more) and of limb joints on their own side, and by how much limb bones grow and shrink.
FOLDERs are what `fidgety train-lifter` wrote, of any size; without them the bundle's lifter is judged.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lifter_bones import limb_bones
from machine import describe_machine

from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.phantom.truth import read_camera, read_truth
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.source import open_source
from fidgety.runtime.stream_lifter import StreamLifter
from fidgety.runtime.track import smooth_rows
from fidgety.skeleton import BLAZEPOSE_33, COCO_17, H36M_17, joints_matrix
from fidgety.training.lifting.graph import LifterGraph, lift_keypoints, open_lifter
from fidgety.training.lifting.measure import (
    CLEAR,
    aligned_distance,
    aligned_error,
    bone_variation,
    depth_sign_share,
    side_share,
)

_HIP, _THORAX = H36M_17.indices("hip", "thorax")
_THIRTEEN = {
    f"{'right' if i % 2 else 'left'}_{joint}": i
    for first, joint in ((1, "shoulder"), (3, "elbow"), (5, "wrist"), (7, "hip"), (9, "knee"), (11, "ankle"))
    for i in (first, first + 1)
}
_LEAST_TOLD = (0.15, 0.25, 0.35, 0.45)  # trunk lengths of depth: the more a lifter tells, the surer it is of the side
_N_TIMED_ROWS = 3000
_MOST_CAMERA_DEG = 45.0  # off the infant's front: what recordings are asked for
_MOST_OFF_PX = 30.0  # of a weak perspective fit: with more it does not tell where the camera stood


@dataclass(frozen=True)
class Poses:
    """joints by kind and true ones (N, J, 3), camera's axes, any scale; J joints of H36M-17, `order`."""

    kinds: dict[str, np.ndarray]
    true: np.ndarray


def of_recording(bundle: Bundle, lifters: dict[str, LifterGraph], path: Path) -> Poses:
    """Every 5th frame in which an infant was found."""
    with open_source(str(path)) as source:
        poses = list(PoseEstimator(bundle).poses(source.frames()))
    truth, camera = read_truth(path), read_camera(path)
    kept = np.flatnonzero(~truth.is_dropped)[: len(poses)]
    is_found = np.array([not pose.is_missing for pose in poses])
    xy, world = np.stack([pose.keypoints_xy for pose in poses]), np.stack([pose.world_m for pose in poses])
    scores = np.stack([pose.keypoint_scores for pose in poses])
    coco = BLAZEPOSE_33.indices(*COCO_17.keypoints)
    seen = smooth_rows(xy, bundle.manifest.track.smoothing_weights) if is_found.all() else xy
    matrix = joints_matrix(BLAZEPOSE_33)
    true = camera.to_camera(truth.joints_m[kept])
    use = np.flatnonzero(is_found)[::5]
    kinds = {name: lift_keypoints(seen[:, coco], lifter, scores[:, coco]) for name, lifter in lifters.items()}
    kinds["pose network's world"] = matrix @ world
    kinds["flat"] = np.concatenate([matrix @ xy, np.zeros((len(xy), 17, 1), np.float32)], axis=-1)
    return Poses({kind: joints[use] for kind, joints in kinds.items()}, true[use])


def tell_recordings(found: list[Poses]) -> None:
    true = np.concatenate([one.true for one in found]).astype(np.float64)
    true -= true[:, _HIP, None]
    print(f"rendered recordings: {len(true)} poses")
    for kind in found[0].kinds:
        joints = np.concatenate([one.kinds[kind] for one in found]).astype(np.float64)
        joints -= joints[:, _HIP, None]
        trunks = [np.linalg.norm(one[:, _THORAX], axis=-1)[:, None, None] for one in (joints, true)]
        varies = [bone_variation(one.kinds[kind])[limb_bones()].mean() for one in found]
        print(
            f"{kind:>24}: aligned error {aligned_error(joints, true).mean():.3f}, "
            f"depth sign right {depth_sign_share(joints, true):.1%} "
            f"({_told(lambda least, joints=joints: depth_sign_share(joints, true, least_told=least))}), "
            f"side right {side_share(joints / trunks[0], true / trunks[1]):.1%}, "
            f"limb bones vary by {np.mean(varies):.3f}"
        )


def tell_sizes(lifters: dict[str, LifterGraph]) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (_N_TIMED_ROWS, 51)).astype(np.float32)
    in_plane = rng.normal(0, 1, (_N_TIMED_ROWS, 17, 2)).astype(np.float32)
    for name, lifter in lifters.items():
        times = []
        for _ in range(3):
            stream = StreamLifter(lifter.path, lifter.settings.channels, lifter.settings.dilations)
            start = time.perf_counter()
            stream.push(features, in_plane)
            times.append((time.perf_counter() - start) / _N_TIMED_ROWS * 1e3)
        print(
            f"{name:>24}: {lifter.path.stat().st_size / 4e6:.2f} M parameters, {stream.reach} rows ahead, "
            f"{statistics.median(times):.3f} ms a row"
        )


@dataclass(frozen=True)
class PairFigures:
    """One pose that was lifted: aligned errors in trunk lengths, and limb bones."""

    lifter: float
    flat: float
    bones: tuple[tuple[bool, float], ...]  # that clearly point away or near: told rightly, depth told in trunk lengths
    is_supine: bool
    camera_deg: float  # between the line of sight and the infant's front; NaN = the truth holds too little of the trunk


def tell_pairs(name: str, lifter: LifterGraph, path: Path) -> None:
    """Single poses: each one is a recording of one row. Compared are the joints that the truth holds."""
    with np.load(path) as saved:
        valid, pose2d, pose3d = saved["valid"].astype(bool), saved["pose2d"], saved["pose3d"].astype(np.float64)
    trunk = _trunk(pose3d[valid[:, [1, 2, 7, 8]].all(axis=1)])
    found = []
    for xy, xyz, is_valid in zip(pose2d, pose3d, valid, strict=True):
        true = _in_camera(xy[is_valid], xyz[is_valid], xyz)
        if true is not None:
            found.append(_figures(lifter, xy, true, is_valid, trunk))
    parts: dict[str, Callable[[PairFigures], bool]] = {
        "supine": lambda one: one.is_supine,
        f"supine, camera at most {_MOST_CAMERA_DEG:.0f} degrees off": lambda one: (
            one.is_supine and one.camera_deg <= _MOST_CAMERA_DEG
        ),
        "supine, camera further off": lambda one: one.is_supine and one.camera_deg > _MOST_CAMERA_DEG,
        "seen from behind": lambda one: not one.is_supine,
    }
    for part, is_of in parts.items():
        chosen = [one for one in found if is_of(one)]
        ours, flat = (float(np.mean([getattr(one, kind) for one in chosen])) for kind in ("lifter", "flat"))
        bones = [bone for one in chosen for bone in one.bones]
        print(
            f"{path.name}, {part}: {len(chosen)} poses; aligned error of {name} {ours:.3f}, flat {flat:.3f} "
            f"(ratio {ours / flat:.2f}); depth sign right {_right(bones):.1%} of {len(bones)} bones "
            f"({_told(lambda least, bones=bones: _right(bones, least))})"
        )


def _figures(lifter: LifterGraph, xy: np.ndarray, true: np.ndarray, is_valid: np.ndarray, trunk: float) -> PairFigures:
    known = [name for name in _THIRTEEN if is_valid[_THIRTEEN[name]]]
    keypoints = np.full((1, 17, 2), np.nan, np.float32)
    for name, i in _THIRTEEN.items():
        keypoints[0, COCO_17.index[name]] = xy[i]
    scores = np.where(np.isfinite(keypoints[..., 0]), np.float32(0.9), np.float32(0.0))
    lifted = lift_keypoints(keypoints, lifter, scores)[0, H36M_17.indices(*known)].astype(np.float64)
    at = [_THIRTEEN[name] for name in known]
    plane = np.concatenate([xy[at], np.zeros((len(at), 1))], axis=1)
    errors = (float(aligned_distance(joints[None], true[None, at])[0]) / trunk for joints in (lifted, plane))
    return PairFigures(*errors, _bones(lifted, true[at], known, trunk), _faces_camera(xy), _camera_deg(true, is_valid))


def _camera_deg(true: np.ndarray, is_valid: np.ndarray) -> float:
    """How far the camera stands off the front of a trunk (13, 3) of which at least three corners are known."""
    right_shoulder, left_shoulder, right_hip, left_hip = corners = (1, 2, 7, 8)
    if is_valid[list(corners)].sum() < 3:
        return float("nan")
    across = (left_shoulder, right_shoulder) if is_valid[[1, 2]].all() else (left_hip, right_hip)
    along = (left_shoulder, left_hip) if is_valid[[2, 8]].all() else (right_shoulder, right_hip)
    front = np.cross(*(true[a] - true[b] for a, b in (across, along)))
    return float(np.degrees(np.arccos(-front[2] / np.linalg.norm(front))))


def _in_camera(xy: np.ndarray, xyz: np.ndarray, whole: np.ndarray) -> np.ndarray | None:
    """`whole` (13, 3) in the axes of the camera that saw joints xyz (N, 3) at xy (N, 2): weak perspective."""
    if len(xy) < 7:
        return None
    basis = np.concatenate([xyz, np.ones((len(xyz), 1))], axis=1)
    fitted = np.linalg.lstsq(basis, xy, rcond=None)[0]
    if np.abs(basis @ fitted - xy).max() > _MOST_OFF_PX:
        return None
    u, _, vt = np.linalg.svd(fitted[:3].T, full_matrices=False)
    right, down = u @ vt
    return whole @ np.stack([right, down, np.cross(right, down)]).T


def _faces_camera(xy: np.ndarray) -> bool:
    """True when the infant's front is seen: head up, its left is on the right."""
    up = xy[[1, 2]].mean(axis=0) - xy[[7, 8]].mean(axis=0)
    across = xy[2] - xy[1]
    return bool(up[0] * across[1] - up[1] * across[0] > 0)


def _trunk(poses: np.ndarray) -> float:
    trunk = (poses[:, 1] + poses[:, 2] - poses[:, 7] - poses[:, 8]) / 2
    return float(np.median(np.linalg.norm(trunk, axis=-1)))


def _bones(joints: np.ndarray, true: np.ndarray, known: list[str], trunk: float) -> tuple[tuple[bool, float], ...]:
    """Of the limb bones that clearly point away or near: whether they do when lifted, and by how many trunk lengths."""
    told_trunk = np.linalg.norm(joints - joints.mean(axis=0)) / np.linalg.norm(true - true.mean(axis=0)) * trunk
    found = []
    for side in ("left", "right"):
        for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")):
            ends = [f"{side}_{joint}" for joint in (a, b)]
            if all(end in known for end in ends):
                i, j = (known.index(end) for end in ends)
                deep, told = true[j, 2] - true[i, 2], joints[j, 2] - joints[i, 2]
                if abs(deep) > CLEAR * trunk:
                    found.append((bool(np.sign(deep) == np.sign(told)), float(abs(told) / told_trunk)))
    return tuple(found)


def _right(bones: list[tuple[bool, float]], least_told: float = 0.0) -> float:
    told = [is_right for is_right, depth in bones if depth >= least_told]
    return float(np.mean(told)) if told else float("nan")


def _told(share: Callable[[float], float]) -> str:
    return "of those told by " + ", ".join(f"{least:.2f}: {share(least):.1%}" for least in _LEAST_TOLD)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", type=Path, nargs="*")
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--lifters", type=Path, nargs="*", default=[])
    given = parser.parse_args()
    bundle = open_bundle(default_bundle_path())
    lifters = {folder.name: open_lifter(folder) for folder in given.lifters}
    lifters = lifters or {"lifter": LifterGraph(bundle.file(bundle.manifest.lifter.graph), bundle.manifest.lifter)}
    print(f"{describe_machine()}\n{bundle.label}")
    tell_sizes(lifters)
    found = [of_recording(bundle, lifters, path) for path in given.recordings]
    if found:
        tell_recordings(found)
    if given.pairs is not None:
        for name, lifter in lifters.items():
            tell_pairs(name, lifter, given.pairs)


if __name__ == "__main__":
    main()
