"""Shows that a pose network of the user's own passes movement on as BlazePose does, and makes none of its own.

A network may name the right places and still tremble by as much as infants fidget: one that was trained for a few
minutes agreed with BlazePose to .08 of the trunk, passed `own_pose_gate`, and found FMs in 15 of the sample's 16
windows, where there are 10. So both go through the whole chain: on the beginning of the sample recording their findings
must agree, window by window, and a still picture with the noise of a camera must show no FMs at all.

MAM is fitted to BlazePose's errors. Another network whose errors are others passes here only where that does not
matter; where it does, `fidgety train` and `train-align` behind that network are the remedy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from fidgety.bundle import Bundle
from fidgety.errors import BundleError
from fidgety.records import Frame, WindowScore
from fidgety.runtime.assess import Mam
from fidgety.runtime.noise_floor import NoiseFloor
from fidgety.runtime.pipeline import lift_poses
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.windows import cut_windows

__all__ = ["MovementReport", "failed_rules", "require_movement", "still_frames"]

MIN_AGREEMENT = 0.8  # of the windows, every .8 s: at the two ends of a bout a window or two may part
MAX_NOISE = 1.5  # times BlazePose's noise floor: the rule of `fidgety device selftest`
_NOISE_SD = 2.0  # grey levels, as the sample's camera has


@dataclass(frozen=True, slots=True)
class MovementReport:
    """What the chain made of both networks' poses."""

    n_windows: int  # that both can score, every .8 s of the recording
    n_fms: int  # of them, with FMs by this network
    n_fms_blazepose: int
    agreement: float  # share of them with the same finding
    n_lost: int  # windows that BlazePose's poses allow to score, and this network's do not
    noise_floor_mm: float
    noise_floor_blazepose_mm: float
    n_still: int  # windows of the still picture
    n_fms_still: int

    def __str__(self) -> str:
        return (
            f"own pose network in the chain: FMs in {self.n_fms} of {self.n_windows} windows (BlazePose "
            f"{self.n_fms_blazepose}), {100 * self.agreement:.0f} % alike, {self.n_lost} lost; noise floor "
            f"{self.noise_floor_mm:.2f} mm (BlazePose {self.noise_floor_blazepose_mm:.2f}); in a still picture FMs in "
            f"{self.n_fms_still} of {self.n_still}"
        )


def require_movement(
    own: Bundle, blazepose: Bundle, moving: Callable[[], Iterable[Frame]], still: Callable[[], Iterable[Frame]]
) -> MovementReport:
    """Send a recording (read twice) and a still picture through the chain. Raises BundleError naming what fails."""
    report = _measure(own, blazepose, moving, still)
    if failed := failed_rules(report):
        raise BundleError(
            f"the pose network does not pass: it must hold that {failed[0]} ({report}). Train it longer, or train MAM "
            "behind it"
        )
    return report


def failed_rules(report: MovementReport) -> list[str]:
    """What does not hold, of all that must."""
    rules = {
        "BlazePose's poses can be scored in ten windows at least": report.n_windows + report.n_lost >= 10,
        "no window is lost": report.n_lost == 0,
        f"{100 * MIN_AGREEMENT:.0f} % of the findings agree with BlazePose's": report.agreement >= MIN_AGREEMENT,
        f"its noise floor is at most {MAX_NOISE} times BlazePose's": report.noise_floor_mm
        <= MAX_NOISE * report.noise_floor_blazepose_mm,
        "a still picture shows no FMs": report.n_still > 0 and report.n_fms_still == 0,
    }
    return [rule for rule, holds in rules.items() if not holds]


def still_frames(frame: Frame, n: int, fps: float, seed: int = 1) -> Iterator[Frame]:
    """One frame again and again, each time with other noise of the camera."""
    rng = np.random.default_rng(seed)
    for i in range(n):
        noisy = frame.luma + rng.normal(0.0, _NOISE_SD, frame.luma.shape).astype(np.float32)
        yield replace(frame, frame_index=i, time_s=i / fps, luma=np.clip(noisy.round(), 0, 255).astype(np.uint8))


def _measure(
    own: Bundle, blazepose: Bundle, moving: Callable[[], Iterable[Frame]], still: Callable[[], Iterable[Frame]]
) -> MovementReport:
    (ours, noise_mm), (theirs, usual_mm) = (_scores(bundle, moving()) for bundle in (own, blazepose))
    rest, _ = _scores(own, still())
    known = {one.start_s: _has_fms(one, blazepose) for one in theirs if one.fms_probability is not None}
    found = {one.start_s: _has_fms(one, own) for one in ours if one.fms_probability is not None}
    both = known.keys() & found.keys()
    return MovementReport(
        n_windows=len(both),
        n_fms=sum(found[start_s] for start_s in both),
        n_fms_blazepose=sum(known[start_s] for start_s in both),
        agreement=float(np.mean([known[start_s] == found[start_s] for start_s in both])) if both else 0.0,
        n_lost=len(known.keys() - found.keys()),
        noise_floor_mm=noise_mm,
        noise_floor_blazepose_mm=usual_mm,
        n_still=sum(one.fms_probability is not None for one in rest),
        n_fms_still=sum(one.fms_probability is not None and _has_fms(one, own) for one in rest),
    )


def _scores(bundle: Bundle, frames: Iterable[Frame]) -> tuple[list[WindowScore], float]:
    """Every window of the frames, and the noise floor (infinite where nothing can be said)."""
    estimator, noise = PoseEstimator(bundle), NoiseFloor()
    lifted = noise.listen(lift_poses(estimator.poses(frames), estimator.skeleton, bundle))
    windows = cut_windows(lifted, bundle.manifest.mam, bundle.manifest.track.fps)
    scores = list(Mam(bundle).score(windows))
    floor_mm = noise.measures()["noise_floor_mm"]
    return scores, float("inf") if floor_mm is None else floor_mm


def _has_fms(score: WindowScore, bundle: Bundle) -> bool:
    probability = score.fms_probability
    return probability is not None and probability >= bundle.manifest.operating_point.fms_threshold
