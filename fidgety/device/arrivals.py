"""Whole files of the watched folder -> recordings that wait in the store.

One that stands still but does not open may be half a copy whose medium stalled: it is given time, then taken in all
the same, so that its fault stands in the store and not only in a log. One whose infant is not told yet waits for it.
"""

from __future__ import annotations

from collections.abc import Callable

from fidgety.device.holdings import About
from fidgety.device.store import Store
from fidgety.device.voice import Voice
from fidgety.device.watch_folder import Arrival, WatchFolder
from fidgety.durable import Heed
from fidgety.errors import SourceError, UsageError

__all__ = ["AboutFor", "Arrivals", "Opens"]

AboutFor = Callable[[str], About | None]  # a file's name below the folder -> what is told of it; None: wait for it
Opens = Callable[[Arrival], str | None]  # why a file does not open; None: it does
_PATIENCE_S = 600.0


class Arrivals:
    """Takes in what came; says each thing once."""

    def __init__(
        self,
        folder: WatchFolder,
        about_for: AboutFor,
        opens: Opens,
        voice: Voice,
        clock_s: Callable[[], float],
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._folder = folder
        self._about_for = about_for
        self._opens = opens
        self._voice = voice
        self._clock_s = clock_s
        self._patience_s = patience_s
        self._closed_since_s: dict[Arrival, float] = {}
        self._said: dict[str, str] = {}  # name -> what was last said of it

    def take_in(self, store: Store, heed: Heed) -> int:
        """Add what is whole to the queue; gives how many recordings are new. `heed` is called between two files and
        between two blocks of one.

        Raises DeviceError where folder or store let us down, and what `heed` raises; what was added stays added.
        """
        n_new = 0
        for arrival in self._folder.arrivals():
            heed()
            about = self._about(arrival)
            if about is None or not self._is_open(arrival):
                continue
            try:
                added = store.add(arrival.path, about, heed=heed)
            except UsageError as error:
                self._say_once(arrival, f"is not taken in: {error}")
                continue
            except SourceError as error:
                self._folder.taken(arrival, f"refused: {error}")
                self._voice.error(f"{arrival.alias} of the watched folder cannot be read: copy it there again")
                continue
            if not self._folder.is_unchanged(arrival):
                self._folder.wait_again(arrival)  # what was copied stays; the whole file will be another recording
                self._voice.warning(f"{arrival.alias} changed while it was taken in; it is taken in anew", added.id)
                continue
            self._folder.taken(arrival, added.id)
            self._closed_since_s.pop(arrival, None)
            n_new += int(added.is_new)
            self._voice.info(
                f"{arrival.alias} {'waits for its score' if added.is_new else 'was here already'}", added.id
            )
        return n_new

    def _about(self, arrival: Arrival) -> About | None:
        try:
            about = self._about_for(arrival.name)
        except UsageError as error:
            self._say_once(arrival, f"waits, the table of infants has faults: {str(error).splitlines()[0]}")
            return None
        if about is None:
            self._say_once(arrival, "waits for its row in the table of infants")
        return about

    def _is_open(self, arrival: Arrival) -> bool:
        fault = self._opens(arrival)
        if fault is None:
            return True
        since_s = self._closed_since_s.setdefault(arrival, self._clock_s())
        if self._clock_s() - since_s >= self._patience_s:
            return True
        self._say_once(arrival, "stands still but does not open: still being copied?")
        return False

    def _say_once(self, arrival: Arrival, text: str) -> None:
        if self._said.get(arrival.name) != text:
            self._said[arrival.name] = text
            self._voice.warning(f"{arrival.alias} of the watched folder {text}")
