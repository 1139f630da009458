"""Whether a model is as sure as it is right, and the temperature that makes it so (Guo et al. 2017).

A temperature divides the logits: it changes how sure the model says it is, and never which label is the likeliest.
Knows no model and no files.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

BINS = 15
_INNER = np.arange(1, BINS) / BINS  # where a bin ends and the next begins
_COLDEST, _HOTTEST = 0.05, 20.0
_HALVINGS = 60  # of the range of log temperatures: below what float64 tells apart


class Reliability:
    """How right the answers are that are given with like probability."""

    def __init__(self) -> None:
        self._rows, self._sure, self._hits = (np.zeros(BINS) for _ in range(3))

    def add(self, confidences: Float[np.ndarray, " N"], right: Bool[np.ndarray, " N"]) -> None:
        """Count N answers: the probability that each was given, and whether it is right."""
        place = np.searchsorted(_INNER, confidences)  # of a training that went wrong they may be NaN: the last one
        self._rows += np.bincount(place, minlength=BINS)
        self._sure += np.bincount(place, confidences, minlength=BINS)
        self._hits += np.bincount(place, right, minlength=BINS)

    def extend(self, other: "Reliability") -> None:
        """Count all answers of another one as well."""
        self._rows += other._rows
        self._sure += other._sure
        self._hits += other._hits

    def to_dict(self) -> dict[str, Any]:
        """JSON values.

        Returns:
            `bins`: of each of 15 ranges of equal width that is not empty, its upper end (which belongs to it), the
            number of answers, their mean confidence and their accuracy. `ece`, the expected calibration error: the
            mean difference between the two, weighted by answers (Guo et al. 2017, eq. 3).
        """
        bins = [
            {
                "up_to": (number + 1) / BINS,
                "rows": int(self._rows[number]),
                "confidence": float(self._sure[number] / self._rows[number]),
                "accuracy": float(self._hits[number] / self._rows[number]),
            }
            for number in np.flatnonzero(self._rows).tolist()
        ]
        return {"ece": float(np.abs(self._sure - self._hits).sum() / max(self._rows.sum(), 1)), "bins": bins}


def best_temperature(logits: Float[np.ndarray, "N C"], labels: Int[np.ndarray, " N"]) -> float:
    """The temperature with the lowest cross-entropy on these rows, from 0.05 to 20.

    In 1 / temperature the cross-entropy is convex: its slope has one zero, which is found by halving.
    """
    logits = logits.astype(np.float64)
    logits = logits - logits.max(axis=1, keepdims=True)
    true = logits[np.arange(len(labels)), labels]
    cold, hot = np.log(_COLDEST), np.log(_HOTTEST)
    for _ in range(_HALVINGS):
        middle = (cold + hot) / 2
        if _too_sure(logits / np.exp(middle), logits, true):
            cold = middle
        else:
            hot = middle
    return float(np.exp((cold + hot) / 2))


def _too_sure(scaled: NDArray[np.float64], logits: NDArray[np.float64], true: NDArray[np.float64]) -> bool:
    """Whether a higher temperature lowers the cross-entropy: the model expects higher logits than the true ones."""
    shares = np.exp(scaled)
    shares /= shares.sum(axis=1, keepdims=True)
    return bool((shares * logits).sum() > true.sum())
