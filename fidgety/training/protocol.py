"""A protocol file (TOML) -> what is trained, how long, and how. Every key must be there; unknown ones are refused.

`protocols/full.toml` holds the published figures (SPEC 3, 5), `protocols/reduced.toml` what two CPU cores can do,
`protocols/brief.toml` what they can do in two hours for a comparison of systems.
"""

from __future__ import annotations

import importlib
import sys
import typing
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeVar

from fidgety.errors import UsageError

__all__ = ["MamPlan", "Phase", "Protocol", "StamPlan", "WoGmaPlan", "protocol_of", "read_protocol"]

NAMED = ("brief", "reduced", "full")

Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of one network's training. The best epoch is kept, by the loss on held-out training infants."""

    epochs: int
    epoch_steps: int  # 0: as many as one pass over the data takes
    batch: int
    optimiser: Literal["adam", "sgd"]  # sgd: Nesterov, momentum .9
    rate: float  # the highest of the schedule
    least_rate: float  # of "cyclic"
    weight_decay: float
    schedule: Literal["constant", "step", "cyclic", "cosine"]  # schedules.py


@dataclass(frozen=True, slots=True)
class MamPlan:
    """MAM: Ref Branch pre-training, then the main training."""

    frame_stride: int  # every n-th frame goes through the encoder while training
    dropout: float  # of the clip network, behind its first convolution and its frames
    label_ramp: float  # clips whose FMs share lies within half of it about .5 carry soft labels; 0 = hard labels
    clear_steps: int  # of the pre-training, the first, on clear clips only
    has_strata: bool  # clips are drawn evenly by FMs share within their class, not only by class
    has_mirror: bool  # half of what is drawn is the mirror-image infant
    has_prior: bool  # the last bias is moved to the share of FMs that whole recordings have
    bag_rate: float  # factor on the main rate, for bag attention and Info Branch
    ref: Phase
    main: Phase


@dataclass(frozen=True, slots=True)
class StamPlan:
    """STAM. `width`: factor on its widths. `n_clips`: clips drawn of each recording while training, 0 = all."""

    width: float
    n_clips: int
    fit: Phase


@dataclass(frozen=True, slots=True)
class WoGmaPlan:
    """WO-GMA. `width`: factor on its widths. `n_blocks`: blocks in a row that are drawn of each recording, 0 = all."""

    width: float
    n_blocks: int
    fit: Phase


@dataclass(frozen=True, slots=True)
class Protocol:
    """How all systems are trained. EML has nothing to set."""

    name: str
    threads: int  # 0: as many as torch takes
    held_out_share: float  # of the training infants, on whom epoch and thresholds are chosen
    miss_weight: float  # false alarms that one missed infant weighs as much as: it sets the risk threshold
    checkpoint_steps: int
    mam: MamPlan
    stam: StamPlan
    wo_gma: WoGmaPlan


def read_protocol(name_or_path: str) -> Protocol:
    """The protocol "brief", "reduced" or "full", or that of a TOML file.

    Raises UsageError where there is no such file, it is no TOML, or a key is unknown, missing or of the wrong type.
    """
    named = name_or_path in NAMED
    path = Path(str(files("fidgety.training") / "protocols" / f"{name_or_path}.toml")) if named else Path(name_or_path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"no protocol {name_or_path}: name brief, reduced, full or a readable TOML file ({error})"
        ) from error
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        content = toml.loads(text)
    except toml.TOMLDecodeError as error:
        raise UsageError(f"{path.name} is no TOML ({error}): mend it there") from error
    return protocol_of(content, path.name)


def protocol_of(content: Mapping[str, Any], where: str) -> Protocol:
    """The protocol that these tables hold; `where` stands in messages. Raises UsageError as `read_protocol` does."""
    protocol = _read(Protocol, content, where)
    _check(protocol, where)
    return protocol


def _read(kind: type[Kind], content: Mapping[str, Any], where: str) -> Kind:
    """A record of a table; `where`: file and key, for messages."""
    hints = typing.get_type_hints(kind)
    if unknown := sorted(set(content) - set(hints)):
        raise UsageError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(hints)}")
    if missing := [name for name in hints if name not in content]:
        raise UsageError(f"{where}: key {missing[0]!r} is missing")
    return kind(**{name: _value(hints[name], content[name], f"{where}: {name}") for name in hints})


def _value(kind: Any, value: Any, where: str) -> Any:
    if is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise UsageError(f"{where} is {value!r}: expected a table")
        return _read(typing.cast("type[Any]", kind), value, where)
    if typing.get_origin(kind) is Literal:
        if value not in typing.get_args(kind):
            raise UsageError(f"{where} is {value!r}: expected one of {', '.join(typing.get_args(kind))}")
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number if kind is float else type(value) is kind):
        raise UsageError(f"{where} is {value!r}: expected {kind.__name__}")
    if kind in (int, float) and not 0 <= value < float("inf"):
        raise UsageError(f"{where} is {value!r}: expected 0 or more")
    return float(value) if kind is float else value


def _check(protocol: Protocol, where: str) -> None:
    """What no type tells."""
    if not 0.0 < protocol.held_out_share <= 0.5:
        raise UsageError(f"{where}: held_out_share is {protocol.held_out_share}: more than 0, .5 at most")
    if protocol.miss_weight <= 0.0:
        raise UsageError(f"{where}: miss_weight is {protocol.miss_weight}: expected more than 0")
    if protocol.mam.dropout >= 1.0:
        raise UsageError(f"{where}: mam: dropout is {protocol.mam.dropout}: expected less than 1")
    least_one = {"checkpoint_steps": protocol.checkpoint_steps, "mam: frame_stride": protocol.mam.frame_stride}
    phases = {"mam: ref": protocol.mam.ref, "mam: main": protocol.mam.main}
    phases |= {"stam: fit": protocol.stam.fit, "wo_gma: fit": protocol.wo_gma.fit}
    for place, phase in phases.items():
        least_one |= {f"{place}: {name}": getattr(phase, name) for name in ("epochs", "batch")}
    for place, value in least_one.items():
        if value < 1:
            raise UsageError(f"{where}: {place} is {value}: expected 1 or more")
    for place, least in (("mam: main", 4), ("stam: fit", 2), ("wo_gma: fit", 2), ("mam: ref", 4)):
        if phases[place].batch < least or phases[place].batch % least:
            raise UsageError(f"{where}: {place}: batch is {phases[place].batch}: expected a multiple of {least}")
