"""`fidgety record`: record at the bedside, guided, with a verdict before the infant is dressed."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from fidgety.commands.options import BundlePath, KeyFile, StorePath, log, note_undated_age, open_store

__all__ = ["record"]


def record(
    camera: Annotated[
        str, typer.Option("--camera", help="0, /dev/video0, csi:0, gst:/dev/video0, rtsp://..., test:1080p25.")
    ] = "0",
    infant: Annotated[str | None, typer.Option("--infant", help="Pseudonym of the infant, no name.")] = None,
    born: Annotated[str | None, typer.Option(help="Date of birth, YYYY-MM-DD.")] = None,
    gestation: Annotated[str | None, typer.Option(help="Gestation at birth: weeks, or weeks+days as 39+2.")] = None,
    age_weeks: Annotated[float | None, typer.Option(help="Corrected age in weeks today, instead of dates.")] = None,
    minutes: Annotated[
        str, typer.Option("--minutes", help="Shortest and longest, as 3-5; the first when enough was seen.")
    ] = "3-5",
    wait_s: Annotated[
        float,
        typer.Option("--wait", min=0.0, help="Seconds to wait for the infant to lie well; then it begins anyway."),
    ] = 120.0,
    store: StorePath = None,
    key_file: KeyFile = None,
    out: Annotated[Path | None, typer.Option("--out", help="Plain folder in place of the store.")] = None,
    size: Annotated[str, typer.Option("--size", help="Wanted picture, WIDTHxHEIGHT.")] = "1920x1080",
    fps: Annotated[float, typer.Option("--fps", min=5.0, max=120.0, help="Wanted frames a second.")] = 25.0,
    has_guidance: Annotated[
        bool, typer.Option("--guidance/--no-guidance", help="Look at the pictures while recording.")
    ] = True,
    threads: Annotated[int, typer.Option("--threads", min=1, max=64, help="CPU threads of the guidance.")] = 2,
    bundle_path: BundlePath = None,
) -> None:
    """Record an infant for 3 to 5 minutes; stops by itself, by Enter, Ctrl-C or SIGTERM; says keep or repeat."""
    from fidgety.device.bedside import Session, run_session
    from fidgety.device.camera import Wanted
    from fidgety.device.holdings import About, Infant
    from fidgety.device.places import folder_place, store_place
    from fidgety.errors import UsageError
    from fidgety.infant import characteristics

    if store is not None and out is not None:
        raise UsageError("--store and --out are two places: give one of them")
    if infant is None and out is None and (born, gestation, age_weeks) != (None, None, None):
        raise UsageError("--infant is missing: whose dates or age is it?")
    known = characteristics(born, None if born is None else date.today().isoformat(), gestation, age_weeks)
    session = Session(
        camera, Wanted(*_size(size), fps), _minutes(minutes), wait_s, known, bundle_path, has_guidance, threads
    )
    about = About(None if infant is None else Infant(infant, born, gestation, age_weeks=age_weeks))
    with ExitStack() as stack:
        if out is not None:
            place = stack.enter_context(folder_place(out, log))
        else:
            opened = stack.enter_context(open_store(store, key_file, is_made=True))
            if age_weeks is not None:
                note_undated_age(opened)
            place = stack.enter_context(store_place(opened, about, log))
        outcome = run_session(session, place, log)
    print(outcome.text)
    if outcome.exit_code:
        raise typer.Exit(outcome.exit_code)


def _minutes(text: str) -> tuple[float, float]:
    """'3-5', '3..5' or '4'. Raises UsageError."""
    from fidgety.errors import UsageError

    first, _, last = text.replace("..", "-").partition("-")
    try:
        shortest, longest = float(first), float(last or first)
    except ValueError:
        shortest = longest = -1.0
    if not 0.0 < shortest <= longest <= 30.0:
        raise UsageError(f"--minutes {text!r}: write the shortest and the longest, as 3-5")
    return shortest, longest


def _size(text: str) -> tuple[int, int]:
    from fidgety.errors import UsageError

    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and 64 <= int(width) <= 7680 and 64 <= int(height) <= 4320):
        raise UsageError(f"--size {text!r}: write width and height in pixels, as 1920x1080")
    return int(width), int(height)
