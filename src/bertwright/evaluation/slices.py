"""The figures of parts of a test set: rows of one label, of like length, or of one value in a column.

A model that is good on the whole may be bad where it matters. Knows no models and no files.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertwright.evaluation.uncertainty import affordable, draws_of, intervals
from bertwright.tasks.finetuning import TaskTally

_DRAWS = 200  # there are many slices, and their intervals are wide
_MOST = 20  # slices of a kind: the largest
_QUARTERS = (25, 50, 75)
COLUMN = "column:"
"""What the name of a way to slice begins with, where it is that of a column."""


def sliced(
    tally: TaskTally[Any], metrics: Sequence[str], kinds: Mapping[str, Sequence[str]], *, draws: int = _DRAWS
) -> dict[str, list[dict[str, Any]]]:
    """Figures of each part of the rows.

    Args:
        tally: Has counted them.
        metrics: The figures to give.
        kinds: For each way to slice, the name of each row's slice.
        draws: For the intervals; none without.

    Returns:
        Of each way the slices, largest first: `value`, `rows`, `metrics` and `intervals`.
    """
    return {kind: _slices(tally, metrics, np.array(values, dtype=object), draws) for kind, values in kinds.items()}


def by_quarter(lengths: NDArray[np.integer[Any]]) -> list[str]:
    """The name of the quarter of like length that each row is in; fewer than four where many rows are of one length."""
    edges = np.unique(np.percentile(lengths, _QUARTERS, method="lower").astype(np.int64))
    place = np.searchsorted(edges, lengths)
    found = {
        number: (int(lengths[place == number].min()), int(lengths[place == number].max()))
        for number in np.unique(place).tolist()
    }
    names = {number: f"{low}-{high} tokens" for number, (low, high) in found.items()}
    return [names[number] for number in place.tolist()]


def commonest(values: Sequence[str]) -> list[str]:
    """The values, but for those beyond the commonest: these are one slice, which says how many they are."""
    counts = Counter(values)
    if len(counts) <= _MOST:
        return list(values)
    kept = {value for value, _ in counts.most_common(_MOST - 1)}
    rest = f"other ({len(counts) - len(kept)} values)"
    return [value if value in kept else rest for value in values]


def _slices(
    tally: TaskTally[Any], metrics: Sequence[str], values: NDArray[np.object_], draws: int
) -> list[dict[str, Any]]:
    found = []
    for value, rows in Counter(values.tolist()).most_common(_MOST):
        places = np.flatnonzero(values == value)
        weights = np.zeros(len(values))
        weights[places] = 1.0
        drawn = draws_of(places, len(values), affordable(draws, len(values)))
        spread = intervals(tally.metrics, drawn)
        figures = tally.metrics(weights)
        chosen = [name for name in metrics if name in figures]
        found.append(
            {
                "value": value,
                "rows": rows,
                "metrics": {name: figures[name] for name in chosen},
                "intervals": {name: list(spread[name]) for name in chosen if name in spread},
            }
        )
    return found
