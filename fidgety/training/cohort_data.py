"""What `fidgety train` is asked for, the cohorts that it reads, and the account that it leaves (run.json).

Everything that can be refused is refused here, before the first recording is lifted where that is possible.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fidgety import __version__
from fidgety.bundle import Bundle
from fidgety.cohort.apart import Known, known_of, name_of, shared_with
from fidgety.cohort.inclusion import Included, InclusionRules, format_flow, include
from fidgety.cohort.read import read_cohort
from fidgety.errors import UsageError
from fidgety.training.cohort_tracks import chain_digest, cohort_digest, track_cohort
from fidgety.training.folds import shuffle_labels
from fidgety.training.log import write_json
from fidgety.training.protocol import Protocol
from fidgety.training.run_files import FoldRecord, read_json, written
from fidgety.training.statistics.splits import split_by_infant
from fidgety.training.task import Options
from fidgety.training.team import Team
from fidgety.training.tracked import TrackedInfant

__all__ = ["REF", "Data", "Request", "account_of", "open_run", "read_data", "take_ref", "track_folder"]

REF = "ref"  # folder of the Ref Branch that all folds share
_SETTINGS = "settings.json"


@dataclass(frozen=True, slots=True)
class Request:
    """One run. command: what was typed, for the bundle that its weights may go into."""

    cohort: Path
    out: Path
    bundle: Bundle
    options: Options
    protocol: Protocol
    clips: Path | None = None  # cohort of rated clips
    n_folds: int = 5
    seed: int = 1
    is_shuffled: bool = False  # labels are permuted among infants, clips keep theirs: the control that ends at chance
    min_recording_s: float = 60.0
    command: str = "fidgety train COHORT OUT"
    ref_of: Path | None = None  # another run, whose shared Ref Branch is taken over: it would come out the same
    tracks: Path | None = None  # where lifted tracks are kept; None: in `out`


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Included infants of the cohort and of the cohort of rated clips, lifted."""

    infants: tuple[TrackedInfant, ...]
    clip_infants: tuple[TrackedInfant, ...]
    known: Known  # all of them
    flow: str  # Markdown
    cohort_digest: str
    clips_digest: str | None
    has_shared_clips: bool  # the cohort itself has none: the Ref Branch is the same in all folds

    @property
    def is_simulated(self) -> bool:
        """A single simulated recording makes it so."""
        everybody = (*self.infants, *self.clip_infants)
        return any(recording.is_simulated for infant in everybody for recording in infant.recordings)


def read_data(request: Request, team: Team, report: Callable[[str], None]) -> Data:
    """Read, check and lift. The leading process lifts, the others read what it lifted.

    Raises UsageError for faults of a cohort, a class with fewer infants than folds, an infant or a recording in both
    cohorts, and where the Ref Branch has no clips.
    """
    main, clips = _included(request.cohort, request), None
    if request.clips is not None and request.options.learns_from_clips:
        clips = _included(request.clips, request)
        _require_other_infants(main, clips)
    _require_folds(main, request.n_folds)
    if request.options.learns_from_clips and not main.cohort.ratings and (clips is None or not clips.cohort.ratings):
        raise UsageError(
            "the Ref Branch learns from rated clips and there are none: name a cohort that has them (--clips), or "
            "leave the branch out (--without ref)"
        )
    if not team.leads:
        team.wait()
    infants, clip_infants = _tracked(main, request, report), () if clips is None else _tracked(clips, request, report)
    if team.leads:
        team.wait()
    return Data(
        infants=shuffle_labels(infants, request.seed) if request.is_shuffled else infants,
        clip_infants=clip_infants,
        known=known_of(*(one.cohort for one in (main, clips) if one is not None)),
        flow=format_flow(main.flow),
        cohort_digest=cohort_digest(main.cohort),
        clips_digest=None if clips is None else cohort_digest(clips.cohort),
        has_shared_clips=clips is not None and not main.cohort.ratings,
    )


def _included(folder: Path, request: Request) -> Included:
    return include(read_cohort(folder), InclusionRules(use="training", min_recording_s=request.min_recording_s))


def _tracked(included: Included, request: Request, report: Callable[[str], None]) -> tuple[TrackedInfant, ...]:
    return track_cohort(
        included.cohort, request.bundle, track_folder(request.out, request.tracks), request.min_recording_s, report
    )


def _require_other_infants(one: Included, other: Included) -> None:
    """Raises UsageError where they share an infant or a recording: the Ref Branch would learn from test infants."""
    shared = shared_with(known_of(one.cohort), other.cohort)
    if shared:
        raise UsageError(
            f"the rated clips of {other.cohort.folder} are not apart from the cohort in {one.cohort.folder}: {shared}. "
            "Take them out of one of the two"
        )


def _require_folds(included: Included, n_folds: int) -> None:
    """As `deal_folds` does, before anything is lifted."""
    infants = included.cohort.infants
    if not infants:
        raise UsageError(f"nobody is included:\n{format_flow(included.flow)}")
    if all(infant.fold is None for infant in infants):
        split_by_infant([i.infant_id for i in infants], [i.label == "risk" for i in infants], n_folds)


def _settings(request: Request, data: Data) -> dict[str, Any]:
    """All that the result depends on."""
    options = request.options
    return {
        "system": options.system,
        "without": sorted(options.without),
        "input": options.inputs,
        "pose": options.pose,
        "protocol": {"name": request.protocol.name, "values": asdict(request.protocol)},
        "seed": request.seed,
        "folds": len({i.fold for i in data.infants}) if data.infants[0].fold is not None else request.n_folds,
        "shuffle_labels": request.is_shuffled,
        "min_recording_s": request.min_recording_s,
        "cohort_digest": data.cohort_digest,
        "clips_digest": data.clips_digest,
        "chain_digest": chain_digest(request.bundle),
    }


def open_run(request: Request, data: Data) -> None:
    """Claim the folder. Raises UsageError where another run lies there, and names what it was asked for otherwise."""
    path, settings = request.out / _SETTINGS, _settings(request, data)
    if not path.is_file():
        written(lambda: request.out.mkdir(parents=True, exist_ok=True), request.out)
        written(lambda: write_json(path, settings), path)
        return
    there = read_json(path)
    for name, value in settings.items():
        if there.get(name) != value:
            what = "" if isinstance(value, dict) else f": {there.get(name)} there, {value} here"
            raise UsageError(f"{request.out} holds another run ({name} differs{what}): name another folder")


def track_folder(out: Path, tracks: Path | None) -> Path:
    """Where lifted tracks are kept: named by what they hold, so runs and cohorts may share one."""
    return out / "tracks" if tracks is None else tracks


def take_ref(request: Request, data: Data) -> None:
    """Copy the Ref Branch of the run `request.ref_of`, for ablations that do not touch it.

    Raises UsageError where that run has none that all of its folds share, or trained it otherwise.
    """
    if request.ref_of is None:
        return
    there, here = read_json(request.ref_of / _SETTINGS), _settings(request, data)
    source, target = (folder / REF / "ref.pt" for folder in (request.ref_of, request.out))
    if not source.is_file() or not data.has_shared_clips:
        raise UsageError(f"{request.ref_of} has no Ref Branch that could be taken over: leave --ref-of out")
    for name in ("clips_digest", "chain_digest", "min_recording_s", "protocol", "seed", "input", "pose"):
        if there.get(name) != here[name]:
            raise UsageError(f"the Ref Branch of {request.ref_of} is another one: its {name} differs")
    if not target.is_file():
        written(lambda: target.parent.mkdir(parents=True, exist_ok=True), target)
        written(lambda: shutil.copyfile(source, target), target)


def account_of(request: Request, data: Data, records: Sequence[FoldRecord]) -> dict[str, Any]:
    """run.json: settings, participants, what every fold came to."""
    recordings = [one for infant in data.infants for one in infant.recordings]
    return {
        **_settings(request, data),
        "command": request.command,
        "seconds": [record.seconds for record in records if record.fold is not None],
        "versions": {"fidgety": __version__, **{name: version(name) for name in ("torch", "numpy", "scikit-learn")}},
        "bundle": request.bundle.label,
        "is_simulated": data.is_simulated,
        "flow": data.flow,
        "n_not_assessable": sum(not one.is_assessable for one in recordings),
        "n_without_characteristics": sum(one.characteristics is None for one in recordings),
        "participants": _participants(data.infants),
        "clip_participants": _participants(data.clip_infants),
        "known_by": {"births": sorted(data.known.births), "recordings": data.known.recordings},
        "models": [asdict(record) for record in records],
    }


def _participants(infants: Sequence[TrackedInfant]) -> dict[str, list[str]]:
    """Hashes of their files, by which their tracks are named, too."""
    return {name_of(one.infant_id, one.site): [r.sha256 for r in one.recordings] for one in infants}
