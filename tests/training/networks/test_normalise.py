"""The invariants of normalising."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fidgety.skeleton import H36M_17
from fidgety.training.networks.normalise import normalise_windows


def _supine(n_windows: int = 2, depth: float = 1.0) -> Tensor:
    """Windows of a moving body in picture axes (x right, y down, z away), head up; right-handed."""
    rest = {
        "hip": (0, 0, 0), "right_hip": (-44, 0, 0), "right_knee": (-80, 90, -50), "right_ankle": (-50, 190, -20),
        "left_hip": (44, 0, 0), "left_knee": (85, 80, -60), "left_ankle": (45, 180, -10), "spine": (0, -95, 0),
        "thorax": (0, -190, -5), "nose": (10, -260, -70), "head": (2, -280, -10), "left_shoulder": (75, -190, 0),
        "left_elbow": (150, -150, -20), "left_wrist": (180, -220, -50), "right_shoulder": (-75, -190, 0),
        "right_elbow": (-140, -140, -10), "right_wrist": (-160, -60, -70),
    }  # fmt: skip
    still = torch.tensor([rest[name] for name in H36M_17.keypoints], dtype=torch.float32)
    generator = torch.Generator().manual_seed(5)
    moving = still + 6.0 * torch.randn((n_windows, 240, 17, 3), generator=generator)
    moving[..., 2] *= depth
    return moving


def test_normalise_windows_gives_movement_about_the_mean_place_in_torso_lengths() -> None:
    windows = _supine(depth=0.0)
    left_wrist, thorax, hip = H36M_17.indices("left_wrist", "thorax", "hip")
    seen = normalise_windows(windows)
    rooted = windows - windows[:, :, hip : hip + 1]
    torso = rooted[:, :, thorax].norm(dim=-1).median(dim=1).values
    assert seen.mean(dim=1).abs().max() < 1e-4
    assert seen[:, :, hip].abs().max() == 0.0
    up = -(rooted[:, :, left_wrist, 1] - rooted[:, :, left_wrist, 1].mean(dim=1, keepdim=True))
    assert (seen[:, :, left_wrist, 1] - 10 * up / torso[:, None]).abs().max() < 0.1
    assert np.corrcoef(seen[0, :, left_wrist, 0], rooted[0, :, left_wrist, 0])[0, 1] > 0.99


def test_normalise_windows_does_not_see_shift_scale_or_turn_in_the_picture() -> None:
    windows = _supine()
    angle = torch.tensor(1.9)
    turn = torch.eye(3)
    turn[:2, :2] = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    turned = (windows @ turn.T) * 7.3 + torch.tensor([900.0, -40.0, 55.0])
    # Medians per component do not turn exactly with the axes: the frame may differ by a hundredth of a radian.
    assert (normalise_windows(turned) - normalise_windows(windows)).abs().max() < 0.05
    shifted = windows * 0.001 + torch.tensor([1.0, 2.0, 3.0])
    assert torch.allclose(normalise_windows(shifted), normalise_windows(windows), atol=2e-3)


def test_normalise_windows_of_a_planar_window_is_a_pure_turn() -> None:
    windows = _supine(depth=0.0)
    seen = normalise_windows(windows)
    assert torch.isfinite(seen).all()
    assert seen[..., 2].abs().max() < 1e-5
    rooted = windows[..., :2] - windows[:, :, :1, :2]
    movement = rooted - rooted.mean(dim=1, keepdim=True)
    moves = movement[0].norm(dim=-1) > 1.0
    lengths = (movement[0].norm(dim=-1) / seen[0, ..., :2].norm(dim=-1).clamp_min(1e-9))[moves]
    assert (lengths.max() - lengths.min()) / lengths.mean() < 1e-3  # one scale in all directions
    # y down becomes y up and x stays: what the camera saw from the front, not its mirror image.
    inner = (movement[0] * seen[0, ..., :2] * torch.tensor([1.0, -1.0])).sum(-1)[moves]
    assert (inner > 0.98 * movement[0].norm(dim=-1)[moves] * seen[0, ..., :2].norm(dim=-1)[moves]).all()


def test_normalise_windows_reads_posture_from_depth_but_no_movement() -> None:
    windows = _supine()
    noisy = windows.clone()
    noise = 20.0 * torch.randn((2, 240, 17), generator=torch.Generator().manual_seed(9))
    noisy[..., 2] += noise - noise.mean(dim=1, keepdim=True)
    assert torch.allclose(normalise_windows(noisy), normalise_windows(windows), atol=1e-3)
    tilted = windows.clone()
    tilted[..., 2] += 0.7 * tilted[..., 1]  # a trunk that leans away from the camera
    assert (normalise_windows(tilted) - normalise_windows(windows)).abs().max() > 0.1


def test_normalise_windows_keeps_left_and_right_apart() -> None:
    windows = _supine(1)
    mirrored = windows[:, :, list(H36M_17.mirror)] * torch.tensor([-1.0, 1.0, 1.0])
    expected = normalise_windows(windows)[:, :, list(H36M_17.mirror)] * torch.tensor([-1.0, 1.0, 1.0])
    assert torch.allclose(normalise_windows(mirrored), expected, atol=2e-2)


def test_normalise_windows_of_coinciding_joints_is_zero() -> None:
    assert torch.equal(normalise_windows(torch.full((1, 240, 17, 3), 4.0)), torch.zeros(1, 240, 17, 3))
