from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from fidgety.errors import SourceError
from fidgety.phantom.video import write_video
from fidgety.records import Frame, UInt8Array
from fidgety.runtime.blazepose import crop_picture
from fidgety.runtime.source import frame_from_rgb, open_source

COLOURS = ((230, 30, 30), (30, 220, 40), (40, 50, 220), (220, 210, 30), (200, 40, 190), (30, 200, 210), (240,) * 3)


def card(height: int, width: int) -> UInt8Array:
    """Eight fields of plain colour, the last one black, so that a turn or a wrong matrix shows."""
    rows, columns = np.mgrid[:height, :width]
    colours = np.array([*COLOURS, (20, 20, 20)], np.uint8)
    return colours[(columns * 4 // width) + 4 * (rows * 2 // height)]


def field_means(rgb: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(2, 4, 3): mean colour of the middle of each field of a card, 0 to 255."""
    height, width = rgb.shape[:2]
    margin = height // 12
    rows = [slice(i * height // 2 + margin, (i + 1) * height // 2 - margin) for i in range(2)]
    columns = [slice(i * width // 4 + margin, (i + 1) * width // 4 - margin) for i in range(4)]
    return np.array([[rgb[r, c].reshape(-1, 3).mean(axis=0) for c in columns] for r in rows])


def rgb_of(frame: Frame) -> np.ndarray[Any, Any]:
    """(H, W, 3) float, 0 to 255, through the very path that the pose network's crop takes."""
    side = max(frame.luma.shape)
    as_it_lies = np.array([[1, 0, 0], [0, 1, 0]], np.float32)
    crop = crop_picture(frame, as_it_lies, side, low=0.0, is_replicated=True)[0]
    return crop.transpose(1, 2, 0)[: frame.height_px, : frame.width_px] * 255


def read(path: Path) -> list[Frame]:
    with open_source(str(path)) as source:
        return list(source.frames())


def encode(
    path: Path,
    pictures: list[UInt8Array],
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    *,
    colour: int | None = None,
    colour_range: int | None = None,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    first_frame: int = 0,
) -> Path:
    with av.open(str(path), "w", options=container or {}) as file:
        stream = file.add_stream(codec, rate=25, options=options or {})
        stream.pix_fmt = pix_fmt
        stream.height, stream.width = pictures[0].shape[:2]
        if colour is not None:
            stream.codec_context.colorspace = colour
            stream.codec_context.color_range = colour_range
        for i, picture in enumerate(pictures, start=first_frame):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(format=pix_fmt, dst_colorspace=colour, dst_color_range=colour_range)
            frame.pts, frame.time_base = i, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def noisy(n: int) -> list[UInt8Array]:
    """Pictures that cost the encoder something, each with its index / 2 as mean luma."""
    rng = np.random.default_rng(0)
    return [np.clip(rng.normal(40 + i, 12, (48, 64, 1)).repeat(3, axis=2), 0, 255).astype(np.uint8) for i in range(n)]


def shaded(height: int, width: int) -> list[UInt8Array]:
    """Ten cards, by turns as they are and a little brighter: equal ones would be taken for repeats."""
    return [card(height, width) + np.uint8(3 * (i % 2)) for i in range(10)]


# Times


@pytest.mark.parametrize(
    ("fps", "kept_fps"),
    [(8, 8), (15, 15), (25, 25), (29.97, 29.97), (30, 30), (50, 25), (59.94, 29.97), (60, 30), (120, 30)],
)
def test_frames_times_at_any_rate(tmp_path: Path, fps: float, kept_fps: float) -> None:
    write_video(tmp_path / "v.mp4", noisy(round(fps)), fps)
    frames = read(tmp_path / "v.mp4")
    assert len(frames) == pytest.approx(kept_fps, abs=1)
    assert frames[0].time_s == 0.0
    assert np.diff([frame.time_s for frame in frames]) == pytest.approx(1 / kept_fps, abs=1e-4)
    stride = round(fps / kept_fps)
    assert [frame.frame_index for frame in frames] == [i * stride for i in range(len(frames))]


def test_frames_variable_rate_keeps_each_time_to_1_ms(tmp_path: Path) -> None:
    times_s = np.cumsum(np.r_[0.0, np.random.default_rng(1).uniform(0.012, 0.09, 60)])
    write_video(tmp_path / "v.mp4", noisy(61), 25, times_s=times_s)
    assert [frame.time_s for frame in read(tmp_path / "v.mp4")] == pytest.approx(times_s, abs=1e-3)


def test_frames_of_60_fps_that_drop_to_24_in_poor_light_are_all_kept(tmp_path: Path) -> None:
    pauses_s = np.r_[np.full(60, 1 / 60), np.full(12, 1 / 24), np.full(60, 1 / 60)]
    times_s = np.cumsum(np.r_[0.0, pauses_s])
    write_video(tmp_path / "v.mp4", noisy(len(times_s)), 60, times_s=times_s)
    kept = np.array([frame.time_s for frame in read(tmp_path / "v.mp4")])
    is_slow = (kept > 1.0 + 1e-3) & (kept < 1.5 - 1e-3)
    assert kept[is_slow] == pytest.approx(1.0 + np.arange(1, 12) / 24, abs=1e-3)
    assert np.diff(kept[~is_slow & (kept < 1.2)]) == pytest.approx(1 / 30, abs=1e-3)
    assert np.diff(kept[kept > 1.5 - 1e-3]) == pytest.approx(1 / 30, abs=1e-3)


def test_frames_lost_frames_leave_a_gap_in_time(tmp_path: Path) -> None:
    times_s = [0.0, 0.04, 0.08, 0.28, 0.32]
    write_video(tmp_path / "v.mp4", noisy(5), 25, times_s=times_s)
    assert [frame.time_s for frame in read(tmp_path / "v.mp4")] == pytest.approx(times_s, abs=1e-3)


def test_frames_start_at_zero_whenever_the_container_starts(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", noisy(5), 25, times_s=[7 + i / 25 for i in range(5)])
    assert [frame.time_s for frame in read(tmp_path / "v.mp4")] == pytest.approx(np.arange(5) / 25, abs=1e-3)


def test_frames_clock_that_leaps_ends_the_recording_and_says_so(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", noisy(6), 25, times_s=[0, 0.04, 0.08, 9000, 9000.04, 9000.08])
    with open_source(str(tmp_path / "v.mp4")) as source:
        assert len(list(source.frames())) == 3
        assert source.ended_early is not None and "leap by 9000 s" in source.ended_early


def test_frames_repeats_are_lost_frames(tmp_path: Path) -> None:
    pictures = [picture for picture in noisy(10) for _ in range(2)]
    write_video(tmp_path / "v.mp4", pictures, 30, crf=10.0)
    with open_source(str(tmp_path / "v.mp4")) as source:
        times_s = [frame.time_s for frame in source.frames()]
        assert times_s[:-1] == pytest.approx(np.arange(10) / 15, abs=1e-3)
        assert times_s[-1] == pytest.approx(19 / 30, abs=1e-3)  # the recording is as long as it was
        assert source.repeats.still_share == 0.0


def test_frames_one_frame(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", [card(48, 64)], 25)
    assert [frame.time_s for frame in read(tmp_path / "v.mp4")] == [0.0]


# Pictures


@pytest.mark.parametrize("rotation_deg", [0, 90, 180, 270])
def test_frames_rotation_metadata_gives_the_upright_picture(tmp_path: Path, rotation_deg: int) -> None:
    path = tmp_path / "v.mp4"
    write_video(path, [card(96, 160)] * 3, 25, rotation_deg=rotation_deg, crf=5)
    frame = read(path)[0]
    assert (frame.height_px, frame.width_px) == (96, 160)
    assert frame.chroma_u.shape == frame.chroma_v.shape == (48, 80)
    assert field_means(rgb_of(frame)) == pytest.approx(field_means(card(96, 160)), abs=4)
    capture = cv2.VideoCapture(str(path))
    is_read, bgr = capture.read()
    capture.release()
    assert is_read and bgr.shape == (96, 160, 3)
    assert field_means(rgb_of(frame)) == pytest.approx(field_means(bgr[..., ::-1]), abs=4)


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("v.mkv", "ffv1", "yuv420p"),
        ("v.avi", "mpeg4", "yuv420p"),
        ("v.avi", "rawvideo", "bgr24"),
        ("w.avi", "mjpeg", "yuvj420p"),
    ],
)
def test_frames_odd_size(tmp_path: Path, name: str, codec: str, pix_fmt: str) -> None:
    options = {"qscale": "2"} if codec == "mpeg4" else {}
    frame = read(encode(tmp_path / name, [card(95, 161)] * 3, codec, pix_fmt, options=options))[0]
    assert frame.luma.shape == (95, 161)
    assert frame.chroma_u.shape == frame.chroma_v.shape == (48, 81)
    assert field_means(rgb_of(frame)) == pytest.approx(field_means(card(95, 161)), abs=4)


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "colour", "colour_range"),
    [
        ("bt709_limited.mp4", "libx264", "yuv420p", 1, 1),
        ("bt709_full.mp4", "libx264", "yuv420p", 1, 2),
        ("bt601_limited.mp4", "libx264", "yuv420p", 5, 1),
        ("bt601_full.mp4", "libx264", "yuv420p", 5, 2),
        ("unspecified.mp4", "libx264", "yuv420p", None, None),
        ("bt709_10_bit.mkv", "ffv1", "yuv420p10le", 1, 1),
        ("bt709_10_bit_full.mkv", "ffv1", "yuv420p10le", 1, 2),
        ("bt709_444.mp4", "libx264", "yuv444p", 1, 1),
        ("bt709_422_full.mkv", "ffv1", "yuv422p", 1, 2),
        ("webcam.avi", "mjpeg", "yuvj422p", None, None),
        ("rgb.avi", "rawvideo", "bgr24", None, None),
        ("rgb.mov", "png", "rgb24", None, None),
    ],
)
def test_frames_colours_of_any_kind_come_out_right(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, colour: int | None, colour_range: int | None
) -> None:
    options = {"crf": "5"} if codec == "libx264" else {}
    path = encode(
        tmp_path / name, [card(96, 160)] * 2, codec, pix_fmt, colour=colour, colour_range=colour_range, options=options
    )
    assert field_means(rgb_of(read(path)[0])) == pytest.approx(field_means(card(96, 160)), abs=4)


def test_frames_rgb_of_high_definition_is_not_taken_for_bt709(tmp_path: Path) -> None:
    path = encode(tmp_path / "v.avi", [card(720, 1280)], "rawvideo", "bgr24")
    assert field_means(rgb_of(read(path)[0])) == pytest.approx(field_means(card(720, 1280)), abs=4)


def test_frames_colours_are_those_that_pyav_converts(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    write_video(path, [card(96, 160)] * 3, 25, crf=5)  # BT.709, limited range
    with av.open(str(path)) as container:
        wanted = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert field_means(rgb_of(read(path)[0])) == pytest.approx(field_means(wanted), abs=3)


def test_frames_size_that_changes_is_brought_to_the_first(tmp_path: Path) -> None:
    first = encode(tmp_path / "a.ts", shaded(96, 160)).read_bytes()
    second = encode(tmp_path / "b.ts", shaded(48, 80), first_frame=12).read_bytes()
    (tmp_path / "v.ts").write_bytes(first + second)
    frames = read(tmp_path / "v.ts")
    assert len(frames) > 16 and frames[-1].time_s > 0.7
    assert {frame.luma.shape for frame in frames} == {(96, 160)}
    assert field_means(rgb_of(frames[-1])) == pytest.approx(field_means(card(96, 160)), abs=8)


def test_frame_from_rgb_and_back_through_the_crop() -> None:
    rgb = card(96, 160)
    assert field_means(rgb_of(frame_from_rgb(rgb))) == pytest.approx(field_means(rgb), abs=3)


def test_frame_from_rgb_odd_size_and_smooth_colours() -> None:
    rows, columns = np.mgrid[:75, :101]
    rgb = np.stack([60 + rows, 200 - columns, 80 + (rows + columns) / 2], axis=-1).astype(np.uint8)
    frame = frame_from_rgb(rgb, 5, 0.2)
    assert frame.luma.shape == (75, 101) and frame.chroma_u.shape == (38, 51)
    assert (frame.frame_index, frame.time_s) == (5, 0.2)
    assert np.abs(rgb_of(frame) - rgb)[2:-2, 2:-2].max() <= 3


# Files that are not whole


@pytest.mark.parametrize(
    ("name", "container"),
    [
        ("v.mkv", {}),
        ("v.mp4", {"movflags": "faststart"}),
        ("v.mp4", {"movflags": "frag_keyframe+empty_moov"}),
    ],
)
def test_frames_file_cut_in_the_middle_gives_what_it_has_and_says_so(
    tmp_path: Path, name: str, container: dict[str, str]
) -> None:
    whole = encode(tmp_path / name, noisy(100), container=container, options={"g": "20"})
    with open_source(str(whole)) as source:
        assert len(list(source.frames())) == 100
        assert source.ended_early is None
    data = whole.read_bytes()
    (tmp_path / f"cut_{name}").write_bytes(data[: len(data) // 2])
    with open_source(str(tmp_path / f"cut_{name}")) as source:
        frames = list(source.frames())
        assert source.ended_early is not None and "should last" in source.ended_early
    assert 25 < len(frames) < 75
    assert np.diff([frame.time_s for frame in frames]) == pytest.approx(0.04, abs=1e-3)


def test_open_source_mp4_without_its_index_is_refused(tmp_path: Path) -> None:
    data = encode(tmp_path / "v.mp4", noisy(50)).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match=r"cut\.mp4 is no readable video .*cut off, still being written"):
        open_source(str(tmp_path / "cut.mp4"))


def test_frames_damaged_stretch_costs_only_its_own_frames(tmp_path: Path) -> None:
    path = encode(tmp_path / "v.mp4", noisy(100), options={"g": "10"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 1500] = np.random.default_rng(0).integers(0, 256, 1500, np.uint8).tobytes()
    path.write_bytes(data)
    frames = read(path)
    assert 60 < len(frames) < 100
    assert frames[-1].time_s == pytest.approx(3.96, abs=1e-3)
    assert float(frames[-1].luma.mean()) > float(frames[0].luma.mean()) + 60


@pytest.mark.parametrize("how", ["grows", "is replaced"])
def test_frames_file_that_changes_while_read_is_refused(tmp_path: Path, how: str) -> None:
    path = encode(tmp_path / "v.mkv", noisy(20))
    with open_source(str(path)) as source, pytest.raises(SourceError, match="changed while it was read"):
        for frame in source.frames():
            if frame.frame_index == 3:
                if how == "grows":
                    with path.open("ab") as stream:
                        stream.write(b"\0" * 100)
                else:
                    (tmp_path / "other").write_bytes(b"x")
                    (tmp_path / "other").replace(path)


def test_frames_nothing_decodable_is_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "v.mp4", noisy(5))
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start : data.index(b"moov") - 4] = bytes(data.index(b"moov") - 4 - start)
    path.write_bytes(data)
    with open_source(str(path)) as source, pytest.raises(SourceError, match="not one frame can be decoded"):
        list(source.frames())


# What is no video


def test_open_source_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"there is no recording .*check the name"):
        open_source(str(tmp_path / "none.mp4"))


def test_open_source_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is a folder"):
        open_source(str(tmp_path))


def test_open_source_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SourceError, match="cannot be opened"):
        open_source(str(tmp_path / "file" / "v.mp4"))


def test_open_source_empty_file(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").touch()
    with pytest.raises(SourceError, match=r"is empty \(0 bytes\)"):
        open_source(str(tmp_path / "v.mp4"))


@pytest.mark.parametrize("content", [b"no video at all\n" * 100, bytes(5000)])
def test_open_source_text_or_zeros_named_mp4(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v.mp4").write_bytes(content)
    with pytest.raises(SourceError, match="is no readable video"):
        open_source(str(tmp_path / "v.mp4"))


def test_open_source_sound_only(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 8000, "NONE", ""))
        sound.writeframes(bytes(16000))
    with pytest.raises(SourceError, match="holds no picture track"):
        open_source(str(tmp_path / "a.wav"))


def test_open_source_sound_only_mp4(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(SourceError, match="holds no picture track"):
        open_source(str(tmp_path / "a.mp4"))


@pytest.mark.parametrize("address", ["63", "/dev/null", "rtsp://127.0.0.1:9/stream"])
def test_open_source_camera_that_is_not_there(address: str) -> None:
    with pytest.raises(SourceError, match=f"the camera {address} does not open"):
        open_source(address)


@pytest.mark.parametrize("address", ["rtsp://nurse:s3cret@127.0.0.1:9/live", "http://nurse:s3cret@127.0.0.1:9/a.mp4"])
def test_open_source_fault_names_no_password(address: str) -> None:
    with pytest.raises(SourceError, match=r"://127\.0\.0\.1:9/") as error:
        open_source(address)
    assert "nurse" not in str(error.value) and "s3cret" not in str(error.value)


def test_open_source_camera_is_named_without_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_video(tmp_path / "v.mp4", [card(48, 64)] * 3, 30)
    real, asked = av.open, []

    def answer(address: str, **_: object) -> object:
        asked.append(address)
        return real(str(tmp_path / "v.mp4"))

    monkeypatch.setattr(av, "open", answer)
    with open_source("rtsp://nurse:s3cret@10.0.0.11/live") as source:
        assert source.info.name == "rtsp://10.0.0.11/live" and source.info.is_live
    assert asked == ["rtsp://nurse:s3cret@10.0.0.11/live"]  # the decoder needs it


def test_open_source_says_what_the_container_says(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", noisy(30), 30)
    with open_source(str(tmp_path / "v.mp4")) as source:
        assert source.info.name == "v.mp4"
        assert source.info.fps == pytest.approx(30)
        assert source.info.duration_s == pytest.approx(1.0, abs=0.05)
        assert not source.info.is_live


def test_open_source_clock_stated_as_frame_rate_is_not_believed(tmp_path: Path) -> None:
    """A stream copied into Matroska without its rate: the container then says 30000 frames a second."""
    whole, copied = tmp_path / "whole.mp4", tmp_path / "copied.mkv"
    write_video(whole, (np.full((64, 64, 3), 8 * i, np.uint8) for i in range(20)), 25.0)
    with av.open(str(whole)) as recording, av.open(str(copied), "w") as out:
        stream = recording.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for packet in recording.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    with av.open(str(copied)) as container:
        stated = float(container.streams.video[0].average_rate or 0)
    with open_source(str(copied)) as source:
        times_s = [frame.time_s for frame in source.frames()]
    assert stated > 480 or stated == 0
    assert len(times_s) == 20
    assert times_s[-1] == pytest.approx(19 / 25, abs=2e-3)
