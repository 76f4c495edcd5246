"""Run one stage of the loop in a thread of its own, a bounded queue ahead of its reader.

The decoder and the networks work outside the interpreter lock, so stages overlap. Order is kept, an exception in the
stage comes out at the reader, and leaving the `with` block ends the thread whatever state it is in.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

__all__ = ["Prefetch"]

T = TypeVar("T")


class _End:
    """The last thing in the queue: the stage is done, or failed with `error`."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Prefetch(Generic[T]):
    """Iterates `items` in a thread, at most `depth` items ahead."""

    def __init__(self, items: Iterable[T], depth: int, name: str) -> None:
        self._items = items
        self._queue: queue.Queue[T | _End] = queue.Queue(depth)
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def __enter__(self) -> Prefetch[T]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_stopped.set()
        while self._thread.is_alive():
            self._drain()
            self._thread.join(0.05)
        self._drain()

    def __iter__(self) -> Iterator[T]:
        while True:
            item = self._queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def _work(self) -> None:
        end = _End(None)
        try:
            for item in self._items:
                if self._is_stopped.is_set():
                    return
                self._queue.put(item)
        except BaseException as error:  # goes to the reader, whatever it is
            end = _End(error)
        finally:
            if not self._is_stopped.is_set():
                self._queue.put(end)

    def _drain(self) -> None:
        while True:
            try:
                self._queue.get_nowait()
            except queue.Empty:
                return
