"""What the real chain does to MAM's logits: rendered recordings through pose, track and MAM, beside their truth.

MAM is trained on simulated observers, which are never quite the chain. Between the two its logits shift (measured: FMs
are found somewhat too rarely on rendered recordings). `align_to_chain` moves the clip network's last bias by that
shift, so that even odds mean even odds on the device. Temperature, Platt's line and thresholds stay those of the
calibration cohort. Infants, cameras and looks come from seeds that no training, noise study or evaluation uses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from fidgety.bundle import Bundle
from fidgety.calibration.probability import fit_platt
from fidgety.errors import BundleError
from fidgety.export.mam import export_mam, read_weights
from fidgety.phantom.appearance import draw_appearance
from fidgety.phantom.cohort import draw_confounders
from fidgety.phantom.fidgety_movements import fms_share
from fidgety.phantom.kinematics import simulate_motion
from fidgety.phantom.motion import Category
from fidgety.phantom.scene import draw_camera
from fidgety.phantom.truth import read_truth
from fidgety.phantom.video import render_recording
from fidgety.records import FloatArray
from fidgety.runtime.assess import Mam
from fidgety.runtime.pipeline import window_recording
from fidgety.runtime.source import open_source
from fidgety.training.log import write_json

__all__ = ["ChainStudy", "align_to_chain", "logits_of_chain"]

_COMMAND = "fidgety train-align OUT"


@dataclass(frozen=True, slots=True)
class ChainStudy:
    """Which recordings are rendered. `heavy_share`: of restless infants."""

    n_recordings: int = 24
    duration_s: float = 40.0
    fps: float = 25.0
    first_seed: int = 960_000
    heavy_share: float = 0.4


def align_to_chain(mam_dir: Path, bundle: Bundle, folder: Path, study: ChainStudy) -> float:
    """Shift the weights in `mam_dir` (which `bundle` was built of), write graphs and account anew; gives the shift.

    Recordings are rendered into `folder`; what is there is used again. Raises BundleError where the bundle holds other
    graphs than the folder, UsageError where the recordings hold windows of one class only.
    """
    weights = dict(read_weights(mam_dir / "mam.npz"))
    if bundle.file(bundle.manifest.mam.window_graph).read_bytes() != (mam_dir / "mam_window.onnx").read_bytes():
        raise BundleError(f"the bundle was not built of {mam_dir}: build it with --mam first")
    logits, shares = logits_of_chain(bundle, folder, study)
    slope, intercept = fit_platt(logits[:, 0] - logits[:, 1], shares > 0.5)
    shift = intercept / slope
    weights["clip.head.bias"] = weights["clip.head.bias"] + np.array([shift / 2, -shift / 2], np.float32)
    np.savez(mam_dir / "mam.npz", **weights)  # type: ignore[arg-type]  # its stubs take names for allow_pickle
    export_mam(mam_dir / "mam.npz", mam_dir)
    _write_account(mam_dir, study, len(logits), slope, shift)
    return shift


def logits_of_chain(bundle: Bundle, folder: Path, study: ChainStudy) -> tuple[FloatArray, FloatArray]:
    """Raw logits (N, 2) of all localisation windows of all recordings, and their true FMs shares (N,)."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = range(study.first_seed, study.first_seed + study.n_recordings)
    with ProcessPoolExecutor(2) as pool:
        paths = list(pool.map(_render, seeds, [study] * len(seeds), [folder] * len(seeds)))
    rows = [row for path in paths for row in _windows_of(path, bundle)]
    return np.array([row[0] for row in rows], np.float32), np.array([row[1] for row in rows], np.float32)


def _windows_of(path: Path, bundle: Bundle) -> Iterator[tuple[FloatArray, float]]:
    """Logits (2,) and true FMs share of each scored localisation window."""
    bouts = read_truth(path).bouts
    mam = Mam(bundle)
    with open_source(str(path)) as source:
        for window in window_recording(source, bundle):
            if window.void is None and window.is_localisation:
                yield mam.logits(window), fms_share(bouts, window.start_s, window.end_s)


def _render(seed: int, study: ChainStudy, folder: Path) -> Path:
    path = folder / f"chain-{seed}.mp4"
    if not path.is_file():
        rng = np.random.default_rng([seed, 0xC4A])
        categories: tuple[Category, ...] = get_args(Category)
        confounders = draw_confounders(rng, study.heavy_share)
        motion = simulate_motion(seed, categories[seed % len(categories)], study.duration_s, study.fps, confounders)
        camera = draw_camera(rng, motion, (0.55, 0.85))
        look = draw_appearance(seed, has_carer_hand=bool(rng.uniform() < 0.2))
        render_recording(path, motion, camera, look, threads=1)
    return path


def _write_account(mam_dir: Path, study: ChainStudy, n_windows: int, slope: float, shift: float) -> None:
    """The account of the training, and the command that the bundle names as the weights' source."""
    account = json.loads((mam_dir / "training_log.json").read_text(encoding="utf-8"))
    account["chain"] = {
        "command": _COMMAND,
        "study": asdict(study),
        "n_windows": n_windows,
        "slope": round(slope, 4),
        "shift_logits": round(shift, 4),
    }
    write_json(mam_dir / "training_log.json", account)
    settings = json.loads((mam_dir / "mam.json").read_text(encoding="utf-8"))
    settings["command"] = f"{settings['command']}; {_COMMAND}"
    write_json(mam_dir / "mam.json", settings)
