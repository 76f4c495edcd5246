"""`fidgety train-pose`: a heat-map pose network, on phantom frames or on a site's own annotated ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fidgety.commands.options import needs_extras

__all__ = ["train_pose"]


def train_pose(
    out: Annotated[Path, typer.Argument(help="Folder for weights, graph, description and log.")],
    annotations: Annotated[
        Path | None, typer.Option(help="A site's frames: COCO-keypoint JSON, DeepLabCut CSV or CVAT XML.")
    ] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder that the annotations' picture names start from (default: theirs).")
    ] = None,
    start: Annotated[Path | None, typer.Option(help="Folder of an earlier train-pose to go on from.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    infants: Annotated[int, typer.Option(min=2, help="Phantom infants, where there are no annotations.")] = 600,
    steps: Annotated[int | None, typer.Option(min=1, help="Default: 3000, or 300 on a site's frames.")] = None,
    held_out: Annotated[float, typer.Option(min=0.01, max=0.9, help="Share of recordings to measure on.")] = 0.2,
) -> None:
    """Train a heat-map pose network on simulated infants, or fine-tune it on a site's annotated frames."""
    with needs_extras("training", "train,export"):
        from fidgety.training.pose.annotations import read_annotations, split_recordings
        from fidgety.training.pose.fit import PoseFit, train_pose_network
        from fidgety.training.pose.phantom_frames import FrameStudy, phantom_frames
    n_steps = steps or (3000 if annotations is None else 300)
    if annotations is None:
        frames = phantom_frames(out / "frames", FrameStudy(infants, 1_000_000 * (seed + 1)))
        command = f"fidgety train-pose OUT --seed {seed} --infants {infants} --steps {n_steps}"
    else:
        frames = read_annotations(annotations, pictures or annotations.parent)
        command = f"fidgety train-pose OUT --seed {seed} --annotations {annotations.name} --steps {n_steps}"
    if start is not None:
        command += f" --start {start.name}"
    training, measured = split_recordings(frames, held_out, seed)
    fit = PoseFit(steps=n_steps, rate=2e-3 if start is None else 5e-4)
    trained_on = "phantom" if annotations is None else "recordings"
    result = train_pose_network(out, training, measured, seed, fit, command, start, trained_on)
    if result.before is not None:
        print(f"before  {result.before}")
    print(f"after   {result.after}" if result.before is not None else f"held out: {result.after}")
    print(f"pose.onnx and pose.toml written to {out}; use them with: fidgety bundle build --pose {out / 'pose.onnx'}")
