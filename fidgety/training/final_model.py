"""MAM of all infants -> what `fidgety bundle build --mam OUT` takes, weights, graphs,
`mam.json`, the lifter that the tracks went through, curve and account of the training.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version

from fidgety import __version__
from fidgety.errors import DeviceError
from fidgety.export.mam import export_mam
from fidgety.training.cohort_data import Data, Request
from fidgety.training.log import write_curve, write_json, write_settings
from fidgety.training.run_files import FoldRecord, write_weights
from fidgety.training.task import Fitted

__all__ = ["export_final"]

_LIFTER = "lifter.onnx"


def export_final(request: Request, data: Data, fitted: Fitted, record: FoldRecord) -> None:
    """Write mam.npz, the three graphs, lifter.onnx, mam.json, training_log.csv and training_log.json.

    A single simulated infant among those it learned from makes it a demo, and every output says so. Raises DeviceError
    where the folder cannot be written.
    """
    out, bundle = request.out, request.bundle
    write_weights(out / "mam.npz", fitted.model.weights())
    settings = bundle.manifest.lifter
    lifter = {**asdict(settings), "graph": _LIFTER, "command": bundle.manifest.provenance.lifter_source}
    about = {
        "name": "demo" if data.is_simulated else request.cohort.resolve().name,
        "version": __version__,
        "trained_on": "phantom" if data.is_simulated else "recordings",
        "command": request.command,
        "lifter": lifter,
    }
    calibration = fitted.calibration
    chosen_by = (
        f"nearest FMs frequency of rated clips; a missed infant weighs {request.protocol.miss_weight:g} false alarms, "
        f"by the risk as calibrated on {calibration.n_recordings} recordings of infants kept for it"
    )
    try:
        export_mam(out / "mam.npz", out)
        shutil.copyfile(bundle.file(settings.graph), out / _LIFTER)
        write_settings(out / "mam.json", about, calibration, chosen_by)
        write_curve(out / "training_log.csv", fitted.rows)
        write_json(out / "training_log.json", _account(request, data, fitted, record))
    except OSError as error:
        raise DeviceError(f"{out} cannot be written: {error.strerror}") from error


def _account(request: Request, data: Data, fitted: Fitted, record: FoldRecord) -> Mapping[str, object]:
    return {
        "command": request.command,
        "seed": request.seed,
        "protocol": asdict(request.protocol),
        "minutes": round(fitted.seconds / 60, 1),
        "built_with": {name: version(name) for name in ("torch", "numpy", "onnx")},
        "cohort_digest": data.cohort_digest,
        "clips_digest": data.clips_digest,
        "infants": {
            "learnt from": len(record.learn),
            "held out": len(record.held),
            "clips learnt from": len(record.clips_learn),
            "clips held out": len(record.clips_held),
        },
        "best_epochs": fitted.best_epochs,
        "calibration": asdict(fitted.calibration),
    }
