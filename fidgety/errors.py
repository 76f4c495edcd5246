"""Everything that fidgety raises on purpose, and the exit code that each kind ends with.

FidgetyError
├── UsageError       2  what was asked for makes no sense (a date, an option, a folder that is not there)
├── SourceError      2  the recording cannot be opened or read at all
│   └── UnsettledError 2  it changes while it is read: still being written, or cut short under the reader
├── DeviceError      4  disk, camera or accelerator let us down
├── BundleError      5  the model bundle is missing, damaged or not ours to use
│   └── FetchError   5  the pose network could not be fetched or is not the file that it should be
├── NotAssessable    3  read and understood, but no score may be given
└── Stopped        130  Ctrl-C or a request to end

A message says what is wrong, where, and what to do about it.
"""

from __future__ import annotations

__all__ = [
    "BundleError",
    "DeviceError",
    "FetchError",
    "FidgetyError",
    "NotAssessable",
    "SourceError",
    "Stopped",
    "UnsettledError",
    "UsageError",
]


class FidgetyError(Exception):
    """Base of all errors that a user can understand and act on."""

    exit_code: int = 1


class UsageError(FidgetyError):
    """What was asked for makes no sense."""

    exit_code = 2


class SourceError(FidgetyError):
    """The recording or camera cannot be opened or read."""

    exit_code = 2


class UnsettledError(SourceError):
    """The recording changes while it is read: it is still being written, or was cut short under the reader."""


class NotAssessable(FidgetyError):  # noqa: N818 - the field's word for the result
    """The recording was read, but no score may be given."""

    exit_code = 3


class Stopped(FidgetyError):  # noqa: N818 - not a fault
    """Somebody pressed Ctrl-C, or the system asks the program to end."""

    exit_code = 130


class DeviceError(FidgetyError):
    """Disk, camera or accelerator let us down."""

    exit_code = 4


class BundleError(FidgetyError):
    """The model bundle is missing, damaged, or does not fit this program."""

    exit_code = 5


class FetchError(BundleError):
    """A pose network could not be fetched, or is not the file that it should be."""
