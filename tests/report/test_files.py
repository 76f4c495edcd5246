from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fidgety.errors import DeviceError, UsageError
from fidgety.report.files import write_text


@contextmanager
def small_disk() -> Iterator[None]:
    """The kernel refuses to let any file grow past 4 kB. Only while it holds: the test runner's log is a file too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_write_text_replaces_the_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    write_text(path, "old")
    write_text(path, "new å")
    assert path.read_text(encoding="utf-8") == "new å"
    assert _names(tmp_path) == ["a.html"]


def test_write_text_that_fails_half_way_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    write_text(path, "old")
    with small_disk(), pytest.raises(DeviceError, match=r"a\.html cannot be written"):
        write_text(path, "x" * 10_000)
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["a.html"]


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EROFS, "may not be written to"),
        (errno.EACCES, "may not be written to"),
        (errno.EIO, "input/output error; check the disk"),
    ],
)
def test_write_text_disk_fault_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, sentence: str
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DeviceError, match=sentence):
        write_text(tmp_path / "a.html", "text")
    assert _names(tmp_path) == []


def test_write_text_without_the_folder_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="make it first"):
        write_text(tmp_path / "none" / "a.html", "text")


def test_write_text_onto_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.html").mkdir()
    with pytest.raises(DeviceError, match="is a directory"):
        write_text(tmp_path / "a.html", "text")
    assert _names(tmp_path) == ["a.html"]
