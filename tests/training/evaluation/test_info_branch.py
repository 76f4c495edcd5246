"""Shapley values of a branch that reads the gestation alone; the same logit as torch's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fidgety.errors import UsageError
from fidgety.training.evaluation.evaluation import read_study
from fidgety.training.evaluation.info_branch import info_logit, info_table, read_info_weights
from fidgety.training.evaluation.tables import NOT_RUN
from fidgety.training.networks.mam import Mam


def save(folder: Path, **weights: np.ndarray) -> Path:
    path = folder / "models" / "final.npz"
    path.parent.mkdir()
    np.savez(path, **weights)  # type: ignore[arg-type]
    return path


@pytest.fixture
def gestation_alone() -> dict[str, np.ndarray]:
    """Logit = .5 x (weeks - 38) + a constant; the ReLU never cuts."""
    hidden, out = np.zeros((32, 4)), np.zeros((2, 32))
    hidden[0, 1], out[1, 0] = 1.0, 0.5
    bias = np.zeros(32)
    bias[0] = 100.0
    scaling = {"info.mean": np.array([0.0, 38.0, 3000.0, 15.0]), "info.sd": np.array([1.0, 1.0, 500.0, 3.0])}
    return {
        **scaling,
        "info.hidden.weight": hidden,
        "info.hidden.bias": bias,
        "info.out.weight": out,
        "info.out.bias": np.zeros(2),
    }


def test_info_table_of_a_branch_that_reads_one_thing(
    maker: Any, cohort: Path, figures: Any, gestation_alone: dict[str, np.ndarray]
) -> None:
    folder = maker.run()
    save(folder, **gestation_alone)
    found = figures(info_table(read_study([folder], cohort, [])))
    # 10 infants of 34 weeks, 30 of 39: mean 37.75, mean distance 1.875.
    row = found["gestation"]
    assert row["mean magnitude, logits"] == pytest.approx(0.5 * 1.875)
    assert (row["share"], row["direction"], row["infants"]) == (pytest.approx(1.0), pytest.approx(1.0), 40)
    assert found["birth weight"]["mean magnitude, logits"] == pytest.approx(0.0, abs=1e-12)


def test_info_table_reads_ages_that_the_run_saw(
    maker: Any, cohort: Path, figures: Any, gestation_alone: dict[str, np.ndarray]
) -> None:
    """The branch reads the age in place of the gestation; every infant was also recorded a hundred days before."""
    gestation_alone["info.hidden.weight"][0] = [0.0, 0.0, 0.0, 1.0]
    folder = maker.run()
    save(folder, **gestation_alone)
    study = read_study([folder], cohort, [])
    told = study.cohorts["internal"]
    young = [
        replace(one, file=f"young-{one.file}", recorded=one.recorded - timedelta(days=100 + 2 * number))
        for number, one in enumerate(told.recordings)
        if one.recorded is not None
    ]
    changed = replace(study, cohorts={"internal": replace(told, recordings=(*young, *told.recordings))})
    found, expected = (figures(info_table(one))["corrected age"] for one in (changed, study))
    assert found == expected and found["mean magnitude, logits"] > 0.1


@pytest.mark.parametrize("account", [{}, {"without": ["info"]}, {"system": "stam"}])
def test_info_table_of_a_run_without_branch_or_weights(
    maker: Any, cohort: Path, figures: Any, gestation_alone: dict[str, np.ndarray], account: dict[str, Any]
) -> None:
    folder = maker.run(**account)
    if account:
        save(folder, **gestation_alone)
    assert figures(info_table(read_study([folder], cohort, [])))["gestation"]["share"] == NOT_RUN


def test_info_logit_is_that_of_the_network(tmp_path: Path) -> None:
    torch.manual_seed(3)
    mam = Mam().eval()
    rows = torch.tensor([[0.0, 39.0, 3300.0, 14.0], [1.0, 34.0, 2100.0, 11.0], [1.0, 41.0, 4100.0, 19.0]])
    mam.info.set_scaling(rows)
    path = save(tmp_path, **{name: value.numpy() for name, value in mam.state_dict().items()})
    said = mam.info(rows)
    expected = (said[:, 1] / said[:, 0]).log().detach().numpy()
    assert info_logit(read_info_weights(path), rows.numpy().astype(float)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("fault", ["shape", "missing", "damaged"])
def test_read_info_weights_of_another_file(tmp_path: Path, gestation_alone: dict[str, np.ndarray], fault: str) -> None:
    if fault == "shape":
        gestation_alone["info.out.bias"] = np.zeros(3)
    if fault == "missing":
        del gestation_alone["info.out.bias"]
    path = save(tmp_path, **gestation_alone)
    if fault == "damaged":
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UsageError, match=r"final.npz(: expected info.out.bias of shape \(2,\)| cannot be read)"):
        read_info_weights(path)
