"""Which example comes at which place: pure functions of (seed, epoch, index), so that resuming is a seek.

Random numbers come from the raw bits of numpy's Philox, whose stream is guaranteed never to change,
not from `Generator` methods, whose streams may differ between versions of numpy.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]

# Batches of like length are drawn from windows of this many batches: wide enough to leave little padding in
# attention, narrow enough that who shares a batch with whom stays random. So a small data set has narrower ones.
WINDOW = 16
FEWEST_WINDOWS = 8


def stream(*key: int) -> np.random.Philox:
    """A random stream of its own for each key of whole numbers."""
    return np.random.Philox(np.random.SeedSequence(key))


def shuffled(count: int, *key: int) -> Rows:
    """The numbers 0 to count - 1 in a random order that only `key` decides."""
    return np.argsort(stream(*key).random_raw(count), kind="stable")


def epoch_batches(
    lengths: NDArray[np.integer[Any]], batch_size: int, *, seed: int, epoch: int, window: int = WINDOW
) -> list[Rows]:
    """All rows in batches of like length, in a random order; the same for the same arguments, for ever.

    The rows are shuffled, cut into windows of at most `window` batches, sorted by length inside each window,
    and the batches are shuffled again. Each row comes once; one batch may be smaller than the others.

    Args:
        lengths: Length of each row, in tokens.
        batch_size: Rows in a batch.
        seed: The run's seed.
        epoch: Which pass over the rows, from 0.
        window: 1 = who shares a batch with whom does not depend on lengths.
    """
    order = shuffled(len(lengths), seed, epoch, 0)
    whole_batches = len(lengths) // batch_size
    width = batch_size * min(window, max(1, whole_batches // FEWEST_WINDOWS))
    windows = [order[start : start + width] for start in range(0, len(order), width)]
    rows = np.concatenate([window[np.argsort(lengths[window], kind="stable")] for window in windows])
    batches = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
    return [batches[place] for place in shuffled(len(batches), seed, epoch, 1)]


def token_batches(lengths: NDArray[np.integer[Any]], batch_tokens: int) -> list[Rows]:
    """All rows, longest first, in batches of at most `batch_tokens` padded tokens (at least one row each).

    For evaluation and prediction, where the order is free: like lengths share a batch, and a batch that
    is too large for the memory comes first.
    """
    order = np.argsort(-lengths.astype(np.int64), kind="stable")
    batches = []
    start = 0
    while start < len(order):
        fits = max(1, batch_tokens // int(lengths[order[start]]))
        batches.append(order[start : start + fits])
        start += fits
    return batches


def parts(rows: Rows, count: int) -> Sequence[Rows]:
    """A batch cut into at most `count` parts of nearly equal size (gradient accumulation)."""
    return np.array_split(rows, min(count, len(rows)))


class BatchOrder:
    """The batch of every step of a run, by number: going on at step k is asking for `rows(k)`."""

    def __init__(
        self, lengths: NDArray[np.integer[Any]], batch_size: int, *, seed: int, by_length: bool = True
    ) -> None:
        self.lengths, self.batch_size, self.seed = lengths, batch_size, seed
        self._window = WINDOW if by_length else 1
        self.steps_per_epoch = -(-len(lengths) // batch_size)
        self._epoch = -1
        self._batches: list[Rows] = []

    def rows(self, step: int) -> Rows:
        """Rows of the batch of a step, counted from 0 over all epochs."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._batches = epoch_batches(
                self.lengths, self.batch_size, seed=self.seed, epoch=epoch, window=self._window
            )
            self._epoch = epoch
        return self._batches[place]
