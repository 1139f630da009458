"""Precision, recall and F1 of entities, whole or by type, added up sentence by sentence, and named as in seqeval.

An entity is found when type, first and last word are right. Each figure comes twice: with the entities of every
sequence of tags, seqeval's default, and, as `strict_...`, with those alone that the scheme allows, its strict mode.
Where a figure is 0 / 0 it is 0. Memory grows with the number of types, not with that of sentences.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from bertwright.tasks.metrics import Counts, averages, by_name
from bertwright.tasks.tag_schemes import Entity, Scheme, entities

_MODES = {"": False, "strict_": True}


class EntityCounts:
    """Counts of entities, and of words with the right tag.

    Args:
        scheme: The one that the tags are in.
    """

    def __init__(self, scheme: Scheme = "IOB2") -> None:
        self.scheme = scheme
        self.words = self.right = 0
        self._types = {prefix: _TypeCounts() for prefix in _MODES}

    def add(self, truth: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> None:
        """Count some sentences, one tag a word."""
        for wanted, given in zip(truth, predicted, strict=True):
            self.words += len(wanted)
            self.right += sum(one == other for one, other in zip(wanted, given, strict=True))
            for prefix, strict in _MODES.items():
                self._types[prefix].add(entities(wanted, self.scheme, strict), entities(given, self.scheme, strict))

    def metrics(self) -> dict[str, float]:
        """Return `accuracy` of words, and `precision`, `recall`, `f1`, each also with `_macro` and `_weighted`."""
        figures = {"accuracy": self.right / self.words if self.words else 0.0}
        for prefix, types in self._types.items():
            for name, figure in averages(*types.counts()).items():
                figures[prefix + name.removesuffix("_micro")] = figure
        return figures

    def per_type(self) -> dict[str, dict[str, float]]:
        """Return `precision`, `recall`, `f1` and `support` of each type that is true or predicted somewhere."""
        names = sorted(set().union(*(types.names for types in self._types.values())))
        figures: dict[str, dict[str, float]] = {name: {} for name in names}
        for prefix, types in self._types.items():
            for name, row in by_name(names, *types.counts(names)).items():
                figures[name] |= {prefix + figure: value for figure, value in row.items()}
        return figures


class _TypeCounts:
    """Entities by type: hits, true and predicted ones."""

    def __init__(self) -> None:
        self._counters: tuple[Counter[str], ...] = (Counter(), Counter(), Counter())

    @property
    def names(self) -> list[str]:
        return sorted(set().union(*self._counters))

    def add(self, truth: Iterable[Entity], predicted: Iterable[Entity]) -> None:
        """Count one sentence."""
        for counter, found in zip(self._counters, ({*truth} & {*predicted}, truth, predicted), strict=True):
            counter.update(entity.type for entity in found)

    def counts(self, names: Sequence[str] | None = None) -> tuple[Counts, ...]:
        """The three counts of the types `names`, or of all."""
        names = self.names if names is None else names
        return tuple(np.array([counter[name] for name in names], dtype=np.int64) for counter in self._counters)
