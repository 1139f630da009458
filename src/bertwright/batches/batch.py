"""Encoded texts → flat batches of tensors. Knows nothing of labels or of which texts belong together."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Integer
from numpy.typing import NDArray

from bertwright.model.flat import FlatTokens
from bertwright.text.wordpiece import Encoded, ranges


def flat_tokens(
    ids: Int[np.ndarray, " T"], segments: Integer[np.ndarray, " T"], lengths: Int[np.ndarray, " B"]
) -> FlatTokens:
    """Tokens of B sequences that lie end to end already, as tensors with their boundaries."""
    cu_seqlens = np.concatenate([[0], np.cumsum(lengths)])
    return FlatTokens(
        ids=torch.from_numpy(ids.astype(np.int64, copy=False)),
        segments=torch.from_numpy(segments.astype(np.int64, copy=False)),
        positions=torch.from_numpy(ranges(np.zeros_like(lengths), lengths)),
        cu_seqlens=torch.from_numpy(cu_seqlens.astype(np.int32)),
        max_seqlen=int(lengths.max()),
    )


def collate(encoded: Encoded, rows: NDArray[np.integer[Any]]) -> FlatTokens:
    """The sequences at `rows` of `encoded`, laid end to end in that order."""
    lengths = encoded.lengths[rows]
    source = ranges(encoded.cu_seqlens[rows], lengths)
    return flat_tokens(encoded.ids[source], encoded.segments[source], lengths)
