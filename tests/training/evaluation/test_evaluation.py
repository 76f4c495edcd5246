"""The whole report: refusals, the same figures in all files, nothing from outside, loud about the phantom."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from fidgety.errors import UsageError
from fidgety.training.evaluation.evaluation import build_report, evaluate_runs, read_study
from fidgety.training.evaluation.report import PHANTOM_BANNER, render_html, render_markdown


class Grid(HTMLParser):
    """Rows of all tables; a cell that spans several columns counts for each of them."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.span = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.span = int(dict(attrs).get("colspan") or 1)
            self.rows[-1] += [""] * self.span

    def handle_data(self, data: str) -> None:
        for place in range(len(self.rows[-1]) - self.span, len(self.rows[-1])) if self.span else ():
            self.rows[-1][place] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.span = 0


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, cohort: Path, known_study: Any) -> Path:
    out = tmp_path_factory.mktemp("out")
    (out / "tables").mkdir()
    runs = [run.folder for run in (*known_study.runs, *known_study.shuffled)]
    evaluate_runs(runs, cohort, [known_study.cohorts["b"].folder], out)
    return out


def test_evaluate_runs_markdown_and_page_hold_the_same_figures(written: Path) -> None:
    text = (written / "evaluation.md").read_text(encoding="utf-8")
    flow = text[text.index("## Participants") : text.index("## Risk")]
    lines = [line for line in text.replace(flow, "").splitlines() if line.startswith("|")]
    in_text = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if set(line) - set("|- ")]
    page = Grid()
    page.feed((written / "evaluation.html").read_text(encoding="utf-8"))
    assert len(in_text) > 150
    assert page.rows == in_text


def test_evaluate_runs_page_needs_nothing_from_outside(written: Path) -> None:
    page = (written / "evaluation.html").read_text(encoding="utf-8")
    assert "http" not in page.replace("http-equiv", "")
    assert not re.search(r"<script|<link|<img|\bsrc=|@import|url\((?!#)", page)
    assert page.count("<svg") == 10  # of two settings: ROC, FMs frequency, agreement, calibration, decision curve


def test_evaluate_runs_writes_every_table_and_prediction(written: Path, known_study: Any, maker: Any) -> None:
    report = build_report(known_study)
    assert {path.stem for path in (written / "tables").iterdir()} == {table.name for table in report.tables}
    assert len(report.tables) == len({table.name for table in report.tables})
    rows = maker.read(written / "predictions.csv")
    assert len(rows) == 6 * 40  # five runs, one of them on two settings
    mam = [row for row in rows if row["run"] == "MAM"]
    assert {row["setting"] for row in mam} == {"internal", "b"}
    assert (mam[25]["infant"], mam[25]["risk"], mam[25]["is_risk"], mam[25]["fold"]) == ("a025", "0.8", "1", "0")
    (lost,) = [row for row in rows if row["run"] == "EML" and row["infant"] == "a001"]
    assert (lost["risk"], lost["fms_frequency"]) == ("", "")


def test_evaluate_runs_is_loud_about_the_phantom(written: Path) -> None:
    assert f"**{PHANTOM_BANNER}**" in (written / "evaluation.md").read_text(encoding="utf-8")
    page = (written / "evaluation.html").read_text(encoding="utf-8")
    assert page.count(f'<div class="banner" role="note">{PHANTOM_BANNER}</div>') == 2
    assert f'content: "{PHANTOM_BANNER}"' in page


def test_build_report_of_infants_has_no_banner(maker: Any) -> None:
    raters = {"ann": lambda truth, _: truth}
    study = read_study([maker.run()], maker.cohort(has_truth=False, raters=raters), [])
    report = build_report(study)
    assert report.banner is None
    assert "SIMULATED" not in render_html(report) + render_markdown(report)
    assert "| MAM    | ann " in render_markdown(report)


def test_build_report_of_a_run_that_learned_from_phantoms_has_the_banner(maker: Any) -> None:
    study = read_study([maker.run(is_simulated=True)], maker.cohort(has_truth=False), [])
    assert build_report(study).banner == PHANTOM_BANNER


def test_build_report_prints_the_participant_flow(written: Path) -> None:
    for file in ("evaluation.md", "evaluation.html"):
        assert "Included: 20 normal, 20 at risk." in (written / file).read_text(encoding="utf-8")


def test_build_report_says_what_was_not_checked(maker: Any, cohort: Path) -> None:
    folder = maker.run()
    maker.setting(folder / "external-b", prefix="b", is_external=True)
    text = render_markdown(build_report(read_study([folder], cohort, [])))
    assert "No cohort was given for b: that none of its infants is in the internal cohort was not checked." in text


def test_build_report_cannot_be_broken_out_of(maker: Any, cohort: Path) -> None:
    folder = maker.run(flow="| <script>alert(1)</script> |", protocol={"name": "</td><b>x", "values": {}})
    page = render_html(build_report(read_study([folder], cohort, [])))
    assert "<script" not in page and "<b>" not in page


def test_read_study_of_shuffled_runs_alone(maker: Any, cohort: Path) -> None:
    with pytest.raises(UsageError, match="all runs were trained on shuffled labels"):
        read_study([maker.run(shuffle_labels=True)], cohort, [])


def test_read_study_refuses_other_folds_but_not_those_of_a_shuffled_run(maker: Any, cohort: Path) -> None:
    one = maker.run("one")
    two = maker.run("two", has_windows=False, shuffle_labels=True)
    maker.edit(two / "predictions.csv", 2, fold="1")
    assert len(read_study([one, two], cohort, []).shuffled) == 1
    three = maker.run("three", has_windows=False, system="stam")
    maker.edit(three / "predictions.csv", 2, fold="1")
    with pytest.raises(UsageError, match="have different folds"):
        read_study([one, three], cohort, [])


def test_build_report_draws_the_lead_system_first(maker: Any, cohort: Path) -> None:
    study = read_study([maker.run("one", system="stam"), maker.run("two")], cohort, [])
    assert study.lead.label == "MAM"
    page = render_html(build_report(study))
    assert 0 < page.index(">MAM: AUC") < page.index(">STAM: AUC")


def test_read_study_without_mam_is_led_by_its_first_run(maker: Any, cohort: Path) -> None:
    study = read_study([maker.run(system="eml", has_windows=False)], cohort, [])
    assert study.lead.label == "EML"
    assert "Subgroups, EML" in render_markdown(build_report(study))
