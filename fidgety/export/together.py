"""Variants that each pass the gate -> those that also pass it together, as one device loads them.

Each alone may change a finding by less than the limit, and all of them at once by more. Then the one that changes most
by itself leaves, until the rest passes; the float32 graph does its work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fidgety.bundle.manifest import Device
from fidgety.errors import BundleError
from fidgety.export.candidates import DEVICES, Candidate
from fidgety.export.chain_parity import ChainDifference
from fidgety.export.reference import Reference

__all__ = ["Passed", "Settled", "settle"]

_LOADING: tuple[Device, ...] = ("cpu", "cuda", "tensorrt")


@dataclass(frozen=True, slots=True, eq=False)
class Passed:
    """A candidate that passed by itself, with its run of the whole recordings."""

    candidate: Candidate
    chain: tuple[ChainDifference, ...]

    @property
    def change(self) -> tuple[float, float, float]:
        """How much it changes what the user is told, the gravest first: windows, the risk, P(FMs)."""
        return (
            sum(abs(d.n_fms - d.n_fms_reference) for d in self.chain),
            max(abs(d.risk - d.risk_reference) for d in self.chain),
            max(d.probability_p95 for d in self.chain),
        )


@dataclass(slots=True)
class Settled:
    """What came of it."""

    kept: list[Candidate]
    left: dict[Path, str] = field(default_factory=dict)  # Candidate.path -> why it left
    together: list[tuple[str, tuple[ChainDifference, ...]]] = field(default_factory=list)  # device -> all it loads


def settle(reference: Reference, passed: Sequence[Passed], place: Path, log: Callable[[str], None]) -> Settled:
    """Try what every device would load at once; what has left for one device has left for all of them.

    place: folder for the gate's bundles.
    """
    staying, settled, trials = list(passed), Settled([]), _Trials(reference, place, log)
    while True:
        loads = {device: loaded for device in _LOADING if (loaded := _loads(staying, device))}
        failing = next((device for device, loaded in loads.items() if trials.of(loaded).fault), None)
        if failing is None:
            break
        worst = max(loads[failing], key=lambda one: one.change)
        why = f"on {failing} with {_names(loads[failing], worst) or 'itself'}: {trials.of(loads[failing]).fault}"
        log(f"{worst.candidate.path.name} leaves: {why}")
        settled.left[worst.candidate.path] = why
        staying.remove(worst)
    settled.kept = [one.candidate for one in staying]
    settled.together = [(device, trials.of(loaded).chain) for device, loaded in loads.items()]
    return settled


@dataclass(frozen=True, slots=True)
class _Trial:
    """Some variants at once."""

    chain: tuple[ChainDifference, ...]
    fault: str  # the first thing beyond the limits, or nothing


class _Trials:
    """Runs each set of variants once, whichever devices load it."""

    def __init__(self, reference: Reference, place: Path, log: Callable[[str], None]) -> None:
        self._reference, self._place, self._log = reference, place, log
        self._known: dict[frozenset[Path], _Trial] = {}

    def of(self, loaded: Sequence[Passed]) -> _Trial:
        """What comes of this set. One variant alone was run before."""
        key = frozenset(one.candidate.judged for one in loaded)
        if key not in self._known:
            self._known[key] = self._judge(loaded[0].chain) if len(loaded) == 1 else self._run(loaded)
        return self._known[key]

    def _run(self, loaded: Sequence[Passed]) -> _Trial:
        self._log(f"{_names(loaded)} together")
        folder = self._place / f"together-{len(self._known)}"
        try:
            return self._judge(self._reference.chain([one.candidate for one in loaded], folder))
        except BundleError as error:
            return _Trial((), f"recordings can no longer be scored: {error}")

    def _judge(self, chain: tuple[ChainDifference, ...]) -> _Trial:
        return _Trial(chain, next(iter(self._reference.faults(chain)), ""))


def _loads(staying: Sequence[Passed], device: Device) -> list[Passed]:
    """Of each network the first variant that is for this device."""
    first: dict[str, Passed] = {}
    for one in staying:
        if device in DEVICES[one.candidate.precision]:
            first.setdefault(one.candidate.network.file, one)
    return list(first.values())


def _names(loaded: Sequence[Passed], but: Passed | None = None) -> str:
    return ", ".join(one.candidate.path.name for one in loaded if one is not but)
