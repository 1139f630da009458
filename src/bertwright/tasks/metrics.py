"""Figures of classification from a confusion matrix, named as scikit-learn names them.

A matrix is all that accuracy, precision, recall, F1 and Matthews' coefficient need, so that a data set of any size
is measured in C x C numbers. Where a figure is 0 / 0 it is 0, as in scikit-learn with `zero_division=0`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.int64]


def confusion_matrix(truth: NDArray[np.integer[Any]], predicted: NDArray[np.integer[Any]], classes: int) -> Matrix:
    """Counts by true class (row) and predicted class (column), shape [C, C]."""
    flat = truth.astype(np.int64) * classes + predicted
    return np.bincount(flat, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def classification_metrics(matrix: Matrix, *, positive: int | None = None) -> dict[str, float]:
    """Accuracy, macro and weighted precision / recall / F1, Matthews' coefficient; those of one class too.

    Args:
        matrix: [C, C] counts, rows are the truth.
        positive: With two classes, the one whose `precision`, `recall` and `f1` are given without a suffix.
    """
    precision, recall, f1, support = _by_class(matrix)
    total = support.sum()
    # As in scikit-learn, a class that is neither in the truth nor predicted does not count.
    present = (support + matrix.sum(axis=0)) > 0
    figures = {"accuracy": _ratio(np.trace(matrix), total)}
    for name, values in (("precision", precision), ("recall", recall), ("f1", f1)):
        if positive is not None:
            figures[name] = float(values[positive])
        figures[f"{name}_macro"] = float(values[present].mean()) if present.any() else 0.0
        figures[f"{name}_weighted"] = _ratio((values * support).sum(), total)
    figures["matthews_correlation"] = _matthews(matrix)
    return figures


def per_class(matrix: Matrix, labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support of each class, by name."""
    columns = zip(*_by_class(matrix), strict=True)
    return {
        label: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
        for label, (p, r, f, n) in zip(labels, columns, strict=True)
    }


def _by_class(matrix: Matrix) -> tuple[NDArray[np.float64], ...]:
    hits = np.diag(matrix).astype(np.float64)
    support, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    return _divide(hits, predicted), _divide(hits, support), _divide(2 * hits, support + predicted), support


def _divide(numerator: NDArray[np.float64], denominator: Matrix) -> NDArray[np.float64]:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def _ratio(numerator: float, denominator: float) -> float:
    return float(numerator / denominator) if denominator else 0.0


def _matthews(matrix: Matrix) -> float:
    """The correlation of truth and prediction for C classes (Gorodkin 2004, eq. 8)."""
    counts = matrix.astype(np.float64)
    total, hits = counts.sum(), np.trace(counts)
    truth, predicted = counts.sum(axis=1), counts.sum(axis=0)
    covariance = hits * total - truth @ predicted
    spread = (total**2 - truth @ truth) * (total**2 - predicted @ predicted)
    return _ratio(covariance, np.sqrt(spread))
