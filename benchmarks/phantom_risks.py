"""How well a bundle's risks part a cohort's infants, and how true they are: AUC, slope, sensitivity and specificity.

    fidgety phantom cohort EXTERNAL --kind external --infants 221 --seed 31
    python benchmarks/phantom_risks.py EXTERNAL [--before-align] [--clips] [--bundle BUNDLE]

Reads the pose tracks of a cohort through the chain and scores their instances, as the device does; the first recording
of an infant that can be assessed counts. `--before-align`: what `fidgety train-align` added to the demo's logits for
rendered recordings is taken off, since simulated tracks do not need it. `--clips`: also the kappa of windows every
0.8 s against the true bouts, by recording and over all. About 2 s a recording, with clips 4.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from machine import describe_machine

from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.cohort.inclusion import InclusionRules, include
from fidgety.cohort.read import read_cohort
from fidgety.cohort.records import CohortRecording, characteristics_at
from fidgety.cohort.tracks import open_track
from fidgety.demo_files import demo_file
from fidgety.records import FloatArray, Window
from fidgety.runtime.assess import Mam, fms_frequency
from fidgety.runtime.pipeline import lift_poses
from fidgety.runtime.repeats import RepeatFilter
from fidgety.runtime.windows import assessable_s, cut_windows
from fidgety.training.evaluation.references import gather_references
from fidgety.training.statistics.agreement import kappa
from fidgety.training.statistics.reliability import brier_score, fit_recalibration
from fidgety.training.statistics.roc import estimate_auc


@dataclass(frozen=True, slots=True)
class Infant:
    """What the bundle says of an infant, and what is true. clips: FMs seen and truly there, a pair a window."""

    risk: float
    fms_frequency: float
    is_risk: bool
    clips: tuple[tuple[bool, bool], ...]


class ShiftedMam(Mam):
    """MAM without what aligning it added to the odds of FMs."""

    def __init__(self, bundle: Bundle, shift_logits: float) -> None:
        super().__init__(bundle)
        self._shift = np.array([shift_logits / 2, -shift_logits / 2], np.float32)

    def logits(self, window: Window) -> FloatArray:
        return np.asarray(super().logits(window) - self._shift)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--before-align", action="store_true")
    parser.add_argument("--clips", action="store_true")
    parser.add_argument("--bundle", type=Path, default=default_bundle_path())
    given = parser.parse_args()
    bundle = open_bundle(given.bundle)
    account = json.loads(demo_file("training_log.json").read_text(encoding="utf-8"))
    mam = ShiftedMam(bundle, account["chain"]["shift_logits"] if given.before_align else 0.0)
    infants = list(score_all(given.cohort, bundle, mam, with_clips=given.clips))
    risks, frequencies = (np.array([getattr(one, name) for one in infants]) for name in ("risk", "fms_frequency"))
    is_risk = np.array([one.is_risk for one in infants])
    found, line = risks >= bundle.manifest.operating_point.risk_threshold, fit_recalibration(risks, is_risk)
    print(describe_machine())
    print(f"{bundle.label}: {len(infants)} infants, {is_risk.sum()} at risk")
    for name, scores in (("risk", risks), ("FMs frequency", -frequencies)):
        area = estimate_auc(scores, is_risk)
        print(f"AUC of the {name}: {area.value:.3f} ({area.low:.3f}-{area.high:.3f})")
    normal, at_risk = np.median(frequencies[~is_risk]), np.median(frequencies[is_risk])
    print(f"median FMs frequency: normal {normal:.2f}, at risk {at_risk:.2f}")
    print(f"sensitivity {found[is_risk].mean():.3f}, specificity {1 - found[~is_risk].mean():.3f}")
    print(f"slope {line.slope:.2f}, in the large {line.in_the_large:+.2f}, Brier {brier_score(risks, is_risk):.4f}")
    if given.clips:
        tell_kappa([one.clips for one in infants if one.clips])


def tell_kappa(recordings: Sequence[tuple[tuple[bool, bool], ...]]) -> None:
    seen, there = (np.array([clip[i] for one in recordings for clip in one]) for i in (0, 1))
    by_recording = [kappa(np.array(one)[:, 0], np.array(one)[:, 1]) for one in recordings]
    low, middle, high = np.nanquantile(by_recording, (0.25, 0.5, 0.75))
    print(f"kappa of {len(seen)} clips: by recording {middle:.3f} (IQR {low:.3f}-{high:.3f}), ", end="")
    print(f"over all {kappa(seen, there):.3f}")


def score_all(folder: Path, bundle: Bundle, mam: Mam, *, with_clips: bool) -> Iterator[Infant]:
    """Each infant that can be assessed, by the first recording that can be."""
    cohort = include(read_cohort(folder), InclusionRules(use="evaluation")).cohort
    truth = gather_references(cohort)[0].has_fms if with_clips else {}
    threshold = bundle.manifest.operating_point.fms_threshold
    for infant in cohort.infants:
        for recording in cohort.recordings_of(infant):
            windows = read_windows(recording, bundle)
            seconds = assessable_s(windows, bundle.manifest.mam, bundle.manifest.track.fps)
            if seconds < bundle.manifest.quality.min_assessable_s:
                continue
            scores = list(mam.score(one for one in windows if one.is_instance or (with_clips and one.is_localisation)))
            instances = [score for score in scores if score.is_instance]
            frequency = fms_frequency(instances, threshold)
            if frequency is not None:
                risk = mam.risk(instances, characteristics_at(infant, recording)).probability
                first_frames = {window.start_s: window.start_frame for window in windows}
                clips = tuple(
                    (score.fms_probability >= threshold, truth[recording.file, first_frames[score.start_s]])
                    for score in scores
                    if score.is_localisation and score.fms_probability is not None
                    if (recording.file, first_frames[score.start_s]) in truth
                )
                yield Infant(risk, frequency.value, infant.label == "risk", clips)
                break


def read_windows(recording: CohortRecording, bundle: Bundle) -> list[Window]:
    stored = open_track(recording)
    lifted = lift_poses(RepeatFilter().poses(stored.poses), stored.skeleton, bundle)
    return list(cut_windows(lifted, bundle.manifest.mam, bundle.manifest.track.fps))


main()
