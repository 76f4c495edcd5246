"""Recordings of every kind, rendered once, and the command line as a function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fidgety.bundle import Bundle, default_bundle_path, open_bundle
from fidgety.phantom.appearance import draw_appearance
from fidgety.phantom.kinematics import simulate_motion
from fidgety.phantom.scene import frame_camera, lie_prone, place, street_camera, street_look, walk
from fidgety.phantom.video import render_recording, write_video

from ..conftest import MadeOnce, Run

REAL = Path(__file__).resolve().parents[3] / "shared" / "data"
SEED = 31
SIZE = {"width_px": 640, "height_px": 360}
LOOKS_S = 7.0  # holds four looks for other people, who are looked for every 2 s


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    """The bundle that `make test` builds. A missing one fails, it does not skip."""
    return open_bundle(default_bundle_path())


@pytest.fixture
def run(typed: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """`run("score", ...)`: the command in this process, in an empty folder."""
    (tmp_path / "cwd").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "cwd")
    return typed


@pytest.fixture
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the box remembers of itself goes elsewhere."""
    monkeypatch.setenv("FIDGETY_STATE", str(tmp_path / "state"))


@pytest.fixture(scope="session")
def scenes(made_once: MadeOnce) -> Callable[[str], Path]:
    """`scenes("prone")`: a recording of that kind, rendered when it is first asked for. Not to be changed."""
    return lambda name: made_once(f"{name}.mp4", _SCENES[name])


def _infant(path: Path, seconds: float = 12.0, fps: float = 15.0, roll_deg: float = 0.0, **options: object) -> None:
    motion = simulate_motion(SEED, "continual", seconds, fps)
    camera = frame_camera(motion, fill=0.8, tilt_deg=5.0, roll_deg=roll_deg, **SIZE)
    render_recording(path, motion, camera, draw_appearance(SEED), **options)  # type: ignore[arg-type]


def _looking(**changes: object) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        motion = simulate_motion(SEED, "continual", LOOKS_S, 15.0)
        camera = frame_camera(motion, fill=0.8, tilt_deg=5.0, **SIZE)
        render_recording(path, motion, camera, draw_appearance(SEED, **changes))

    return make


def _prone(path: Path) -> None:
    motion = lie_prone(simulate_motion(SEED, "continual", LOOKS_S, 15.0))
    render_recording(path, motion, frame_camera(motion, fill=0.8, **SIZE), draw_appearance(SEED))


def _adult(path: Path) -> None:
    motion = walk(LOOKS_S, 15.0)
    render_recording(path, motion, street_camera(**SIZE), street_look(SEED))


def _two(path: Path) -> None:
    left = place(simulate_motion(SEED, "continual", LOOKS_S, 15.0), (-0.26, 0.0))
    right = place(simulate_motion(SEED + 1, "absent", LOOKS_S, 15.0), (0.26, 0.0))
    both = np.concatenate([left.points_m, right.points_m], axis=1)
    from fidgety.phantom.camera import Camera

    camera = Camera.framing(both, fill=0.8, **SIZE)
    render_recording(path, left, camera, draw_appearance(SEED), others=[(right, draw_appearance(SEED + 1))])


def _cut_off(path: Path) -> None:
    motion = simulate_motion(SEED, "continual", LOOKS_S, 15.0)
    render_recording(path, motion, frame_camera(motion, fill=1.7, **SIZE), draw_appearance(SEED))


def _uneven(path: Path) -> None:
    rng = np.random.default_rng(3)
    times_s = np.cumsum(rng.uniform(0.03, 0.075, 210))  # 11 s
    motion = simulate_motion(SEED, "continual", 14.0, 15.0)
    camera = frame_camera(motion, fill=0.8, **SIZE)
    render_recording(path, motion, camera, draw_appearance(SEED), times_s=times_s - times_s[0])


def _four_k(path: Path) -> None:
    motion = simulate_motion(SEED, "continual", 0.3, 10.0)
    camera = frame_camera(motion, fill=0.8, width_px=3840, height_px=2160)
    render_recording(path, motion, camera, draw_appearance(SEED))


def _floor(path: Path) -> None:
    pictures = (np.full((360, 640, 3), 140 + 2 * (i % 2), np.uint8) for i in range(60))  # equal ones would be repeats
    write_video(path, pictures, 15.0)


_SCENES: dict[str, Callable[[Path], None]] = {
    "plain": _infant,
    "upside-down": lambda path: _infant(path, roll_deg=180.0),
    "sideways": lambda path: _infant(path, roll_deg=90.0),
    "8-fps": lambda path: _infant(path, seconds=LOOKS_S, fps=8.0),
    "120-fps": lambda path: _infant(path, seconds=1.0, fps=120.0),
    "lost-frames": lambda path: _infant(path, seconds=10.5, fps=25.0, dropped_frames=set(range(20, 255, 15))),
    "turned": lambda path: _infant(path, seconds=2.0, rotation_deg=90),
    "uneven": _uneven,
    "one-frame": lambda path: _infant(path, seconds=1 / 15),
    "10-s": lambda path: _infant(path, seconds=10.0),
    "empty-mat": _looking(has_infant=False),
    "floor": _floor,
    "prone": _prone,
    "adult": _adult,
    "two-infants": _two,
    "cut-off": _cut_off,
    "dark": _looking(exposure=0.1),
    "blurred": _looking(blur_px=8.0),
    "shaking": _looking(shake_px=4.0),
    "4k": _four_k,
}
