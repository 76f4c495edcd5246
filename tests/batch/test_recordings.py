from __future__ import annotations

from pathlib import Path

import pytest

from fidgety.batch.recordings import find_recordings
from fidgety.errors import UsageError


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def shown(folder: Path, results: Path | None = None) -> list[str]:
    return [one.shown for one in find_recordings([str(folder)], results).recordings]


def test_find_recordings_searches_folders_in_the_order_of_names(tmp_path: Path) -> None:
    fill(tmp_path, "b.MP4", "a.mkv", "ward/2.mov", "ward/10.poses", "notes.txt", "table.csv")
    assert shown(tmp_path) == ["a.mkv", "b.MP4", "ward/10.poses", "ward/2.mov"]


@pytest.mark.parametrize(
    "name", [".a.mp4", "a.mp4.part", ".trash/a.mp4", "v.poses", "v.npz", "v.truth.npz", "done.poses", "out/x.mp4"]
)
def test_find_recordings_leaves_out(tmp_path: Path, name: str) -> None:
    fill(tmp_path, "v.mp4", "done.json", "done.html", name)
    assert shown(tmp_path, tmp_path / "out") == ["v.mp4"]


def test_find_recordings_keeps_a_track_whose_name_only_begins_like_a_video(tmp_path: Path) -> None:
    fill(tmp_path, "a.mp4", "a.2.poses", "v.poses", "v.json")
    assert shown(tmp_path) == ["a.2.poses", "a.mp4", "v.poses"]


def test_find_recordings_counts_none_twice(tmp_path: Path) -> None:
    fill(tmp_path, "a.mp4")
    assert len(find_recordings([str(tmp_path), str(tmp_path / "a.mp4")], None).recordings) == 1


def test_find_recordings_in_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no recordings"):
        find_recordings([str(tmp_path)], None)


def test_find_recordings_names_a_folder_that_cannot_be_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may search anywhere, so the refusal is put in by hand."""
    fill(tmp_path, "a.mp4", "locked/b.mp4")
    import os

    real = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    listing = find_recordings([str(tmp_path)], None)
    assert [one.shown for one in listing.recordings] == ["a.mp4"]
    assert "locked cannot be searched: Permission denied" in listing.unreadable[0]


def test_find_recordings_takes_what_is_no_folder_as_it_is() -> None:
    listing = find_recordings(["0", "rtsp://camera/1", "missing.mp4"], None)
    assert [one.address for one in listing.recordings] == ["0", "rtsp://camera/1", "missing.mp4"]
    assert not listing.has_folders


def test_find_recordings_shows_cameras_of_one_brand_apart_and_without_passwords() -> None:
    names = ["rtsp://nurse:s3cret@10.0.0.11/live", "rtsp://nurse:s3cret@10.0.0.12/live"]
    listing = find_recordings(names, None)
    assert [one.address for one in listing.recordings] == names
    assert [one.shown for one in listing.recordings] == ["rtsp://10.0.0.11/live", "rtsp://10.0.0.12/live"]
