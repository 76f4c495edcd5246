"""A site's own labelled infants, scored by the bundle in use -> probabilities and a threshold that hold at this site.

    assessments, labels --site_scores--> one risk an infant --calibrate_probability, choose_operating_point--> Manifest

Infants whose recordings could not be assessed are no part of either: they are referred (intention to screen) and
counted. Of several recordings of an infant the first that could be assessed counts, whatever its risk: the device
judges one recording, and what the highest risk of several keeps, a single one would not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fidgety.bundle import Bundle, OperatingPoint, ProbabilityCalibration, Share, SiteFigures, write_bundle
from fidgety.bundle.derived import derived_manifest
from fidgety.calibration.operating_point import sensitivity_spread, sensitivity_threshold
from fidgety.calibration.probability import fit_correction, sigmoid
from fidgety.errors import UsageError
from fidgety.records import Assessment, BoolArray
from fidgety.training.statistics.estimate import estimate_share
from fidgety.training.statistics.reliability import brier_score, fit_recalibration
from fidgety.training.statistics.roc import auc
from fidgety.training.statistics.two_by_two import predictive_values

__all__ = [
    "Method",
    "ProbabilityFigures",
    "SiteScores",
    "calibrate_probability",
    "choose_operating_point",
    "derive_bundle",
    "moved_operating_point",
    "probability_figures",
    "site_scores",
]

Method = Literal["line", "temperature"]
Line = tuple[float, float]  # slope and intercept on the logit of the risk

_EDGE = 1e-7  # risks are single-precision numbers: this near to 0 or 1 nothing more is told
_LEAST_SLOPE = 1e-4  # of a correction: below, all risks become one, and rounding may leave nothing of it
_N_FOLDS = 5
_SEED = 20230707  # of the folds: the same infants fall into the same ones


@dataclass(frozen=True, slots=True, eq=False)
class SiteScores:
    """N infants of one site, one recording each. risks: (N,) as the bundle calibrated them. is_risk: (N,) the experts'
    label.
    """

    site: str
    risks: NDArray[np.float64]
    is_risk: BoolArray
    n_refused: int  # infants without a recording that could be assessed

    @property
    def logits(self) -> NDArray[np.float64]:
        """(N,) of the risks."""
        kept = np.clip(self.risks, _EDGE, 1.0 - _EDGE)
        return np.asarray(np.log(kept) - np.log1p(-kept))


@dataclass(frozen=True, slots=True)
class ProbabilityFigures:
    """How true probabilities are: Brier score, slope and intercept in the large of the recalibration line."""

    brier: float
    slope: float  # NaN where the classes are fully parted
    in_the_large: float


def site_scores(site: str, scored: Iterable[tuple[str, bool, Assessment]]) -> SiteScores:
    """Infant's id, label (True = risk) and result of every recording, the earliest first -> one risk an infant, that of
    its first recording that could be assessed.

    Raises UsageError where a class has fewer than two infants that could be assessed.
    """
    labels: dict[str, bool] = {}
    first: dict[str, float] = {}
    for infant, label, assessment in scored:
        labels[infant] = label
        if assessment.risk is not None:
            first.setdefault(infant, assessment.risk.probability)
    is_risk = np.array([labels[infant] for infant in first], bool)
    for name, n in (("at risk", int(is_risk.sum())), ("normal", int((~is_risk).sum()))):
        if n < 2:
            raise UsageError(f"{site}: {n} infants that are {name} could be assessed: calibrating needs two or more")
    return SiteScores(site, np.array(list(first.values())), is_risk, len(labels) - len(first))


def calibrate_probability(
    scores: SiteScores, present: ProbabilityCalibration, method: Method
) -> tuple[ProbabilityCalibration, SiteScores]:
    """The bundle's line from logit to risk, corrected for this site; and the infants' risks by the lines of five folds,
    each judged by those of the others.

    `method`: "line" moves slope and intercept, "temperature" the slope alone (`fit_correction`). There is no isotonic
    regression: its steps need several hundred infants, and tie risks that differ. Raises UsageError where the infants
    rank the wrong way round, which no line mends, and where one of the lines does not rise: it would rank them so.
    """
    if auc(scores.risks, scores.is_risk) < 0.5:
        raise UsageError(
            f"{scores.site}: infants at risk have lower risks than normal ones; check labels and recordings, this "
            "bundle cannot be calibrated here"
        )
    folds = _folds(scores.is_risk)
    slope, intercept = _rising_line(scores, folds >= 0, method, "to all infants")
    new = dataclasses.replace(
        present,
        risk_slope=round(slope * present.risk_slope, 6),
        risk_intercept=round(slope * present.risk_intercept + intercept, 6),
    )
    after = np.empty(len(scores.risks))
    for fold in range(_N_FOLDS):
        left_out = folds == fold
        if left_out.any():
            line = _rising_line(scores, ~left_out, method, f"without a fifth of the infants ({int(left_out.sum())})")
            after[left_out] = sigmoid(line[0] * scores.logits[left_out] + line[1])
    return new, dataclasses.replace(scores, risks=after)


def moved_operating_point(
    point: OperatingPoint, present: ProbabilityCalibration, new: ProbabilityCalibration
) -> OperatingPoint:
    """The operating point behind another line.

    One that was chosen at a site moves along with the risks: it finds the same infants, and its figures stand. Any
    other is a risk from which on to refer, and stays.
    """
    if point.site is None:
        return point
    logit = np.log(point.risk_threshold) - np.log1p(-point.risk_threshold)
    raw = (logit - present.risk_intercept) / present.risk_slope
    moved = float(sigmoid(new.risk_slope * raw + new.risk_intercept))
    return dataclasses.replace(point, risk_threshold=float(np.floor(moved * 1e4) / 1e4))


def probability_figures(scores: SiteScores) -> ProbabilityFigures:
    """How true the risks are at this site."""
    line = fit_recalibration(scores.risks, scores.is_risk)
    return ProbabilityFigures(brier_score(scores.risks, scores.is_risk), line.slope, line.in_the_large)


def choose_operating_point(
    scores: SiteScores, present: OperatingPoint, sensitivity: float, prevalence: float | None
) -> OperatingPoint:
    """The risk threshold that finds infants at risk of this site with at least the wanted sensitivity, and its figures:
    all of them of one recording an infant.

    `prevalence`: share at risk among the infants whom the site records; None leaves the predictive values out. Raises
    UsageError for shares outside (0, 1), and where there are too few infants at risk to promise the sensitivity.
    """
    if prevalence is not None and not 0.0 < prevalence < 1.0:
        raise UsageError(f"a prevalence lies between 0 and 1: got {prevalence}")
    risks, normal = scores.risks[scores.is_risk], scores.risks[~scores.is_risk]
    threshold = np.floor(sensitivity_threshold(risks, sensitivity) * 1e4) / 1e4
    counted = estimate_share(int((normal < threshold).sum()), len(normal))
    found = _share(*sensitivity_spread(len(risks), sensitivity))
    cleared = _share(counted.value, counted.low, counted.high)
    ppv, npv = (None, None) if prevalence is None else predictive_values(found.value, cleared.value, prevalence)
    figures = SiteFigures(scores.site, len(risks), len(normal), found, cleared, prevalence, _known(ppv), _known(npv))
    chosen_by = (
        f"a sensitivity of {sensitivity:g} or more for one recording, promised by the first recordings of {len(risks)} "
        f"infants at risk of {scores.site}"
    )
    return OperatingPoint(present.fms_threshold, float(threshold), chosen_by, figures)


def derive_bundle(bundle: Bundle, path: Path, **changes: object) -> Bundle:
    """Write `bundle` with other values in its manifest to `path`: a version one step up that names its parent.

    Raises UsageError where its version is no number, DeviceError where it cannot be written.
    """
    manifest = derived_manifest(bundle, **changes)
    return write_bundle(path, manifest, {name: bundle.file(name) for name in bundle.manifest.files})


def _rising_line(scores: SiteScores, rows: BoolArray, method: Method, fitted: str) -> Line:
    """The correction that these infants ask for, rows (N,). Raises UsageError where it does not rise with the risk.

    The AUC is no guard against that: a third of the normal infants far above everybody else leaves it at .66, and turns
    the line round.
    """
    line = fit_correction(scores.logits[rows], scores.is_risk[rows], has_intercept=method == "line")
    if line[0] < _LEAST_SLOPE:
        raise UsageError(
            f"{scores.site}: the line fitted {fitted} does not rise (slope {line[0]:.3f}), so that a higher risk would "
            "mean less. Some normal infants have very high risks, or some at risk very low ones: check their labels "
            "and recordings, or add infants; by these this bundle cannot be calibrated"
        )
    return line


def _folds(is_risk: BoolArray) -> NDArray[np.int64]:
    """(N,) fold of each infant: every class is dealt out in random order."""
    folds, rng = np.empty(len(is_risk), np.int64), np.random.default_rng(_SEED)
    for label in (False, True):
        members = rng.permutation(np.flatnonzero(is_risk == label))
        folds[members] = np.arange(len(members)) % _N_FOLDS
    return folds


def _share(value: float, low: float, high: float) -> Share:
    return Share(round(value, 4), round(low, 4), round(high, 4))


def _known(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else round(value, 4)
