"""Variants that pass alone and fail together: who leaves, who stays, and what is run again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest

from fidgety.bundle.manifest import Precision
from fidgety.calibration.networks import Network, NetworkName
from fidgety.errors import BundleError
from fidgety.export.candidates import Candidate
from fidgety.export.chain_parity import ChainDifference, faults_of
from fidgety.export.reference import Reference
from fidgety.export.together import Passed, settle

N_INSTANCES = 16


def difference(n_flipped: int = 0, risk: float = 0.0, probability: float = 0.0) -> ChainDifference:
    """A recording of 16 instances in which so many were found to be FMs more than in the reference."""
    return ChainDifference(
        "clip", 100, N_INSTANCES, 0.0, 0.0, 0.0, 0.0, probability, probability, 8, 8 + n_flipped, 0.2, 0.2 + risk,
        is_same_finding=True, is_same_verdict=True,
    )  # fmt: skip


def passed(name: NetworkName, precision: Precision = "fp16", **change: float) -> Passed:
    path = Path(f"{name}.{precision}.onnx")
    one = Candidate(Network(name, f"{name}.onnx", ({},)), precision, path, path.with_suffix(".judged.onnx"))
    return Passed(one, (difference(**change),))  # type: ignore[arg-type]


class AddingUp:
    """A float32 chain whose variants' errors add up, and that keeps count of its runs."""

    def __init__(self, hidden: dict[str, int], broken: frozenset[str] = frozenset()) -> None:
        self.hidden, self.broken, self.ran = hidden, broken, list[list[str]]()

    def chain(self, variants: Sequence[Candidate], folder: Path) -> tuple[ChainDifference, ...]:
        folder.mkdir(parents=True)  # as the gate makes its bundle there: never in the same place twice
        names = [one.path.name for one in variants]
        self.ran.append(names)
        if self.broken.issubset(names) and self.broken:
            raise BundleError("no window of it can be scored")
        return (difference(sum(self.hidden.get(name, 0) for name in names) // 2),)

    faults = staticmethod(faults_of)


def run(chain: AddingUp, *all_passed: Passed) -> tuple[list[str], dict[str, str], dict[str, int]]:
    with TemporaryDirectory() as place:
        settled = settle(cast(Reference, chain), all_passed, Path(place), lambda _: None)
    flipped = {device: d[0].n_fms - d[0].n_fms_reference for device, d in settled.together}
    return [one.path.name for one in settled.kept], {p.name: why for p, why in settled.left.items()}, flipped


def test_settle_the_one_that_changes_most_by_itself_leaves() -> None:
    chain = AddingUp({"detector.fp16.onnx": 1, "landmarks.fp16.onnx": 1})
    kept, left, flipped = run(
        chain, passed("detector", probability=0.02), passed("landmarks", probability=0.05), passed("lifter")
    )
    assert kept == ["detector.fp16.onnx", "lifter.fp16.onnx"]
    assert list(left) == ["landmarks.fp16.onnx"]
    assert (
        "with detector.fp16.onnx, lifter.fp16.onnx: the FMs frequency changes by 0.062" in left["landmarks.fp16.onnx"]
    )
    assert flipped == {"cuda": 0, "tensorrt": 0}
    assert len(chain.ran) == 2  # the same set serves both devices


def test_settle_a_change_of_risk_weighs_more_than_any_of_probability() -> None:
    chain = AddingUp({"detector.fp16.onnx": 1, "landmarks.fp16.onnx": 1})
    kept, _, _ = run(chain, passed("detector", risk=0.01), passed("landmarks", probability=0.09))
    assert kept == ["landmarks.fp16.onnx"]


def test_settle_all_leave_but_one_where_every_pair_fails() -> None:
    names: tuple[NetworkName, ...] = ("detector", "landmarks", "lifter")
    chain = AddingUp({f"{name}.fp16.onnx": 1 for name in names})
    kept, left, _ = run(chain, *(passed(name, probability=0.01 * i) for i, name in enumerate(names)))
    assert kept == ["detector.fp16.onnx"] and list(left) == ["lifter.fp16.onnx", "landmarks.fp16.onnx"]


def test_settle_variants_with_which_no_window_can_be_scored() -> None:
    chain = AddingUp({}, broken=frozenset({"detector.fp16.onnx", "landmarks.fp16.onnx"}))
    kept, left, _ = run(chain, passed("detector"), passed("landmarks", probability=0.01))
    assert kept == ["detector.fp16.onnx"]
    assert "recordings can no longer be scored" in left["landmarks.fp16.onnx"]
    assert len(chain.ran) == 1  # not once more for the other device


def test_settle_judges_each_device_by_what_it_loads() -> None:
    """The processor's int8 never meets the accelerators' fp16; TensorRT takes the fp16 before its own int8."""
    chain = AddingUp({"landmarks.int8-x86.onnx": 2, "detector.fp16.onnx": 2})
    kept, left, flipped = run(
        chain, passed("landmarks", "int8-x86"), passed("landmarks"), passed("landmarks", "int8-tensorrt")
    )
    assert len(kept) == 3 and not left and chain.ran == []  # one variant each: judged before
    assert flipped == {"cpu": 0, "cuda": 0, "tensorrt": 0}


@pytest.mark.parametrize("n", [0, 1])
def test_settle_with_none_or_one_runs_nothing(n: int) -> None:
    chain = AddingUp({})
    kept, left, _ = run(chain, *[passed("lifter")][:n])
    assert len(kept) == n and not left and chain.ran == []
