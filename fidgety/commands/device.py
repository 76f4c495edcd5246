"""`fidgety device ...`: this box and its accelerator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from fidgety.commands import device_box
from fidgety.commands.options import BundlePath, EngineFolder, load_bundle, log

if TYPE_CHECKING:
    from fidgety.device.engines import Provisioned
    from fidgety.export.tensorrt import Step

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="This box: what it is, whether it is fit, its engines.")
app.command("show")(device_box.show)
app.command("doctor")(device_box.doctor)
app.command("bench")(device_box.bench)
app.command("selftest")(device_box.selftest)


@app.command()
def provision(bundle_path: BundlePath = None, engines: EngineFolder = None) -> None:
    """Build the bundle's TensorRT engines for this device and prove each against the CPU, before any is used."""
    from fidgety.device.engines import provision as provision_engines
    from fidgety.errors import DeviceError
    from fidgety.export.golden import record_golden
    from fidgety.runtime.engine_files import default_engine_folder
    from fidgety.runtime.networks import accelerated_graphs
    from fidgety.runtime.probe import has_driver, probe_tensorrt
    from fidgety.runtime.tensorrt_session import load_nvidia

    bundle = load_bundle(bundle_path)
    if not has_driver():
        raise DeviceError("there is no NVIDIA driver on this device: there is nothing to provision, --device cpu works")
    gpu = probe_tensorrt()  # in a process of its own: TensorRT may crash
    folder = engines or default_engine_folder()
    log(f"building for {gpu.name}, TensorRT {gpu.tensorrt}, in {folder}: this takes minutes")
    graphs = accelerated_graphs(bundle)
    for done in provision_engines(graphs, folder, load_nvidia(), lambda: record_golden(bundle), _steps):
        print(_line(done), flush=True)
    if engines is not None:
        log(f"other commands find these engines with FIDGETY_ENGINES={engines}")


def _steps(network: str) -> Step:
    """Says each phase of a build once, and every tenth of a long one."""
    said: dict[str, int] = {}

    def step(phase: str, done: int, n_steps: int) -> None:
        tenth = 10 * done // n_steps if n_steps else 0
        if said.get(phase) != tenth:
            said[phase] = tenth
            log(f"  {network}: {phase}, {done} of {n_steps}")

    return step


def _line(done: Provisioned) -> str:
    record = done.record
    worst = max(record.parity.items(), key=lambda pair: pair[1]) if record.parity else ("", 0.0)
    told = "built and proved" if done.is_new else "there already"
    first = next(iter(record.parity.items()), worst)
    return f"{record.key.network:<16} {told}, {first[0]} off by {first[1]:.2g}, sha256 {record.engine_sha256[:12]}"
