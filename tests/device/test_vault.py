"""Sealed files: only the right key opens them, and only as they were written."""

from __future__ import annotations

import io
import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from fidgety.device.chunks import CHUNK_BYTES
from fidgety.device.vault import Key, key_id_of, make_key_file, open_sealed, read_key_file, seal
from fidgety.errors import DeviceError, UsageError

SEALED_CHUNK = CHUNK_BYTES + 16
HEAD = 57
Change = Callable[[bytearray], object]


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return make_key_file(tmp_path / "key")


def sealed(path: Path, content: bytes, key: Key) -> Path:
    with path.open("wb") as stream:
        seal(io.BytesIO(content), stream, key)
    return path


def numbers(n_bytes: int) -> bytes:
    return b"".join(i.to_bytes(4, "big") for i in range(n_bytes // 4 + 1))[:n_bytes]


@pytest.mark.parametrize("n_bytes", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_open_sealed_gives_what_was_sealed(tmp_path: Path, key: Key, n_bytes: int) -> None:
    content = numbers(n_bytes)
    path = sealed(tmp_path / "x", content, key)
    with open_sealed(path, key) as reader:
        assert reader.readall() == content
        assert reader.n_bytes == n_bytes
    assert key_id_of(path) == key.id


def test_open_sealed_from_any_place(tmp_path: Path, key: Key) -> None:
    content = numbers(3 * CHUNK_BYTES + 77)
    with open_sealed(sealed(tmp_path / "x", content, key), key) as reader:
        buffered = io.BufferedReader(reader)
        for start in (2 * CHUNK_BYTES - 3, 5, len(content) - 4, 0):
            assert buffered.seek(start) == start == buffered.tell()
            assert buffered.read(1000) == content[start : start + 1000]
        assert buffered.seek(-4, io.SEEK_END) == len(content) - 4
        assert buffered.read(100) == content[-4:]
        assert buffered.read(1) == b""


def test_seal_the_same_twice_gives_other_bytes(tmp_path: Path, key: Key) -> None:
    one, other = (sealed(tmp_path / name, b"same", key).read_bytes() for name in "ab")
    assert one[-20:] != other[-20:] and b"same" not in one


def _swap_chunks(sealed: bytearray) -> None:
    first, second = slice(HEAD, HEAD + SEALED_CHUNK), slice(HEAD + SEALED_CHUNK, HEAD + 2 * SEALED_CHUNK)
    sealed[first], sealed[second] = sealed[second], sealed[first]


def _drop_chunk(sealed: bytearray) -> None:
    del sealed[HEAD : HEAD + SEALED_CHUNK]


def _double_chunk(sealed: bytearray) -> None:
    sealed[HEAD:HEAD] = sealed[HEAD : HEAD + SEALED_CHUNK]


def _flip(place: int) -> Change:
    def flip(sealed: bytearray) -> None:
        sealed[place] ^= 1

    return flip


def _cut(n_bytes: int) -> Change:
    def cut(sealed: bytearray) -> None:
        del sealed[-n_bytes:]

    return cut


CHANGES: dict[str, Change] = {
    "first byte": _flip(HEAD),
    "a byte in the middle": _flip(HEAD + SEALED_CHUNK + 100),
    "last byte": _flip(-1),
    "salt": _flip(30),
    "chunks swapped": _swap_chunks,
    "chunk left out": _drop_chunk,
    "chunk doubled": _double_chunk,
    "last chunk cut off": _cut(77 + 16),
    "last byte cut off": _cut(1),
    "all cut off": _cut(3 * SEALED_CHUNK + 77 + 16),
    "head cut off": _cut(3 * SEALED_CHUNK + 77 + 16 + 40),
    "bytes added": lambda sealed: sealed.extend(b"more"),
    "magic": _flip(0),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_open_sealed_refuses_what_was_changed(tmp_path: Path, key: Key, change: Change) -> None:
    path = sealed(tmp_path / "x", numbers(3 * CHUNK_BYTES + 77), key)
    assert path.stat().st_size == HEAD + 3 * SEALED_CHUNK + 77 + 16
    changed = bytearray(path.read_bytes())
    change(changed)
    path.write_bytes(changed)
    with pytest.raises(DeviceError, match=r"changed or cut off|no sealed file|no whole chunk"):
        open_sealed(path, key).readall()


def test_open_sealed_with_another_key(tmp_path: Path, key: Key) -> None:
    other = make_key_file(tmp_path / "other")
    path = sealed(tmp_path / "x", b"content", key)
    with pytest.raises(DeviceError, match=f"sealed with the key {key.id}, the key given is {other.id}"):
        open_sealed(path, other)
    with pytest.raises(DeviceError, match="none was given"):
        open_sealed(path, None)
    with pytest.raises(DeviceError, match="changed or cut off"):  # a forged id does not help
        open_sealed(path, Key(key.id, other.secret))


def test_words_are_bound_to_their_place(key: Key) -> None:
    words = key.seal_words(b"born", "infant A")
    assert key.open_words(words, "infant A") == b"born"
    for place, changed in (("infant B", words), ("infant A", words[:-1] + bytes([words[-1] ^ 1]))):
        with pytest.raises(DeviceError, match=f"of {place} was changed"):
            key.open_words(changed, place)


def test_make_key_file_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path, key: Key) -> None:
    path = tmp_path / "key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_key_file(path) == key
    assert key.secret.hex() not in repr(key)
    with pytest.raises(UsageError, match="never overwritten"):
        make_key_file(path)


def test_key_file_with_a_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "locked"
    monkeypatch.setenv("FIDGETY_KEY_PASSPHRASE", "open sesame")
    key = make_key_file(path)
    assert key.secret.hex() not in path.read_text()
    assert read_key_file(path) == key
    monkeypatch.setenv("FIDGETY_KEY_PASSPHRASE", "wrong")
    with pytest.raises(UsageError, match="is not the passphrase"):
        read_key_file(path)
    monkeypatch.delenv("FIDGETY_KEY_PASSPHRASE")
    with pytest.raises(UsageError, match="is locked: set"):
        read_key_file(path)


@pytest.mark.parametrize("change", [{"key": "00" * 32}, {"id": "0" * 16}, {"kdf": "md5"}, {"format": 2}, {"key": "zz"}])
@pytest.mark.usefixtures("key")
def test_read_key_file_that_is_damaged(tmp_path: Path, change: dict[str, object]) -> None:
    path = tmp_path / "key"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UsageError, match="is no key of a store, or damaged"):
        read_key_file(path)


def test_read_key_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "video").write_bytes(bytes(range(256)) * 100)
    (tmp_path / "list").write_text("[1]")
    for name, message in (("nowhere", "cannot be read"), ("video", "is no key"), ("list", "is no key")):
        with pytest.raises(UsageError, match=message):
            read_key_file(tmp_path / name)
