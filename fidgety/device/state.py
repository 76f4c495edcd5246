"""Where this box keeps what it remembers of itself (the latest time, its self-test): no recordings, no infants."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["state_folder"]


def state_folder() -> Path:
    """`$FIDGETY_STATE`, else the user's state folder."""
    if chosen := os.environ.get("FIDGETY_STATE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "fidgety"
