from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fidgety.device.frame_log import read_frame_log
from fidgety.device.leftovers import MARK, finish, held, is_unfinished, mark, repair_all
from fidgety.device.store import Store
from fidgety.errors import DeviceError
from fidgety.runtime.source import open_source

RecordOnce = Callable[..., Any]
ReadPictures = Callable[[Path], list[tuple[int, int]]]
N_KILLS = 30
# Imports once; then each recording is a fork, killed when its log has so many bytes.
RECORDERS = """
import os, signal, sys, threading, time
from pathlib import Path
from fidgety.device.camera import Wanted, camera_port
from fidgety.device.encoder import SOFTWARE
from fidgety.device.leftovers import mark
from fidgety.device.recorder import Recorder
from fidgety.device.recording_plan import Plan

def record(folder):
    port = camera_port("test:160x120@25,speed=8", Wanted())
    plan = Plan(min_s=3600, max_s=3600, wait_s=0.0, reserve_mb=1.0)
    with mark(folder):
        Recorder(port, port.open(), lambda: folder, plan, SOFTWARE, None, {}).run(threading.Event(), lambda line: None)

for moment in sys.argv[2:]:
    folder = Path(sys.argv[1]) / moment
    folder.mkdir()
    child = os.fork()
    if child == 0:
        record(folder)
        os._exit(1)
    log, until_s = folder / "frame-times.log", time.monotonic() + 20
    while time.monotonic() < until_s and (log.stat().st_size if log.exists() else 0) < int(moment):
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def run_python(code: str, *words: str) -> None:
    subprocess.run([sys.executable, "-c", code, *words], check=True, timeout=120)


def test_finish_after_kills_at_random_moments_everything_is_readable(
    tmp_path: Path, read_pictures: ReadPictures
) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    # When the log has so many bytes, some 45 a frame: from before the first frame to a hundred frames later.
    moments = list(dict.fromkeys(str(random.Random(seed + i).randrange(4500)) for i in range(N_KILLS)))
    run_python(RECORDERS, str(tmp_path), *moments)
    folders = [tmp_path / moment for moment in moments]
    assert all(is_unfinished(folder) for folder in folders if (folder / MARK).exists())
    n_before = {folder: _n_logged(folder) for folder in folders}
    found = repair_all(tmp_path)
    assert sum(one.n_frames > 0 for one in found) > N_KILLS / 3
    for one in found:
        assert not is_unfinished(one.folder)
        if one.n_frames == 0:
            assert not one.video.exists()
            continue
        rows = read_frame_log(one.folder / "frame-times.log").frames
        pictures = read_pictures(one.video)
        assert [number for number, _ in pictures] == [row.sequence for row in rows]
        assert all(abs(time_us - row.time_us) <= 12 for (_, time_us), row in zip(pictures, rows, strict=True))
        assert one.n_unlogged == 0
        assert one.n_frames + one.n_lost_at_end == n_before[one.folder]
        assert one.n_lost_at_end <= 40  # a fragment in the making, and what waited for the encoder: at 8 times life
        with open_source(str(one.video)) as source:
            assert len(list(source.frames())) == one.n_frames
    assert repair_all(tmp_path) == []


def _n_logged(folder: Path) -> int:
    path = folder / "frame-times.log"
    return len(read_frame_log(path).frames) if path.is_file() and path.stat().st_size else 0


def test_finish_killed_in_the_middle_is_finished_by_the_next(
    record_once: RecordOnce, tmp_path: Path, read_pictures: ReadPictures
) -> None:
    done = record_once("test:160x120@25,speed=20", seconds=10.0)
    whole = done.finished.video.read_bytes()
    torn = tmp_path / "torn"
    torn.mkdir()
    shutil.copy(done.finished.folder / "frame-times.log", torn)
    (torn / "video.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    (torn / MARK).touch()
    code = (
        "import os, sys, time; from pathlib import Path; from fidgety.device.leftovers import finish; import av\n"
        "for moment in sys.argv[2:]:\n"
        "    child = os.fork()\n"
        "    if child == 0: finish(Path(sys.argv[1])); os._exit(0)\n"
        "    time.sleep(float(moment)); os.kill(child, 9); os.waitpid(child, 0)\n"
        "    (Path(sys.argv[1]) / '.unfinished').touch()\n"
    )
    run_python(code, str(torn), *(f"{0.001 * i:.4f}" for i in range(12)))
    (found,) = repair_all(tmp_path)
    assert 0 < found.n_frames < done.finished.n_frames
    assert [number for number, _ in read_pictures(found.video)] == [
        row.sequence for row in done.log.frames[: found.n_frames]
    ]


def test_finish_a_video_without_its_log_stands_alone(record_once: RecordOnce) -> None:
    done = record_once("test:160x120@25,speed=20", seconds=3.0)
    (done.finished.folder / "frame-times.log").write_bytes(b"\x00" * 500)
    again = finish(done.finished.folder)
    assert (again.n_frames, again.n_unlogged) == (done.finished.n_frames, done.finished.n_frames)
    assert again.duration_s == done.finished.duration_s


def test_finish_of_an_unreadable_video_keeps_it(tmp_path: Path) -> None:
    box = (100).to_bytes(4, "big")
    content = box + b"moov" + bytes(92) + box + b"moof" + bytes(92) + box + b"mdat" + bytes(92)
    (tmp_path / "video.mp4").write_bytes(content)
    assert finish(tmp_path).n_frames == 0
    assert (tmp_path / "video.mp4").read_bytes() == content


def test_finish_in_a_folder_without_a_video(tmp_path: Path) -> None:
    assert finish(tmp_path).n_frames == 0


def test_mark_held_by_a_recorder_at_work_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "recording"
    folder.mkdir()
    with mark(folder):
        assert not is_unfinished(folder)
        assert repair_all(tmp_path) == []
        with pytest.raises(DeviceError, match="another recorder"), mark(folder):
            pass
    assert is_unfinished(folder)


def test_held_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="cannot be written"), held(tmp_path / "no" / "lock", "busy"):
        pass


def test_store_opened_after_a_kill_has_the_recording_without_its_torn_end(
    tmp_path: Path, read_pictures: ReadPictures
) -> None:
    folder = tmp_path / "store"
    words = ["record", "--camera", "test:160x120@25,speed=8", "--wait", "0", "--no-guidance", "--store", str(folder)]
    with subprocess.Popen([sys.executable, "-m", "fidgety.cli", *words], stderr=subprocess.DEVNULL) as recorder:
        video = folder / "recordings" / "R000001" / "video.mp4"
        until_s = time.monotonic() + 60
        while not (video.is_file() and video.stat().st_size > 30_000) and time.monotonic() < until_s:
            time.sleep(0.02)
        os.kill(recorder.pid, signal.SIGKILL)
    with Store.open(folder) as store:
        assert store.recovery.cut_short == ("R000001",)
        recording = store.recording("R000001")
        assert {file.name: file.kind for file in recording.files} == {
            "about.json": "about",
            "video.mp4": "video",
            "frame-times.log": "times",
        }
    numbers = [number for number, _ in read_pictures(video)]
    rows = read_frame_log(video.with_name("frame-times.log")).frames
    assert numbers == [row.sequence for row in rows] and len(rows) > 10
    assert recording.duration_s == pytest.approx((rows[-1].time_us - rows[0].time_us) / 1e6, abs=1e-3)
    with Store.open(folder) as store:
        assert store.recovery.is_quiet
