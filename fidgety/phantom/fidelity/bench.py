"""The fidelity bench: known movement in, what the chain makes of it out, figure by figure.

    Scene --render_recording (kept in folder)--> open_source -> PoseEstimator -> track_poses -> lift_tracks --+
      |                                                                                                         v
      +--its own movement at the track's instants, in the camera's axes--------------------------------> Reading -> rows

The truth comes from the scene itself, at k / 25 s, so that a camera of 30 fps costs it no interpolation; it is what
the truth file beside the recording holds, without that file's rounding. The lifted track starts at the hip of every
row; where the hip lies in the picture is added again, so that a hip that is read wrongly counts once and not for every
joint (MAM reads differences between joints). What is measured becomes millimetres by its median trunk and the true one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fidgety.bundle import Bundle
from fidgety.phantom.camera import Camera
from fidgety.phantom.fidelity.plan import FREQUENCIES_HZ, Plan
from fidgety.phantom.fidelity.scenes import JOINTS, Axis, Drive, Scene, View, resting_ends
from fidgety.phantom.fidelity.transfer import (
    band_gain,
    band_rms,
    cross_talk,
    gain_at,
    levels_db,
    power_spectrum,
    residual_at,
)
from fidgety.phantom.kinematics import h36m17
from fidgety.phantom.motion import Motion
from fidgety.phantom.video import render_recording
from fidgety.records import LiftedTrack
from fidgety.runtime.pipeline import lift_poses
from fidgety.runtime.pose import PoseEstimator
from fidgety.runtime.source import open_source
from fidgety.skeleton import H36M_17

__all__ = ["BAND_HZ", "COMB_HZ", "Reading", "Row", "describe_chain", "placed", "read_scene", "rows_of", "run_plan"]

Array = NDArray[np.float64]

BAND_HZ = (0.5, 4.0)  # of fidgety movements
COMB_HZ = 25 / 9  # the comb that public lifters of receptive field 3^n leave at multiples of this
_LOWEST_LINE_HZ = 0.75
_NO_STEP_PX = 1e-6  # where nothing moves at all, the hip does not
_SILENT_MM = 1e-4  # less is the rounding of float32, whose lines mean nothing
_MIN_OBSERVED = 0.9  # of a recording's frames: with fewer, figures would be those of the bridging
_AXES: dict[Axis, slice] = {"plane": slice(0, 2), "depth": slice(2, 3)}
_HIP, _THORAX = H36M_17.indices("hip", "thorax")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. Fields that do not apply are None (numbers) or empty (words)."""

    view: View
    scene: str  # its kind; of `observed frames` its name
    joint: str
    axis: Axis | Literal[""]
    amplitude_mm: float | None  # of the drive, 0 to peak
    frequency_hz: float | None  # of the drive
    figure: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One recording, true and as the chain reads it, at the track's rate.

    true, measured: (T, 17, 3) float64, H36M-17, mm: x right, y down, z away from the camera, beyond the hip. Frames
    without a pose are bridged by straight lines.
    """

    fps: float
    true: Array
    measured: Array
    observed_share: float  # of the T frames

    def pair(self, joint: str, axis: Axis, span_s: tuple[float, float] | None = None) -> tuple[Array, Array]:
        """(T', D) true and measured movement of one joint in an axis, within a span of seconds."""
        rows = slice(None) if span_s is None else slice(*(round(end * self.fps) for end in span_s))
        index, columns = H36M_17.index[joint], _AXES[axis]
        return self.true[rows, index, columns], self.measured[rows, index, columns]

    def error(self, joint: str, axis: Axis, span_s: tuple[float, float] | None = None) -> Array:
        """(T', D) measured less true."""
        true, measured = self.pair(joint, axis, span_s)
        return np.asarray(measured - true)


def run_plan(plan: Plan, bundle: Bundle, folder: Path, watch: Callable[[str], None]) -> list[Row]:
    """Every figure of the plan. Recordings that lie in `folder` from an earlier run are not rendered again.

    `watch` hears of every recording before it is made. Raises SourceError, BundleError or DeviceError as the chain
    does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for view, programme in plan.parts:
        for scene in programme.scenes():
            watch(f"{view.label}: {scene.name}")
            path = _recording(scene, view, view.camera, folder)
            rows += rows_of(scene, view, read_scene(path, scene, view, bundle))
    return rows


def describe_chain(bundle: Bundle) -> str:
    """What stands between camera and track: every setting of pose, track and lifter."""
    manifest = bundle.manifest
    stages = {
        "pose": asdict(manifest.pose),
        "track": asdict(manifest.track),
        "lifter": asdict(manifest.lifter),
    }
    return "; ".join(
        f"{stage}: " + ", ".join(f"{name} {value}" for name, value in settings.items())
        for stage, settings in stages.items()
    )


def rows_of(scene: Scene, view: View, reading: Reading) -> list[Row]:
    """The figures of one recording; of one that the chain has lost, only the share of its frames that it has seen."""
    seen = Row(view, scene.name, "", "", None, None, "observed frames", reading.observed_share, "share")
    if reading.observed_share < _MIN_OBSERVED:
        return [seen]
    if scene.kind in ("motionless", "slow"):
        found = _stillness(scene, view, reading)
    elif scene.kind == "noise":
        found = _noise_gains(scene, view, reading)
    else:
        found = (row for drive in scene.drives for row in _drive_figures(scene, drive, view, reading))
    return [seen, *found]


def _drive_figures(scene: Scene, drive: Drive, view: View, reading: Reading) -> Iterator[Row]:
    """Gain, phase, residual and, where nothing else moves, cross-talk of one joint at one frequency."""
    tone = drive.tones[0]
    true, measured = reading.pair(drive.joint, drive.axis, drive.steady_s)
    gain = gain_at(true, measured, reading.fps, tone.frequency_hz)
    figures = [
        ("gain", abs(gain), "1"),
        ("phase", float(np.degrees(np.angle(gain))), "deg"),
        ("residual", residual_at(true, measured, reading.fps, tone.frequency_hz), "mm rms"),
    ]
    if scene.kind == "single":
        ends = [reading.error(joint, drive.axis, drive.steady_s) for joint in resting_ends(drive.joint)]
        shares = cross_talk(true, np.stack(ends, axis=1), reading.fps, tone.frequency_hz)
        figures += [
            ("cross-talk, largest", float(shares.max()), "share"),
            ("cross-talk, median", float(np.median(shares)), "share"),
        ]
    for name, value, unit in figures:
        yield Row(view, scene.kind, drive.joint, drive.axis, tone.amplitude_mm, tone.frequency_hz, name, value, unit)


def _noise_gains(scene: Scene, view: View, reading: Reading) -> Iterator[Row]:
    """Gain, phase and coherence within .25 Hz of each frequency, all joints moving as noise."""
    for drive in scene.drives:
        true, measured = reading.pair(drive.joint, drive.axis, drive.steady_s)
        for rate_hz in FREQUENCIES_HZ:
            low, high = max(rate_hz - 0.25, BAND_HZ[0]), min(rate_hz + 0.25, BAND_HZ[1])
            gain, coherence = band_gain(true, measured, reading.fps, low, high)
            phase = float(np.degrees(np.angle(gain)))
            for name, value, unit in (("gain", abs(gain), "1"), ("phase", phase, "deg"), ("coherence", coherence, "1")):
                yield Row(view, scene.kind, drive.joint, drive.axis, None, rate_hz, name, value, unit)


def _stillness(scene: Scene, view: View, reading: Reading) -> Iterator[Row]:
    """Noise floor and spurious lines of every joint and of the hip, from measured less true."""
    for joint in (*JOINTS, "hip"):
        for axis in _AXES:
            error = reading.error(joint, axis)
            floor = float(np.sqrt(np.mean(band_rms(error, reading.fps, *BAND_HZ) ** 2)))
            for name, value, unit in (("floor", floor, "mm rms"), *_lines(error, reading.fps)):
                yield Row(view, scene.kind, joint, axis, None, None, name, value, unit)


def _lines(error: Array, fps: float) -> Iterator[tuple[str, float, str]]:
    """The largest line above .75 Hz (level, frequency, amplitude) and of the comb; nothing where all is still."""
    if float(np.ptp(error, axis=0).max()) < _SILENT_MM:
        return
    frequency_hz, power = power_spectrum(error, fps)
    levels = levels_db(power)
    levels[frequency_hz < _LOWEST_LINE_HZ] = np.nan
    if np.isnan(levels).all():
        return
    step_hz = frequency_hz[1]
    top = int(np.nanargmax(levels))
    on_comb = np.abs(frequency_hz - COMB_HZ * np.maximum(np.rint(frequency_hz / COMB_HZ), 1)) <= 0.75 * step_hz
    yield "line", float(levels[top]), "dB"
    yield "line at", float(frequency_hz[top]), "Hz"
    yield "line amplitude", float(np.sqrt(2 * 1.5 * step_hz * power[top])), "mm"  # a Hann window is 1.5 bins wide
    yield "comb", float(np.nanmax(np.where(on_comb, levels, np.nan))), "dB"


def read_scene(path: Path, scene: Scene, view: View, bundle: Bundle) -> Reading:
    """Send a recording of the scene through the chain, and lay what comes out beside the truth.

    Raises SourceError, BundleError or DeviceError as the chain does.
    """
    camera = view.camera
    with open_source(str(path)) as source:
        estimator = PoseEstimator(bundle)
        pieces = list(lift_poses(estimator.poses(source.frames()), estimator.skeleton, bundle))
    measured = placed(pieces)
    joints_m = h36m17(scene.motion(camera, bundle.manifest.track.fps))
    n = min(len(measured), len(joints_m))  # the last frame of another rate may fall before the last instant
    true = 1e3 * camera.to_camera(joints_m[:n])
    true[..., 2] -= true[:, _HIP, None, 2]
    is_seen = np.isfinite(measured[:n]).all(axis=(1, 2))
    bridged = _bridged(measured[:n])
    return Reading(bundle.manifest.track.fps, true, bridged * (_trunk(true) / _trunk(bridged)), float(is_seen.mean()))


def _recording(scene: Scene, view: View, camera: Camera, folder: Path) -> Path:
    """The scene's recording; its name holds a digest of all that the picture depends on but the renderer itself."""
    motion = scene.motion(camera, view.fps)
    path = folder / f"{scene.name}-{view.label.replace(' ', '-')}-{_digest(motion, camera, scene)}.mp4"
    if not path.is_file():
        render_recording(path, motion, camera, scene.appearance, threads=1)
    return path


def _digest(motion: Motion, camera: Camera, scene: Scene) -> str:
    about = repr((motion.fps, camera, scene.appearance)).encode()
    return hashlib.sha256(motion.points_m.tobytes() + about).hexdigest()[:10]


def placed(pieces: Sequence[LiftedTrack]) -> Array:
    """(T, 17, 3) lifted joints of one recording, trunk lengths, with the hip at its place in the picture: a pixel of
    its movement is as long as one of the other joints'."""
    joints = np.concatenate([piece.joints for piece in pieces]).astype(np.float64)
    joints_xy = np.concatenate([piece.joints_xy for piece in pieces]).astype(np.float64)
    rooted_xy = joints_xy - joints_xy[:, _HIP, None]
    trunks_per_px = _step(joints[..., :2]) / max(_step(rooted_xy), _NO_STEP_PX)
    joints[..., :2] += joints_xy[:, _HIP, None] * trunks_per_px
    return joints


def _step(joints: Array) -> float:
    """Root of the mean squared step from row to row of (T, 17, 2), in its unit: what the lifter only scales."""
    return float(np.sqrt(np.nanmean(np.diff(joints, axis=0) ** 2)))


def _trunk(joints: Array) -> float:
    """Median distance from hip to thorax in (T, 17, D), in its unit."""
    return float(np.nanmedian(np.linalg.norm(joints[:, _THORAX] - joints[:, _HIP], axis=-1)))


def _bridged(track: Array) -> Array:
    """(T, 17, 3) with every NaN on the straight line between its neighbours in time; all NaN stays so."""
    flat = track.reshape(len(track), -1).copy()
    frames = np.arange(len(flat))
    for column in flat.T:
        is_there = np.isfinite(column)
        if is_there.any() and not is_there.all():
            column[~is_there] = np.interp(frames[~is_there], frames[is_there], column[is_there])
    return np.asarray(flat.reshape(track.shape))
