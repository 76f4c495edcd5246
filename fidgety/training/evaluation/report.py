"""Sections of tables and plots -> evaluation.md, one self-contained evaluation.html, a CSV of every table.

Tables are rendered from one record, so that no file can say other figures than the next. Cohorts that were simulated
are named so at the top of both files and over every printed page.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from fidgety.report.files import write_text
from fidgety.report.wording import clean_name
from fidgety.training.evaluation.tables import Table, to_csv, to_html, to_markdown

__all__ = ["PHANTOM_BANNER", "Report", "Section", "render_html", "render_markdown", "write_report"]

PHANTOM_BANNER = "SIMULATED INFANTS - these figures are about the phantom, not about infants"

_CSS = """
.page { max-width: 1240px; }
.scroll { overflow-x: auto; margin: 0 0 6px; }
th, td { width: auto; white-space: nowrap; overflow-wrap: normal; padding: 5px 14px 5px 0; }
table { font-size: .84rem; }
h1 { margin-bottom: 18px; }
thead th { border-top: 0; border-bottom: 2px solid var(--line); vertical-align: bottom; }
td.none { color: var(--soft); font-style: italic; }
.note { font-size: .86rem; max-width: 90ch; margin: 4px 0 14px; }
.plots { display: flex; flex-wrap: wrap; gap: 14px; margin: 16px 0 4px; }
.plots figure {
  margin: 0; width: min-content; padding: 10px; background: #fff; border: 1px solid var(--line); border-radius: 10px;
}
.plots figcaption { color: #17262b; font-size: .88rem; font-weight: 600; }
.plots svg { display: block; }
pre { overflow-x: auto; font-size: .84rem; line-height: 1.35; }
@media print {
  .scroll { overflow: visible; }
  th, td { white-space: normal; padding-right: 6px; }
  table { font-size: .66rem; }
}
"""


@dataclass(frozen=True, slots=True)
class Section:
    """One heading. texts: paragraphs, or a ready Markdown table. plots: caption and SVG."""

    title: str
    tables: tuple[Table, ...] = ()
    plots: tuple[tuple[str, str], ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What is written. name: of the files. banner: over everything, None for infants."""

    name: str
    title: str
    banner: str | None
    sections: tuple[Section, ...]

    @property
    def tables(self) -> tuple[Table, ...]:
        return tuple(table for section in self.sections for table in section.tables)


def write_report(folder: Path, report: Report) -> None:
    """Write NAME.md, NAME.html and tables/*.csv. Raises UsageError or DeviceError as `write_text` does."""
    for table in report.tables:
        write_text(folder / "tables" / f"{table.name}.csv", to_csv(table))
    write_text(folder / f"{report.name}.md", render_markdown(report))
    write_text(folder / f"{report.name}.html", render_html(report))


def render_markdown(report: Report) -> str:
    """The tables and texts; plots are in the page alone."""
    parts = [f"# {report.title}"]
    if report.banner is not None:
        parts.append(f"**{report.banner}**")
    for section in report.sections:
        parts += [f"## {section.title}", *section.texts, *(to_markdown(table) for table in section.tables)]
    return "\n\n".join(parts) + "\n"


def render_html(report: Report) -> str:
    """The page; it needs no network, no other file and no script."""
    title, css = html.escape(report.title), resources.files("fidgety.report").joinpath("report.css")
    banner = "" if report.banner is None else f'<div class="banner" role="note">{html.escape(report.banner)}</div>'
    body = "\n".join(_section(section) for section in report.sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>\n{css.read_text(encoding='utf-8')}{_CSS}{_print_banner(report.banner)}</style>"
        f'</head>\n<body>{banner}\n<header class="page"><p class="eyebrow">Fidgety movements evaluation</p>'
        f'<h1>{title}</h1></header>\n<main class="page">\n{body}\n</main>{banner}</body></html>\n'
    )


def _section(section: Section) -> str:
    texts = "".join(_text(text) for text in section.texts)
    plots = "".join(f"<figure><figcaption>{html.escape(one)}</figcaption>{svg}</figure>" for one, svg in section.plots)
    drawn = f'<div class="plots">{plots}</div>' if plots else ""
    tables = "".join(to_html(table) for table in section.tables)
    return f'<section class="card long"><h2>{html.escape(section.title)}</h2>{texts}{drawn}{tables}</section>'


def _text(text: str) -> str:
    """A ready table keeps its columns; whatever a file brought in cannot break out of the page."""
    lines = "\n".join(clean_name(line) for line in text.splitlines())
    return f"<pre>{html.escape(lines)}</pre>" if lines.startswith("|") else f"<p>{html.escape(lines)}</p>"


def _print_banner(banner: str | None) -> str:
    """On top of every printed page; banners of this module hold nothing that a style sheet would have to escape."""
    return "" if banner is None else f'@page {{ margin: 16mm 14mm; @top-center {{ content: "{banner}"; }} }}\n'
