"""Pieces of scenes: a camera to fit, a second infant, a prone one, a carer's hand, an adult who walks past.

render_frame(lie_prone(motion), ...)                          an infant on its front
render_frame(motion, ..., others=[(place(other, (0.5, 0)), look)])   two infants
render_frame(walk(4.0, 25.0), i, street_camera(), street_look(3))    an adult walking past
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fidgety.phantom.appearance import Appearance, draw_appearance
from fidgety.phantom.camera import Camera
from fidgety.phantom.motion import BODY_POINTS, Anatomy, Motion
from fidgety.phantom.solids import RoundCone, Solid

__all__ = [
    "ADULT",
    "draw_camera",
    "frame_camera",
    "lie_prone",
    "place",
    "reach_in",
    "street_camera",
    "street_look",
    "walk",
]

ADULT = Anatomy(
    upper_arm_cm=30.0,
    forearm_cm=26.0,
    thigh_cm=43.0,
    shank_cm=42.0,
    hips_apart_cm=19.0,
    shoulders_apart_cm=37.0,
    trunk_cm=50.0,
    head_height_cm=23.0,
    foot_cm=25.0,
)
_INDEX = {name: i for i, name in enumerate(BODY_POINTS)}


def frame_camera(
    motion: Motion,
    *,
    fill: float = 0.75,
    tilt_deg: float = 0.0,
    azimuth_deg: float = 0.0,
    roll_deg: float = 0.0,
    width_px: int = 1280,
    height_px: int = 720,
    focal_px: float | None = None,
) -> Camera:
    """A camera in which infant and movement, from crown to toes, take the share `fill` of the picture.

    Angles as in `Camera.looking_at`. Raises UsageError where `fill` is not positive.
    """
    step = max(len(motion) // 200, 1)
    points = motion.points_m[::step].reshape(-1, 3)
    crowns = motion.points_m[::step, _INDEX["head_centre"]]
    crowns = crowns + motion.head_rotation[::step, :, 1] * (motion.anatomy.head_height_cm / 200)
    return Camera.framing(
        np.concatenate([points, crowns]),
        fill=fill,
        tilt_deg=tilt_deg,
        azimuth_deg=azimuth_deg,
        roll_deg=roll_deg,
        width_px=width_px,
        height_px=height_px,
        focal_px=focal_px,
    )


def draw_camera(rng: np.random.Generator, motion: Motion, fill: tuple[float, float]) -> Camera:
    """A camera as studies of the chain draw it: so full a picture, up to 35 degrees from above, any way round."""
    return frame_camera(
        motion,
        fill=float(rng.uniform(*fill)),
        tilt_deg=float(rng.uniform(0, 35)),
        azimuth_deg=float(rng.uniform(0, 360)),
        roll_deg=float(rng.uniform(0, 360)),
    )


def place(motion: Motion, shift_m: tuple[float, float], turn_deg: float = 0.0) -> Motion:
    """The same motion elsewhere on the mat: turned anticlockwise seen from above, then shifted by (x, y)."""
    c, s = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    return _moved(motion, motion.points_m @ turn.T + np.array([*shift_m, 0.0]), turn)


def lie_prone(motion: Motion) -> Motion:
    """The same motion turned over about the long axis of the mat: face down, back to the camera.

    Limbs that would then reach through the mat are laid on it, so segments may look a little shorter than
    they are.
    """
    turn = np.diag([-1.0, 1.0, -1.0])
    points = motion.points_m @ turn.T
    trunk = points[:, [_INDEX["mid_hip"], _INDEX["thorax"]], 2].mean()
    points[..., 2] += 0.055 - trunk
    least = 0.018
    low = least + 0.012 * np.log1p(np.exp(np.clip((points[..., 2] - least) / 0.012, -30, 30)))
    head = [_INDEX[name] for name in ("head_centre", "nose", "left_eye", "right_eye", "left_ear", "right_ear")]
    lift = np.maximum(0.068 - points[:, _INDEX["head_centre"], 2], 0.0)
    low[:, head] = points[:, head, 2] + lift[:, None]
    points[..., 2] = low
    return _moved(motion, points, turn)


def reach_in(time_s: float, look: Appearance) -> list[Solid]:
    """An adult's forearm and hand that reach in from the infant's left and withdraw, every 6 s, as solids."""
    out = 0.5 - 0.5 * np.cos(2 * np.pi * time_s / 6.0)
    wrist = np.array([0.62 - 0.42 * out, 0.10 + 0.05 * np.sin(time_s), 0.16])
    along = np.array([-0.95, 0.1, -0.25])
    along /= np.linalg.norm(along)
    across = np.array([0.1, 0.99, 0.0])
    skin = look.skin_rgb
    solids: list[Solid] = [
        RoundCone(wrist - along * 0.5, wrist, 0.045, 0.028, skin, merge_m=0.01),
        RoundCone(wrist, wrist + along * 0.07, 0.030, 0.036, skin, merge_m=0.01),
        RoundCone(wrist - along * 0.5, wrist - along * 0.12, 0.058, 0.045, look.cloth_second_rgb, merge_m=0.005),
    ]
    for i in range(4):
        root = wrist + along * 0.085 + across * (i - 1.5) * 0.018
        solids.append(RoundCone(root, root + along * 0.075, 0.0105, 0.0085, skin, merge_m=0.005))
    thumb = wrist + along * 0.03 - across * 0.03
    solids.append(RoundCone(thumb, thumb + along * 0.05 - across * 0.035, 0.012, 0.0095, skin, merge_m=0.005))
    return solids


def street_camera(width_px: int = 1280, height_px: int = 720) -> Camera:
    """An ordinary camera at chest height, level, that looks across a room from 3.6 m."""
    return Camera.looking_at(
        (0.0, 0.0, 0.95), distance_m=3.6, tilt_deg=86.0, width_px=width_px, height_px=height_px, focal_px=0.8 * width_px
    )


def street_look(seed: int) -> Appearance:
    """A person in shirt and trousers on a bare floor."""
    return draw_appearance(seed, mat_rgb=None, clothing="sleepsuit", hair_cover=0.95, light_from=(0.3, -0.5, 0.81))


def walk(duration_s: float, fps: float, *, speed_m_s: float = 1.0, seed: int = 0) -> Motion:
    """An adult who walks upright through the picture of `street_camera`, from its left to its right, once.

    Not an infant: the Motion's category is "absent" and it has no bouts.
    """
    n = max(round(duration_s * fps), 1)
    t = np.arange(n) / fps
    x = (t - duration_s / 2) * speed_m_s
    phase = 2 * np.pi * 0.9 * speed_m_s * t
    points = np.zeros((n, len(BODY_POINTS), 3))

    def put(name: str, ahead: NDArray[np.float64] | float, left: float, up: NDArray[np.float64] | float) -> None:
        # The walker faces +x, so its left is +y, away from the camera.
        points[:, _INDEX[name]] = np.stack(np.broadcast_arrays(x + ahead, left, up), axis=1)

    bob = 0.02 * np.cos(2 * phase)
    hip_up = 0.92 + bob
    put("mid_hip", 0.0, 0.0, hip_up)
    put("thorax", 0.02, 0.0, hip_up + 0.50)
    put("neck", 0.03, 0.0, hip_up + 0.55)
    put("head_centre", 0.05, 0.0, hip_up + 0.70)
    put("nose", 0.16, 0.0, hip_up + 0.68)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        put(f"{side}_eye", 0.13, sign * 0.032, hip_up + 0.72)
        put(f"{side}_ear", 0.04, sign * 0.088, hip_up + 0.70)
        swing = sign * np.sin(phase)
        thigh = np.radians(26) * swing + np.radians(8)
        bend = np.radians(8) + np.radians(48) * np.clip(sign * np.sin(phase + 1.9), 0, 1)
        knee_x, knee_z = 0.43 * np.sin(thigh), hip_up - 0.43 * np.cos(thigh)
        ankle_x, ankle_z = knee_x + 0.42 * np.sin(thigh - bend), knee_z - 0.42 * np.cos(thigh - bend)
        put(f"{side}_hip", 0.0, sign * 0.095, hip_up)
        put(f"{side}_knee", knee_x, sign * 0.095, knee_z)
        put(f"{side}_ankle", ankle_x, sign * 0.095, ankle_z)
        put(f"{side}_heel", ankle_x - 0.05, sign * 0.095, ankle_z - 0.045)
        put(f"{side}_toe", ankle_x + 0.19, sign * 0.095, ankle_z - 0.05)
        arm = np.radians(-24) * swing
        elbow_x, elbow_z = 0.02 + 0.30 * np.sin(arm), hip_up + 0.48 - 0.30 * np.cos(arm)
        fore = arm + np.radians(22)
        wrist_x, wrist_z = elbow_x + 0.26 * np.sin(fore), elbow_z - 0.26 * np.cos(fore)
        put(f"{side}_shoulder", 0.02, sign * 0.185, hip_up + 0.48)
        put(f"{side}_elbow", elbow_x, sign * 0.225, elbow_z)
        put(f"{side}_wrist", wrist_x, sign * 0.225, wrist_z)
        put(f"{side}_hand", wrist_x + 0.08 * np.sin(fore), sign * 0.22, wrist_z - 0.08 * np.cos(fore))
    # Head and trunk: x to the left (+y of the world), y up, z ahead.
    upright = np.repeat(np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])[None], n, axis=0).astype(
        np.float32
    )
    return Motion(fps, points.astype(np.float32), upright, upright, ADULT, "absent", (), seed)


def _moved(motion: Motion, points: NDArray[np.float64], turn: NDArray[np.float64]) -> Motion:
    return replace(
        motion,
        points_m=np.asarray(points, dtype=np.float32),
        head_rotation=np.asarray(turn @ motion.head_rotation, dtype=np.float32),
        trunk_rotation=np.asarray(turn @ motion.trunk_rotation, dtype=np.float32),
    )
