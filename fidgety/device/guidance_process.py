"""The process that watches beside the recorder. Whatever happens to it, the recorder goes on.

    python -m fidgety.device.guidance_process '{"descriptor": 5, ...}'

Reads frames from the ring, draws the guidance picture, and says one JSON line a look on standard output. At the end of
the recording it says its figures; then, told the video's path on standard input, those of a stretch of it. It ends when
the recorder does.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fidgety.bundle import open_bundle
from fidgety.device.frame_ring import FrameRing
from fidgety.device.guidance import Adviser, Looker
from fidgety.device.guidance_picture import draw_guidance, write_picture
from fidgety.device.looks import Part, read_stretch, watch_ring
from fidgety.records import Frame, Pose

__all__ = ["main"]

_NICENESS = 10


class _Guide:
    """Turns looks into words and pictures."""

    def __init__(self, looker: Looker, picture: Path | None, parent: int) -> None:
        self._looker, self._picture, self._parent = looker, picture, parent
        self._adviser = Adviser()
        self._recorded_from_s: float | None = None

    def see(self, frame: Frame, pose: Pose, is_recorded: bool, assessable_s: float) -> None:
        """One look. Ends the process when the recorder is gone."""
        if os.getppid() != self._parent:
            raise SystemExit(0)
        advice = self._adviser.observe(self._looker.look(frame, pose))
        if is_recorded and self._recorded_from_s is None:
            self._recorded_from_s = frame.time_s
        clock = "WAITING"
        if self._recorded_from_s is not None:
            seconds = int(frame.time_s - self._recorded_from_s)
            clock = f"REC {seconds // 60}:{seconds % 60:02d}"
        _say(kind="look", code=advice.code, is_doubtful=self._adviser.is_doubtful, assessable_s=assessable_s)
        if self._picture is not None:
            with suppress(OSError):  # no picture is no reason to stop looking
                drawn = draw_guidance(frame, pose, advice, self._adviser.towards, clock, advice.words)
                write_picture(self._picture, drawn)


def main(settings: dict[str, Any]) -> int:
    """Watch the ring to its end, then a stretch of the video."""
    parent = os.getppid()
    os.nice(_NICENESS)
    ring = FrameRing(settings["descriptor"], settings["width_px"], settings["height_px"])
    bundle = open_bundle(Path(settings["bundle"]))
    picture = None if settings["picture"] is None else Path(settings["picture"])
    guide = _Guide(Looker(bundle.manifest.quality), picture, parent)
    for part in watch_ring(ring, bundle, settings["fps"], settings["n_threads"], guide.see):
        _say_part(part)
    _say(kind="end")
    wish = sys.stdin.readline()
    if wish:
        asked = json.loads(wish)
        stretch = read_stretch(Path(asked["video"]), bundle, settings["n_threads"], asked["budget_s"])
        if stretch is not None:
            _say_part(stretch)
    _say(kind="done")
    return 0


def _say_part(part: Part) -> None:
    _say(**{**asdict(part), "kind": "part", "part": part.kind})


def _say(**message: Any) -> None:
    try:
        print(json.dumps(message), flush=True)
    except BrokenPipeError:
        raise SystemExit(0) from None


if __name__ == "__main__":
    raise SystemExit(main(json.loads(sys.argv[1])))
