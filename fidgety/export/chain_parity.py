"""Whole recordings through the chain, with one graph or another: keypoints, P(FMs), FMs frequency, risk, verdict.

    recording --pose--> poses --lift--> windows --MAM--> P(FMs), frequency, risk     with the float32 graphs
                                                                                     with a variant in its place

The tracker follows what it reads, so that two runs may part by more than their readings in one and the same crop do:
this is what the user sees, and what `network_parity.py` cannot tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fidgety.bundle import Bundle
from fidgety.errors import BundleError
from fidgety.export.network_parity import TRUNK_MM
from fidgety.records import Characteristics, FloatArray, Frame, Pose, WindowScore
from fidgety.runtime.assess import Mam, fms_frequency
from fidgety.runtime.pipeline import Job, assess_poses, lift_poses
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.posefile import PoseRecording
from fidgety.runtime.readers import bundle_skeleton
from fidgety.runtime.source import open_source
from fidgety.runtime.windows import cut_windows
from fidgety.skeleton import pose_skeleton, trunk_px

__all__ = ["ChainDifference", "ChainRun", "compare_runs", "faults_of", "run_chain", "score_run", "with_graph"]

# A small FMs moves 3 mm. What a variant may move a keypoint by: a tenth of it in the median, a third in one of twenty.
MAX_KEYPOINTS_MEDIAN_MM, MAX_KEYPOINTS_P95_MM = 0.3, 1.0
# Of a probability that is read as "surely" or "surely not": a tenth leaves either what it is.
MAX_PROBABILITY_P95 = 0.1
# Targets of the task: over all recordings together, since one window of nine is already .11.
MAX_FREQUENCY_CHANGE = 0.02
MAX_RISK_CHANGE = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class ChainRun:
    """One recording, scored."""

    recording: str
    poses: Sequence[Pose]
    scores: Sequence[WindowScore]
    n_fms: int  # of the instances that could be scored
    n_instances: int
    risk: float
    is_risk: bool
    blocking: frozenset[str]  # why it could not be assessed; the duration rule is left out: clips are short


@dataclass(frozen=True, slots=True)
class ChainDifference:
    """How far a variant's run of one recording is from the reference's."""

    recording: str
    n_frames: int
    n_instances: int
    keypoints_median_px: float
    keypoints_p95_px: float
    keypoints_median_mm: float
    keypoints_p95_mm: float
    probability_median: float  # of P(FMs), over all windows
    probability_p95: float
    n_fms_reference: int
    n_fms: int
    risk_reference: float
    risk: float
    is_same_finding: bool
    is_same_verdict: bool  # assessable or not, and why


def with_graph(bundle: Bundle, graphs: Mapping[str, Path], folder: Path) -> Bundle:
    """`bundle` with other files in place of some float32 graphs: a folder of links, for the gate alone."""
    folder.mkdir(parents=True)
    for name in bundle.manifest.files:
        (folder / name).symlink_to(graphs.get(name, bundle.file(name)).resolve())
    return replace(bundle, path=folder, manifest=replace(bundle.manifest, variants=()))


def run_chain(recording: Path, bundle: Bundle, n_threads: int = 2, *, is_nudged: bool = False) -> ChainRun:
    """Pose, lifter and MAM over a recording. Raises BundleError where no window can be scored: the gate cannot run.

    `is_nudged`: every picture one grey level of 255 brighter, which nobody can see. What the float32 chain makes of
    that is how far it parts from itself.
    """
    with open_source(str(recording)) as source:
        frames = map(_brighter, source.frames()) if is_nudged else source.frames()
        poses = list(PoseEstimator(bundle, n_threads).poses(frames))
    return score_run(recording.name, poses, bundle)


def score_run(name: str, poses: Sequence[Pose], bundle: Bundle) -> ChainRun:
    """Lifter and MAM over poses that were read before. Raises BundleError as `run_chain` does."""
    mam, manifest = Mam(bundle), bundle.manifest
    windows = cut_windows(lift_poses(poses, bundle_skeleton(manifest.pose), bundle), manifest.mam, manifest.track.fps)
    scores = list(mam.score(windows))
    frequency = fms_frequency(scores, manifest.operating_point.fms_threshold)
    if frequency is None:
        raise BundleError(
            f"the parity gate cannot run on {name}: no window of it can be scored; name recordings of 10 s and longer "
            "in which the infant is seen throughout"
        )
    risk = mam.risk(scores, Characteristics())
    short = replace(bundle, manifest=replace(manifest, quality=replace(manifest.quality, min_assessable_s=0.0)))
    recording = PoseRecording(name, bundle_skeleton(manifest.pose), poses, len(poses), {})
    reasons = assess_poses(recording, short, Job(name, Characteristics(13.0))).quality.reasons
    blocking = frozenset(reason.code for reason in reasons if reason.is_blocking)
    return ChainRun(
        name, poses, scores, frequency.n_fms, frequency.n_instances, risk.probability, risk.is_risk, blocking
    )


def compare_runs(reference: ChainRun, run: ChainRun) -> ChainDifference:
    """Frame by frame and window by window. A pose or window that only one of them has is infinitely far."""
    apart, trunks = _keypoints_apart(reference.poses, run.poses)
    pairs = list(zip(reference.scores, run.scores, strict=True))
    changes = np.array([_change(one.fms_probability, other.fms_probability) for one, other in pairs])
    return ChainDifference(
        reference.recording,
        len(reference.poses),
        reference.n_instances,
        *_quantiles(apart),
        *_quantiles(apart * TRUNK_MM / trunks),
        *_quantiles(changes),
        reference.n_fms,
        run.n_fms,
        reference.risk,
        run.risk,
        reference.is_risk == run.is_risk,
        reference.blocking == run.blocking and reference.n_instances == run.n_instances,
    )


def faults_of(differences: Sequence[ChainDifference], controls: Sequence[ChainDifference] = ()) -> list[str]:
    """What lies beyond the limits, a sentence each; none: the variant may stand in for the reference.

    `controls`: the nudged float32 run of each recording. Where that moves keypoints beyond the limits (a clip filmed by
    hand: two trackers part), the recording cannot judge keypoints; the same crops still do (`network_parity.py`). What
    the user is told, P(FMs), frequency, risk, finding and verdict, has no such allowance. Raises BundleError where
    nothing was compared, or no recording can judge keypoints: a gate that has not run has not passed.
    """
    n_instances = sum(d.n_instances for d in differences)
    if n_instances == 0:
        raise BundleError("the parity gate compared no recording: nothing is published unproved")
    unsteady = {control.recording for control in controls if not _are_steady(control)}
    if unsteady.issuperset(d.recording for d in differences):
        raise BundleError(
            "the parity gate cannot judge keypoints: on all these recordings the float32 chain parts from itself; name "
            "one from a camera on a stand"
        )
    faults = []
    for d in differences:
        median_mm, p95_mm = (0.0, 0.0) if d.recording in unsteady else (d.keypoints_median_mm, d.keypoints_p95_mm)
        figures = (
            ("keypoints move by", median_mm, MAX_KEYPOINTS_MEDIAN_MM, "mm in the median"),
            ("keypoints move by", p95_mm, MAX_KEYPOINTS_P95_MM, "mm in one of twenty"),
            ("P(FMs) changes by", d.probability_p95, MAX_PROBABILITY_P95, "in one window of twenty"),
            ("the risk changes by", abs(d.risk - d.risk_reference), MAX_RISK_CHANGE, ""),
        )
        faults += [
            f"{d.recording}: {what} {value:.3g} {unit}".rstrip() + f" (at most {limit:.3g})"
            for what, value, limit, unit in figures
            if not value <= limit
        ]
        if not d.is_same_finding:
            faults.append(f"{d.recording}: finds {'risk' if d.risk > d.risk_reference else 'no risk'} where it did not")
        if not d.is_same_verdict:
            faults.append(f"{d.recording}: is judged assessable by one of them only")
    change = sum(abs(d.n_fms - d.n_fms_reference) for d in differences) / n_instances
    if not change <= MAX_FREQUENCY_CHANGE:
        faults.append(f"the FMs frequency changes by {change:.3f} over all recordings (at most {MAX_FREQUENCY_CHANGE})")
    return faults


def _are_steady(control: ChainDifference) -> bool:
    return control.keypoints_median_mm <= MAX_KEYPOINTS_MEDIAN_MM and control.keypoints_p95_mm <= MAX_KEYPOINTS_P95_MM


def _brighter(frame: Frame) -> Frame:
    return replace(frame, luma=np.minimum(frame.luma, 254) + np.uint8(1))


def _keypoints_apart(one: Sequence[Pose], other: Sequence[Pose]) -> tuple[FloatArray, FloatArray]:
    """(N,) px between keypoints of the same frame, and the length of that frame's trunk."""
    apart, trunks = [], []
    for a, b in zip(one, other, strict=True):
        if a.is_missing and b.is_missing:
            continue
        xy = (a if b.is_missing else b).keypoints_xy
        distance = np.linalg.norm(a.keypoints_xy - b.keypoints_xy, axis=1)
        apart.append(np.where(np.isnan(distance), np.inf, distance))
        trunks.append(np.full(len(distance), max(trunk_px(xy, pose_skeleton(len(xy))), 1.0)))
    if not apart:
        raise BundleError("the parity gate cannot run: no infant is found in the recording")
    return np.concatenate(apart).astype(np.float32), np.concatenate(trunks).astype(np.float32)


def _change(one: float | None, other: float | None) -> float:
    if one is None and other is None:
        return 0.0
    return np.inf if one is None or other is None else abs(other - one)


def _quantiles(values: FloatArray) -> tuple[float, float]:
    return float(np.median(values)), float(np.quantile(values, 0.95, method="higher"))
