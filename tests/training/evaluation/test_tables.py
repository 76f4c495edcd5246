"""One record, three files: what is read is what is stored."""

from __future__ import annotations

import csv
import io

import pytest

from fidgety.training.evaluation.tables import (
    NOT_RUN,
    PValue,
    Table,
    format_cell,
    format_figure,
    to_csv,
    to_html,
    to_markdown,
)
from fidgety.training.statistics.estimate import Estimate
from fidgety.training.statistics.groups import MeanSd, Spread

NAN = float("nan")


@pytest.fixture
def table() -> Table:
    rows = (
        ("MAM", 40, Estimate(0.8, 0.66, 0.94), MeanSd(5, 0.75, 0.1), PValue(0.0004)),
        ("a|b<c>", NOT_RUN, NOT_RUN, NOT_RUN, NOT_RUN),
        ("none", 0, Estimate(NAN, NAN, NAN), MeanSd(1, 0.5, NAN), PValue(NAN)),
        ("text", "<i>", "<i>", MeanSd(2, 0.5, 0.1), PValue(0.5)),
    )
    return Table("known", "Known figures", ("system", "n", "AUC", "PPV", "p"), rows, ("A note.",))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.769, ".769"),
        (1.0, "1.000"),
        (-0.0123, "-.012"),
        (9.99, "9.990"),
        (10.46, "10.5"),
        (0.0, ".000"),
        (NAN, "not defined"),
    ],
)
def test_format_figure_has_three_decimals(value: float, text: str) -> None:
    assert format_figure(value) == text


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (Estimate(0.769, 0.658, 0.881), ".769 (.658-.881)"),
        (Estimate(0.02, -0.05, 0.09), ".020 (-.050 to .090)"),
        (MeanSd(5, 0.9, 0.05), ".900 (SD .050)"),
        (Spread(9, 0, 0.553, 0.412, 0.706), ".553 (IQR .412-.706)"),
        (Spread(0, 9, NAN, NAN, NAN), "not defined"),
        (PValue(0.00099), "<.001"),
        (PValue(0.0316), ".032"),
        (7, "7"),
        ("line\nbreak", "line\N{REPLACEMENT CHARACTER}break"),
    ],
)
def test_format_cell_as_the_field_prints_it(cell: object, text: str) -> None:
    assert format_cell(cell) == text  # type: ignore[arg-type]


def test_table_with_a_cell_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="broken: 1 cells for 2 columns"):
        Table("broken", "Broken", ("a", "b"), (("x",),))


def test_to_markdown_keeps_columns_and_escapes_bars(table: Table) -> None:
    lines = to_markdown(table).splitlines()
    assert lines[0] == "**Known figures**"
    grid = [line for line in lines if line.startswith("|")]
    assert len({len(line) for line in grid}) == 1
    assert "| a\\|b<c> | not run |" in grid[3]
    assert lines[-1] == "A note."


def test_to_html_escapes_and_says_not_run_once(table: Table) -> None:
    page = to_html(table)
    assert '<th scope="row">a|b&lt;c&gt;</th><td class="none" colspan="4">not run</td>' in page
    assert '<td class="text" colspan="2">&lt;i&gt;</td>' in page
    assert '<td class="figure">.800 (.660-.940)</td>' in page


def test_to_csv_gives_every_part_its_column_at_full_precision(table: Table) -> None:
    rows = list(csv.reader(io.StringIO(to_csv(table))))
    assert rows[0] == ["system", "n", "AUC", "AUC low", "AUC high", "PPV mean", "PPV SD", "p"]
    assert rows[1] == ["MAM", "40", "0.8", "0.66", "0.94", "0.75", "0.1", "0.0004"]
    assert rows[2] == ["a|b<c>", "not run", "not run", "", "", "not run", "", "not run"]
    assert rows[3] == ["none", "0", "", "", "", "0.5", "", ""]
