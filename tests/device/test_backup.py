"""Backups and what becomes of them: whole or refused, and the store can be made anew from its folder alone."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fidgety.device import backup as backup_module
from fidgety.device.arrivals import Arrivals
from fidgety.device.backup import back_up
from fidgety.device.holdings import About, Infant
from fidgety.device.inspection import inspect
from fidgety.device.log_check import verify
from fidgety.device.rebuild import rebuild
from fidgety.device.restore import restore
from fidgety.device.retention import Rule, confirm, plan, purge, rule, set_rule
from fidgety.device.sealing import turn_on
from fidgety.device.store import Store
from fidgety.device.vault import make_key_file
from fidgety.device.voice import Voice
from fidgety.device.watch_folder import WatchFolder
from fidgety.errors import DeviceError, UsageError

from .conftest import FakeClock, MakeRecording, a_result, claimed


@pytest.fixture
def filled(store: Store, make_recording: MakeRecording, tmp_path: Path) -> Store:
    """Three recordings, the first of them scored twice and overridden."""
    poses = tmp_path / "x.poses"
    poses.write_bytes(b"poses")
    for name in ("1.mp4", "2.mp4", "3.mp4"):
        store.add(make_recording(name), About(Infant("A", born="2026-09-01"), duration_s=3.0))
    for n in (1, 2):
        store.finish(claimed(store), a_result(f'{{"n": {n}}}', poses=poses))
        store.enqueue("R000001")
    store.finish(claimed(store), a_result('{"n": 3}', "not-assessable"))
    store.override("R000001", "S-1", "FMs present", "seen")
    return store


def told(store: Store) -> dict[str, object]:
    """Everything that a store says of its recordings."""
    return {
        one.id: (one, store.results(one.id), store.overrides(one.id), store.infant(one.infant_id or ""))
        for one in store.recordings()
    }


def quiet(_: str) -> None:
    pass


def test_back_up_and_restore(filled: Store, tmp_path: Path, clock: FakeClock) -> None:
    wanted = told(filled)
    done = back_up(filled, tmp_path / "disk", quiet)
    assert done.n_new == done.n_files == 12
    back = restore(tmp_path / "disk", tmp_path / "new", quiet)
    assert (back.n_files, back.head) == (12, done.head)
    with Store.open(tmp_path / "new", clock=clock, is_made=False) as new:
        assert new.recovery.is_quiet
        assert told(new) == wanted
        assert [fault for _, _, fault in inspect(new.shelf) if fault] == []
        assert verify(new.shelf.books, done.head).faults == ()
    assert sorted(one.name for one in tmp_path.iterdir() if one.name.startswith(".")) == []


def test_back_up_again_copies_only_what_is_new(
    filled: Store, tmp_path: Path, make_recording: MakeRecording, clock: FakeClock
) -> None:
    disk = tmp_path / "disk"
    back_up(filled, disk, quiet)
    assert back_up(filled, disk, quiet).n_new == 0
    filled.add(make_recording("4.mp4"))
    (disk / "kept.json").unlink()  # then the files are read, not copied
    assert back_up(filled, disk, quiet).n_new == 2
    assert len(list(disk.glob("audit-*.jsonl"))) == 1
    restore(disk, tmp_path / "new", quiet)
    with Store.open(tmp_path / "new", clock=clock) as new:
        assert len(new.recordings()) == 4


def take_in(store: Store, watched: Path, name: str) -> int:
    """A file comes into the watched folder, and a service that has just started takes in what is new there."""
    watched.mkdir(exist_ok=True)
    (watched / name).write_bytes(name.encode())
    arrivals = Arrivals(
        WatchFolder(watched, store.folder, 0.0), lambda _: About(), lambda _: None, Voice(), lambda: 0.0
    )
    return arrivals.take_in(store, lambda: None)


def ledger_names(store_folder: Path) -> list[str]:
    """Those of a.mp4 to d.mp4 whose hashes the ledger holds."""
    names = {hashlib.sha256(name.encode()).hexdigest(): name for name in ("a.mp4", "b.mp4", "c.mp4", "d.mp4")}
    lines = (store_folder / "watched.jsonl").read_bytes().splitlines()
    return [names[json.loads(line)["name_sha256"]] for line in lines]


def test_back_up_holds_what_came_out_of_the_watched_folder(filled: Store, tmp_path: Path, clock: FakeClock) -> None:
    watched, disk, new = tmp_path / "in", tmp_path / "disk", tmp_path / "new"
    back_up(filled, disk, quiet)  # nothing was ever watched
    assert list(disk.glob("watched-*")) == []
    for name in ("a.mp4", "b.mp4"):
        assert take_in(filled, watched, name) == 1
        back_up(filled, disk, quiet)
    assert len(list(disk.glob("watched-*"))) == 1
    restore(disk, new, quiet)
    assert (new / "watched.jsonl").read_bytes() == (filled.folder / "watched.jsonl").read_bytes()
    with Store.open(new, clock=clock) as opened:
        assert opened.shelf.books.setting("watched_sha256") is None
        assert WatchFolder(watched, new, 0.0).arrivals() == []
        assert take_in(opened, watched, "c.mp4") == 1
        back_up(opened, tmp_path / "again", quiet)  # a restored store backs up like any other
    assert restore(tmp_path / "again", tmp_path / "newer", quiet).n_files == 18
    assert ledger_names(tmp_path / "newer") == ["a.mp4", "b.mp4", "c.mp4"]


def test_back_up_calls_nothing_taken_whose_recording_it_lacks(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    """The service takes a file in at the worst moment, and then the backup is killed before it is published."""
    watched, disk = tmp_path / "in", tmp_path / "disk"
    take_in(filled, watched, "a.mp4")
    back_up(filled, disk, quiet)
    take_in(filled, watched, "b.mp4")
    copy_database, late = backup_module._copy_database, ["d.mp4", "c.mp4"]

    def copy_late(store: Store, part: Path, ledger: bytes | None) -> None:
        copy_database(store, part, ledger)
        take_in(store, watched, late.pop())

    monkeypatch.setattr(backup_module, "_copy_database", copy_late)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "replace", _die_at("store.db.part", Path.replace))
        back_up(filled, disk, quiet)
    restore(disk, tmp_path / "first", quiet)
    back_up(filled, disk, quiet)
    restore(disk, tmp_path / "second", quiet)
    for name, n_recordings, taken in (("first", 4, ["a.mp4"]), ("second", 6, ["a.mp4", "b.mp4", "c.mp4"])):
        with Store.open(tmp_path / name, clock=clock) as opened:
            assert len(opened.recordings()) == n_recordings
        assert ledger_names(tmp_path / name) == taken


def _die_at(name: str, real: Callable[[Path, Path], Path]) -> Callable[[Path, Path], Path]:
    def replace(self: Path, target: Path) -> Path:
        if self.name == name:
            raise KeyboardInterrupt
        return real(self, target)

    return replace


@pytest.mark.parametrize("fault", ["changed", "gone"])
def test_restore_refuses_a_damaged_memory_of_the_watched_folder(
    filled: Store, tmp_path: Path, clock: FakeClock, fault: str
) -> None:
    watched, disk, new = tmp_path / "in", tmp_path / "disk", tmp_path / "new"
    take_in(filled, watched, "a.mp4")
    back_up(filled, disk, quiet)
    (ledger,) = disk.glob("watched-*")
    if fault == "gone":
        ledger.unlink()
    else:
        ledger.write_bytes(ledger.read_bytes().replace(b'"name_sha256": "', b'"name_sha256": "0'))
    with pytest.raises(DeviceError, match=r"1 files of the backup are damaged or gone \(watched-"):
        restore(disk, new, quiet)
    assert not new.exists()
    assert restore(disk, new, quiet, has_gaps=True).n_files == 14
    with Store.open(new, clock=clock) as opened:
        assert not (new / "watched.jsonl").exists()
        assert take_in(opened, watched, "a.mp4") == 0  # found by its content
        assert ledger_names(new) == ["a.mp4"]


@pytest.mark.parametrize("where", ["_copy_file", "write_bytes", "staged"])
def test_back_up_that_was_killed_leaves_the_one_before(
    filled: Store, tmp_path: Path, make_recording: MakeRecording, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    disk = tmp_path / "disk"
    back_up(filled, disk, quiet)
    filled.add(make_recording("4.mp4"))

    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(backup_module, where, die)
        back_up(filled, disk, quiet)
    assert restore(disk, tmp_path / "new", quiet).n_files == 12
    back_up(filled, disk, quiet)
    assert restore(disk, tmp_path / "newer", quiet).n_files == 14


def test_back_up_while_the_store_changes(
    filled: Store, tmp_path: Path, folder: Path, clock: FakeClock, make_recording: MakeRecording
) -> None:
    """Another process deletes a video and adds a recording while files are copied."""
    confirm(filled.shelf, "R000001", "S-1")
    (due,) = plan(filled.shelf).due
    n = 0

    def change(_: str) -> None:
        nonlocal n
        n += 1
        if n == 1:
            with Store.open(folder, clock=clock) as other:
                purge(other.shelf, due)
                other.add(make_recording("4.mp4"))

    back_up(filled, tmp_path / "disk", change)
    restore(tmp_path / "disk", tmp_path / "new", quiet)
    with Store.open(tmp_path / "new", clock=clock) as new:
        assert new.recovery.is_quiet
        assert len(new.recordings()) == 4
        assert not new.recording("R000001").kept("video")


def test_back_up_of_an_encrypted_store_needs_no_key(
    filled: Store, tmp_path: Path, folder: Path, clock: FakeClock
) -> None:
    key = make_key_file(tmp_path / "key")
    list(turn_on(filled.shelf, key))
    wanted = told(filled)
    with Store.open(folder, clock=clock) as without:
        back_up(without, tmp_path / "disk", quiet)
    assert not any(b"2026-09-01" in one.read_bytes() for one in (tmp_path / "disk").rglob("*") if one.is_file())
    restore(tmp_path / "disk", tmp_path / "new", quiet)
    with Store.open(tmp_path / "new", key=key, clock=clock) as new:
        assert told(new) == wanted


def test_back_up_copies_nothing_damaged(filled: Store, tmp_path: Path) -> None:
    back_up(filled, tmp_path / "disk", quiet)
    video = filled.folder / "recordings/R000002/R000002.mp4"
    video.write_bytes(b"damaged")
    back_up(filled, tmp_path / "disk", quiet)
    assert (tmp_path / "disk/recordings/R000002/R000002.mp4").read_bytes() == (tmp_path / "2.mp4").read_bytes()
    with pytest.raises(DeviceError, match="it is damaged, and was not copied"):
        back_up(filled, tmp_path / "other", quiet)


def test_back_up_into_the_wrong_place(filled: Store, tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    with Store.open(tmp_path / "another", clock=clock) as another:
        back_up(another, tmp_path / "disk", quiet)
    for place, message in (
        ("full", "is not empty and no backup"),
        ("disk", "backup of another store"),
        ("store", "itself"),
    ):
        with pytest.raises(UsageError, match=message):
            back_up(filled, tmp_path / place, quiet)


def test_back_up_prune_deletes_there_what_was_deleted_here(filled: Store, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    back_up(filled, disk, quiet)
    confirm(filled.shelf, "R000001", "S-1")
    purge(filled.shelf, plan(filled.shelf).due[0])
    back_up(filled, disk, quiet)
    assert (disk / "recordings/R000001/R000001.mp4").exists()
    back_up(filled, disk, quiet, is_pruned=True)
    assert not (disk / "recordings/R000001/R000001.mp4").exists()
    assert restore(disk, tmp_path / "new", quiet).n_files == 11


def test_restore_refuses_what_is_damaged_and_takes_the_rest_when_asked(
    filled: Store, tmp_path: Path, clock: FakeClock
) -> None:
    disk, new = tmp_path / "disk", tmp_path / "new"
    back_up(filled, disk, quiet)
    (disk / "recordings/R000002/R000002.mp4").write_bytes(b"damaged")
    (disk / "recordings/R000003/R000003.mp4").unlink()
    with pytest.raises(DeviceError, match="2 files of the backup are damaged or gone"):
        restore(disk, new, quiet)
    assert not new.exists()
    assert restore(disk, new, quiet, has_gaps=True).n_files == 10
    with Store.open(new, clock=clock) as opened:
        assert opened.recovery.missing == ("R000002/R000002.mp4", "R000003/R000003.mp4")


def test_restore_refuses_a_changed_log_and_a_damaged_database(filled: Store, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    back_up(filled, disk, quiet)
    (log,) = disk.glob("audit-*.jsonl")
    content = log.read_bytes()
    log.write_bytes(content.replace(b"R000002", b"R000009"))
    with pytest.raises(DeviceError, match="the log in the backup is not as it was written"):
        restore(disk, tmp_path / "new", quiet)
    log.write_bytes(content)
    database = bytearray((disk / "store.db").read_bytes())
    database[4096 * 3 : 4096 * 4] = bytes(4096)
    (disk / "store.db").write_bytes(database)
    with pytest.raises(DeviceError, match="damaged"):
        restore(disk, tmp_path / "new", quiet)
    assert not (tmp_path / "new").exists()


def test_restore_into_an_empty_place_only(filled: Store, tmp_path: Path, folder: Path) -> None:
    back_up(filled, tmp_path / "disk", quiet)
    with pytest.raises(UsageError, match="is there already: restore into a new folder"):
        restore(tmp_path / "disk", folder, quiet)
    with pytest.raises(UsageError, match="there is no backup in"):
        restore(tmp_path / "nowhere", tmp_path / "new", quiet)
    (tmp_path / "empty").mkdir()
    assert restore(tmp_path / "disk", tmp_path / "empty", quiet).n_files == 12


@pytest.mark.parametrize("is_sealed", [False, True])
def test_rebuild_from_folders_and_log(
    filled: Store, tmp_path: Path, folder: Path, clock: FakeClock, is_sealed: bool
) -> None:
    key = make_key_file(tmp_path / "key") if is_sealed else None
    if key is not None:
        list(turn_on(filled.shelf, key))
    set_rule(filled.shelf, Rule(30))
    confirm(filled.shelf, "R000001", "S-1")
    purge(filled.shelf, plan(filled.shelf).due[0])
    wanted, head = told(filled), verify(filled.shelf.books).head
    filled.close()
    (folder / "store.db").rename(tmp_path / "store.db")
    if is_sealed:
        with pytest.raises(DeviceError, match="is encrypted: name the file of the key"):
            rebuild(folder, None, clock)
    with rebuild(folder, key, clock) as new:
        assert new.recovery.registered == ("R000001", "R000002", "R000003")
        found = told(new)
        for recording_id, (recording, results, overrides, infant) in wanted.items():  # type: ignore[misc]
            again = found[recording_id]
            assert [(one.id, one.outcome, one.bundle, one.made_at) for one in again[1]] == [  # type: ignore[index]
                (one.id, one.outcome, one.bundle, one.made_at) for one in results
            ]
            assert again[2:] == (overrides, infant)  # type: ignore[index]
            assert again[0].sha256 == recording.sha256  # type: ignore[index]
            assert [one.name for one in again[0].files] == [one.name for one in recording.files]  # type: ignore[index]
        assert [one.state for one in new.recordings()] == ["not-assessable", "recorded", "recorded"]
        assert not new.recording("R000001").kept("video")
        assert rule(new.shelf).video_days == 30
        assert verify(new.shelf.books, head).faults == ()
    with pytest.raises(UsageError, match="has its database"):
        rebuild(folder, key, clock)


def test_rebuild_with_a_broken_log_puts_it_aside(filled: Store, folder: Path, clock: FakeClock) -> None:
    filled.close()
    (folder / "store.db").unlink()
    log = folder / "audit.jsonl"
    log.write_text(log.read_text().replace("R000002", "R000003"))
    with rebuild(folder, None, clock) as new:
        assert len(new.recordings()) == 3
        assert verify(new.shelf.books).faults == ()
    assert (folder / "audit.jsonl.damaged-1").exists()


def test_rebuild_where_there_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no store"):
        rebuild(tmp_path, None)
    assert shutil.disk_usage(tmp_path).free > 0
