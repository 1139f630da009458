"""What an encoder reads: the tokens of several sequences laid end to end, with their boundaries.

There is no padding here and nothing to mask. Knows nothing of where the tokens came from.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True, slots=True)
class FlatTokens:
    """T tokens of B sequences, flat.

    Attributes:
        ids: Vocabulary ids.
        segments: 0 for the first text of a pair, 1 for the second.
        positions: Place of each token in its own sequence, from 0.
        cu_seqlens: Where each sequence begins, and T at the end (int32, as the CUDA kernel wants it).
        max_seqlen: Length S of the longest sequence, in tokens.
    """

    ids: Int[Tensor, " T"]
    segments: Int[Tensor, " T"]
    positions: Int[Tensor, " T"]
    cu_seqlens: Int[Tensor, " boundaries"]
    max_seqlen: int

    @property
    def starts(self) -> Int[Tensor, " B"]:
        """Flat places of the first tokens: `[CLS]` in every sequence."""
        return self.cu_seqlens[:-1]

    def __len__(self) -> int:
        """Number of sequences, B."""
        return len(self.cu_seqlens) - 1

    def parts(self, most: int) -> Iterator[Self]:
        """The same sequences in their order, in pieces of at most `most` tokens; a longer sequence is one by itself."""
        ends, lengths = self.cu_seqlens.tolist(), self.cu_seqlens.diff().tolist()
        first = 0
        while first < len(self):
            last = first + 1
            while last < len(self) and ends[last + 1] - ends[first] <= most:
                last += 1
            own = slice(ends[first], ends[last])
            yield replace(
                self,
                ids=self.ids[own],
                segments=self.segments[own],
                positions=self.positions[own],
                cu_seqlens=self.cu_seqlens[first : last + 1] - ends[first],
                max_seqlen=max(lengths[first:last]),
            )
            first = last

    def to(self, device: torch.device) -> Self:
        """The same tokens on a device."""
        moved = {
            name: getattr(self, name).to(device, non_blocking=True)
            for name in ("ids", "segments", "positions", "cu_seqlens")
        }
        return replace(self, **moved)
