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


def tells_apart(probabilities: Float[np.ndarray, "N C"], given: Int[np.ndarray, " N"]) -> bool:
    """Whether the models know more of these rows than how frequent each class is; else their doubts are noise.

    They do where they are right more often than who always says the commonest class, or where their cross-entropy is
    below that of the classes' shares (it may be though each answer is the commonest class); by two standard errors.

    Args:
        probabilities: As of `likely_errors`.
        given: As there.
    """
    shares = np.bincount(given, minlength=probabilities.shape[1]) / len(given)
    commonest = shares.max()
    right = (probabilities.argmax(axis=1) == given).mean()
    own = np.maximum(probabilities[np.arange(len(given)), given], np.finfo(np.float64).tiny)
    gains = np.log(own / shares[given])
    luck = 2 / np.sqrt(len(given))
    return bool(right > commonest + luck * np.sqrt(commonest * (1 - commonest)) or gains.mean() > luck * gains.std())


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
