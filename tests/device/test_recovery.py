"""After a kill: what was whole is there, what was not lies in lost+found, and the start says so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fidgety.device import queue, shelf
from fidgety.device.books import Books
from fidgety.device.holdings import About, Infant
from fidgety.device.recovery import Recovery
from fidgety.device.store import Store
from fidgety.errors import DeviceError

from .conftest import FakeClock, MakeRecording, a_result, claimed


class Killed(BaseException):
    """Stands for the power cut: nothing in the program catches it."""


def reopen(folder: Path, clock: FakeClock) -> Recovery:
    with Store.open(folder, clock=clock) as store:
        return store.recovery


@contextmanager
def cut(store: Store, monkeypatch: pytest.MonkeyPatch, where: object, name: str) -> Iterator[None]:
    """The power goes when `where.name` is called."""

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(where, name, die)
        yield
    store.close()


def test_recover_finds_nothing_to_do_in_an_orderly_store(store: Store, folder: Path, clock: FakeClock) -> None:
    assert store.recovery.is_quiet
    assert reopen(folder, clock).is_quiet


def test_recover_a_file_that_was_being_copied_goes_to_lost_and_found(
    store: Store, folder: Path, clock: FakeClock, make_recording: MakeRecording
) -> None:
    store.add(make_recording())
    (folder / "staged" / "0123456789abcdef-1").write_bytes(b"half")
    store.close()
    assert reopen(folder, clock).lost_and_found == ("0123456789abcdef-1",)
    assert (folder / "lost+found" / "0123456789abcdef-1").read_bytes() == b"half"
    assert reopen(folder, clock).is_quiet


def test_recover_leaves_alone_what_another_process_is_copying(store: Store, folder: Path, clock: FakeClock) -> None:
    part = store.shelf.owner.part(folder / "staged")
    part.write_bytes(b"half")
    begun = store.begin()
    assert reopen(folder, clock).is_quiet
    assert part.exists()
    assert store.recording(begun.id).state == "recording"


def test_recover_a_recording_that_was_placed_and_not_entered(
    store: Store, folder: Path, clock: FakeClock, make_recording: MakeRecording, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_recording()
    with cut(store, monkeypatch, Books, "_keep_seen"):
        store.add(source, About(Infant("A", "2026-09-01", age_weeks=16.0), session_id="v-1", duration_s=4.0))
    with Store.open(folder, clock=clock) as again:
        assert again.recovery.registered == ("R000001",)
        recording = again.recording("R000001")
        assert (recording.state, recording.infant_id, recording.session_id) == ("recorded", "A", "v-1")
        assert (recording.duration_s, recording.is_clock_trusted) == (4.0, True)
        assert again.infant("A") == Infant("A", born="2026-09-01", age_weeks=16.0, age_on="2026-12-31")
        assert again.add(source).is_new is False
        assert again.add(make_recording("other.mp4")).id == "R000002"


def test_recover_a_recording_whose_recorder_was_killed(store: Store, folder: Path, clock: FakeClock) -> None:
    begun, empty = store.begin(About(Infant("A"))), store.begin()
    (begun.folder / "0001.mkv").write_bytes(b"segment")
    (begun.folder / "0002.mkv").touch()
    (begun.folder / "sub").mkdir()
    store.close()
    with Store.open(folder, clock=clock) as again:
        assert again.recovery.cut_short == (begun.id,)
        recording = again.recording(begun.id)
        assert (recording.state, recording.is_cut_short) == ("recorded", True)
        assert [file.name for file in recording.videos] == ["0001.mkv"]
        assert set(again.recovery.lost_and_found) == {"R000001-0002.mkv", "R000001-sub"}
        assert again.recording(empty.id).state == "set-aside"
        assert "no video with a byte in it" in (again.recording(empty.id).reason or "")


def test_recover_a_result_that_was_placed_and_not_entered(
    store: Store, folder: Path, clock: FakeClock, make_recording: MakeRecording, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(make_recording())
    claim = claimed(store)
    with cut(store, monkeypatch, Books, "_keep_seen"):
        store.finish(claim, a_result())
    with Store.open(folder, clock=clock) as again:
        assert again.recovery.reclaimed == ("R000001",)
        assert again.recovery.lost_and_found == ("R000001-R000001-1-result.json",)
        assert again.finish(claimed(again), a_result()) == 1


def test_recover_a_change_whose_line_was_not_copied(
    store: Store, folder: Path, clock: FakeClock, make_recording: MakeRecording, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cut(store, monkeypatch, Books, "copy_log"):
        store.add(make_recording())
    assert (folder / "audit.jsonl").read_text() == ""
    assert reopen(folder, clock).n_log_lines == 1
    assert '"kind": "added"' in (folder / "audit.jsonl").read_text()


def test_recover_a_file_that_is_gone_and_comes_back(
    store: Store, folder: Path, clock: FakeClock, make_recording: MakeRecording, tmp_path: Path
) -> None:
    store.add(make_recording())
    store.close()
    shutil.move(folder / "recordings/R000001/R000001.mp4", tmp_path / "away.mp4")
    with Store.open(folder, clock=clock) as again:
        assert again.recovery.missing == ("R000001/R000001.mp4",)
        assert "FILES MISSING: R000001/R000001.mp4" in again.recovery.lines()
        assert (again.recording("R000001").state, again.claim_next("scorer")) == ("set-aside", None)
    assert reopen(folder, clock).is_quiet
    shutil.move(tmp_path / "away.mp4", folder / "recordings/R000001/R000001.mp4")
    assert reopen(folder, clock).returned == ("R000001/R000001.mp4",)


def test_recover_with_the_folder_of_recordings_away_changes_nothing(
    store: Store, folder: Path, clock: FakeClock, make_recording: MakeRecording
) -> None:
    store.add(make_recording())
    store.close()
    (folder / "recordings").rename(folder / "away")
    with pytest.raises(DeviceError, match="is its disk mounted"):
        reopen(folder, clock)
    (folder / "away").rename(folder / "recordings")
    assert reopen(folder, clock).is_quiet


def test_a_recording_that_kills_its_worker_again_and_again_is_set_aside(
    store: Store, folder: Path, clock: FakeClock, make_recording: MakeRecording
) -> None:
    store.add(make_recording())
    store.close()
    for _ in range(queue.MOST_KILLS):
        with Store.open(folder, clock=clock) as again:
            claimed(again)
    with Store.open(folder, clock=clock) as again:
        assert again.recording("R000001").state == "set-aside"
        assert "ended 5 times" in (again.recording("R000001").reason or "")


def test_power_cuts_are_not_the_recordings_fault(
    store: Store, folder: Path, clock: FakeClock, make_recording: MakeRecording
) -> None:
    store.add(make_recording())
    store.close()
    for _ in range(queue.MOST_KILLS + 1):
        with Store.open(folder, clock=clock) as again:
            claimed(again)
        clock.restart()
    with Store.open(folder, clock=clock) as again:
        assert again.recording("R000001").state == "queued"


def test_a_folder_with_the_content_of_another_is_not_entered_twice(
    store: Store, folder: Path, clock: FakeClock, make_recording: MakeRecording
) -> None:
    store.add(make_recording())
    store.close()
    shutil.copytree(folder / "recordings/R000001", folder / "recordings/R000002")
    assert reopen(folder, clock).lost_and_found == ("R000002",)


def test_stage_that_fails_leaves_nothing(
    store: Store, make_recording: MakeRecording, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shelf, "sync", full)
    with pytest.raises(DeviceError, match="the disk is full; free some space"):
        store.add(make_recording())
    assert store.recordings() == []
    assert list((store.folder / "staged").iterdir()) == []
