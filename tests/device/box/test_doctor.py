"""Broken set-ups, each with its code and remedy; a healthy one of which nothing is said."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from fidgety.bundle import default_bundle_path, open_bundle
from fidgety.device.accelerators import Engine
from fidgety.device.box_text import format_findings
from fidgety.device.cameras import Camera
from fidgety.device.checks.finding import Finding
from fidgety.device.checks.software import PYAV as PYAV_RANGE
from fidgety.device.checks.software import PythonPlace
from fidgety.device.clock import Now, judge, note_time
from fidgety.device.doctor import Software, examine, read_software
from fidgety.device.packages import read_installed
from fidgety.device.probe import Box, probe_box
from fidgety.device.processor import Disk

from .conftest import NOW_S, Files, MakeSite, MakeTree, orin_jetpack_7, orin_nano_jetpack_6
from .test_accelerators import site

ORT, ORT_GPU = "onnxruntime", "onnxruntime-gpu"
CPU = Engine("CPUExecutionProvider", "1.23.2", True, None)
CUDA_FELL_BACK = Engine("CUDAExecutionProvider", "1.23.2", False, "it is listed, but the session fell back to the CPU")
TENSORRT = Engine("TensorRT", "10.3.0", True, None)
CAMERA = Camera("/dev/video0", "HD USB Camera", "uvcvideo", True, None, ())
JETPACK_6_PYTHON = PythonPlace((3, 10), Path("/opt/fidgety"), True, True)
UNIT = "/etc/systemd/system/fidgety.service"
Package = tuple[str, str, dict[str, str]]


def onnxruntime(name: str = ORT, version: str = "1.23.2") -> Package:
    return name, version, {"onnxruntime/__init__.py": f"# {name}\n", "onnxruntime/capi/state.so": f"{name} {version}"}


def opencv(name: str = "opencv-python-headless") -> Package:
    return name, "4.14.0", {"cv2/__init__.py": f"# {name}\n"}


TOO_NEW = "TypeError: open() got an unexpected keyword argument 'metadata_errors'"
PYAV: Package = ("av", "17.1.0", {"av/__init__.py": "# av\n"})


@dataclass
class SetUp:
    """A box before it is looked at; every change of it is one trap."""

    files: Files
    data: Path
    packages: list[Package] = field(default_factory=lambda: [onnxruntime(), opencv(), PYAV])
    engines: tuple[Engine, ...] = (CPU, TENSORRT)
    python: PythonPlace = JETPACK_6_PYTHON
    bundle: Path = field(default_factory=default_bundle_path)
    engine_folder: Path = Path("/nowhere/engines")
    missing_decoders: tuple[str, ...] = ()
    recording_problem: str | None = None
    change_box: Callable[[Box], Box] = lambda box: box
    after_install: Callable[[Path], None] = lambda _: None


@pytest.fixture
def diagnose(make_tree: MakeTree, make_site: MakeSite, tmp_path: Path) -> Callable[[SetUp], tuple[Finding, ...]]:
    def run(set_up: SetUp) -> tuple[Finding, ...]:
        tree = make_tree(set_up.files)
        place = make_site(*set_up.packages)
        set_up.after_install(place)
        box = probe_box(tree, set_up.data, tmp_path / "state", engines=set_up.engines, now_s=NOW_S)
        box = set_up.change_box(replace(box, cameras=(CAMERA,), disk=Disk(500_000, 200_000)))
        installed, broken = read_installed(path=[str(place)]), set_up.recording_problem
        software = Software(installed, None, None, set_up.missing_decoders, set_up.python, broken)
        return examine(box, software, tree, set_up.bundle, set_up.engine_folder)

    return run


@pytest.fixture
def healthy(tmp_path: Path) -> SetUp:
    files = orin_nano_jetpack_6()
    files[UNIT] = "[Service]\nType=notify\nWatchdogSec=60\n"
    files["/run/systemd/system/.keep"] = ""
    return SetUp(files, tmp_path / "data")


@pytest.mark.bundle
def test_examine_healthy_box_says_nothing(healthy: SetUp, diagnose) -> None:  # type: ignore[no-untyped-def]
    assert diagnose(healthy) == ()
    assert format_findings(()) == "fit: nothing to be said"


@pytest.mark.bundle
def test_examine_healthy_jetpack_7_says_but_the_power_mode(healthy: SetUp, diagnose) -> None:  # type: ignore[no-untyped-def]
    healthy.files |= {**orin_jetpack_7()}
    healthy.python = PythonPlace((3, 12), Path("/opt/fidgety"), True, True)
    (found,) = diagnose(healthy)
    assert (found.code, found.remedy) == ("power-mode", "sudo nvpmodel -m 0")


def both(s: SetUp) -> None:
    s.packages = [onnxruntime(), onnxruntime(ORT_GPU), opencv(), PYAV]


def one_was_taken_away(s: SetUp) -> None:
    """`pip uninstall onnxruntime-gpu` after both were there: the files of the other are gone with it."""

    def uninstall(place: Path) -> None:
        shutil.rmtree(place / "onnxruntime_gpu-1.23.2.dist-info")
        (place / "onnxruntime/__init__.py").unlink()

    s.packages, s.after_install = [onnxruntime(), onnxruntime(ORT_GPU), opencv(), PYAV], uninstall


def overwritten(s: SetUp) -> None:
    """The other one's record is gone, its files are not."""
    s.packages = [onnxruntime(), onnxruntime(ORT_GPU), opencv(), PYAV]
    s.after_install = lambda place: shutil.rmtree(place / "onnxruntime_gpu-1.23.2.dist-info")


def none(s: SetUp) -> None:
    s.packages, s.engines = [opencv(), PYAV], (TENSORRT,)


def stray(s: SetUp) -> None:
    s.packages, s.engines = [opencv(), PYAV], (TENSORRT,)
    s.after_install = lambda place: (place / "onnxruntime").mkdir()


def gpu_build_on_jetson(s: SetUp) -> None:
    s.packages, s.engines = [onnxruntime(ORT_GPU), opencv(), PYAV], (CUDA_FELL_BACK, CPU, TENSORRT)


def tensorrt_without_driver(s: SetUp) -> None:
    s.engines = (CPU, Engine("TensorRT", None, False, "the process died of SIGSEGV"))


def tensorrt_hidden(s: SetUp) -> None:
    s.engines = (CPU, Engine("TensorRT", None, False, None, is_installed=False))
    s.python = PythonPlace((3, 10), Path("/opt/fidgety"), True, False)


def wrong_python(s: SetUp) -> None:
    s.python = PythonPlace((3, 11), Path("/opt/fidgety"), True, True)


def two_opencvs(s: SetUp) -> None:
    s.packages = [onnxruntime(), opencv(), opencv("opencv-python"), PYAV]


def opencv_with_a_screen(s: SetUp) -> None:
    s.packages = [onnxruntime(), opencv("opencv-python"), PYAV]


def no_decoder(s: SetUp) -> None:
    s.missing_decoders = ("h264", "hevc")
    s.recording_problem = "InvalidDataError: Decoder not found"  # which follows from it


def pyav_too_new(s: SetUp) -> None:
    s.packages = [onnxruntime(), opencv(), ("av", "19.0.2", {"av/__init__.py": "# av\n"})]
    s.recording_problem = TOO_NEW


def no_camera_rights(s: SetUp) -> None:
    camera = replace(CAMERA, is_usable=False, problem="no right to open it")
    s.change_box = lambda box: replace(box, cameras=(camera,))


def disk_full(s: SetUp) -> None:
    s.change_box = lambda box: replace(box, disk=Disk(60_000, 300))


def clock_unset(s: SetUp) -> None:
    s.change_box = lambda box: replace(box, clock=replace(box.clock, now_s=0.0, doubt=judge(Now(0.0, "", 0.0), None)))


def clock_went_back(s: SetUp) -> None:
    note_time(s.data.parent / "state", NOW_S + 86400)


def clock_without_battery(s: SetUp) -> None:
    del s.files["/run/systemd/timesync/synchronized"], s.files["/sys/class/rtc/rtc0/name"]
    s.files["/run/systemd/timesync/.keep"] = ""


def swap_on_card(s: SetUp) -> None:
    s.files["/proc/swaps"] += "/dev/mmcblk1p2 partition\t4194300\t\t2048\t\t-2\n"
    s.files["/sys/block/mmcblk1/device/type"] = "SD"


def weak_power_mode(s: SetUp) -> None:
    s.files["/var/lib/nvpmodel/status"] = "pmode:0000"


def memory_low(s: SetUp) -> None:
    s.files["/proc/meminfo"] = "MemTotal: 3900000 kB\nMemAvailable: 200000 kB\n"


def throttled(s: SetUp) -> None:
    s.files["/sys/class/thermal/cooling_device1/cur_state"] = "1"


def too_hot(s: SetUp) -> None:
    s.files["/sys/class/thermal/thermal_zone0/temp"] = "101000"


def bundle_missing(s: SetUp) -> None:
    s.bundle = s.data.parent / "no-bundle"


def bundle_damaged(s: SetUp) -> None:
    s.bundle = s.data.parent / "damaged"
    shutil.copytree(open_bundle(default_bundle_path()).path, s.bundle)
    graph = s.bundle / "mam_window.onnx"
    raw = bytearray(graph.read_bytes())
    raw[len(raw) // 2] ^= 1
    graph.write_bytes(raw)


def put_engine(s: SetUp, model_sha256: str, tensorrt: str, content: bytes = b"an engine") -> None:
    s.engine_folder = s.data.parent / "engines"
    s.engine_folder.mkdir(exist_ok=True)
    key = {"network": "mam_window", "model_sha256": model_sha256, "tensorrt": tensorrt}
    digest = hashlib.sha256(b"an engine").hexdigest()
    record = {"key": key, "engine": "mam_window-1-2.engine", "engine_sha256": digest}
    (s.engine_folder / f"mam_window-{model_sha256[:4]}.json").write_text(json.dumps(record))
    (s.engine_folder / "mam_window-1-2.engine").write_bytes(content)


def graph_of_demo() -> str:
    return open_bundle(default_bundle_path()).manifest.files["mam_window.onnx"]


def engine_of_another_bundle(s: SetUp) -> None:
    put_engine(s, "0" * 64, "10.3.0")


def engine_of_another_tensorrt(s: SetUp) -> None:
    put_engine(s, graph_of_demo(), "10.16.1")


def engine_damaged(s: SetUp) -> None:
    put_engine(s, graph_of_demo(), "10.3.0", b"an engin")


def engine_record_damaged(s: SetUp) -> None:
    put_engine(s, graph_of_demo(), "10.3.0")
    (record,) = s.engine_folder.glob("*.json")
    record.write_text("{")


def data_folder_not_writable(s: SetUp) -> None:
    s.data = Path("/proc/fidgety")  # a place where not even root may write


def no_watchdog(s: SetUp) -> None:
    s.files[UNIT] = "[Service]\nType=simple\n"


# trap, its code, whether it must be fixed, words of its remedy
TRAPS = [
    (both, "onnxruntime-both", True, "pip uninstall -y onnxruntime onnxruntime-gpu && pip install --force-reinstall"),
    (one_was_taken_away, "onnxruntime-broken", True, "'onnxruntime==1.23.*'"),
    (overwritten, "onnxruntime-broken", True, "pip uninstall -y onnxruntime &&"),
    (none, "onnxruntime-none", True, "'onnxruntime==1.23.*'"),
    (stray, "onnxruntime-broken", True, "delete that folder"),
    (gpu_build_on_jetson, "onnxruntime-gpu-on-jetson", True, "fidgety device provision"),
    (tensorrt_without_driver, "tensorrt-no-driver", True, "flash the Jetson"),
    (tensorrt_hidden, "tensorrt-hidden", True, "--system-site-packages"),
    (wrong_python, "python-not-jetpacks", True, "/usr/bin/python3.10 -m venv"),
    (two_opencvs, "opencv-both", True, "pip uninstall -y opencv-python opencv-python-headless"),
    (opencv_with_a_screen, "opencv-not-headless", True, "opencv-python-headless"),
    (no_decoder, "av-no-decoder", True, "--only-binary=:all: 'av>=13,<19'"),
    (pyav_too_new, "av-no-recording", True, "fidgety needs av>=13,<19: pip install"),
    (no_camera_rights, "camera-rights", True, "usermod -aG video"),
    (disk_full, "disk-full", True, "move recordings"),
    (clock_unset, "clock-unset", True, "timedatectl set-time"),
    (clock_went_back, "clock-went-back", True, "coin cell"),
    (clock_without_battery, "clock-no-battery", False, "compare it with a watch"),
    (swap_on_card, "swap-on-card", False, "sudo swapoff /dev/mmcblk1p2"),
    (weak_power_mode, "power-mode", False, "sudo nvpmodel -m 2"),
    (memory_low, "memory-low", True, "multi-user.target"),
    (throttled, "throttled", False, "fan"),
    (too_hot, "too-hot", True, "let it cool"),
    (bundle_missing, "bundle-missing", True, "fidgety bundle install"),
    (bundle_damaged, "bundle-damaged", True, "fidgety bundle install"),
    (engine_of_another_bundle, "engines-stale", True, "fidgety device provision"),
    (engine_of_another_tensorrt, "engines-stale", True, "fidgety device provision"),
    (engine_damaged, "engines-stale", True, "fidgety device provision"),
    (engine_record_damaged, "engines-stale", True, "fidgety device provision"),
    (data_folder_not_writable, "data-folder", True, "--store"),
    (no_watchdog, "no-watchdog", False, "--print-unit"),
]


@pytest.mark.bundle
@pytest.mark.parametrize(("trap", "code", "is_fault", "remedy"), TRAPS, ids=[trap[0].__name__ for trap in TRAPS])
def test_examine_names_the_trap_alone_with_its_remedy(
    trap: Callable[[SetUp], None],
    code: str,
    is_fault: bool,
    remedy: str,
    healthy: SetUp,
    diagnose,  # type: ignore[no-untyped-def]
) -> None:
    trap(healthy)
    found = diagnose(healthy)
    assert [one.code for one in found if one.code != "throttled" or code == "throttled"] == [code]
    (finding,) = (one for one in found if one.code == code)
    assert finding.is_fault is is_fault
    assert remedy in finding.remedy
    assert finding.sentence and code in format_findings(found)


@pytest.mark.bundle
def test_examine_takes_engines_of_this_bundle_beside_older_ones(healthy: SetUp, diagnose) -> None:  # type: ignore[no-untyped-def]
    put_engine(healthy, "0" * 64, "10.3.0")
    put_engine(healthy, graph_of_demo(), "10.3.0")
    assert diagnose(healthy) == ()


@pytest.mark.bundle
def test_examine_puts_faults_before_warnings(healthy: SetUp, diagnose) -> None:  # type: ignore[no-untyped-def]
    weak_power_mode(healthy)
    disk_full(healthy)
    found = diagnose(healthy)
    assert [one.is_fault for one in found] == [True, False]
    assert format_findings(found).splitlines()[-1] == "not fit: 1 to fix, 1 warning"


def test_read_software_asks_pyav_for_its_decoders(tmp_path: Path) -> None:
    code = "class codec:\n    @staticmethod\n    def Codec(name, mode):\n        assert name == 'mjpeg', name\n"
    assert read_software([site(tmp_path, "av", code)]).missing_decoders == ("h264", "hevc")


# Loads and has every decoder: 19 opens nothing, another opens and gives no picture.
TAKES_NO_METADATA_ERRORS = """
class codec:
    Codec = staticmethod(lambda name, mode: None)
def open(file):
    raise AssertionError("not asked so")
"""
GIVES_NO_PICTURE = """
from contextlib import nullcontext
class codec:
    Codec = staticmethod(lambda name, mode: None)
class Container:
    def decode(self, video):
        raise ValueError("Invalid data found when processing input")
        yield
def open(file, metadata_errors):
    assert file.endswith("sample.mp4")
    return nullcontext(Container())
"""


@pytest.mark.parametrize(
    ("code", "problem"),
    [(TAKES_NO_METADATA_ERRORS, TOO_NEW), (GIVES_NO_PICTURE, "ValueError: Invalid data found when processing input")],
)
def test_read_software_has_pyav_decode_the_sample(code: str, problem: str, tmp_path: Path) -> None:
    software = read_software([site(tmp_path, "av", code)])
    assert (software.av_problem, software.missing_decoders, software.recording_problem) == (None, (), problem)
    assert read_software([site(tmp_path / "av", "av", "import nothing_there")]).recording_problem is None


def test_remedy_names_the_range_that_the_project_is_pinned_to() -> None:
    dependencies = (Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'"{PYAV_RANGE}",' in dependencies


def test_read_installed_leaves_out_what_another_folder_hides(make_site: MakeSite, tmp_path: Path) -> None:
    """JetPack's own packages below a virtual environment overwrite nothing there."""
    system = make_site(onnxruntime(ORT_GPU), opencv("opencv-python")).rename(tmp_path / "dist-packages")
    environment = make_site(onnxruntime())
    installed = read_installed(path=[str(environment), str(system)])
    assert [package.name for package in installed.bringing("onnxruntime")] == [ORT]
    assert [package.name for package in installed.bringing("cv2")] == ["opencv-python"]  # not hidden: it is used


def test_read_software_here_is_whole() -> None:
    software = read_software()
    assert (software.opencv_problem, software.av_problem, software.missing_decoders) == (None, None, ())
    assert software.recording_problem is None
    (ours,) = software.installed.bringing("onnxruntime")
    assert (ours.name, ours.n_missing, ours.n_foreign) == ("onnxruntime", 0, 0)
    assert software.installed.named("opencv-python-headless") is not None
    assert software.python.prefix == Path(sys.prefix)
