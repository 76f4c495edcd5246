"""`fidgety store key|encrypt|clock|...`: keys, encryption, packages and backups of a store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from fidgety.commands.options import KeyFile, StorePath, log, open_store
from fidgety.errors import UsageError

__all__ = ["COMMANDS"]


def key(out: Annotated[Path, typer.Argument(help="File to write; best on a stick that is taken away.")]) -> None:
    """Make a key for a store's encryption, locked with $FIDGETY_KEY_PASSPHRASE where that is set."""
    from fidgety.device.vault import make_key_file

    made = make_key_file(out)
    print(
        f"key {made.id} written to {out}: without it nothing that it encrypts can be read again, keep a copy elsewhere"
    )


def encrypt(store: StorePath = None, key_file: KeyFile = None) -> None:
    """Encrypt a store from now on, and what it holds; to be repeated after an interruption."""
    from fidgety.device.sealing import n_plain, turn_on
    from fidgety.device.vault import default_key_file, read_key_file

    place = key_file or default_key_file()
    if place is None:
        raise UsageError("name the key with --key-file; `fidgety store key` makes one")
    with open_store(store, place, is_made=True) as opened:
        n_files = sum(1 for _ in turn_on(opened.shelf, read_key_file(place)))
        left = n_plain(opened.shelf)
        print(f"{n_files} files encrypted with the key {opened.shelf.key_id}")
        if left:
            log(f"{left} files belong to recordings that are being made or scored: encrypt again later")
        if any((opened.folder / "lost+found").iterdir()):
            log(
                f"{opened.folder / 'lost+found'} holds leftovers that are not encrypted: look at them, then delete them"
            )


def clock(
    store: StorePath = None,
    is_accepted: Annotated[
        bool, typer.Option("--accept", help="The clock is right now: reckon with it again.")
    ] = False,
) -> None:
    """Say whether the clock is to be believed, and why not."""
    with open_store(store) as opened:
        if is_accepted:
            opened.shelf.books.accept_clock()
        now, doubt = opened.shelf.books.look_at_clock()
    print(f"{now.text}  {doubt or 'nothing speaks against it'}")


COMMANDS: dict[str, Callable[..., None]] = {"key": key, "encrypt": encrypt, "clock": clock}
