"""The kinds of input by hand and by their invariants; MAM proper is what it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import fidgety
from fidgety.errors import BundleError, UsageError
from fidgety.export.mam import read_weights
from fidgety.skeleton import H36M_17
from fidgety.training.networks.inputs import (
    INPUT_KINDS,
    FirstLayer,
    InputKind,
    cut_pieces,
    encode_whole,
    pair_distances,
    parse_kinds,
    read_inputs,
    stack_pieces,
)
from fidgety.training.networks.mam import ClipNetwork, Mam
from fidgety.training.networks.normalise import normalise_windows

RecordingMaker = Callable[..., np.ndarray]
PARTNERS = [[j for j in range(17) if j != i] for i in range(17)]
MIRROR = list(H36M_17.mirror)


@pytest.fixture
def windows(moving: RecordingMaker) -> Tensor:
    return torch.from_numpy(np.stack([moving(240, seed=seed) for seed in (1, 2)]))


def test_parse_kinds_splits_and_keeps_the_order() -> None:
    assert parse_kinds("difference") == ("difference",)
    assert parse_kinds("velocity+coordinates") == ("velocity", "coordinates")


@pytest.mark.parametrize("inputs", ["", "speed", "Velocity", "velocity+", "velocity+velocity"])
def test_parse_kinds_refuses_what_there_is_not(inputs: str) -> None:
    with pytest.raises(UsageError, match="join one or more of difference, distance"):
        parse_kinds(inputs)


def test_read_inputs_of_mam_proper_is_the_normalised_window(windows: Tensor) -> None:
    assert torch.equal(read_inputs(windows, ("difference",)), normalise_windows(windows))


def test_velocity_and_acceleration_at_1_5_hz_are_as_large_as_the_movement(moving: RecordingMaker) -> None:
    window = torch.from_numpy(moving(250, rate_hz=1.5, tremble=0.0))[None]
    wrist = H36M_17.index["left_wrist"]
    movement, velocity, acceleration = (
        read_inputs(window, (kind,))[0, 5:-5, wrist, 0] for kind in ("coordinates", "velocity", "acceleration")
    )
    assert float(velocity.std() / movement.std()) == pytest.approx(1.0, abs=0.08)
    assert float(acceleration.std() / movement.std()) == pytest.approx(1.0, abs=0.15)
    assert np.corrcoef(acceleration, movement)[0, 1] < -0.9
    assert abs(np.corrcoef(velocity, movement)[0, 1]) < 0.1


def test_velocity_and_acceleration_by_hand() -> None:
    """One joint moves along a parabola in the picture: velocity grows evenly, acceleration stays."""
    joints = torch.zeros(1, 20, 17, 3)
    joints[:, :, list(H36M_17.indices("thorax", "left_shoulder", "left_hip"))] = torch.tensor([0.5, -1.0, 0.0])
    joints[:, :, H36M_17.index["thorax"]] = torch.tensor([0.0, -1.0, 0.0])
    frames = torch.arange(20.0)
    joints[0, :, 13, 0] = 0.001 * frames**2
    per_second = 25.0 / (2 * np.pi * 1.5)
    velocity, acceleration = (read_inputs(joints, (kind,))[0, :, 13, 0] for kind in ("velocity", "acceleration"))
    assert velocity[1:-1].numpy() == pytest.approx(10 * 0.002 * frames[1:-1].numpy() * per_second, rel=1e-3)
    assert acceleration.numpy() == pytest.approx(np.full(20, 10 * 0.002 * per_second**2), rel=1e-2)


def test_pair_distances_by_hand(windows: Tensor) -> None:
    places = windows.double().numpy().copy()
    places[..., 2] = places[..., 2].mean(axis=1, keepdims=True)
    thorax, hip = H36M_17.indices("thorax", "hip")
    seen = pair_distances(windows)
    assert seen.shape == (2, 240, 17, 16)
    for window in range(2):
        torso = np.sort(np.linalg.norm(places[window, :, thorax] - places[window, :, hip], axis=-1))[119]
        for joint, slot in ((3, 0), (3, 15), (16, 4)):
            apart = np.linalg.norm(places[window, :, joint] - places[window, :, PARTNERS[joint][slot]], axis=-1)
            expected = 10.0 * (apart - apart.mean()) / torso
            assert seen[window, :, joint, slot].numpy() == pytest.approx(expected, abs=1e-4)


def test_pair_distances_do_not_see_turns_in_the_picture(windows: Tensor) -> None:
    angles = torch.linspace(0.3, 2.9, 240)  # another one in every frame
    turned = windows.clone()
    turned[..., 0] = angles.cos()[:, None] * windows[..., 0] - angles.sin()[:, None] * windows[..., 1]
    turned[..., 1] = angles.sin()[:, None] * windows[..., 0] + angles.cos()[:, None] * windows[..., 1]
    assert torch.allclose(pair_distances(turned), pair_distances(windows), atol=1e-4)
    assert (read_inputs(turned, ("velocity",)) - read_inputs(windows, ("velocity",))).abs().max() > 0.1


@pytest.mark.parametrize("pose", ["2d", "3d"])
@pytest.mark.parametrize("kind", INPUT_KINDS)
def test_read_inputs_do_not_see_shift_and_scale(windows: Tensor, kind: str, pose: str) -> None:
    seen = read_inputs(windows, (kind,), pose)
    moved = read_inputs(windows * 190.0 + torch.tensor([900.0, -40.0, 55.0]), (kind,), pose)
    assert seen.abs().max() > 0.1
    assert torch.allclose(moved, seen, atol=5e-3)


@pytest.mark.parametrize("kind", ["coordinates", "velocity", "acceleration"])
def test_read_inputs_of_the_mirror_image_change_sides_and_the_sign_of_x(windows: Tensor, kind: str) -> None:
    sign = torch.tensor([-1.0, 1.0, 1.0])
    seen = read_inputs(windows, (kind,), "2d")
    assert torch.allclose(
        read_inputs(windows[:, :, MIRROR] * sign, (kind,), "2d"), seen[:, :, MIRROR] * sign, atol=2e-2
    )


def test_pair_distances_of_the_mirror_image_change_sides(windows: Tensor) -> None:
    def matrix(joints: Tensor) -> Tensor:
        full = torch.zeros(2, 240, 17, 17)
        for joint, others in enumerate(PARTNERS):
            full[:, :, joint, others] = pair_distances(joints)[:, :, joint]
        return full

    mirrored = matrix(windows[:, :, MIRROR] * torch.tensor([-1.0, 1.0, 1.0]))
    assert torch.allclose(mirrored, matrix(windows)[:, :, MIRROR][..., MIRROR], atol=1e-4)


@pytest.mark.parametrize("kind", INPUT_KINDS)
def test_read_inputs_of_2d_know_no_depth(windows: Tensor, kind: str) -> None:
    leaning = windows.clone()
    leaning[..., 2] += 0.7 * leaning[..., 1]
    assert torch.equal(read_inputs(leaning, (kind,), "2d"), read_inputs(windows, (kind,), "2d"))
    assert (read_inputs(leaning, (kind,)) - read_inputs(windows, (kind,))).abs().max() > 0.02
    if kind != "distance":
        assert torch.count_nonzero(read_inputs(windows, (kind,), "2d")[..., 2]) == 0


@pytest.mark.parametrize(
    ("inputs", "n_parameters"),
    [
        ("difference", 150_531),
        ("distance", 148_483),
        ("coordinates", 150_723),
        ("velocity", 150_723),
        ("acceleration", 150_723),
        ("coordinates+velocity", 154_051),
        ("coordinates+velocity+acceleration", 157_379),
        ("difference+velocity", 153_859),
        ("distance+velocity+acceleration", 155_139),
    ],
)
def test_clip_network_of_other_inputs_is_of_about_the_same_size(
    windows: Tensor, inputs: str, n_parameters: int
) -> None:
    torch.manual_seed(0)
    clip = ClipNetwork(inputs=inputs).eval()
    assert sum(p.numel() for p in clip.parameters()) == n_parameters
    with torch.inference_mode():
        logits, embedding = clip(windows, 12)
    assert logits.shape == (2, 2) and embedding.shape == (2, 64)
    assert (embedding[0] - embedding[1]).abs().max() > 1e-4


def test_first_layer_of_several_kinds_is_the_sum_of_theirs(windows: Tensor) -> None:
    torch.manual_seed(1)
    layer = FirstLayer(("velocity", "distance"))
    both = read_inputs(windows, ("velocity", "distance"))
    assert both.shape[-1] == 19
    velocity, distance = layer.layers["velocity"], layer.layers["distance"]
    expected = velocity(read_inputs(windows, ("velocity",))) + distance(pair_distances(windows))
    assert torch.allclose(layer(both), expected, atol=1e-5)


@pytest.mark.parametrize("kind", INPUT_KINDS)
def test_first_layer_tells_joints_apart(windows: Tensor, kind: InputKind) -> None:
    """Two knees that change places give other features than the same ones in other places: the encoder, which knows no
    order of joints, could not tell.
    """
    torch.manual_seed(2)
    layer = FirstLayer((kind,))
    swap = list(range(17))
    right, left = H36M_17.indices("right_knee", "left_knee")
    swap[right], swap[left] = left, right
    features, swapped = (layer(read_inputs(joints, (kind,))) for joints in (windows, windows[:, :, swap]))
    assert (swapped - features[:, :, swap]).abs().max() > 0.01


def test_mam_by_default_takes_the_demo_weights() -> None:
    saved = read_weights(Path(fidgety.__file__).parent / "demo" / "mam.npz")
    Mam().load_state_dict({name: torch.from_numpy(value) for name, value in saved.items()}, strict=True)


@pytest.mark.parametrize(("inputs", "pose"), [("difference", "2d"), ("velocity", "3d")])
def test_weights_of_other_inputs_are_not_taken_for_mam(tmp_path: Path, inputs: str, pose: str) -> None:
    """The exported graph takes 3D differences: weights trained on anything else would score nonsense there."""
    other = Mam(inputs=inputs, pose=pose)
    np.savez(tmp_path / "mam.npz", **{name: value.numpy() for name, value in other.state_dict().items()})
    with pytest.raises(BundleError, match="holds no MAM"):
        read_weights(tmp_path / "mam.npz")
    with pytest.raises(RuntimeError, match=r"pairs\.weight"):
        Mam().load_state_dict(other.state_dict())


def test_clip_network_of_2d_does_not_see_depth_and_that_of_3d_does(windows: Tensor) -> None:
    leaning = windows.clone()
    leaning[..., 2] += 0.7 * leaning[..., 1]
    for pose, sees_it in (("2d", False), ("3d", True)):
        torch.manual_seed(3)
        clip = ClipNetwork(pose=pose).eval()
        with torch.inference_mode():
            change = (clip(leaning, 12)[1] - clip(windows, 12)[1]).abs().max()
        assert (float(change) > 1e-4) == sees_it
    with pytest.raises(UsageError, match="2d or 3d"):
        ClipNetwork(pose="4d")  # type: ignore[arg-type]


def test_cut_pieces_leaves_out_the_tail_and_marks_what_was_not_observed(moving: RecordingMaker) -> None:
    joints = moving(99)
    joints[45, 3] = np.nan
    pieces, is_whole = cut_pieces(joints, 30, 20)
    assert pieces.shape == (4, 30, 17, 3)
    assert is_whole.tolist() == [True, False, False, True]
    assert np.array_equal(pieces[3].numpy(), joints[60:90])
    assert torch.count_nonzero(pieces[1]) == 0


def test_cut_pieces_refuses_what_holds_no_piece(moving: RecordingMaker) -> None:
    with pytest.raises(UsageError, match="29 frames holds no 30"):
        cut_pieces(moving(29), 30, 20)
    with pytest.raises(UsageError, match="were observed"):
        cut_pieces(np.full((60, 17, 3), np.nan, np.float32), 30, 20)
    with pytest.raises(UsageError, match=r"\(60, 17, 2\)"):
        cut_pieces(moving(60)[..., :2], 30, 20)


def test_stack_pieces_pads_shorter_recordings(moving: RecordingMaker) -> None:
    pieces, mask = stack_pieces([moving(50), moving(110, seed=1)], 30, 20)
    assert pieces.shape == (2, 5, 30, 17, 3)
    assert mask.tolist() == [[True, True, False, False, False], [True] * 5]
    assert torch.count_nonzero(pieces[0, 2:]) == 0


def test_encode_whole_shows_the_network_what_counts_and_nothing_else() -> None:
    pieces = torch.tensor([[[1.0], [2.0], [torch.nan]], [[4.0], [torch.nan], [torch.nan]]])
    mask = torch.isfinite(pieces[..., 0])
    seen: list[Tensor] = []

    def encode(rows: Tensor) -> Tensor:
        seen.append(rows)
        return torch.cat([rows, 10.0 * rows], dim=-1)

    encoded = encode_whole(encode, pieces, mask)
    assert seen[0].flatten().tolist() == [1.0, 2.0, 4.0]
    assert encoded.tolist() == [[[1.0, 10.0], [2.0, 20.0], [0.0, 0.0]], [[4.0, 40.0], [0.0, 0.0], [0.0, 0.0]]]
