"""A site calibrates the bundle on its own recordings, and the result says what a finding is worth there."""

from __future__ import annotations

import csv
import json
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace

import pytest

from fidgety.bundle import Bundle, open_bundle
from fidgety.phantom.cohort_files import CohortPlan, write_cohort
from fidgety.phantom.cohort_kinds import INTERNAL

from ..conftest import Run


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six infants, half of them at risk, 62 s each, as pose tracks."""
    folder = tmp_path_factory.mktemp("site") / "ward-7"
    write_cohort(folder, CohortPlan(INTERNAL, seed=5, n_infants=6, duration_s=(62.0, 62.0)))
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("calibrated")


def test_calibrate_operating_point_then_probability(run: Run, site: Path, out: Path, bundle: Bundle) -> None:
    told = run("calibrate", "operating-point", site, "--out", out, "--sensitivity", ".6", "--prevalence", ".1")
    assert told.code == 0, told.err
    assert "3 infants at risk, 3 normal; 0 could not be assessed" in told.out
    assert "score 6 of 6" in told.err
    made = open_bundle(out / "bundle")
    assert made.manifest.parent == bundle.sha256 and made.manifest.operating_point.site is not None
    assert made.manifest.probability == bundle.manifest.probability

    recording = next((site / "recordings").glob("*.poses"))
    scored = run("score", recording, "--age-weeks", "13", "--bundle", out / "bundle", "--out", out / "one", "--json")
    risk = json.loads(scored.out)["risk"]
    site_figures = made.manifest.operating_point.site
    assert risk["prevalence"] == 0.1
    assert risk["predictive_value"] == (site_figures.ppv if risk["is_risk"] else site_figures.npv)
    again = ("--bundle", out / "bundle", "--out", out / "one", "--force")
    text = run("score", recording, "--age-weeks", "13", *again).out
    assert "% of cases (prevalence 10 %)" in text

    before = {path.name: path.stat().st_mtime_ns for path in (out / "results").glob("*.json")}
    again = run("calibrate", "probability", site, "--out", out)  # nothing is scored twice
    assert again.code == 0, again.err
    assert {path.name: path.stat().st_mtime_ns for path in (out / "results").glob("*.json")} == before
    assert "as before, of the new risks" in again.out
    assert "Brier  slope" in again.out and "calibrated, on infants left out" in again.out
    drawing = ElementTree.parse(out / "reliability.svg").getroot()
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg" and "as it was" in "".join(drawing.itertext())
    assert open_bundle(out / "bundle").manifest.probability != bundle.manifest.probability

    both = run("calibrate", "probability", site, "--out", out / "both", "--bundle", made.path)
    assert both.code == 0 and "finds the same" in both.out
    manifest = open_bundle(out / "both" / "bundle").manifest
    assert manifest.parent == made.sha256 and manifest.operating_point.site == made.manifest.operating_point.site


def test_calibrate_operating_point_with_too_few_infants(run: Run, site: Path, out: Path) -> None:
    refused = run("calibrate", "operating-point", site, "--out", out, "--sensitivity", ".95")
    assert refused.code == 2 and "needs 19 infants at risk or more, 3 could be assessed" in refused.err


def test_calibrate_counts_the_earliest_recording_wherever_it_stands(
    run: Run, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Infant 0 has two recordings, the later one first in the table and with the higher risk. Nothing is scored."""
    folder = shutil.copytree(site, tmp_path / "ward-7")
    with (folder / "recordings.csv").open(newline="", encoding="utf-8") as stream:
        head, first, *others, last = csv.reader(stream)
    later = [first[0], last[1], "2023-02-24"]  # three weeks after the first
    with (folder / "recordings.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([head, later, first, *others])
    risks = {first[1]: 0.3, later[1]: 0.9} | dict(zip((row[1] for row in others), (0.6, 0.1, 0.1, 0.1), strict=True))

    def known(address: str, *_: object) -> SimpleNamespace:
        risk = next(risk for file, risk in risks.items() if address.endswith(Path(file).name))
        return SimpleNamespace(assessment=SimpleNamespace(risk=SimpleNamespace(probability=risk)))

    monkeypatch.setattr("fidgety.batch.score_one", known)
    told = run("calibrate", "operating-point", folder, "--out", tmp_path / "out", "--sensitivity", ".6")
    assert told.code == 0, told.err
    assert "2 infants at risk, 3 normal" in told.out and "figures are of one recording" in told.out
    point = open_bundle(tmp_path / "out" / "bundle").manifest.operating_point
    assert point.risk_threshold == 0.3 and "for one recording" in point.chosen_by
