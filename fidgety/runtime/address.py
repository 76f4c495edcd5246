"""What a recording or camera is called by, and how much of that may be shown.

A network camera's address holds its user's name and password: `rtsp://nurse:secret@10.0.0.11/live`. The decoder needs
them, nobody else does. What is printed, written, hashed or raised has gone through `shown_address`; `without_passwords`
does the same for a text that others made, such as the decoder's own errors.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path

__all__ = ["camera_name", "is_network_camera", "shown_address", "without_passwords"]

_NETWORK_CAMERAS = ("rtsp://", "rtsps://")
_SCHEME = r"[a-z][a-z0-9+.-]*://|(?:rtsps?|https?):/"  # one slash: what `Path` makes of an address
_ADDRESS = re.compile(rf"({_SCHEME})(.*)", re.IGNORECASE | re.DOTALL)
_IN_TEXT = re.compile(rf"({_SCHEME})(\S+)", re.IGNORECASE)
_AUTHORITY_END = re.compile(r"[/?#]")
# Some cameras take them in the path or the query: /user=admin&password=secret&channel=1.
_TOLD = re.compile(r"(user(?:name)?|login|pass(?:word|wd)?|pwd|auth\w*|token)=[^&;/?#\s]*", re.IGNORECASE)


def is_network_camera(address: str) -> bool:
    """A camera that is reached through the network."""
    return address.lower().startswith(_NETWORK_CAMERAS)


def camera_name(address: str) -> str | None:
    """What the camera at this address may be called; None where it is no camera but a file."""
    if is_network_camera(address):
        return shown_address(address)
    if address.isdecimal():
        return f"/dev/video{address}"
    return address if _is_character_device(Path(address)) else None


def shown_address(address: str) -> str:
    """The address without user and password; a path as it is."""
    found = _ADDRESS.fullmatch(address)
    return without_passwords(address) if found is None else found[1] + _without_user(found[2])


def without_passwords(text: str) -> str:
    """A text whose addresses are without user and password."""
    return _IN_TEXT.sub(lambda found: found[1] + _without_user(found[2]), text)


def _without_user(rest: str) -> str:
    """What follows the scheme. A password may hold the very characters that end an authority, and then nothing opens:
    where there is a colon before them and an @ behind, all before the @ goes."""
    end = _AUTHORITY_END.search(rest)
    authority = rest if end is None else rest[: end.start()]
    if "@" in authority:
        rest = authority.rpartition("@")[2] + rest[len(authority) :]
    elif ":" in authority:
        rest = rest.rpartition("@")[2]
    return _TOLD.sub(r"\1=...", rest)


def _is_character_device(path: Path) -> bool:
    try:
        return stat.S_ISCHR(path.stat().st_mode)
    except (OSError, ValueError):
        return False
