"""`fidgety log ...`: the audit log of a store, shown and checked."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from fidgety.commands.options import StorePath, log, store_place
from fidgety.errors import DeviceError

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="The audit log: what happened to which recording, and whether it is whole."
)

_MOST_FAULTS = 20


@app.command()
def verify(
    store: StorePath = None,
    head: Annotated[
        str | None,
        typer.Option("--head", help="A line as written down earlier, number:hash; it must still be the same."),
    ] = None,
) -> None:
    """Find every line that was removed, edited, moved, put in or cut off."""
    from fidgety.device.books import Books
    from fidgety.device.clock import Clock
    from fidgety.device.log_check import verify as check

    books = Books(store_place(store), Clock())
    try:
        found = check(books, head)
    finally:
        books.close()
    for fault in found.faults[:_MOST_FAULTS]:
        print(fault)
    if len(found.faults) > _MOST_FAULTS:
        print(f"and {len(found.faults) - _MOST_FAULTS} more")
    if found.faults:
        raise DeviceError(f"{books.log_path} is not as it was written; keep it as it is, and have it looked into")
    print(f"{found.n_lines} lines, each as it was written; the last is {found.head}")


@app.command()
def show(
    store: StorePath = None,
    recording: Annotated[str | None, typer.Option(help="Only events of this recording.")] = None,
    n_lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the last events.")] = 50,
    is_json: Annotated[bool, typer.Option("--json", help="The lines as they stand in the log.")] = False,
) -> None:
    """Show the last events, the newest at the end."""
    from fidgety.device.books import Books
    from fidgety.device.clock import Clock
    from fidgety.device.holdings import id_of, number_of

    wanted = None if recording is None else id_of(number_of(recording))
    books = Books(store_place(store), Clock())
    try:
        lines = [str(row["line"]) for row in books.read("SELECT line FROM events ORDER BY seq")]
    finally:
        books.close()
    told = [(line, json.loads(line)) for line in lines]
    chosen = [(line, one) for line, one in told if wanted in (None, one["details"].get("recording"))][-n_lines:]
    for line, one in chosen:
        print(line if is_json else _format(one))
    if not chosen:
        log("no such events")


def _format(event: dict[str, Any]) -> str:
    details = "  ".join(f"{key}={_short(value)}" for key, value in event["details"].items() if value is not None)
    doubt = " " if event["is_clock_trusted"] else "?"  # the clock was not to be believed
    return f"{event['seq']:6d}  {event['time'][:19]}{doubt} {event['kind']:20s} {details}".rstrip()


def _short(value: object) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value))
    text = str(value)
    return text[:12] if len(text) == 64 else text
