"""A BERT of odd, pairwise different sizes, and texts for it: small enough for any test, too odd for a swapped axis."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import torch

from bertwright.batches.order import stream
from bertwright.model.config import BertConfig
from bertwright.model.encoder import Bert
from bertwright.model.flat import FlatTokens
from bertwright.model.heads import SequenceClassifier
from bertwright.text.wordpiece import Encoded

torch.set_num_threads(1)  # at these sizes threads only wait for each other

SIZES: dict[str, Any] = {
    "vocab_size": 99,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 37,
    "max_position_embeddings": 41,
    "type_vocab_size": 5,
    "labels": ("no", "yes", "maybe", "never"),
}
NO_DROPOUT: dict[str, Any] = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
CONFIG = BertConfig(**SIZES, **NO_DROPOUT)
LENGTHS = (3, 1, 7, 2, 7, 5, 1, 4, 6, 2, 3, 7, 5)
"""Of a batch of 13, the longest 7."""


def encoded(lengths: Sequence[int], seed: int = 0) -> Encoded:
    """Random tokens of texts of these lengths, in two segments."""
    draws = stream(seed, 1).random_raw(sum(lengths)) >> np.uint64(8)
    return Encoded(
        ids=(draws % SIZES["vocab_size"]).astype(np.int32),
        segments=(draws // 1000 % 2).astype(np.uint8),
        full_lengths=np.array(lengths, np.int32),
        cu_seqlens=np.array([0, *accumulate(lengths)]),
    )


def flat(lengths: Sequence[int], seed: int = 0) -> FlatTokens:
    """The same texts as a batch, put together as plainly as can be."""
    texts = encoded(lengths, seed)
    return FlatTokens(
        ids=torch.tensor(texts.ids.tolist()),
        segments=torch.tensor(texts.segments.tolist()),
        positions=torch.tensor([place for length in lengths for place in range(length)]),
        cu_seqlens=torch.tensor(texts.cu_seqlens, dtype=torch.int32),
        max_seqlen=max(lengths),
    )


def each_alone(tokens: FlatTokens) -> list[FlatTokens]:
    """The sequences of a batch as batches of one."""
    return [
        FlatTokens(
            tokens.ids[start:end],
            tokens.segments[start:end],
            tokens.positions[start:end],
            torch.tensor([0, end - start], dtype=torch.int32),
            end - start,
        )
        for start, end in pairwise(tokens.cu_seqlens.tolist())
    ]


def shake(model: torch.nn.Module, seed: int = 0, size: float = 0.3) -> None:
    """Draw all weights, norms and biases included, from bits that no version of torch or numpy changes."""
    for place, parameter in enumerate(model.parameters()):
        draws = stream(seed, place, 7).random_raw(parameter.numel()) / 2**63 - 1  # even over [-1, 1)
        values = torch.from_numpy(size * draws).view(parameter.shape)
        around = 1.0 if parameter.ndim == 1 and parameter.detach().unique().tolist() == [1.0] else 0.0
        parameter.data.copy_(around + values)


def bert(config: BertConfig = CONFIG, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Bert:
    """An encoder with random weights, in evaluation mode."""
    model = Bert(config).to(dtype).eval()
    shake(model, seed)
    return model


def classifier(config: BertConfig = CONFIG, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> SequenceClassifier:
    """A classifier with random weights, in evaluation mode."""
    model = SequenceClassifier(config).to(dtype).eval()
    shake(model, seed)
    return model
