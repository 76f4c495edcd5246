"""Training end to end in a few seconds: it learns, and what it writes can be loaded and scored."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

from fidgety.errors import DeviceError
from fidgety.export.mam import BAG_GRAPH, INFO_GRAPH, WINDOW_GRAPH
from fidgety.training.fit import QUICK, train_demo
from fidgety.training.losses import clip_loss
from fidgety.training.networks.mam import Mam


def test_train_demo_writes_weights_graphs_log_and_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train_demo(tmp_path, seed=2, protocol=QUICK)
    assert capsys.readouterr().out == ""  # stdout is the command line's
    account = json.loads((tmp_path / "training_log.json").read_text())
    assert account["command"] == "fidgety train-demo OUT --seed 2"
    assert account["protocol"]["pretrain_steps"] == QUICK.pretrain_steps
    settings = json.loads((tmp_path / "mam.json").read_text())
    assert set(settings["probability"]) == {"clip_temperature", "risk_slope", "risk_intercept"}
    assert set(settings["operating_point"]) == {"fms_threshold", "risk_threshold", "chosen_by"}
    rows = (tmp_path / "training_log.csv").read_text().splitlines()
    assert len(rows) == 1 + QUICK.pretrain_steps + QUICK.main_steps
    for name in (WINDOW_GRAPH, BAG_GRAPH, INFO_GRAPH):
        ort.InferenceSession(str(tmp_path / name), providers=["CPUExecutionProvider"])
    with np.load(tmp_path / "mam.npz", allow_pickle=False) as saved:
        mam = Mam()
        mam.load_state_dict({name: torch.from_numpy(saved[name]) for name in saved.files})
        assert saved["info.mean"][1] > 20.0  # gestation in weeks: scaled by the cohort


def test_train_demo_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeviceError, match="cannot be made"):
        train_demo(tmp_path / "file" / "out", protocol=replace(QUICK, n_infants=4))


def test_clip_network_learns_to_tell_quick_from_slow_movement() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    time_s = np.arange(240) / 25.0
    rest = rng.normal(0.0, 100.0, (17, 3))
    rest[0], rest[8] = (0, 0, 0), (0, -190, 0)

    def draw(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = np.arange(n) % 2
        rate_hz = np.where(labels == 0, 1.6, 0.5)[:, None, None, None]
        phase = rng.uniform(0, 6.3, (n, 1, 17, 3))
        windows = rest + 8.0 * np.sin(6.283 * rate_hz * time_s[None, :, None, None] + phase)
        return torch.from_numpy(windows.astype(np.float32)), torch.from_numpy(labels)

    clip = Mam().clip.train()
    optimiser = torch.optim.Adam(clip.parameters(), lr=1e-3)
    for _ in range(12):
        windows, labels = draw(16)
        optimiser.zero_grad()
        clip_loss(clip(windows, 12)[0], labels).backward()
        optimiser.step()
    windows, labels = draw(16)
    with torch.inference_mode():
        right = (clip.eval()(windows)[0].argmax(-1) == labels).float().mean()
    assert right >= 0.9
