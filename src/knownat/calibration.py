"""Calibration: a logit's slope and intercept, fitted on validation, so that a probability means what it says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# numpy's vector instructions differ between CPUs in the last bits; fitted as closely as that, no other digit does
CLOSE = 1e-10
DIGITS = 6


@dataclass(frozen=True)
class Calibration:
    """The calibrated probability is the sigmoid of slope × logit + intercept (Platt 1999)."""

    slope: float = 1.0
    intercept: float = 0.0


def platt(logits: NDArray[np.float32], labels: NDArray[np.bool_]) -> Calibration:
    """Fitted to logits of shape (n,) and both labels; none where a higher logit does not mean a likelier label."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(solver="newton-cholesky", tol=CLOSE).fit(logits.astype(np.float64).reshape(-1, 1), labels)
    slope, intercept = round(float(fitted.coef_[0, 0]), DIGITS), round(float(fitted.intercept_[0]), DIGITS)
    return Calibration(slope, intercept) if slope > 0 else Calibration()
