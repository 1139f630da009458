"""Figures of classification, of multi-label classification and of regression, named as scikit-learn names them.

A confusion matrix is all that accuracy, precision, recall, F1 and Matthews' coefficient need, so that a data set of
any size is measured in C x C numbers. Where a figure is 0 / 0 it is 0, as in scikit-learn with `zero_division=0`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from bertwright.tasks.figures import LOWER_IS_BETTER
from bertwright.tasks.row_counts import Column, Columns, RowCounts, Weights, rows_of, summed

Matrix = NDArray[Any]
"""Counts: whole numbers, unless rows are weighted."""
Counts = NDArray[Any]


def rank(metrics: Mapping[str, float], metric: str) -> tuple[float, float]:
    """What is better by a metric ranks higher; a small validation set has many ties, which the loss decides."""
    value = metrics[metric]
    return (-value if metric in LOWER_IS_BETTER else value, -metrics["loss"])


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
    return _named(labels, *_by_class(matrix))


def _named(labels: Sequence[str], *figures: NDArray[Any]) -> dict[str, dict[str, float]]:
    columns = zip(*figures, strict=True)
    return {
        label: {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
        for label, (p, r, f, n) in zip(labels, columns, strict=True)
    }


class LabelCounts(Columns):
    """Hits, true and given labels of each of C labels that a text can have any number of; adds up text by text.

    Attributes:
        all_right: Of each text, whether its labels are all right.
    """

    def __init__(self, labels: int) -> None:
        self.labels = labels
        self.all_right = Column(dtype=np.bool_)
        self._counts = RowCounts()  # label 0's hits, true and given ones are the kinds 0, 1 and 2; and so on

    @property
    def texts(self) -> int:
        """How many there are."""
        return self._counts.rows

    @property
    def true(self) -> int:
        """How many labels the texts have."""
        return int(self._totals(None)[1].sum())

    @property
    def given(self) -> int:
        """How many they were given."""
        return int(self._totals(None)[2].sum())

    def add(self, truth: Bool[np.ndarray, "N C"], given: Bool[np.ndarray, "N C"]) -> None:
        """Count N texts."""
        rows, labels, which = np.nonzero(np.stack([truth & given, truth, given], axis=2))
        self._counts.add(rows, labels * 3 + which, len(truth))
        self.all_right.add((truth == given).all(axis=1))

    def metrics(self, weights: Weights = None) -> dict[str, float]:
        """Share of texts whose labels are all right, and micro, macro and weighted precision, recall and F1."""
        accuracy = {"accuracy": _ratio(summed(self.all_right.values, weights), rows_of(self.texts, weights))}
        return accuracy | averages(*self._totals(weights))

    def per_class(self, labels: Sequence[str]) -> dict[str, dict[str, float]]:
        """Precision, recall, F1 and support of each label, by name."""
        return by_name(labels, *self._totals(None))

    def _totals(self, weights: Weights) -> Counts:
        """Hits, true and given ones of each label: three rows of C."""
        return self._counts.totals(self.labels * 3, weights).reshape(-1, 3).T


def averages(hits: Counts, support: Counts, given: Counts) -> dict[str, float]:
    """Micro, macro and weighted precision, recall and F1 over C kinds of things.

    Args:
        hits: How many of each kind were given where they are true.
        support: How many are true.
        given: How many were given.
    """
    micro = _rates(*(np.array([counts.sum()]) for counts in (hits, support, given)))
    figures: dict[str, float] = {}
    for name, total, values in zip(("precision", "recall", "f1"), micro, _rates(hits, support, given), strict=True):
        figures[f"{name}_micro"] = float(total[0])
        figures[f"{name}_macro"] = _ratio(values.sum(), len(values))
        figures[f"{name}_weighted"] = _ratio((values * support).sum(), support.sum())
    return figures


def by_name(names: Sequence[str], hits: Counts, support: Counts, given: Counts) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support of each of C kinds of things; see `averages`."""
    return _named(names, *_rates(hits, support, given), support)


def best_threshold(scores: Float[np.ndarray, " N"], truth: Bool[np.ndarray, " N"]) -> float:
    """The probability from which on a label should be given for the best F1; 0.5 where it never is the right one.

    It lies half-way between two scores, so that rounding moves none across it.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    hits = np.cumsum(truth[order])
    if not hits[-1]:
        return 0.5
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + hits[-1])
    f1[:-1][ranked[:-1] == ranked[1:]] = 0.0  # texts of one score are given the label together
    best = int(f1.argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2)


def regression_metrics(truth: Column, found: Column, weights: Weights = None) -> dict[str, float]:
    """Pearson's and Spearman's correlation, mean squared and mean absolute error."""
    error = found.values - truth.values
    rows = rows_of(len(error), weights)
    return {
        "pearson": _correlation(truth.values, found.values, weights),
        "spearman": _correlation(_ranks(truth, weights), _ranks(found, weights), weights),
        "mse": _ratio(summed(np.square(error), weights), rows),
        "mae": _ratio(summed(np.abs(error), weights), rows),
    }


def _correlation(one: Float[np.ndarray, " N"], other: Float[np.ndarray, " N"], weights: Weights) -> float:
    """Pearson's; 0 where one of them does not vary."""
    rows = rows_of(len(one), weights)
    if not rows:
        return 0.0
    one, other = one - summed(one, weights) / rows, other - summed(other, weights) / rows
    spread = np.sqrt(summed(one * one, weights) * summed(other * other, weights))
    return _ratio(summed(one * other, weights), float(spread))


def _ranks(column: Column, weights: Weights) -> Float[np.ndarray, " N"]:
    """Ranks from 0; equal values share the mean of theirs, and so do the copies of a row that counts several times."""
    counts = np.bincount(column.levels, weights=weights)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - 1 - (counts - 1) / 2)[column.levels]
    return ranks


def _by_class(matrix: Matrix) -> tuple[NDArray[np.float64], ...]:
    support = matrix.sum(axis=1)
    return *_rates(np.diag(matrix), support, matrix.sum(axis=0)), support


def _rates(hits: Counts, support: Counts, predicted: Counts) -> tuple[NDArray[np.float64], ...]:
    """Precision, recall and F1."""
    hits = hits.astype(np.float64)
    return _divide(hits, predicted), _divide(hits, support), _divide(2 * hits, support + predicted)


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
