"""Small phantom cohorts on disk, a bundle with nothing but the demo's lifter, and runs that several files look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from fidgety.bundle import Bundle, Manifest, open_bundle, write_bundle
from fidgety.phantom.cohort_files import CohortPlan, write_cohort
from fidgety.phantom.cohort_kinds import CLIPS, EXTERNAL, INTERNAL
from fidgety.training.cohort_data import Request
from fidgety.training.cohort_run import train_cohort
from fidgety.training.lifting.graph import open_lifter
from fidgety.training.protocol import Protocol, protocol_of, read_protocol
from fidgety.training.task import Options
from fidgety.training.team import Team

Train = Callable[..., Path]


def _tiny() -> Protocol:
    """The reduced protocol, four steps of each phase."""
    told: Any = asdict(read_protocol("reduced"))
    told |= {"threads": 1, "held_out_share": 0.25, "checkpoint_steps": 3}
    told["mam"] |= {"frame_stride": 37, "clear_steps": 1}
    told["stam"] |= {"width": 0.1, "n_clips": 3}
    told["wo_gma"] |= {"width": 0.05, "n_blocks": 6}
    for phase in (told["mam"]["ref"], told["mam"]["main"], told["stam"]["fit"], told["wo_gma"]["fit"]):
        phase |= {"epochs": 2, "epoch_steps": 2, "batch": 4}
    return protocol_of(told, "tiny")


@pytest.fixture(scope="session")
def folder(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """bundle: the demo's lifter alone. internal: 16 infants of 13 s. clips, external: 8 infants each."""
    root = tmp_path_factory.mktemp("run")
    lifter = open_lifter()
    made = replace(manifest, lifter=lifter.settings)
    write_bundle(root / "bundle", made, {lifter.settings.graph: lifter.path})
    for kind, n_infants in ((INTERNAL, 16), (CLIPS, 8), (EXTERNAL, 8)):
        write_cohort(root / kind.name, CohortPlan(kind, 6, n_infants, duration_s=(13.0, 13.0)))
    return root


@pytest.fixture(scope="session")
def bundle(folder: Path) -> Bundle:
    return open_bundle(folder / "bundle")


@pytest.fixture(scope="session")
def train(folder: Path, bundle: Bundle) -> Train:
    """train(out, options, ...): a run of two folds on tracks that were lifted once."""

    def run(out: Path, options: Options, report: Callable[[str], None] = lambda _: None, **changes: Any) -> Path:
        request = Request(
            folder / "internal",
            out,
            bundle,
            options,
            _tiny(),
            folder / "clips",
            n_folds=2,
            min_recording_s=10.0,
            tracks=folder / "tracks",
        )
        train_cohort(replace(request, **changes), Team(), report)
        return out

    return run


@pytest.fixture(scope="session")
def mam(folder: Path, train: Train) -> Path:
    return train(folder / "mam", Options())


@pytest.fixture(scope="session")
def wo_gma(folder: Path, train: Train) -> Path:
    return train(folder / "wo-gma", Options("wo-gma"))
