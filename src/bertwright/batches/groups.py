"""Sequences of which several in a row belong together: the choices of a question, the windows of a text."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Shaped
from numpy.typing import NDArray
from torch import Tensor

from bertwright.batches.batch import collate
from bertwright.model.flat import FlatTokens
from bertwright.text.wordpiece import Encoded, ranges


@dataclass(frozen=True, slots=True)
class Groups:
    """N groups of sequences, end to end.

    Attributes:
        encoded: The sequences.
        counts: How many each group has, at least one.
    """

    encoded: Encoded
    counts: NDArray[np.int64]

    @property
    def starts(self) -> NDArray[np.int64]:
        """The number of each group's first sequence."""
        return np.cumsum(self.counts) - self.counts

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens in each group."""
        return np.add.reduceat(self.encoded.lengths, self.starts)

    @property
    def full_lengths(self) -> NDArray[np.integer[Any]]:
        """The full length of each group's longest sequence."""
        return np.maximum.reduceat(self.encoded.full_lengths, self.starts)

    @property
    def truncated(self) -> NDArray[np.bool_]:
        """Whether one of a group's sequences was cut."""
        return np.logical_or.reduceat(self.encoded.truncated, self.starts)

    def sequences(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """The numbers of the sequences of these groups."""
        return ranges(self.starts[rows], self.counts[rows])

    def collate(self, rows: NDArray[np.integer[Any]]) -> FlatTokens:
        """All sequences of these groups, in that order."""
        return collate(self.encoded, self.sequences(rows))


def side_by_side(
    found: Shaped[Tensor, "S ..."], counts: Int[Tensor, " B"], filler: float
) -> Shaped[Tensor, "B most ..."]:
    """What was found of each group's sequences in a row of its own, and `filler` where a group has no more."""
    group = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    place = torch.arange(len(found), device=counts.device) - (counts.cumsum(0) - counts)[group]
    rows = found.new_full((len(counts), int(counts.max()), *found.shape[1:]), filler)
    return rows.index_put((group, place), found)
