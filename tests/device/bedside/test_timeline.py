from __future__ import annotations

from fidgety.device.timeline import Timeline


def test_place_keeps_the_cameras_spacing_whenever_frames_arrive() -> None:
    timeline = Timeline()
    late_us = [0, 30_000, 5_000, 90_000, 1_000]
    times = [timeline.place(7_000 + 40_000 * i, 500_000 + 40_000 * i + late) for i, late in enumerate(late_us)]
    assert times == [500_000 + 40_000 * i for i in range(5)]
    assert timeline.n_jumps == 0


def test_place_a_clock_that_jumps_goes_on_by_the_boxs() -> None:
    timeline = Timeline()
    timeline.place(10_000_000, 0)
    day_us = 86_400_000_000
    assert timeline.place(10_040_000 - day_us, 40_000) == 40_000
    assert timeline.place(10_080_000 - day_us, 83_000) == 80_000
    assert timeline.place(10_120_000, 120_000) == 120_000
    assert timeline.n_jumps == 2


def test_place_after_a_restart_the_clock_may_start_anywhere() -> None:
    timeline = Timeline()
    timeline.place(5_000_000, 0)
    timeline.restart()
    assert timeline.place(0, 6_000_000) == 6_000_000
    assert timeline.place(40_000, 6_050_000) == 6_040_000
    assert timeline.n_jumps == 0


def test_place_times_always_rise() -> None:
    timeline = Timeline()
    times = [timeline.place(camera_us, host_us) for camera_us, host_us in [(0, 0), (0, 0), (None, 0), (40_000, 100)]]
    assert times == sorted(set(times))


def test_place_a_camera_without_times_is_timed_on_arrival() -> None:
    timeline = Timeline()
    assert [timeline.place(None, us) for us in (5, 40_005)] == [5, 40_005]
