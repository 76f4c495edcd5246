"""A table of figures as one record; Markdown, HTML and CSV are written from it, so that they cannot differ.

A cell is what the statistics give: text, a number, or a figure with its interval. For reading it has three decimals,
`.967 (.950-.984)`; in CSV every part has a column of its own, at full precision.
"""

from __future__ import annotations

import csv
import html
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from fidgety.report.wording import clean_name
from fidgety.training.statistics.estimate import Estimate
from fidgety.training.statistics.groups import MeanSd, Spread

__all__ = ["NOT_RUN", "Cell", "PValue", "Table", "format_cell", "format_figure", "to_csv", "to_html", "to_markdown"]

NOT_RUN = "not run"  # what was not trained or not measured is said to be so, never estimated
_NOT_DEFINED = "not defined"


@dataclass(frozen=True, slots=True)
class PValue:
    """A two-sided p value; NaN where the test cannot tell."""

    value: float


Cell = str | int | float | Estimate | MeanSd | Spread | PValue


@dataclass(frozen=True, slots=True)
class Table:
    """name: of its CSV file, without the ending. notes: what a reader must know, one sentence or two each."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.name}: {len(row)} cells for {len(self.columns)} columns")


def format_figure(value: float) -> str:
    """Three decimals without the zero before the point, as the field prints shares: `.967`, `-.012`, `1.000`.

    From 10 on, where no share is, one decimal.
    """
    if math.isnan(value):
        return _NOT_DEFINED
    text = f"{value:.3f}" if abs(value) < 10.0 else f"{value:.1f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def format_cell(cell: Cell) -> str:
    """A cell for reading: mean (SD), value (low-high) or median (IQR low-high), whatever it holds."""
    if isinstance(cell, str):
        return clean_name(cell)
    if isinstance(cell, PValue):
        return "<.001" if cell.value < 0.001 else format_figure(cell.value)
    if isinstance(cell, int):
        return str(cell)
    if isinstance(cell, float):
        return format_figure(cell)
    value, *others = _parts(cell)
    if math.isnan(value):
        return _NOT_DEFINED
    if isinstance(cell, MeanSd):
        return f"{format_figure(value)} (SD {format_figure(others[0])})"
    label = "IQR " if isinstance(cell, Spread) else ""
    return f"{format_figure(value)} ({label}{_range(*others)})"


def _range(low: float, high: float) -> str:
    dash = " to " if low < 0.0 else "-"
    return f"{format_figure(low)}{dash}{format_figure(high)}"


def to_markdown(table: Table) -> str:
    """A table that reads as plain text too, its title before and its notes behind it."""
    cells = [table.columns, *([format_cell(cell) for cell in row] for row in table.rows)]
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in cells]
    widths = [max(3, *(len(row[column]) for row in escaped)) for column in range(len(table.columns))]
    lines = [_markdown_line([cell.ljust(width) for cell, width in zip(row, widths, strict=True)]) for row in escaped]
    lines.insert(1, _markdown_line(["-" * width for width in widths]))
    notes = [line for note in table.notes for line in ("", note)]
    return "\n".join([f"**{table.title}**", "", *lines, *notes])


def _markdown_line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def to_html(table: Table) -> str:
    """The same as an HTML table that scrolls sideways where the screen is narrow."""
    head = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in table.columns)
    body = "".join(f"<tr>{_html_row(row)}</tr>" for row in table.rows)
    notes = "".join(f'<p class="note soft">{html.escape(note)}</p>' for note in table.notes)
    return (
        f"<h3>{html.escape(table.title)}</h3>"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{notes}'
    )


def _html_row(row: tuple[Cell, ...]) -> str:
    """What holds of several cells in a row, such as "not run", is said once across them."""
    cells = [f'<th scope="row">{html.escape(format_cell(row[0]))}</th>']
    for text, together in groupby(row[1:], key=lambda cell: cell if isinstance(cell, str) else None):
        several = list(together)
        if text is None:
            cells += [f'<td class="figure">{html.escape(format_cell(cell))}</td>' for cell in several]
        else:
            kind = "none" if text == NOT_RUN else "text"
            cells.append(f'<td class="{kind}" colspan="{len(several)}">{html.escape(format_cell(text))}</td>')
    return "".join(cells)


def to_csv(table: Table) -> str:
    """RFC 4180. A column of estimates becomes three, `AUC`, `AUC low` and `AUC high`; NaN becomes an empty cell."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    suffixes = [_suffixes(row[column] for row in table.rows) for column in range(len(table.columns))]
    pairs = zip(table.columns, suffixes, strict=True)
    writer.writerow([f"{column}{suffix}" for column, several in pairs for suffix in several])
    for row in table.rows:
        spread = zip(row, suffixes, strict=True)
        writer.writerow([part for cell, several in spread for part in _csv_parts(cell, len(several))])
    return stream.getvalue()


def _suffixes(cells: Iterable[Cell]) -> tuple[str, ...]:
    """What the columns of a column's parts end with: those of its first cell that has parts."""
    for cell in cells:
        if isinstance(cell, Estimate):
            return ("", " low", " high")
        if isinstance(cell, MeanSd):
            return (" mean", " SD")
        if isinstance(cell, Spread):
            return (" median", " lower quartile", " upper quartile")
    return ("",)


def _csv_parts(cell: Cell, n: int) -> list[str]:
    """A cell in `n` columns: text stands in the first of them."""
    if isinstance(cell, str):
        parts = [clean_name(cell)]
    elif isinstance(cell, PValue | float | int):
        parts = [_csv_number(cell.value if isinstance(cell, PValue) else cell)]
    else:
        parts = [_csv_number(part) for part in _parts(cell)]
    return parts + [""] * (n - len(parts))


def _csv_number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.10g}"


def _parts(cell: Estimate | MeanSd | Spread) -> Sequence[float]:
    if isinstance(cell, Estimate):
        return cell.value, cell.low, cell.high
    if isinstance(cell, MeanSd):
        return cell.mean, cell.sd
    return cell.median, cell.lower_quartile, cell.upper_quartile
