"""Texts that are longer than a model reads → what it is given of them, beyond their beginnings: ends, or windows.

Knows nothing of what is made of the windows of one text.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from bertwright.text.windows import cut_windows
from bertwright.text.wordpiece import Encoded, WordPiece, longest_first, ranges, room_for

_OF_ENDS = 4  # the beginning has one part of so many, as the best of Sun et al. 2019: 128 tokens and the last 382
_OVERLAP = 4  # windows share one part of so many


def head_and_tail(
    tokenizer: WordPiece, texts: Sequence[str], pairs: Sequence[str] | None, *, max_length: int
) -> Encoded:
    """Encode texts that lose their middle, a quarter of what stays in front of it (Sun et al. 2019, section 5.3.1).

    Of a pair the longer text is cut first, as in `WordPiece.encode`, which also has the errors.
    """
    ids, lengths = tokenizer.sides(texts, pairs)
    kept = longest_first(lengths, room_for(len(lengths), max_length))
    ends = [own[_ends(own_lengths, own_kept)] for own, own_lengths, own_kept in zip(ids, lengths, kept, strict=True)]
    whole = (np.sum(lengths, axis=0) + 1 + len(lengths)).astype(np.int32)
    return replace(tokenizer.lay_out(ends, kept, kept), full_lengths=whole)


def in_windows(
    tokenizer: WordPiece, texts: Sequence[str], *, max_length: int, stride: int | None = None
) -> tuple[Encoded, Int64[np.ndarray, " N"]]:
    """Encode texts as overlapping windows, `[CLS] window [SEP]` each; a text that fits is one window.

    Args:
        tokenizer: The model's.
        texts: N texts.
        max_length: The most tokens a window may have, [CLS] and [SEP] included.
        stride: Tokens between the beginnings of two windows; three quarters of a window when None.

    Returns:
        The windows, text by text; the full length of each is its text's. And how many each text has.

    Raises:
        UsageError, DataError: See `WordPiece.encode`.
    """
    (ids,), (lengths,) = tokenizer.sides(texts)
    room = room_for(1, max_length)
    windows = cut_windows(lengths, room, stride or max(room - room // _OVERLAP, 1))
    begin = (np.cumsum(lengths) - lengths)[windows.text] + windows.start
    encoded = tokenizer.lay_out([ids[ranges(begin, windows.lengths)]], [windows.lengths], [windows.lengths])
    whole = (lengths + 2).astype(np.int32)[windows.text]
    return replace(encoded, full_lengths=whole), np.bincount(windows.text, minlength=len(lengths))


def _ends(lengths: NDArray[np.int64], kept: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the tokens are that stay, of texts end to end: the first quarter of them is from the beginning."""
    place = ranges(np.zeros_like(kept), kept)
    behind = place >= np.repeat(np.where(kept < lengths, kept // _OF_ENDS, kept), kept)
    found: NDArray[np.int64] = np.repeat(np.cumsum(lengths) - lengths, kept) + place
    return found + behind * np.repeat(lengths - kept, kept)
