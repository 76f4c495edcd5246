"""Who is included, and the participant flow: how many leave at each step, and why.

The rules are those of SPEC 1 and 7. Participants are counted, not recordings; recordings stand beside them. An infant
leaves with the last of its recordings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from fidgety.cohort.records import Cohort, CohortInfant, CohortRecording, Use, age_days_at

__all__ = ["Flow", "FlowStep", "Included", "InclusionRules", "format_flow", "include"]

_ROUNDING_S = 1e-3


@dataclass(frozen=True, slots=True)
class InclusionRules:
    """Whom a cohort is asked for. Ages are corrected, both ends included."""

    use: Use = "evaluation"
    min_age_weeks: float = 9.0
    max_age_weeks: float = 20.0
    min_recording_s: float = 60.0


@dataclass(frozen=True, slots=True)
class FlowStep:
    """One reason, who left for it, and who was still there afterwards."""

    reason: str
    infants: tuple[str, ...]  # ids of those who left
    recordings: tuple[str, ...]  # files that left
    n_infants_left: int
    n_recordings_left: int


@dataclass(frozen=True, slots=True)
class Flow:
    """From all who are in the tables to those who are included."""

    use: Use
    n_infants: int
    n_recordings: int
    steps: tuple[FlowStep, ...]  # also those for which nobody left
    n_normal: int  # included infants of either class
    n_risk: int


@dataclass(frozen=True, slots=True)
class Included:
    """The included part of a cohort, ratings of its recordings alone, and how it came about."""

    cohort: Cohort
    flow: Flow


def include(cohort: Cohort, rules: InclusionRules | None = None) -> Included:
    """Apply the rules one after the other. The cohort must be without faults (`read_cohort`)."""
    rules = rules or InclusionRules()
    rest, steps = _Rest(cohort.infants, cohort.recordings), []
    for reason, ids, files in _reasons(cohort, rules):
        after = rest.without(ids, files)
        steps.append(_step(reason, rest, after))
        rest = after
    kept = {one.file for one in rest.recordings}
    ratings = tuple(rating for rating in cohort.ratings if rating.file in kept)
    labels = Counter(infant.label for infant in rest.infants)
    return Included(
        replace(cohort, infants=rest.infants, recordings=rest.recordings, ratings=ratings),
        Flow(
            use=rules.use,
            n_infants=len(cohort.infants),
            n_recordings=len(cohort.recordings),
            steps=tuple(steps),
            n_normal=labels["normal"],
            n_risk=labels["risk"],
        ),
    )


@dataclass(frozen=True, slots=True)
class _Rest:
    """Who is still there."""

    infants: tuple[CohortInfant, ...]
    recordings: tuple[CohortRecording, ...]

    def without(self, ids: frozenset[str], files: frozenset[str]) -> _Rest:
        """Infants leave with their recordings, and with the last of them."""
        recordings = tuple(one for one in self.recordings if one.infant_id not in ids and one.file not in files)
        bereft = {one.infant_id for one in self.recordings} - {one.infant_id for one in recordings}
        return _Rest(tuple(one for one in self.infants if one.infant_id not in ids | bereft), recordings)


def _step(reason: str, before: _Rest, after: _Rest) -> FlowStep:
    ids, files = {one.infant_id for one in after.infants}, {one.file for one in after.recordings}
    return FlowStep(
        reason=reason,
        infants=tuple(one.infant_id for one in before.infants if one.infant_id not in ids),
        recordings=tuple(one.file for one in before.recordings if one.file not in files),
        n_infants_left=len(ids),
        n_recordings_left=len(files),
    )


def _reasons(cohort: Cohort, rules: InclusionRules) -> Iterator[tuple[str, frozenset[str], frozenset[str]]]:
    """Each reason with the ids of the infants, or else the files, that it holds for. Infants' reasons come first."""
    nobody: frozenset[str] = frozenset()
    for reason, leaves in _infant_rules(rules):
        yield reason, frozenset(one.infant_id for one in cohort.infants if leaves(one)), nobody
    recorded = {one.infant_id for one in cohort.recordings}
    yield "no recording", frozenset(one.infant_id for one in cohort.infants) - recorded, nobody
    by_id = cohort.infants_by_id
    for reason, leaves_with in _recording_rules(rules):
        yield reason, nobody, frozenset(one.file for one in cohort.recordings if leaves_with(by_id[one.infant_id], one))


def _infant_rules(rules: InclusionRules) -> Iterator[tuple[str, Callable[[CohortInfant], bool]]]:
    yield f"no consent to {rules.use}", lambda infant: rules.use not in infant.consents
    yield "abnormal FMs", lambda infant: infant.fms_category == "abnormal"
    yield "FMs category not known", lambda infant: infant.label is None


def _recording_rules(
    rules: InclusionRules,
) -> Iterator[tuple[str, Callable[[CohortInfant, CohortRecording], bool]]]:
    low, high, least_s = rules.min_age_weeks * 7, rules.max_age_weeks * 7, rules.min_recording_s

    def is_outside(infant: CohortInfant, recording: CohortRecording) -> bool:
        age_days = age_days_at(infant, recording)
        return age_days is not None and not low <= age_days <= high

    def is_short(_: CohortInfant, recording: CohortRecording) -> bool:
        return recording.duration_s is not None and recording.duration_s < least_s - _ROUNDING_S

    yield "corrected age not known", lambda infant, recording: age_days_at(infant, recording) is None
    yield f"corrected age outside {rules.min_age_weeks:g} to {rules.max_age_weeks:g} weeks", is_outside
    yield "length of the recording not known", lambda _, recording: recording.duration_s is None
    yield f"recording shorter than {least_s:g} s", is_short


def format_flow(flow: Flow) -> str:
    """The flow as a Markdown table that reads as plain text too."""
    rows = [("", "participants", "recordings", "left", "recordings left")]
    rows.append(("in the tables", "", "", str(flow.n_infants), str(flow.n_recordings)))
    for step in flow.steps:
        gone, files = (f"-{len(part)}" if part else "0" for part in (step.infants, step.recordings))
        rows.append((step.reason, gone, files, str(step.n_infants_left), str(step.n_recordings_left)))
    last = rows[-1]
    rows.append((f"included for {flow.use}", "", "", last[3], last[4]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, f"|{'-' * (widths[0] + 2)}|" + "|".join(f"{'-' * (width + 1)}:" for width in widths[1:]) + "|")
    return "\n".join([*lines, "", f"Included: {flow.n_normal} normal, {flow.n_risk} at risk."])


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
    return f"| {' | '.join(cells)} |"
