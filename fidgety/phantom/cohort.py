"""Many phantom infants: categories, characteristics, confounders and recordings that follow from one seed.

Normal infants and infants at risk come matched: the n-th of either class share activity, crying, kicks, tremor, FMs
amplitude, amount of movement, duration and frame rate, and are about as lively where that is asked for
(`liveliness.py`); they differ in posture and movement. So even a small cohort offers no shortcut by chance. Where one
class is larger, several of it share what one of the other has. Camera, appearance and pose errors are drawn elsewhere
(`video.py`, `cohort_kinds.py`), without the category.

Gestation, sex, birth weight and age are each infant's own, drawn without the category: they are **not informative**. A
pair does not share them: a network that remembers those of one would be wrong about the other in every test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fidgety.phantom.kinematics import Control, simulate_control, simulate_motion
from fidgety.phantom.liveliness import liveliness, unlikeness
from fidgety.phantom.motion import Category, Confounders, Motion
from fidgety.phantom.ordinary_movements import draw_ordinary
from fidgety.records import Characteristics

__all__ = ["RISK_CATEGORIES", "TRAINING_MIX", "Infant", "draw_characteristics", "draw_confounders", "simulate_cohort"]

RISK_CATEGORIES: frozenset[Category] = frozenset({"sporadic", "absent"})
# Half of a training cohort at risk. A clinical cohort holds fewer (published external cohort: 48 of 221).
TRAINING_MIX: Mapping[Category, float] = {"continual": 0.2, "intermittent": 0.3, "sporadic": 0.3, "absent": 0.2}


@dataclass(frozen=True, slots=True, eq=False)
class Infant:
    """One phantom infant with one recording. `motion` holds the true joints and bouts."""

    infant_id: str
    pair: int  # infants of one pair, at least one of either class, share confounders, duration and frame rate
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
    control_share: float = 0.0,
    n_tries: int = 1,
) -> Iterator[Infant]:
    """Infants of a cohort one by one; each is simulated when it is asked for.

    `mix`: shares of the categories (any scale). `duration_s`: range of the recordings' length, drawn evenly, in whole
    seconds. `fps`: rate of all recordings; None draws 25 or 30. `heavy_share`: of restless infants. `control_share`:
    of the infants with absent FMs, who then do but one of the things that are taken for FMs, or nothing at all.
    `n_tries`: of so many movements that one is taken which is as lively as that of the pair's first infant; 1 takes
    what comes. Raises ValueError for a mix without weight or an empty range.
    """
    if sum(mix.values()) <= 0.0 or min(mix.values()) < 0.0:
        raise ValueError(f"the mix of categories has no weight or a negative one: {dict(mix)}")
    if not 0.0 < duration_s[0] <= duration_s[1]:
        raise ValueError(f"no recording lasts {duration_s[0]} to {duration_s[1]} s")
    categories = _draw_categories(np.random.default_rng([seed, 0]), n_infants, mix)
    return _simulate_pairs(categories, _Rules(seed, duration_s, fps, heavy_share, control_share), n_tries)


@dataclass(frozen=True, slots=True)
class _Rules:
    """What holds for every infant of a cohort: `simulate_cohort` says what each is."""

    seed: int
    duration_s: tuple[float, float]
    fps: float | None
    heavy_share: float
    control_share: float


def _simulate_pairs(categories: list[Category], rules: _Rules, n_tries: int) -> Iterator[Infant]:
    first: dict[int, NDArray[np.float64]] = {}  # liveliness of each pair's first infant
    for number, (pair, category) in enumerate(zip(_pairs(categories), categories, strict=True)):
        tries = [
            _simulate_infant(rules, number, attempt, pair, category)
            for attempt in range(n_tries if pair in first else 1)
        ]
        infant = tries[0]
        if len(tries) > 1:
            infant = min(tries, key=lambda one: unlikeness(liveliness(one.motion), first[pair]))
        if n_tries > 1:
            first.setdefault(pair, liveliness(infant.motion))
        yield infant


def _pairs(categories: list[Category]) -> list[int]:
    """The n-th infants of either class (normal, at risk) make pair n; the larger class begins again with pair 0."""
    is_risk = [category in RISK_CATEGORIES for category in categories]
    n_pairs = min(sum(is_risk), len(is_risk) - sum(is_risk)) or len(is_risk)
    return [is_risk[:i].count(risk) % n_pairs for i, risk in enumerate(is_risk)]


def _simulate_infant(rules: _Rules, number: int, attempt: int, pair: int, category: Category) -> Infant:
    """The infant of this number, with what is drawn for its pair; movement and characteristics are its own."""
    seed = rules.seed
    characteristics = draw_characteristics(np.random.default_rng([seed, 4, number]))
    rng = np.random.default_rng([seed, 1, pair])
    draw_characteristics(rng)  # not used: left so that a seed's confounders and lengths stay what they are
    drawn = draw_confounders(rng, rules.heavy_share)
    lasts_s = float(np.round(rng.uniform(*rules.duration_s)))
    drawn_fps = float(rng.choice([25.0, 30.0]))
    rate_hz = drawn_fps if rules.fps is None else rules.fps
    share, amplitude = draw_ordinary(np.random.default_rng([seed, 3, pair]))
    confounders = replace(drawn, share_in_motion=share, ordinary_amplitude=amplitude)
    own_seed = int(np.random.default_rng([seed, 2, number, *([attempt] if attempt else [])]).integers(2**31))
    control = _draw_control(np.random.default_rng([seed, 5, number]), rules.control_share, category)
    if control is None:
        motion = simulate_motion(own_seed, category, lasts_s, rate_hz, confounders)
    else:
        motion = simulate_control(control, own_seed, lasts_s, rate_hz)
    return Infant(
        f"phantom-{seed}-{number:04d}", pair, category, characteristics, motion.confounders, rate_hz, lasts_s, motion
    )


def _draw_control(rng: np.random.Generator, share: float, category: Category) -> Control | None:
    kinds = get_args(Control)
    is_control = category == "absent" and bool(rng.uniform() < share)
    return kinds[int(rng.integers(len(kinds)))] if is_control else None
