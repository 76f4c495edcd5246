"""`fidgety cohort ...`: a folder of tables and recordings, checked before anything learns from it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from fidgety.commands.options import log
from fidgety.errors import UsageError

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Cohorts on disk: tables of infants, recordings and rated clips.")


class UseName(str, Enum):
    """What the infants' parents are asked for."""

    training = "training"
    evaluation = "evaluation"


@app.callback()
def _group() -> None:
    """Cohorts on disk: tables of infants, recordings and rated clips."""


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Folder with infants.csv, recordings.csv and, if any, clips.csv.")],
    use: Annotated[UseName, typer.Option(help="What the cohort is for: consent is asked for it.")] = UseName.evaluation,
    min_recording_s: Annotated[float, typer.Option("--min-recording-s", min=0.0, help="Shorter ones leave.")] = 60.0,
) -> None:
    """Check a cohort: its faults, one per line (file:row:column: message), or else who is included and who is not."""
    try:
        from fidgety.cohort.read import check_cohort
    except ModuleNotFoundError as error:
        raise UsageError(f"checking a cohort needs {error.name}: pip install 'fidgety[train]'") from error
    from fidgety.cohort.inclusion import InclusionRules, format_flow, include

    checked = check_cohort(folder)
    for fault in checked.faults:
        print(fault)
    if checked.faults:
        log(f"fidgety: faults in {folder}: {len(checked.faults)}; mend them and check again")
        raise typer.Exit(UsageError.exit_code)
    rules = InclusionRules(use=use.value, min_recording_s=min_recording_s)
    print(format_flow(include(checked.cohort, rules).flow))
