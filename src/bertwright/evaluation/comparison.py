"""Which of two models is better on the same rows, and whether that could be chance. Knows no models and no files.

The intervals of the differences are of paired draws: both models are measured on the same ones. The p of `accuracy` is
McNemar's, exact; that of any other figure is of a permutation test: the answers of the two models are exchanged on
half of the rows, at random, and counted is how often that makes a difference as large as theirs (Yeh 2000).
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertwright.batches.order import stream
from bertwright.evaluation.uncertainty import DRAWS, Interval, affordable, draws_of, intervals
from bertwright.tasks.finetuning import TaskTally

_EXCHANGES = 8  # sets this random stream apart from others
_SLACK = 1e-12  # differences that rounding alone keeps apart count as equal

Tally = TaskTally[Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a figure of a model is above that of another one.

    Attributes:
        other: The other model's figure.
        difference: The model's figure less the other's; of a loss or an error, below 0 is better.
        interval: Where the difference lies with 95 % confidence.
        p: How probable one as large is if both models are equally good.
        test: What p is of: `mcnemar` or `permutation`.
    """

    other: float
    difference: float
    interval: Interval
    p: float
    test: str

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "interval": list(self.interval)}


def compare(one: Tally, other: Tally, *, draws: int = DRAWS, seed: int = 0) -> dict[str, Difference]:
    """Each figure of a model against that of another one, measured on the same rows in the same order."""
    rows = len(one.losses)
    assert len(other.losses) == rows, "two models are compared on the same rows"
    draws = affordable(draws, rows)
    plain, others = one.metrics(), other.metrics()
    differences = _less(plain, others)
    spread = intervals(
        lambda weights: _less(one.metrics(weights), other.metrics(weights)),
        draws_of(np.arange(rows), rows, draws, seed),
    )
    chances = _by_exchange(one, other, draws, seed)
    found = {}
    for name, interval in spread.items():
        p, test = chances[name], "permutation"
        if name == "accuracy" and one.right is not None and other.right is not None:
            p, test = mcnemar(one.right, other.right), "mcnemar"
        found[name] = Difference(others[name], differences[name], interval, p, test)
    return found


def mcnemar(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """The exact two-sided p that two models are right equally often, from the rows where only one of them is.

    Such rows are tosses of a fair coin if the models are equally good (McNemar 1947, in its binomial form).
    """
    wins, losses = int((one & ~other).sum()), int((other & ~one).sum())
    tosses, fewer = wins + losses, min(wins, losses)
    ways = accumulate(range(fewer), lambda before, k: before * (tosses - k) // (k + 1), initial=1)
    return float(min(1.0, 2 * sum(ways) / 2**tosses))


def _by_exchange(one: Tally, other: Tally, draws: int, seed: int) -> dict[str, float]:
    """The p of each figure by the permutation test; the arrangement that was found is one of those that count."""
    both, rows = deepcopy(one), len(one.losses)
    both.extend(other)
    found = _less(one.metrics(), other.metrics())
    as_large = dict.fromkeys(found, 1)
    source = stream(seed, _EXCHANGES)
    for _ in range(draws):
        kept = (source.random_raw(rows) >> np.uint64(63)).astype(np.float64)
        first, second = np.concatenate([kept, 1 - kept]), np.concatenate([1 - kept, kept])
        exchanged = _less(both.metrics(first), both.metrics(second))
        for name, difference in found.items():
            as_large[name] += abs(exchanged.get(name, 0.0)) >= abs(difference) - _SLACK
    return {name: count / (draws + 1) for name, count in as_large.items()}


def _less(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: one[name] - other[name] for name in one if name in other}
