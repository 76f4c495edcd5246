"""Window -> WindowScore; WindowScores (+ characteristics) -> FMs frequency, risk, bouts (SPEC 3, 4).

Intervals: windows overlap, so both come from a moving-block bootstrap over neighbouring instances. Where all instances
agree a bootstrap knows no doubt, so neither is narrower than what Wilson's interval at the number of instances that do
not overlap makes of it: of the FMs frequency itself, and of the bag's probability, from which the risk follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from fidgety.bundle import Bundle
from fidgety.records import (
    Characteristics,
    FloatArray,
    FmsFrequency,
    Risk,
    Stretch,
    Window,
    WindowScore,
)
from fidgety.runtime.devices import CPU, Device
from fidgety.runtime.networks import BAG, INFO, graph_of, window_network
from fidgety.runtime.open_session import open_graph

__all__ = ["Mam", "find_bouts", "find_voids", "fms_frequency"]

_N_RESAMPLES = 2000
_BAGS_TOGETHER = 100  # resamples a run: the bag graph's hidden layer takes 13 kB a bag of 10 minutes
_BLOCK = 2  # neighbouring instances share 90 of 240 frames, the next but one none
_Z95 = 1.959964


class Mam:
    """The three MAM graphs of a bundle."""

    def __init__(self, bundle: Bundle, n_threads: int = 1, device: Device = CPU) -> None:
        self._manifest = bundle.manifest
        settings = self._manifest.mam
        self._clip_temperature = np.float32(self._manifest.probability.clip_temperature)
        window_graph = graph_of(bundle, settings.window_graph, window_network(settings), device.name)
        self._window_graph = open_graph(window_graph, device, n_threads)
        self._bag_graph = open_graph(graph_of(bundle, settings.bag_graph, BAG))
        self._info_graph = open_graph(graph_of(bundle, settings.info_graph, INFO))

    def score(self, windows: Iterable[Window]) -> Iterator[WindowScore]:
        """Scores in the order of the windows; void windows come without a probability.

        One window a run: four together take 10 % more processor time a window (their layers no longer fit the cache).
        """
        for window in windows:
            fms_probability, classes = None, None
            if window.void is None:
                logits = self.logits(window)
                raw, calibrated = _softmax(logits), _softmax(logits / self._clip_temperature)
                fms_probability, classes = float(calibrated[0]), (float(raw[0]), float(raw[1]))
            yield WindowScore(
                window.start_s,
                window.end_s,
                window.is_instance,
                window.is_localisation,
                fms_probability,
                classes,
                window.void,
            )

    def logits(self, window: Window) -> FloatArray:
        """(2,) raw logits (FMs, non-FMs) of a window that is not void."""
        return np.asarray(self._window_graph.run(windows=window.joints_xyz[None])["logits"][0])

    def risk(self, scores: Sequence[WindowScore], characteristics: Characteristics) -> Risk:
        """The recording's risk from its scored instances. Raises ValueError when there are none.

        The interval is that of the bootstrap, widened where it is narrower than this: the bag's probability of non-FMs
        is a mean of the instances', each in [0, 1]. Such a mean of n independent values varies no more than a share of
        n does (p (1 - p) / n), so Wilson's interval for a share holds for it; its ends go on as the bag's probability
        does, with the Info Branch through softmax and Platt's line. This counts all instances alike; where the bag does
        not, the doubt is larger, and the bootstrap, which weighs as the bag does, tells it.
        """
        instances = [s.class_probabilities for s in scores if s.is_instance and s.class_probabilities is not None]
        if not instances:
            raise ValueError("no scored instance")
        probabilities = np.array(instances, np.float32)
        info = self._info(characteristics)
        bag = self._bag(probabilities[None])
        point = self._calibrated(bag, info)[0]
        picks = _block_resamples(len(probabilities))
        pieces = (picks[i : i + _BAGS_TOGETHER] for i in range(0, len(picks), _BAGS_TOGETHER))
        resamples = np.concatenate([self._calibrated(self._bag(probabilities[piece]), info) for piece in pieces])
        low, high = np.quantile(resamples, [0.025, 0.975])
        ends = [(1.0 - p, p) for p in _wilson(float(np.clip(bag[0, 1], 0.0, 1.0)), _n_apart(len(probabilities)))]
        least, most = self._calibrated(np.array(ends, np.float32), info)
        threshold, site = self._manifest.operating_point.risk_threshold, self._manifest.operating_point.site
        is_risk = bool(point >= threshold)
        return Risk(
            float(point),
            float(min(low, least, point)),
            float(max(high, most, point)),
            threshold,
            is_risk,
            info is not None,
            None if site is None else site.prevalence,
            None if site is None else site.ppv if is_risk else site.npv,
        )

    def _info(self, characteristics: Characteristics) -> FloatArray | None:
        """(1, 2) float32 of the Info Branch, or None when a characteristic is not known: then it is left out."""
        if not characteristics.are_complete:
            return None
        row = np.array(
            [
                [
                    1.0 if characteristics.sex == "male" else 0.0,
                    characteristics.gestation_weeks,
                    characteristics.birth_weight_g,
                    characteristics.corrected_age_weeks,
                ]
            ],
            np.float32,
        )
        return np.asarray(self._info_graph.run(characteristics=row)["info"])

    def _bag(self, instances: FloatArray) -> FloatArray:
        """(B, N, 2) class probabilities of instances -> (B, 2) of their bags."""
        mask = np.ones(instances.shape[:2], np.float32)
        return np.asarray(self._bag_graph.run(class_probabilities=instances, mask=mask)["bag"])

    def _calibrated(self, bags: FloatArray, info: FloatArray | None) -> FloatArray:
        """(B, 2) probabilities of bags -> (B,) calibrated risk: softmax(bag + info), then Platt."""
        fused = bags if info is None else bags + info
        # Class 1 is non-FMs, which is the risk class of a bag; logit of a two-class softmax is the difference.
        logit = fused[:, 1] - fused[:, 0]
        calibration = self._manifest.probability
        scaled = calibration.risk_slope * logit + calibration.risk_intercept
        risk: FloatArray = (1.0 / (1.0 + np.exp(-scaled))).astype(np.float32)
        return risk


def fms_frequency(scores: Iterable[WindowScore], threshold: float) -> FmsFrequency | None:
    """Share of scored instances with P(FMs) >= threshold and its 95 % interval; None when none was scored."""
    holds = np.array(
        [s.fms_probability >= threshold for s in scores if s.is_instance and s.fms_probability is not None], bool
    )
    n = len(holds)
    if n == 0:
        return None
    value = float(holds.mean())
    boot_low, boot_high = np.quantile(holds[_block_resamples(n)].mean(axis=1), [0.025, 0.975])
    wilson_low, wilson_high = _wilson(value, _n_apart(n))
    return FmsFrequency(
        int(holds.sum()), n, value, float(min(boot_low, wilson_low)), float(max(boot_high, wilson_high))
    )


def find_bouts(timeline: Sequence[WindowScore], threshold: float) -> tuple[Stretch, ...]:
    """Stretches with FMs: runs of localisation windows from the threshold on, each standing for its middle 0.8 s."""
    return _runs(timeline, [s.fms_probability is not None and s.fms_probability >= threshold for s in timeline])


def find_voids(timeline: Sequence[WindowScore]) -> tuple[Stretch, ...]:
    """Stretches whose windows could not be scored, each window standing for its middle 0.8 s."""
    return _runs(timeline, [s.fms_probability is None for s in timeline])


def _runs(timeline: Sequence[WindowScore], is_in: Sequence[bool]) -> tuple[Stretch, ...]:
    step_s = timeline[1].start_s - timeline[0].start_s if len(timeline) > 1 else 0.8
    stretches: list[Stretch] = []
    for score, inside in zip(timeline, is_in, strict=True):
        if not inside:
            continue
        middle_s = (score.start_s + score.end_s) / 2
        start_s, end_s = round(middle_s - step_s / 2, 3), round(middle_s + step_s / 2, 3)
        if stretches and start_s - stretches[-1].end_s < 1e-6 + step_s / 2:
            stretches[-1] = Stretch(stretches[-1].start_s, end_s)
        else:
            stretches.append(Stretch(start_s, end_s))
    return tuple(stretches)


def _softmax(logits: FloatArray) -> FloatArray:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), np.float32)


def _block_resamples(n: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """(R, n) indices: moving blocks of neighbouring instances, drawn with replacement; the same for equal n."""
    rng = np.random.default_rng(20230707)
    n_blocks = -(-n // _BLOCK)
    starts = rng.integers(0, max(1, n - _BLOCK + 1), (_N_RESAMPLES, n_blocks))
    picks = (starts[:, :, None] + np.arange(_BLOCK)).reshape(_N_RESAMPLES, -1)[:, :n]
    return np.asarray(np.minimum(picks, n - 1))


def _n_apart(n: int) -> float:
    """So many of n >= 1 instances do not overlap: 150 of 240 frames are new in each."""
    return 1.0 + (n - 1) * 150 / 240


def _wilson(share: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval for a share of n (n need not be whole)."""
    centre = share + _Z95**2 / (2 * n)
    reach = _Z95 * np.sqrt(share * (1 - share) / n + _Z95**2 / (4 * n * n))
    scale = 1 + _Z95**2 / n
    return max(0.0, float((centre - reach) / scale)), min(1.0, float((centre + reach) / scale))
