"""MAM of all infants -> what `fidgety bundle build --mam OUT` takes, weights, graphs,
`mam.json`, the lifter that the tracks went through, curve and account of the training.

Its risks are calibrated twice: on the few infants kept from it, so that it is whole as soon as it is trained, and, once
the folds are done, on what their models say of infants unseen by each. Of thirty infants that MAM parts well, Platt's
smoothed targets make a line that is too cautious (slope at the external site 1.24; of all 160 out of fold 1.18).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

from fidgety import __version__
from fidgety.errors import DeviceError
from fidgety.export.mam import export_mam
from fidgety.training.calibrate import risk_line
from fidgety.training.cohort_data import Data, Request
from fidgety.training.folds import FINAL
from fidgety.training.log import write_curve, write_json, write_settings
from fidgety.training.run_files import FoldRecord, read_json, read_margins, write_fold, write_weights, written
from fidgety.training.task import Fitted

__all__ = ["export_final", "settle_final"]

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
    chosen_by = _chosen_by(request, f"{calibration.n_recordings} recordings of infants kept for it")
    try:
        export_mam(out / "mam.npz", out)
        shutil.copyfile(bundle.file(settings.graph), out / _LIFTER)
        write_settings(out / "mam.json", about, calibration, chosen_by)
        write_curve(out / "training_log.csv", fitted.rows)
        write_json(out / "training_log.json", _account(request, data, fitted, record))
    except OSError as error:
        raise DeviceError(f"{out} cannot be written: {error.strerror}") from error


def settle_final(request: Request, record: FoldRecord, folds: Sequence[Path]) -> FoldRecord:
    """Fit the final model's probability line to all infants' out-of-fold logits, and write it wherever it is kept.

    Raises UsageError where a fold's logits are missing, DeviceError where the folder cannot be written.
    """
    margins, is_risk = read_margins(folds)
    slope, intercept = (round(value, 4) for value in risk_line(margins, is_risk))
    calibration = replace(record.calibration, risk_slope=slope, risk_intercept=intercept, n_recordings=len(margins))
    settled, out = replace(record, calibration=calibration), request.out
    settings, account = read_json(out / "mam.json"), read_json(out / "training_log.json")
    settings["probability"] |= {"risk_slope": slope, "risk_intercept": intercept}
    settings["operating_point"]["chosen_by"] = _chosen_by(request, f"{len(margins)} recordings out of fold")
    written(lambda: write_json(out / "training_log.json", account | {"calibration": asdict(calibration)}), out)
    write_fold(out / "folds" / FINAL, settled)
    written(lambda: write_json(out / "mam.json", settings), out)
    return settled


def _chosen_by(request: Request, where: str) -> str:
    return (
        f"nearest FMs frequency of rated clips; a missed infant weighs {request.protocol.miss_weight:g} false alarms, "
        f"by the risk as calibrated on {where}"
    )


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
