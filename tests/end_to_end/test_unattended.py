"""The service and the batch command, killed at random moments: nothing lost or doubled, the next start goes on."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from fidgety.batch.for_store import join_pieces
from fidgety.device.log_check import verify
from fidgety.device.store import Store
from fidgety.phantom.video import write_video
from fidgety.records import FloatArray, Pose
from fidgety.runtime.posefile import PoseWriter
from fidgety.runtime.source import open_source
from fidgety.skeleton import BLAZEPOSE_33

pytestmark = [pytest.mark.bundle, pytest.mark.usefixtures("bundle")]
N_RECORDINGS = 5
N_KILLS = int(os.environ.get("FIDGETY_KILLS", "15"))  # of each command

# Loads everything once and forks for each call: thirty starts cost no thirty imports. Prints the child's number and,
# when it is gone, its status.
_FORKING = """
import json, os, resource, signal, sys
import fidgety.batch.for_store, fidgety.commands.results, fidgety.device.told, fidgety.device.unit, fidgety.cli
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        words = json.loads(line)
        if words[0] == "limited":
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(words[1]), int(words[1])))
            words = words[2:]
        sys.argv = ["fidgety", *words]
        os.dup2(2, 1)
        try:
            fidgety.cli.main()
        except SystemExit as end:
            sys.stdout.flush()
            os._exit(end.code or 0)  # a library's thread, which a fork does not take along, is waited for at the end
    print(pid, flush=True)
    if int(signum := sys.stdin.readline()):
        os.kill(pid, int(signum))  # nobody has waited for it yet, so the number is still its own
    print(os.waitpid(pid, 0)[1], flush=True)
"""


@pytest.fixture
def recordings(tmp_path: Path, lying_xy: FloatArray, make_pose: Callable[..., Pose]) -> Path:
    """Short tracks of an infant that lies nearly still, no two alike."""
    folder = tmp_path / "in"
    folder.mkdir()
    for seed in range(N_RECORDINGS):
        rng = np.random.default_rng(seed)
        with PoseWriter(folder / f"{seed}.poses", BLAZEPOSE_33, {}) as writer:
            for i in range(280):
                keypoints_xy = lying_xy + rng.normal(0.0, 0.5, lying_xy.shape).astype(np.float32)
                writer.write(make_pose(i / 25.0, keypoints_xy, frame_index=i))
    return folder


class Forking:
    """Starts the command again and again."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, *arguments: object) -> int:
        self._put(json.dumps([str(one) for one in arguments]))
        return int(self._get())

    def end(self, signum: int = 0) -> int:
        """Sends the signal, or none, and waits for the end; negative: the signal that ended it."""
        self._put(str(int(signum)))
        return os.waitstatus_to_exitcode(int(self._get()))

    def _put(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def _get(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@pytest.fixture
def forking(tmp_path: Path) -> Iterator[Forking]:
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-c", _FORKING],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")},
        ) as process,
    ):
        yield Forking(process)
        process.kill()


@contextmanager
def seed_in_failures(seed: int) -> Iterator[None]:
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"FIDGETY_SEED={seed}: {error}") from error


def kill_at_random_moments(forking: Forking, arguments: list[object], n_done: Callable[[], int], seed: int) -> None:
    """Every third start is left in peace until one more recording is done: else none would ever be."""
    rng = random.Random(seed)
    for i in range(N_KILLS):
        before = n_done()
        forking.start(*arguments)
        if i % 3 == 2:
            until_s = time.monotonic() + 60.0
            while n_done() == before and before < N_RECORDINGS and time.monotonic() < until_s:
                time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.6))
        assert forking.end(signal.SIGKILL) in (-signal.SIGKILL, 0)


def test_score_folder_killed_at_random_moments(tmp_path: Path, recordings: Path, forking: Forking) -> None:
    seed = int(os.environ.get("FIDGETY_SEED", random.randrange(10**6)))
    print(f"FIDGETY_SEED={seed}")
    out = tmp_path / "out"
    command = ["score", recordings, "--age-weeks", "13", "--min-assessable-s", "5", "--out", out]
    with seed_in_failures(seed):
        kill_at_random_moments(forking, command, lambda: len(list(out.glob("*.json"))), seed)
        kept = {path: path.read_bytes() for path in out.glob("*.json")}
        assert all(json.loads(content)["is_assessable"] for content in kept.values())
        forking.start(*command, "--csv", tmp_path / "all.csv")
        assert forking.end() == 0
        assert len(list(out.glob("*.json"))) == len(list(out.glob("*.html"))) == N_RECORDINGS
        assert all(path.read_bytes() == content for path, content in kept.items())
        rows = (tmp_path / "all.csv").read_text().splitlines()
        assert len(rows) == N_RECORDINGS + 1


def test_serve_killed_at_random_moments(tmp_path: Path, recordings: Path, forking: Forking) -> None:
    seed = int(os.environ.get("FIDGETY_SEED", random.randrange(10**6)))
    print(f"FIDGETY_SEED={seed}")
    place = tmp_path / "store"
    command = ["serve", "--store", place, "--watch", recordings, "--settle-s", "0", "--once", "--no-self-test"]
    command += ["--min-assessable-s", "5"]
    with seed_in_failures(seed):
        results = lambda: len(list(place.glob("recordings/*/*-result.json")))  # noqa: E731
        kill_at_random_moments(forking, command, results, seed)
        forking.start(*command)
        assert forking.end() == 0
        with Store.open(place, is_made=False) as store:
            assert [one.state for one in store.recordings()] == ["not-assessable"] * N_RECORDINGS  # no age was told
            assert store.shelf.books.read("SELECT recording FROM results GROUP BY recording HAVING COUNT(*) > 1") == []
            assert store.shelf.books.read("PRAGMA integrity_check")[0][0] == "ok"
            assert verify(store.shelf.books).faults == ()
            assert store.recovery.is_quiet
        assert sorted(path.name for path in recordings.iterdir()) == [f"{i}.poses" for i in range(N_RECORDINGS)]


def test_serve_disk_full_keeps_the_recording(tmp_path: Path, recordings: Path, forking: Forking) -> None:
    """A limit on the size of files stops the database in the middle of a write, as a full disk does."""
    place = tmp_path / "store"
    with Store.open(place) as store:
        store.add(recordings / "0.poses")
    command = ["serve", "--store", place, "--once", "--min-assessable-s", "5", "--no-self-test"]
    forking.start("limited", 20_000, *command)
    assert forking.end() == 4
    assert "the database" in (tmp_path / "log").read_text()
    with Store.open(place, is_made=False) as store:
        assert [one.state for one in store.recordings()] == ["queued"]
    forking.start(*command)
    assert forking.end() == 0
    with Store.open(place, is_made=False) as store:
        assert [one.state for one in store.recordings()] == ["not-assessable"]
        assert verify(store.shelf.books).faults == ()


def test_serve_store_that_cannot_be_written(tmp_path: Path, forking: Forking) -> None:
    (tmp_path / "store").write_text("a file in its place")
    forking.start("serve", "--store", tmp_path / "store", "--once", "--no-self-test")
    assert forking.end() == 4
    assert "cannot be opened" in (tmp_path / "log").read_text()


def test_join_pieces_reads_segments_as_one_recording(tmp_path: Path) -> None:
    """What the recorder cut into pieces: all frames, times that go on rising."""
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, (np.full((64, 64, 3), 120 + 2 * (i % 2), np.uint8) for i in range(30)), 25.0)
    with open_source(str(join_pieces("R000001", (tmp_path / "a.mp4", tmp_path / "b.mp4")))) as source:
        times_s = [frame.time_s for frame in source.frames()]
    assert len(times_s) == 60
    assert np.allclose(np.diff(times_s), 0.04, atol=1e-3)


def test_serve_asked_to_stop_ends_at_once_and_puts_the_recording_back(
    tmp_path: Path, recordings: Path, forking: Forking
) -> None:
    place = tmp_path / "store"
    systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    systemd.bind(str(tmp_path / "notify"))
    forking.start("serve", "--store", place, "--watch", recordings, "--settle-s", "0", "--no-self-test")
    log = tmp_path / "log"
    until_s = time.monotonic() + 60.0
    while "R000001: is being scored" not in log.read_text() and time.monotonic() < until_s:
        time.sleep(0.01)
    asked_s = time.monotonic()
    assert forking.end(signal.SIGTERM) == 130
    assert time.monotonic() - asked_s < 30.0
    with Store.open(place, is_made=False) as store:
        assert "scoring" not in {one.state for one in store.recordings()}
        assert store.recovery.is_quiet
        assert len(store.recordings()) == N_RECORDINGS
    words = said_to(systemd)
    systemd.close()
    assert words[0] == "READY=1"
    assert "WATCHDOG=1" in words
    assert words[-1] == "STOPPING=1"


def said_to(systemd: socket.socket) -> list[str]:
    systemd.setblocking(False)
    words = []
    while True:
        try:
            words.append(systemd.recv(4096).decode())
        except BlockingIOError:
            return words
