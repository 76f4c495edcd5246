"""The network against its plain definition and its published size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from fidgety.demo_files import demo_file
from fidgety.phantom.truth import read_truth
from fidgety.training.losses import clip_loss
from fidgety.training.networks.mam import (
    AdditiveAttention,
    BagNetwork,
    ClipNetwork,
    InfoNetwork,
    Mam,
    PairConvolution,
    fuse,
)


def _windows(n_windows: int = 2) -> Tensor:
    """Noise about a body of random shape, in pixels."""
    generator = torch.Generator().manual_seed(5)
    rest = 100.0 * torch.randn((17, 3), generator=generator)
    return rest + 6.0 * torch.randn((n_windows, 240, 17, 3), generator=generator)


def test_mam_has_the_published_number_of_parameters() -> None:
    mam = Mam()
    assert sum(p.numel() for p in mam.clip.parameters()) == 150_531
    assert sum(p.numel() for p in mam.parameters()) == 151_398


def test_pair_convolution_equals_the_convolution_over_partners() -> None:
    torch.manual_seed(1)
    pairs = PairConvolution()
    joints = torch.randn(2, 7, 17, 3)
    others = [[j for j in range(17) if j != i] for i in range(17)]
    partners = joints[:, :, torch.tensor(others)]  # (B, T, 17, 16, 3)
    differences = (joints[:, :, :, None] - partners).permute(0, 4, 1, 2, 3).flatten(2, 3)  # (B, 3, T x 17, 16)
    plain = F.conv2d(differences, pairs.weight[:, :, None], pairs.bias)[..., 0].unflatten(2, (7, 17))
    assert torch.allclose(pairs(joints), plain.permute(0, 2, 3, 1), atol=1e-5)


def test_temporal_kernel_equals_the_convolution_applied_twice() -> None:
    torch.manual_seed(2)
    clip = ClipNetwork()
    features = torch.randn(3, 64, 240)
    weight, bias = clip.temporal_kernel()
    twice = clip.temporal(clip.temporal(features))
    assert twice.shape[-1] == 222
    assert torch.allclose(F.conv1d(features, weight, bias), twice, atol=1e-4)
    assert torch.allclose(F.conv1d(features, weight, bias, stride=4), twice[..., ::4], atol=1e-4)


def test_encoder_equals_torch_own_encoder() -> None:
    torch.manual_seed(3)
    ours = ClipNetwork().encoder.eval()
    layer = torch.nn.TransformerEncoderLayer(64, 4, 256, 0.1, batch_first=True)
    theirs = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).train()
    names = {
        "qkv.": "self_attn.in_proj_", "projection": "self_attn.out_proj", "norm_attention": "norm1", "widen": "linear1",
        "narrow": "linear2", "norm_ffn": "norm2",
    }  # fmt: skip
    state = {}
    for name, value in ours.state_dict().items():
        for mine, other in names.items():
            name = name.replace(f".{mine}", f".{other}")
        state[name] = value
    theirs.load_state_dict(state)
    for module in theirs.modules():
        if isinstance(module, torch.nn.Dropout | torch.nn.MultiheadAttention):
            module.p = module.dropout = 0.0  # type: ignore[assignment]
    tokens = torch.randn(5, 17, 64)
    assert torch.allclose(ours(tokens), theirs(tokens), atol=1e-5)


def test_clip_network_reads_the_order_of_frames() -> None:
    torch.manual_seed(4)
    clip = ClipNetwork().eval()
    windows = _windows()
    logits, embedding = clip(windows)
    assert logits.shape == (2, 2) and embedding.shape == (2, 64)
    shuffled = windows[:, torch.randperm(240)]
    assert (clip(shuffled)[1] - embedding).abs().max() > 1e-3


def test_dropout_behind_the_first_convolution_keeps_a_still_window_still() -> None:
    torch.manual_seed(5)
    clip = ClipNetwork().train()
    still = _windows(1)[:, :1].repeat(1, 240, 1, 1)
    seen: list[Tensor] = []
    handle = clip.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    clip(still)
    handle.remove()
    frames = seen[0]  # (111, 17, 64)
    assert (frames - frames[:1]).abs().max() < 1e-5


def test_every_second_frame_tells_what_all_frames_tell() -> None:
    clip = _demo_network()
    joints = torch.from_numpy(read_truth(demo_file("sample.mp4")).joints_m)
    windows = torch.stack([joints[start : start + 240] for start in range(0, len(joints) - 240, 60)])
    with torch.inference_mode():
        logits = (clip(windows, 1)[0], clip(windows, 2)[0], clip(windows)[0])
    by_all, by_second, in_use = (one[:, 0] - one[:, 1] for one in logits)
    assert torch.equal(in_use, by_second) and not torch.equal(in_use, by_all)
    assert by_all.std() > 1.0
    assert (in_use - by_all).square().mean().sqrt() < 0.2


def _demo_network() -> ClipNetwork:
    network = Mam()
    with np.load(demo_file("mam.npz")) as weights:
        network.load_state_dict({name: torch.from_numpy(weights[name]) for name in weights.files})
    return network.clip.eval()


def test_additive_attention_of_equal_items_is_the_item() -> None:
    pool = AdditiveAttention(2, 32, 16)
    item = torch.tensor([[0.3, 0.7]])
    assert torch.allclose(pool(item[:, None].repeat(1, 9, 1)), item, atol=1e-6)


def test_bag_network_ignores_masked_instances_and_their_order() -> None:
    torch.manual_seed(6)
    bag = BagNetwork().eval()
    instances = torch.rand(1, 6, 1)
    instances = torch.cat([instances, 1 - instances], dim=-1)
    mask = torch.tensor([[1.0, 1.0, 0.0, 1.0, 0.0, 1.0]])
    kept = instances[:, mask[0] > 0]
    assert torch.allclose(bag(instances, mask), bag(kept, torch.ones(1, 4)), atol=1e-6)
    assert torch.allclose(bag(kept.flip(1), torch.ones(1, 4)), bag(kept, torch.ones(1, 4)), atol=1e-6)
    assert bag(instances, mask).sum().item() == pytest.approx(1.0, abs=1e-5)


def test_info_network_scales_by_the_training_set() -> None:
    torch.manual_seed(7)
    info = InfoNetwork().eval()
    cohort = torch.tensor([[0.0, 40.0, 3500.0, 12.0], [1.0, 36.0, 2500.0, 14.0], [1.0, 38.0, 3000.0, 16.0]])
    info.set_scaling(cohort)
    assert info.mean.tolist() == [0.0, 38.0, 3000.0, 14.0]
    assert info.sd.tolist() == [1.0, 2.0, 500.0, 2.0]
    assert torch.allclose(info(cohort).sum(-1), torch.ones(3))


@pytest.mark.parametrize(
    ("column", "value", "others"), [(0, 1.0, 0.0), (1, 40.0, 30.0), (2, 3250.1, 800.0), (3, 14.1, 9)]
)
def test_info_network_hears_nothing_from_what_is_the_same_for_all(column: int, value: float, others: float) -> None:
    torch.manual_seed(9)
    rng = np.random.default_rng(9)
    cohort = torch.from_numpy(rng.normal([0, 38, 3000, 14], [0, 2, 500, 2], (70, 4)).astype(np.float32))
    cohort[:, 0] = torch.arange(70) % 2
    untouched = InfoNetwork()
    untouched.set_scaling(cohort)
    cohort[:, column] = value
    info = InfoNetwork().eval()
    info.set_scaling(cohort)
    other = cohort.clone()
    other[:, column] = others
    for rows in (cohort, other):
        assert ((rows - info.mean) / info.sd)[:, column].abs().max() < 0.01
    assert (info(cohort) - info(other)).abs().max() < 0.001
    kept = [i for i in range(4) if i != column]
    assert torch.equal(info.sd[kept], untouched.sd[kept]) and torch.isfinite(info.sd).all()


def test_info_network_hears_nothing_from_a_difference_of_a_day() -> None:
    info = InfoNetwork()
    cohort = torch.tensor([[0.0, 40.0, 3500.0, 12.0], [1.0, 40.0, 2500.0, 14.0], [1.0, 40.0 + 1 / 7, 3000.0, 16.0]])
    info.set_scaling(cohort)
    assert info.sd[1] == 1e6 and info.sd[[0, 2, 3]].tolist() == [1.0, 500.0, 2.0]


def test_fuse_without_characteristics_equals_an_undecided_branch() -> None:
    bag = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    assert torch.allclose(fuse(bag, None), fuse(bag, torch.full((2, 2), 0.5)))
    assert fuse(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0]]))[0, 1].item() == pytest.approx(0.1192, abs=1e-4)


def test_clip_network_learns_to_tell_quick_from_slow_movement() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    time_s = np.arange(240) / 25.0
    rest = rng.normal(0.0, 100.0, (17, 3))
    rest[0], rest[8] = (0, 0, 0), (0, -190, 0)

    def draw(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = np.arange(n) % 2
        rate_hz = np.where(labels == 0, 1.6, 0.5)[:, None, None, None]
        phase = rng.uniform(0, 6.3, (n, 1, 17, 3))
        windows = rest + 8.0 * np.sin(6.283 * rate_hz * time_s[None, :, None, None] + phase)
        return torch.from_numpy(windows.astype(np.float32)), torch.from_numpy(labels)

    clip = Mam().clip.train()
    optimiser = torch.optim.Adam(clip.parameters(), lr=1e-3)
    for _ in range(12):
        windows, labels = draw(16)
        optimiser.zero_grad()
        clip_loss(clip(windows, 12)[0], labels).backward()
        optimiser.step()
    windows, labels = draw(16)
    with torch.inference_mode():
        right = (clip.eval()(windows)[0].argmax(-1) == labels).float().mean()
    assert right >= 0.9
