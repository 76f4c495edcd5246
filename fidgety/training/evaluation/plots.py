"""The plots of the page as inline SVG: ROC, calibration, decision curve, FMs frequency by group, agreement.

Drawn by matplotlib without a screen; text stays text. Colours and lines are those of the report's style sheet, and one
system has one colour in all of them.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fidgety.cohort.records import MAM_2023
from fidgety.records import BoolArray
from fidgety.training.evaluation.cases import Cases
from fidgety.training.evaluation.frequency import Agreement
from fidgety.training.evaluation.tables import format_figure
from fidgety.training.statistics.decision import decision_curve
from fidgety.training.statistics.estimate import Estimate
from fidgety.training.statistics.inputs import DoubleArray
from fidgety.training.statistics.reliability import reliability_bins, smooth_observed
from fidgety.training.statistics.roc import auc, roc_points

__all__ = [
    "as_file",
    "draw_agreement",
    "draw_calibration",
    "draw_decision",
    "draw_frequency",
    "draw_readers",
    "draw_roc",
    "roc_band",
]

_COLOURS = ("#0b7269", "#b1560f", "#5b6b85", "#8a3f7d", "#4f7f1f", "#9a2f2f")
_INK, _SOFT, _LINE, _NORMAL, _RISK = "#17262b", "#53646b", "#dbe2e0", "#0b7269", "#a34a06"
_N_RESAMPLES = 500
_RC = {
    "svg.fonttype": "none",  # text, not outlines
    "svg.hashsalt": "fidgety",  # the same drawing for the same figures
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _LINE,
    "axes.axisbelow": True,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.constrained_layout.use": True,
}


def draw_roc(systems: Mapping[str, Cases], title: str) -> str:
    """ROC curves of all systems; the first one with a 95 % band (`roc_band`). Systems of one class are left out."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=_SOFT, linewidth=0.8, linestyle=(0, (4, 4)))
        for (name, cases), colour in zip(systems.items(), _colours(len(systems)), strict=True):
            if not _has_both(cases):
                continue
            if name == next(iter(systems)):
                grid, low, high = roc_band(cases)
                axes.fill_between(grid, low, high, color=colour, alpha=0.15, linewidth=0)
            curve = roc_points(cases.risks, cases.is_risk)
            label = f"{name}: AUC {format_figure(auc(cases.risks, cases.is_risk))}"
            axes.plot(1.0 - curve.specificity, curve.sensitivity, color=colour, linewidth=1.8, label=label)
        _square(axes, "1 - specificity", "sensitivity")
        axes.legend(loc="lower right")

    return _draw(draw, title, (4.6, 4.6))


def roc_band(cases: Cases, seed: int = 0) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """1 - specificity, and the 2.5th and 97.5th percentiles of sensitivity there, all (101,).

    Bootstrap by infant within each class, so that no resample lacks one.
    """
    rng, grid = np.random.default_rng(seed), np.linspace(0.0, 1.0, 101)
    order = np.argsort(-cases.risks, kind="stable")
    labels, last = cases.is_risk[order], np.append(np.diff(cases.risks[order]) != 0.0, True)  # last: of equal risks
    found = np.empty((_N_RESAMPLES, len(grid)))
    for i in range(_N_RESAMPLES):
        n_drawn = np.zeros(len(order), dtype=np.int64)
        for side in (np.flatnonzero(labels), np.flatnonzero(~labels)):
            n_drawn += np.bincount(rng.choice(side, len(side)), minlength=len(order))
        false_positive, true_positive = (
            np.append(0.0, np.cumsum(n_drawn * (labels == one))[last] / (labels == one).sum()) for one in (False, True)
        )
        found[i] = np.interp(grid, false_positive, true_positive)
    low, high = np.quantile(found, [0.025, 0.975], axis=0)
    return grid, low, high


class Judged(Protocol):
    """Infants with their risks and labels."""

    @property
    def risks(self) -> DoubleArray:
        """(N,) in [0, 1]."""

    @property
    def is_risk(self) -> BoolArray:
        """(N,)."""


def draw_calibration(systems: Mapping[str, Judged], title: str) -> str:
    """Observed against predicted risk: smoothed for all systems, with binned shares (Wilson) for the first one."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=_SOFT, linewidth=0.8, linestyle=(0, (4, 4)))
        for (name, cases), colour in zip(systems.items(), _colours(len(systems)), strict=True):
            if not _has_both(cases):
                continue
            order = np.argsort(cases.risks, kind="stable")
            smooth = smooth_observed(cases.risks, cases.is_risk)
            axes.plot(cases.risks[order], smooth[order], color=colour, linewidth=1.8, label=name)
            if name == next(iter(systems)):
                _draw_bins(axes, cases, colour)
        _square(axes, "predicted risk", "share at risk")
        axes.legend(loc="upper left")

    return _draw(draw, title, (4.6, 4.6))


def _draw_bins(axes: Axes, cases: Judged, colour: str) -> None:
    bins = reliability_bins(cases.risks, cases.is_risk, n_bins=8)
    x, y = np.array([one.predicted for one in bins]), np.array([one.observed.value for one in bins])
    reach = np.abs(np.array([[one.observed.low, one.observed.high] for one in bins]).T - y)
    axes.errorbar(x, y, yerr=reach, fmt="o", color=colour, markersize=5, linewidth=1, capsize=2)


def draw_decision(systems: Mapping[str, Cases], title: str) -> str:
    """Net benefit of each system, of referring all, and of referring nobody."""

    def draw(axes: Axes) -> None:
        highest = 0.0
        for i, ((name, cases), colour) in enumerate(zip(systems.items(), _colours(len(systems)), strict=True)):
            if not _has_both(cases):
                continue
            curve = decision_curve(cases.risks, cases.is_risk)
            highest = max(highest, float(curve.system.max()), float(curve.refer_all.max()))
            if i == 0:
                axes.plot(curve.thresholds, curve.refer_all, color=_SOFT, linestyle=(0, (4, 3)), label="refer all")
                axes.plot(curve.thresholds, curve.refer_none, color=_INK, linewidth=0.8, label="refer nobody")
            axes.plot(curve.thresholds, curve.system, color=colour, linewidth=1.8, label=name)
        axes.set(xlim=(0, 0.5), ylim=(-0.15 * highest - 0.01, 1.35 * highest + 0.01))
        axes.set(xlabel="refer from a risk of", ylabel="net benefit")
        axes.legend(loc="upper right", ncols=2)

    return _draw(draw, title, (5.2, 3.8))


def draw_frequency(cases: Cases, title: str) -> str:
    """FMs frequency of every infant as a point over its group's box: by class, then by the expert's category."""
    groups = [("normal", cases.pick(~cases.is_risk), _NORMAL), ("risk", cases.pick(cases.is_risk), _RISK)]
    for category in (*MAM_2023.normal, *MAM_2023.risk):
        colour = _NORMAL if category in MAM_2023.normal else _RISK
        groups.append((category, cases.pick(cases.categories == category), colour))

    def draw(axes: Axes) -> None:
        rng = np.random.default_rng(0)  # of the points' places beside each other, which mean nothing
        for place, (_, group, colour) in enumerate(groups):
            values = group.fms_frequencies[~np.isnan(group.fms_frequencies)]
            if len(values) == 0:
                continue
            line = {"color": colour}
            axes.boxplot(
                values,
                positions=[place],
                widths=0.5,
                showfliers=False,
                boxprops=line,
                whiskerprops=line,
                capprops=line,
                medianprops={"color": colour, "linewidth": 2.2},
            )
            x = place + rng.uniform(-0.17, 0.17, len(values))
            axes.scatter(x, values, s=12, color=colour, alpha=0.45, linewidths=0)
        axes.axvline(1.5, color=_LINE, linewidth=1.2)
        names = [f"{name}\n{len(group)}" for name, group, _ in groups]
        axes.set_xticks(range(len(groups)), names)
        axes.set(ylim=(-0.03, 1.03), ylabel="FMs frequency", xlim=(-0.6, len(groups) - 0.4))
        axes.grid(visible=False, axis="x")

    return _draw(draw, title, (5.2, 3.8))


def draw_agreement(found: Agreement, reference: str, title: str) -> str:
    """Bland and Altman's plot of the FMs frequency: difference against mean, with bias and limits of agreement."""

    def draw(axes: Axes) -> None:
        mean, difference = (found.measured + found.reference) / 2, found.measured - found.reference
        places, n = np.unique(np.round(np.stack([mean, difference]), 6), axis=1, return_counts=True)
        axes.scatter(
            places[0], places[1], s=14 * n**0.7, color=_NORMAL, alpha=0.6, linewidths=0
        )  # larger: several recordings
        for value, style in ((found.bias, "-"), (found.low, (0, (5, 4))), (found.high, (0, (5, 4)))):
            if np.isfinite(value):
                axes.axhline(value, color=_RISK, linewidth=1.2, linestyle=style)
                axes.annotate(
                    format_figure(value), (1.0, value), xycoords=("axes fraction", "data"), va="bottom", ha="right"
                )
        axes.axhline(0.0, color=_SOFT, linewidth=0.8)
        axes.set(xlim=(-0.02, 1.02), xlabel=f"mean of measured and {reference}", ylabel=f"measured less {reference}")

    return _draw(draw, title, (5.2, 3.8))


def draw_readers(readers: Mapping[str, tuple[Estimate | None, Estimate | None]]) -> str:
    """Accuracy of each assessor without and with help, joined by a line; None = no such readings."""

    def draw(axes: Axes) -> None:
        for place, both in enumerate(readers.values()):
            drawn = [(place + shift, one) for shift, one in zip((-0.13, 0.13), both, strict=True) if one is not None]
            axes.plot([x for x, _ in drawn], [one.value for _, one in drawn], color=_SOFT, linewidth=1)
        for shift, colour, label, which in ((-0.13, _RISK, "without help", 0), (0.13, _NORMAL, "with MAM's clips", 1)):
            found = [(i + shift, both[which]) for i, both in enumerate(readers.values())]
            known = [(x, one) for x, one in found if one is not None]
            y = np.array([one.value for _, one in known])
            reach = np.abs(np.array([[one.low, one.high] for _, one in known]).reshape(-1, 2).T - y)
            axes.errorbar([x for x, _ in known], y, yerr=reach, fmt="o", color=colour, capsize=2, label=label)
        axes.set_xticks(range(len(readers)), list(readers))
        axes.set(ylim=(0, 1.03), ylabel="accuracy")
        axes.grid(visible=False, axis="x")
        axes.legend(loc="lower right")

    return _draw(draw, "Accuracy of each assessor, without and with help", (max(3.6, 1.2 + 0.9 * len(readers)), 3.8))


def as_file(element: str) -> str:
    """A drawing as a file of its own, on white."""
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" style="background:#fff"'
    return f'<?xml version="1.0" encoding="utf-8"?>\n{element.replace("<svg", f"<svg {names}", 1)}\n'


def _has_both(cases: Judged) -> bool:
    return 0 < int(cases.is_risk.sum()) < len(cases.is_risk)


def _colours(n: int) -> Sequence[str]:
    return [_COLOURS[i % len(_COLOURS)] for i in range(n)]


def _square(axes: Axes, x: str, y: str) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xlabel=x, ylabel=y)


def _draw(draw: Callable[[Axes], None], title: str, size_inches: tuple[float, float]) -> str:
    """One pair of axes with a title -> an SVG element that may stand in a page beside others."""
    with matplotlib.rc_context(_RC):
        figure = Figure(figsize=size_inches)
        axes = figure.subplots()
        draw(axes)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _as_element(stream.getvalue(), title)


def _as_element(svg: str, title: str) -> str:
    """Without what only a file of its own needs (and what names addresses), and with ids of its own."""
    element = svg[svg.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r' xmlns(:\w+)?="[^"]*"', "", element)
    own = hashlib.sha256(title.encode()).hexdigest()[:8]
    element = re.sub(r'\bid="', f'id="{own}-', element)
    element = re.sub(r'(url\(|href=")#', rf"\g<1>#{own}-", element)
    return element.replace("<svg", f'<svg role="img" aria-label="{html.escape(title)}"', 1).strip()
