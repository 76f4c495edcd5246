from __future__ import annotations

import os
from pathlib import Path

import pytest

from fidgety import durable
from fidgety.durable import copy, staged, write_bytes


def test_staged_has_the_disk_keep_pace_with_a_long_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    monkeypatch.setattr(durable, "_BEHIND_BYTES", 3000)
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: lengths.append(os.fstat(descriptor).st_size))
    content = os.urandom(10_000)
    with staged(tmp_path / "a") as stream:
        for start in range(0, len(content), 1000):
            stream.write(content[start : start + 1000])
    assert lengths == [3000, 6000, 9000]
    assert (tmp_path / "a").read_bytes() == content


def test_staged_of_a_short_file_syncs_at_its_end_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fdatasync", lambda _: pytest.fail("not needed"))
    write_bytes(tmp_path / "a", b"content")
    assert (tmp_path / "a").read_bytes() == b"content"


def test_staged_block_that_raises_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(ValueError, match="on the way"), staged(tmp_path / "a") as stream:
        stream.write(b"new")
        raise ValueError("on the way")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_copy_gives_every_byte(tmp_path: Path) -> None:
    content = os.urandom(3 * (1 << 20) + 17)
    (tmp_path / "a").write_bytes(content)
    with (tmp_path / "a").open("rb") as source, staged(tmp_path / "b") as target:
        copy(source, target)
    assert (tmp_path / "b").read_bytes() == content
