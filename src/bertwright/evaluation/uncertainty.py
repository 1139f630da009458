"""How much a figure owes to the rows that happen to be in the test set: bootstrap intervals (Efron 1979).

Rows are drawn with replacement, as many as there are, and measured again, a thousand times; the interval has the middle
95 % of what came out (percentile method). Rows count as independent: questions to one context are, in truth, not quite.
Knows no task and no files.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from bertwright.batches.order import stream
from bertwright.tasks.figures import is_quality

DRAWS = 1_000
Interval = tuple[float, float]
Measure = Callable[[NDArray[np.float64]], Mapping[str, float]]
"""Figures of rows that count as often as these weights say."""
_MOST = 100_000_000  # rows that are drawn in all, and fewer draws beyond that
_FEWEST = 200  # draws, however many rows there are
_LEVELS = (2.5, 97.5)
_BOOTSTRAP = 7  # sets this random stream apart from others


def affordable(draws: int, rows: int) -> int:
    """How many draws are made: those that are wanted, or fewer where there are more than 100,000 rows."""
    return min(draws, max(_MOST // max(rows, 1), _FEWEST))


def draws_of(places: NDArray[np.int64], rows: int, draws: int, seed: int = 0) -> Iterator[NDArray[np.float64]]:
    """Weights of all rows in each draw.

    Args:
        places: The rows that are drawn from, each draw as many as these are.
        rows: How many rows there are; all others have the weight 0.
        draws: How many.
        seed: Decides all of them.
    """
    source = stream(seed, _BOOTSTRAP)
    for _ in range(draws):
        chosen = (source.random_raw(len(places)) % np.uint64(len(places))).astype(np.int64)
        yield np.bincount(places[chosen], minlength=rows).astype(np.float64)


def intervals(measure: Measure, weights: Iterable[NDArray[np.float64]]) -> dict[str, Interval]:
    """A 95 % interval for each figure that `measure` gives of each draw.

    A figure that a draw has not, as that of a kind of rows of which none was drawn, is left out of that draw alone.
    """
    drawn: dict[str, list[float]] = {}
    for each in weights:
        for name, figure in measure(each).items():
            drawn.setdefault(name, []).append(figure)
    found: dict[str, Interval] = {}
    for name, figures in drawn.items():
        if is_quality(name):
            low, high = np.percentile(figures, _LEVELS)
            found[name] = (float(low), float(high))
    return found
