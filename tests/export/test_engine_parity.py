"""The gate measures what matters: px of keypoints and the FMs probability."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from fidgety.bundle import KeypointNetwork
from fidgety.errors import DeviceError
from fidgety.export.engine_parity import require_engine_parity
from fidgety.records import FloatArray
from fidgety.runtime.session import Arrays

from ..conftest import HEATMAPS


class _Network:
    """A session whose answer is known: landmarks spread over the crop, or logits, moved by its input."""

    def __init__(self, change: Callable[[Arrays], Arrays] = lambda out: out) -> None:
        self._change = change

    def run(self, **inputs: FloatArray) -> Arrays:
        move = float(next(iter(inputs.values())).sum())
        rows = np.zeros((39, 5), np.float32)
        rows[:, 0] = np.linspace(20, 200, 39) + move
        rows[:, 1] = np.linspace(200, 30, 39)
        landmarks: Arrays = {
            "landmarks": rows.reshape(1, 195),
            "presence": np.full((1, 1), 0.9, np.float32),
            "heatmaps": np.full((1, 39, 64, 64), -9.0, np.float32),
            "world": np.full((1, 117), 0.1, np.float32),
        }
        logits = np.array([[0.3 + move, -0.2]], np.float32)
        return self._change(landmarks if "crop" in inputs else {"logits": logits})


CROPS = {"crop": np.zeros((1, 1), np.float32)}, {"crop": np.full((1, 1), 9.0, np.float32)}
WINDOWS = {"windows": np.zeros((1, 1), np.float32)}, {"windows": np.full((1, 1), 2.0, np.float32)}


def _moved(by_px: float) -> _Network:
    def move(out: Arrays) -> Arrays:
        rows = out["landmarks"].reshape(39, 5).copy()
        rows[20, 0] += np.float32(by_px)  # one of 39
        return {**out, "landmarks": rows.reshape(1, 195)}

    return _Network(move)


def _surer(by: float) -> _Network:
    return _Network(lambda out: {"logits": out["logits"] + np.array([[by, 0.0]], np.float32)})


def test_keypoints_are_compared_in_px() -> None:
    figures = require_engine_parity("pose_landmarks", "fp32", _moved(0.02), _Network(), CROPS)
    assert figures["keypoints px"] == pytest.approx(0.02, abs=1e-4)
    with pytest.raises(DeviceError, match=r"keypoints differ by 0\.1 px, at most 0\.05 is allowed; it is not used"):
        require_engine_parity("pose_landmarks", "fp32", _moved(0.1), _Network(), CROPS)
    require_engine_parity("pose_landmarks", "fp16", _moved(0.1), _Network(), CROPS)
    with pytest.raises(DeviceError, match=r"keypoints differ by 0\.6 px, at most 0\.5 is allowed"):
        require_engine_parity("pose_landmarks", "fp16", _moved(0.6), _Network(), CROPS)


def test_windows_are_compared_by_the_fms_probability() -> None:
    figures = require_engine_parity("mam_window", "fp32", _surer(0.001), _Network(), WINDOWS)
    assert figures["FMs probability"] == pytest.approx(0.001 * 0.235, rel=0.05)
    with pytest.raises(DeviceError, match=r"FMs differ by 0\.00[0-9]+ probability, at most 0\.002"):
        require_engine_parity("mam_window", "fp32", _surer(0.03), _Network(), WINDOWS)


def test_one_answer_that_is_not_finite_is_enough() -> None:
    """The second of three runs."""
    runs: list[int] = []

    def spoil(out: Arrays) -> Arrays:
        runs.append(0)
        return {"logits": out["logits"] * np.float32("nan")} if len(runs) == 2 else out

    with pytest.raises(DeviceError, match="FMs differ by nan"):
        require_engine_parity("mam_window", "fp32", _Network(spoil), _Network(), WINDOWS)


def test_an_engine_that_remembers_the_run_before() -> None:
    kept: list[Arrays] = []

    def late(out: Arrays) -> Arrays:
        kept.append(out)
        return kept[max(0, len(kept) - 2)]

    with pytest.raises(DeviceError, match="FMs differ by"):
        require_engine_parity("mam_window", "fp32", _Network(late), _Network(), WINDOWS)


OWN = replace(HEATMAPS, width_px=192, height_px=256, input="input", outputs=("maps",), cells=(64, 48))
OWN_SIMCC = replace(OWN, family="simcc", outputs=("x", "y"), split_ratio=0.25, cells=())
PICTURES = {"input": np.zeros((1, 1), np.float32)}, {"input": np.full((1, 1), 3.0, np.float32)}


class _OwnNetwork:
    """Heat maps or SimCC vectors of 17 Gaussians; all of them move with the input, one of them is read elsewhere."""

    def __init__(self, of: KeypointNetwork = OWN, by_cells: float = 0.0, which: int = 9, peak: float = 0.8) -> None:
        self._of, self._by_cells, self._which, self._peak = of, by_cells, which, peak

    def run(self, **inputs: FloatArray) -> Arrays:
        x = np.linspace(8, 30, 17) + float(next(iter(inputs.values())).sum())
        x[self._which] += self._by_cells
        y, peaks = np.linspace(50, 12, 17), np.full(17, 0.8)
        peaks[self._which] = self._peak
        along_x, along_y = (np.exp(-((np.arange(n) - place[:, None]) ** 2) / 8.0) for n, place in ((48, x), (64, y)))
        if self._of.family == "simcc":
            return {"x": (peaks[:, None] * along_x)[None].astype(np.float32), "y": along_y[None].astype(np.float32)}
        maps = peaks[:, None, None] * along_y[:, :, None] * along_x[:, None, :]
        return {"maps": maps[None].astype(np.float32)}


@pytest.mark.parametrize("own", [OWN, OWN_SIMCC])
def test_keypoints_of_an_own_network_are_compared_in_px_of_the_crop(own: KeypointNetwork) -> None:
    """A cell is 4 px of its 192, and 5.33 of the 256 that the limits mean."""

    def judge(by_px: float, precision: str) -> dict[str, float]:
        engine = _OwnNetwork(own, by_cells=by_px * 192 / 256 / 4)
        return require_engine_parity("pose_keypoints", precision, engine, _OwnNetwork(own), PICTURES, own)

    assert judge(0.01, "fp32")["keypoints px"] == pytest.approx(0.01, rel=0.05)
    with pytest.raises(DeviceError, match=r"of pose_keypoints does not say .*: keypoints differ by 0\.0[67]\d* px"):
        judge(0.065, "fp32")
    assert judge(0.065, "fp16")["keypoints px"] == pytest.approx(0.065, rel=0.05)
    with pytest.raises(DeviceError, match=r"keypoints differ by 0\.[67]\d* px, at most 0\.5 is allowed"):
        judge(0.65, "fp16")


@pytest.mark.parametrize("own", [OWN, OWN_SIMCC])
def test_peaks_of_an_own_network_are_compared(own: KeypointNetwork) -> None:
    with pytest.raises(DeviceError, match=r"peaks differ by 0\.0029\d* of 1, at most 0\.002"):
        require_engine_parity("pose_keypoints", "fp32", _OwnNetwork(own, peak=0.797), _OwnNetwork(own), PICTURES, own)


def test_place_of_a_joint_that_nobody_sees_is_not_compared_its_map_is() -> None:
    hidden = _OwnNetwork(peak=0.2)
    require_engine_parity("pose_keypoints", "fp32", _OwnNetwork(peak=0.2, by_cells=0.02), hidden, PICTURES, OWN)
    with pytest.raises(DeviceError, match=r"maps differ by 0\.0\d+ of the largest"):
        require_engine_parity("pose_keypoints", "fp32", _OwnNetwork(peak=0.2, by_cells=0.2), hidden, PICTURES, OWN)


def test_an_own_network_that_sees_nothing_in_its_inputs_proves_nothing() -> None:
    nobody = replace(OWN, hidden_peak=0.9, plain_peak=0.95)
    with pytest.raises(DeviceError, match="proves nothing of pose_keypoints: no keypoints in its inputs; not used"):
        require_engine_parity("pose_keypoints", "fp32", _OwnNetwork(), _OwnNetwork(), PICTURES, nobody)


def test_an_own_network_whose_maps_are_damaged() -> None:
    with pytest.raises(DeviceError, match="keypoints differ by"):
        require_engine_parity("pose_keypoints", "fp32", _OwnNetwork(peak=float("nan")), _OwnNetwork(), PICTURES, OWN)
