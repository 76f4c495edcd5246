"""Each plot is one SVG element that may stand in a page beside others, and shows what it was given."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from fidgety.training.evaluation.cases import gather_cases
from fidgety.training.evaluation.evaluation import agreement_of
from fidgety.training.evaluation.plots import (
    draw_agreement,
    draw_calibration,
    draw_decision,
    draw_frequency,
    draw_readers,
    draw_roc,
    roc_band,
)
from fidgety.training.statistics.estimate import Estimate
from fidgety.training.statistics.roc import roc_points


@pytest.fixture
def systems(known_study: Any) -> Any:
    return {run.label: gather_cases(run.internal).assessed for run in known_study.systems}


@pytest.mark.parametrize("draw", [draw_roc, draw_calibration, draw_decision])
def test_draw_systems_names_each_of_them(systems: Any, draw: Any) -> None:
    svg = draw(systems, "A <title>")
    for name in systems:
        assert f">{name}" in svg
    assert 'aria-label="A &lt;title&gt;"' in svg


def test_draw_roc_prints_the_auc(systems: Any) -> None:
    assert ">MAM: AUC .800<" in draw_roc(systems, "ROC")
    assert ">STAM: AUC .500<" in draw_roc(systems, "ROC")


def test_draw_frequency_has_a_place_for_each_group(known_study: Any) -> None:
    svg = draw_frequency(gather_cases(known_study.lead.internal), "FMs frequency")
    for word in ("normal", "risk", "continual", "intermittent", "sporadic", "absent"):
        assert f">{word}<" in svg


def test_draw_agreement_prints_bias_and_limits(known_study: Any) -> None:
    found = agreement_of(known_study.lead.internal, known_study.references["internal"])
    assert found is not None
    svg = draw_agreement(found, "true FMs frequency", "Agreement")
    for value in (found.bias, found.low, found.high):
        assert f">{value:.3f}<".replace("0.", ".") in svg.replace("−", "-")


def test_draw_readers_of_one_who_read_one_way_only() -> None:
    svg = draw_readers(
        {"ann": (Estimate(0.7, 0.5, 0.9), Estimate(0.9, 0.7, 1.0)), "ben": (None, Estimate(0.8, 0.6, 0.9))}
    )
    assert ">ann<" in svg and ">ben<" in svg


def test_plots_are_plain_elements_without_addresses(systems: Any) -> None:
    one, other = draw_roc(systems, "one"), draw_roc(systems, "other")
    for svg in (one, other):
        ElementTree.fromstring(svg.replace("xlink:href", "href"))
        assert "http" not in svg and "<metadata" not in svg and "<?xml" not in svg
        ids = set(re.findall(r'\bid="([^"]+)"', svg))
        used = set(re.findall(r'(?:url\(|href=")#([^")]+)', svg))
        assert used and used <= ids
    assert not set(re.findall(r'\bid="([^"]+)"', one)) & set(re.findall(r'\bid="([^"]+)"', other))
    assert draw_roc(systems, "one") == one


def test_roc_band_holds_the_curve_and_is_as_wide_as_chance(systems: Any) -> None:
    grid, low, high = roc_band(systems["MAM"])
    at = int(np.argmin(np.abs(grid - 0.2)))
    assert low[at] <= 0.8 <= high[at]
    # 16 of 20 drawn with their kind, at a false positive rate of .2 that is drawn as well: some .2 on either side.
    assert 0.2 < high[at] - low[at] < 0.7
    assert (np.diff(low) >= -1e-12).all()


def test_roc_band_is_the_bootstrap_of_the_roc_curve(systems: Any) -> None:
    cases = replace(
        systems["MAM"], risks=np.round(np.random.default_rng(1).normal(systems["MAM"].is_risk * 1.0, 1.0), 1)
    )
    rng, curves = np.random.default_rng(2), []
    for _ in range(300):
        sides = (np.flatnonzero(cases.is_risk == one) for one in (True, False))
        rows = np.concatenate([rng.choice(side, len(side)) for side in sides])
        points = roc_points(cases.risks[rows], cases.is_risk[rows])
        curves.append(np.interp(0.305, 1.0 - points.specificity, points.sensitivity))
    _, low, high = roc_band(cases)
    assert np.interp(0.305, np.linspace(0, 1, 101), low) == pytest.approx(np.quantile(curves, 0.025), abs=0.08)
    assert np.interp(0.305, np.linspace(0, 1, 101), high) == pytest.approx(np.quantile(curves, 0.975), abs=0.08)


def test_draw_systems_of_one_class_leaves_them_out(systems: Any) -> None:
    normal = {name: cases.pick(~cases.is_risk) for name, cases in systems.items()}
    with pytest.warns(UserWarning, match="No artists"):
        assert ">MAM" not in draw_roc(normal, "ROC")
