"""`fidgety evaluate` and `fidgety agree`, in this process."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from fidgety.commands import evaluate
from fidgety.errors import UsageError


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    mounted = typer.Typer(pretty_exceptions_enable=False)
    mounted.command("evaluate")(evaluate.evaluate)
    mounted.command("agree")(evaluate.agree)
    return mounted


def _run(app: typer.Typer, *arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_evaluate_prints_what_it_writes(app: typer.Typer, maker: Any, cohort: Path) -> None:
    out = maker.root / "new" / "out"
    outcome = _run(app, "evaluate", maker.run("a"), maker.run("b", system="stam"), "--cohort", cohort, "--out", out)
    assert outcome.exit_code == 0, outcome.output
    assert outcome.stdout == (out / "evaluation.md").read_text(encoding="utf-8")
    assert (out / "evaluation.html").is_file() and (out / "predictions.csv").is_file()
    assert str(out) in outcome.stderr


def test_evaluate_takes_an_external_cohort(app: typer.Typer, maker: Any, cohort: Path) -> None:
    folder, other = maker.run(), maker.cohort("other", prefix="b", site="site-b")
    maker.setting(folder / "external-b", prefix="b", site="site-b", is_external=True)
    external = ("--external-cohort", other)
    outcome = _run(app, "evaluate", folder, "--cohort", cohort, *external, "--out", maker.root / "out")
    assert outcome.exit_code == 0, outcome.output
    assert "**Clip kappa: external, b**" in outcome.stdout and "No cohort was given" not in outcome.stdout


def test_evaluate_of_a_table(app: typer.Typer, maker: Any) -> None:
    path = maker.write(maker.root / "t.csv", ("y", "p"), [(1, 0.9), (0, 0.8), (1, 0.3), (0, 0.1)])
    outcome = _run(app, "evaluate", "--table", path, "--label", "y", "--score", "p", "--out", maker.root / "out")
    assert outcome.exit_code == 0, outcome.output
    assert outcome.stdout == "AUC .750 (.057-1.000), 2 of 4 positive\n"
    assert ".750 (.057-1.000)" in (maker.root / "out" / "table.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name the RUN folders"),
        (("run",), "name the RUN folders"),
        (("run", "--cohort", "c"), "--out folder"),
        (("--label", "y"), "name columns of --table"),
        (("--table", "t.csv"), "--table needs --label and --score"),
        (("run", "--table", "t.csv"), "--table stands alone"),
    ],
)
def test_evaluate_of_options_that_do_not_fit(app: typer.Typer, arguments: tuple[str, ...], message: str) -> None:
    outcome = _run(app, "evaluate", *arguments)
    assert isinstance(outcome.exception, UsageError) and outcome.exception.exit_code == 2
    assert message in str(outcome.exception)


def test_evaluate_without_the_extra_says_what_to_install(maker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("fidgety.training.evaluation")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pydantic", None)
    for name in ("read", "links", "tables"):
        monkeypatch.delitem(sys.modules, f"fidgety.cohort.{name}", raising=False)
    with pytest.raises(UsageError, match=r"needs pydantic: pip install 'fidgety\[train\]'"):
        evaluate.evaluate([maker.root], maker.root, None, maker.root)


def test_agree_prints_what_it_writes(app: typer.Typer, maker: Any) -> None:
    rows = [("ann", f"r{i}", aid, "risk" if i < 4 else "normal") for i in range(8) for aid in ("none", "mam")]
    labels = maker.write(maker.root / "labels.csv", ("assessor", "recording", "aid", "label"), rows)
    truth = maker.write(maker.root / "truth.csv", ("recording", "label"), [(r, label) for _, r, _, label in rows[::2]])
    out = maker.root / "out"
    outcome = _run(app, "agree", labels, "--truth", truth, "--out", out)
    assert outcome.exit_code == 0, outcome.output
    assert outcome.stdout == (out / "agreement.md").read_text(encoding="utf-8")


def test_agree_of_faults_ends_with_2(app: typer.Typer, maker: Any) -> None:
    labels = maker.write(
        maker.root / "labels.csv", ("assessor", "recording", "aid", "label"), [("a", "r", "none", "x")]
    )
    truth = maker.write(maker.root / "truth.csv", ("recording", "label"), [("r", "risk")])
    outcome = _run(app, "agree", labels, "--truth", truth, "--out", maker.root / "out")
    assert isinstance(outcome.exception, UsageError) and "labels.csv:2:label: 'x'" in str(outcome.exception)
