"""EML: an ensemble of classical learners over motion features. Features (R, 108) and classes in, risk scores out.

No text at hand says what the acronym stands for or what it was built of. *Ensemble of machine learners* is our
expansion, and the four learners and their settings are our choice: figures of it say how far tables of movement go, not
how well anybody's published EML does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fidgety.errors import UsageError
from fidgety.records import BoolArray, FloatArray
from fidgety.training.motion_features import FEATURE_NAMES, motion_features

__all__ = ["Eml"]

Array = NDArray[np.float64]

_FOLDS = 3  # of the line that turns the SVM's margins into probabilities


class Eml:
    """Logistic regression, random forest, gradient boosting and SVM, whose probabilities are averaged.

    The same `seed` and features give the same scores. It scores recordings only, no windows.
    """

    name = "EML"

    def __init__(self, seed: int = 0) -> None:
        svm = CalibratedClassifierCV(SVC(), cv=_FOLDS, ensemble=False)
        learners = [
            ("logistic", make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))),
            ("forest", RandomForestClassifier(200, min_samples_leaf=2, random_state=seed)),
            ("boosting", GradientBoostingClassifier(n_estimators=100, max_depth=2, subsample=0.8, random_state=seed)),
            ("svm", make_pipeline(StandardScaler(), svm)),
        ]
        self._vote = VotingClassifier(learners, voting="soft")
        self._is_fitted = False

    def fit(self, features: Array, is_risk: BoolArray) -> None:
        """Learn from `feature_table` (R, 108) of R recordings and their classes (R,).

        Raises UsageError for other shapes, or fewer than 3 recordings of a class.
        """
        _check(features)
        n_risk = int(np.count_nonzero(is_risk))
        if is_risk.shape != (len(features),) or min(n_risk, len(features) - n_risk) < _FOLDS:
            raise UsageError(
                f"EML needs {_FOLDS} normal and {_FOLDS} risk recordings: {n_risk} of {len(features)} are risk"
            )
        self._vote.fit(features, is_risk)
        self._is_fitted = True

    def risks(self, features: Array) -> Array:
        """Risk scores (R,) in [0, 1] of `feature_table` (R, 108). UsageError for another shape, or before `fit`."""
        _check(features)
        if not self._is_fitted:
            raise UsageError("EML has learned nothing yet: fit it first")
        return np.asarray(self._vote.predict_proba(features)[:, 1], dtype=np.float64)

    def risk(self, joints: FloatArray) -> float:
        """Risk score in [0, 1] of a recording (T, 17, 3), trunk lengths at 25 Hz. Raises UsageError as `risks` and
        `motion_features` do.
        """
        return float(self.risks(motion_features(joints)[None])[0])

    def window_probabilities(self, joints: FloatArray, starts: NDArray[np.int64]) -> None:  # noqa: ARG002
        """None: EML knows whole recordings only."""
        return


def _check(features: Array) -> None:
    if features.ndim != 2 or features.shape[1] != len(FEATURE_NAMES):
        raise UsageError(f"features are (R, {len(FEATURE_NAMES)}), got {features.shape}")
