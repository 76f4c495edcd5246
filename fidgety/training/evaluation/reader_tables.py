"""Readings -> the tables and the plot of the reader study."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fidgety.errors import UsageError
from fidgety.records import BoolArray
from fidgety.training.evaluation.plots import draw_readers
from fidgety.training.evaluation.readers import AIDS, Readings, pair_readings, read_readings
from fidgety.training.evaluation.report import Report, Section, write_report
from fidgety.training.evaluation.study import adjusted
from fidgety.training.evaluation.tables import NOT_RUN, Cell, Table, format_figure
from fidgety.training.statistics.agreement import compare_accuracies, kappa
from fidgety.training.statistics.bootstrap import bootstrap_by_infant
from fidgety.training.statistics.estimate import Estimate
from fidgety.training.statistics.groups import ALPHA, MeanSd, mean_sd_over_folds, spread_of
from fidgety.training.statistics.two_by_two import Accuracy, count_findings

__all__ = ["build_reader_report", "evaluate_readers"]

_HELP = {"none": "without", "mam": "with MAM"}
_NO_CATEGORIES = "no categories"
_SHARES = ("accuracy", "sensitivity", "specificity")


def evaluate_readers(labels: Path, truth: Path, out: Path) -> Report:
    """Read, check and compare; write agreement.md, agreement.html and tables/*.csv into `out`.

    Raises UsageError that lists every fault of the tables, UsageError or DeviceError where `out` cannot be written.
    """
    report = build_reader_report(read_readings(labels, truth))
    write_report(out, report)
    return report


def build_reader_report(readings: Readings) -> Report:
    """All sections. Each recording is read blinded to its truth: that is the study's to see to."""
    plots = (
        ("Accuracy of each assessor, without and with MAM's clips (Wilson)", draw_readers(_by_assessor(readings))),
    )
    sections = (
        Section("Assessors", (_assessor_table(readings), _level_table(readings)), plots),
        Section("What the help did", (_paired_table(readings), _pooled_table(readings), _order_table(readings))),
        Section("Between assessors", (_agreement_table(readings),)),
    )
    return Report("agreement", "Reader study", None, sections)


def _assessor_table(readings: Readings) -> Table:
    """Accuracy and the others of each assessor, without and with help."""
    rows = [
        (name, readings.level_of(name) or "not told", _HELP[aid], *_figures(readings, is_in))
        for name in readings.names
        for aid in AIDS
        if (is_in := (readings.assessors == name) & (readings.aids == aid)).any()
    ]
    columns = ("assessor", "level", "help", "recordings", *_SHARES, "kappa", "kappa, categories", "seconds")
    note = (
        "Wilson's intervals. Kappa against the truth, of the classes and, where all labels and truths are categories, "
        "of the four categories. Seconds: median (IQR) of a reading."
    )
    return Table("assessors", "Each assessor against the truth", columns, tuple(rows), (note,))


def _figures(readings: Readings, is_in: BoolArray) -> tuple[Cell, ...]:
    found = Accuracy.of(count_findings(readings.says_risk[is_in], readings.is_risk[is_in]))
    by_category: Cell = _NO_CATEGORIES
    if readings.has_categories:
        by_category = kappa(readings.labels[is_in], readings.truths[is_in])
    seconds = spread_of(readings.seconds[is_in])
    return (
        int(is_in.sum()),
        found.accuracy,
        found.sensitivity,
        found.specificity,
        kappa(readings.says_risk[is_in], readings.is_risk[is_in]),
        by_category,
        seconds if seconds.n else "not told",
    )


def _level_table(readings: Readings) -> Table:
    """Mean and SD over assessors, of all and of each level."""
    rows: list[tuple[Cell, ...]] = []
    for level, names in _levels(readings):
        for aid in AIDS:
            of_each = [_plain(readings, name, aid) for name in names]
            known = [one for one in of_each if one is not None]
            means: dict[str, MeanSd] = mean_sd_over_folds(known) if known else {}
            rows.append((level, _HELP[aid], len(known), *(means.get(one, NOT_RUN) for one in (*_SHARES, "kappa"))))
    columns = ("assessors", "help", "n", *_SHARES, "kappa")
    return Table("levels", "Mean (SD) over assessors", columns, tuple(rows))


def _paired_table(readings: Readings) -> Table:
    """McNemar's test of each assessor."""
    found = []
    for name in readings.names:
        pairs = pair_readings(readings, name)
        if len(pairs.without):
            is_right = readings.is_right
            found.append((name, compare_accuracies(is_right[pairs.with_help], is_right[pairs.without])))
    p_values = adjusted([compared.p_value for _, compared in found])
    rows = [
        (name, one.n_cases, one.second, one.first, one.first - one.second, one.n_only_first, one.n_only_second, p_value)
        for (name, one), p_value in zip(found, p_values, strict=True)
    ]
    columns = (
        "assessor",
        "recordings",
        "without",
        "with MAM",
        "gain",
        "right only with",
        "right only without",
        "p (Holm)",
    )
    note = (
        "Accuracy on the recordings that the assessor read both ways; McNemar's exact test, Holm over assessors, "
        f"significant up to {format_figure(ALPHA)}."
    )
    empty = (("nobody read a recording both ways", *(NOT_RUN,) * (len(columns) - 1)),)
    return Table("paired", "Each assessor, without and with help", columns, tuple(rows) or empty, (note,))


def _pooled_table(readings: Readings) -> Table:
    """Gain of all assessors, and of each level, with an interval that knows that they read the same recordings."""
    rows = [(level, *_gains(readings, names)) for level, names in _levels(readings)]
    note = (
        "With less without help, over all readings that have their pair. 95 % intervals by a bootstrap of recordings, "
        "each drawn with all its readings: they speak for other recordings, not for other assessors."
    )
    columns = ("assessors", "pairs", "recordings", *(f"gain in {one}" for one in _SHARES))
    return Table("pooled", "All assessors together", columns, tuple(rows), (note,))


def _gains(readings: Readings, names: tuple[str, ...]) -> tuple[Cell, ...]:
    every = [pair_readings(readings, name) for name in names]
    without = np.concatenate([pairs.without for pairs in every])
    with_help = np.concatenate([pairs.with_help for pairs in every])
    recordings, truth = readings.recordings[without], readings.is_risk[without]
    gain = readings.is_right[with_help].astype(float) - readings.is_right[without]
    figures = [_gain(gain, recordings, wanted) for wanted in (np.ones_like(truth), truth, ~truth)]
    return (len(without), len(np.unique(recordings)), *figures)


def _gain(gain: NDArray[np.float64], recordings: NDArray[np.str_], wanted: BoolArray) -> Cell:
    """Mean gain of the wanted pairs with its interval."""
    kept = gain[wanted]
    try:
        found = bootstrap_by_infant(lambda rows: float(kept[rows].mean()), recordings[wanted])
    except UsageError:  # fewer than two recordings
        return "too few recordings"
    return Estimate(found.value, found.low, found.high)


def _order_table(readings: Readings) -> Table:
    """Which of the two readings came first: where help always came second, its gain may be practice."""
    rows: list[tuple[Cell, ...]] = []
    for name in readings.names:
        pairs = pair_readings(readings, name)
        order = readings.orders[pairs.with_help] - readings.orders[pairs.without]
        if len(order) == 0 or np.isnan(order).all():
            rows.append((name, *("not told",) * 2))
            continue
        rows.append((name, int((order > 0).sum()), int((order < 0).sum())))
    note = "Where the reading with help always came second, its gain cannot be told from practice or memory."
    return Table("order", "Order of the two readings", ("assessor", "help second", "help first"), tuple(rows), (note,))


def _agreement_table(readings: Readings) -> Table:
    """Kappa between every two assessors, without and with help."""
    rows: list[tuple[Cell, ...]] = []
    for one, other in combinations(readings.names, 2):
        rows += [(f"{one} - {other}", _HELP[aid], *_between(readings, one, other, aid)) for aid in AIDS]
    columns = ("assessors", "help", "recordings", "kappa", "kappa, categories")
    empty = (("two assessors or more are needed", *(NOT_RUN,) * 4),)
    note = "Of the recordings that both read in this way."
    return Table("between_assessors", "Assessor against assessor", columns, tuple(rows) or empty, (note,))


def _between(readings: Readings, one: str, other: str, aid: str) -> tuple[Cell, ...]:
    first, second = (
        {str(readings.recordings[i]): i for i in np.flatnonzero((readings.assessors == name) & (readings.aids == aid))}
        for name in (one, other)
    )
    both = sorted(set(first) & set(second))
    if not both:
        return (0, NOT_RUN, NOT_RUN)
    a, b = ([rows[name] for name in both] for rows in (first, second))
    categories: Cell = kappa(readings.labels[a], readings.labels[b]) if readings.has_categories else _NO_CATEGORIES
    return (len(both), kappa(readings.says_risk[a], readings.says_risk[b]), categories)


def _levels(readings: Readings) -> Iterator[tuple[str, tuple[str, ...]]]:
    """All assessors, then those of each level that was told."""
    yield "all", readings.names
    for level in ("beginner", "expert"):
        names = tuple(name for name in readings.names if readings.level_of(name) == level)
        if names:
            yield f"{level}s", names


def _plain(readings: Readings, assessor: str, aid: str) -> dict[str, float] | None:
    """Figures without intervals; None where the assessor read nothing in this way."""
    is_in = (readings.assessors == assessor) & (readings.aids == aid)
    if not is_in.any():
        return None
    found = Accuracy.of(count_findings(readings.says_risk[is_in], readings.is_risk[is_in]))
    shares = {one: getattr(found, one).value for one in _SHARES}
    return {**shares, "kappa": kappa(readings.says_risk[is_in], readings.is_risk[is_in])}


def _by_assessor(readings: Readings) -> dict[str, tuple[Estimate | None, Estimate | None]]:
    """Accuracy of each assessor without and with help; None where there are no readings."""
    found: dict[str, tuple[Estimate | None, Estimate | None]] = {}
    for name in readings.names:
        either = []
        for aid in AIDS:
            is_in = (readings.assessors == name) & (readings.aids == aid)
            table = count_findings(readings.says_risk[is_in], readings.is_risk[is_in]) if is_in.any() else None
            either.append(None if table is None else Accuracy.of(table).accuracy)
        found[name] = (either[0], either[1])
    return found
