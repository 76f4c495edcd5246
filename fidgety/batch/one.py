"""One recording -> its result on disk; what is scored already is not scored again.

Each recording leaves `<name>-<hash>.json`, `.html` and `.poses` in the output folder, named by its content, so that two
files of one name never meet. What a camera shows comes once: its results are named by camera and time (`live.py`) and
never take the place of others. Every file appears whole or not at all, the `.json` last. A result without its report is
made anew: what the report shows of single moments is kept nowhere else.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import onnxruntime

from fidgety import __version__
from fidgety.batch.faults import blaming_the_device
from fidgety.batch.live import held_place, plain_name
from fidgety.bundle import Bundle, sha256_of_file
from fidgety.durable import Heed
from fidgety.errors import DeviceError, SourceError, UnsettledError, UsageError
from fidgety.records import Assessment, Characteristics, Quality
from fidgety.report.page import write_report
from fidgety.report.table import read_json, write_json
from fidgety.runtime.address import camera_name
from fidgety.runtime.devices import CPU, Device
from fidgety.runtime.devices import SETTINGS as DEVICE_SETTINGS
from fidgety.runtime.pipeline import Job, Watcher, assess_poses, assess_recording, check_recording, estimate_poses
from fidgety.runtime.posefile import POSE_SUFFIXES, open_poses
from fidgety.runtime.source import SourceInfo, open_source

__all__ = [
    "Outputs",
    "Request",
    "check_one",
    "file_state",
    "limited",
    "make_folder",
    "present_result",
    "result_stem",
    "score_one",
    "versions",
    "write_poses",
]

WatcherFor = Callable[[SourceInfo], Watcher | None]
_SETTINGS = ("min_assessable_s", "seconds", "fps")  # what a call may set apart from the bundle


@dataclass(frozen=True, slots=True)
class Request:
    """What holds for all recordings of one call."""

    bundle: Bundle
    characteristics: Characteristics
    folder: Path | None  # None: nothing is written
    is_forced: bool = False  # score again what is there
    fps: float | None = None  # of pose tracks that do not state it
    max_duration_s: float | None = None
    n_threads: int = 2
    min_assessable_s: float | None = None  # the duration rule, where it is not the bundle's
    device: Device = CPU


@dataclass(frozen=True, slots=True)
class Outputs:
    """One recording's result and where it lies."""

    assessment: Assessment
    report: Path | None
    is_new: bool


def make_folder(folder: Path) -> Path:
    """The output folder, made if need be and proved writable. Raises DeviceError or UsageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".fidgety-probe.part"
        probe.write_bytes(b"")
        probe.unlink()
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"{folder} is no folder: name another one with --out") from None
    except OSError as error:
        raise DeviceError(f"results cannot be written to {folder}: {error.strerror}; name another --out") from error
    return folder


def score_one(address: str, request: Request, watcher_for: WatcherFor, heed: Heed | None = None) -> Outputs:
    """Score one recording, camera or pose track, or give the result that is already there.

    heed: called between two blocks while the recording is hashed. Raises SourceError (UnsettledError where the file
    changed meanwhile), BundleError or DeviceError: also where what failed is the device's fault, such as too many open
    files; what `heed` raises.
    """
    path, camera = Path(address), camera_name(address)
    with blaming_the_device(), _standing_still(path):
        sha256 = _sha256_of(path, camera, heed)
        with _place(path, camera, sha256, request) as stem:
            if (present := present_result(stem, sha256, request)) is not None:
                return present
            assessment = _score(address, sha256, stem, request, watcher_for)
    if stem is None:
        return Outputs(assessment, None, is_new=True)
    with blaming_the_device():
        write_report(_with(stem, ".html"), assessment)
        write_json(_with(stem, ".json"), assessment)  # last: its presence says that all is there
    return Outputs(assessment, _with(stem, ".html"), is_new=True)


def present_result(stem: Path | None, sha256: str | None, request: Request) -> Outputs | None:
    """The result that lies at `stem` already, made of the same recording with the same bundle and settings."""
    if stem is None or sha256 is None or request.is_forced:
        return None
    report = _with(stem, ".html")
    found = _present(_with(stem, ".json"), sha256, request) if report.is_file() else None
    return None if found is None else Outputs(found, report, is_new=False)


def file_state(path: Path) -> tuple[int, int] | None:
    """(bytes, time of the last change in ns) of a file; None where there is no plain file."""
    try:
        state = path.stat()
    except OSError:
        return None
    return (state.st_size, state.st_mtime_ns) if path.is_file() else None


def limited(bundle: Bundle, min_assessable_s: float | None) -> Bundle:
    """The bundle with its duration rule set anew; as it is where there is nothing to set."""
    if min_assessable_s is None:
        return bundle
    quality = replace(bundle.manifest.quality, min_assessable_s=min_assessable_s)
    return replace(bundle, manifest=replace(bundle.manifest, quality=quality))


def check_one(
    address: str,
    infant: Characteristics,
    bundle: Bundle,
    max_duration_s: float | None,
    n_threads: int,
    watcher_for: WatcherFor,
    device: Device = CPU,
) -> Quality:
    """The quality gate alone. Raises SourceError, UsageError or BundleError."""
    with open_source(address) as source:
        _require_end(source.info, max_duration_s)
        job = Job(source.info.name, infant, None, None, max_duration_s, n_threads, device=device)
        return check_recording(source, bundle, job, watcher_for(source.info))


def write_poses(
    address: str,
    target: Path,
    bundle: Bundle,
    max_duration_s: float | None,
    n_threads: int,
    watcher_for: WatcherFor,
    device: Device = CPU,
) -> int:
    """Recording -> `.poses` file at `target`, whole or not at all; gives the number of poses.

    Its header holds the recording's hash, by which a cohort knows a video and its track for one. Raises SourceError
    (UnsettledError where the file changed meanwhile), UsageError, BundleError or DeviceError.
    """
    path, camera = Path(address), camera_name(address)
    if camera is not None and target.exists():
        raise UsageError(f"{target} is there already, and what a camera shows comes once: name another --out")
    part = target.with_name(target.name + ".part")
    with open_source(address) as source:
        _require_end(source.info, max_duration_s)
        try:
            with _standing_still(path):
                sha256 = _sha256_of(path, camera)
                job = Job(source.info.name, Characteristics(), sha256, part, max_duration_s, n_threads, device=device)
                n_poses = estimate_poses(source, bundle, job, watcher_for(source.info))
            _rename(part, target)
        finally:
            _remove(part)
    return n_poses


def _sha256_of(path: Path, camera: str | None, heed: Heed | None = None) -> str | None:
    """None: no file. Raises SourceError where one cannot be read."""
    try:
        return sha256_of_file(path, heed) if camera is None and path.is_file() else None
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error


@contextmanager
def _place(path: Path, camera: str | None, sha256: str | None, request: Request) -> Iterator[Path | None]:
    """Where the results go, without their suffix; None = nowhere."""
    if request.folder is None:
        yield None
    elif camera is None:
        yield result_stem(request.folder, path, sha256)
    else:
        with held_place(request.folder, camera) as stem:
            yield stem


@contextmanager
def _standing_still(path: Path) -> Iterator[None]:
    """Raises UnsettledError where the file is not the same afterwards, whatever else went wrong with it."""
    before = file_state(path)
    try:
        yield
    except SourceError as error:
        _require_same(path, before, error)
        raise
    _require_same(path, before, None)


def _require_same(path: Path, before: tuple[int, int] | None, cause: SourceError | None) -> None:
    after = file_state(path)
    if before is None or after == before:
        return
    if after is None:
        raise SourceError(f"{path} was taken away while it was read: bring it back and score it again") from cause
    raise UnsettledError(f"{path} changed while it was read: wait until it is written, then score it again") from cause


def _score(
    address: str, sha256: str | None, stem: Path | None, request: Request, watcher_for: WatcherFor
) -> Assessment:
    path = Path(address)
    if camera_name(address) is None and path.suffix in POSE_SUFFIXES and not path.is_dir():
        poses = open_poses(path, request.fps)
        job = _job(path.name, sha256, None, request)
        info = SourceInfo(path.name, 0.0, None, is_live=False)
        return assess_poses(poses, request.bundle, job, watcher_for(info))
    with open_source(address) as source:
        _require_end(source.info, request.max_duration_s)
        part = None if stem is None else _with(stem, ".poses.part")
        job = _job(source.info.name, sha256, part, request, is_live=source.info.is_live)
        try:
            assessment = assess_recording(source, request.bundle, job, watcher_for(source.info))
            if stem is not None and part is not None:
                _rename(part, _with(stem, ".poses"))
        finally:
            if part is not None:
                _remove(part)
    return assessment


def _require_end(info: SourceInfo, max_duration_s: float | None) -> None:
    if info.is_live and max_duration_s is None:
        raise UsageError(f"{info.name} is a camera and has no end: say how long to watch with --seconds")


def _rename(part: Path, target: Path) -> None:
    try:
        with part.open("rb+") as stream:  # what has a name is on the disk, also after a power cut
            os.fsync(stream.fileno())
        part.replace(target)
    except OSError as error:
        raise DeviceError(f"{target} cannot be written: {error.strerror}") from error


def _remove(part: Path) -> None:
    with suppress(OSError):  # the disk is gone: there is nothing to tidy up
        part.unlink(missing_ok=True)


def _job(name: str, sha256: str | None, poses_path: Path | None, request: Request, *, is_live: bool = False) -> Job:
    started = {"started_at": datetime.now().astimezone().isoformat(timespec="seconds")} if is_live else {}
    return Job(
        name,
        request.characteristics,
        sha256,
        poses_path,
        request.max_duration_s,
        request.n_threads,
        {**_settings(request), **started, **request.device.settings(), **versions()},
        request.device,
    )


def _settings(request: Request) -> dict[str, float]:
    """What was set apart from the bundle, to the decimals that a stored result keeps."""
    given = (request.min_assessable_s, request.max_duration_s, request.fps)
    return {name: round(value, 6) for name, value in zip(_SETTINGS, given, strict=True) if value is not None}


def versions() -> dict[str, str]:
    """Of this program and of what a result depends on: part of every result."""
    packages = {name: version(name) for name in ("av", "numpy", "opencv-python-headless")}
    # Of the module itself: it comes as `onnxruntime` or, with accelerators, as `onnxruntime-gpu`.
    engine = {"onnxruntime": str(onnxruntime.__version__)}
    return {"fidgety": __version__, "python": platform.python_version(), **engine, **packages}


def result_stem(folder: Path, path: Path, sha256: str | None) -> Path:
    """`folder/name-hash8` of a file."""
    return folder / plain_name(path.name if sha256 is None else f"{path.stem}-{sha256[:8]}")


def _with(stem: Path, suffix: str) -> Path:
    return stem.with_name(stem.name + suffix)


def _present(path: Path, sha256: str, request: Request) -> Assessment | None:
    """The result in `path` if it was made from the same recording with the same bundle, settings and device.

    Engines of another build count as another device: their results may differ.
    """
    if not path.is_file():
        return None
    try:
        found = read_json(path)
    except (UsageError, SourceError, DeviceError):
        return None  # damaged: it is made anew
    wanted: dict[str, Any] = {**_settings(request), **request.device.settings()}
    is_same = (
        found.recording_sha256 == sha256
        and found.bundle == request.bundle.label
        and _are_same(found.characteristics, request.characteristics)
        and all(found.settings.get(key) == wanted.get(key) for key in (*_SETTINGS, *DEVICE_SETTINGS))
        and found.settings.get("fidgety") == __version__
    )
    return found if is_same else None


def _are_same(stored: Characteristics, given: Characteristics) -> bool:
    """Equal to the decimals that a stored result keeps: days count where an age is near its limits."""
    pairs = zip(astuple(stored), astuple(given), strict=True)
    return all(one == (round(other, 6) if isinstance(other, float) else other) for one, other in pairs)
