"""Recordings on disk: times, colours, turns, and the truth beside them."""

import json

import av
import numpy as np
import pytest

from fidgety.errors import UsageError
from fidgety.phantom.appearance import draw_appearance
from fidgety.phantom.kinematics import h36m17, simulate_motion, true_fms_frequency
from fidgety.phantom.motion import BODY_POINTS
from fidgety.phantom.render import shake_offset
from fidgety.phantom.scene import frame_camera
from fidgety.phantom.truth import read_truth, truth_of
from fidgety.phantom.video import render_recording, sample_motion, write_video

N = 20
SIZE = (96, 160)


def flat_frames(n=N, size=SIZE):
    return [np.full((*size, 3), (180, 90, 40 + i), np.uint8) for i in range(n)]


def decode(path):
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        return [f.time for f in frames], [f.to_ndarray(format="rgb24", src_colorspace="ITU709") for f in frames]


@pytest.fixture(scope="module")
def motion():
    return simulate_motion(2, "continual", 2.0)


@pytest.fixture(scope="module")
def camera(motion):
    return frame_camera(motion, fill=0.8, tilt_deg=15.0, width_px=320, height_px=180)


@pytest.mark.parametrize("fps", [25.0, 30.0, 30000 / 1001, 8.0, 120.0])
def test_write_video_spaces_frames_by_the_rate(tmp_path, fps):
    path = tmp_path / "even.mp4"
    assert write_video(path, flat_frames(), fps) == N
    np.testing.assert_allclose(decode(path)[0], np.arange(N) / fps, atol=2e-5)


def test_write_video_keeps_uneven_times(tmp_path):
    times = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.3, N))
    times -= times[0]
    write_video(tmp_path / "uneven.mp4", flat_frames(), 25.0, times_s=times)
    np.testing.assert_allclose(decode(tmp_path / "uneven.mp4")[0], times, atol=2e-5)


def test_write_video_keeps_colours(tmp_path):
    write_video(tmp_path / "flat.mp4", flat_frames(3), 25.0, crf=10.0)
    _, frames = decode(tmp_path / "flat.mp4")
    for frame, expected in zip(frames, flat_frames(3), strict=True):
        assert np.abs(frame.astype(int) - expected).max() <= 4


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_write_video_turned_is_turned_back_by_its_matrix(tmp_path, rotation):
    frame = np.zeros((*SIZE, 3), np.uint8)
    frame[:40, :60] = 220  # bright top left
    write_video(tmp_path / "turned.mp4", [frame] * 3, 25.0, rotation_deg=rotation)
    with av.open(str(tmp_path / "turned.mp4")) as container:
        stored = next(container.decode(video=0))
        shown = np.rot90(stored.to_ndarray(format="gray"), round(stored.rotation / 90))
    assert shown.shape == SIZE
    assert shown[:40, :60].mean() > 200 and shown[50:, 70:].mean() < 25


@pytest.mark.parametrize(
    ("frames", "options"),
    [
        ([], {}),
        (flat_frames(2, (95, 160)), {}),
        ([*flat_frames(1), *flat_frames(1, (90, 160))], {}),
        (flat_frames(3), {"times_s": [0.0, 0.04, 0.04]}),
        (flat_frames(3), {"rotation_deg": 45}),
    ],
    ids=["nothing", "odd height", "changing size", "time stands still", "askew"],
)
def test_write_video_that_cannot_be_leaves_no_file(tmp_path, frames, options):
    with pytest.raises(UsageError):
        write_video(tmp_path / "none.mp4", frames, 25.0, **options)
    assert list(tmp_path.iterdir()) == []


def test_write_video_interrupted_keeps_the_file_that_was_there(tmp_path):
    path = tmp_path / "kept.mp4"
    path.write_bytes(b"before")

    def frames():
        yield from flat_frames(2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(path, frames(), 25.0)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_render_recording_writes_video_and_truth(tmp_path, motion, camera):
    path = tmp_path / "infant.mp4"
    look = draw_appearance(2, shake_px=2.0)
    truth = render_recording(path, motion, camera, look, dropped_frames=[5, 6, 30])
    times, frames = decode(path)
    kept = np.flatnonzero(~truth.is_dropped)
    assert len(kept) == len(motion) - 3 and not np.isin([5, 6, 30], kept).any()
    np.testing.assert_allclose(times, kept / 25.0, atol=2e-5)
    assert frames[0].shape == (180, 320, 3)

    read = read_truth(path)
    for name in ("times_s", "is_dropped", "bouts_s"):
        np.testing.assert_array_equal(getattr(read, name), getattr(truth, name))
    for name in ("points_m", "points_xy", "joints_m", "joints_xy"):
        np.testing.assert_allclose(getattr(read, name), getattr(truth, name), atol=1e-4)
    about = json.loads((tmp_path / "infant.truth.json").read_text(encoding="utf-8"))
    assert (about["category"], about["seed"], about["dropped_frames"]) == ("continual", 2, [5, 6, 30])
    assert about["bouts_s"] and about["appearance"]["shake_px"] == 2.0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["infant.mp4", "infant.truth.json", "infant.truth.npz"]


def test_truth_of_is_the_motion_seen_by_the_camera(motion, camera):
    look = draw_appearance(2, shake_px=3.0)
    truth = truth_of(motion, camera, look)
    np.testing.assert_allclose(truth.points_m, motion.points_m, atol=6e-5)
    np.testing.assert_allclose(truth.joints_m, h36m17(motion), atol=6e-5)
    expected = camera.project(motion.points_m[40])[0] + shake_offset(look, 40)
    np.testing.assert_allclose(truth.points_xy[40], expected, atol=0.03)
    assert len(truth.bouts_s) == len(motion.bouts)


def test_truth_of_with_times_that_do_not_fit_raises(motion, camera):
    with pytest.raises(UsageError, match="times"):
        truth_of(motion, camera, draw_appearance(0), times_s=[0.0, 0.1])


def test_render_recording_with_every_frame_dropped_raises(tmp_path, motion, camera):
    with pytest.raises(UsageError, match="no frame"):
        render_recording(tmp_path / "x.mp4", motion, camera, draw_appearance(0), dropped_frames=range(len(motion)))


def test_read_truth_without_truth_raises(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_truth(tmp_path / "alone.mp4")


def test_sample_motion_holds_fms_in_some_windows_and_not_in_others():
    motion = sample_motion()
    assert len(motion) == 2500 and motion.fps == 25.0
    assert 0.3 <= true_fms_frequency(motion.bouts, 100.0) <= 0.8


def test_sample_recording_in_the_package_is_the_one_that_is_made(sample_path):
    truth, motion = read_truth(sample_path), sample_motion()
    np.testing.assert_allclose(truth.points_m, motion.points_m, atol=6e-5)
    np.testing.assert_allclose(truth.bouts_s, [[b.start_s, b.end_s] for b in motion.bouts])
    with av.open(str(sample_path)) as container:
        assert container.streams.video[0].frames == len(motion)
    assert sample_path.stat().st_size < 4_000_000
    assert sample_path.with_name("sample.truth.npz").stat().st_size < 1_000_000


@pytest.fixture
def sample_path():
    from importlib import resources

    path = resources.files("fidgety") / "demo" / "sample.mp4"
    with resources.as_file(path) as there:
        yield there


def test_body_points_and_truth_agree_on_their_number(motion, camera):
    assert truth_of(motion, camera, draw_appearance(0)).points_xy.shape == (len(motion), len(BODY_POINTS), 2)
