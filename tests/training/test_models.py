"""A model reads a recording as its system does: windows of both grids, risk with and without characteristics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from fidgety.bundle import MamSettings
from fidgety.calibration.probability import sigmoid
from fidgety.errors import UsageError
from fidgety.records import FloatArray
from fidgety.training.calibrate import Calibration
from fidgety.training.models import MamModel, Model, NetworkModel
from fidgety.training.networks.mam import Mam
from fidgety.training.networks.stam import Stam
from fidgety.training.networks.wo_gma import WoGma
from fidgety.training.protocol import read_protocol
from fidgety.training.scoring import predict
from fidgety.training.systems import MamSystem, StamSystem, WoGmaSystem
from fidgety.training.task import Options
from fidgety.training.tracked import TrackedInfant, TrackedRecording, WindowRule
from fidgety.training.train_system import load_model

RULE = WindowRule(MamSettings("w", "b", "i", 240, 150, 20, 0.1, 200.0), 25.0, 9.6)
KNOWN = np.array([1, 38, 3000, 14], np.float32)
CALIBRATION = Calibration(2.0, 3.0, -0.5, 0.5, 0.4, 0.0, 8)


@pytest.fixture(scope="module")
def recording(moving: Callable[..., FloatArray]) -> TrackedRecording:
    joints = moving(420, seed=3)
    nothing, none = np.empty(0, np.int64), np.empty(0, np.float32)
    return TrackedRecording(
        "i1", "a.poses", "0" * 64, True, KNOWN, joints, np.ones(420, bool), nothing, none, RULE, is_simulated=False
    )


@pytest.fixture(scope="module")
def mam() -> Mam:
    torch.manual_seed(0)
    made = Mam().eval()
    made.info.set_scaling(torch.tensor([[0.0, 30.0, 2000.0, 11.0], [1.0, 40.0, 3500.0, 17.0]]))
    return made


def test_mam_model_reads_as_its_system_does(mam: Mam, recording: TrackedRecording) -> None:
    reading, system = MamModel(mam, has_info=True).read(recording, with_localisation=True), MamSystem(mam)
    assert sigmoid(reading.plain_margin) == pytest.approx(system.risk(recording.joints), abs=1e-6)
    assert reading.instances is not None and reading.localisation is not None
    for found, starts in ((reading.instances, [0, 150]), (reading.localisation, range(0, 181, 20))):
        assert found == pytest.approx(system.window_probabilities(recording.joints, np.array(starts)), abs=1e-6)
    assert MamModel(mam, has_info=True).read(recording, with_localisation=False).localisation is None


@torch.inference_mode()
def test_mam_model_adds_the_info_branch_where_it_can(mam: Mam, recording: TrackedRecording) -> None:
    info = mam.info(torch.from_numpy(KNOWN)[None])[0]
    reading = MamModel(mam, has_info=True).read(recording, with_localisation=False)
    assert reading.margin - reading.plain_margin == pytest.approx(float(info[1] - info[0]), abs=1e-6)
    unknown = replace(recording, characteristics=None)
    for model, one in ((MamModel(mam, has_info=False), recording), (MamModel(mam, has_info=True), unknown)):
        again = model.read(one, with_localisation=False)
        assert again.margin == again.plain_margin == pytest.approx(reading.plain_margin, abs=1e-6)


@pytest.mark.parametrize("system", [StamSystem(Stam(0.1)), WoGmaSystem(WoGma(0.05))], ids=lambda one: one.name)
def test_network_model_is_its_system(system: StamSystem | WoGmaSystem, recording: TrackedRecording) -> None:
    reading = NetworkModel(system).read(recording, with_localisation=True)
    assert sigmoid(reading.margin) == pytest.approx(system.risk(recording.filled()), abs=1e-6)
    assert reading.instances is not None and np.isfinite(reading.instances).all() and len(reading.instances) == 2
    assert reading.localisation is not None and len(reading.localisation) == 10


def test_predict_calibrates_and_leaves_nobody_out(mam: Mam, recording: TrackedRecording) -> None:
    model = MamModel(mam, has_info=True)
    short = replace(recording, file="short.poses", joints=recording.joints[:200], is_observed=np.ones(200, bool))
    infant = TrackedInfant("i1", "site-a", True, "absent", None, (recording, short))
    (first, second), windows = predict([(model, CALIBRATION)], [infant], 2)
    reading = model.read(recording, with_localisation=True)
    assert first.risk == pytest.approx(float(sigmoid(3.0 * reading.margin - 0.5)))
    assert reading.localisation is not None
    logits = np.log(reading.localisation) - np.log1p(-reading.localisation)
    assert [row.fms_probability for row in windows] == pytest.approx(sigmoid(logits / 2.0), abs=1e-5)
    assert [row.start_s for row in windows] == pytest.approx([0.8 * i for i in range(10)])
    assert (second.risk, second.fms_frequency, second.n_windows, second.seconds_assessable) == (None, None, 0, 0.0)
    assert (second.infant, second.fold, second.is_risk) == ("i1", 2, True)


@pytest.mark.parametrize("name", ["mam", "stam", "wo-gma"])
def test_load_model_is_what_was_saved(name: str, mam: Mam, recording: TrackedRecording) -> None:
    protocol = read_protocol("reduced")
    stam, wo_gma = Stam(protocol.stam.width), WoGma(protocol.wo_gma.width)
    models: dict[str, Model] = {
        "mam": MamModel(mam, has_info=True),
        "stam": NetworkModel(StamSystem(stam)),
        "wo-gma": NetworkModel(WoGmaSystem(wo_gma)),
    }
    loaded = load_model(Options(name), protocol, models[name].weights())  # type: ignore[arg-type]
    margins = [model.read(recording, with_localisation=False).margin for model in (models[name], loaded)]
    assert margins[0] == pytest.approx(margins[1], abs=1e-6)
    with pytest.raises(UsageError, match="not those of"):
        load_model(Options("stam" if name == "mam" else "mam"), protocol, models[name].weights())
