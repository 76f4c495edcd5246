"""EML on a cohort: features of whole recordings, four classical learners (eml.py). No epochs, no protocol."""

from __future__ import annotations

import time

import numpy as np

from fidgety.records import BoolArray
from fidgety.training.calibrate import calibrate_model
from fidgety.training.eml import Eml
from fidgety.training.models import EmlModel
from fidgety.training.motion_features import Array, feature_table
from fidgety.training.task import Fitted, Task

__all__ = ["fit_eml", "make_eml"]


def fit_eml(task: Task) -> Fitted:
    """Fit and calibrate EML. Raises UsageError as `Eml.fit` and `motion_features` do."""
    start_s = time.monotonic()
    features = feature_table([one.filled() for one in task.learn])
    model = make_eml(features, np.array([one.is_risk for one in task.learn]), task.run.seed)
    calibration = calibrate_model(model, task.held, (), task.protocol.miss_weight)
    return Fitted(model, calibration, {}, (), time.monotonic() - start_s)


def make_eml(features: Array, is_risk: BoolArray, seed: int) -> EmlModel:
    """A fitted EML; the same features, classes and seed give the same one."""
    system = Eml(seed)
    system.fit(features, is_risk)
    return EmlModel(system, features, is_risk, seed)
