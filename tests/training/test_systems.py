"""What every system gives: one risk a recording, P(FMs) a window, and no memory of the recording before."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from fidgety.errors import UsageError
from fidgety.training.eml import Eml
from fidgety.training.networks.mam import Mam, fuse
from fidgety.training.networks.stam import Stam
from fidgety.training.networks.wo_gma import WoGma
from fidgety.training.systems import MamSystem, StamSystem, System, WoGmaSystem

RecordingMaker = Callable[..., np.ndarray]
NETWORKS = ["MAM", "STAM", "WO-GMA"]


@pytest.fixture(scope="module")
def systems() -> dict[str, System]:
    torch.manual_seed(0)
    made: list[System] = [MamSystem(Mam()), StamSystem(Stam(1 / 8)), WoGmaSystem(WoGma(1 / 16))]
    return {system.name: system for system in made}


def test_eml_is_a_system() -> None:
    system: System = Eml()
    assert system.name == "EML"
    assert system.window_probabilities(np.zeros((240, 17, 3), np.float32), np.array([0])) is None


@pytest.mark.parametrize("name", NETWORKS)
def test_system_gives_a_risk_and_remembers_no_recording(
    systems: dict[str, System], name: str, moving: RecordingMaker
) -> None:
    system = systems[name]
    one, other = moving(430, seed=1), moving(700, 0.6, 0.1, seed=2)
    risk = system.risk(one)
    assert 0.0 < risk < 1.0
    assert system.risk(other) != risk
    assert system.risk(one) == risk


@pytest.mark.parametrize("name", NETWORKS)
def test_system_gives_windows_and_leaves_out_void_ones(
    systems: dict[str, System], name: str, moving: RecordingMaker
) -> None:
    joints = moving(700, seed=3)
    joints[300:310] = np.nan
    starts = np.array([0, 60, 61, 150, 310, 311, 460])
    found = systems[name].window_probabilities(joints, starts)
    assert found is not None and found.shape == (7,) and found.dtype == np.float32
    assert np.isnan(found).tolist() == [False, False, True, True, False, False, False]
    assert ((found[~np.isnan(found)] > 0.0) & (found[~np.isnan(found)] < 1.0)).all()
    assert 0.0 < systems[name].risk(joints) < 1.0


@pytest.mark.parametrize("name", NETWORKS)
def test_system_refuses_what_it_cannot_score(systems: dict[str, System], name: str, moving: RecordingMaker) -> None:
    with pytest.raises(UsageError, match="windows start from 0 to 10"):
        systems[name].window_probabilities(moving(250), np.array([0, 11]))
    with pytest.raises(UsageError, match="holds no"):
        systems[name].risk(moving(12))
    nothing = np.full((500, 17, 3), np.nan, np.float32)
    with pytest.raises(UsageError, match="were observed"):
        systems[name].risk(nothing)
    found = systems[name].window_probabilities(nothing, np.array([0, 20]))
    assert found is not None and np.isnan(found).all()


@pytest.mark.parametrize("name", NETWORKS)
def test_system_scores_without_dropout_and_lets_training_go_on(
    systems: dict[str, System], name: str, moving: RecordingMaker
) -> None:
    system, joints = systems[name], moving(260)
    system.network.train()  # type: ignore[attr-defined]
    risk = system.risk(joints)
    assert system.network.training  # type: ignore[attr-defined]
    system.network.eval()  # type: ignore[attr-defined]
    assert system.risk(joints) == risk


@torch.inference_mode()
def test_mam_system_is_its_networks_in_turn(systems: dict[str, System], moving: RecordingMaker) -> None:
    system, joints = systems["MAM"], moving(545, seed=4)
    assert isinstance(system, MamSystem)
    mam = system.network.eval()
    windows = torch.from_numpy(np.stack([joints[start : start + 240] for start in (0, 150, 300)]))
    instances = mam.clip(windows)[0].softmax(-1)
    expected = fuse(mam.bag(instances[None], torch.ones(1, 3)), None)[0, 1]
    assert system.risk(joints) == pytest.approx(float(expected), abs=1e-6)
    found = system.window_probabilities(joints, np.array([0, 150, 300]))
    assert found == pytest.approx(instances[:, 0].numpy(), abs=1e-6)


def test_stam_scores_a_window_as_a_recording_of_its_own(systems: dict[str, System], moving: RecordingMaker) -> None:
    system = systems["STAM"]
    joints = np.concatenate([moving(200, seed=5), moving(200, 0.5, 0.2, seed=6)])
    found = system.window_probabilities(joints, np.array([0, 100, 160]))
    assert found is not None
    expected = [1.0 - system.risk(joints[start : start + 240]) for start in (0, 100, 160)]
    assert found == pytest.approx(expected, abs=1e-5)
    assert np.ptp(found) > 1e-5


@torch.inference_mode()
def test_wo_gma_shares_its_blocks_among_windows(systems: dict[str, System], moving: RecordingMaker) -> None:
    system, joints = systems["WO-GMA"], np.concatenate([moving(200, seed=7), moving(200, 0.5, 0.2, seed=8)])
    assert isinstance(system, WoGmaSystem)
    blocks = torch.from_numpy(joints.reshape(1, 20, 20, 17, 3))
    judged = system.network.eval()(blocks, torch.ones(1, 20, dtype=torch.bool))
    scores = judged.block_scores[0].numpy()
    found = system.window_probabilities(joints, np.array([0, 40, 150]))
    partly = (0.5 * scores[7] + scores[8:19].sum() + 0.5 * scores[19]) / 12
    assert found == pytest.approx([scores[:12].mean(), scores[2:14].mean(), partly], abs=1e-6)
    assert system.risk(joints) == pytest.approx(1.0 - float(judged.video_scores[0]), abs=1e-6)


@torch.inference_mode()
def test_wo_gma_does_not_count_blocks_that_are_void_beside_a_window(
    systems: dict[str, System], moving: RecordingMaker
) -> None:
    system, joints = systems["WO-GMA"], moving(400, seed=9)
    joints[2] = np.nan  # the first block is void, the window from frame 10 on is not
    found = system.window_probabilities(joints, np.array([10]))
    assert isinstance(system, WoGmaSystem) and found is not None
    blocks = torch.from_numpy(np.nan_to_num(joints).reshape(1, 20, 20, 17, 3))
    mask = torch.tensor([[False] + [True] * 19])
    scores = system.network.eval()(blocks, mask).block_scores[0].numpy()
    assert found[0] == pytest.approx((scores[1:12].sum() + 0.5 * scores[12]) / 11.5, abs=1e-6)
