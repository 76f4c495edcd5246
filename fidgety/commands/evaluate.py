"""`fidgety evaluate` and `fidgety agree`: the tables of the paper from training runs, and the reader study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fidgety.commands.options import log, needs_extras
from fidgety.errors import UsageError

__all__ = ["agree", "evaluate"]

Out = Annotated[Path | None, typer.Option("--out", help="Folder for Markdown, page and CSV files.")]


def evaluate(
    runs: Annotated[list[Path] | None, typer.Argument(help="Folders that `fidgety train` wrote.")] = None,
    cohort: Annotated[Path | None, typer.Option(help="The cohort that the runs were trained on.")] = None,
    external_cohort: Annotated[
        list[Path] | None, typer.Option(help="A cohort that the runs were scored on; may be given several times.")
    ] = None,
    out: Out = None,
    table: Annotated[
        Path | None, typer.Option(help="In place of runs: a CSV table of labels and scores of any system.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="Column of the table with the class (1, true or risk).")] = None,
    score: Annotated[str | None, typer.Option(help="Column of the table with the score, higher = risk.")] = None,
) -> None:
    """Evaluate trained systems: the tables and plots of the paper, as Markdown, as one page, as CSV."""
    if table is not None:
        if runs or cohort is not None or external_cohort:
            raise UsageError("--table stands alone: leave the runs and cohorts out")
        _evaluate_table(table, label, score, out)
        return
    if label is not None or score is not None:
        raise UsageError("--label and --score name columns of --table: give it, too")
    if not runs or cohort is None or out is None:
        raise UsageError("name the RUN folders, their --cohort and an --out folder; or a --table, --label and --score")
    _evaluate_runs(runs, cohort, external_cohort or [], out)


def agree(
    labels: Annotated[Path, typer.Argument(help="CSV: assessor,recording,aid,label[,seconds,order,level].")],
    truth: Annotated[Path, typer.Option(help="CSV: recording,label.")],
    out: Annotated[Path, typer.Option(help="Folder for Markdown, page and CSV files.")],
) -> None:
    """Compare assessors' labels with the truth and with each other, without and with MAM's clips (aid none or mam)."""
    with needs_extras("evaluating", "train"):
        from fidgety.training.evaluation.reader_tables import evaluate_readers
        from fidgety.training.evaluation.report import render_markdown

    _make_folders(out)
    print(render_markdown(evaluate_readers(labels, truth, out)), end="")
    log(f"agreement.md, agreement.html and tables/ written to {out}")


def _evaluate_runs(runs: list[Path], cohort: Path, externals: list[Path], out: Path) -> None:
    with needs_extras("evaluating", "train"):
        from fidgety.training.evaluation.evaluation import evaluate_runs
        from fidgety.training.evaluation.report import render_markdown

    _make_folders(out)
    log("reading the runs, the cohorts and their recordings")
    print(render_markdown(evaluate_runs(runs, cohort, externals, out)), end="")
    log(f"evaluation.md, evaluation.html, predictions.csv and tables/ written to {out}")


def _evaluate_table(path: Path, label: str | None, score: str | None, out: Path | None) -> None:
    if label is None or score is None:
        raise UsageError("--table needs --label and --score: the columns with the class and with the score")
    with needs_extras("evaluating", "train"):
        from fidgety.training.evaluation.plain_table import evaluate_table, plain_result_table
        from fidgety.training.evaluation.report import Report, Section, write_report
        from fidgety.training.evaluation.tables import format_cell

    result = evaluate_table(path, label, score)
    print(f"AUC {format_cell(result.auc)}, {result.n_risk} of {result.n_cases} positive")
    if out is not None:
        _make_folders(out)
        section = Section("AUC", (plain_result_table(result, label, score),))
        write_report(out, Report("table", f"{score} for {label}", None, (section,)))


def _make_folders(out: Path) -> None:
    """The output folder and its tables/. Raises DeviceError or UsageError."""
    from fidgety.batch import make_folder

    make_folder(make_folder(out) / "tables")
