"""`fidgety train` and `train-apply`: a system on a hospital's own cohort, cross-validated, and on another cohort."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fidgety.commands.options import BundlePath, load_bundle, log, needs_extras

if TYPE_CHECKING:
    from fidgety.training.task import Options

__all__ = ["train", "train_apply"]

Out = Annotated[Path, typer.Argument(help="Folder of the run; one that was stopped goes on where it was.")]
Tracks = Annotated[Path | None, typer.Option(help="Folder of lifted tracks, shared by runs (default: OUT/tracks).")]


class SystemName(str, Enum):
    """What is trained."""

    mam = "mam"
    stam = "stam"
    wo_gma = "wo-gma"
    eml = "eml"


class BranchName(str, Enum):
    """Parts of MAM that may be left out."""

    info = "info"
    closeness = "closeness"
    ref = "ref"


class PoseName(str, Enum):
    """What the networks see of a pose."""

    two = "2d"
    three = "3d"


def train(
    cohort: Annotated[Path, typer.Argument(help="Folder with infants.csv, recordings.csv and recordings.")],
    out: Out,
    clips: Annotated[Path | None, typer.Option(help="Cohort of rated clips, of other infants.")] = None,
    system: Annotated[SystemName, typer.Option()] = SystemName.mam,
    without: Annotated[list[BranchName] | None, typer.Option(help="Leave a part of MAM out; repeat for more.")] = None,
    inputs: Annotated[
        str, typer.Option("--input", help="What MAM reads: kinds joined by +, such as coordinates+velocity.")
    ] = "difference",
    pose: Annotated[PoseName, typer.Option()] = PoseName.three,
    protocol: Annotated[
        str, typer.Option(help="brief or reduced (two cores), full (a GPU), or a TOML file.")
    ] = "reduced",
    folds: Annotated[int, typer.Option(min=2, help="Unless infants.csv has a fold for every infant.")] = 5,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    is_shuffled: Annotated[
        bool, typer.Option("--shuffle-labels", help="Permute labels among infants: the control that ends at chance.")
    ] = False,
    min_recording_s: Annotated[float, typer.Option("--min-recording-s", min=0.0, help="Shorter ones leave.")] = 60.0,
    ref_of: Annotated[
        Path | None, typer.Option("--ref-of", help="Run whose Ref Branch is taken over: an ablation's time is saved.")
    ] = None,
    tracks: Tracks = None,
    bundle_path: BundlePath = None,
) -> None:
    """Train and cross-validate a system on a cohort. On several devices: torchrun ... -m fidgety.cli train ..."""
    with needs_extras("training", "train,export"):
        from fidgety.training.cohort_data import Request
        from fidgety.training.cohort_run import train_cohort
        from fidgety.training.protocol import read_protocol
        from fidgety.training.task import Options
        from fidgety.training.team import join_team

    options = Options(system.value, frozenset(one.value for one in without or ()), inputs, pose.value)
    plan, bundle = read_protocol(protocol), load_bundle(bundle_path)
    command = _command(options, plan.name, has_clips=clips is not None, seed=seed)
    request = Request(
        cohort, out, bundle, options, plan, clips, folds, seed, is_shuffled, min_recording_s, command, ref_of, tracks
    )
    with join_team() as team:
        records = train_cohort(request, team, log if team.leads else _say_nothing)
        if team.leads:
            tested = sum(len(record.test) for record in records)
            print(f"{tested} infants predicted out of fold: {out / 'predictions.csv'}, windows.csv, run.json")


def train_apply(
    out: Annotated[Path, typer.Argument(help="Folder that `fidgety train` wrote.")],
    cohort: Annotated[Path, typer.Argument(help="Another cohort, such as an external site's.")],
    min_recording_s: Annotated[
        float | None, typer.Option("--min-recording-s", min=0.0, help="Shorter ones leave (default: the run's).")
    ] = None,
    by_final: Annotated[
        bool, typer.Option("--final", help="By the model of all infants alone, the one that goes into a bundle.")
    ] = False,
    tracks: Tracks = None,
    bundle_path: BundlePath = None,
) -> None:
    """Score another cohort with the models of a run: the mean of its folds' models."""
    with needs_extras("training", "train,export"):
        from fidgety.training.apply import apply_run
        from fidgety.training.external import external_folder
    predictions = apply_run(out, cohort, load_bundle(bundle_path), log, min_recording_s, tracks, by_final=by_final)
    n_scored = sum(one.risk is not None for one in predictions)
    print(f"{n_scored} of {len(predictions)} recordings scored: {external_folder(out, cohort, by_final=by_final)}")


def _say_nothing(_: str) -> None: ...


def _command(options: Options, protocol: str, *, has_clips: bool, seed: int) -> str:
    """What was typed, without the names of folders: it goes into the bundle."""
    parts = ["fidgety train COHORT OUT", "--clips CLIPS" if has_clips else "", f"--system {options.system}"]
    parts += [f"--without {one}" for one in sorted(options.without)]
    parts += [f"--input {options.inputs} --pose {options.pose} --protocol {protocol} --seed {seed}"]
    return " ".join(part for part in parts if part)
