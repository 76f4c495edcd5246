"""The bench on the real chain, small: it renders, reads, measures, and does not render twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from fidgety.bundle import Bundle
from fidgety.phantom.fidelity.bench import describe_chain, run_plan
from fidgety.phantom.fidelity.plan import Plan, Programme
from fidgety.phantom.fidelity.report import About, write_fidelity
from fidgety.phantom.fidelity.scenes import View

VIEW = View(270, 0.8, 15.0)
TINY = Plan("tiny", ((VIEW, Programme(("left_wrist",), ("plane",), (20.0,), (1.0,), 3.0, 5.5, 8.2)),))


def test_run_plan_measures_a_wrist_and_renders_once(bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    heard: list[str] = []
    rows = run_plan(TINY, bundle, folder, heard.append)
    assert len(heard) == len(list(folder.glob("*.mp4"))) == 5
    assert {row.scene for row in rows if row.figure == "observed frames"} == {text.split(": ")[1] for text in heard}
    assert all(row.value > 0.98 for row in rows if row.figure == "observed frames")
    (gain,) = (row.value for row in rows if row.scene == "single" and row.figure == "gain")
    assert 0.7 < gain < 1.3
    floors = [row.value for row in rows if row.scene == "motionless" and row.figure == "floor" and row.axis == "plane"]
    assert len(floors) == 9 and max(floors) < 2.0

    times = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = run_plan(TINY, bundle, folder, heard.append)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == times
    assert [row.value for row in again] == pytest.approx([row.value for row in rows])

    write_fidelity(tmp_path, rows, About(TINY.name, bundle.label, None, describe_chain(bundle)))
    assert bundle.label in (tmp_path / "fidelity.md").read_text(encoding="utf-8")
