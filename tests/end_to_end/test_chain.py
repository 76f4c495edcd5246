"""Aligning MAM to the real chain: measured on rendered recordings, written where the weights lie."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fidgety.bundle import Bundle
from fidgety.demo_files import demo_file
from fidgety.errors import BundleError
from fidgety.training.chain import ChainStudy, align_to_chain

# Absent, continual.
TINY = ChainStudy(n_recordings=2, duration_s=11.0, fps=15.0, first_seed=980_003, heavy_share=0.0)


@pytest.fixture
def mam_dir(tmp_path: Path) -> Path:
    """A folder as training writes it, with the demo weights."""
    folder = tmp_path / "mam"
    folder.mkdir()
    for name in ("mam.npz", "mam.json", "mam_window.onnx", "mam_bag.onnx", "mam_info.onnx", "training_log.json"):
        shutil.copy(demo_file(name), folder / name)
    return folder


def test_align_to_chain_shifts_the_last_bias_alone(bundle: Bundle, mam_dir: Path, tmp_path: Path) -> None:
    before = dict(np.load(mam_dir / "mam.npz"))
    shift = align_to_chain(mam_dir, bundle, tmp_path / "study", TINY)
    after = dict(np.load(mam_dir / "mam.npz"))
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert moved == {"clip.head.bias"} and abs(shift) > 1e-3
    assert after["clip.head.bias"] - before["clip.head.bias"] == pytest.approx([shift / 2, -shift / 2], abs=1e-5)
    assert (mam_dir / "mam_window.onnx").read_bytes() != demo_file("mam_window.onnx").read_bytes()
    account = json.loads((mam_dir / "training_log.json").read_text())["chain"]
    assert account["n_windows"] == 2 * 2  # 275 rows hold two localisation windows
    assert account["shift_logits"] == pytest.approx(shift, abs=1e-4)
    source = json.loads((mam_dir / "mam.json").read_text())["command"]
    assert source.endswith("; fidgety train-align OUT")
    with pytest.raises(BundleError, match="not built of"):  # the bundle now holds other graphs than the folder
        align_to_chain(mam_dir, bundle, tmp_path / "study", TINY)
