"""Where training runs: short precision only where the processor computes in it."""

from __future__ import annotations

import pytest
import torch

from fidgety.training.team import autocast


@pytest.mark.parametrize(
    ("able", "is_short"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx2": True, "avx512_bf16": True, "amx_bf16": False}, True),
        ({"amx_bf16": True}, True),
        ({"neon": True, "bf16": True}, True),
        ({"neon": True}, False),
    ],
)
def test_autocast_is_short_only_where_the_processor_computes_in_it(
    monkeypatch: pytest.MonkeyPatch, able: dict[str, bool], is_short: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    layer = torch.nn.Linear(4, 4)
    with autocast(torch.device("cpu")):
        given = layer(torch.ones(2, 4))
    assert given.dtype == (torch.bfloat16 if is_short else torch.float32)
