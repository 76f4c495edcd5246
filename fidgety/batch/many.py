"""Many recordings -> their results, one after another; one bad file stops nothing, a kill costs the one in work.

What has a result is found, not scored again. A file that changes while it is read, or that failed and was written anew
since, is tried once more when all others are done. What is kept of each recording is small, however many there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from fidgety.batch.one import Outputs, Request, file_state
from fidgety.batch.recordings import Recording
from fidgety.bundle import sha256_of_file
from fidgety.errors import SourceError, UnsettledError
from fidgety.records import Assessment, Characteristics

__all__ = ["Engine", "Outcome", "Pace", "Task", "one_after_another", "score_many", "summary_of"]


@dataclass(frozen=True, slots=True)
class Task:
    """One recording and what is asked of it."""

    number: int  # from 1
    recording: Recording
    request: Request


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a recording: outputs, or why it could not be read."""

    task: Task
    outputs: Outputs | None
    error: SourceError | None


Engine = Callable[[Iterable[Task]], Iterator[Outcome]]  # scores tasks, in any order; raises DeviceError, BundleError


def one_after_another(score: Callable[[Task], Outputs]) -> Engine:
    """The engine of one machine."""

    def run(tasks: Iterable[Task]) -> Iterator[Outcome]:
        for task in tasks:
            try:
                yield Outcome(task, score(task), None)
            except SourceError as error:
                yield Outcome(task, None, error)

    return run


def score_many(
    recordings: Sequence[Recording], infants: Mapping[str, Characteristics], request: Request, engine: Engine
) -> Iterator[Outcome]:
    """Outcomes as they come. `infants`: characteristics by address; who is not there has those of `request`.

    Raises DeviceError or BundleError: what was given until then is on the disk, the next call goes on from there.
    """
    tasks = [
        Task(i, one, replace(request, characteristics=infants.get(one.address, request.characteristics)))
        for i, one in enumerate(recordings, start=1)
    ]
    contradicted = _contradicted(tasks)
    for task in tasks:
        if task.number in contradicted:
            yield Outcome(task, None, SourceError(contradicted[task.number]))
    again: list[tuple[Outcome, tuple[int, int] | None]] = []
    for outcome in engine(task for task in tasks if task.number not in contradicted):
        if outcome.error is None:
            yield outcome
        else:
            again.append((outcome, file_state(Path(outcome.task.recording.address))))
    yield from _once_more(again, engine)


def _once_more(failed: Sequence[tuple[Outcome, tuple[int, int] | None]], engine: Engine) -> Iterator[Outcome]:
    """Those that were still being written are scored again; the others have failed for good."""
    retried = []
    for outcome, state in failed:
        is_other = file_state(Path(outcome.task.recording.address)) != state
        if is_other or isinstance(outcome.error, UnsettledError):
            retried.append(outcome.task)
        else:
            yield outcome
    yield from engine(retried)


def _contradicted(tasks: Sequence[Task]) -> dict[int, str]:
    """Numbers of tasks whose recording is also that of another infant, and what to say.

    Only files of one size can be the same, so hardly any is read for this.
    """
    by_size: dict[int, list[Task]] = {}
    for task in tasks:
        if task.recording.n_bytes:
            by_size.setdefault(task.recording.n_bytes, []).append(task)
    said: dict[int, str] = {}
    for group in by_size.values():
        if len({task.request.characteristics for task in group}) == 1:
            continue
        hashes = {task.number: _hash(task) for task in group}
        for one, other in combinations(group, 2):
            if hashes[one.number] is None or hashes[one.number] != hashes[other.number]:
                continue
            if one.request.characteristics != other.request.characteristics:
                for task, twin in ((one, other), (other, one)):
                    said[task.number] = (
                        f"{task.recording.address} is the same recording as {twin.recording.address}, of which "
                        "something else is told: tell the same of both, or take the wrong one away"
                    )
    return said


def _hash(task: Task) -> str | None:
    try:
        return sha256_of_file(Path(task.recording.address))
    except OSError:
        return None  # it will say so itself


def summary_of(outcome: Outcome) -> Assessment | None:
    """What table and CSV need of a result, under the name that tells it apart in its folder; a few hundred bytes."""
    if outcome.outputs is None:
        return None
    return replace(
        outcome.outputs.assessment,
        recording=outcome.task.recording.shown,
        timeline=(),
        most_certain_fms=(),
        most_certain_non_fms=(),
    )


class Pace:
    """How many are done, and how long the rest will take: by bytes, since recordings differ in length."""

    def __init__(self, recordings: Sequence[Recording], clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._started_s = clock_s()
        self._n, self._n_done = len(recordings), 0
        self._left_bytes = float(sum(one.n_bytes or 1 for one in recordings))
        self._scored_bytes, self._found_s, self._last_s = 0.0, 0.0, self._started_s

    def step(self, outcome: Outcome) -> str:
        """Count this outcome; gives `3/500, 1 h 20 min left`."""
        now_s, n_bytes = self._clock_s(), float(outcome.task.recording.n_bytes or 1)
        self._n_done += 1
        self._left_bytes -= n_bytes
        if outcome.outputs is not None and outcome.outputs.is_new:
            self._scored_bytes += n_bytes
        else:
            self._found_s += now_s - self._last_s  # found or refused: says nothing about scoring
        self._last_s = now_s
        done = f"{self._n_done}/{self._n}"
        if not self._scored_bytes or self._n_done == self._n:
            return done
        spent_s = now_s - self._started_s - self._found_s
        return f"{done}, {_duration(spent_s / self._scored_bytes * max(0.0, self._left_bytes))} left"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
