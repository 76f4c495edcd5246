"""Every published ablation has its row; the differences are to MAM with all its parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fidgety.training.evaluation.ablations import ablation_table
from fidgety.training.evaluation.evaluation import read_study
from fidgety.training.evaluation.performance import compare_runs
from fidgety.training.evaluation.tables import NOT_RUN

PUBLISHED = [
    "MAM",
    "MAM without info",
    "MAM without closeness",
    "MAM without ref",
    "MAM without closeness and ref",
    "MAM on distance",
    "MAM on coordinates",
    "MAM on velocity",
    "MAM on acceleration",
    "MAM in 2d",
]


def test_ablation_table_has_all_published_rows(known_study: Any, figures: Any) -> None:
    found = figures(ablation_table(known_study, "internal"))
    assert found.names == PUBLISHED
    for name in set(PUBLISHED) - {"MAM", "MAM without ref"}:
        assert set(found[name].values()) == {name, NOT_RUN}
    assert found["MAM"]["AUC, less full"] == found["MAM"]["kappa, median less full"] == "reference"


def test_ablation_table_gives_differences_to_the_full_system(known_study: Any, figures: Any) -> None:
    row = figures(ablation_table(known_study, "internal"))["MAM without ref"]
    ablated = next(run for run in known_study.runs if run.is_ablation)
    _, compared = compare_runs(ablated, known_study.lead, "internal")  # type: ignore[misc]
    assert row["AUC, less full"] == compared.difference and compared.difference.value < -0.1
    assert row["p (Holm)"].value == pytest.approx(compared.p_value)  # the only one
    assert row["clip kappa"].median == 0.0  # no FMs found anywhere
    full = figures(ablation_table(known_study, "internal"))["MAM"]["clip kappa"].median
    assert row["kappa, median less full"] == pytest.approx(-full) and full > 0.8
    assert (row["protocol"], row["training, s"]) == ("reduced", 60)


def test_ablation_table_without_a_full_mam_gives_no_differences(maker: Any, cohort: Path, figures: Any) -> None:
    study = read_study([maker.run(without=["info"])], cohort, [])
    row = figures(ablation_table(study, "internal"))["MAM without info"]
    assert row["AUC"].value == pytest.approx(0.8)
    assert row["AUC, less full"] == row["p (Holm)"] == row["kappa, median less full"] == NOT_RUN


def test_ablation_table_prefers_the_full_mam_of_the_same_protocol(maker: Any, cohort: Path, figures: Any) -> None:
    full = {"name": "full", "values": {}}
    runs = [
        maker.run("one", risk=lambda _: 0.5),
        maker.run("two", protocol=full),
        maker.run("three", protocol=full, without=["info"]),
        maker.run("four", input="velocity+distance"),
    ]
    found = figures(ablation_table(read_study(runs, cohort, []), "internal"))
    assert found["MAM without info"]["AUC, less full"].value == 0.0
    assert found["MAM on velocity+distance"]["AUC, less full"].value == pytest.approx(0.3)  # not a published row
