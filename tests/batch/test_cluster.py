"""A real scheduler and real workers, each a process of its own on the loopback, one of them killed in the middle."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from .conftest import TrackMaker

pytest.importorskip("distributed", reason="needs the extra `cluster`")
pytestmark = pytest.mark.bundle

_COMMAND = [sys.executable, "-m", "fidgety.cli", "score", "--age-weeks", "13", "--min-assessable-s", "5"]
_POISON = """
import os, sys
import fidgety.batch.cluster as cluster
from fidgety.batch.one import score_one
import fidgety.batch.one as one

def deadly(address, request, watcher_for):
    if "poison" in address:
        os._exit(9)
    return score_one(address, request, watcher_for)

cluster.score_one = deadly
"""


@contextmanager
def process(*arguments: str, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as stream:
        one = subprocess.Popen(
            [sys.executable, *arguments], stdout=stream, stderr=stream, env={**os.environ, **environment}
        )
        try:
            yield one
        finally:
            one.kill()
            one.wait()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    until_s = time.monotonic() + 180.0
    while not condition():
        assert time.monotonic() < until_s, what
        time.sleep(0.02)


Workers = list["subprocess.Popen[bytes]"]


@contextmanager
def cluster(folder: Path, n_workers: int, preload: str) -> Iterator[tuple[str, Workers]]:
    """(address, workers): the scheduler, which forgives one death, and nanny-less workers, one thread each."""
    common = ("--host", "127.0.0.1", "--no-dashboard")
    with ExitStack() as opened:
        log = folder / "scheduler.log"
        command = ("-m", "distributed.cli.dask_scheduler", *common, "--port", "0")
        opened.enter_context(process(*command, log=log, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1"))
        wait_for(lambda: "Scheduler at:" in log.read_text(), "no scheduler")
        found = re.search(r"Scheduler at:\s+(tcp://[\d.:]+)", log.read_text())
        assert found is not None
        workers = []
        for i in range(n_workers):
            command = ("-m", "distributed.cli.dask_worker", found[1], *common, "--no-nanny", "--nthreads", "1")
            command += ("--local-directory", str(folder / f"worker-{i}"), "--preload", preload)
            log = folder / f"worker-{i}.log"
            workers.append(opened.enter_context(process(*command, log=log, OMP_NUM_THREADS="1")))
        yield found[1], workers


@contextmanager
def score(folder: Path, out: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = [*_COMMAND, str(folder), "--out", str(out), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as one:
        try:
            yield one
        finally:
            one.kill()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.timeout(600)
def test_score_on_a_cluster_equals_one_machine_though_a_worker_is_killed(
    tmp_path: Path, make_track: TrackMaker
) -> None:
    """Then, on the workers that are left, a recording that kills whoever scores it."""
    recordings, alone_out, shared_out = tmp_path / "in", tmp_path / "alone", tmp_path / "shared"
    for seed in range(6):
        make_track(recordings / f"{seed}.poses", seed)
    make_track(tmp_path / "bad" / "poison.poses", 7)
    (tmp_path / "preload.py").write_text(_POISON)
    with score(recordings, alone_out) as alone:
        alone.communicate(timeout=240)
    assert alone.returncode == 0
    with cluster(tmp_path, 3, str(tmp_path / "preload.py")) as (address, workers):
        with score(recordings, shared_out, "--cluster", address, "--csv", str(tmp_path / "all.csv")) as shared:
            wait_for(lambda: any(shared_out.glob("*.json")), "nothing was scored")
            workers[0].send_signal(signal.SIGKILL)
            out, err = shared.communicate(timeout=240)
        assert shared.returncode == 0, err
        assert "6 recordings: " in out
        assert contents(shared_out) == contents(alone_out)
        rows = (tmp_path / "all.csv").read_text().splitlines()
        assert [row.split(",")[0] for row in rows[1:]] == [f"{seed}.poses" for seed in range(6)]
        with score(tmp_path / "bad", shared_out, "--cluster", address) as poisoned:
            _, err = poisoned.communicate(timeout=240)
        assert poisoned.returncode == 2, err
        assert "poison.poses is set aside: its workers died 2 times" in err
        assert len(list(shared_out.glob("*.json"))) == 6


def test_score_on_a_cluster_that_is_not_there(tmp_path: Path, make_track: TrackMaker) -> None:
    make_track(tmp_path / "in" / "a.poses")
    code = (
        "import fidgety.batch.cluster as c\nc._CONNECT_S = 0.5\n"
        "import sys\nfrom fidgety.cli import main\nsys.argv[0] = 'fidgety'\nmain()"
    )
    command = [sys.executable, "-c", code, "score", str(tmp_path / "in"), "--cluster", "tcp://127.0.0.1:9"]
    done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 4
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in done.stderr


def test_worker_of_another_version_or_bundle_is_refused(tmp_path: Path, request_for: Callable[[Path], object]) -> None:
    from fidgety.batch.cluster import _order, who_answers
    from fidgety.errors import BundleError, DeviceError

    order = _order(request_for(tmp_path / "out"))  # type: ignore[arg-type]
    assert who_answers(order)
    with pytest.raises(DeviceError, match=r"fidgety is .* here, the caller has 9"):
        who_answers(order | {"versions": {**order["versions"], "fidgety": "9"}})
    with pytest.raises(BundleError, match="install the same bundle everywhere"):
        who_answers(order | {"bundle_sha256": "0" * 64})
