"""The result for people: an Assessment as text, as a table and as one page to look at.

`text` fits a small screen, `table` writes JSON and CSV, `page` writes one self-contained HTML file out of what
`figures` draws and `report.html`, `report.css` and `report.js` hold; `wording` has the words and numbers that they
share, `files` puts them on disk.
"""

from fidgety.report.files import write_text
from fidgety.report.page import render_report, write_report
from fidgety.report.table import assessment_from_json, assessment_to_json, read_json, write_csv, write_json
from fidgety.report.text import format_assessment, format_line, format_quality, format_summary

__all__ = [
    "assessment_from_json",
    "assessment_to_json",
    "format_assessment",
    "format_line",
    "format_quality",
    "format_summary",
    "read_json",
    "render_report",
    "write_csv",
    "write_json",
    "write_report",
    "write_text",
]
