"""A store in an empty folder, a clock that goes as it is told, and small recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fidgety.device.clock import Clock, Now
from fidgety.device.holdings import Claim, Result
from fidgety.device.store import Store

NOON_S = 1798718400.0  # 2026-12-31, noon, UTC

MakeRecording = Callable[..., Path]


class FakeClock(Clock):
    """Time passes when a test says so."""

    def __init__(self) -> None:
        self.wall_s, self.boot_id, self.boot_s = NOON_S, "boot-1", 100.0

    def read(self) -> Now:
        return Now(self.wall_s, self.boot_id, self.boot_s)

    def wait(self, seconds: float) -> None:
        self.wall_s += seconds
        self.boot_s += seconds

    def restart(self, off_s: float = 60.0) -> None:
        self.wall_s += off_s
        self.boot_id, self.boot_s = f"{self.boot_id}+", 5.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(folder: Path, clock: FakeClock) -> Iterator[Store]:
    with Store.open(folder, clock=clock) as opened:
        yield opened


@pytest.fixture
def make_recording(tmp_path: Path) -> MakeRecording:
    """make_recording(name, n_bytes=...): a file whose content follows from its name."""

    def make(name: str = "visit.mp4", n_bytes: int = 5000) -> Path:
        path = tmp_path / name
        path.write_bytes((name.encode() * (n_bytes // len(name) + 1))[:n_bytes])
        return path

    return make


def claimed(store: Store, worker: str = "scorer") -> Claim:
    """The next claim, which must be there."""
    claim = store.claim_next(worker)
    assert claim is not None
    return claim


def a_result(told: str = "{}", outcome: str = "scored", **files: Path) -> Result:
    """A result with this JSON."""
    return Result(outcome, told.encode(), "demo 1.0 (abc)", "ab" * 32, {"mam.onnx": "cd" * 32}, files)  # type: ignore[arg-type]
