"""What the person at the bedside is told while the camera runs: one sentence, the most urgent one.

Takes a frame now and then with its pose, gives codes of what is wrong in it; `Adviser` makes of them one line that does
not flicker: something must be seen in two looks in a row to be said, and be away for two to be taken back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fidgety.bundle import QualityLimits
from fidgety.records import Frame, Pose, UInt8Array
from fidgety.runtime.picture import background_shift, sharpness_of, shrunk
from fidgety.runtime.posture import PostureMonitor
from fidgety.skeleton import pose_skeleton

__all__ = ["ADVICE", "GOOD", "Advice", "Adviser", "Finding", "Looker"]

_SMALLEST_SHARE = 0.45  # of the picture's shorter side that the infant's longer side should take
_THUMBNAIL_PX = 320
_SHIFT = 0.006  # of the width, between looks: the camera was moved
_STIR_GREY, _STIR_SHARE = 25, 0.06  # grey levels and share of the picture beside the infant that changed between looks
_IN_A_ROW = 2


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to say."""

    code: str
    words: str
    sign: str  # on the picture, to be read from 2 m
    is_blocking: bool  # nothing can be assessed meanwhile


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found wrong."""

    code: str
    towards: tuple[int, int] = (0, 0)  # where the infant should go in the picture: x right, y down


# Most urgent first.
ADVICE = (
    Advice("too-dark", "It is too dark: put on the light.", "MORE LIGHT", True),
    Advice("no-infant", "No infant is seen: lay it on its back in the middle of the picture.", "LAY DOWN", True),
    Advice("second-person", "Step back: another person is in the picture.", "STEP BACK", True),
    Advice("leaning-in", "Step back and take your hands away: something moves beside the infant.", "STEP BACK", True),
    Advice("not-supine", "Turn the infant on its back, face to the camera.", "ON ITS BACK", True),
    Advice("cut-off", "The infant is cut off: move it to the middle, or the camera back.", "MOVE", True),
    Advice("poor-coverage", "Arms or legs are hidden: take the blanket and toys away.", "BARE LIMBS", True),
    Advice("too-small", "The infant is small: bring the camera nearer.", "NEARER", False),
    Advice("camera-moving", "The camera moves: put it on a stand and let go.", "HANDS OFF", False),
    Advice("blurred", "The picture is blurred: wipe the lens, focus on the infant.", "FOCUS", False),
)
GOOD = Advice("good", "Good: leave everything as it is.", "GOOD", False)


class Looker:
    """Says what is wrong in a look; keeps the look before. One owner."""

    def __init__(self, limits: QualityLimits) -> None:
        self._limits = limits
        self._last_thumbnail: UInt8Array | None = None
        self._n_others = 0

    def look(self, frame: Frame, pose: Pose) -> list[Finding]:
        """All that is wrong, in no order. The detector looks for others every other second only: its word holds."""
        thumbnail = shrunk(frame.luma, _THUMBNAIL_PX / max(_THUMBNAIL_PX, frame.width_px))
        findings = []
        if float(np.percentile(thumbnail, 95)) < self._limits.min_bright_luma:
            findings.append(Finding("too-dark"))
        if pose.n_others is not None:
            self._n_others = pose.n_others
        if pose.is_missing:
            self._n_others = 0
            self._last_thumbnail = thumbnail
            return [*findings, Finding("no-infant")]
        if self._n_others:
            findings.append(Finding("second-person"))
        findings += self._of_body(frame, pose)
        findings += self._of_change(thumbnail, pose, thumbnail.shape[1] / frame.width_px)
        sharpness = sharpness_of(frame, pose)
        if sharpness is not None and sharpness < self._limits.min_sharpness:
            findings.append(Finding("blurred"))
        self._last_thumbnail = thumbnail
        return findings

    def _of_body(self, frame: Frame, pose: Pose) -> list[Finding]:
        monitor = PostureMonitor(pose_skeleton(len(pose.keypoints_xy)))
        monitor.observe(pose, (frame.width_px, frame.height_px))
        measures = monitor.measures()
        findings = []
        low, high = np.nanmin(pose.keypoints_xy, axis=0), np.nanmax(pose.keypoints_xy, axis=0)
        size = np.array([frame.width_px, frame.height_px])
        if (measures["supine_share"] or 0.0) < 0.5:
            findings.append(Finding("not-supine"))
        if (measures["outside_share"] or 0.0) > self._limits.max_outside_share:
            x, y = (low < 0).astype(int) - (high > size - 1).astype(int)
            findings.append(Finding("cut-off", (int(x), int(y))))
        elif (measures["limb_coverage"] or 0.0) < self._limits.min_limb_coverage:
            findings.append(Finding("poor-coverage"))
        if float((high - low).max()) < _SMALLEST_SHARE * float(size.min()):
            findings.append(Finding("too-small"))
        return findings

    def _of_change(self, thumbnail: UInt8Array, pose: Pose, scale: float) -> list[Finding]:
        last = self._last_thumbnail
        if last is None or last.shape != thumbnail.shape:
            return []
        shift = background_shift(last, thumbnail, pose, scale)
        if shift is not None and shift > _SHIFT * thumbnail.shape[1]:
            return [Finding("camera-moving")]
        change = cv2.absdiff(cv2.GaussianBlur(last, (5, 5), 0), cv2.GaussianBlur(thumbnail, (5, 5), 0))
        beside = np.ones(change.shape, bool)
        low, high = np.nanmin(pose.keypoints_xy, axis=0) * scale, np.nanmax(pose.keypoints_xy, axis=0) * scale
        reach = 0.15 * (high - low)
        (x0, y0), (x1, y1) = np.maximum(low - reach, 0).astype(int), np.maximum(high + reach, 0).astype(int)
        beside[y0:y1, x0:x1] = False
        if beside.mean() < 0.05:
            return []  # the infant fills the picture: nothing beside it to judge
        return [Finding("leaning-in")] if (change[beside] > _STIR_GREY).mean() > _STIR_SHARE else []


class Adviser:
    """One line that does not flicker. One owner."""

    def __init__(self) -> None:
        self._streaks = {one.code: 0 for one in ADVICE}  # looks in a row: > 0 with it, < 0 without
        self._held: set[str] = set()
        self._n_looks = 0
        self.towards = (0, 0)

    def observe(self, findings: Sequence[Finding]) -> Advice:
        """The most urgent thing that holds, after one more look."""
        found = {finding.code: finding for finding in findings}
        self._n_looks += 1
        if self._n_looks == 1:
            self._held = set(found)  # nothing has been said yet that could flicker
        for code, streak in self._streaks.items():
            is_found = code in found
            self._streaks[code] = max(streak, 0) + 1 if is_found else min(streak, 0) - 1
            if self._streaks[code] >= _IN_A_ROW:
                self._held.add(code)
            elif self._streaks[code] <= -_IN_A_ROW:
                self._held.discard(code)
        advice = next((one for one in ADVICE if one.code in self._held), GOOD)
        if advice.code in found:
            self.towards = found[advice.code].towards
        elif advice is GOOD:
            self.towards = (0, 0)
        return advice

    @property
    def is_doubtful(self) -> bool:
        """True while something was found in the last look, held or not yet."""
        return any(streak > 0 for streak in self._streaks.values())
