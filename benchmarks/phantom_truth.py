"""True against measured FMs frequency on freshly rendered recordings, and controls that hold no FMs.

    python benchmarks/phantom_truth.py FOLDER [--plan six|twenty] [--first-seed 710000] [--seconds 90]

Renders what FOLDER does not hold yet (two at a time), scores it through the whole chain and prints the table of the
README. `six`: one recording of each category and two of very restless infants. `twenty`: five of each category, every
one with confounders of its own. Both come with the four controls. The seeds are used by no training and no noise study.
"""

import argparse
import csv
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from machine import describe_machine

from fidgety.bundle import default_bundle_path, open_bundle
from fidgety.phantom.appearance import draw_appearance
from fidgety.phantom.fidgety_movements import fms_share, true_fms_frequency
from fidgety.phantom.kinematics import simulate_control, simulate_motion
from fidgety.phantom.motion import Confounders, Motion
from fidgety.phantom.scene import frame_camera
from fidgety.phantom.truth import read_truth
from fidgety.phantom.video import render_recording
from fidgety.records import Assessment, Characteristics, Stretch
from fidgety.runtime.pipeline import Job, assess_recording
from fidgety.runtime.source import open_source
from fidgety.training.statistics.roc import auc

NONE = Confounders()
HEAVY = Confounders(kicks=True, crying=True, tremor=True, activity=1.6)
CATEGORIES = ("continual", "intermittent", "sporadic", "absent")
CONTROLS = ("motionless", "kicks", "tremor", "crying")


@dataclass(frozen=True)
class Case:
    name: str
    kind: str  # a category, or a control
    confounders: Confounders = NONE
    has_interruptions: bool = False  # a carer's hand, and one frame in a hundred lost
    fps: float = 25.0

    @property
    def is_control(self) -> bool:
        return self.kind in CONTROLS


CONTROL_CASES = tuple(Case(kind if kind == "motionless" else f"{kind}-only", kind) for kind in CONTROLS)
SIX = (
    Case("continual", "continual"),
    Case("intermittent", "intermittent", fps=30.0),
    Case("sporadic", "sporadic"),
    Case("absent", "absent", fps=30.0),
    Case("intermittent-heavy", "intermittent", HEAVY, has_interruptions=True),
    Case("sporadic-heavy", "sporadic", HEAVY, has_interruptions=True),
)
_CONFOUNDED = {
    "kicks": (Confounders(kicks=True), False, 25.0),
    "crying": (Confounders(crying=True), False, 30.0),
    "tremor": (Confounders(tremor=True), False, 25.0),
    "lively": (Confounders(activity=1.6), True, 30.0),
    "heavy": (HEAVY, True, 25.0),
}
TWENTY = tuple(Case(f"{kind}-{name}", kind, *what) for kind in CATEGORIES for name, what in _CONFOUNDED.items())
PLANS = {"six": SIX, "twenty": TWENTY}


def simulate(case: Case, seed: int, seconds: float) -> Motion:
    if case.is_control:
        return simulate_control(case.kind, seed, seconds, case.fps)  # type: ignore[arg-type]
    return simulate_motion(seed, case.kind, seconds, case.fps, case.confounders)  # type: ignore[arg-type]


def render(case: Case, seed: int, seconds: float, folder: Path) -> Path:
    path = folder / f"{case.name}-{seed}.mp4"
    if not path.is_file():
        rng = np.random.default_rng(seed)
        motion = simulate(case, seed, seconds)
        camera = frame_camera(
            motion, fill=rng.uniform(0.6, 0.85), tilt_deg=rng.uniform(0, 30), roll_deg=rng.uniform(0, 360)
        )
        look = draw_appearance(seed, has_carer_hand=case.has_interruptions)
        n_lost = len(motion) // 100 if case.has_interruptions else 0
        lost = set(rng.choice(len(motion), n_lost, replace=False).tolist())
        render_recording(path, motion, camera, look, dropped_frames=lost, threads=1)
    return path


def window_agreement(result: Assessment, bouts: tuple[Stretch, ...], threshold: float) -> tuple[int, int, int, int]:
    """(both, only measured, only true, neither) over the localisation windows."""
    counts = [0, 0, 0, 0]
    for window in result.timeline:
        if window.fms_probability is not None:
            measured = window.fms_probability >= threshold
            true = fms_share(bouts, window.start_s, window.end_s) > 0.5
            counts[0 if measured and true else 1 if measured else 2 if true else 3] += 1
    return counts[0], counts[1], counts[2], counts[3]


def kappa(counts: np.ndarray) -> float:
    both, measured, true, neither = counts / counts.sum()
    expected = (both + measured) * (both + true) + (neither + measured) * (neither + true)
    return float((both + neither - expected) / (1 - expected))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--plan", choices=PLANS, default="six")
    parser.add_argument("--first-seed", type=int, default=710_000)
    parser.add_argument("--seconds", type=float, default=90.0)
    parser.add_argument("--workers", type=int, default=2, help="renders at a time")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    plan = [(case, given.first_seed + i) for i, case in enumerate((*PLANS[given.plan], *CONTROL_CASES))]
    with ProcessPoolExecutor(given.workers) as pool:
        waiting = [pool.submit(render, case, seed, given.seconds, given.folder) for case, seed in plan]
        paths = [one.result() for one in waiting]
    bundle = open_bundle(default_bundle_path())
    threshold = bundle.manifest.operating_point.fms_threshold
    rows, errors, agreement = [], [], np.zeros(4)
    risks: list[tuple[float, bool]] = []
    for (case, seed), path in zip(plan, paths, strict=True):
        bouts = read_truth(path).bouts
        with open_source(str(path)) as source:
            result = assess_recording(source, bundle, Job(path.name, Characteristics(13.0)))
        true = true_fms_frequency(bouts, given.seconds)
        rows.append([case.name, seed, f"{true:.3f}"])
        if result.frequency is None or result.risk is None:
            rows[-1] += ["not assessable", "; ".join(reason.code for reason in result.quality.reasons), "", "", ""]
            continue
        if not case.is_control:
            errors.append(abs(result.frequency.value - true))
            agreement += window_agreement(result, bouts, threshold)
            risks.append((result.risk.probability, case.kind in ("sporadic", "absent")))
        is_right = result.risk.is_risk == (case.kind not in ("continual", "intermittent"))
        rows[-1] += [
            f"{result.frequency.value:.3f}",
            f"{result.frequency.n_fms}/{result.frequency.n_instances}",
            f"{result.risk.probability:.3f}",
            "right" if is_right else "WRONG",
            f"{result.quality.measures.get('noise_floor_mm') or np.nan:.2f}",
        ]
    print(f"{describe_machine()}\n{bundle.label}")
    head = ["recording", "seed", "true", "measured", "k/N", "risk", "class", "floor, mm"]
    for row in [head, *rows]:
        print(" ".join(f"{cell:>{width}}" for cell, width in zip(row, (20, 7, 6, 9, 6, 6, 6, 10), strict=True)))
    print(
        f"mean absolute error {np.mean(errors):.3f} over {len(errors)}; window kappa {kappa(agreement):.2f}; "
        f"risk AUC {auc(*zip(*risks, strict=True)):.3f}"
    )
    with (given.folder / "table.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)


if __name__ == "__main__":
    main()
