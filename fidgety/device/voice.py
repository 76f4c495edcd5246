"""One line for each event, for a technician: which recording, what happened, what to do.

Under systemd each line begins with the priority that the journal sorts by; elsewhere with a word. No infant's name and
no name of a file stands in it: recordings go by their id.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TextIO

__all__ = ["Voice"]

_PRIORITIES = {"error": "<3>", "warning": "<4>", "note": "<5>", "info": "<6>"}


class Voice:
    """Writes to `stream`; in the journal's form where `environment` says that it listens."""

    def __init__(self, stream: TextIO | None = None, environment: Mapping[str, str] = os.environ) -> None:
        self._stream = stream or sys.stderr
        self._is_journal = "JOURNAL_STREAM" in environment

    def info(self, text: str, recording_id: str = "") -> None:
        """The ordinary course of things."""
        self._say("info", recording_id, text)

    def note(self, text: str, recording_id: str = "") -> None:
        """Worth knowing, nothing to do."""
        self._say("note", recording_id, text)

    def warning(self, text: str, recording_id: str = "") -> None:
        """Goes on by itself once its cause is gone."""
        self._say("warning", recording_id, text)

    def error(self, text: str, recording_id: str = "") -> None:
        """Somebody has to look at it."""
        self._say("error", recording_id, text)

    def _say(self, level: str, recording_id: str, text: str) -> None:
        line = " ".join(text.split())  # one event, one line
        head = _PRIORITIES[level] if self._is_journal else f"{level}: "
        try:
            print(f"{head}{recording_id}{': ' if recording_id else ''}{line}", file=self._stream, flush=True)
        except OSError:
            return  # a log that cannot be written stops no scoring
