"""What the protocol says of the network reaches it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fidgety.training.fit_mam import make_mam
from fidgety.training.loop import Run
from fidgety.training.protocol import read_protocol
from fidgety.training.task import Options, Task


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.6])
def test_make_mam_drops_as_the_protocol_says(tmp_path: Path, rate: float) -> None:
    protocol, run = read_protocol("reduced"), Run(seed=1, folder=tmp_path, checkpoint_steps=1)
    protocol = replace(protocol, mam=replace(protocol.mam, dropout=rate))
    mam = make_mam(Task((), (), (), (), Options(), protocol, run, run))
    assert mam.clip.dropout.rate == rate
    assert mam.info.dropout.rate == 0.6  # its own
