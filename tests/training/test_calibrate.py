"""Thresholds from held-out scores that are made up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fidgety.errors import UsageError
from fidgety.records import FloatArray
from fidgety.training.calibrate import RatedLogits, calibrate_model, prior_shift
from fidgety.training.models import Reading


@dataclass(frozen=True)
class _Told:
    """A model that says what it was told of each recording."""

    readings: Mapping[str, Reading]

    def read(self, recording: Any, *, with_localisation: bool) -> Reading:  # noqa: ARG002
        return self.readings[recording.file]

    def weights(self) -> dict[str, FloatArray]:
        return {}


def _held(n: int, offset: float = 0.0, sign: float = 1.0) -> tuple[_Told, list[Any]]:
    """Normal infants with margins about -1 and FMs in most windows, infants at risk the other way round."""
    rng = np.random.default_rng(0)
    readings, held = {}, []
    for number in range(n):
        is_risk = number % 2 == 1
        margin = sign * (2.0 * is_risk - 1.0) + 0.3 * rng.standard_normal() + offset
        fms = np.clip(rng.normal(0.2 if is_risk else 0.4, 0.05, 20), 0, 1).astype(np.float32)
        readings[str(number)] = Reading(margin, margin, fms, None)
        held.append(SimpleNamespace(file=str(number), is_risk=is_risk))
    return _Told(readings), held


def _rated(offset: float, n: int = 10, scale: float = 6.0) -> list[RatedLogits]:
    rng = np.random.default_rng(1)
    rated = []
    for number in range(n):
        shares = np.clip(rng.normal(0.3 + 0.04 * number, 0.3, 30), 0, 1).astype(np.float32)
        margin = scale * (shares - 0.5) + rng.normal(0, 0.5, 30) + offset
        rated.append((np.stack([margin, 0 * margin], axis=1).astype(np.float32), shares))
    return rated


def test_calibrate_model_parts_the_held_out_infants() -> None:
    model, held = _held(20, offset=3.0)
    found = calibrate_model(model, held, (), 3.0)
    assert found.risk_slope > 0.0 and found.n_recordings == 20
    line = [found.risk_slope * model.readings[one.file].margin + found.risk_intercept for one in held]
    risks = 1 / (1 + np.exp(-np.array(line)))
    assert ((risks >= found.risk_threshold) == [one.is_risk for one in held]).all()
    assert (found.clip_temperature, np.isnan(found.fms_frequency_mae)) == (1.0, True)
    assert 0.25 < found.fms_threshold < 0.36  # between the classes' windows


def test_calibrate_model_takes_the_fms_threshold_from_clips_where_there_are_any() -> None:
    model, held = _held(20)
    found = calibrate_model(model, held, _rated(0.0), 3.0)
    assert found.fms_threshold == pytest.approx(0.5, abs=0.06)
    assert found.fms_frequency_mae < 0.08 and found.clip_temperature != 1.0


def test_calibrate_model_does_not_turn_the_ranking_round() -> None:
    found = calibrate_model(*_held(20, sign=-1.0), (), 3.0)
    assert (found.risk_slope, found.risk_intercept) == (1.0, 0.0)


def test_calibrate_model_of_one_class() -> None:
    model, held = _held(6)
    with pytest.raises(UsageError, match="both classes"):
        calibrate_model(model, held[::2], (), 3.0)


def test_prior_shift_moves_even_odds_to_one_half() -> None:
    shift = prior_shift(_rated(2.0))
    assert shift[0] - shift[1] == pytest.approx(-2.0, abs=0.4)


def test_prior_shift_of_logits_that_say_nothing() -> None:
    assert prior_shift(_rated(2.0, scale=0.0)).tolist() == [0.0, 0.0]
    (logits, shares), *_ = _rated(2.0)
    assert prior_shift([(logits, 0 * shares)]).tolist() == [0.0, 0.0]
