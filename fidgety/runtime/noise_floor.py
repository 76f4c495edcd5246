"""How still a still limb looks: the recording's own noise floor, in the band of fidgety movements.

Nobody knows what a real infant truly does, but every infant pauses. Where a limb is quietest, what is left between .5
and 4 Hz is the noise of camera, pose network and track, and perhaps a little movement: an upper bound on that noise.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator

import numpy as np

from fidgety.records import FloatArray, LiftedTrack
from fidgety.runtime.posture import TRUNK_MM
from fidgety.skeleton import H36M_17

__all__ = ["NoiseFloor"]

_LIMBS = H36M_17.indices(
    *(f"{side}_{joint}" for side in ("left", "right") for joint in ("elbow", "wrist", "knee", "ankle"))
)
_ROWS = 50  # of a stretch: 2 s at 25 Hz, so that a parabola takes out what is slower
_HOP = 25
_QUIETEST = 0.05  # share of the stretches
_FEWEST = 10  # stretches: of a shorter recording nothing is said


class NoiseFloor:
    """Listens to the lifted track on its way. One owner, made anew for every recording."""

    def __init__(self) -> None:
        self._rows = np.empty((0, len(_LIMBS), 2), np.float32)
        self._rms = array("f")  # of each whole stretch and limb joint, in turn
        time = np.linspace(-1.0, 1.0, _ROWS)
        basis = np.linalg.qr(np.stack([np.ones(_ROWS), time, time**2], axis=1))[0]
        self._without_slow = np.eye(_ROWS) - basis @ basis.T

    def listen(self, pieces: Iterable[LiftedTrack]) -> Iterator[LiftedTrack]:
        """Hand the pieces on and note how much each limb joint moves in the picture plane."""
        for piece in pieces:
            seen = np.where(piece.is_observed[:, None, None], piece.joints[:, _LIMBS, :2], np.float32(np.nan))
            self._rows = np.concatenate([self._rows, seen])
            while len(self._rows) >= _ROWS:
                self._note(self._rows[:_ROWS])
                self._rows = self._rows[_HOP:]
            yield piece

    def measures(self) -> dict[str, float | None]:
        """`noise_floor_mm`: rms per axis, .5 to 4 Hz, on a trunk of TRUNK_MM, median over the limb joints."""
        rms = np.array(self._rms).reshape(-1, len(_LIMBS))
        enough = np.isfinite(rms).sum(axis=0) >= _FEWEST
        if not enough.any():
            return {"noise_floor_mm": None}
        quiet = np.nanquantile(rms[:, enough], _QUIETEST, axis=0)
        return {"noise_floor_mm": TRUNK_MM * float(np.median(quiet))}

    def _note(self, rows: FloatArray) -> None:
        """rows (_ROWS, limbs, 2); NaN where not observed."""
        quick = self._without_slow @ rows.reshape(_ROWS, -1).astype(np.float64)
        self._rms.extend(np.sqrt((quick**2).reshape(_ROWS, len(_LIMBS), 2).mean(axis=(0, 2))).tolist())
