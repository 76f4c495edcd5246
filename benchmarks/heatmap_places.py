"""How much of a heat-map network's trembling the reading of its maps passes on: a fitted hill against a parabola.

    fidgety bundle build --pose RUN/pose.onnx --bundle OWN
    python benchmarks/heatmap_places.py OWN [--seconds 30]

Reads the beginning of the sample recording with the network of OWN, whose `values` must be `likelihood`, and holds
elbows, wrists, knees and ankles against the truth, on a trunk of 190 mm: mean error, and what is left between .5 and
4 Hz when the true movement, with the gain that fits best, is taken off. `parabola`: three cells, summed over three
rows.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
from machine import describe_machine
from scipy.signal import butter, sosfiltfilt

from fidgety.bundle import Bundle, open_bundle
from fidgety.demo_files import demo_file
from fidgety.phantom.truth import read_truth
from fidgety.records import FloatArray
from fidgety.runtime.heatmap_pose import decode_heatmaps
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.source import open_source
from fidgety.skeleton import COCO_17, H36M_17

LIMBS = [f"{side}_{joint}" for side in ("left", "right") for joint in ("elbow", "wrist", "knee", "ankle")]
TRUNK_MM = 190.0
BAND = butter(2, [0.5, 4.0], "band", fs=25.0, output="sos")
Decode = Callable[[FloatArray, str], tuple[FloatArray, FloatArray]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    bundle = open_bundle(given.bundle)
    truth = read_truth(demo_file("sample.mp4")).joints_xy
    hip, thorax = H36M_17.indices("hip", "thorax")
    mm_per_px = TRUNK_MM / float(np.median(np.linalg.norm(truth[:, hip] - truth[:, thorax], axis=1)))
    print(describe_machine())
    print(f"{'reading':<12}{'error mm':>10}{'band mm':>10}   of {', '.join(LIMBS)}")
    for name, decode in (("hill", decode_heatmaps), ("parabola", parabola)):
        found = read_limbs(bundle, decode, given.seconds) * mm_per_px
        true = truth[: len(found), H36M_17.indices(*LIMBS)].astype(np.float64) * mm_per_px
        left = [what_is_left(found[:, i], true[:, i]) for i in range(len(LIMBS))]
        error = np.linalg.norm(found - true, axis=-1).mean()
        print(f"{name:<12}{error:10.2f}{np.mean(left):10.2f}   {' '.join(f'{one:.2f}' for one in left)}")


def read_limbs(bundle: Bundle, decode: Decode, seconds: float) -> FloatArray:
    """(T, 8, 2) px of the source, as the pose stage gives them."""
    with (
        mock.patch("fidgety.runtime.keypoint_network.decode_heatmaps", decode),
        open_source(str(demo_file("sample.mp4"))) as source,
    ):
        frames = (frame for frame in source.frames() if frame.time_s < seconds)
        limbs = COCO_17.indices(*LIMBS)
        return np.stack([pose.keypoints_xy[limbs] for pose in PoseEstimator(bundle).poses(frames)]).astype(np.float64)


def what_is_left(found: FloatArray, true: FloatArray) -> float:
    """Rms between .5 and 4 Hz, both axes, that is not the true movement (T, 2)."""
    moved, wanted = (sosfiltfilt(BAND, one, axis=0) for one in (found, true))
    gain = float((moved * wanted).sum() / (wanted**2).sum())
    return float(np.sqrt(((moved - gain * wanted) ** 2).mean()))


def parabola(heatmaps: FloatArray, values: str) -> tuple[FloatArray, FloatArray]:
    """Places (K, 2) through the highest cell and its neighbours along each axis, and peaks (K,)."""
    if values != "likelihood":
        raise SystemExit("this comparison is of likelihoods")
    places, peaks = [], []
    for one in np.maximum(heatmaps, 0.0):
        row, column = np.unravel_index(one.argmax(), one.shape)
        rows = one[max(row - 1, 0) : row + 2].sum(axis=0)
        columns = one[:, max(column - 1, 0) : column + 2].sum(axis=1)
        places.append([column + beside(rows, column), row + beside(columns, row)])
        peaks.append(one.max())
    return np.array(places, np.float32), np.clip(np.array(peaks, np.float32), 0.0, 1.0)


def beside(line: FloatArray, highest: int) -> float:
    """How far beside the highest cell, at most half a one."""
    middle = int(np.clip(highest, 1, len(line) - 2))
    before, at, after = np.log(np.maximum(line[middle - 1 : middle + 2].astype(np.float64), 1e-6 * line.max()))
    bend = before - 2 * at + after
    return float(np.clip(0.5 * (before - after) / bend + middle - highest, -0.5, 0.5)) if bend < 0 else 0.0


main()
