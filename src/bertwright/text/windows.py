"""Texts that are longer than a model reads → overlapping windows, each token of a text owned by exactly one of them.

A token is owned by the window in which it has the most context on its poorer side, so that what is said of it is said
where it is best understood, and is said once. Knows nothing of ids, words or answers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Windows:
    """W windows over N texts, in the order of the texts.

    Attributes:
        text: Which text each window is of.
        start: Its first token.
        stop: The token after its last one.
        owned_start: The first token that it owns.
        owned_stop: The token after the last one that it owns.
    """

    text: Int64[np.ndarray, " W"]
    start: Int64[np.ndarray, " W"]
    stop: Int64[np.ndarray, " W"]
    owned_start: Int64[np.ndarray, " W"]
    owned_stop: Int64[np.ndarray, " W"]

    def __len__(self) -> int:
        return len(self.text)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens in each window."""
        lengths: NDArray[np.int64] = self.stop - self.start
        return lengths


def cut_windows(lengths: NDArray[np.integer[Any]], room: NDArray[np.integer[Any]] | int, stride: int) -> Windows:
    """Cut texts into windows; one that fits is one window, an empty one is an empty window.

    A window begins `stride` tokens after the one before it, and the last one ends with the text.

    Args:
        lengths: Tokens of each text.
        room: The most tokens a window of each text may have.
        stride: Tokens between the beginnings of two windows; no more than the room, or some would be in none.
    """
    lengths = lengths.astype(np.int64)
    room = np.broadcast_to(np.asarray(room, dtype=np.int64), lengths.shape)
    step = np.minimum(stride, room)
    count = 1 + np.maximum(-((room - lengths) // step), 0)
    text = np.repeat(np.arange(len(lengths)), count)
    number = np.arange(len(text)) - np.repeat(np.cumsum(count) - count, count)
    start = number * step[text]
    stop = np.minimum(start + room[text], lengths[text])
    first, last = number == 0, number == count[text] - 1
    # Of two windows that overlap in [start of the next, stop of this one), each owns its own half.
    middle = (start[1:] + stop[:-1] + 1) // 2
    owned_start = np.where(first, 0, np.concatenate([[0], middle]))
    owned_stop = np.where(last, lengths[text], np.concatenate([middle, [0]]))
    return Windows(text, start, stop, owned_start, owned_stop)
