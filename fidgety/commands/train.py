"""`fidgety train-lifter` and `train-align`: the lifter, and MAM behind the real chain, on phantoms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from fidgety.commands.options import BundlePath, load_bundle, needs_extras

__all__ = ["train_align", "train_lifter"]


def train_lifter(
    out: Annotated[Path, typer.Argument(help="Folder for weights, streaming graph and log.")],
    seed: Annotated[int, typer.Option(min=0)] = 1,
    channels: Annotated[int, typer.Option(min=8, max=1024, help="Channels of every layer.")] = 128,
    layers: Annotated[int, typer.Option(min=2, max=6, help="Layers, of dilations 1, 3, 9, 27, ...")] = 4,
) -> None:
    """Train the lifter (2D keypoints to 3D joints) on simulated infants and export it."""
    with needs_extras("training", "train,export"):
        from fidgety.training.lifting.fit import LIFTER_DEMO
        from fidgety.training.lifting.fit import train_lifter as train_and_export
    shape = replace(LIFTER_DEMO, channels=channels, dilations=tuple(3**layer for layer in range(layers)))
    train_and_export(out, seed, shape)
    print(f"weights, graph and log written to {out}")


def train_align(
    mam_dir: Annotated[Path, typer.Argument(help="Folder that `train` wrote, and that the bundle was built of.")],
    folder: Annotated[Path, typer.Option(help="Folder for the rendered recordings.")] = Path("chain-study"),
    bundle_path: BundlePath = None,
) -> None:
    """Shift MAM's logits by what the real chain does to them, measured on rendered recordings."""
    with needs_extras("training", "train,export"):
        from fidgety.training.chain import ChainStudy, align_to_chain
    shift = align_to_chain(mam_dir, load_bundle(bundle_path), folder, ChainStudy())
    print(f"logits shifted by {shift:.2f}; build the bundle anew")
