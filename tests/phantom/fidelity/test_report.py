"""What the bench writes: every row in a table that can be read again, tables, plots, and an earlier run beside them."""

from __future__ import annotations

import csv
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fidgety.errors import UsageError
from fidgety.phantom.fidelity.bench import Row, rows_of
from fidgety.phantom.fidelity.plan import Programme
from fidgety.phantom.fidelity.report import About, write_fidelity
from fidgety.phantom.fidelity.table import Earlier, read_rows, rows_as_csv

from .test_bench import VIEW, reading_of, scene_of, shrunk

ABOUT = About("tiny", "demo 1.0 (abc)", "DEMO <not> for use", "pose: none")
KINDS = ("single", "together", "noise", "motionless", "slow")


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """A chain that shrinks movement to .8, and loses a frame in a hundred."""
    return [row for kind in KINDS for row in rows_of(scene_of(kind), VIEW, reading_of(scene_of(kind), shrunk, 0.99))]


def halved(rows: list[Row]) -> Earlier:
    return Earlier("demo 0.9 (def)", "pose: worse", tuple(replace(row, value=row.value / 2) for row in rows))


def test_write_fidelity_writes_every_row_and_names_the_bundle(rows: list[Row], tmp_path: Path) -> None:
    write_fidelity(tmp_path, rows, ABOUT)
    with (tmp_path / "fidelity.csv").open(encoding="utf-8", newline="") as stream:
        table = list(csv.DictReader(stream))
    assert len(table) == len(rows)
    assert [float(line["value"]) for line in table] == pytest.approx([row.value for row in rows], rel=1e-4, abs=1e-12)
    assert {line["bundle"] for line in table} == {ABOUT.bundle}
    markdown = (tmp_path / "fidelity.md").read_text(encoding="utf-8")
    assert ABOUT.bundle in markdown and "DEMO" in markdown and "| wrist | 0.80 (" in markdown
    page = (tmp_path / "fidelity.html").read_text(encoding="utf-8")
    assert page.count("<svg") == len({row.joint for row in rows if row.figure == "gain"}) == 8
    assert "DEMO &lt;not&gt; for use" in page and "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_write_fidelity_tells_amplitudes_apart(tmp_path: Path) -> None:
    """A chain that swallows small movement must not hide behind the median of small and large."""

    def of(amplitude_mm: float, share: float) -> list[Row]:
        programme = Programme(
            ("left_wrist",), axes=("plane",), amplitudes_mm=(amplitude_mm,), frequencies_hz=(1.0, 3.0)
        )
        scene = programme.scenes()[0]
        return rows_of(scene, VIEW, reading_of(scene, lambda true: true.mean(axis=0) * (1.0 - share) + share * true))

    write_fidelity(tmp_path, of(5.0, 0.5) + of(20.0, 0.9), ABOUT)
    lines = (tmp_path / "fidelity.md").read_text(encoding="utf-8").splitlines()
    for words, gain in (("5 mm", "0.50"), ("20 mm", "0.90")):
        at = next(i for i, line in enumerate(lines) if line.startswith("**Gain") and f", {words}: median" in line)
        assert f"| wrist | {gain} (+0) | {gain} (+0) |" in lines[at : at + 6]
        assert any(line.startswith("**While") and line.endswith(f", {words}**") for line in lines)
    assert not any(line.startswith("**Floor") for line in lines), "nothing was still: no empty table"


def test_write_fidelity_sets_an_earlier_run_beside_this_one(rows: list[Row], tmp_path: Path) -> None:
    write_fidelity(tmp_path, rows, replace(ABOUT, before=halved(rows)))
    markdown = (tmp_path / "fidelity.md").read_text(encoding="utf-8")
    assert "Before: demo 0.9 (def); pose: worse" in markdown
    assert "| wrist | 0.40 -> 0.80 (+0) |" in markdown
    floor = next(
        row.value for row in rows if row.scene == "slow" and row.figure == "floor" and row.joint == "left_knee"
    )
    assert f"| plane | left knee | {floor / 2:.2f} -> {floor:.2f} |" in markdown
    page = (tmp_path / "fidelity.html").read_text(encoding="utf-8")
    assert page.count("before, 10 mm") == 1 and page.count("before, together") == 7  # one joint is driven alone


def test_write_fidelity_without_the_same_camera_before_shows_nothing_of_it(rows: list[Row], tmp_path: Path) -> None:
    other = [replace(row, view=replace(VIEW, fps=30.0)) for row in rows]
    write_fidelity(tmp_path, rows, replace(ABOUT, before=halved(other)))
    assert "->" not in (tmp_path / "fidelity.md").read_text(encoding="utf-8")
    assert "before" not in (tmp_path / "fidelity.svg").read_text(encoding="utf-8")


def test_write_fidelity_sheet_holds_every_plot_apart(rows: list[Row], tmp_path: Path) -> None:
    farther = [replace(row, view=replace(VIEW, fill=0.4)) for row in rows]
    write_fidelity(tmp_path, rows + farther, ABOUT)
    sheet = ElementTree.parse(tmp_path / "fidelity.svg").getroot()
    svg = "{http://www.w3.org/2000/svg}"
    panels = [group for group in sheet.iter(f"{svg}g") if group.find(f"{svg}svg") is not None]
    assert len(panels) == len({group.get("transform") for group in panels}) == 16
    ends = [tuple(map(float, re.findall(r"[\d.]+", str(group.get("transform"))))) for group in panels]
    size = tuple(float(str(sheet.get(key))) for key in ("width", "height"))
    assert all(x + 390 <= size[0] and y + 300 <= size[1] for x, y in ends)
    assert {"480p fill 0.7 25 fps", "480p fill 0.4 25 fps"} <= set(sheet.itertext())


def test_read_rows_gives_what_was_written(rows: list[Row], tmp_path: Path) -> None:
    path = tmp_path / "fidelity.csv"
    path.write_text(rows_as_csv(rows, "a bundle", "its, chain"), encoding="utf-8", newline="")
    earlier = read_rows(path)
    assert (earlier.bundle, earlier.chain) == ("a bundle", "its, chain")
    assert [replace(row, value=0.0) for row in earlier.rows] == [replace(row, value=0.0) for row in rows]
    assert [row.value for row in earlier.rows] == pytest.approx([row.value for row in rows], rel=1e-4, abs=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: "", "no table of the fidelity bench"),
        (lambda text: text.replace("height_px", "height"), "no table of the fidelity bench"),
        (lambda text: text.splitlines()[0] + "\r\n", "0 runs"),
        (lambda text: text.replace("a bundle", "another", 1), "2 runs"),
        (lambda text: text.replace("480,", "tall,", 1), "line 2: .*tall"),
        (lambda text: text.replace(",plane,", ",plain,", 1), "line [0-9]+: 'plain' is no axis"),
    ],
    ids=["empty", "columns", "no-rows", "two-runs", "number", "axis"],
)
def test_read_rows_tells_what_is_wrong(
    rows: list[Row], tmp_path: Path, change: Callable[[str], str], message: str
) -> None:
    path = tmp_path / "fidelity.csv"
    path.write_text(change(rows_as_csv(rows, "a bundle", "its chain")), encoding="utf-8", newline="")
    with pytest.raises(UsageError, match=message) as error:
        read_rows(path)
    assert str(path) in str(error.value)


def test_read_rows_of_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_rows(tmp_path / "fidelity.csv")
