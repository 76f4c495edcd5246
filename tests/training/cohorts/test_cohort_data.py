"""The cohort of rated clips is of other infants, however its site is spelled, and a run tells no date of birth."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fidgety.cohort.read import read_cohort
from fidgety.errors import UsageError
from fidgety.runtime.posefile import PoseWriter, open_poses
from fidgety.training.task import Options

Train = Callable[..., Path]
Rows = list[dict[str, str]]


@pytest.fixture
def clips(folder: Path, tmp_path: Path) -> Path:
    """A copy of the rated clips that may be changed."""
    return Path(shutil.copytree(folder / "clips", tmp_path / "clips"))


def _read(path: Path) -> Rows:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _write(path: Path, rows: Rows) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def test_train_cohort_refuses_clips_of_an_infant_of_the_cohort(
    folder: Path, clips: Path, train: Train, tmp_path: Path
) -> None:
    """The same id and date of birth, at a site that the export of clips spells otherwise."""
    known = _read(folder / "internal" / "infants.csv")[3]
    infants, recordings = _read(clips / "infants.csv"), _read(clips / "recordings.csv")
    recordings[0] |= {"infant": known["id"], "recorded": _read(folder / "internal" / "recordings.csv")[3]["recorded"]}
    infants[0] |= {"id": known["id"], "born": known["born"], "gestation": known["gestation"], "site": "Site A, Ward 3"}
    _write(clips / "infants.csv", infants)
    _write(clips / "recordings.csv", recordings)
    with pytest.raises(UsageError, match=rf"not apart from .*: infant {known['id']}, born {known['born']}\. Take them"):
        train(tmp_path / "out", Options(), clips=clips)
    assert not (tmp_path / "out").exists()


def test_train_cohort_refuses_clips_of_a_recording_of_the_cohort(
    folder: Path, clips: Path, train: Train, tmp_path: Path
) -> None:
    """Written again under another name and bundle."""
    known = read_cohort(folder / "internal").recordings[5]
    file, stored = _read(clips / "recordings.csv")[2]["file"], open_poses(known.path)
    with PoseWriter(clips / file, stored.skeleton, {**stored.about, "recording": "x", "bundle": "another"}) as writer:
        for pose in stored.poses:
            writer.write(replace(pose, presence=0.5))
    with pytest.raises(UsageError, match=rf"{file} is {known.file} of infant {known.infant_id}\. Take them"):
        train(tmp_path / "out", Options(), clips=clips)


def test_train_cohort_keeps_no_date_of_birth(mam: Path, folder: Path) -> None:
    text = (mam / "run.json").read_text()
    cohorts = [read_cohort(folder / name) for name in ("internal", "clips")]
    assert not any(str(infant.born) in text for cohort in cohorts for infant in cohort.infants)
    known_by = json.loads(text)["known_by"]
    assert len(known_by["births"]) == 24
    assert len(known_by["recordings"]) == 48  # of its file and of its track
