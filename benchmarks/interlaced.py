"""What interlaced video does to movement: the fidelity bench's noise scene as a camera of 25 whole pictures a second
films it, and as a camcorder does that weaves two fields, 20 ms apart, into each.

    python benchmarks/interlaced.py FOLDER [--height 1080]

Renders the scene at 50 frames a second (24 s, minutes), writes both recordings into FOLDER, sends them through the
whole chain and prints gain, phase and coherence in the picture plane: medians over both sides and .5 to 3 Hz.
"""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import numpy as np
from machine import describe_machine

from fidgety.bundle import default_bundle_path, open_bundle
from fidgety.phantom.fidelity.bench import read_scene, rows_of
from fidgety.phantom.fidelity.plan import QUICK_PLAN
from fidgety.phantom.fidelity.scenes import View
from fidgety.phantom.video import render_recording
from fidgety.records import UInt8Array

_FPS = 25
_JOINTS = ("wrist", "elbow", "ankle", "knee")
_INTERLACED = (1 << 18) | (1 << 29)  # x264 codes and marks fields (AV_CODEC_FLAG_INTERLACED_DCT and _ME)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--height", type=int, default=1080)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    bundle = open_bundle(default_bundle_path())
    print(f"{describe_machine()}\n{bundle.label}")
    ((_, programme),) = QUICK_PLAN.parts
    scene = next(one for one in programme.scenes() if one.kind == "noise")
    view = View(options.height, 0.7, float(_FPS))
    fields = options.folder / f"fields-{options.height}.mp4"
    if not fields.is_file():
        render_recording(fields, scene.motion(view.camera, 2.0 * _FPS), view.camera, scene.appearance, crf=16.0)
    for name, pictures, flags in (
        ("progressive", _whole(_planes(fields)), 0),
        ("interlaced", _woven(_planes(fields)), _INTERLACED),
    ):
        path = options.folder / f"{name}-{options.height}.mp4"
        _write(path, pictures, flags)
        rows = rows_of(scene, view, read_scene(path, scene, view, bundle))
        print(f"{name:>12}  " + "  ".join(f"{joint:>6}" for joint in _JOINTS))
        for figure in ("gain", "phase", "coherence"):
            shown = []
            for joint in _JOINTS:
                of_joint = [
                    row.value
                    for row in rows
                    if row.figure == figure and row.axis == "plane" and row.joint.endswith(joint)
                    if row.frequency_hz is not None and row.frequency_hz <= 3.0
                ]
                shown.append(f"{np.median(of_joint):6.3f}")
            print(f"{figure:>12}  " + "  ".join(shown))


def _planes(path: Path) -> Iterator[list[UInt8Array]]:
    """Luma and both chroma planes of every picture."""
    with av.open(str(path)) as container:
        for picture in container.decode(video=0):
            yield [
                np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width].copy()
                for plane in picture.planes
            ]


def _whole(pictures: Iterable[list[UInt8Array]]) -> Iterator[list[UInt8Array]]:
    """Every other picture."""
    for index, planes in enumerate(pictures):
        if index % 2 == 0:
            yield planes


def _woven(pictures: Iterable[list[UInt8Array]]) -> Iterator[list[UInt8Array]]:
    """Every other picture, its odd lines from the one after it."""
    pairs = iter(pictures)
    for first, second in zip(pairs, pairs, strict=False):
        for plane, later in zip(first, second, strict=True):
            plane[1::2] = later[1::2]
        yield first


def _write(path: Path, pictures: Iterable[list[UInt8Array]], flags: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=_FPS)
        stream.options = {"crf": "21", "preset": "veryfast"} | ({"x264-params": "tff=1"} if flags else {})
        stream.codec_context.flags |= flags
        for index, planes in enumerate(pictures):
            if index == 0:
                stream.height, stream.width = planes[0].shape
            frame = av.VideoFrame(stream.width, stream.height, "yuv420p")
            for plane, values in zip(frame.planes, planes, strict=True):
                padded = np.zeros((plane.height, plane.line_size), np.uint8)
                padded[:, : plane.width] = values
                plane.update(padded.tobytes())
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
