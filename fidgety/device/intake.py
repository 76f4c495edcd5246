"""How recordings come in: a file that is added, or a folder that the recorder fills. The same content is kept once."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import re
import sqlite3
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from fidgety.bundle import sha256_of_file
from fidgety.device.books import Change
from fidgety.device.holdings import About, Added, Begun, Infant, Kind, StoredFile, check_id, id_of, number_of
from fidgety.device.shelf import Piece, Shelf
from fidgety.device.vault import SEALED
from fidgety.durable import Heed, explain, faults, sync
from fidgety.errors import DeviceError, SourceError, UsageError

__all__ = [
    "add",
    "begin",
    "content_hash",
    "enter",
    "finish_recording",
    "insert_row",
    "kind_of",
    "next_number",
    "read_infant",
    "write_infant",
]

ABOUT_NAME = "about.json"
_VIDEO_SUFFIXES = {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".ts", ".webm"}
_POSE_SUFFIXES = {".poses", ".npz"}
_MADE = re.compile(r"R[0-9]+-[0-9]+-(result|poses|report|override)(?:\..*)?")  # by the store, not by a recorder


def add(shelf: Shelf, source: Path, about: About, is_queued: bool, heed: Heed | None = None) -> Added:
    """Copy a recording into the store; the file itself stays where it is.

    Its name is not kept, for it may be an infant's: it is called by its id. Raises SourceError where it cannot be read,
    UsageError where what is told of the infant contradicts what is known, DeviceError where the disk lets us down, and
    what `heed` raises between two blocks.
    """
    kind: Kind = "poses" if source.suffix.lower() in _POSE_SUFFIXES else "video"
    try:
        stream = source.open("rb")
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise DeviceError(f"{source} cannot be opened: {explain(error)}") from error
        raise SourceError(f"{source} cannot be read: {error.strerror}") from error
    with stream, faults(f"{source} cannot be copied to {shelf.folder}"):
        piece = shelf.stage(stream, kind, heed)
    try:
        if piece.file.n_bytes == 0:
            raise SourceError(f"{source} is empty: there is no recording in it")
        with shelf.books.change() as change:
            known = change.run("SELECT number, state FROM recordings WHERE sha256 = ?", piece.file.sha256).fetchone()
            if known is not None:
                if is_queued and known["state"] == "recorded":
                    change.run("UPDATE recordings SET state = 'queued' WHERE number = ?", known["number"])
                    change.note("queued", recording=id_of(known["number"]), before="recorded")
                return Added(id_of(known["number"]), is_new=False)
            number = next_number(change, shelf)
            enter(shelf, change, number, about, "queued" if is_queued else "recorded", piece.file.sha256)
            shelf.place(change, number, piece, f"{id_of(number)}{source.suffix.lower()}")
            change.note("added", recording=id_of(number), sha256=piece.file.sha256, infant=_infant_id(about))
        return Added(id_of(number), is_new=True)
    finally:
        piece.part.unlink(missing_ok=True)


def begin(shelf: Shelf, about: About) -> Begun:
    """A place for a recording that is being made. Raises UsageError, DeviceError."""
    with faults(f"no recording can be begun in {shelf.folder}"):
        owner = shelf.owner.token
    with shelf.books.change() as change:
        number = next_number(change, shelf)
        enter(shelf, change, number, about, "recording", None)
        change.run("UPDATE recordings SET owner = ? WHERE number = ?", owner, number)
        change.note("recording-begun", recording=id_of(number), infant=_infant_id(about))
    return Begun(id_of(number), shelf.folder_of(number))


def finish_recording(shelf: Shelf, recording_id: str, about: About, is_queued: bool, is_cut_short: bool) -> Added:
    """The recorder is done: its files are hashed and named, and the recording is `recorded` or `queued`.

    What `about` says of length and lost frames is kept. Raises UsageError where it holds no picture or is not being
    recorded, DeviceError where the disk lets us down; then it is still `recording`.
    """
    number = number_of(recording_id)
    with faults(f"{recording_id} cannot be kept"), ExitStack() as cleaning:
        _finish(shelf, number, about, is_queued, is_cut_short, cleaning)
    return Added(id_of(number), is_new=True)


def _finish(shelf: Shelf, number: int, about: About, is_queued: bool, is_cut_short: bool, cleaning: ExitStack) -> None:
    recording_id = id_of(number)
    pieces, files = _files_in(shelf, number, cleaning)
    everything = files + [piece.file for piece in pieces]
    if not any(file.kind in ("video", "poses") for file in everything):
        raise UsageError(f"{recording_id} holds no recording: there is no video with a byte in it")
    sha256 = content_hash(everything)
    with shelf.books.change() as change:
        state = change.run("SELECT state FROM recordings WHERE number = ?", number).fetchone()
        if state is None or state["state"] != "recording":
            raise UsageError(f"{recording_id} is not being recorded")
        known = change.run("SELECT number FROM recordings WHERE sha256 = ?", sha256).fetchone()
        if known is not None:
            raise UsageError(f"{recording_id} is the very same recording as {id_of(known['number'])}")
        for file in files:
            shelf.register(change, number, file)
        for piece in pieces:
            shelf.place(change, number, piece, piece.file.name)
        change.run(
            "UPDATE recordings SET state = ?, sha256 = ?, owner = NULL, is_cut_short = ?, "
            "duration_s = COALESCE(?, duration_s), n_dropped_frames = COALESCE(?, n_dropped_frames) WHERE number = ?",
            "queued" if is_queued else "recorded",
            sha256,
            int(is_cut_short),
            about.duration_s,
            about.n_dropped_frames,
            number,
        )
        change.note(
            "recorded", recording=id_of(number), sha256=sha256, dropped=about.n_dropped_frames, cut_short=is_cut_short
        )
    for piece in pieces:
        (shelf.folder_of(number) / piece.file.name).unlink(
            missing_ok=True
        )  # what the recorder wrote, now that it is kept encrypted


def enter(shelf: Shelf, change: Change, number: int, about: About, state: str, sha256: str | None) -> None:
    """The row of a new recording, and `about.json` beside its files, from which the row could be made anew."""
    recorded_on = about.recorded_on or (change.now.text[:10] if change.is_clock_trusted else None)
    about = replace(about, recorded_on=recorded_on, infant=_dated(about.infant, recorded_on))
    insert_row(shelf, change, number, about, state, sha256)
    told = asdict(about) | {"recorded_at": change.now.text}
    piece = _stage_json(shelf, {"format": 1, "is_clock_trusted": change.is_clock_trusted, **told})
    shelf.place(change, number, piece, ABOUT_NAME)


def insert_row(
    shelf: Shelf,
    change: Change,
    number: int,
    about: About,
    state: str,
    sha256: str | None,
    recorded: tuple[str, bool] | None = None,
) -> None:
    """The row alone. recorded: the time and whether it can be believed, where that is not now."""
    if about.infant is not None:
        _register_infant(shelf, change, about.infant)
    recorded_at, is_clock_trusted = recorded or (change.now.text, change.is_clock_trusted)
    if about.session_id is not None:
        change.run(
            "INSERT INTO sessions VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING",
            check_id(about.session_id, "session"),
            recorded_at,
            int(is_clock_trusted),
        )
    change.run(
        "INSERT INTO recordings (number, sha256, infant_id, session_id, recorded_at, is_clock_trusted, recorded_on, "
        "duration_s, n_dropped_frames, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        number,
        sha256,
        _infant_id(about),
        about.session_id,
        recorded_at,
        int(is_clock_trusted),
        about.recorded_on,
        about.duration_s,
        about.n_dropped_frames,
        state,
    )


def next_number(change: Change, shelf: Shelf) -> int:
    """One above every recording that has a row or a folder: a number is never given twice."""
    last = change.run("SELECT COALESCE(MAX(number), 0) AS last FROM recordings").fetchone()["last"]
    folders = [int(path.name[1:]) for path in (shelf.folder / "recordings").glob("R[0-9]*") if path.name[1:].isdigit()]
    return max([int(last), *folders]) + 1


def content_hash(files: list[StoredFile]) -> str:
    """What a recording is known by: the hash of its one video, or of the hashes of its segments in their order."""
    kind = "video" if any(file.kind == "video" for file in files) else "poses"
    hashes = [file.sha256 for file in sorted(files, key=lambda file: file.name) if file.kind == kind]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def kind_of(name: str) -> Kind:
    """What a file in a recording's folder is, by its name."""
    if made := _MADE.fullmatch(name):
        return made[1]  # type: ignore[return-value]
    suffix = Path(name).suffix.lower()
    if name == ABOUT_NAME:
        return "about"
    if suffix in _VIDEO_SUFFIXES:
        return "video"
    return "poses" if suffix in _POSE_SUFFIXES else "times" if "times" in name else "other"


def read_infant(shelf: Shelf, infant_id: str) -> Infant:
    """What is known of an infant. Raises UsageError where there is none of this id."""
    rows = shelf.books.read("SELECT * FROM infants WHERE id = ?", infant_id)
    if not rows:
        raise UsageError(f"there is no infant {infant_id!r} in {shelf.folder}")
    return Infant(infant_id, **_known_infant(shelf, rows[0]))


def write_infant(shelf: Shelf, change: Change, infant_id: str, told: dict[str, Any]) -> None:
    """Keep what is known of an infant, encrypted where the store is."""
    key, content = shelf.key, json.dumps(told).encode("utf-8")
    change.run(
        "INSERT INTO infants VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET content = excluded.content, "
        "key_id = excluded.key_id",
        infant_id,
        content if key is None else key.seal_words(content, f"infant {infant_id}"),
        None if key is None else key.id,
    )


def _known_infant(shelf: Shelf, row: sqlite3.Row) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(shelf.open_words(row["content"], row["key_id"], f"infant {row['id']}"))
    return told


def _register_infant(shelf: Shelf, change: Change, infant: Infant) -> None:
    told: dict[str, Any] = {key: value for key, value in asdict(infant).items() if key != "id" and value is not None}
    row = change.run("SELECT * FROM infants WHERE id = ?", infant.id).fetchone()
    known = {} if row is None else _known_infant(shelf, row)
    for name in told.keys() & known.keys() - {"age_weeks", "age_on"}:  # older at every visit
        if told[name] != known[name]:
            raise UsageError(
                f"infant {infant.id}: {name.replace('_', ' ')} was {known[name]} so far, now it is {told[name]}: check "
                "both, and whether it is the same infant"
            )
    _require_one_age(Infant(infant.id, **known), infant)
    merged = known | told  # the age that was told last holds: it was told for this very recording
    Infant(infant.id, **merged)  # raises where dates and age contradict each other
    if row is None or merged != known:
        write_infant(shelf, change, infant.id, merged)


def _require_one_age(known: Infant, told: Infant) -> None:
    """Raises UsageError where the age told now is more than a week from that told before; ages are told rounded."""
    before = known.told_age_weeks(told.age_on)
    if told.age_weeks is not None and before is not None and round(abs(before - told.age_weeks), 6) > 1.0:
        raise UsageError(
            f"infant {told.id}: by what was told so far it was {before:.1f} weeks old (corrected) on {told.age_on}, "
            f"now it is {told.age_weeks:g}: check both, and whether it is the same infant"
        )


def _dated(infant: Infant | None, day: str | None) -> Infant | None:
    """An age was told for the day of the recording. Where that is not known nobody could reckon with it: it goes."""
    if infant is None or infant.age_weeks is None or infant.age_on is not None:
        return infant
    return replace(infant, age_weeks=None if day is None else infant.age_weeks, age_on=day)


def _infant_id(about: About) -> str | None:
    return None if about.infant is None else about.infant.id


def _stage_json(shelf: Shelf, told: dict[str, Any]) -> Piece:
    return shelf.stage(io.BytesIO(json.dumps(told, indent=1).encode("utf-8")), "about")


def _files_in(shelf: Shelf, number: int, cleaning: ExitStack) -> tuple[list[Piece], list[StoredFile]]:
    """What the recorder wrote, without what is empty or no plain file: encrypted copies of it that are still staged,
    or, where the store is not encrypted, the files in their place, synced and hashed. Raises OSError, DeviceError.
    """
    folder = shelf.folder_of(number)
    pieces, files = [], []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(ABOUT_NAME) or path.is_symlink() or not path.is_file() or path.stat().st_size == 0:
            continue
        if path.suffix == SEALED:
            continue  # of an earlier try
        if shelf.key is None:
            sync(path)
            sha256 = sha256_of_file(path)
            files.append(StoredFile(path.name, kind_of(path.name), sha256, path.stat().st_size, sha256, None))
            continue
        with path.open("rb") as stream:
            piece = shelf.stage(stream, kind_of(path.name))
        cleaning.callback(piece.part.unlink, missing_ok=True)
        pieces.append(replace(piece, file=replace(piece.file, name=path.name)))
    sync(folder)
    return pieces, files
