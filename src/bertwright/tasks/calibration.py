"""Whether a classifier is as sure as it is right, and the temperature that makes it so (Guo et al. 2017).

A temperature divides the logits: it changes how sure the model says it is, and never which label is the likeliest.
Knows no model and no files.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

BINS = 15
_COLDEST, _HOTTEST = 0.05, 20.0
_HALVINGS = 60  # of the range of log temperatures: below what float64 tells apart


def reliability(confidences: Float[np.ndarray, " N"], right: Bool[np.ndarray, " N"]) -> dict[str, Any]:
    """How right the answers are that are given with like probability.

    Args:
        confidences: Probability of each row's likeliest label.
        right: Whether that label is the true one.

    Returns:
        `bins`: of each of 15 ranges of equal width that is not empty, its upper end (which belongs to it), the number
        of rows, their mean confidence and their accuracy. `ece`, the expected calibration error: the mean
        difference between the two, weighted by rows (Guo et al. 2017, eq. 3).
    """
    place = np.clip(np.ceil(confidences * BINS).astype(np.int64) - 1, 0, BINS - 1)
    rows, sure, hits = (np.bincount(place, weights, minlength=BINS) for weights in (None, confidences, right))
    filled = np.flatnonzero(rows)
    bins = [
        {
            "up_to": (number + 1) / BINS,
            "rows": int(rows[number]),
            "confidence": float(sure[number] / rows[number]),
            "accuracy": float(hits[number] / rows[number]),
        }
        for number in filled.tolist()
    ]
    return {"ece": float(np.abs(sure - hits).sum() / max(len(right), 1)), "bins": bins}


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
