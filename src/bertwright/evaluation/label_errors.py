"""Labels that are likely wrong, by the probabilities of models that have not seen them: confident learning.

Northcutt, Jiang, Chuang: "Confident Learning: Estimating Uncertainty in Dataset Labels" (JAIR 2021), section 3: a class
is confidently another one's where its probability reaches the mean that it has on rows labelled so. Knows no file.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Suspect(NamedTuple):
    """A row whose label is likely wrong.

    Attributes:
        row: Its number.
        other: The number of the class that it likely is of.
        margin: By how much that one's probability is above the given one's.
    """

    row: int
    other: int
    margin: float


def likely_errors(probabilities: Float[np.ndarray, "N C"], given: Int[np.ndarray, " N"]) -> list[Suspect]:
    """The rows that confident learning takes for another class than the given one, the likeliest first.

    Args:
        probabilities: Of each class for each row, from models that were not trained on that row.
        given: The class that each row is labelled with.

    Returns:
        Those in an off-diagonal cell of the confident joint (equation 1): of the classes whose probability is no lower
        than their mean self-confidence the likeliest is another one, and likelier than the given one. Ranked by
        normalized margin (section 3.2.2).
    """
    classes = probabilities.shape[1]
    labelled = [probabilities[given == label, label] for label in range(classes)]
    thresholds = np.array([own.mean() if len(own) else np.inf for own in labelled])
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    other = confident.argmax(axis=1)
    rows = np.arange(len(given))
    margins = confident[rows, other] - probabilities[rows, given]
    found = np.flatnonzero((other != given) & (confident[rows, other] >= 0) & (margins > 0))
    ranked = found[np.argsort(-margins[found], kind="stable")]
    return [Suspect(int(row), int(other[row]), float(margins[row])) for row in ranked]
