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
    """Try what every device would load at once; what has left for one device has left for all of them."""
    staying, settled, judged = list(passed), Settled([]), dict[frozenset[Path], tuple[ChainDifference, ...]]()
    while True:
        loads = {device: _loads(staying, device) for device in _LOADING}
        verdicts = {
            device: _judge(reference, loaded, device, judged, place, log) for device, loaded in loads.items() if loaded
        }
        failing = next((device for device, verdict in verdicts.items() if verdict), None)
        if failing is None:
            break
        worst = max(loads[failing], key=lambda one: one.change)
        why = f"on {failing} with {_names(loads[failing], worst) or 'itself'}: {verdicts[failing]}"
        log(f"{worst.candidate.path.name} leaves: {why}")
        settled.left[worst.candidate.path] = why
        staying.remove(worst)
    settled.kept = [one.candidate for one in staying]
    settled.together = [(device, judged[_key(loaded)]) for device, loaded in loads.items() if loaded]
    return settled


def _loads(staying: Sequence[Passed], device: Device) -> list[Passed]:
    """Of each network the first variant that is for this device."""
    first: dict[str, Passed] = {}
    for one in staying:
        if device in DEVICES[one.candidate.precision]:
            first.setdefault(one.candidate.network.file, one)
    return list(first.values())


def _judge(
    reference: Reference,
    loaded: Sequence[Passed],
    device: str,
    judged: dict[frozenset[Path], tuple[ChainDifference, ...]],
    place: Path,
    log: Callable[[str], None],
) -> str:
    """What is beyond the limits, or nothing. A set that was run before, or alone, is not run again."""
    key = _key(loaded)
    if len(loaded) == 1:
        judged.setdefault(key, loaded[0].chain)
    if key not in judged:
        log(f"{device}: {_names(loaded)} together")
        try:
            judged[key] = reference.chain([one.candidate for one in loaded], place / f"together-{len(judged)}")
        except BundleError as error:
            return f"recordings can no longer be scored: {error}"
    faults = reference.faults(judged[key])
    return faults[0] if faults else ""


def _key(loaded: Sequence[Passed]) -> frozenset[Path]:
    return frozenset(one.candidate.judged for one in loaded)


def _names(loaded: Sequence[Passed], but: Passed | None = None) -> str:
    return ", ".join(one.candidate.path.name for one in loaded if one is not but)
