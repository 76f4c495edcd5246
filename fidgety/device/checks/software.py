"""Traps of the software: packages that overwrite each other, engines that do not load, the wrong Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fidgety.device.accelerators import Engine
from fidgety.device.checks.finding import Finding, fault, warning
from fidgety.device.jetson import Jetson
from fidgety.device.packages import Installed, Package

__all__ = ["PythonPlace", "check_decoders", "check_onnxruntime", "check_opencv", "check_python", "check_tensorrt"]

_PYTHON_OF_JETPACK = {5: (3, 8), 6: (3, 10), 7: (3, 12)}
_CPU = "CPUExecutionProvider"
PYAV = "av>=13,<19"  # as pyproject.toml has it


@dataclass(frozen=True, slots=True)
class PythonPlace:
    """The Python that runs this."""

    version: tuple[int, int]
    prefix: Path
    is_virtual: bool
    sees_system_packages: bool


def check_onnxruntime(installed: Installed, engines: Iterable[Engine], jetson: Jetson | None) -> Iterator[Finding]:
    """Both, none, a mixture, or a build that cannot do what its name says."""
    packages = installed.bringing("onnxruntime")
    again = _reinstall("onnxruntime", jetson)
    if len(packages) > 1:
        yield fault(
            "onnxruntime-both",
            f"{_names(packages)} are installed together: they share one import name, and the last one has overwritten "
            "files of the other",
            f"pip uninstall -y {' '.join(package.name for package in packages)} && {again}",
        )
    elif packages and (packages[0].n_missing or packages[0].n_foreign):
        yield fault(
            "onnxruntime-broken",
            f"{_holes(packages[0])}: another ONNX Runtime was installed over it or taken away",
            f"pip uninstall -y {packages[0].name} && {again}",
        )
    elif not packages and "onnxruntime" in installed.stray:
        yield fault(
            "onnxruntime-broken",
            "a folder onnxruntime lies here that no package owns: what is left of one that was taken away",
            f"delete that folder, then: {again}",
        )
    elif not packages:
        yield fault("onnxruntime-none", "no ONNX Runtime is installed: nothing can be scored", again)
    else:
        yield from _check_providers(packages[0], engines, jetson)


def check_tensorrt(engines: Iterable[Engine], jetson: Jetson | None, python: PythonPlace) -> Iterator[Finding]:
    """TensorRT without a driver; on a Jetson also none at all."""
    found = next((engine for engine in engines if engine.name == "TensorRT"), None)
    if found is None:
        return
    if found.is_installed and not found.is_working:
        where = "flash the Jetson with its JetPack, which holds the driver" if jetson else "install the GPU's driver"
        yield fault(
            "tensorrt-no-driver",
            f"TensorRT {found.version or ''} is installed but does not run: {found.problem}".replace("  ", " "),
            f"{where}, or take tensorrt away: pip uninstall -y tensorrt",
        )
    elif not found.is_installed and jetson is not None:
        if python.is_virtual and not python.sees_system_packages:
            yield fault(
                "tensorrt-hidden",
                f"this virtual environment ({python.prefix.name}) does not see JetPack's tensorrt: the GPU is not used",
                "make it anew: python3 -m venv --system-site-packages VENV, and install fidgety there",
            )
        else:
            yield warning(
                "tensorrt-none",
                "JetPack's tensorrt is not installed: the GPU is not used, scoring takes several times as long",
                "sudo apt install nvidia-jetpack",
            )


def check_opencv(installed: Installed, import_problem: str | None) -> Iterator[Finding]:
    """Two OpenCVs, or the one that needs a screen."""
    packages = installed.bringing("cv2")
    again = "pip install --force-reinstall --no-deps opencv-python-headless"
    if len(packages) > 1:
        yield fault(
            "opencv-both",
            f"{_names(packages)} are installed together and overwrite each other",
            f"pip uninstall -y {' '.join(package.name for package in packages)} && {again}",
        )
    elif packages and (packages[0].n_missing or packages[0].n_foreign):
        yield fault(
            "opencv-broken",
            f"{_holes(packages[0])}: another OpenCV was installed over it or taken away",
            f"pip uninstall -y {packages[0].name} && {again}",
        )
    elif packages and packages[0].name != "opencv-python-headless":
        yield fault(
            "opencv-not-headless",
            f"{_names(packages)} needs a screen's libraries, which an appliance does not have",
            f"pip uninstall -y {packages[0].name} && {again}",
        )
    elif import_problem is not None:
        yield fault("opencv-broken", f"OpenCV does not load: {import_problem}", again)


def check_decoders(
    installed: Installed, import_problem: str | None, missing: Iterable[str], recording_problem: str | None
) -> Iterator[Finding]:
    """What cameras write must be readable. `missing`: names of decoders that PyAV does not have; recording_problem: why
    it gives no picture of the sample recording.
    """
    again = f"pip install --force-reinstall --only-binary=:all: '{PYAV}'"
    if import_problem is not None:
        yield fault("av-broken", f"PyAV does not load: {import_problem}", again)
    elif names := list(missing):
        yield fault(
            "av-no-decoder",
            f"PyAV cannot read {' and '.join(names)}: it was built against a system FFmpeg without it",
            again,
        )
    elif recording_problem is not None:
        package = installed.named("av")
        name = f"PyAV {package.version}" if package else "PyAV"
        yield fault(
            "av-no-recording",
            f"{name} loads, but opens no recording: {recording_problem}",
            f"fidgety needs {PYAV}: {again}",
        )


def check_python(jetson: Jetson | None, python: PythonPlace) -> Iterator[Finding]:
    """JetPack's modules are built for one Python only."""
    wanted = _PYTHON_OF_JETPACK.get((jetson.jetpack_generation or 0) if jetson else 0)
    if jetson is None or wanted is None or python.version == wanted:
        return
    if wanted < (3, 10):
        yield fault(
            "jetpack-old",
            f"JetPack {jetson.jetpack} has Python {wanted[0]}.{wanted[1]}, fidgety needs 3.10 or newer",
            "flash the Jetson with JetPack 6 or 7",
        )
        return
    yield fault(
        "python-not-jetpacks",
        f"this is Python {python.version[0]}.{python.version[1]}, JetPack {jetson.jetpack} has its tensorrt for "
        f"{wanted[0]}.{wanted[1]} only: the GPU cannot be used",
        f"make the environment with JetPack's own: /usr/bin/python{wanted[0]}.{wanted[1]} -m venv "
        "--system-site-packages VENV",
    )


def _check_providers(package: Package, engines: Iterable[Engine], jetson: Jetson | None) -> Iterator[Finding]:
    providers = {engine.name: engine for engine in engines if engine.name != "TensorRT"}
    cpu = providers.get(_CPU) or next(iter(providers.values()), None)
    if cpu is None or not cpu.is_working:
        why = "it cannot be imported" if cpu is None else cpu.problem
        yield fault(
            "onnxruntime-broken",
            f"{package.name} {package.version} does not work: {why}",
            _reinstall(package.name, jetson),
        )
        return
    broken = [engine for name, engine in providers.items() if name != _CPU and not engine.is_working]
    again = _reinstall("onnxruntime", jetson)
    if not broken:
        return
    if jetson is not None:
        yield fault(
            "onnxruntime-gpu-on-jetson",
            f"{package.name} {package.version} holds no kernels for this Jetson's GPU ({broken[0].problem})",
            f"pip uninstall -y {package.name} && {again}; the GPU is used through "
            "JetPack's tensorrt: fidgety device provision",
        )
    elif package.name != "onnxruntime":
        told = "; ".join(f"{engine.name}: {engine.problem}" for engine in broken)
        yield warning(
            "onnxruntime-gpu-unused",
            f"{package.name} {package.version} lists engines that do not load here ({told})",
            f"install the driver that they need, or: pip uninstall -y {package.name} && {again}",
        )


def _reinstall(name: str, jetson: Jetson | None) -> str:
    pin = "'onnxruntime==1.23.*'" if name == "onnxruntime" and jetson and jetson.jetpack_generation == 6 else name
    return f"pip install --force-reinstall --no-deps {pin}"


def _names(packages: Iterable[Package]) -> str:
    return " and ".join(f"{package.name} {package.version}" for package in packages)


def _holes(package: Package) -> str:
    parts = []
    if package.n_missing:
        parts.append(f"{package.n_missing} of its files are gone")
    if package.n_foreign:
        parts.append(f"{package.n_foreign} are not its own")
    return f"{package.name} {package.version} is not whole ({', '.join(parts)})"
