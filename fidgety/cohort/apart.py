"""Do two cohorts share an infant or a recording? Asked of a cohort, and of what a run keeps of those it learned from.

An infant is the same where its id is, and its site or its date of birth: exports spell sites as they like. A recording
is the same where one of its hashes is: the file's, its track's content, the video's that the track was made of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fidgety.cohort.records import Cohort, CohortInfant

__all__ = ["Known", "known_of", "name_of", "shared_with"]

_MAX_NAMED = 10


@dataclass(frozen=True, slots=True)
class Known:
    """Those who may not be met again.

    births: digests of id and date of birth. They keep the dates out of sight, not out of reach of somebody who knows
    the id and tries every day: where they lie must be kept like the cohort itself.
    """

    names: frozenset[str]  # as `name_of`
    births: frozenset[str]
    recordings: Mapping[str, str]  # what it is called, by each of its hashes


def known_of(*cohorts: Cohort) -> Known:
    """Everybody in these cohorts."""
    infants = [infant for cohort in cohorts for infant in cohort.infants]
    return Known(
        names=frozenset(name_of(one.infant_id, one.site) for one in infants),
        births=frozenset(birth for birth in map(_birth_digest, infants) if birth is not None),
        recordings={
            sha256: f"{one.file} of infant {one.infant_id}"
            for cohort in cohorts
            for one in cohort.recordings
            for sha256 in one.hashes
        },
    )


def name_of(infant_id: str, site: str) -> str:
    """What a run calls a participant."""
    return f"{infant_id} of {site}"


def shared_with(known: Known, cohort: Cohort) -> str:
    """Infants and recordings of the cohort that are known, in words; empty where there are none."""
    shared = list(_shared(known, cohort))
    rest = f" and {len(shared) - _MAX_NAMED} more" if len(shared) > _MAX_NAMED else ""
    return f"{'; '.join(shared[:_MAX_NAMED])}{rest}"


def _shared(known: Known, cohort: Cohort) -> Iterator[str]:
    for infant in cohort.infants:
        if _birth_digest(infant) in known.births:
            yield f"infant {infant.infant_id}, born {infant.born}"
        elif (name := name_of(infant.infant_id, infant.site)) in known.names:
            yield f"infant {name}"
    for recording in cohort.recordings:
        names = [known.recordings[one] for one in sorted(recording.hashes) if one in known.recordings]
        if names:
            yield f"{recording.file} is {names[0]}"


def _birth_digest(infant: CohortInfant) -> str | None:
    """Hex; None where the date is not told. Runs keep it: it may not change."""
    if infant.born is None:
        return None
    return hashlib.sha256(f"{infant.infant_id}\n{infant.born.isoformat()}".encode()).hexdigest()
