"""What a tally keeps of each row, so that its figures can be had for any weights of the rows.

A weight says how often a row counts: once each for the plain figures; as often as it was drawn for a bootstrap; 1 or 0
for a part of the rows. Weights that are all 1 give the plain figures, bit for bit. Knows no task and no figure.
"""

from collections.abc import Sequence
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64] | None
"""How often each row counts; once each when None."""


@runtime_checkable
class Kept(Protocol):
    """Something of each row, gathered piece by piece."""

    def extend(self, other: Any) -> None:
        """Go on with the rows of another one."""


def summed(values: NDArray[Any], weights: Weights) -> float:
    """The sum of the rows' values."""
    return float((values if weights is None else values * weights).sum())


def rows_of(count: int, weights: Weights) -> float:
    """How many rows there are, each as often as it counts."""
    return float(count) if weights is None else float(weights.sum())


class Column:
    """A number for each row, gathered piece by piece."""

    def __init__(self, values: Sequence[float] | NDArray[Any] = (), dtype: type[np.generic] = np.float64) -> None:
        self._pieces: list[NDArray[Any]] = [np.asarray(values, dtype=dtype)]
        self._order: NDArray[np.int64] | None = None
        self._levels: NDArray[np.int64] | None = None

    def add(self, values: Sequence[Any] | NDArray[Any]) -> None:
        """Go on with the values of more rows."""
        self._pieces.append(np.asarray(values, dtype=self._pieces[0].dtype))
        self._order = self._levels = None

    def extend(self, other: "Column") -> None:
        """Go on with the rows of another column."""
        self.add(other.values)

    @property
    def values(self) -> NDArray[Any]:
        """All of them, in the order in which they came."""
        if len(self._pieces) > 1:
            self._pieces = [np.concatenate(self._pieces)]
        return self._pieces[0]

    @property
    def order(self) -> NDArray[np.int64]:
        """The rows from the lowest value to the highest, equal ones as they came; sorted once for all weights."""
        if self._order is None:
            self._order = np.argsort(self.values, kind="stable")
        return self._order

    @property
    def levels(self) -> NDArray[np.int64]:
        """Of each row, how many distinct values are lower than its own."""
        if self._levels is None:
            ranked = self.values[self.order]
            self._levels = np.zeros(len(ranked), dtype=np.int64)
            self._levels[self.order[1:]] = np.cumsum(ranked[1:] != ranked[:-1])
        return self._levels


class RowCounts:
    """Which kinds of things, numbered from 0, occur in which rows; any number of them in a row.

    Attributes:
        rows: How many rows there are.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._row, self.kinds = Column(dtype=np.int64), Column(dtype=np.int64)

    def add(self, rows: Sequence[int] | NDArray[Any], kinds: Sequence[int] | NDArray[Any], count: int) -> None:
        """Go on with `count` more rows.

        Args:
            rows: The row of each thing, from 0 for the first of these rows.
            kinds: The kind of each thing.
            count: Of rows; one in which there is nothing counts, too.
        """
        self._row.add(np.asarray(rows, dtype=np.int64) + self.rows)
        self.kinds.add(kinds)
        self.rows += count

    def extend(self, other: "RowCounts", kinds: NDArray[Any] | None = None) -> None:
        """Go on with the rows of another one, whose kinds may have other numbers here."""
        self.add(other._row.values, other.kinds.values if kinds is None else kinds, other.rows)

    def totals(self, kinds: int, weights: Weights = None) -> NDArray[Any]:
        """How often each of `kinds` kinds occurs in all rows: whole numbers, unless there are weights."""
        of_things = None if weights is None else weights[self._row.values]
        return np.bincount(self.kinds.values, weights=of_things, minlength=kinds)


class Columns:
    """What keeps several things of each row, each in an attribute of its own: they go on together."""

    def extend(self, other: Self) -> None:
        """Go on with all rows of another one."""
        for name, kept in vars(self).items():
            if isinstance(kept, Kept):
                kept.extend(getattr(other, name))


class RowTally(Columns):
    """What all tallies have: the loss of each row, whatever else they keep."""

    def __init__(self) -> None:
        self._losses = Column()

    @property
    def right(self) -> NDArray[np.bool_] | None:
        """Of each row, whether its answer is right; None where an answer is more than right or wrong."""
        return None

    @property
    def faultless(self) -> NDArray[np.bool_] | None:
        """Of each row, whether it is no bad answer however high its loss; None where the loss alone tells."""
        return None

    @property
    def losses(self) -> NDArray[np.float64]:
        """How wrong the model is about each row: the plain loss, whatever training makes of it."""
        return self._losses.values

    def mean_loss(self, count: float, weights: Weights) -> float:
        """The sum of the rows' losses over how many things there are that the losses are of."""
        return summed(self.losses, weights) / max(count, 1)
