"""The loop: bounded however long the recording, and the same result whichever way the infant lies or the data comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from fidgety.bundle import Bundle
from fidgety.errors import SourceError
from fidgety.phantom.truth import Truth, read_truth
from fidgety.phantom.video import write_video
from fidgety.records import Assessment, Characteristics, Frame, Pose
from fidgety.runtime.pipeline import Job, assess_poses, assess_recording, estimate_poses
from fidgety.runtime.posefile import PoseRecording, open_poses
from fidgety.runtime.repeats import RepeatFilter
from fidgety.runtime.source import Source, SourceInfo, frame_from_rgb, open_source
from fidgety.skeleton import H36M_17, joints_matrix

Scenes = Callable[[str], Path]
INFANT = Characteristics(corrected_age_weeks=13.0)
# Decoder 2 ahead, poses 64 ahead, 8 in the pose stage, and what each stage holds in its hands.
MOST_IN_FLIGHT = 2 + 64 + 8 + 2


class EndlessMat:
    """A source of `n` pictures without an infant, that counts what it was asked for."""

    def __init__(self, n: int, fault_at: int | None = None) -> None:
        self.info = SourceInfo("mat", 25.0, None, is_live=False)
        self.ended_early: str | None = None
        self.repeats = RepeatFilter()
        self.n_given = 0
        self._n, self._fault_at = n, fault_at

    def frames(self) -> Iterator[Frame]:
        frame = frame_from_rgb(np.full((64, 96, 3), 140, np.uint8))
        for i in range(self._n):
            if i == self._fault_at:
                raise SourceError("the camera was unplugged")
            self.n_given += 1
            yield Frame(i, i / 25, frame.luma, frame.chroma_u, frame.chroma_v, frame.rgb_from_yuv)


@pytest.fixture(scope="module")
def lax(bundle: Bundle) -> Bundle:
    """The bundle with a duration rule that a test recording meets."""
    quality = replace(bundle.manifest.quality, min_assessable_s=5.0)
    return replace(bundle, manifest=replace(bundle.manifest, quality=quality))


@pytest.fixture(scope="module")
def plain(lax: Bundle, scenes: Scenes, tmp_path_factory: pytest.TempPathFactory) -> tuple[Assessment, Path]:
    """What the plain recording is scored, and where its poses are kept."""
    track = tmp_path_factory.mktemp("track") / "track.poses"
    return score(scenes("plain"), lax, track), track


def score(path: Path, bundle: Bundle, poses_path: Path | None = None) -> Assessment:
    with open_source(str(path)) as source:
        return assess_recording(source, bundle, Job(path.name, INFANT, poses_path=poses_path))


def share_of_limbs_found(path: Path, truth: Truth) -> float:
    """Share of limb landmarks within 8 % of the body's box of where they truly are."""
    track = open_poses(path)
    limbs = H36M_17.indices(
        *(f"{side}_{joint}" for side in ("left", "right") for joint in ("elbow", "wrist", "knee", "ankle"))
    )
    seen = np.stack([joints_matrix(track.skeleton) @ pose.keypoints_xy for pose in track.poses])[:, limbs]
    true = truth.joints_xy[: len(seen), limbs]
    box_px = np.linalg.norm(np.ptp(truth.joints_xy[: len(seen)], axis=1), axis=-1)
    apart = np.linalg.norm(seen - true, axis=-1) / box_px[:, None]
    return float(np.nanmean(apart < 0.08))


def window_probabilities(assessment: Assessment) -> list[float]:
    return [score.fms_probability for score in assessment.timeline if score.fms_probability is not None]


def test_assess_recording_never_reads_far_ahead(bundle: Bundle) -> None:
    source = EndlessMat(400)
    most = 0

    def watch(pose: Pose) -> None:
        nonlocal most
        most = max(most, source.n_given - pose.frame_index)

    result = assess_recording(source, bundle, Job("mat", INFANT), watch)  # type: ignore[arg-type]
    assert source.n_given == 400
    assert 0 < most <= MOST_IN_FLIGHT
    assert result.frequency is None and result.risk is None


def test_assess_recording_camera_that_fails_ends_with_its_error_and_no_thread(bundle: Bundle) -> None:
    import threading

    before = threading.active_count()
    with pytest.raises(SourceError, match="unplugged"):
        assess_recording(EndlessMat(400, fault_at=150), bundle, Job("mat", INFANT))  # type: ignore[arg-type]
    assert threading.active_count() == before


def test_assess_recording_watcher_that_raises_stops_the_threads(bundle: Bundle) -> None:
    import threading

    def watch(pose: Pose) -> None:
        if pose.frame_index == 20:
            raise KeyboardInterrupt

    before = threading.active_count()
    source = EndlessMat(100_000)
    with pytest.raises(KeyboardInterrupt):
        assess_recording(source, bundle, Job("mat", INFANT), watch)  # type: ignore[arg-type]
    assert threading.active_count() == before
    assert source.n_given <= 20 + 1 + MOST_IN_FLIGHT


def test_estimate_poses_keeps_those_before_a_fault(bundle: Bundle, tmp_path: Path) -> None:
    """A power cut or a pulled plug costs the poses to come, not those that were."""
    path = tmp_path / "mat.poses"
    with pytest.raises(SourceError):
        estimate_poses(EndlessMat(400, fault_at=150), bundle, Job("mat", INFANT, poses_path=path))  # type: ignore[arg-type]
    assert open_poses(path).n_poses >= 140
    assert open_poses(path).pictures is None


def test_assess_recording_frozen_picture_is_no_infant_without_fms(lax: Bundle, scenes: Scenes, tmp_path: Path) -> None:
    """Nor is its pose track, from which the repeats are gone."""
    with av.open(str(scenes("plain"))) as video:
        pictures = [picture.to_ndarray(format="rgb24") for picture in video.decode(video=0)][:150]
    write_video(tmp_path / "frozen.mp4", [*pictures, *pictures[-1:] * 250], 15.0, preset="ultrafast")
    result = score(tmp_path / "frozen.mp4", lax, tmp_path / "frozen.poses")
    assert result.frequency is None and result.risk is None
    assert result.quality.reasons[0].code == "frozen" and result.quality.reasons[0].is_blocking
    assert 0.55 < (result.quality.measures["still_share"] or 0.0) <= 250 / 399
    assert result.duration_s == pytest.approx(399 / 15, abs=0.01)
    assert result.timeline == () and result.voids[-1].end_s > 20.0
    stored = assess_poses(open_poses(tmp_path / "frozen.poses"), lax, Job("frozen", INFANT))
    assert [reason.code for reason in stored.quality.reasons] == [reason.code for reason in result.quality.reasons]
    assert stored.quality.measures["still_share"] == result.quality.measures["still_share"]


def test_assess_poses_that_stand_still_are_no_infant_without_fms(lax: Bundle, plain: tuple[Assessment, Path]) -> None:
    track = open_poses(plain[1])
    poses = list(track.poses)[:150]
    poses += [replace(poses[-1], frame_index=i, time_s=i / 15) for i in range(150, 450)]
    result = assess_poses(PoseRecording("still", track.skeleton, poses, 450, {}), lax, Job("still", INFANT))
    assert result.frequency is None
    assert [reason.code for reason in result.quality.reasons if reason.is_blocking] == ["frozen"]


def test_assess_poses_of_a_camera_that_loses_two_frames_of_three_are_not_scored(
    lax: Bundle, plain: tuple[Assessment, Path]
) -> None:
    track = open_poses(plain[1])
    poses = [pose for i, pose in enumerate(track.poses) if i < 30 or i % 3 == 0]
    result = assess_poses(PoseRecording("slow", track.skeleton, poses, len(poses), {}), lax, Job("slow", INFANT))
    assert result.frequency is None
    assert {"too-short", "interrupted"} & {reason.code for reason in result.quality.reasons if reason.is_blocking}


def test_assess_poses_equals_assess_recording(lax: Bundle, plain: tuple[Assessment, Path]) -> None:
    live, track = plain
    stored = assess_poses(open_poses(track), lax, Job("track", INFANT))
    assert live.frequency is not None and live.risk is not None and stored.risk is not None
    assert stored.frequency == live.frequency
    assert stored.risk.probability == pytest.approx(live.risk.probability, abs=1e-6)
    assert window_probabilities(stored) == pytest.approx(window_probabilities(live), abs=1e-6)
    assert [m.start_s for m in stored.most_certain_fms] == [m.start_s for m in live.most_certain_fms]
    assert stored.quality == live.quality  # light, focus, camera and the picture's edge as well
    assert stored.banner == live.banner


class Dimmed:
    """A recording in the dark: its poses can be read, which says nothing for them."""

    def __init__(self, source: Source) -> None:
        self.info, self.ended_early, self._source = source.info, "it should last 180.0 s", source
        self.repeats = source.repeats

    def frames(self) -> Iterator[Frame]:
        for frame in self._source.frames():
            yield replace(frame, luma=(16 + 0.14 * (frame.luma.astype(np.float32) - 16)).astype(np.uint8))


def test_assess_poses_of_a_refused_recording_is_refused(lax: Bundle, clip: Path, tmp_path: Path) -> None:
    track, second = tmp_path / "track.poses", tmp_path / "second.poses"
    with open_source(str(clip)) as source:
        refused = assess_recording(Dimmed(source), lax, Job("dark", INFANT, poses_path=track))  # type: ignore[arg-type]
    codes = [reason.code for reason in refused.quality.reasons]
    assert refused.frequency is None and "too-dark" in codes and "no-infant" not in codes
    assert codes[-1] == "ended-early"
    stored = assess_poses(open_poses(track), lax, Job("track", INFANT))
    assert stored.frequency is None and stored.risk is None
    assert stored.quality == refused.quality
    with open_source(str(clip)) as source:
        estimate_poses(Dimmed(source), lax, Job("dark", INFANT, poses_path=second))  # type: ignore[arg-type]
    assert second.read_bytes() == track.read_bytes()


def test_assess_poses_cut_short_says_that_its_pictures_were_not_judged(
    lax: Bundle, plain: tuple[Assessment, Path], tmp_path: Path
) -> None:
    live, track = plain
    cut = tmp_path / "cut.poses"
    cut.write_bytes(track.read_bytes()[:-1])  # as a power cut leaves it
    stored = assess_poses(open_poses(cut), lax, Job("cut", INFANT))
    assert stored.frequency == live.frequency
    assert [(reason.code, reason.is_blocking) for reason in stored.quality.reasons] == [("picture-not-judged", False)]
    measures = stored.quality.measures
    assert [measures[name] for name in ("outside_share", "bright_luma", "sharpness")] == [None] * 3


@pytest.mark.parametrize("scene", ["upside-down", "sideways"])
def test_assess_recording_does_not_care_which_way_round_the_infant_lies(
    lax: Bundle, plain: tuple[Assessment, Path], scenes: Scenes, scene: str, tmp_path: Path
) -> None:
    """The rolled picture is another picture of the same movement: the pose noise differs, the finding must not."""
    upright, turned = plain[0], score(scenes(scene), lax, tmp_path / "track.poses")
    assert share_of_limbs_found(tmp_path / "track.poses", read_truth(scenes(scene))) > 0.95
    assert upright.frequency is not None and turned.frequency is not None
    assert upright.risk is not None and turned.risk is not None
    assert turned.frequency.value == upright.frequency.value
    assert turned.risk.is_risk == upright.risk.is_risk
    apart = np.abs(np.subtract(window_probabilities(turned), window_probabilities(upright)))
    assert apart.max() < 0.25 and apart.mean() < 0.1


def test_assess_recording_cut_off_file_is_judged_by_what_it_has(bundle: Bundle, scenes: Scenes, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.mkv", tmp_path / "cut.mkv"
    _to_matroska(scenes("plain"), whole)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    result = score(cut, bundle)
    reasons = {reason.code: reason for reason in result.quality.reasons}
    assert not reasons["ended-early"].is_blocking
    assert "breaks off" in reasons["ended-early"].sentence
    assert 3.0 < result.duration_s < 9.0
    assert result.frequency is None


def _to_matroska(recording: Path, target: Path) -> None:
    """The same pictures in a container that can be read as far as it goes."""
    with av.open(str(recording)) as given, av.open(str(target), "w") as taken:
        stream = given.streams.video[0]
        copy = taken.add_stream_from_template(stream)
        for packet in given.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                taken.mux(packet)
