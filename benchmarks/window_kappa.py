"""Does another way to read a window's logits agree better with the true bouts? Clip kappa of the demo's MAM.

    fidgety phantom cohort DEV --kind external --infants 48 --seed 77
    python benchmarks/window_kappa.py DEV [--every 2] [--bundle BUNDLE]

Plain; with all frames of a window through the encoder, every third and every sixth; the mean with the mirror-image
infant; with time reversed; with all three; and logits smoothed over neighbouring windows. Every window is read once in
each way, 1.6 s apart; about 25 s a recording. DEV must be of seeds that no reported figure is of.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.cohort.inclusion import InclusionRules, include
from fidgety.cohort.read import read_cohort
from fidgety.demo_files import demo_file
from fidgety.records import BoolArray, FloatArray
from fidgety.skeleton import H36M_17
from fidgety.training.cohort_tracks import track_cohort
from fidgety.training.evaluation.references import gather_references
from fidgety.training.models import window_logits
from fidgety.training.networks.mam import Mam
from fidgety.training.statistics.agreement import kappa

STRIDE = 20  # frames between windows of the localisation grid
OTHER_SIDE = np.array([-1.0, 1.0, 1.0], np.float32)
Readings = dict[str, FloatArray]  # way of reading -> logit of FMs against non-FMs, a window each
STRIDES = {"all frames": 1, "every third": 3, "every sixth": 6}  # plain: every second (READ_STRIDE)
SMOOTHERS = ((1.0, 0.5), (1.0, 1.0), (1.0, 0.7, 0.3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--every", type=int, default=2, help="windows of the localisation grid")
    parser.add_argument("--bundle", type=Path, default=default_bundle_path())
    given = parser.parse_args()
    torch.set_num_threads(1)
    bundle = open_bundle(given.bundle)
    recordings = list(read_all(given.cohort, bundle, given.every))
    chance = bundle.manifest.operating_point.fms_threshold
    limit = float(np.log(chance / (1 - chance))) * bundle.manifest.probability.clip_temperature
    step = given.every * STRIDE
    ways: dict[str, Callable[[FloatArray, Readings], FloatArray]] = {
        **{name: lambda _, one, n=name: one[n] for name in ("plain", *STRIDES)},
        "with the mirror image": lambda _, one: (one["plain"] + one["mirrored"]) / 2,
        "with time reversed": lambda _, one: (one["plain"] + one["reversed"]) / 2,
        "all three": lambda _, one: (one["plain"] + one["mirrored"] + one["reversed"]) / 3,
    }
    for weights in SMOOTHERS:
        ways[f"smoothed {weights}"] = lambda starts, one, w=weights: smooth(starts, one["plain"], w, step)
    print(f"{len(recordings)} recordings")
    print(f"{'reading':<26}{'median':>8}{'all':>8}{'sensitivity':>13}{'specificity':>13}{'other':>8}{'rms':>8}")
    plain = np.concatenate([one["plain"] for _, _, one in recordings])
    for name, way in ways.items():
        logits = [way(starts, readings) for starts, _, readings in recordings]
        found = [one >= limit for one in logits]
        truths = [truth for _, truth, _ in recordings]
        by_recording = [kappa(one, truth) for one, truth in zip(found, truths, strict=True)]
        says, holds, moved = np.concatenate(found), np.concatenate(truths), np.concatenate(logits) - plain
        others = (says != (plain >= limit)).mean()  # windows that this way takes for the other class than plain does
        print(
            f"{name:<26}{np.nanmedian(by_recording):8.3f}{kappa(says, holds):8.3f}"
            f"{says[holds].mean():13.3f}{1 - says[~holds].mean():13.3f}"
            f"{others:8.4f}{np.sqrt((moved**2).mean()):8.3f}"
        )


def read_all(folder: Path, bundle: Bundle, every: int) -> Sequence[tuple[FloatArray, BoolArray, Readings]]:
    """First frames, whether FMs are truly there, and logits, of each recording's windows."""
    network = Mam()
    with np.load(demo_file("mam.npz")) as weights:
        network.load_state_dict({name: torch.from_numpy(weights[name]) for name in weights.files}, strict=False)
    cohort = include(read_cohort(folder), InclusionRules(use="evaluation")).cohort
    truth = gather_references(cohort)[0].has_fms
    with TemporaryDirectory() as cache:
        infants = track_cohort(cohort, bundle, Path(cache), 60.0, lambda _: None)
    found = []
    for recording in (one for infant in infants for one in infant.recordings if one.is_assessable):
        starts = np.array([s for s in recording.localisation_starts[::every] if (recording.file, int(s)) in truth])
        windows = recording.windows(starts)
        mirrored = np.ascontiguousarray(windows[..., list(H36M_17.mirror), :] * OTHER_SIDE)
        sides = {"plain": windows, "mirrored": mirrored, "reversed": np.ascontiguousarray(windows[:, ::-1])}
        readings = {name: margin(window_logits(network.clip, side)) for name, side in sides.items()}
        readings |= {name: margin(window_logits(network.clip, windows, n)) for name, n in STRIDES.items()}
        found.append((starts, np.array([truth[recording.file, int(s)] for s in starts]), readings))
    return found


def margin(logits: FloatArray) -> FloatArray:
    return logits[:, 0] - logits[:, 1]


def smooth(starts: FloatArray, logits: FloatArray, weights: Sequence[float], step: int) -> FloatArray:
    """Weighted mean of each window and its neighbours `step` frames before and behind, where they were scored."""
    places = {int(start): i for i, start in enumerate(starts)}
    smoothed = np.empty_like(logits)
    for i, start in enumerate(starts):
        near = [
            (weights[abs(k)], logits[places[int(start) + k * step]])
            for k in range(1 - len(weights), len(weights))
            if int(start) + k * step in places
        ]
        smoothed[i] = sum(w * value for w, value in near) / sum(w for w, _ in near)
    return smoothed


main()
