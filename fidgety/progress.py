"""A progress bar on a terminal, nothing in a pipe."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from fidgety.records import Pose
from fidgety.runtime.pipeline import Watcher
from fidgety.runtime.source import SourceInfo

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

__all__ = ["Progress"]


class Progress:
    """Shows how far a recording is, frames per second and the time left. Use it with `with`."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._started_s = 0.0
        self._n_poses = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def start(self, info: SourceInfo) -> Watcher | None:
        """Begin a bar for one recording; None where nobody looks."""
        if not sys.stderr.isatty():
            return None
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[rate]:.0f} frames/s"),
            TimeRemainingColumn(),
        )
        self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(info.name[-24:], total=info.duration_s, rate=0.0)
        self._started_s, self._n_poses = time.monotonic(), 0
        self._bar.start()
        return self.watch

    def watch(self, pose: Pose) -> None:
        """Move the bar to this pose's time."""
        self._n_poses += 1
        if self._bar is None or self._task is None or self._n_poses % 10:
            return
        rate = self._n_poses / max(1e-3, time.monotonic() - self._started_s)
        self._bar.update(self._task, completed=pose.time_s, rate=rate)
