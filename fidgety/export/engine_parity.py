"""The gate before an engine may be used: on recorded input it says what ONNX Runtime on the CPU says.

Measured in what matters, keypoints in px and the FMs probability, not only in numbers. A different input must give a
different answer: an engine on wrong addresses answers with the first input's result for ever. A gate that cannot run
fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fidgety.bundle import KeypointNetwork
from fidgety.errors import DeviceError
from fidgety.records import FloatArray
from fidgety.runtime import blazepose
from fidgety.runtime.blazepose import Region
from fidgety.runtime.keypoint_network import decode_keypoints
from fidgety.runtime.session import Arrays, Session

__all__ = ["require_engine_parity"]


_CROP_PX = 256  # keypoints are compared in px of such a crop, whatever the size of the network's input


def _everything(numbers: FloatArray, _outputs: Mapping[str, FloatArray]) -> NDArray[np.bool_]:
    return np.ones(numbers.shape, np.bool_)


@dataclass(frozen=True, slots=True)
class _Quantity:
    """What is compared: `of` takes a run's outputs to numbers, in `unit`.

    `judged`: by the reference's numbers and outputs, which of the numbers are compared.
    """

    name: str
    unit: str
    limit: float  # of a float32 engine
    limit_half: float  # of any lower precision
    of: Callable[[Mapping[str, FloatArray]], FloatArray]
    judged: Callable[[FloatArray, Mapping[str, FloatArray]], NDArray[np.bool_]] = _everything


def _keypoints(outputs: Mapping[str, FloatArray]) -> FloatArray:
    """(39, 2) px of the crop, as the tracking reads them: refined on the heat maps."""
    size = _CROP_PX
    whole = Region(size / 2, size / 2, float(size), 0.0)
    presence = float(outputs["presence"][0, 0])
    landmarks, heatmaps, world = (outputs[name][0] for name in ("landmarks", "heatmaps", "world"))
    return blazepose.decode_landmarks(landmarks, heatmaps, world, presence, whole, size).keypoints_xy


def _probability(logits: FloatArray) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -60, 60))), np.float32)


def _boxes(outputs: Mapping[str, FloatArray]) -> FloatArray:
    """Of the surest anchor, px of the detector's picture."""
    return outputs["boxes"][0, int(outputs["scores"][0, :, 0].argmax()), :8]


# Float32 engines add in another order and convolve by other means (Winograd) than ONNX Runtime, so the limits are wider
# than those between two CPU engines (export/parity.py: .01 px), and far below what would move a finding:
#   .05 px of a 256 px crop that spans 70 cm is .14 mm, where FMs move 3 mm and more and the pose noise is .3 to .7 mm;
#   .002 of a probability moves a window over its threshold once in some hundred windows at most.
# Of a pose network of the user's own the same: its keypoints in px of such a crop, its peaks, which become scores by a
# line of slope .65 / (plain_peak - hidden_peak), 1.3 as our networks have it: .003 of a score. A joint that the CPU
# sees no better than a hidden one (`hidden_peak`) has a flat map or two humps, on which the place leaps for a last bit,
# and a score at which it moves but slowly (doubt.py): its place is not compared, its peak and its map are.
# Lower precisions: .5 px is 1.4 mm; .02 is what the FMs frequency itself may change by.
_QUANTITIES: dict[str, tuple[_Quantity, ...]] = {
    "pose_detector": (
        _Quantity("boxes", "px", 0.1, 1.0, _boxes),
        _Quantity("scores", "probability", 0.002, 0.02, lambda out: _probability(out["scores"])),
    ),
    "pose_landmarks": (
        _Quantity("keypoints", "px", 0.05, 0.5, _keypoints),
        _Quantity("presence", "probability", 0.002, 0.02, lambda out: out["presence"]),
    ),
    "lifter": (_Quantity("joints", "trunk lengths", 1e-3, 5e-3, lambda out: out["joints"]),),
    "mam_window": (
        _Quantity(
            "FMs", "probability", 0.002, 0.02, lambda out: _probability(out["logits"][:, 0] - out["logits"][:, 1])
        ),
    ),
}


def _own_quantities(network: KeypointNetwork) -> tuple[_Quantity, ...]:
    """Of a pose network of the user's own."""
    side_px = min(network.width_px, network.height_px)

    def keypoints(outputs: Mapping[str, FloatArray]) -> FloatArray:
        """(17, 2) px of the crop; a keypoint without a place lies in the corner."""
        places, _ = decode_keypoints(outputs, network)
        return np.asarray(np.nan_to_num(places * np.float32(_CROP_PX / side_px)), np.float32)

    def peaks(outputs: Mapping[str, FloatArray]) -> FloatArray:
        return decode_keypoints(outputs, network)[1]

    def are_seen(numbers: FloatArray, outputs: Mapping[str, FloatArray]) -> NDArray[np.bool_]:
        return np.broadcast_to(peaks(outputs)[:, None] > network.hidden_peak, numbers.shape)

    return (
        _Quantity("keypoints", "px", 0.05, 0.5, keypoints, are_seen),
        _Quantity("peaks", "of 1", 0.002, 0.02, peaks),
    )


def require_engine_parity(
    name: str,
    precision: str,
    engine: Session,
    reference: Session,
    inputs: tuple[Arrays, Arrays],
    own: KeypointNetwork | None = None,
) -> dict[str, float]:
    """How far the engine is from the reference in each quantity, at most over both inputs.

    inputs: two recorded ones that differ. own: what a pose network of the user's own gives. Raises DeviceError where a
    limit is passed, where an answer is not finite, or where the gate proves nothing.
    """
    expected = [reference.run(**one) for one in inputs]
    got = [engine.run(**one) for one in inputs]
    # The first again, after the second: nothing of a run may remain in the next.
    again = engine.run(**inputs[0])
    figures: dict[str, float] = {}
    is_telling = False
    known = _QUANTITIES.get(name, ()) if own is None else _own_quantities(own)
    for quantity in (*known, *_numbers(expected[0])):
        limit = quantity.limit if precision == "fp32" else quantity.limit_half
        wanted, found = ([quantity.of(one) for one in runs] for runs in (expected, got))
        judged = [quantity.judged(numbers, one) for numbers, one in zip(wanted, expected, strict=True)]
        if not all(which.any() for which in judged):
            raise DeviceError(f"the parity gate proves nothing of {name}: no {quantity.name} in its inputs; not used")
        runs = zip(wanted + wanted[:1], [*found, quantity.of(again)], judged + judged[:1], strict=True)
        apart = float(np.max([_apart(one, other, which) for one, other, which in runs]))  # NaN goes through
        figures[f"{quantity.name} {quantity.unit}"] = apart
        if not apart <= limit:  # NaN as well
            raise DeviceError(
                f"the engine of {name} does not say what the CPU says: {quantity.name} differ by {apart:.3g} "
                f"{quantity.unit}, at most {limit:g} is allowed; it is not used"
            )
        both = judged[0] & judged[1]
        change = _apart(wanted[0], wanted[1], both)
        if change > 2 * limit:
            is_telling = True
            if _apart(found[0], found[1], both) < change / 2:
                raise DeviceError(f"the engine of {name} gives the same answer to different inputs; it is not used")
    if not is_telling:
        raise DeviceError(f"the parity gate proves nothing of {name}: its two inputs give the same answer; not used")
    return figures


def _numbers(outputs: Mapping[str, FloatArray]) -> tuple[_Quantity, ...]:
    """Every output as plain numbers, as shares of the largest: what no quantity above looks at must be right, too."""

    def plainly(key: str) -> _Quantity:
        scale = float(np.abs(outputs[key]).max()) or 1.0
        return _Quantity(key, "of the largest", 0.005, 0.05, lambda out: out[key] / np.float32(scale))

    return tuple(plainly(key) for key in outputs)


def _apart(one: FloatArray, other: FloatArray, judged: NDArray[np.bool_]) -> float:
    if one.shape != other.shape or not np.isfinite(other).all():
        return float("nan")
    return float(np.abs(one - other)[judged].max(initial=0.0))
