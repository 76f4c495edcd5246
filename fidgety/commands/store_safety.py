"""`fidgety store key|encrypt|clock|...`: keys, encryption, packages and backups of a store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from fidgety.commands.options import KeyFile, StorePath, log, open_store, store_place
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


def export(
    folder: Annotated[Path, typer.Argument(help="Folder on the stick.")],
    to: Annotated[Path, typer.Option("--to", help="The receiver's public key (`fidgety store receiver-key`).")],
    recording: Annotated[list[str] | None, typer.Option(help="Only these ids; may be repeated.")] = None,
    session: Annotated[str | None, typer.Option(help="Only recordings of this visit.")] = None,
    has_video: Annotated[bool, typer.Option("--video/--no-video", help="With the videos, or without.")] = True,
    store: StorePath = None,
    key_file: KeyFile = None,
) -> None:
    """Write recordings, results and their log into one signed package that only its receiver can open."""
    from fidgety.device.export import device_key
    from fidgety.device.export import export as do_export

    with open_store(store, key_file) as opened:
        if recording:
            chosen = [opened.recording(one) for one in recording]
        else:
            chosen = [one for one in opened.recordings() if one.state != "recording"]
        if session is not None:
            chosen = [one for one in chosen if one.session_id == session]
        done = do_export(opened, chosen, folder, to, has_video)
        print(f"{done.n_files} files of {len(chosen)} recordings written to {done.path}")
        log(f"for the receiver {done.receiver}, who has to trust the key {done.signer} ({device_key(opened)}.pub)")


def receiver_key(
    out: Annotated[Path, typer.Argument(help="File for the private key; the public one gets .pub.")],
) -> None:
    """Make a receiver's pair of keys: devices get the public one, the private one stays."""
    from fidgety.device.receiver import make_receiver_key

    print(f"key {make_receiver_key(out)}: give {out}.pub to the devices, keep {out} secret")


def open_package(
    package: Annotated[Path, typer.Argument(help="A package (.fidgety-package).")],
    out: Annotated[Path, typer.Argument(help="New folder for what it holds.")],
    key: Annotated[Path, typer.Option("--key", help="The receiver's private key.")],
    senders: Annotated[
        Path | None,
        typer.Option(help="Folder of trusted devices' public keys (default: `senders` beside trusted keys)."),
    ] = None,
) -> None:
    """Check a package from another device and unpack it."""
    from fidgety.bundle.signature import key_folder
    from fidgety.device.package import unpack

    done = unpack(package, out, key, senders or key_folder() / "senders")
    print(f"{len(done.manifest['files'])} files of {len(done.manifest['recordings'])} recordings unpacked to {out}")
    log(f"signed by the device {done.signer}; its log then ended with {done.manifest['log_head']}")


def backup(
    folder: Annotated[Path, typer.Argument(help="Folder on another disk; the next backup goes there too.")],
    is_pruned: Annotated[bool, typer.Option("--prune", help="Delete there what was deleted here by rule.")] = False,
    store: StorePath = None,
) -> None:
    """Bring a backup of the store up to date, and prove it."""
    from fidgety.device.backup import back_up

    with open_store(store) as opened:
        done = back_up(opened, folder, _quiet, is_pruned)
    print(f"{done.n_files} files in {folder}, {done.n_new} of them new; the log ends with {done.head}")


def restore(
    backup: Annotated[Path, typer.Argument(help="Folder of a backup.")],
    target: Annotated[Path, typer.Argument(help="New folder for the store.")],
    has_gaps: Annotated[bool, typer.Option("--with-gaps", help="Leave out what is damaged in the backup.")] = False,
) -> None:
    """Make a store from a backup, every file and the log checked before it gets its name."""
    from fidgety.device.restore import restore as do_restore

    done = do_restore(backup, target, _quiet, has_gaps)
    print(f"{done.n_files} files brought back to {target}; the log ends with {done.head}")


def rebuild(store: StorePath = None, key_file: KeyFile = None) -> None:
    """Make the database of a store anew from its recordings and its log, where no backup is at hand."""
    from fidgety.device.rebuild import rebuild as do_rebuild
    from fidgety.device.vault import default_key_file, read_key_file

    place = key_file or default_key_file()
    with do_rebuild(store_place(store), None if place is None else read_key_file(place)) as made:
        for line in made.recovery.lines():
            log(line)
        waiting = len(made.recordings("recorded"))
        print(f"{len(made.recordings())} recordings in {made.folder}")
        if waiting:
            log(f"{waiting} of them have no result: `fidgety store queue all` asks for it")


def _quiet(place: str) -> None:
    """Backups say nothing of each file."""


COMMANDS: dict[str, Callable[..., None]] = {
    "key": key,
    "encrypt": encrypt,
    "clock": clock,
    "export": export,
    "receiver-key": receiver_key,
    "open": open_package,
    "backup": backup,
    "restore": restore,
    "rebuild": rebuild,
}
