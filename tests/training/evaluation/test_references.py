"""True bouts and raters' clips on the grid of the windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fidgety.cohort.read import read_cohort
from fidgety.training.evaluation.references import TRUTH, gather_references, system_clips
from fidgety.training.evaluation.runs import read_run


def test_gather_references_of_a_phantom_are_its_bouts(cohort: Path) -> None:
    (truth,) = gather_references(read_cohort(cohort))
    assert truth.name == TRUTH and len(truth.has_fms) == 40 * 14
    starts = sorted(frame for (file, frame), holds in truth.has_fms.items() if file == "a001.npz" and holds)
    assert starts == [20 * k for k in range(9)]  # a bout from 2 to 12 s fills more than half up to 6.4 s
    assert sum(holds for (file, _), holds in truth.has_fms.items() if file == "a006.npz") == 2


def test_gather_references_of_raters_without_truth(maker: Any) -> None:
    raters = {"ann": lambda truth, _: truth, "ben": lambda _, k: k == 0}
    found = gather_references(read_cohort(maker.cohort(has_truth=False, raters=raters)))
    assert [one.name for one in found] == ["ann", "ben"]
    assert sum(found[0].has_fms.values()) == 20 * 9 + 12 * 2
    assert sum(found[1].has_fms.values()) == 40


def test_gather_references_of_a_cohort_with_neither(maker: Any) -> None:
    assert gather_references(read_cohort(maker.cohort(has_truth=False))) == ()


def test_system_clips_are_read_at_the_recordings_own_threshold(maker: Any, cohort: Path) -> None:
    folder = maker.run()
    maker.edit(folder / "predictions.csv", 3, fms_threshold="0.95")
    maker.edit(folder / "windows.csv", 17, fms_probability="")  # the second clip of a001
    clips = system_clips(read_run(folder).internal, gather_references(read_cohort(cohort)))
    assert len(clips.system) == 40 * 14 - 1
    assert clips.system[clips.recordings == "a001.npz"].sum() == 0
    assert clips.system[clips.recordings == "a002.npz"].sum() == 8


def test_system_clips_meet_references_by_the_frame(maker: Any, cohort: Path) -> None:
    folder = maker.run()
    maker.edit(folder / "windows.csv", 3, start_s="0.81")  # a quarter of a frame late
    maker.edit(folder / "windows.csv", 4, start_s="1.63")  # nearer to the next frame
    clips = system_clips(read_run(folder).internal, gather_references(read_cohort(cohort)))
    assert np.flatnonzero(np.isnan(clips.references[TRUTH])).tolist() == [2]
