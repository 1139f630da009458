"""Processes that turn chunks into tokens, each on one core. They touch no file of the shard folder.

So a worker that outlives its parent by a moment can do no harm, and one that is killed leaves nothing behind. Knows
nothing of what becomes of the tokens.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait

from bertwright.errors import BertwrightError
from bertwright.text.preparing.chunks import Chunk
from bertwright.text.preparing.encoding import EncodedChunk, Encoder

MOST_WAITING = 16  # chunks beyond those in work; each takes some megabytes of this process


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """So many processes, or, where it is one, this process itself.

    Attributes:
        places: How many chunks may be under way, so that no process waits and memory stays bounded.
    """

    def __init__(self, encoder: Encoder, processes: int, pool: ProcessPoolExecutor | None) -> None:
        self.places = processes + min(processes, MOST_WAITING)
        self._encoder, self._pool = encoder, pool

    def encode(self, chunk: Chunk) -> Future[EncodedChunk]:
        """Begin to work on a chunk."""
        if self._pool is not None:
            return self._pool.submit(_encode, chunk)
        done = Future[EncodedChunk]()
        done.set_result(self._encoder.encode(chunk.documents()))
        return done


@contextmanager
def start_workers(encoder: Encoder, processes: int) -> Iterator[Workers]:
    """Have workers while the block runs; they end with it, and with this process, however it ends.

    Raises:
        BertwrightError: One of them was killed.
    """
    if processes == 1:
        yield Workers(encoder, processes, None)
        return
    spawn = multiprocessing.get_context("spawn")  # a fork would copy the locks of this process's threads
    pool = ProcessPoolExecutor(processes, spawn, _begin, (encoder,))
    try:
        yield Workers(encoder, processes, pool)
    except BrokenProcessPool as error:
        raise BertwrightError(
            "a worker process ended before its work was done: if the memory was short, run the same command with fewer "
            "--processes, it goes on; a script of your own must call this below `if __name__ == '__main__':`"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_of_this_worker: list[Encoder] = []


def _begin(encoder: Encoder) -> None:
    """Make this process a worker."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the engine's own threads would fight over the cores
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group, and the parent sees to it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _of_this_worker.append(encoder)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _encode(chunk: Chunk) -> EncodedChunk:
    return _of_this_worker[0].encode(chunk.documents())
