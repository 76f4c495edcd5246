"""Windows and labels follow from the true bouts."""

from __future__ import annotations

import numpy as np
import pytest

from fidgety.errors import UsageError
from fidgety.phantom.kinematics import simulate_motion, true_fms_frequency
from fidgety.records import Characteristics
from fidgety.training.samples import (
    Subject,
    characteristics_row,
    simulate_subjects,
    subject_of,
)


def _subject(has_fms: list[bool]) -> Subject:
    mask = np.array(has_fms)
    joints = np.random.default_rng(0).normal(0.0, 0.1, (len(mask), 17, 3)).astype(np.float32)
    return Subject(joints, joints, mask, "sporadic", np.zeros(4, dtype=np.float32))


def test_shares_count_the_frames_inside_bouts() -> None:
    subject = _subject([False] * 120 + [True] * 240 + [False] * 30)  # 390 frames: instances at 0 and 150
    assert subject.starts(150).tolist() == [0, 150]
    assert subject.shares(150).tolist() == [0.5, 0.875]
    assert subject.fms_frequency == 0.5  # one half is not more than a half


@pytest.mark.parametrize(("n_frames", "n_windows"), [(239, 0), (240, 1), (241, 1), (390, 2)])
def test_starts_of_short_recordings(n_frames: int, n_windows: int) -> None:
    assert len(_subject([True] * n_frames).starts(150)) == n_windows


def test_subject_of_agrees_with_the_phantom_on_the_true_frequency() -> None:
    motion = simulate_motion(11, "intermittent", 60.0)
    subject = subject_of(motion, np.zeros(4, dtype=np.float32))
    assert subject.fms_frequency == pytest.approx(true_fms_frequency(motion.bouts, 60.0), abs=1 / 9)
    assert subject.has_fms.mean() == pytest.approx(sum(b.end_s - b.start_s for b in motion.bouts) / 60.0, abs=0.01)
    assert not subject.is_risk


def test_subject_of_refuses_another_rate() -> None:
    with pytest.raises(ValueError, match="25"):
        subject_of(simulate_motion(1, "absent", 10.0, fps=30.0), np.zeros(4, dtype=np.float32))


def test_simulate_subjects_gives_a_cohort_and_its_controls() -> None:
    subjects = simulate_subjects(4, 12.0, seed=3, control_share=0.5)
    assert len(subjects) == 6
    assert {s.category for s in subjects[4:]} == {"absent"}
    assert not any(s.has_fms.any() for s in subjects[4:])
    again = simulate_subjects(4, 12.0, seed=3, control_share=0.5)
    assert all(np.array_equal(a.joints_m, b.joints_m) for a, b in zip(subjects, again, strict=True))
    assert subjects[0].characteristics.shape == (4,)


def test_characteristics_row_is_in_the_order_of_the_info_branch() -> None:
    known = Characteristics(corrected_age_weeks=13.5, gestation_weeks=38.0, sex="male", birth_weight_g=3100.0)
    assert characteristics_row(known).tolist() == [1.0, 38.0, 3100.0, 13.5]
    with pytest.raises(UsageError, match="complete"):
        characteristics_row(Characteristics(sex="male"))


def test_simulate_subjects_restless_ones_are_told_from_calm_ones() -> None:
    calm_share = {
        share: np.mean([s.is_calm for s in simulate_subjects(40, 10.0, seed=9, heavy_share=share, control_share=0.0)])
        for share in (0.0, 1.0)
    }
    assert calm_share[0.0] > 0.4  # .85 cubed are expected
    assert calm_share[1.0] < 0.25  # .4 cubed
