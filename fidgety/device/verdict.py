"""Keep the recording or repeat it, said while the infant is still undressed.

Takes the figures that were collected while recording, those of the stretch read afterwards, and the frame log; gives
the quality gate's own codes and sentences, and says from how many frames. It does not score, and a recording that it
keeps may still turn out not to be assessable.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fidgety.bundle import Manifest
from fidgety.device.frame_log import Drops
from fidgety.device.looks import Part
from fidgety.records import Characteristics, LiftedTrack, Quality, QualityReason
from fidgety.runtime.quality import before_scoring, judge_quality
from fidgety.runtime.windows import assessable_s, cut_windows
from fidgety.skeleton import H36M_17

__all__ = ["Verdict", "format_verdict", "judge_recording"]

_OF_NEIGHBOURS = ("jitter_mm", "noise_floor_mm")  # what only consecutive frames tell
_LARGEST = ("travel_trunks",)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the quality gate says at the bedside."""

    quality: Quality
    n_looked_at: int  # frames whose pose was read while it was recorded
    n_read_after: int  # frames of the stretch that was read afterwards
    n_frames: int
    is_judged: bool  # False: nobody looked, so nothing is known but times
    is_noise_judged: bool

    @property
    def is_kept(self) -> bool:
        return self.quality.is_assessable


def judge_recording(
    parts: Sequence[Part],
    n_frames: int,
    duration_s: float,
    drops: Drops,
    infant: Characteristics,
    manifest: Manifest,
    more: Iterable[QualityReason] = (),
) -> Verdict:
    """The verdict; `more`: what the recorder itself has to say (a camera that went, a full disk)."""
    looked = [part for part in parts if part.kind != "stretch"]
    stretches = [part for part in parts if part.kind == "stretch"]
    n_looked_at, n_read_after = (sum(part.n_poses for part in group) for group in (looked, stretches))
    measures = _merged(parts)
    fps = (n_frames + drops.by_time - 1) / duration_s if duration_s > 0 and n_frames > 1 else None
    measures["source_fps"] = fps
    measures["lost_frame_share"] = drops.by_time / (n_frames + drops.by_time) if n_frames else None
    whole_s = _whole_s(drops, duration_s, manifest)
    measures["assessable_s"] = min(sum(part.assessable_s for part in looked), whole_s) if looked else whole_s
    quality = before_scoring(judge_quality(measures, infant, manifest.quality, duration_s))
    reasons = quality.reasons
    if not looked:
        reasons = tuple(reason for reason in reasons if reason.code != "no-infant")
    reasons = tuple(sorted((*reasons, *more), key=lambda reason: not reason.is_blocking))
    has_noise = any(measures.get(name) is not None for name in _OF_NEIGHBOURS)
    return Verdict(replace(quality, reasons=reasons), n_looked_at, n_read_after, n_frames, bool(looked), has_noise)


def format_verdict(verdict: Verdict, width: int = 60) -> str:
    """KEEP, REPEAT or NOT JUDGED, from how many frames, and each reason with what to do."""
    import textwrap

    if not verdict.is_kept:
        title = "REPEAT: it cannot be assessed"
    elif verdict.is_judged:
        title = "KEEP: nothing speaks against it"
    else:
        title = "NOT JUDGED: nobody looked at the pictures; keep it, scoring will tell"
    lines = textwrap.wrap(title, width)
    for reason in verdict.quality.reasons:
        lines += textwrap.wrap(reason.sentence, width, initial_indent="* ", subsequent_indent="  ")
        lines += textwrap.wrap(reason.action, width, initial_indent="  -> ", subsequent_indent="     ")
    basis = f"judged from {verdict.n_looked_at} of {verdict.n_frames} frames, looked at while they were recorded"
    if verdict.n_read_after:
        basis += f", and {verdict.n_read_after} in a row read afterwards"
    if verdict.is_judged and not verdict.is_noise_judged:
        basis += "; how much the pose trembles was not judged"
    return "\n".join([*lines, *textwrap.wrap(basis, width)])


def _merged(parts: Sequence[Part]) -> dict[str, float | None]:
    """One figure of each name: means weighted by time; what neighbours tell from passes that saw neighbours."""
    names = dict.fromkeys(name for part in parts for name in part.measures)
    merged: dict[str, float | None] = {}
    for name in names:
        known = [
            (part.measures[name], max(part.seconds, 1e-3))
            for part in parts
            if part.measures.get(name) is not None and (part.kind != "stretch" or name in _OF_NEIGHBOURS)
        ]
        values = [(float(value), weight) for value, weight in known if value is not None]
        if not values:
            merged[name] = None
        elif name in _LARGEST:
            merged[name] = max(value for value, _ in values)
        else:
            merged[name] = sum(value * weight for value, weight in values) / sum(weight for _, weight in values)
    return merged


def _whole_s(drops: Drops, duration_s: float, manifest: Manifest) -> float:
    """Seconds that can be assessed by the camera's gaps alone, in the windows that the score will cut."""
    settings, fps = manifest.mam, manifest.track.fps
    is_observed = np.ones(int(duration_s * fps + 1e-3) + 1, bool)
    for start_s, end_s in drops.gaps_s:
        is_observed[int(start_s * fps + 1e-3) + 1 : int(np.ceil(end_s * fps - 1e-3))] = False
    joints = np.zeros((len(is_observed), len(H36M_17), 3), np.float32)
    rows = LiftedTrack(joints, joints[..., :2], is_observed)
    return assessable_s(cut_windows([rows], settings, fps), settings, fps)
