"""Precision, recall and F1 of entities, whole or by type, added up sentence by sentence, and named as in seqeval.

An entity is found when type, first and last word are right. Each figure comes twice: with the entities of every
sequence of tags, seqeval's default, and, as `strict_...`, with those alone that the scheme allows, its strict mode.
Where a figure is 0 / 0 it is 0.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from bertwright.tasks.metrics import Counts, averages, by_name
from bertwright.tasks.row_counts import Column, RowCounts, Weights, summed
from bertwright.tasks.tag_schemes import Scheme, entities

_MODES = {"": False, "strict_": True}
_COUNTS = 3  # of each type: hits, true and given ones
_KINDS = len(_MODES) * _COUNTS


class EntityCounts:
    """Counts of entities, and of words with the right tag.

    Args:
        scheme: The one that the tags are in.
    """

    def __init__(self, scheme: Scheme = "IOB2") -> None:
        self.scheme = scheme
        self.words, self.right = Column(dtype=np.int64), Column(dtype=np.int64)
        self._types: dict[str, int] = {}  # in the order in which they came
        self._counts = RowCounts()

    def add(self, truth: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> None:
        """Count some sentences, one tag a word."""
        rows: list[int] = []
        kinds: list[int] = []
        right = []
        for row, (wanted, given) in enumerate(zip(truth, predicted, strict=True)):
            right.append(sum(one == other for one, other in zip(wanted, given, strict=True)))
            found = list(self._kinds(wanted, given))
            kinds += found
            rows += [row] * len(found)
        self._counts.add(rows, kinds, len(right))
        self.words.add([len(wanted) for wanted in truth])
        self.right.add(right)

    def extend(self, other: "EntityCounts") -> None:
        """Count the sentences of another one as well."""
        numbers = np.array([self._number(name) for name in other._types], dtype=np.int64)
        type_, rest = np.divmod(other._counts.kinds.values, _KINDS)
        self._counts.extend(other._counts, numbers[type_] * _KINDS + rest)
        self.words.extend(other.words)
        self.right.extend(other.right)

    def metrics(self, weights: Weights = None) -> dict[str, float]:
        """Return `accuracy` of words, and `precision`, `recall`, `f1`, each also with `_macro` and `_weighted`."""
        words = summed(self.words.values, weights)
        figures = {"accuracy": summed(self.right.values, weights) / words if words else 0.0}
        for prefix, counts in self._totals(weights).items():
            present = counts.sum(axis=0) > 0
            for name, figure in averages(*counts[:, present]).items():
                figures[prefix + name.removesuffix("_micro")] = figure
        return figures

    def per_type(self) -> dict[str, dict[str, float]]:
        """Return `precision`, `recall`, `f1` and `support` of each type that is true or predicted somewhere."""
        names = sorted(self._types)
        figures: dict[str, dict[str, float]] = {name: {} for name in names}
        for prefix, counts in self._totals(None).items():
            for name, row in by_name(names, *counts).items():
                figures[name] |= {prefix + figure: value for figure, value in row.items()}
        return figures

    @property
    def true(self) -> int:
        """How many entities there are."""
        return int(self._totals(None)[""][1].sum())

    @property
    def given(self) -> int:
        """How many entities were predicted."""
        return int(self._totals(None)[""][2].sum())

    def _number(self, name: str) -> int:
        return self._types.setdefault(name, len(self._types))

    def _kinds(self, wanted: Sequence[str], given: Sequence[str]) -> Iterator[int]:
        """The numbers of all that is counted in one sentence."""
        for mode, strict in enumerate(_MODES.values()):
            true, found = entities(wanted, self.scheme, strict), entities(given, self.scheme, strict)
            for which, those in enumerate(({*true} & {*found}, true, found)):
                for entity in those:
                    yield self._number(entity.type) * _KINDS + mode * _COUNTS + which

    def _totals(self, weights: Weights) -> dict[str, Counts]:
        """In either mode hits, true and given ones of each type, in the order of their names: three rows."""
        types = len(self._types)
        counts = self._counts.totals(types * _KINDS, weights).reshape(types, len(_MODES), _COUNTS)
        ordered: NDArray[np.int64] = np.array([self._types[name] for name in sorted(self._types)], dtype=np.int64)
        return {prefix: counts[ordered, mode].T for mode, prefix in enumerate(_MODES)}
