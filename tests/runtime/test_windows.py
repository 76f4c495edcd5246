from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fidgety.bundle import Manifest
from fidgety.records import BoolArray, FloatArray, LiftedTrack, Window
from fidgety.runtime.windows import assessable_s, cut_windows, void_reason


def rows(n: int) -> tuple[FloatArray, BoolArray]:
    """n frames of joints, all observed; joint coordinates tell the frame."""
    joints = np.zeros((n, 17, 3), np.float32) + np.arange(n, dtype=np.float32)[:, None, None]
    return joints, np.ones(n, bool)


def piece_of(joints: FloatArray, observed: BoolArray) -> LiftedTrack:
    return LiftedTrack(joints, joints[..., :2], observed)


def cut(manifest: Manifest, joints: FloatArray, observed: BoolArray, cuts: list[int] | None = None) -> list[Window]:
    pieces = [
        piece_of(*both) for both in zip(np.split(joints, cuts or []), np.split(observed, cuts or []), strict=True)
    ]
    return list(cut_windows(pieces, manifest.mam, 25.0))


@pytest.mark.parametrize(("n", "n_windows"), [(0, 0), (1, 0), (239, 0), (240, 1), (241, 1), (259, 1), (260, 2)])
def test_cut_windows_a_window_needs_240_frames(manifest: Manifest, n: int, n_windows: int) -> None:
    assert len(cut(manifest, *rows(n))) == n_windows


def test_cut_windows_first_window_is_on_both_grids(manifest: Manifest) -> None:
    (window,) = cut(manifest, *rows(240))
    assert (window.start_frame, window.start_s, window.end_s) == (0, 0.0, 9.6)
    assert window.is_instance and window.is_localisation and window.void is None
    assert np.array_equal(window.joints_xyz, rows(240)[0])


def test_cut_windows_both_grids_in_order_of_their_start(manifest: Manifest) -> None:
    windows = cut(manifest, *rows(1500))  # one minute
    starts = [w.start_frame for w in windows]
    instances = [w.start_frame for w in windows if w.is_instance]
    localisation = [w.start_frame for w in windows if w.is_localisation]
    assert instances == list(range(0, 1261, 150))
    assert localisation == list(range(0, 1261, 20))
    assert starts == sorted(set(instances) | set(localisation))
    for window in windows:
        assert window.joints_xyz.shape == (240, 17, 3)
        assert window.joints_xyz[0, 0, 0] == window.start_frame
        assert window.joints_xyz[-1, 0, 0] == window.start_frame + 239
        assert window.start_s == pytest.approx(window.start_frame / 25)


def test_cut_windows_tail_that_fills_no_window_is_left_out(manifest: Manifest) -> None:
    assert [w.start_frame for w in cut(manifest, *rows(240 + 139))] == [0, 20, 40, 60, 80, 100, 120]
    assert [w.start_frame for w in cut(manifest, *rows(240 + 150))][-2:] == [140, 150]


def test_cut_windows_any_chunking_gives_the_same(manifest: Manifest) -> None:
    joints, observed = rows(900)
    joints = joints + np.random.default_rng(0).normal(size=joints.shape).astype(np.float32)
    observed[300:310] = False
    joints[500:520] = np.nan
    whole = cut(manifest, joints, observed)
    rng = np.random.default_rng(1)
    for cuts in (list(range(1, 900)), [899], [0, 0, 240, 241], sorted(rng.integers(0, 900, 12).tolist())):
        pieces = cut(manifest, joints, observed, cuts)
        assert [w.start_frame for w in pieces] == [w.start_frame for w in whole]
        assert [w.void for w in pieces] == [w.void for w in whole]
        assert all(
            np.array_equal(a.joints_xyz, b.joints_xyz, equal_nan=True) for a, b in zip(pieces, whole, strict=True)
        )


def test_cut_windows_windows_come_as_soon_as_they_are_full(manifest: Manifest) -> None:
    joints, observed = rows(400)
    given = 0

    def pieces():  # type: ignore[no-untyped-def]
        for i in range(400):
            yield piece_of(joints[i : i + 1], observed[i : i + 1])
            wanted = len([s for s in range(i - 238) if s % 20 == 0 or s % 150 == 0])
            assert given == wanted

    for _ in cut_windows(pieces(), manifest.mam, 25.0):
        given += 1


def test_cut_windows_window_keeps_its_frames_when_the_source_is_overwritten(manifest: Manifest) -> None:
    joints, observed = rows(240)
    (window,) = cut(manifest, joints, observed)
    joints[:] = -1
    assert window.joints_xyz[7, 0, 0] == 7


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ([], None),
        ([100], None),
        (range(100, 105), None),  # 200 ms
        (range(100, 106), "gap too long"),  # 240 ms
        (range(6), "gap too long"),
        (range(234, 240), "gap too long"),
        (range(0, 240, 10), None),  # 24 of 240: 10 %
        ([*range(0, 240, 10), 5], "frames missing"),  # 25 of 240
        (range(240), "frames missing"),
        (range(0, 240, 2), "frames missing"),
    ],
)
def test_void_reason_cases(manifest: Manifest, missing: range | list[int], reason: str | None) -> None:
    observed = np.ones(240, bool)
    observed[list(missing)] = False
    assert void_reason(observed, np.ones(240, bool), manifest.mam, 25.0) == reason


def test_void_reason_limits_come_from_the_bundle(manifest: Manifest) -> None:
    observed = np.ones(240, bool)
    observed[100:106] = False
    lenient = replace(manifest.mam, max_gap_ms=240.0)
    assert void_reason(observed, np.ones(240, bool), lenient, 25.0) is None
    strict = replace(manifest.mam, max_gap_ms=1000.0, max_missing_share=0.02)
    assert void_reason(observed, np.ones(240, bool), strict, 25.0) == "frames missing"


def test_cut_windows_a_joint_that_is_missing_briefly_is_bridged(manifest: Manifest) -> None:
    joints, observed = rows(240)
    whole = joints.copy()
    joints[17:20, 3] = np.nan
    joints[0, 5, 1] = np.nan
    (window,) = cut(manifest, joints, observed)
    assert window.void is None
    assert np.allclose(window.joints_xyz[17:20], whole[17:20])  # rows rise linearly
    assert np.array_equal(window.joints_xyz[0, 5], whole[1, 5])  # at the edge: the nearest place
    untouched = np.arange(17) != 3
    assert np.array_equal(window.joints_xyz[17:20, untouched], whole[17:20, untouched])


def test_cut_windows_a_joint_that_is_missing_for_long_is_never_scored(manifest: Manifest) -> None:
    joints, observed = rows(240)
    joints[17:23, 3, 1] = np.nan
    (window,) = cut(manifest, joints, observed)
    assert window.void == "gap too long"


def test_cut_windows_window_that_is_not_void_has_every_value(manifest: Manifest) -> None:
    rng = np.random.default_rng(4)
    joints, observed = rows(2000)
    for start in rng.integers(0, 1990, 12):
        observed[start : start + 8] = False
        joints[start : start + 8] = np.nan
    windows = cut(manifest, joints, observed)
    assert {w.void is None for w in windows} == {True, False}
    assert all(np.isfinite(w.joints_xyz).all() for w in windows if w.void is None)


def assessable(manifest: Manifest, observed: BoolArray) -> tuple[float, int]:
    """Seconds that can be assessed, and how many instances may be scored."""
    windows = cut(manifest, np.zeros((len(observed), 17, 3), np.float32), observed)
    n_instances = sum(one.is_instance and one.void is None for one in windows)
    return assessable_s(windows, manifest.mam, 25.0), n_instances


@pytest.mark.parametrize("n", [0, 239, 240, 259, 390, 1500, 1513, 1649, 2500, 4500, 7501])
def test_assessable_s_of_an_uninterrupted_recording_is_what_its_windows_cover(manifest: Manifest, n: int) -> None:
    last = max([s for stride in (20, 150) for s in range(0, n - 239, stride)], default=None)
    assert assessable(manifest, np.ones(n, bool))[0] == (0.0 if last is None else (last + 240) / 25)


def test_assessable_s_a_minute_holds_nine_instances(manifest: Manifest) -> None:
    assert assessable(manifest, np.ones(1500, bool)) == (60.0, 9)


@pytest.mark.parametrize(("period", "phase"), [(249, 125), (250, 130), (255, 30), (260, 175), (275, 75)])
def test_assessable_s_stalls_that_leave_hardly_an_instance_leave_hardly_a_second(
    manifest: Manifest, period: int, phase: int
) -> None:
    """Localisation windows between stalls of .32 s cover most of three minutes; instances make the result."""
    observed = np.ones(4500, bool)
    for start in range(phase, 4500, period):
        observed[start : start + 8] = False
    seconds, n_instances = assessable(manifest, observed)
    assert n_instances <= 4
    assert seconds <= 9.6 * n_instances + 6.0 < 60.0
    assert seconds == 0.0 or n_instances


def test_assessable_s_of_a_minute_never_rests_on_few_instances(manifest: Manifest) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        observed = np.ones(int(rng.integers(1500, 7500)), bool)
        for start in rng.integers(0, len(observed), rng.integers(0, 40)):
            observed[start : start + int(rng.integers(6, 60))] = False
        seconds, n_instances = assessable(manifest, observed)
        assert seconds < 60.0 or n_instances >= 6


def test_assessable_s_of_no_instance_is_nothing(manifest: Manifest) -> None:
    observed = np.ones(425, bool)
    observed[:7] = observed[300:306] = False
    windows = cut(manifest, np.zeros((425, 17, 3), np.float32), observed)
    assert sum(one.void is None for one in windows) == 3
    assert assessable(manifest, observed) == (0.0, 0)
