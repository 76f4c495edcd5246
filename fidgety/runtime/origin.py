"""Where a stored pose track comes from, and what has to be said about it beside its result.

A track is judged by what its pictures told while they were there (`posefile.py`), and its poses must come from the pose
network that lifter and MAM of the scoring bundle were proved behind. Neither is ever taken for granted: what a track
does not tell is a warning. None of them blocks a result: coverage, noise floor and jitter judge the poses themselves,
whoever read them, and COCO-17 tracks of other pose networks are what `.npz` files are for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, Literal

from fidgety.bundle import Bundle
from fidgety.records import QualityReason
from fidgety.runtime.posefile import PoseRecording

__all__ = ["WhosePoses", "describe_origin", "origin_banner", "origin_reasons", "whose_poses"]

WhosePoses = Literal["of this bundle", "of another", "unknown"]

_NOT_OF_THE_POSES = ("detector", "landmarks", "doubtful_score", "sure_score")  # names of files; what comes after them
_ACTION = "score the recording itself with this bundle"


def describe_origin(bundle: Bundle) -> dict[str, Any]:
    """What the header of a track says of the bundle that reads its poses."""
    return {
        "bundle": bundle.label,
        "pose_network": _pose_digest(bundle),
        "banner": bundle.manifest.provenance.banner,
    }


def whose_poses(recording: PoseRecording, bundle: Bundle) -> WhosePoses:
    """Whose pose network read the poses of a stored track: this bundle's, another one, or nobody tells."""
    theirs = _text(recording, "pose_network")
    if theirs is None:
        return "of this bundle" if _text(recording, "bundle") == bundle.label else "unknown"
    return "of this bundle" if theirs == _pose_digest(bundle) else "of another"


def origin_reasons(recording: PoseRecording, bundle: Bundle, figures: Iterable[str]) -> Iterator[QualityReason]:
    """Warnings of what a stored track does not tell, or tells of another bundle.

    figures: names of those that this program takes from pictures.
    """
    if recording.pictures is None or set(figures) - set(recording.pictures.measures):
        yield QualityReason(
            "picture-not-judged",
            False,
            "Light, focus, camera and the picture's edge were not judged: the pose track does not tell what its "
            "pictures showed.",
            "score the recording itself, or make the track anew with `fidgety pose`",
        )
    ours, whose = bundle.label, whose_poses(recording, bundle)
    theirs = _text(recording, "bundle")
    if whose == "of another":
        sentence = f"The poses were read by the pose network of {theirs or 'another bundle'}, not by that of {ours}."
        yield QualityReason("other-pose-network", False, sentence, _ACTION)
    elif whose == "unknown":
        by_whom = "It is not told which pose network read the poses" if theirs is None else f"{theirs} read the poses"
        sentence = f"{by_whom}; whether it is that of {ours} is not known."
        yield QualityReason("pose-network-unknown", False, sentence, _ACTION)


def origin_banner(recording: PoseRecording, bundle: Bundle) -> str | None:
    """What must be shown: the scoring bundle's banner, and that of another one whose pose network read the poses."""
    theirs = _text(recording, "banner") if whose_poses(recording, bundle) == "of another" else None
    banners = dict.fromkeys(banner for banner in (bundle.manifest.provenance.banner, theirs) if banner)
    return " / ".join(banners) or None


def _pose_digest(bundle: Bundle) -> str:
    """Hex SHA-256 of all that turns pictures into poses: two bundles of one pose network differ in what follows it.

    A variant in another precision was proved to read what the float32 graph reads, so it counts as the same network.
    """
    pose, files = bundle.manifest.pose, bundle.manifest.files
    settings = {name: value for name, value in asdict(pose).items() if name not in _NOT_OF_THE_POSES}
    graphs = [files.get(name) for name in (pose.detector, pose.landmarks)]
    return hashlib.sha256(json.dumps([settings, graphs], sort_keys=True).encode()).hexdigest()


def _text(recording: PoseRecording, key: str) -> str | None:
    value = recording.about.get(key)
    return value if isinstance(value, str) and value else None
