"""A cohort follows from its seed, and nothing but FMs tells its classes apart (the shortcut test)."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from fidgety.phantom.cohort import RISK_CATEGORIES, TRAINING_MIX, Infant, draw_confounders, simulate_cohort
from fidgety.phantom.fidgety_movements import true_fms_frequency
from fidgety.phantom.kinematics import Control, h36m17, simulate_control
from fidgety.phantom.liveliness import liveliness, unlikeness
from fidgety.skeleton import H36M_17

N_INFANTS = 150
FASTEST_REST_CM_S = 35.0  # an ankle faster than this kicks


def _auc(risk: np.ndarray, normal: np.ndarray) -> float:
    """Probability that a value of an infant at risk exceeds one of a normal infant, ties half."""
    greater = (risk[:, None] > normal).mean()
    return float(greater + 0.5 * (risk[:, None] == normal).mean())


def _measure(infant: Infant) -> dict[str, float]:
    joints = h36m17(infant.motion).astype(float)
    speed_cm_s = np.linalg.norm(np.diff(joints, axis=0), axis=2) * infant.fps * 100
    ankles = speed_cm_s[:, H36M_17.indices("left_ankle", "right_ankle")]
    starts = (ankles[1:] > FASTEST_REST_CM_S) & (ankles[:-1] <= FASTEST_REST_CM_S)
    known = infant.characteristics
    return {
        "activity": infant.confounders.activity,
        "duration": infant.duration_s,
        "amplitude": infant.confounders.fms_amplitude,
        "mean speed": float(speed_cm_s.mean()),
        "median speed": float(np.median(speed_cm_s)),
        "speed SD": float(speed_cm_s.std()),
        "kick rate": float(starts.sum() / infant.duration_s),
        "share in motion": float((speed_cm_s.mean(axis=1) > 2.0).mean()),
        "gestation": float(known.gestation_weeks or np.nan),
        "birth weight": float(known.birth_weight_g or np.nan),
        "corrected age": float(known.corrected_age_weeks or np.nan),
        "FMs frequency": true_fms_frequency(infant.motion.bouts, infant.duration_s),
    }


def test_draw_confounders_restless_infants_have_them_more_often() -> None:
    rng = np.random.default_rng(5)
    usual, restless = ([draw_confounders(rng, share) for _ in range(400)] for share in (0.0, 1.0))
    for name in ("kicks", "crying", "tremor"):
        assert np.mean([getattr(one, name) for one in usual]) == pytest.approx(0.15, abs=0.06)
        assert np.mean([getattr(one, name) for one in restless]) == pytest.approx(0.6, abs=0.08)
    assert min(one.activity for one in restless) >= 1.0 > np.median([one.activity for one in usual]) - 0.1


def test_simulate_cohort_controls_take_the_place_of_infants_without_fms() -> None:
    plain, mixed = (list(simulate_cohort(30, 6, duration_s=(2.0, 2.0), control_share=share)) for share in (0.0, 0.5))
    kinds = set()
    for one, other in zip(plain, mixed, strict=True):
        seed, fps = other.motion.seed, other.fps
        found = [
            kind
            for kind in get_args(Control)
            if np.array_equal(simulate_control(kind, seed, 2.0, fps).points_m, other.motion.points_m)
        ]
        assert (found != []) == (not np.array_equal(one.motion.points_m, other.motion.points_m))
        assert not found or other.category == "absent"
        assert one.category == other.category and one.characteristics == other.characteristics
        kinds |= set(found)
    assert len(kinds) > 1


@pytest.fixture(scope="module")
def measured() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Measures and class of a quick cohort."""
    rows, is_risk = [], []
    for infant in simulate_cohort(N_INFANTS, seed=21, duration_s=(60.0, 120.0)):
        rows.append(_measure(infant))
        is_risk.append(infant.is_risk)
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}, np.array(is_risk)


@pytest.mark.parametrize(
    "name",
    [
        "activity",
        "duration",
        "amplitude",
        "mean speed",
        "median speed",
        "speed SD",
        "kick rate",
        "share in motion",
        "gestation",
        "birth weight",
        "corrected age",
    ],
)
def test_simulate_cohort_shortcut_does_not_separate_the_classes(measured, name):
    values, is_risk = measured
    # With 75 a class the standard error of an AUC of .5 is .047, so .40-.60 is about two of them.
    assert 0.40 <= _auc(values[name][is_risk], values[name][~is_risk]) <= 0.60


def test_simulate_cohort_fms_frequency_separates_the_classes(measured):
    values, is_risk = measured
    frequency = values["FMs frequency"]
    assert _auc(-frequency[is_risk], -frequency[~is_risk]) > 0.98
    assert 0.42 <= np.median(frequency[~is_risk]) <= 0.68  # published .553
    assert np.median(frequency[is_risk]) <= 0.215  # published .135 (.082-.215)


def test_simulate_cohort_same_seed_gives_the_same_infants():
    first, second = (list(simulate_cohort(4, seed=3, duration_s=(10.0, 12.0))) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert one.infant_id == other.infant_id
        assert one.characteristics == other.characteristics
        assert one.motion.points_m.tobytes() == other.motion.points_m.tobytes()
    assert len({infant.infant_id for infant in first}) == 4
    assert len({infant.motion.seed for infant in first}) == 4


def test_simulate_cohort_whatever_the_mix_a_pair_has_both_classes_and_shares_what_is_not_movement():
    mix = {"continual": 0.4, "intermittent": 0.4, "sporadic": 0.1, "absent": 0.1}
    pairs: dict[int, list[Infant]] = {}
    for infant in simulate_cohort(30, seed=8, mix=mix, duration_s=(2.0, 9.0)):
        pairs.setdefault(infant.pair, []).append(infant)
    assert sorted(pairs) == list(range(6))
    for infants in pairs.values():
        assert {infant.category in RISK_CATEGORIES for infant in infants} == {False, True}
        assert len({(i.confounders, i.duration_s, i.fps) for i in infants}) == 1
        assert len({i.motion.seed for i in infants}) == len({i.characteristics for i in infants}) == len(infants)
    assert len({infants[0].confounders for infants in pairs.values()}) == 6


def test_simulate_cohort_chosen_among_several_a_pair_is_alike_in_liveliness():
    def differences(n_tries: int) -> float:
        by_pair: dict[int, list[np.ndarray]] = {}
        for infant in simulate_cohort(24, seed=9, duration_s=(30.0, 60.0), fps=25.0, n_tries=n_tries):
            by_pair.setdefault(infant.pair, []).append(liveliness(infant.motion))
        return float(np.median([unlikeness(one, other) for one, other in by_pair.values()]))

    assert differences(6) < 0.5 * differences(1)


def test_liveliness_of_a_motionless_and_a_kicking_infant():
    still, kicking = (simulate_control(control, 3, 20.0) for control in ("motionless", "kicks"))
    assert liveliness(still)[1] == pytest.approx(np.log(0.005))
    assert (liveliness(kicking) > liveliness(still) + 1.0).all()
    assert unlikeness(liveliness(still), liveliness(kicking)) > unlikeness(liveliness(still), liveliness(still)) == 0.0


def test_simulate_cohort_mix_and_rate_are_kept():
    infants = list(simulate_cohort(20, seed=5, duration_s=(2.0, 2.0), fps=25.0))
    counts = {category: sum(i.category == category for i in infants) for category in TRAINING_MIX}
    assert counts == {"continual": 4, "intermittent": 6, "sporadic": 6, "absent": 4}
    assert {infant.fps for infant in infants} == {25.0}
    assert all(infant.motion.points_m.shape == (50, 27, 3) for infant in infants)


def test_simulate_cohort_characteristics_are_complete_and_of_the_fidgety_age():
    for infant in simulate_cohort(40, seed=6, duration_s=(1.0, 1.0)):
        known = infant.characteristics
        assert known.are_complete
        assert 9.0 <= known.corrected_age_weeks <= 20.0
        assert 22.0 <= known.gestation_weeks <= 42.0
        assert 400.0 <= known.birth_weight_g <= 5000.0


def test_simulate_cohort_refuses_a_mix_without_weight():
    with pytest.raises(ValueError, match="no weight"):
        simulate_cohort(3, 1, mix={"absent": 0.0})


def test_simulate_cohort_refuses_an_empty_range_of_durations():
    with pytest.raises(ValueError, match="no recording lasts"):
        simulate_cohort(3, 1, duration_s=(20.0, 10.0))
