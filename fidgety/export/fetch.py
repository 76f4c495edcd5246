"""Gets the published BlazePose networks out of pinned registry packages. Nothing is installed, nothing is run.

Takes a variant and a cache folder, gives the TFLite files as bytes with their origin. The detector and the *full*
landmark network lie in a Python wheel (had through pip), *lite* and *heavy* in an npm package (had through npm). A
package counts only if its SHA-256 is the pinned one, whether it was just downloaded, cached, or brought on a stick.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fidgety.bundle import sha256_of_file
from fidgety.errors import FetchError

__all__ = ["FetchedNetworks", "Package", "Variant", "default_cache_dir", "fetch_networks", "fetch_package"]

log = logging.getLogger(__name__)
Variant = Literal["lite", "full", "heavy"]
DOWNLOAD_TIMEOUT_S = 900  # 35 to 41 MB: enough for .4 Mbit/s
NPM_PATIENCE = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=3000")
# How pip and npm say that nobody answered. pip ends such a run with "no matching distribution", which misleads.
NO_CONNECTION = (
    "connection broken",
    "ECONNREFUSED",
    "ECONNRESET",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ETIMEDOUT",
    "ENETUNREACH",
)


@dataclass(frozen=True, slots=True)
class Package:
    """One file of a registry, pinned by its hash."""

    name: str  # as the registry's client asks for it
    tool: Literal["pip", "npm"]
    file_name: str
    sha256: str
    licence: str


WHEEL = Package(
    name="mediapipe==0.10.21",
    tool="pip",
    file_name="mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl",
    sha256="05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
    licence="Apache-2.0",
)
NPM_PACKAGE = Package(
    name="@mediapipe/pose@0.5.1675469404",
    tool="npm",
    file_name="mediapipe-pose-0.5.1675469404.tgz",
    sha256="8bb349a7b3a3ba699df23be804ddd3b3eab810b50b15406894be257859388a84",
    licence="Apache-2.0",
)
DETECTOR_MEMBER = "mediapipe/modules/pose_detection/pose_detection.tflite"
# The npm package packs its own detector, not byte-equal to the wheel's: every variant takes the wheel's.
LANDMARK_MEMBERS: dict[Variant, tuple[Package, str]] = {
    "lite": (NPM_PACKAGE, "package/pose_landmark_lite.tflite"),
    "full": (WHEEL, "mediapipe/modules/pose_landmark/pose_landmark_full.tflite"),
    "heavy": (NPM_PACKAGE, "package/pose_landmark_heavy.tflite"),
}


@dataclass(frozen=True, slots=True, eq=False)
class FetchedNetworks:
    """The two TFLite files of a variant and the packages that they were read from (one, or wheel and npm package)."""

    detector: bytes
    landmarks: bytes
    packages: tuple[Package, ...]


def default_cache_dir() -> Path:
    """`$XDG_CACHE_HOME/fidgety/fetch`, by default `~/.cache/fidgety/fetch`."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "fidgety" / "fetch"


def fetch_networks(variant: Variant, cache_dir: Path, offline: Path | None = None) -> FetchedNetworks:
    """The TFLite bytes of detector and landmark network.

    With `offline` nothing is downloaded: it is the package file, or a folder that holds the package files; where two
    packages are needed (*lite*, *heavy*) and a file is given, the other one is looked for beside it. Raises FetchError.
    """
    landmark_package, landmark_member = LANDMARK_MEMBERS[variant]
    packages = tuple(dict.fromkeys((WHEEL, landmark_package)))
    paths = {
        package.name: _verified(package, _offline_path(package, offline))
        if offline is not None
        else fetch_package(package, cache_dir)
        for package in packages
    }
    return FetchedNetworks(
        detector=_read_member(paths[WHEEL.name], DETECTOR_MEMBER),
        landmarks=_read_member(paths[landmark_package.name], landmark_member),
        packages=packages,
    )


def fetch_package(package: Package, cache_dir: Path) -> Path:
    """Path of the package in the cache, downloaded if it is not there or not what it should be.

    The download goes into a folder of its own beside the cache entry and is renamed only once its hash is right.
    Raises FetchError: client missing, no network, wrong hash, disk full, folder not writable.
    """
    cached = cache_dir / package.file_name
    try:
        if cached.is_file() and sha256_of_file(cached) == package.sha256:
            return cached
        cache_dir.mkdir(parents=True, exist_ok=True)
        log.info("downloading %s with %s into %s", package.name, package.tool, cache_dir)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=cache_dir) as staging:
            _download(package, Path(staging))
            downloaded = _verified(package, Path(staging) / package.file_name)
            downloaded.replace(cached)
    except OSError as error:
        raise _failure(package, f"{error.strerror or error} (cache folder {cache_dir})") from error
    return cached


def _download(package: Package, folder: Path) -> None:
    """Let the registry's own client put the package file into `folder`."""
    try:
        finished = subprocess.run(
            _command(package, folder),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=DOWNLOAD_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise _failure(package, f"cannot start {error.filename}") from error
    except subprocess.TimeoutExpired as error:
        raise _failure(package, f"no end after {DOWNLOAD_TIMEOUT_S} s") from error
    if finished.returncode != 0:
        raise _failure(package, _reason(finished.stderr or finished.stdout))


def _command(package: Package, folder: Path) -> list[str]:
    if package.tool == "npm":
        npm = shutil.which("npm")
        if npm is None:
            raise _failure(package, "npm is not installed (only the variants lite and heavy need it)")
        return [npm, "pack", package.name, "--ignore-scripts", "--loglevel=error", *NPM_PATIENCE]
    wheel = ["--no-deps", "--only-binary=:all:", "--platform", "manylinux_2_28_x86_64", "--implementation", "cp"]
    quiet = ["--disable-pip-version-check", "--no-input", "--quiet", "--retries", "2"]
    pip = [sys.executable, "-m", "pip", "download", *wheel, "--python-version", "311", *quiet]
    return [*pip, "--dest", str(folder), package.name]


def _reason(output: str) -> str:
    """The client's own words for what went wrong, in one line."""
    if "No module named pip" in output:
        return "this Python has no pip"
    if os.strerror(errno.ENOSPC) in output or "ENOSPC" in output:
        return os.strerror(errno.ENOSPC)
    if any(words in output for words in NO_CONNECTION):
        return "no connection to the package registry"
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("ERROR:", "npm error", "npm ERR!"))] or lines
    return telling[-1][:200].rstrip(".") if telling else "it gave no reason"


def _failure(package: Package, reason: str) -> FetchError:
    return FetchError(
        f"the pose network's package {package.name} could not be fetched with {package.tool}: {reason}. "
        f"Check network and disk, or bring {package.file_name} from elsewhere and name it with --offline"
    )


def _offline_path(package: Package, offline: Path) -> Path:
    """Where a package lies if `offline` is its file, its folder, or its neighbour."""
    if offline.is_dir():
        return offline / package.file_name
    if offline.suffix == Path(package.file_name).suffix:
        return offline
    return offline.parent / package.file_name


def _verified(package: Package, path: Path) -> Path:
    """`path` itself if it is the pinned file. Raises FetchError if it is missing, unreadable or another file."""
    try:
        size, found = path.stat().st_size, sha256_of_file(path)
    except OSError as error:
        raise FetchError(
            f"cannot read the package {package.name} at {path}: {error.strerror}. "
            f"Give --offline the file {package.file_name} or the folder that holds it"
        ) from error
    if found != package.sha256:
        raise FetchError(
            f"{path} is not the pinned package {package.name}: {size} bytes with SHA-256 {found}, expected "
            f"{package.sha256}. It is damaged or another release: fetch it again, or give --offline the right file"
        )
    return path


def _read_member(path: Path, member: str) -> bytes:
    """One file out of a wheel or a tar archive. Raises FetchError if it is not there or damaged."""
    try:
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                return wheel.read(member)
        with tarfile.open(path) as archive:
            stream = archive.extractfile(member)
            if stream is None:
                raise KeyError(member)
            return stream.read()
    except (KeyError, OSError, EOFError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise FetchError(f"cannot read {member} from {path}: {error}. Fetch the package again") from error
