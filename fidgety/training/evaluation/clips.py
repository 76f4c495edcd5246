"""Does the system see FMs where raters see them, or where they truly are? Clip kappa per recording, as in the paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np

from fidgety.errors import UsageError
from fidgety.training.evaluation.frequency import NO_WINDOWS
from fidgety.training.evaluation.records import Run, TextArray
from fidgety.training.evaluation.references import TRUTH, Reference, system_clips
from fidgety.training.evaluation.study import Row, Study, comparison_rows, in_words
from fidgety.training.evaluation.tables import NOT_RUN, Cell, Table
from fidgety.training.statistics.agreement import RaterPair, raters_against_each_other, raters_against_system
from fidgety.training.statistics.inputs import DoubleArray

__all__ = ["clip_table", "first_kappa", "rater_table"]

_COLUMNS = ("recordings", "not defined", "clips", "kappa by recording", "kappa, all clips", "agreement")
_NO_CLIP = "no clip in common"
_NOTE = (
    "Cohen's kappa of 9.6 s clips, .8 s apart: median (IQR) over recordings, and over all clips together. Not defined: "
    "recordings in which both say the same of all clips, where chance agrees as well as they do."
)


def clip_table(study: Study, setting: str) -> Table:
    """Every system against the truth and against every rater."""
    references = study.references.get(setting, ())
    rows = [line for row in comparison_rows(study) for line in _lines(row, setting, references)]
    columns = ("system", "against", *_COLUMNS, "protocol", "training, s")
    return Table(f"clip_kappa_{setting}", f"Clip kappa: {in_words(setting)}", columns, tuple(rows), (_NOTE,))


def rater_table(study: Study, setting: str) -> Table:
    """Every rater against every other: what the system's agreement is to be held against."""
    raters = [one for one in study.references.get(setting, ()) if one.name != TRUTH]
    keys = sorted({key for one in raters for key in one.has_fms})
    readings = {one.name: np.array([one.has_fms.get(key, np.nan) for key in keys], dtype=float) for one in raters}
    files = np.array([file for file, _ in keys])
    rows = [_rater_line(one, other, readings, files) for one, other in combinations(readings, 2)]
    if not rows:
        rows = [("two raters or more are needed", *(NOT_RUN,) * (1 + len(_COLUMNS)))]
    title = f"Rater against rater: {in_words(setting)}"
    return Table(f"raters_{setting}", title, ("rater", "against", *_COLUMNS), tuple(rows), (_NOTE,))


def first_kappa(run: Run, setting: str, references: tuple[Reference, ...]) -> RaterPair | None:
    """Against the first reference, which is the truth where it is known; None where there is nothing to compare."""
    return next((pair for pair in _pairs(run, setting, references[:1])), None)


def _lines(row: Row, setting: str, references: tuple[Reference, ...]) -> Iterator[tuple[Cell, ...]]:
    label, run = row
    if run is None or setting not in run.settings or not references:
        yield (label, *(NOT_RUN,) * (3 + len(_COLUMNS)))
        return
    ending = (run.account.protocol, round(sum(run.account.seconds)))
    if len(run.settings[setting].windows) == 0:
        yield (label, *(NO_WINDOWS,) * (1 + len(_COLUMNS)), *ending)
        return
    pairs = list(_pairs(run, setting, references))
    if not pairs:
        yield (label, *(_NO_CLIP,) * (1 + len(_COLUMNS)), *ending)
    for pair in pairs:
        yield (label, pair.other, *_figures(pair), *ending)


def _rater_line(one: str, other: str, readings: Mapping[str, DoubleArray], files: TextArray) -> tuple[Cell, ...]:
    try:
        (pair,) = raters_against_each_other({name: readings[name] for name in (one, other)}, files)
    except UsageError:  # they rated different clips
        return (one, other, *(_NO_CLIP,) * len(_COLUMNS))
    return (one, other, *_figures(pair))


def _pairs(run: Run, setting: str, references: tuple[Reference, ...]) -> Iterator[RaterPair]:
    """The system against each reference with which it has clips in common."""
    if setting not in run.settings:
        return
    clips = system_clips(run.settings[setting], references)
    for name, readings in clips.references.items():
        if not np.isnan(readings).all():
            yield from raters_against_system(clips.system, {name: readings}, clips.recordings)


def _figures(pair: RaterPair) -> tuple[Cell, ...]:
    spread = pair.by_recording.spread
    return (spread.n + spread.n_missing, spread.n_missing, pair.n_clips, spread, pair.pooled, pair.agreement)
