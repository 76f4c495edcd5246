"""An encrypted store: nothing plain on the disk, nothing readable without the key, and no way to get stuck half-way."""

from __future__ import annotations

from pathlib import Path

import pytest

from fidgety.device import opened as opened_module
from fidgety.device.books import Books
from fidgety.device.holdings import About, Infant
from fidgety.device.sealing import n_plain, turn_on
from fidgety.device.store import Store
from fidgety.device.vault import Key, make_key_file
from fidgety.errors import DeviceError, UsageError

from .conftest import FakeClock, MakeRecording, a_result, claimed

SECRETS = (b"visit", b"2026-09-01", b"secret finding", b"fms_frequency")


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return make_key_file(tmp_path / "key")


def fill(store: Store, make_recording: MakeRecording) -> None:
    """Two recordings, one of them scored and overridden."""
    store.add(make_recording("visit-1.mp4", 200_000), About(Infant("A", born="2026-09-01")))
    store.finish(claimed(store), a_result('{"fms_frequency": 0.5}'))
    store.override("R000001", "S-1", "secret finding", "seen at the bedside")
    store.add(make_recording("visit-2.mp4"))


def plain_places(folder: Path) -> list[str]:
    """Files in which something shows that only the key should show."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(secret in path.read_bytes() for secret in SECRETS)
    ]


def seal_all(store: Store, key: Key) -> list[tuple[str, str]]:
    return list(turn_on(store.shelf, key))


def test_turn_on_leaves_nothing_plain(
    store: Store, folder: Path, clock: FakeClock, key: Key, make_recording: MakeRecording
) -> None:
    fill(store, make_recording)
    assert plain_places(folder) != []
    done = seal_all(store, key)
    assert len(done) == 6 and n_plain(store.shelf) == 0
    assert store.infant("A").born == "2026-09-01"
    store.close()
    assert plain_places(folder) == []
    with Store.open(folder, key=key, clock=clock) as again:
        assert again.recovery.is_quiet
        assert again.result_content(again.results("R000001")[0]) == b'{"fms_frequency": 0.5}'
        assert again.overrides("R000001")[0].finding == "secret finding"
        assert again.infant("A").born == "2026-09-01"


def test_an_encrypted_store_keeps_what_comes_in_sealed(
    store: Store, folder: Path, key: Key, make_recording: MakeRecording
) -> None:
    seal_all(store, key)
    fill(store, make_recording)
    begun = store.begin()
    (begun.folder / "0001.mkv").write_bytes(b"visit of the recorder")
    store.finish_recording(begun.id)
    store.close()
    assert plain_places(folder) == []
    assert not (begun.folder / "0001.mkv").exists()


def test_opened_gives_the_content_under_a_plain_path(
    store: Store, key: Key, make_recording: MakeRecording, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_recording("visit-1.mp4", 200_000)
    store.add(source)
    recording = store.recording("R000001")
    with store.opened(recording, recording.videos[0]) as path:
        assert path == store.folder / "recordings/R000001/R000001.mp4"
    seal_all(store, key)
    recording = store.recording("R000001")
    for free_bytes, is_link in ((1 << 40, True), (0, False)):
        monkeypatch.setattr(opened_module, "free_memory_bytes", lambda free_bytes=free_bytes: free_bytes)
        with store.opened(recording, recording.videos[0]) as path:
            assert path.is_file() and path.suffix == ".mp4" and path.is_symlink() is is_link
            assert path.read_bytes() == source.read_bytes()
        assert list((store.folder / "opened").iterdir()) == []


def test_opened_refuses_a_sealed_file_that_belongs_elsewhere(
    store: Store, key: Key, make_recording: MakeRecording
) -> None:
    fill(store, make_recording)
    seal_all(store, key)
    one, other = (store.shelf.path_of(n, store.recording(f"R{n}").videos[0]) for n in (1, 2))
    other.write_bytes(one.read_bytes())
    recording = store.recording("R000002")
    with pytest.raises(DeviceError, match="is not what came in"), store.opened(recording, recording.videos[0]):
        pass
    assert list((store.folder / "opened").iterdir()) == []


def test_decrypted_copies_of_a_killed_reader_are_removed(store: Store, folder: Path, clock: FakeClock) -> None:
    mine = store.shelf.owner.part(folder / "opened", "-R000001.mp4")
    mine.write_bytes(b"plain")
    (folder / "opened" / "0123456789abcdef-1-R000001.mp4").write_bytes(b"plain")
    with Store.open(folder, clock=clock):
        assert list((folder / "opened").iterdir()) == [mine]


def test_without_the_key_there_is_a_list_and_no_more(
    store: Store, folder: Path, clock: FakeClock, key: Key, make_recording: MakeRecording
) -> None:
    fill(store, make_recording)
    seal_all(store, key)
    store.close()
    with Store.open(folder, clock=clock) as again:
        assert [one.state for one in again.recordings()] == ["scored", "queued"]
        recording = again.recording("R000001")
        for ask in (
            lambda: again.add(make_recording("visit-3.mp4")),
            again.begin,
            lambda: again.infant("A"),
            lambda: again.result_content(again.results("R000001")[0]),
            lambda: again.opened(recording, recording.videos[0]).__enter__(),
        ):
            with pytest.raises(DeviceError, match=rf"key {key.id}"):
                ask()
        assert len(again.recordings()) == 2


def test_with_another_key_it_is_not_opened(
    store: Store, folder: Path, clock: FakeClock, key: Key, tmp_path: Path
) -> None:
    seal_all(store, key)
    other = make_key_file(tmp_path / "other")
    with pytest.raises(DeviceError, match=f"encrypted with the key {key.id}, the key given is {other.id}"):
        Store.open(folder, key=other, clock=clock)
    with pytest.raises(DeviceError, match="the key given is"):
        seal_all(store, other)


def test_turn_on_waits_for_who_records_and_leaves_out_what_is_being_scored(
    store: Store, key: Key, make_recording: MakeRecording
) -> None:
    fill(store, make_recording)
    begun = store.begin()
    with pytest.raises(UsageError, match="R000003 is being recorded"):
        seal_all(store, key)
    (begun.folder / "1.mkv").write_bytes(b"x")
    store.finish_recording(begun.id)
    claim = claimed(store)
    seal_all(store, key)
    assert n_plain(store.shelf) == 2
    store.finish(claim, a_result())
    assert len(seal_all(store, key)) == 2
    assert n_plain(store.shelf) == 0


@pytest.mark.parametrize("n_files", [0, 2, 5])
def test_turn_on_after_a_kill_goes_on(
    store: Store,
    folder: Path,
    clock: FakeClock,
    key: Key,
    make_recording: MakeRecording,
    monkeypatch: pytest.MonkeyPatch,
    n_files: int,
) -> None:
    """The power goes after a file was sealed and before the plain one was removed."""

    class PowerCut(BaseException):
        pass

    fill(store, make_recording)
    plain_unlink, count = Path.unlink, 0

    def unlink(path: Path, missing_ok: bool = False) -> None:
        nonlocal count
        if path.parent.parent.name == "recordings":
            count += 1
            if count > n_files:
                raise PowerCut
        plain_unlink(path, missing_ok)

    with monkeypatch.context() as patched, pytest.raises(PowerCut):
        patched.setattr(Path, "unlink", unlink)
        seal_all(store, key)
    store.close()
    with Store.open(folder, key=key, clock=clock) as again:
        assert again.recovery.lost_and_found == ()
        assert len(seal_all(again, key)) == 6 - n_files - 1
    assert plain_places(folder) == []


def test_turn_on_refuses_a_file_that_was_changed(
    store: Store, folder: Path, key: Key, make_recording: MakeRecording
) -> None:
    fill(store, make_recording)
    (folder / "recordings/R000002/R000002.mp4").write_bytes(b"something else")
    with pytest.raises(DeviceError, match="was changed since it came in"):
        seal_all(store, key)
    assert list((folder / "staged").iterdir()) == []


def test_a_sealed_recording_without_a_row_is_entered_by_who_has_the_key(
    store: Store,
    folder: Path,
    clock: FakeClock,
    key: Key,
    make_recording: MakeRecording,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seal_all(store, key)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Books, "_keep_seen", die)
        store.add(make_recording("visit-1.mp4"), About(Infant("A", born="2026-09-01")))
    store.close()
    with Store.open(folder, clock=clock) as without:
        assert without.recordings() == []
    with Store.open(folder, key=key, clock=clock) as again:
        assert again.recovery.registered == ("R000001",)
        assert again.infant("A").born == "2026-09-01"
        assert again.add(make_recording("visit-1.mp4")).is_new is False
