"""Instances of pre-training as flat tokens: `[CLS] first [SEP]` or `[CLS] first [SEP] second [SEP]`. Knows no masks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from bertwright.batches.pairs import Instance
from bertwright.batches.passages import Documents
from bertwright.text.wordpiece import WordPiece


@dataclass(frozen=True, slots=True, eq=False)
class Sequences:
    """T tokens of B sequences, end to end, as they are in the text.

    Attributes:
        ids: Ids, [CLS] and [SEP] included.
        segments: 1 for the second segment and the [SEP] that closes it, else 0.
        word_starts: Whether a word begins with the token.
        lengths: Tokens of each sequence.
        labels: Each instance's label.
    """

    ids: Int64[np.ndarray, " T"]
    segments: Int64[np.ndarray, " T"]
    word_starts: Bool[np.ndarray, " T"]
    lengths: Int64[np.ndarray, " B"]
    labels: Int64[np.ndarray, " B"]


def lay_out(documents: Documents, instances: Sequence[Instance], tokenizer: WordPiece) -> Sequences:
    """Read the instances' tokens and lay them end to end."""
    lengths = np.array([1 + sum(len(piece) + 1 for piece in instance.pieces) for instance in instances], np.int64)
    total = int(lengths.sum())
    ids = np.full(total, tokenizer.sep_id, np.int64)
    segments, word_starts = np.zeros(total, np.int64), np.ones(total, bool)
    at = 0
    for instance in instances:
        ids[at] = tokenizer.cls_id
        at += 1
        for segment, piece in enumerate(instance.pieces):
            end = at + len(piece)
            ids[at:end], word_starts[at:end] = documents.read(piece)
            segments[at : end + 1] = segment
            at = end + 1
    return Sequences(ids, segments, word_starts, lengths, np.array([instance.label for instance in instances]))
