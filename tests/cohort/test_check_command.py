"""`fidgety cohort check` and `fidgety phantom cohort`, in this process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from fidgety.commands import cohort, phantom
from fidgety.errors import UsageError


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    """The two groups as the command line mounts them."""
    mounted = typer.Typer(pretty_exceptions_enable=False)
    mounted.add_typer(cohort.app, name="cohort")
    mounted.add_typer(phantom.app, name="phantom")
    return mounted


def _run(app: typer.Typer, *arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_check_prints_the_participant_flow(app: typer.Typer, tables: Any) -> None:
    tables.put("infants.csv", 2, "consent_evaluation", "no")
    outcome = _run(app, "cohort", "check", tables.folder, "--min-recording-s", 10)
    assert outcome.exit_code == 0
    assert (
        "| no consent to evaluation            |           -1 |         -2 |    5 |              10 |" in outcome.stdout
    )
    outcome = _run(app, "cohort", "check", tables.folder, "--min-recording-s", 10, "--use", "training")
    assert (
        "| included for training               |              |            |    6 |              12 |" in outcome.stdout
    )


def test_check_prints_faults_one_per_line_and_ends_with_2(app: typer.Typer, tables: Any) -> None:
    tables.put("infants.csv", 3, "sex", "f")
    tables.put("clips.csv", 2, "rater", "")
    outcome = _run(app, "cohort", "check", tables.folder)
    assert outcome.exit_code == 2
    assert outcome.stdout.splitlines() == [
        "infants.csv:3:sex: 'f': write female or male, or leave it out",
        "clips.csv:2:rater: this cell may not be empty",
    ]
    assert "2" in outcome.stderr


def test_check_without_pydantic_says_what_to_install(tables: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("read", "links", "tables"):
        monkeypatch.delitem(sys.modules, f"fidgety.cohort.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(UsageError, match=r"needs pydantic: pip install 'fidgety\[train\]'"):
        cohort.check(tables.folder)


def test_phantom_cohort_is_one_that_check_takes(app: typer.Typer, tmp_path: Path) -> None:
    out = tmp_path / "cohort"
    outcome = _run(app, "phantom", "cohort", out, "--infants", 4, "--seconds", 10, 11, "--cameras", 2, "--seed", 7)
    assert outcome.exit_code == 0, outcome.output
    assert "internal cohort of 8 recordings" in outcome.stdout
    outcome = _run(app, "cohort", "check", out, "--min-recording-s", 0)
    assert outcome.exit_code == 0, outcome.output
    assert "Included: 2 normal, 2 at risk." in outcome.stdout


def test_phantom_cohort_kappa_without_raters(app: typer.Typer, tmp_path: Path) -> None:
    outcome = _run(app, "phantom", "cohort", tmp_path / "cohort", "--kappa", 0.5)
    assert isinstance(outcome.exception, UsageError)
    assert "ask for --kind clips" in str(outcome.exception)
    assert not (tmp_path / "cohort").exists()
