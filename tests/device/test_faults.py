"""What the disk and the system do to a store: it says what to do, keeps what it had, and goes on when they are back."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from fidgety.device import schema
from fidgety.device.clock import RELEASED_S, Clock, Now, Seen, judge
from fidgety.device.holdings import About
from fidgety.device.inspection import inspect
from fidgety.device.log_check import verify
from fidgety.device.rebuild import rebuild
from fidgety.device.store import Store
from fidgety.errors import DeviceError

from .conftest import NOON_S, FakeClock, MakeRecording, a_result, claimed

Step = Callable[[Store], object]


def _sound(store: Store) -> None:
    """Database, log and files agree, and nothing is half there."""
    assert [row[0] for row in store.shelf.books.database.execute("PRAGMA integrity_check")] == ["ok"]
    assert verify(store.shelf.books).faults == ()
    assert [fault for _, _, fault in inspect(store.shelf) if fault] == []
    assert list((store.folder / "staged").iterdir()) == []
    hashes = [one.sha256 for one in store.recordings()]
    assert len(hashes) == len(set(hashes))


def _steps(make_recording: MakeRecording) -> dict[str, Step]:
    """What a device does, each from the start to the end."""
    source, other = make_recording("1.mp4"), make_recording("2.mp4")

    def record(store: Store) -> None:
        begun = store.begin(About(session_id="v"))
        (begun.folder / "1.mkv").write_bytes(b"segment")
        store.finish_recording(begun.id)

    def score(store: Store) -> None:
        store.add(other)
        store.finish(claimed(store), a_result())

    def say(store: Store) -> None:
        store.override(store.add(other).id, "S-1", "FMs present", "seen")

    return {"add": lambda store: store.add(source), "record": record, "score": score, "override": say}


@pytest.mark.parametrize("name", ["add", "record", "score", "override"])
def test_disk_full_at_every_moment(
    folder: Path, make_recording: MakeRecording, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The n-th time that something is to reach the disk it is full, for every n until all goes through."""
    step, fsync, n_failed = _steps(make_recording)[name], os.fsync, 0
    for n in range(60):
        shutil.rmtree(folder, ignore_errors=True)
        count = 0

        def full(descriptor: int, n: int = n) -> None:
            nonlocal count
            count += 1
            if count == n + 1:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            fsync(descriptor)

        with Store.open(folder) as store:
            monkeypatch.setattr(os, "fsync", full)
            try:
                step(store)
            except DeviceError as error:
                assert "the disk is full" in str(error)
                n_failed += 1
            monkeypatch.setattr(os, "fsync", fsync)
        with Store.open(folder) as again:
            _sound(again)
            with suppress(AssertionError):  # nothing may be left to claim
                again.finish(claimed(again), a_result())
            _sound(again)
        if count <= n:
            break
    assert 3 <= n_failed <= n < 59


@contextmanager
def _mounted(place: Path, size: str) -> Iterator[Path]:
    """A small disk of its own. Skips where this user may not mount one."""
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", place], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no small disk can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_disk_that_fills_up(tmp_path: Path, make_recording: MakeRecording) -> None:
    with _mounted(tmp_path / "disk", "1500k") as disk:
        folder, n_full = disk / "store", 0
        with Store.open(folder) as store:
            store.add(make_recording("first.mp4", 20_000))
        for free_kb in range(0, 260, 20):
            filler = disk / "filler"
            filler.write_bytes(b"")
            with filler.open("wb") as stream, suppress(OSError):
                stream.write(bytes(max(0, shutil.disk_usage(disk).free - free_kb * 1024)))
            before = {one.id: one.state for one in _opened_or_none(folder)}
            try:
                with Store.open(folder) as store:
                    store.add(make_recording(f"{free_kb}.mp4", 30_000))
                    claim = store.claim_next("scorer")
                    if claim is not None:
                        store.finish(claim, a_result())
            except DeviceError as error:
                n_full += 1
                assert "full" in str(error) or "disk" in str(error), str(error)
            filler.unlink()
            with Store.open(folder) as store:
                _sound(store)
                assert {one.id for one in store.recordings()} >= set(before)
        assert 2 <= n_full < 13


def _opened_or_none(folder: Path) -> list:  # type: ignore[type-arg]
    try:
        with Store.open(folder) as store:
            return store.recordings()
    except DeviceError:
        return []


def test_a_folder_that_is_read_only(tmp_path: Path, make_recording: MakeRecording) -> None:
    with _mounted(tmp_path / "disk", "2m") as disk:
        with Store.open(disk / "store") as store:
            store.add(make_recording())
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(DeviceError, match=r"read-?only|may not be written"):
            Store.open(disk / "store")
        with pytest.raises(DeviceError, match="may not be written to"):
            Store.open(disk / "another")
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        with Store.open(disk / "store") as store:
            assert len(store.recordings()) == 1
            _sound(store)


@contextmanager
def _few_handles(n_spare: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    taken = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(n_spare):
            os.close(taken.pop())
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_out_of_file_handles(folder: Path, make_recording: MakeRecording) -> None:
    n_failed = 0
    for n_spare in range(12):
        sources = [make_recording(f"{n_spare}-{n}.mp4") for n in range(2)]
        try:
            with _few_handles(n_spare), Store.open(folder) as store:
                for source in sources:
                    store.add(source)
                store.finish(claimed(store), a_result())
        except DeviceError as error:
            n_failed += 1
            assert "too many" in str(error), str(error)
        with Store.open(folder) as store:
            _sound(store)
    assert 3 <= n_failed < 12


def test_a_newer_schema_is_refused_and_left_alone(store: Store, folder: Path, clock: FakeClock) -> None:
    store.shelf.books.database.execute("PRAGMA user_version=99")
    store.close()
    before = (folder / "store.db").read_bytes()
    with pytest.raises(DeviceError, match=r"written by a newer fidgety .*99.* update this program"):
        Store.open(folder, clock=clock)
    assert (folder / "store.db").read_bytes() == before


def test_an_older_schema_is_brought_forward_and_a_copy_kept(
    store: Store, folder: Path, clock: FakeClock, make_recording: MakeRecording, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add(make_recording())
    store.close()
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "ALTER TABLE recordings ADD COLUMN ward TEXT;"))
        with Store.open(folder, clock=clock) as newer:
            assert newer.shelf.books.read("SELECT ward FROM recordings")[0]["ward"] is None
            assert newer.recording("R000001").state == "queued"
    with pytest.raises(DeviceError, match="newer fidgety"):
        Store.open(folder, clock=clock)
    with closing(sqlite3.connect(folder / "store.db.schema-1")) as kept:
        assert kept.execute("SELECT COUNT(*) FROM recordings").fetchone() == (1,)


def test_a_migration_that_fails_changes_nothing(
    store: Store, folder: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    with monkeypatch.context() as patched, pytest.raises(DeviceError, match="let us down"):
        patched.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, "CREATE TABLE a (b);\nCREATE TABLE a (b);"))
        Store.open(folder, clock=clock)
    with Store.open(folder, clock=clock) as again:
        assert again.shelf.books.read("SELECT name FROM sqlite_master WHERE name = 'a'") == []


def _page(n: int) -> Callable[[bytes], bytes]:
    return lambda content: content[: 4096 * n] + b"\xa5" * 4096 + content[4096 * (n + 1) :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "head": lambda content: b"garbage" * 20 + content[140:],
    "a page": _page(4),
    "another page": _page(9),
    "half of it": lambda content: content[: len(content) // 2],
    "empty": lambda _: b"",
    "something else": lambda _: b"hello world\n" * 5000,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_database_is_moved_aside_and_never_made_anew_in_silence(
    store: Store, folder: Path, clock: FakeClock, make_recording: MakeRecording, damage: Callable[[bytes], bytes]
) -> None:
    store.add(make_recording())
    store.finish(claimed(store), a_result('{"n": 1}'))
    store.close()
    content = damage((folder / "store.db").read_bytes())
    (folder / "store.db").write_bytes(content)
    with pytest.raises(DeviceError, match=r"is damaged .*moved to store\.db\.damaged-1.*fidgety store restore"):
        Store.open(folder, clock=clock)
    assert (folder / "store.db.damaged-1").read_bytes() == content
    for _ in range(2):
        with pytest.raises(DeviceError, match=r"has lost its database.*fidgety store rebuild"):
            Store.open(folder, clock=clock)
    assert not (folder / "store.db").exists()
    with rebuild(folder, None, clock) as again:
        assert again.result_content(again.results("R000001")[0]) == b'{"n": 1}'
        _sound(again)


def test_a_store_that_was_being_made_when_the_power_went(
    folder: Path, monkeypatch: pytest.MonkeyPatch, make_recording: MakeRecording
) -> None:
    fsync = os.fsync
    for n in range(1, 12):
        shutil.rmtree(folder, ignore_errors=True)
        count = 0

        def die(descriptor: int, n: int = n) -> None:
            nonlocal count
            count += 1
            if count == n:
                raise KeyboardInterrupt
            fsync(descriptor)

        with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
            patched.setattr(os, "fsync", die)
            Store.open(folder).close()
        with Store.open(folder) as store:
            store.add(make_recording())
            _sound(store)
        if count < n:
            return
    raise AssertionError("it never came to its end")


def seen(wall_s: float = NOON_S, boot_s: float = 100.0, doubt: str | None = None) -> Seen:
    return Seen(wall_s, "boot-1", boot_s, doubt)


DAY_S = 86400.0


@pytest.mark.parametrize(
    ("now", "before", "doubt"),
    [
        (Now(NOON_S, "boot-1", 100.0), None, None),
        (Now(0.0, "boot-1", 100.0), None, "before this program was made"),
        (Now(RELEASED_S - 1.0, "boot-1", 100.0), None, "says 2026-10-31, which is before this program was made"),
        (Now(NOON_S - DAY_S, "boot-1", 200.0), seen(), "but it was 2026-12-31T12:00 already"),
        (Now(NOON_S - 60, "boot-1", 160.0), seen(), None),  # a network clock corrects a little
        (Now(NOON_S + DAY_S, "boot-1", 100.0 + DAY_S), seen(), None),
        (Now(NOON_S + DAY_S, "boot-1", 200.0), seen(), "leapt ahead by 24 hours"),
        (Now(NOON_S + 90 * DAY_S, "boot-2", 5.0), seen(), None),  # it lay in a cupboard
        (Now(NOON_S + DAY_S, "boot-2", 5.0), seen(doubt="it leapt"), "it leapt"),
        (Now(NOON_S + 60, "boot-1", 160.0), seen(doubt="it leapt"), None),  # right again
    ],
)
def test_judge(now: Now, before: Seen | None, doubt: str | None) -> None:
    found = judge(now, before)
    assert found is None if doubt is None else found is not None and doubt in found.words


def test_a_leap_is_remembered_until_somebody_accepts_the_clock(
    store: Store, folder: Path, clock: FakeClock, make_recording: MakeRecording
) -> None:
    store.add(make_recording("1.mp4"))
    clock.wall_s += 30 * DAY_S
    store.add(make_recording("2.mp4"))
    clock.restart()
    with Store.open(folder, clock=clock) as again:
        assert "leapt ahead by 720 hours" in (again.shelf.books.look_at_clock()[1] or "")
        again.shelf.books.accept_clock()
        assert again.shelf.books.look_at_clock()[1] is None
        assert again.recording(again.add(make_recording("3.mp4")).id).is_clock_trusted


def test_the_real_clock_runs() -> None:
    one, other = Clock().read(), Clock().read()
    assert one.boot_id == other.boot_id and len(one.boot_id) == 36
    assert one.boot_s <= other.boot_s
