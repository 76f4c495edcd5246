"""Whose fault was it: the recording's, or that of the device that reads it?

A recording is only ever called damaged for what lies in its own bytes. Too many open files, no memory or a disk that
fails look the same to whoever opens it; they come out as DeviceError, so that the recording is tried again.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from fidgety.errors import BundleError, DeviceError, SourceError

__all__ = ["blaming_the_device", "device_fault"]

_OF_THE_DEVICE = {
    errno.EMFILE: "too many files are open; raise the limit (`ulimit -n`) or close other programs",
    errno.ENFILE: "too many files are open on this system; close other programs",
    errno.ENOMEM: "there is no memory left; close other programs",
    errno.EAGAIN: "the system has no threads or memory left; close other programs",
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the quota of the disk is used up; free some space",
    errno.EROFS: "the disk is read-only; check it",
    errno.EIO: "the disk does not answer; check it",
    errno.ENODEV: "the device is gone; plug it in again",
    errno.ENXIO: "the device is gone; plug it in again",
    errno.ESTALE: "the shared folder is gone; mount it again",
    errno.ENOTCONN: "the shared folder is gone; mount it again",
    errno.EHOSTDOWN: "its host does not answer; check cable and mount",
    errno.ETIMEDOUT: "its host does not answer; check cable and mount",
}
# Decoders say these of damaged files too (a length that is absurd, an end that is missing). What is the disk's or the
# memory's is seen where the same file is read to be hashed.
_SAID_OF_DAMAGE = {errno.EIO, errno.ENOMEM, errno.EAGAIN}
_TEXTS = {  # bare C++ exceptions that carry no number
    "too many open files": errno.EMFILE,
    "bad_alloc": errno.ENOMEM,
    "cannot allocate memory": errno.ENOMEM,
    "can't start new thread": errno.EAGAIN,
    "resource temporarily unavailable": errno.EAGAIN,
}


def device_fault(error: BaseException) -> str | None:
    """What is wrong with the device and what to do, where an error or one of its causes tells; None: not its fault."""
    cause: BaseException | None = error
    while cause is not None:
        number = _number_of(cause)
        if number is not None:
            return _OF_THE_DEVICE[number]
        cause = cause.__cause__
    return None


def _number_of(cause: BaseException) -> int | None:
    """The errno of a fault of the device; None where this is none."""
    is_decoder = type(cause).__module__.partition(".")[0] == "av"
    if isinstance(cause, MemoryError) and not is_decoder:
        return errno.ENOMEM
    if isinstance(cause, OSError):
        is_known = cause.errno in _OF_THE_DEVICE and not (is_decoder and cause.errno in _SAID_OF_DAMAGE)
        return cause.errno if is_known else None
    if is_decoder or isinstance(cause, SourceError):
        return None  # says what its cause says
    return next((number for text, number in _TEXTS.items() if text in str(cause).lower()), None)


@contextmanager
def blaming_the_device() -> Iterator[None]:
    """Raises DeviceError in place of what was raised for the device's fault; anything else passes as it is."""
    try:
        yield
    except (SourceError, BundleError, OSError, MemoryError, RuntimeError) as error:
        fault = device_fault(error)
        if fault is None:
            raise
        raise DeviceError(f"{_first_line(error)}: {fault}, then score again") from error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
