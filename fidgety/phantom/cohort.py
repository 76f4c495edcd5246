"""Many phantom infants: categories, characteristics, confounders and recordings that follow from one seed.

Normal infants and infants at risk come matched: the n-th of either class share gestation, sex, birth weight, age,
activity, crying, kicks, tremor, FMs amplitude, duration and frame rate, and differ in posture and movement. So even a
small cohort offers no shortcut by chance: the characteristics are **not informative** of the class, nor are the
confounders. Where one class is larger, its surplus has draws of its own from the same distributions. Camera, appearance
and pose errors are drawn elsewhere (`video.py`, `observe.py`), without the category.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fidgety.phantom.kinematics import simulate_motion
from fidgety.phantom.motion import Category, Confounders, Motion
from fidgety.records import Characteristics

__all__ = ["RISK_CATEGORIES", "TRAINING_MIX", "Infant", "draw_characteristics", "draw_confounders", "simulate_cohort"]

RISK_CATEGORIES: frozenset[Category] = frozenset({"sporadic", "absent"})
# Half of a training cohort at risk. A clinical cohort holds fewer (published external cohort: 48 of 221).
TRAINING_MIX: Mapping[Category, float] = {"continual": 0.2, "intermittent": 0.3, "sporadic": 0.3, "absent": 0.2}


@dataclass(frozen=True, slots=True, eq=False)
class Infant:
    """One phantom infant with one recording. `motion` holds the true joints and bouts."""

    infant_id: str
    category: Category
    characteristics: Characteristics
    confounders: Confounders
    fps: float
    duration_s: float
    motion: Motion

    @property
    def is_risk(self) -> bool:
        return self.category in RISK_CATEGORIES


def draw_characteristics(rng: np.random.Generator) -> Characteristics:
    """Characteristics of an infant of a follow-up clinic, all known: 60 % preterm, weight by gestation and sex.

    Corrected age 11-17 weeks, gestation 25-41.9 weeks; the weight curve is a rough one of ours, SD 12 %.
    """
    is_preterm = bool(rng.uniform() < 0.6)
    gestation_weeks = float(rng.uniform(25.0, 37.0) if is_preterm else rng.uniform(37.0, 41.9))
    sex: Literal["female", "male"] = "male" if rng.uniform() < 0.5 else "female"
    mean_g = 800.0 + 2700.0 * ((gestation_weeks - 25.0) / 15.0) ** 1.15
    weight_g = mean_g * (1.03 if sex == "male" else 0.97) * float(np.exp(0.12 * rng.standard_normal()))
    return Characteristics(
        corrected_age_weeks=round(float(rng.uniform(11.0, 17.0)), 1),
        gestation_weeks=round(gestation_weeks, 1),
        sex=sex,
        birth_weight_g=round(float(np.clip(weight_g, 450.0, 5000.0))),
    )


def draw_confounders(rng: np.random.Generator, heavy_share: float = 0.0) -> Confounders:
    """Activity x .5-2 (log-normal); 15 % kick, 15 % cry, 15 % tremble; FMs amplitude x .6-1.6.

    `heavy_share`: so many are restless: 60 % of those kick, 60 % cry, 60 % tremble, and all are 1 to 2 times as active.
    """
    is_heavy = bool(rng.uniform() < heavy_share)
    share = 0.6 if is_heavy else 0.15
    activity = float(np.clip(np.exp(0.35 * rng.standard_normal()), 0.5, 2.0))
    return Confounders(
        activity=max(activity, 1.0 / activity) if is_heavy else activity,
        kicks=bool(rng.uniform() < share),
        crying=bool(rng.uniform() < share),
        tremor=bool(rng.uniform() < share),
        fms_amplitude=float(np.exp(rng.uniform(np.log(0.6), np.log(1.6)))),
    )


def _draw_categories(rng: np.random.Generator, n_infants: int, mix: Mapping[Category, float]) -> list[Category]:
    """Categories in random order, as many of each as the mix asks for, to within one infant."""
    borders = np.round(n_infants * np.cumsum(list(mix.values())) / sum(mix.values())).astype(int)
    counts = np.diff(borders, prepend=0)
    categories = [category for category, count in zip(mix, counts, strict=True) for _ in range(count)]
    return [categories[i] for i in rng.permutation(n_infants)]


def simulate_cohort(
    n_infants: int,
    seed: int,
    *,
    mix: Mapping[Category, float] = TRAINING_MIX,
    duration_s: tuple[float, float] = (90.0, 180.0),
    fps: float | None = None,
    heavy_share: float = 0.0,
) -> Iterator[Infant]:
    """Infants of a cohort one by one; each is simulated when it is asked for.

    `mix`: shares of the categories (any scale). `duration_s`: range of the recordings' length, drawn evenly, in whole
    seconds. `fps`: rate of all recordings; None draws 25 or 30. `heavy_share`: of restless infants. Raises ValueError
    for a mix without weight or an empty range.
    """
    if sum(mix.values()) <= 0.0 or min(mix.values()) < 0.0:
        raise ValueError(f"the mix of categories has no weight or a negative one: {dict(mix)}")
    if not 0.0 < duration_s[0] <= duration_s[1]:
        raise ValueError(f"no recording lasts {duration_s[0]} to {duration_s[1]} s")
    categories = _draw_categories(np.random.default_rng([seed, 0]), n_infants, mix)
    ranks = _ranks_in_class(categories)
    return (
        _simulate_infant(seed, i, rank, category, duration_s, fps, heavy_share)
        for i, (rank, category) in enumerate(zip(ranks, categories, strict=True))
    )


def _ranks_in_class(categories: list[Category]) -> list[int]:
    """For each infant, how many of its class (normal or at risk) came before it."""
    is_risk = [category in RISK_CATEGORIES for category in categories]
    return [is_risk[:i].count(risk) for i, risk in enumerate(is_risk)]


def _simulate_infant(
    seed: int,
    number: int,
    rank: int,
    category: Category,
    duration_s: tuple[float, float],
    fps: float | None,
    heavy_share: float,
) -> Infant:
    """The infant of this number, with what is drawn for the `rank`-th pair; the movement is its own."""
    rng = np.random.default_rng([seed, 1, rank])
    characteristics, confounders = draw_characteristics(rng), draw_confounders(rng, heavy_share)
    lasts_s = float(np.round(rng.uniform(*duration_s)))
    drawn_fps = float(rng.choice([25.0, 30.0]))
    rate_hz = drawn_fps if fps is None else fps
    own_seed = int(np.random.default_rng([seed, 2, number]).integers(2**31))
    motion = simulate_motion(own_seed, category, lasts_s, rate_hz, confounders)
    return Infant(f"phantom-{seed}-{number:04d}", category, characteristics, confounders, rate_hz, lasts_s, motion)
