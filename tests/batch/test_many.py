from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import pytest

from fidgety.batch.faults import device_fault
from fidgety.batch.many import Outcome, Pace, Task, one_after_another, score_many, summary_of
from fidgety.batch.one import Outputs, Request, score_one
from fidgety.batch.recordings import Recording, find_recordings
from fidgety.errors import DeviceError, SourceError, UnsettledError
from fidgety.records import Characteristics

from .conftest import TrackMaker

pytestmark = pytest.mark.bundle
RequestFor = Callable[[Path], Request]


def score(task: Task) -> Outputs:
    return score_one(task.recording.address, task.request, lambda _: None)


def run(folder: Path, request: Request, scorer: Callable[[Task], Outputs] = score) -> list[Outcome]:
    recordings = find_recordings([str(folder)], request.folder).recordings
    return list(score_many(recordings, {}, request, one_after_another(scorer)))


def test_score_many_goes_on_where_it_was_stopped(
    tmp_path: Path, make_track: TrackMaker, request_for: RequestFor
) -> None:
    for seed in range(3):
        make_track(tmp_path / "in" / f"{seed}.poses", seed)
    request = request_for(tmp_path / "out")

    def stopped(task: Task) -> Outputs:
        if task.number == 2:
            raise DeviceError("the disk is full")
        return score(task)

    with pytest.raises(DeviceError):
        run(tmp_path / "in", request, stopped)
    assert len(list(request.folder.glob("*.json"))) == 1  # type: ignore[union-attr]
    outcomes = run(tmp_path / "in", request)
    assert [one.outputs is not None and one.outputs.is_new for one in outcomes] == [False, True, True]


def test_score_many_reports_damaged_files_and_goes_on(
    tmp_path: Path, make_track: TrackMaker, request_for: RequestFor
) -> None:
    make_track(tmp_path / "in" / "b.poses")
    (tmp_path / "in" / "a.mp4").write_bytes(b"no video")
    outcomes = run(tmp_path / "in", request_for(tmp_path / "out"))
    assert {one.task.recording.shown: one.error is None for one in outcomes} == {"a.mp4": False, "b.poses": True}


def test_score_many_tries_again_what_was_still_being_written(
    tmp_path: Path, make_track: TrackMaker, request_for: RequestFor
) -> None:
    """The first recording grows while it is read, and is whole when the others are done."""
    growing, whole = make_track(tmp_path / "in" / "a.poses"), make_track(tmp_path / "in" / "b.poses", 1)
    content = growing.read_bytes()
    growing.write_bytes(content[: len(content) // 2])
    n_tries = 0

    def scorer(task: Task) -> Outputs:
        nonlocal n_tries
        if task.recording.address != str(growing):
            return score(task)
        n_tries += 1

        def finish_writing(_: object) -> None:
            growing.write_bytes(content)

        return score_one(task.recording.address, task.request, finish_writing if n_tries == 1 else lambda _: None)

    outcomes = run(tmp_path / "in", request_for(tmp_path / "out"), scorer)
    assert [one.task.recording.address for one in outcomes] == [str(whole), str(growing)]
    assert n_tries == 2
    assert outcomes[1].outputs is not None
    assert outcomes[1].outputs.assessment.duration_s == pytest.approx(11.96)


def test_score_many_tries_again_what_was_brought_anew(
    tmp_path: Path, make_track: TrackMaker, request_for: RequestFor
) -> None:
    """A file that could not be read, replaced while the others are scored."""
    track = make_track(tmp_path / "whole.poses")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.poses").write_bytes(b"half a file")
    make_track(tmp_path / "in" / "b.poses", 1)

    def scorer(task: Task) -> Outputs:
        if task.recording.shown == "b.poses":
            track.replace(tmp_path / "in" / "a.poses")
        return score(task)

    outcomes = run(tmp_path / "in", request_for(tmp_path / "out"), scorer)
    assert all(one.error is None for one in outcomes)


def test_score_one_track_cut_short_under_the_reader(
    tmp_path: Path, make_track: TrackMaker, request_for: RequestFor
) -> None:
    track = make_track(tmp_path / "a.poses", seconds=60.0)
    request = request_for(tmp_path / "out")

    def cut(_: object) -> None:
        os.truncate(track, 300_000)

    with pytest.raises(UnsettledError, match="changed while it was read"):
        score_one(str(track), request, cut)
    assert list((tmp_path / "out").iterdir()) == []


def test_score_many_refuses_one_recording_as_two_infants(
    tmp_path: Path, make_track: TrackMaker, request_for: RequestFor
) -> None:
    first = make_track(tmp_path / "in" / "a.poses")
    (tmp_path / "in" / "b.poses").write_bytes(first.read_bytes())
    make_track(tmp_path / "in" / "c.poses", 1)
    request = request_for(tmp_path / "out")
    recordings = find_recordings([str(tmp_path / "in")], request.folder).recordings
    infants = {str(first): Characteristics(11.0)}
    outcomes = list(score_many(recordings, infants, request, one_after_another(score)))
    assert [one.task.recording.shown for one in outcomes if one.error is None] == ["c.poses"]
    assert all("is the same recording as" in str(one.error) for one in outcomes if one.error is not None)


def test_score_one_result_that_cannot_be_written_is_the_disk_not_the_recording(
    tmp_path: Path, make_track: TrackMaker, request_for: RequestFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    track, request = make_track(tmp_path / "a.poses"), request_for(tmp_path / "out")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DeviceError, match="the disk is full"):
            score_one(str(track), request, lambda _: None)
    assert list((tmp_path / "out").iterdir()) == []
    assert score_one(str(track), request, lambda _: None).is_new


def test_score_one_result_of_tomorrow_is_found_today(
    tmp_path: Path, make_track: TrackMaker, request_for: RequestFor
) -> None:
    """The clock fell back by a day after the recording was scored: nothing here asks for the time."""
    track, request = make_track(tmp_path / "a.poses"), request_for(tmp_path / "out")
    score_one(str(track), request, lambda _: None)
    (stored,) = (tmp_path / "out").glob("*.json")
    tomorrow_s = stored.stat().st_mtime + 86400
    for path in (track, stored):
        os.utime(path, (tomorrow_s, tomorrow_s))
    assert not score_one(str(track), request, lambda _: None).is_new


def test_score_without_file_handles_never_calls_a_recording_damaged(
    tmp_path: Path, make_track: TrackMaker, request_for: RequestFor
) -> None:
    """Whatever the number of handles that are left: scored, or the device's fault."""
    track, request = make_track(tmp_path / "a.poses"), replace(request_for(tmp_path / "out"), is_forced=True)
    assert score_one(str(track), request, lambda _: None).is_new  # all modules are loaded now
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.open("/dev/null", os.O_RDONLY)
    os.close(lowest_free)
    outcomes = []
    for n_left in (0, 1, 2, 6):
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + n_left, before[1]))
        try:
            score_one(str(track), request, lambda _: None)
            outcomes.append("scored")
        except DeviceError as error:
            outcomes.append("device")
            assert "too many files are open" in str(error)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert outcomes[0] == "device"
    assert outcomes[-1] == "scored"


@pytest.mark.parametrize(
    ("error", "is_device"),
    [
        (OSError(errno.EMFILE, "Too many open files"), True),
        (OSError(errno.ENOENT, "No such file"), False),
        (MemoryError(), True),
        (RuntimeError("can't start new thread"), True),
        (SourceError("moov atom not found"), False),
        (av.error.OSError(errno.EIO, "Input/output error"), False),
        (av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory"), False),
        (av.error.OSError(errno.EMFILE, "Too many open files"), True),
    ],
)
def test_device_fault_looks_at_causes(error: Exception, is_device: bool) -> None:
    outer = SourceError("cannot be read")
    outer.__cause__ = error
    assert (device_fault(outer) is not None) == is_device


def test_summary_of_keeps_little_and_the_name_below_the_folder(
    tmp_path: Path, make_track: TrackMaker, request_for: RequestFor
) -> None:
    make_track(tmp_path / "in" / "ward" / "a.poses")
    (outcome,) = run(tmp_path / "in", request_for(tmp_path / "out"))
    summary = summary_of(outcome)
    assert summary is not None
    assert (summary.recording, summary.timeline, summary.most_certain_non_fms) == ("ward/a.poses", (), ())
    assert summary.frequency is not None


def test_pace_reckons_by_bytes_and_leaves_out_what_was_found(make_outcome: Callable[[int, bool], Outcome]) -> None:
    clock = iter([0.0, 5.0, 65.0, 125.0, 130.0])
    recordings = [Recording(str(i), str(i), n_bytes) for i, n_bytes in enumerate((500, 100, 100, 6000))]
    pace = Pace(recordings, lambda: next(clock))
    assert pace.step(make_outcome(500, False)) == "1/4"
    assert pace.step(make_outcome(100, True)) == "2/4, 1 h 1 min left"
    assert pace.step(make_outcome(100, True)) == "3/4, 1 h 0 min left"
    assert pace.step(make_outcome(6000, True)) == "4/4"


@pytest.fixture
def make_outcome(tmp_path: Path, make_track: TrackMaker, request_for: RequestFor) -> Callable[[int, bool], Outcome]:
    request = request_for(tmp_path / "out")
    outputs = score_one(str(make_track(tmp_path / "x.poses")), request, lambda _: None)

    def make(n_bytes: int, is_new: bool) -> Outcome:
        return Outcome(Task(1, Recording("x", "x", n_bytes), request), replace(outputs, is_new=is_new), None)

    return make


def test_score_folder_command(tmp_path: Path, make_track: TrackMaker) -> None:
    """The command on a folder: table, rows, exit code, and the second call that finds everything."""
    make_track(tmp_path / "in" / "ward" / "a.poses", 1)
    make_track(tmp_path / "in" / "b.poses", 2)
    (tmp_path / "in" / "broken.mp4").write_bytes(b"no video")
    (tmp_path / "infants.csv").write_text("recording,age_weeks\nward/a.poses,13\n")
    command = [sys.executable, "-m", "fidgety.cli", "score", "in", "--infants", "infants.csv", "--out", "results"]
    command += ["--min-assessable-s", "5"]
    done = subprocess.run([*command, "--csv", "all.csv"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2, done.stderr
    assert "b.poses, broken.mp4 are without a row" in done.stderr
    assert "2 recordings: " in done.stdout
    assert "1 not assessable" in done.stdout
    assert "1 not readable:\n  in/broken.mp4 is no readable video" in done.stdout
    rows = (tmp_path / "all.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["b.poses", "ward/a.poses"]
    (tmp_path / "in" / "broken.mp4").unlink()
    again = subprocess.run([*command, "--json"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert again.returncode == 3
    results = [json.loads(line) for line in again.stdout.splitlines()]
    assert [result["is_assessable"] for result in results] == [False, True]
