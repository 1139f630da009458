"""How well the score of one of two labels tells them apart, whatever the threshold; as in scikit-learn.

Knows no model and no files.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertwright.tasks.row_counts import Column, Weights

_POINTS = 100  # of a curve


class Ranking:
    """Scores of rows, and which of them are positive.

    Args:
        scores: Probability of the positive label.
        positive: Whether it is the true one.
    """

    def __init__(self, scores: Column, positive: Column) -> None:
        self._scores, self._positive = scores, positive

    def metrics(self, weights: Weights = None) -> dict[str, float]:
        """Return `roc_auc` and `average_precision`; nothing where the rows are all of one kind."""
        hits, alarms = (np.cumsum(counts) for counts in self._by_threshold(weights))
        if not len(hits) or not hits[-1] or not alarms[-1]:
            return {}
        recall, false_positives = hits / hits[-1], alarms / alarms[-1]
        given = hits + alarms
        precision = np.divide(hits, given, out=np.zeros_like(recall), where=given > 0)
        rises, widths = np.diff(recall, prepend=0.0), np.diff(false_positives, prepend=0.0)
        return {
            "roc_auc": float((widths * (recall - rises / 2)).sum()),  # trapezoids under the curve
            "average_precision": float((rises * precision).sum()),
        }

    def curve(self) -> list[dict[str, float]]:
        """What follows if the positive label is given from a score on, for up to 100 scores from high to low.

        Returns:
            Of each `threshold` the `precision`, the `recall` and the `false_positive_rate`.
        """
        hits, alarms = (np.cumsum(counts) for counts in self._by_threshold(None))
        if not len(hits):
            return []
        thresholds = np.unique(self._scores.values)[::-1]
        points = np.unique(np.linspace(0, len(hits) - 1, _POINTS).round().astype(np.int64))
        return [
            {
                "threshold": float(thresholds[point]),
                "precision": float(hits[point] / (hits[point] + alarms[point])),
                "recall": float(hits[point] / max(hits[-1], 1)),
                "false_positive_rate": float(alarms[point] / max(alarms[-1], 1)),
            }
            for point in points.tolist()
        ]

    def _by_threshold(self, weights: Weights) -> tuple[NDArray[Any], NDArray[Any]]:
        """Positive and negative rows of each distinct score, the highest first."""
        positive = self._positive.values
        counted = np.ones(len(positive)) if weights is None else weights
        levels = self._scores.levels
        one, other = (np.bincount(levels, counted * kind)[::-1] for kind in (positive, ~positive))
        return one, other
