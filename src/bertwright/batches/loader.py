"""Builds the batches of a step, and meanwhile, in threads, those of the steps that will follow.

Batches are pure functions of their rows, so how many threads there are changes no number. Knows no task.
"""

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bertwright.batches.order import Rows, parts

BatchT_co = TypeVar("BatchT_co", covariant=True)
T = TypeVar("T")


class Source(Protocol[BatchT_co]):
    """What gives batches."""

    def batch(self, rows: NDArray[np.integer[Any]]) -> BatchT_co:
        """The examples at `rows`."""
        ...


class Loader(Generic[T]):
    """Builds batches in the parts that gradient accumulation needs.

    Args:
        accumulation: Parts of a batch.
        workers: Threads; 0 builds each batch when it is asked for.
    """

    def __init__(self, accumulation: int = 1, workers: int = 0) -> None:
        self.accumulation, self.workers = accumulation, workers
        self._pool = ThreadPoolExecutor(workers, "loader") if workers else None
        self._begun: dict[tuple[int, bytes], Future[list[T]]] = {}

    def load(self, source: Source[T], rows: Rows, following: Iterable[Rows] = ()) -> list[T]:
        """The batches of `rows`; those of `following` are begun."""
        if self._pool is None:
            return self._build(source, rows)
        wanted = {(id(source), later.tobytes()): later for later in (rows, *following)}
        self._begun = {
            key: self._begun.get(key) or self._pool.submit(self._build, source, later) for key, later in wanted.items()
        }
        return self._begun[id(source), rows.tobytes()].result()

    def _build(self, source: Source[T], rows: Rows) -> list[T]:
        return [source.batch(part) for part in parts(rows, self.accumulation)]
