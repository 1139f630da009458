"""Encoded texts → flat batches of tensors. Knows nothing of labels or of which texts belong together."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from bertwright.model.flat import FlatTokens
from bertwright.text.wordpiece import Encoded


def collate(encoded: Encoded, rows: NDArray[np.integer[Any]]) -> FlatTokens:
    """The sequences at `rows` of `encoded`, laid end to end in that order."""
    lengths = encoded.lengths[rows]
    cu_seqlens = np.concatenate([[0], np.cumsum(lengths)])
    positions = np.arange(cu_seqlens[-1]) - np.repeat(cu_seqlens[:-1], lengths)
    source = positions + np.repeat(encoded.cu_seqlens[rows], lengths)
    return FlatTokens(
        ids=torch.from_numpy(encoded.ids[source].astype(np.int64)),
        segments=torch.from_numpy(encoded.segments[source].astype(np.int64)),
        positions=torch.from_numpy(positions),
        cu_seqlens=torch.from_numpy(cu_seqlens.astype(np.int32)),
        max_seqlen=int(lengths.max()),
    )


@dataclass(frozen=True, slots=True)
class TextBatch:
    """B sequences and nothing else: what prediction reads."""

    tokens: FlatTokens

    def to(self, device: torch.device) -> Self:
        """The same batch on a device."""
        return replace(self, tokens=self.tokens.to(device))


@dataclass(frozen=True, slots=True)
class Texts:
    """Encoded texts without labels."""

    encoded: Encoded

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Length of each text, in tokens."""
        return self.encoded.lengths

    def batch(self, rows: NDArray[np.integer[Any]]) -> TextBatch:
        """The texts at `rows`, in that order."""
        return TextBatch(collate(self.encoded, rows))

    def where(self, rows: NDArray[np.integer[Any]]) -> str:
        """The texts' numbers."""
        return "texts " + ", ".join(map(str, rows))
