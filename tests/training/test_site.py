"""A site whose scores are made up: what calibrating does there, and what it promises of infants to come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fidgety.bundle import Bundle, Manifest, OperatingPoint, ProbabilityCalibration, open_bundle, write_bundle
from fidgety.calibration.operating_point import least_infants, sensitivity_spread, sensitivity_threshold
from fidgety.errors import UsageError
from fidgety.training.site import (
    SiteScores,
    calibrate_probability,
    choose_operating_point,
    derive_bundle,
    moved_operating_point,
    probability_figures,
    site_scores,
)
from fidgety.training.statistics.roc import auc

PRESENT = ProbabilityCalibration(1.2, 3.0, -0.5)
POINT = OperatingPoint(0.5, 0.25, "by cost", None)


def _site(n: int, seed: int, slope: float = 0.5, shift: float = -1.5) -> SiteScores:
    """Risks whose logits are 1 / slope times too large, and too low by `shift`: a shifted site."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0.0, 2.0, n)
    is_risk = rng.uniform(size=n) < 1 / (1 + np.exp(-true))
    return SiteScores("ward-7", 1 / (1 + np.exp(-(true / slope + shift))), is_risk, 0)


def _assessed(risk: float | None) -> Any:
    return SimpleNamespace(risk=None if risk is None else SimpleNamespace(probability=risk))


def test_calibrate_probability_mends_a_shifted_site() -> None:
    learn, others = _site(200, 1), _site(4000, 2)
    new, left_out = calibrate_probability(learn, PRESENT, "line")
    before, after = probability_figures(learn), probability_figures(left_out)
    assert abs(before.slope - 0.5) < 0.15 and abs(after.slope - 1.0) < 0.15
    assert before.in_the_large > 0.5 and abs(after.in_the_large) < 0.1
    assert after.brier < before.brier - 0.01
    # the new line, on infants that had no part in it: the bundle's own logit is behind the old line
    raw = (others.logits - PRESENT.risk_intercept) / PRESENT.risk_slope
    told = probability_figures(replace(others, risks=1 / (1 + np.exp(-(new.risk_slope * raw + new.risk_intercept)))))
    assert told.slope == pytest.approx(1.0, abs=0.15) and told.in_the_large == pytest.approx(0.0, abs=0.2)
    assert new.clip_temperature == PRESENT.clip_temperature


def test_calibrate_probability_by_temperature_leaves_even_odds_where_they_are() -> None:
    new, _ = calibrate_probability(_site(400, 3, shift=0.0), PRESENT, "temperature")
    assert new.risk_slope / PRESENT.risk_slope == pytest.approx(0.5, abs=0.08)
    assert new.risk_intercept / new.risk_slope == pytest.approx(PRESENT.risk_intercept / PRESENT.risk_slope, abs=1e-5)


def test_calibrate_probability_does_not_turn_a_ranking_round() -> None:
    wrong = _site(60, 4)
    with pytest.raises(UsageError, match="lower risks than normal ones; check labels"):
        calibrate_probability(replace(wrong, is_risk=~wrong.is_risk), PRESENT, "line")


def _with_false_alarms(n_alarms: int) -> SiteScores:
    """30 infants at risk, 50 normal ones below them, and some more normal ones far above everybody."""
    rng = np.random.default_rng(0)
    at_risk = rng.normal(0.5, 0.3, 30)
    logits = np.r_[at_risk, rng.normal(-0.5, 0.3, 50), rng.normal(5.0, 0.3, n_alarms)]
    return SiteScores("ward-7", 1 / (1 + np.exp(-logits)), np.arange(len(logits)) < 30, 0)


@pytest.mark.parametrize("method", ["line", "temperature"])
def test_calibrate_probability_refuses_a_line_that_falls(method: Any) -> None:
    """Slope -.16 and -.29, though the infants rank the right way round."""
    site = _with_false_alarms(25)
    assert auc(site.risks, site.is_risk) > 0.65
    with pytest.raises(UsageError, match=r"to all infants does not rise \(slope -0\..*check their labels"):
        calibrate_probability(site, PRESENT, method)


def test_calibrate_probability_refuses_a_line_that_falls_without_a_fold() -> None:
    with pytest.raises(UsageError, match=r"without a fifth of the infants .* does not rise"):
        calibrate_probability(_with_false_alarms(12), PRESENT, "line")  # slope .005 of all, -.018 without one fold


@pytest.mark.parametrize(("sensitivity", "n_risk"), [(0.9, 9), (0.9, 31), (0.95, 40), (0.5, 4)])
def test_sensitivity_threshold_keeps_its_promise(sensitivity: float, n_risk: int) -> None:
    """Over many sites the next infant at risk is found as often as promised, and not much more often."""
    rng = np.random.default_rng(5)
    found = [rng.beta(5, 2) >= sensitivity_threshold(rng.beta(5, 2, n_risk), sensitivity) for _ in range(20_000)]
    assert sensitivity - 0.01 < np.mean(found) < sensitivity + 1 / (n_risk + 1) + 0.01


@pytest.mark.parametrize(("sensitivity", "n_risk"), [(0.9, 12), (0.8, 40)])
def test_sensitivity_spread_holds_what_a_site_will_see(sensitivity: float, n_risk: int) -> None:
    rng = np.random.default_rng(6)
    cuts = [sensitivity_threshold(rng.uniform(size=n_risk), sensitivity) for _ in range(20_000)]
    true = 1.0 - np.array(cuts)  # of evenly spread risks
    mean, low, high = sensitivity_spread(n_risk, sensitivity)
    assert mean >= sensitivity and true.mean() == pytest.approx(mean, abs=0.002)
    assert ((low <= true) & (true <= high)).mean() == pytest.approx(0.95, abs=0.01)


def test_sensitivity_threshold_promises_nothing_to_too_few() -> None:
    assert [least_infants(one) for one in (0.5, 0.9, 0.95, 0.99)] == [1, 9, 19, 99]
    with pytest.raises(
        UsageError, match=r"a sensitivity of 0\.95 needs 19 infants at risk or more, 18 could be assessed"
    ):
        sensitivity_threshold(np.linspace(0, 1, 18), 0.95)
    with pytest.raises(UsageError, match="lies between 0 and 1"):
        sensitivity_threshold(np.linspace(0, 1, 18), 95)


def test_choose_operating_point_meets_the_wanted_sensitivity_on_other_infants() -> None:
    chosen = choose_operating_point(_site(300, 12), POINT, 0.9, 0.05)
    site, others = chosen.site, _site(4000, 7)
    assert site is not None and chosen.fms_threshold == POINT.fms_threshold
    found = (others.risks[others.is_risk] >= chosen.risk_threshold).mean()
    cleared = (others.risks[~others.is_risk] < chosen.risk_threshold).mean()
    assert site.sensitivity.low <= found <= site.sensitivity.high and site.sensitivity.value >= 0.9
    assert site.specificity.low <= cleared <= site.specificity.high
    ill, well = 0.05 * site.sensitivity.value, 0.95 * (1 - site.specificity.value)
    assert site.ppv == pytest.approx(ill / (ill + well), abs=1e-4)
    assert "0.9 or more" in chosen.chosen_by and "ward-7" in chosen.chosen_by


def test_moved_operating_point_of_a_site_finds_the_same_infants() -> None:
    site = _site(300, 12)
    chosen = choose_operating_point(site, POINT, 0.9, None)
    new = ProbabilityCalibration(1.2, 1.4, 0.8)
    raw = (site.logits - PRESENT.risk_intercept) / PRESENT.risk_slope
    risks = 1 / (1 + np.exp(-(new.risk_slope * raw + new.risk_intercept)))
    moved = moved_operating_point(chosen, PRESENT, new)
    assert moved.site == chosen.site and abs(moved.risk_threshold - chosen.risk_threshold) > 0.05
    changed = (risks >= moved.risk_threshold) != (site.risks >= chosen.risk_threshold)
    assert changed.mean() < 0.01 and not changed[site.is_risk & (site.risks >= chosen.risk_threshold)].any()
    assert moved_operating_point(POINT, PRESENT, new) == POINT  # a risk from which on to refer stays one


def test_choose_operating_point_without_a_prevalence_gives_no_predictive_value() -> None:
    site = choose_operating_point(_site(100, 8), POINT, 0.8, None).site
    assert site is not None and (site.prevalence, site.ppv, site.npv) == (None, None, None)


@pytest.mark.parametrize(
    ("sensitivity", "prevalence", "message"),
    [(0.99, 0.1, "needs 99 infants at risk or more"), (1.5, 0.1, "between 0 and 1"), (0.8, 5.0, "prevalence lies")],
)
def test_choose_operating_point_that_cannot_be(sensitivity: float, prevalence: float, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        choose_operating_point(_site(60, 9), POINT, sensitivity, prevalence)


def test_choose_operating_point_keeps_its_promise_for_one_recording() -> None:
    """Infants at risk with four recordings each, and others with one, as a device sees them."""
    rng, found, promised = np.random.default_rng(13), [], []
    for _ in range(300):
        risks = 1 / (1 + np.exp(-(rng.normal(1.0, 0.7, (41, 1)) + rng.normal(0.0, 1.0, (41, 4)))))
        told = [(f"risk-{i}", True, _assessed(risk)) for i in range(40) for risk in risks[i]]
        told += [(f"normal-{i}", False, _assessed(0.1)) for i in range(2)]
        chosen = choose_operating_point(site_scores("ward-7", told), POINT, 0.95, None)
        assert chosen.site is not None and "for one recording" in chosen.chosen_by
        found += (1 / (1 + np.exp(-(rng.normal(1.0, 0.7, 200) + rng.normal(0.0, 1.0, 200)))) >= chosen.risk_threshold,)
        promised.append(chosen.site.sensitivity.value)
    assert np.mean(found) >= np.mean(promised) - 0.005 and np.mean(promised) >= 0.95


def test_site_scores_takes_the_first_recording_that_could_be_assessed_and_counts_who_is_referred() -> None:
    told = [("a", True, 0.3), ("a", True, 0.7), ("b", True, None), ("b", True, 0.6), ("c", False, 0.1)]
    told += [("b", True, 0.2), ("c", False, None)]
    told += [("d", False, 0.2), ("e", False, None)]
    scores = site_scores("ward-7", [(infant, label, _assessed(risk)) for infant, label, risk in told])
    assert scores.risks.tolist() == [0.3, 0.6, 0.1, 0.2] and scores.is_risk.tolist() == [True, True, False, False]
    assert scores.n_refused == 1
    with pytest.raises(UsageError, match="1 infants that are normal could be assessed"):
        site_scores("ward-7", [(infant, label, _assessed(risk)) for infant, label, risk in told if infant != "d"])


@pytest.mark.parametrize(("version", "next_version"), [("1.0", "1.1"), ("0.1.9-full", "0.1.10-full"), ("7", "8")])
def test_derive_bundle_is_one_version_up_and_names_its_parent(
    tmp_path: Path, manifest: Manifest, version: str, next_version: str
) -> None:
    bundle = _made(tmp_path / "bundle", replace(manifest, version=version))
    made = derive_bundle(bundle, tmp_path / "new", probability=PRESENT)
    assert (made.manifest.version, made.manifest.parent) == (next_version, bundle.sha256)
    assert made.manifest.probability == PRESENT and made.manifest.files == bundle.manifest.files
    assert open_bundle(tmp_path / "bundle").manifest.probability == bundle.manifest.probability


def test_derive_bundle_whose_version_is_no_number(tmp_path: Path, manifest: Manifest) -> None:
    with pytest.raises(UsageError, match="its version is no number"):
        derive_bundle(_made(tmp_path / "bundle", replace(manifest, version="new")), tmp_path / "other")


def _made(path: Path, manifest: Manifest) -> Bundle:
    graph = path.with_name("graph")
    graph.write_bytes(b"graph")
    return write_bundle(path, manifest, {"mam_bag.onnx": graph})
