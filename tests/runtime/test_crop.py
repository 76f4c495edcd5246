from __future__ import annotations

import numpy as np
import pytest

from fidgety.records import FloatArray
from fidgety.runtime.crop import CropTracker, OneEuroFilter

HIPS, END = (300.0, 400.0), (300.0, 250.0)  # upright in the picture, 150 px apart


def alignment(shift: float = 0.0, turn_rad: float = 0.0) -> FloatArray:
    """Alignment points moved right by `shift` px and turned about the hips."""
    cos, sin = np.cos(turn_rad), np.sin(turn_rad)
    arm = np.array([[cos, -sin], [sin, cos]]) @ (np.array(END) - np.array(HIPS))
    return np.array([HIPS, np.array(HIPS) + arm], np.float32) + np.array([shift, 0], np.float32)


def test_around_lies_on_the_hips_and_reaches_past_the_end_of_the_body() -> None:
    region = CropTracker(1.25).around(alignment())
    assert (region.centre_x, region.centre_y) == HIPS
    assert region.side_px == pytest.approx(2 * 150 * 1.25)
    assert region.angle_rad == pytest.approx(0.0, abs=1e-6)


def test_follow_first_reading_is_taken_as_it_is() -> None:
    crop = CropTracker(1.25)
    assert crop.region is None
    crop.follow(alignment(7.0), 3.2)
    assert crop.region == crop.around(alignment(7.0))


def test_follow_trembling_readings_leaves_the_crop_still() -> None:
    crop, rng, centres = CropTracker(1.25), np.random.default_rng(5), []
    noise = rng.normal(0.0, 0.5, 250)
    for i, shift in enumerate(noise):
        crop.follow(alignment(float(shift)), i / 25)
        assert crop.region is not None
        centres.append(crop.region.centre_x)
    steps, raw_steps = np.diff(centres[25:]), np.diff(noise[25:])
    assert steps.std() < 0.05 * raw_steps.std()


def test_follow_goes_along_with_an_infant_that_is_moved() -> None:
    """A quarter of the crop's side in two seconds: the crop stays within a fiftieth of it."""
    crop = CropTracker(1.25)
    for i in range(100):
        crop.follow(alignment(float(np.clip(i - 25, 0, 50)) * 94 / 50), i / 25)
        assert crop.region is not None
        assert abs(crop.region.centre_x - crop.around(alignment(float(np.clip(i - 25, 0, 50)) * 94 / 50)).centre_x) < 8


@pytest.mark.parametrize(("shift", "turn_rad"), [(80.0, 0.0), (0.0, 1.5)])
def test_follow_a_leap_is_not_followed_but_ends_the_hold_when_it_lasts(shift: float, turn_rad: float) -> None:
    crop = CropTracker(1.25)
    crop.follow(alignment(), 0.0)
    held = crop.region
    for i in range(7):
        crop.follow(alignment(shift, turn_rad), (i + 1) / 25)
        assert crop.region == held
    crop.follow(alignment(shift, turn_rad), 8 / 25)
    assert crop.region is None and crop.n_holds == 1


def test_follow_a_leap_and_back_counts_anew() -> None:
    crop = CropTracker(1.25)
    for i in range(60):
        crop.follow(alignment(0.0, 1.5 if i % 4 == 3 else 0.0), i / 25)
    assert crop.region is not None and crop.n_holds == 0


def test_let_go_forgets_where_the_infant_was() -> None:
    crop = CropTracker(1.25)
    crop.follow(alignment(), 0.0)
    crop.let_go()
    crop.let_go()  # nobody is held any more: nothing ends
    assert crop.region is None and crop.n_holds == 1
    crop.follow(alignment(200.0), 0.04)
    assert crop.region == crop.around(alignment(200.0))


def test_one_euro_of_a_step_goes_there_faster_the_larger_it_is() -> None:
    shares = []
    for size in (1.0, 40.0):
        one = OneEuroFilter()
        one.apply(np.zeros((2, 2), np.float32), 0.0, 300.0)
        for i in range(5):
            out = one.apply(np.full((2, 2), size, np.float32), (i + 1) / 25, 300.0)
        shares.append(float(out[0, 0]) / size)
    assert 0.0 < shares[0] < 0.5 * shares[1] < 0.5


def test_one_euro_equals_the_published_recursion() -> None:
    """Casiez et al. 2012, written out for one number."""
    one, values = OneEuroFilter(), np.array([3.0, 3.5, 9.0, 2.0, 2.1])
    smooth, speed = values[0], 0.0
    for i, value in enumerate(values):
        if i:
            alpha = lambda cutoff: 1 / (1 + 25 / (2 * np.pi * cutoff))  # noqa: E731
            speed = alpha(1.0) * (value - values[i - 1]) * 25 / 200 + (1 - alpha(1.0)) * speed
            share = alpha(0.01 + 10 * abs(speed))
            smooth = share * value + (1 - share) * smooth
        out = one.apply(np.array([value], np.float32), i / 25, 200.0)
        assert out[0] == pytest.approx(smooth, rel=1e-6)


def test_crop_tracker_lies_still_between_two_sides_that_read_differently() -> None:
    hips, end = np.array([400.0, 400.0]), np.array([400.0, 200.0])
    sides = [CropTracker(1.25, is_read) for is_read in (True, False)]
    widest = []
    for tracker in sides:
        centres = []
        for i in range(40):
            tracker.follow(np.stack([hips, end]).astype(np.float32) + (3.0 if i % 2 else -3.0), i / 25)
            assert tracker.region is not None
            centres.append(tracker.region.centre_x)
        widest.append(float(np.abs(np.diff(centres[10:])).max()))
    assert 10 * widest[0] < widest[1]  # steps from frame to frame, px
