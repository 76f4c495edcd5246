"""Nothing leaves the box: score, check, report, record, serve and store open no socket but loopback, and need none.

An audit hook of the interpreter sees every `socket.connect`, `bind`, `sendto`, name look-up and URL of a process and
ends it on the first that leads elsewhere. Native libraries (decoder, ONNX Runtime) do not pass it, so the commands also
run in a network namespace of their own with loopback down, where the kernel lets us make one: there a connection of
anybody would fail. FFmpeg's own network protocols are only opened for `rtsp://` addresses.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from fidgety.demo_files import demo_file
from fidgety.records import Pose
from fidgety.runtime.posefile import PoseWriter
from fidgety.skeleton import BLAZEPOSE_33

INFANT = ["--age-weeks", "13", "--gestation", "39+2", "--sex", "female", "--birth-weight", "3300"]
CUT_S = 1.5

GUARD = """
import ipaddress, os, sys
WATCHED = ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo",
           "socket.gethostbyname", "socket.gethostbyaddr", "urllib.Request", "http.client.connect")
def is_local(address):
    if isinstance(address, (str, bytes)) and address[:1] in ("/", "\\0", b"/", b"\\0", "", b""):
        return True  # a Unix socket
    host = address[0] if isinstance(address, tuple) else address
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
def guard(event, arguments):
    if event in WATCHED:
        is_call_of_socket = event in ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg")
        address = arguments[1] if is_call_of_socket else arguments[0]
        if not is_local(address):
            os.write(2, f"GUARD {event} {address}\\n".encode())
            os._exit(99)
sys.addaudithook(guard)
"""
RUN = GUARD + "sys.argv = ['fidgety', *sys.argv[1:]]\nfrom fidgety.cli import main\nmain()\n"

pytestmark = pytest.mark.bundle


@cache
def why_no_namespace() -> str | None:
    """Why no network namespace can be made here; None where one can."""
    if shutil.which("unshare") is None:
        return "util-linux' unshare is not installed"
    tried = subprocess.run(["unshare", "-rn", "true"], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"the kernel allows no network namespace: {tried.stderr.strip()}"


def fidgety(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A command under the guard; without any network as well, where that can be had."""
    return run_code(RUN, folder, *arguments, has_network=why_no_namespace() is not None)


def write_poses(path: Path) -> None:
    """The poses of the sample's first ten seconds, which the self-test keeps."""
    with np.load(demo_file("selftest.npz")) as kept:
        rows = list(zip(kept["input.keypoints_xy"], kept["input.keypoint_scores"], strict=True))
    nothing = np.full((len(BLAZEPOSE_33), 3), np.nan, np.float32)
    poses = (Pose(i, i / 25.0, xy, scores, nothing, 1.0, None) for i, (xy, scores) in enumerate(rows))
    with PoseWriter(path, BLAZEPOSE_33, {"recording": "sample.mp4"}) as writer:
        assert sum(1 for _ in writer.copy(poses)) == 250


def run_code(code: str, folder: Path, *arguments: object, has_network: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    if not has_network:
        command = ["unshare", "-rn", *command]
    environment = {**os.environ, "FIDGETY_STATE": str(folder / "state")}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=280, cwd=folder, env=environment, check=False
    )


def test_score_and_report_of_a_recording_open_no_connection(tmp_path: Path) -> None:
    cut = ("--seconds", CUT_S, "--min-assessable-s", "0")
    done = fidgety(tmp_path, "score", demo_file("sample.mp4"), *INFANT, *cut, "--json", "--out", "out")
    assert done.returncode in (0, 3), done.stderr  # too short for a window: the pictures were read all the same
    assert json.loads(done.stdout)["quality"]["measures"]["infant_share"] == 1.0
    assert len(list((tmp_path / "out").glob("*.poses"))) == 1


def test_score_of_poses_opens_no_connection(tmp_path: Path) -> None:
    """Ten seconds of poses, so that lifter, MAM and report have all run; the page names no other place."""
    write_poses(tmp_path / "ten-s.poses")
    cut = ("--min-assessable-s", "5")
    done = fidgety(tmp_path, "score", "ten-s.poses", *INFANT, *cut, "--json", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["fms_frequency"]["n_instances"] == 1
    (page,) = (tmp_path / "out").glob("*.html")
    assert "http://" not in page.read_text().replace("http://www.w3.org/", "")


def test_check_opens_no_connection(tmp_path: Path) -> None:
    cut = ("--seconds", CUT_S, "--min-assessable-s", "0")
    done = fidgety(tmp_path, "check", demo_file("sample.mp4"), "--age-weeks", "13", *cut)
    assert done.returncode in (0, 3), done.stderr  # keep or repeat: either way the recording was judged
    assert "sample.mp4" in done.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
        "import socket; socket.getaddrinfo('example.org', 443)",
        "import urllib.request; urllib.request.urlopen('http://192.0.2.1/', timeout=1)",
        "import socket; socket.socket().bind(('0.0.0.0', 0))",
    ],
)
def test_the_guard_ends_what_leads_elsewhere(code: str, tmp_path: Path) -> None:
    done = run_code(GUARD + code, tmp_path)
    assert (done.returncode, done.stderr[:5]) == (99, "GUARD")


def test_the_guard_lets_loopback_pass(tmp_path: Path) -> None:
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname())"
    assert run_code(GUARD + code, tmp_path).returncode == 0


def test_the_namespace_has_no_network(tmp_path: Path) -> None:
    if (reason := why_no_namespace()) is not None:
        pytest.skip(reason)
    code = "import socket; socket.create_connection(('127.0.0.1', 9), timeout=1)"
    done = run_code(code, tmp_path, has_network=False)
    assert "Network is unreachable" in done.stderr  # loopback is down as well


def test_store_serve_and_log_open_no_connection(tmp_path: Path) -> None:
    write_poses(tmp_path / "ten-s.poses")
    about = ("--infant", "A-1", "--born", "2026-05-01", "--recorded", "2026-08-01", "--gestation", "39+2")
    added = fidgety(tmp_path, "store", "add", "ten-s.poses", *about, "--queue", "--store", "store")
    assert added.returncode == 0, added.stderr
    short = ("--once", "--no-self-test", "--min-assessable-s", "5")
    served = fidgety(tmp_path, "serve", "--store", "store", *short)
    assert served.returncode == 0, served.stderr
    listed = fidgety(tmp_path, "store", "list", "--store", "store")
    assert listed.returncode == 0 and "scored" in listed.stdout, listed.stderr
    assert fidgety(tmp_path, "log", "verify", "--store", "store").returncode == 0


def test_record_opens_no_connection(tmp_path: Path) -> None:
    camera = ("--camera", "test:160x120@25,speed=8", "--minutes", "0.1-0.1", "--wait", "0", "--no-guidance")
    done = fidgety(tmp_path, "record", *camera, "--infant", "A-1", "--store", "store")
    assert done.returncode == 0, done.stderr  # nobody looked: it is not judged
    assert len(list((tmp_path / "store").rglob("*.mp4"))) == 1
