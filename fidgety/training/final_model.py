"""MAM of all infants -> what `fidgety bundle build --mam OUT` takes, as `fidgety train-demo` writes it: weights,
graphs, `mam.json`, and the lifter that the tracks went through.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

from fidgety import __version__
from fidgety.bundle import Bundle
from fidgety.errors import DeviceError
from fidgety.export.mam import export_mam
from fidgety.training.log import write_settings
from fidgety.training.run_files import write_weights
from fidgety.training.task import Fitted

__all__ = ["export_final"]

_LIFTER = "lifter.onnx"


def export_final(out: Path, fitted: Fitted, bundle: Bundle, is_simulated: bool, command: str, name: str) -> None:
    """Write mam.npz, the three graphs, lifter.onnx and mam.json into `out`.

    `is_simulated`: a single simulated infant among those it learned from makes it a demo, and every output says so.
    Raises DeviceError where the folder cannot be written.
    """
    write_weights(out / "mam.npz", fitted.model.weights())
    settings = bundle.manifest.lifter
    lifter = {**asdict(settings), "graph": _LIFTER, "command": bundle.manifest.provenance.lifter_source}
    about = {
        "name": name,
        "version": __version__,
        "trained_on": "phantom" if is_simulated else "recordings",
        "command": command,
        "lifter": lifter,
    }
    calibration = fitted.calibration
    chosen_by = (
        f"nearest FMs frequency of rated clips, Youden's risk threshold on {calibration.n_recordings} recordings of "
        "infants kept for it"
    )
    try:
        export_mam(out / "mam.npz", out)
        shutil.copyfile(bundle.file(settings.graph), out / _LIFTER)
        write_settings(out / "mam.json", about, calibration, chosen_by)
    except OSError as error:
        raise DeviceError(f"{out} cannot be written: {error.strerror}") from error
