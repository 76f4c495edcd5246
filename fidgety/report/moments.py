"""The most certain moments as skeletons: poses in whole numbers of a square box, drawn as SVG, moved by the script.

No picture of the infant is kept. Without JavaScript, on paper and where motion is not wanted, one pose stands still
over the paths of hands and feet.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fidgety.records import Assessment, FloatArray, Moment
from fidgety.report.wording import format_clock, format_percent
from fidgety.skeleton import H36M_17

__all__ = ["BOX", "MAX_MOMENTS", "NOT_OBSERVED", "encode_keypoints", "fit_to_box", "render_moments"]

BOX = 1000  # keypoints are whole numbers in a square box of this side
NOT_OBSERVED = 65535
MAX_MOMENTS = 8  # of each kind; 22 kB each
_MARGIN = 70  # of the box, kept free on each side
_OUTLINE = np.array([[-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])  # of a circle
_TRAIL_STEP = 3  # frames between the points of a trail
_TRAILS = ("left_wrist", "right_wrist", "left_ankle", "right_ankle")


def render_moments(assessment: Assessment) -> str:
    """The card with both groups of moments, or nothing. At most MAX_MOMENTS of each; what is left out is counted."""
    groups = _moment_group("Most certain fidgety movements", "F", "fms", assessment.most_certain_fms) + _moment_group(
        "Most certain absence of fidgety movements", "N", "non", assessment.most_certain_non_fms
    )
    if not groups:
        return ""
    return (
        '<section class="card long" aria-labelledby="moments-title"><div class="plot-head">'
        '<h2 id="moments-title">Moments to look at</h2>'
        '<button id="play-all" class="js-only" type="button">Pause all</button></div>'
        '<p class="soft">9.6 s each, as seen by the camera. Green is the infant’s left, orange its right; faint lines '
        f"are the paths of hands and feet.</p>{groups}</section>"
    )


def _moment_group(title: str, letter: str, kind: str, moments: Sequence[Moment]) -> str:
    if not moments:
        return ""
    shown = moments[:MAX_MOMENTS]
    left_out = (
        f'<p class="soft">{len(moments) - len(shown)} more are not shown.</p>' if len(moments) > len(shown) else ""
    )
    figures = "".join(_moment_figure(f"{letter}{i}", kind, one) for i, one in enumerate(shown, start=1))
    return f'<div class="group"><h3>{title}</h3><div class="moments">{figures}</div>{left_out}</div>'


def _moment_figure(name: str, kind: str, moment: Moment) -> str:
    span = f"{format_clock(moment.start_s)}–{format_clock(moment.end_s)}"
    percent = html.escape(format_percent(moment.fms_probability))
    caption = f'<span class="tag">{name}</span><span>FMs {percent} %</span><span class="span">{span}</span>'
    if not np.isfinite(moment.keypoints_xy).all(axis=-1).any():
        return (
            f'<figure class="moment {kind}"><div class="unseen">No pose was kept for this moment.</div>'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    return (
        f'<figure class="moment {kind}" data-name="{name}" data-start="{moment.start_s:.3f}" '
        f'data-keypoints="{encode_keypoints(moment.keypoints_xy)}">'
        f"{_draw_skeleton(moment, f'Skeleton of moment {name}, {span}')}"
        '<span class="now js-only" aria-hidden="true"></span><div class="progress js-only"><i></i></div>'
        f'<figcaption>{caption}<button class="js-only" type="button">Play</button></figcaption></figure>'
    )


def fit_to_box(keypoints_xy: FloatArray) -> NDArray[np.float64]:
    """(T, 17, 2) pixels into a BOX x BOX square: one scale and shift for all frames, so movement keeps its shape.

    Joints and head's outline fit in.
    Half a percent of the values on either side may lie outside and is clipped: one wild keypoint must not shrink the
    infant. Returns float64; NaN stays NaN. Nothing observed: all NaN.
    """
    points = keypoints_xy.astype(np.float64)
    if not np.isfinite(points).any():
        return np.full_like(points, np.nan)
    points[~np.isfinite(points).all(axis=-1)] = np.nan
    head = _head_centre(points)[:, None] + _head_radius(points) * _OUTLINE
    low, high = np.nanpercentile(np.concatenate([points, head], axis=1), (0.5, 99.5), axis=(0, 1))
    side = max(float((high - low).max()), 1e-6)
    scale = (BOX - 2 * _MARGIN) / side
    boxed: NDArray[np.float64] = (points - (low + high) / 2) * scale + BOX / 2
    return boxed.clip(0, BOX)


def encode_keypoints(keypoints_xy: FloatArray) -> str:
    """(T, 17, 2) pixels as base64 of little-endian uint16 box coordinates in C order; NOT_OBSERVED where NaN."""
    boxed = fit_to_box(keypoints_xy)
    whole = np.where(np.isnan(boxed), NOT_OBSERVED, np.nan_to_num(boxed).round())
    return base64.b64encode(whole.astype("<u2").tobytes()).decode("ascii")


def _draw_skeleton(moment: Moment, label: str) -> str:
    """One pose of the moment over the paths of wrists and ankles; the script moves the bones."""
    boxed = fit_to_box(moment.keypoints_xy)
    still = boxed[_best_frame(boxed)]
    trails = "".join(
        f'<path class="trail {_side(name)}" d="{_path(boxed[::_TRAIL_STEP, H36M_17.index[name]])}"/>'
        for name in _TRAILS
    )
    bones = "".join(
        f'<line class="bone {_side(H36M_17.keypoints[a], H36M_17.keypoints[b])}" data-bone="{a} {b}" '
        f"{_bone_ends(still[a], still[b])}/>"
        for a, b in H36M_17.bones
    )
    centre = _head_centre(still)
    place = _hidden() if np.isnan(centre).any() else f'cx="{centre[0]:.0f}" cy="{centre[1]:.0f}"'
    return (
        f'<svg class="skeleton" viewBox="0 0 {BOX} {BOX}" role="img" aria-label="{label}">{trails}{bones}'
        f'<circle class="head" data-head="{H36M_17.index["nose"]} {H36M_17.index["head"]}" '
        f'r="{_head_radius(boxed):.0f}" {place}/></svg>'
    )


def _best_frame(boxed: NDArray[np.float64]) -> int:
    """The frame nearest to the middle among those with most keypoints."""
    n_seen = np.isfinite(boxed).all(axis=-1).sum(axis=-1)
    candidates = np.flatnonzero(n_seen == n_seen.max())
    return int(candidates[np.abs(candidates - len(boxed) / 2).argmin()])


def _path(points: NDArray[np.float64]) -> str:
    parts, is_open = [], False
    for x, y in points:
        if np.isnan(x):
            is_open = False
            continue
        parts.append(f"{'L' if is_open else 'M'}{x:.0f} {y:.0f}")
        is_open = True
    return "".join(parts)


def _bone_ends(a: NDArray[np.float64], b: NDArray[np.float64]) -> str:
    if np.isnan(a).any() or np.isnan(b).any():
        return _hidden()
    return f'x1="{a[0]:.0f}" y1="{a[1]:.0f}" x2="{b[0]:.0f}" y2="{b[1]:.0f}"'


def _hidden() -> str:
    return 'visibility="hidden"'


def _side(*names: str) -> str:
    return next((side for side in ("left", "right") if any(name.startswith(side) for name in names)), "middle")


def _head_centre(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 17, 2) -> (..., 2): between nose and ears."""
    return np.asarray(points[..., H36M_17.indices("nose", "head"), :].mean(axis=-2))


def _head_radius(boxed: NDArray[np.float64]) -> float:
    """Half of the median trunk length (thorax to hip) times .55; the bones alone give the head no size."""
    trunk = np.linalg.norm(boxed[:, H36M_17.index["thorax"]] - boxed[:, H36M_17.index["hip"]], axis=-1)
    seen = trunk[np.isfinite(trunk)]
    return 0.275 * float(np.median(seen)) if len(seen) else 0.0
