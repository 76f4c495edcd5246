"""An included cohort -> what training reads (tracked.py).

    recording --(pose network)--> poses --lift_poses--> joints (T, 17, 3), is_observed (T,) --cut_windows--> windows

Poses go through the very chain of the device. What comes out lies in a folder as .npy, named by the content of the
recording and by the chain, so that nothing is lifted twice; a changed recording, lifter or setting has another name.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from fidgety import __version__
from fidgety.bundle import Bundle
from fidgety.cohort.annotations import LabelledClip, has_fms, label_clips
from fidgety.cohort.records import Cohort, CohortInfant, CohortRecording, characteristics_at
from fidgety.errors import DeviceError, UsageError
from fidgety.records import Characteristics, FloatArray, LiftedTrack
from fidgety.runtime.origin import WhosePoses, whose_poses
from fidgety.runtime.pipeline import lift_poses
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.posefile import open_poses
from fidgety.runtime.repeats import RepeatFilter
from fidgety.runtime.source import open_source
from fidgety.skeleton import H36M_17
from fidgety.training.tracked import TrackedInfant, TrackedRecording, WindowRule

__all__ = ["chain_digest", "cohort_digest", "track_cohort"]

_CHAIN = 2  # raised whenever code from recording to lifted track gives other rows, so that no older track is taken
_PHANTOM = "fidgety phantom cohort"  # what a simulated pose track says of itself


def track_cohort(
    cohort: Cohort, bundle: Bundle, cache: Path, min_assessable_s: float, report: Callable[[str], None]
) -> tuple[TrackedInfant, ...]:
    """Lift every recording of an included cohort, or read what was lifted before. `cache`: folder of the .npy files.

    Videos go through the pose network first: minutes each. `report` is also told of poses of another network: MAM
    would learn how that one errs. Raises UsageError for an infant without a label, SourceError
    for a recording that cannot be read, DeviceError where `cache` cannot be written.
    """
    limit_s = min(min_assessable_s, bundle.manifest.quality.min_assessable_s)
    rule = WindowRule(bundle.manifest.mam, bundle.manifest.track.fps, limit_s)
    clips = label_clips(cohort.ratings)
    lifted: dict[str, FloatArray] = {}
    for number, recording in enumerate(cohort.recordings, start=1):
        report(f"track {number} of {len(cohort.recordings)}: {recording.file}")
        lifted[recording.file] = _lifted(recording, bundle, cache)
    for warning in _other_poses(cohort, bundle):
        report(warning)
    return tuple(_infant(infant, cohort, lifted, clips, rule) for infant in cohort.infants)


def _infant(
    infant: CohortInfant,
    cohort: Cohort,
    lifted: dict[str, FloatArray],
    clips: Sequence[LabelledClip],
    rule: WindowRule,
) -> TrackedInfant:
    if infant.label is None:
        raise UsageError(f"infant {infant.infant_id} has no label: only an included cohort can be trained on")
    recordings = tuple(
        _recording(infant, one, lifted[one.file], [clip for clip in clips if clip.file == one.file], rule)
        for one in cohort.recordings_of(infant)
    )
    is_risk = infant.label == "risk"
    return TrackedInfant(infant.infant_id, infant.site, is_risk, infant.fms_category, infant.fold, recordings)


def _recording(
    infant: CohortInfant,
    recording: CohortRecording,
    rows: FloatArray,
    clips: Sequence[LabelledClip],
    rule: WindowRule,
) -> TrackedRecording:
    return TrackedRecording(
        infant_id=infant.infant_id,
        file=recording.file,
        sha256=recording.sha256,
        is_risk=infant.label == "risk",
        characteristics=_characteristics_row(characteristics_at(infant, recording)),
        joints=rows[:, :-1].reshape(-1, len(H36M_17), 3),
        is_observed=rows[:, -1] > 0.5,
        clip_starts=np.array([round(clip.start_s * rule.fps) for clip in clips], np.int64),
        clip_shares=np.array([_share(clip) for clip in clips], np.float32),
        rule=rule,
        is_simulated=_is_simulated(recording),
    )


def _characteristics_row(known: Characteristics) -> FloatArray | None:
    """(4,) float32 in the order and units of the Info Branch; None where one is not known."""
    if not known.are_complete:
        return None
    sex = 1.0 if known.sex == "male" else 0.0
    return np.array((sex, known.gestation_weeks, known.birth_weight_g, known.corrected_age_weeks), np.float32)


def _share(clip: LabelledClip) -> float:
    """The raters' mean share, brought to the side of one half on which most of them see it."""
    if has_fms(clip.fms_share) == clip.has_fms:
        return clip.fms_share
    return 0.51 if clip.has_fms else 0.5


def _is_simulated(recording: CohortRecording) -> bool:
    if recording.path.with_name(f"{recording.path.stem}.truth.json").is_file():
        return True
    return recording.is_track and open_poses(recording.path).about.get("source") == _PHANTOM


def _other_poses(cohort: Cohort, bundle: Bundle) -> Iterator[str]:
    """What to say where a real infant's poses were read by another pose network than the bundle's, or nobody tells."""
    tracks = [one for one in cohort.recordings if one.is_track and not _is_simulated(one)]
    files: dict[WhosePoses, list[str]] = {}
    for track in tracks:
        files.setdefault(whose_poses(open_poses(track.path), bundle), []).append(track.file)
    remedy = "MAM learns how a pose network errs: make these tracks anew with `fidgety pose`"
    if foreign := files.get("of another"):
        words = f"were read by another pose network than that of {bundle.label}"
        yield f"warning: {len(foreign)} of {len(tracks)} pose tracks {words} (the first: {foreign[0]}). {remedy}"
    if unknown := files.get("unknown"):
        words = f"do not tell whether the pose network of {bundle.label} read them"
        yield f"warning: {len(unknown)} of {len(tracks)} pose tracks {words} (the first: {unknown[0]}). {remedy}"


def _lifted(recording: CohortRecording, bundle: Bundle, cache: Path) -> FloatArray:
    """(T, 52) float32: joints (17 x 3), then 1 where the row was observed."""
    path = cache / f"{recording.sha256[:16]}-{chain_digest(bundle)[:16]}.npy"
    if path.is_file():
        return np.asarray(np.load(path, allow_pickle=False))
    pieces = list(_lift(recording, bundle))
    joints = np.concatenate([piece.joints for piece in pieces]).reshape(-1, len(H36M_17) * 3)
    observed = np.concatenate([piece.is_observed for piece in pieces])
    rows = np.column_stack([joints, observed]).astype(np.float32)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as stream:
            np.save(stream, rows)
        part.replace(path)
    except OSError as error:
        raise DeviceError(f"tracks cannot be written to {cache}: {error.strerror}") from error
    return rows


def _lift(recording: CohortRecording, bundle: Bundle) -> Iterator[LiftedTrack]:
    if recording.is_track:
        stored = open_poses(recording.path)
        yield from lift_poses(RepeatFilter().poses(stored.poses), stored.skeleton, bundle)
        return
    with open_source(str(recording.path)) as source:
        estimator = PoseEstimator(bundle)
        yield from lift_poses(estimator.poses(source.frames()), estimator.skeleton, bundle)


def chain_digest(bundle: Bundle) -> str:
    """Hex SHA-256 of all that makes a lifted track of a recording: networks, settings, this program's version."""
    manifest = bundle.manifest
    graphs = (manifest.lifter.graph, manifest.pose.detector, manifest.pose.landmarks)
    settings = [asdict(manifest.track), asdict(manifest.pose), manifest.quality.min_source_fps]
    parts = [__version__, _CHAIN, [manifest.files.get(name) for name in graphs], settings]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def cohort_digest(cohort: Cohort) -> str:
    """Hex SHA-256 of all that is read of a cohort, the Info Branch's characteristics too: the same wherever its folder
    lies.
    """
    parts = [repr(_all_of(one)) for one in cohort.infants]
    parts += [f"{one.infant_id} {one.file} {one.sha256} {one.recorded}" for one in cohort.recordings]
    parts += [repr(rating) for rating in cohort.ratings]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _all_of(infant: CohortInfant) -> tuple[object, ...]:
    """What training reads of an infant; who may use it has been asked before."""
    told = (infant.infant_id, infant.label, infant.fms_category, infant.site, infant.fold)
    return *told, str(infant.born), infant.gestation_days, infant.sex, infant.birth_weight_g
