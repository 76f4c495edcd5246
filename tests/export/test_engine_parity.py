"""The gate measures what matters: px of keypoints and the FMs probability."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fidgety.errors import DeviceError
from fidgety.export.engine_parity import require_engine_parity
from fidgety.records import FloatArray
from fidgety.runtime.session import Arrays


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
