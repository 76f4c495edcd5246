"""The lifter against the pose network's own 3D and against flat joints, where the truth is known.

    python benchmarks/lifter_error.py LIFTER.onnx RECORDING.mp4 [RECORDING.mp4 ...] [--pairs POSES.npz]

RECORDINGs are rendered ones with their truth beside them. POSES.npz holds single poses: `pose2d` (N, 13, 2) px and
`pose3d` (N, 13, 3), in any axes, of 13 joints (0 head; 1, 3, 5 and 2, 4, 6 the arms; 7, 9, 11 and 8, 10, 12 the legs).
Prints the mean error after similarity alignment in trunk lengths and, where the truth is in the camera's axes, the
share of bones whose depth has the right sign and of limb joints that lie on their own side.
"""

import argparse
from pathlib import Path

import numpy as np
from machine import describe_machine

from fidgety.bundle import default_bundle_path, open_bundle
from fidgety.phantom.truth import read_camera, read_truth
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.source import open_source
from fidgety.runtime.stream_lifter import StreamLifter
from fidgety.runtime.track import smooth_rows
from fidgety.runtime.upright import UprightFrame, turned_back
from fidgety.skeleton import BLAZEPOSE_33, COCO_17, H36M_17, joints_matrix
from fidgety.training.lifting.measure import aligned_error, depth_sign_share, side_share

_HIP, _THORAX = H36M_17.indices("hip", "thorax")
_THIRTEEN = {
    **{
        f"{'left' if i % 2 else 'right'}_{joint}": i
        for first, joint in ((1, "shoulder"), (3, "elbow"), (5, "wrist"))
        for i in (first, first + 1)
    },
    **{
        f"{'left' if i % 2 else 'right'}_{joint}": i
        for first, joint in ((7, "hip"), (9, "knee"), (11, "ankle"))
        for i in (first, first + 1)
    },
}


def lift(graph: Path, channels: int, xy: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """COCO-17 rows (T, 17, 2) px -> (T, 17, 3) in the picture's axes, trunk lengths."""
    features, in_plane, trunk = UprightFrame().apply(xy, scores)
    stream = StreamLifter(graph, channels)
    lifted = np.concatenate([stream.push(features, in_plane), stream.finish()])
    return turned_back(lifted, trunk)


def tell(name: str, candidates: dict[str, np.ndarray], true: np.ndarray, *, in_camera: bool) -> None:
    print(f"{name}: {len(true)} poses")
    for kind, joints in candidates.items():
        joints, wanted = joints.astype(np.float64), true.astype(np.float64)
        error = aligned_error(joints, wanted).mean()
        line = f"{kind:>24}: aligned error {error:.3f}"
        if in_camera:
            trunk = np.linalg.norm(wanted[:, _THORAX], axis=-1)[:, None, None]
            own_trunk = np.linalg.norm(joints[:, _THORAX] - joints[:, _HIP], axis=-1)[:, None, None]
            sign, side = (
                depth_sign_share(joints, wanted),
                side_share((joints - joints[:, :1]) / own_trunk, wanted / trunk),
            )
            line += f", depth sign right {sign:.1%}, side right {side:.1%}"
        print(line)


def of_recording(graph: Path, channels: int, path: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Joints by kind and the true ones, every 5th frame; frames without a pose are left out."""
    with open_source(str(path)) as source:
        poses = list(PoseEstimator(open_bundle(default_bundle_path())).poses(source.frames()))
    truth, camera = read_truth(path), read_camera(path)
    kept = np.flatnonzero(~truth.is_dropped)[: len(poses)]
    is_found = np.array([not pose.is_missing for pose in poses])
    xy, world = np.stack([pose.keypoints_xy for pose in poses]), np.stack([pose.world_m for pose in poses])
    scores = np.stack([pose.keypoint_scores for pose in poses])
    coco = BLAZEPOSE_33.indices(*COCO_17.keypoints)
    weights = open_bundle(default_bundle_path()).manifest.track.smoothing_weights
    lifted = lift(
        graph, channels, smooth_rows(xy[:, coco], weights) if is_found.all() else xy[:, coco], scores[:, coco]
    )
    matrix = joints_matrix(BLAZEPOSE_33)
    plane = matrix @ xy
    hip = H36M_17.index["hip"]
    true = camera.to_camera(truth.joints_m[kept])
    true = true - true[:, hip : hip + 1]
    use = np.flatnonzero(is_found)[::5]
    flat = np.concatenate([plane, np.zeros_like(plane[..., :1])], axis=-1)
    kinds = {"lifter": lifted, "pose network's world": matrix @ world, "flat": flat}
    return {kind: joints[use] for kind, joints in kinds.items()}, true[use]


def of_pairs(graph: Path, channels: int, path: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Single poses: each one is a recording of one row. Spine, neck and head are not in the truth: they stay out."""
    with np.load(path) as saved:
        valid, pose2d, pose3d = saved["valid"].astype(bool), saved["pose2d"], saved["pose3d"]
    whole = valid.reshape(len(valid), -1).all(axis=1)
    pose2d, pose3d = pose2d[whole], pose3d[whole]
    xy = np.full((len(pose2d), 17, 2), np.nan, np.float32)
    for name, i in _THIRTEEN.items():
        xy[:, COCO_17.index[name]] = pose2d[:, i, :2]
    scores = np.where(np.isfinite(xy[..., 0]), 0.9, 0.0).astype(np.float32)
    lifted = np.concatenate([lift(graph, channels, xy[i : i + 1], scores[i : i + 1]) for i in range(len(xy))])
    true, flat = np.zeros((len(xy), 17, 3)), np.zeros((len(xy), 17, 3))
    for joints, source in ((true, pose3d), (flat, np.concatenate([pose2d, np.zeros((*pose2d.shape[:2], 1))], axis=-1))):
        for name, i in _THIRTEEN.items():
            joints[:, H36M_17.index[name]] = source[:, i]
        middle = {"hip": "hip", "thorax": "shoulder"}
        for name, joint in middle.items():
            joints[:, H36M_17.index[name]] = (
                source[:, _THIRTEEN[f"left_{joint}"]] + source[:, _THIRTEEN[f"right_{joint}"]]
            ) / 2
        joints -= joints[:, :1].copy()
    for joints in (true, flat, lifted):  # what the truth does not hold counts for nobody
        joints[:, H36M_17.indices("spine", "neck", "head")] = 0.0
    return {"lifter": lifted, "flat": flat}, true


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("graph", type=Path)
    parser.add_argument("recordings", type=Path, nargs="*")
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--channels", type=int, default=128)
    given = parser.parse_args()
    print(describe_machine())
    results = [of_recording(given.graph, given.channels, path) for path in given.recordings]
    if results:
        kinds = {kind: np.concatenate([kinds[kind] for kinds, _ in results]) for kind in results[0][0]}
        tell("rendered recordings", kinds, np.concatenate([true for _, true in results]), in_camera=True)
    if given.pairs is not None:
        tell(given.pairs.name, *of_pairs(given.graph, given.channels, given.pairs), in_camera=False)


if __name__ == "__main__":
    main()
