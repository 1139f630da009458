"""SIGTERM and Ctrl-C as a wish to stop, which is met at the end of a step. Knows nothing of training."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopWish:
    """Whether somebody asked this process to stop, and by which signal."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt  # asked twice: now. Files are published whole, so nothing breaks
        self.signal = signal.Signals(number)


@contextmanager
def stop_wishes() -> Iterator[StopWish]:
    """Catch SIGTERM and SIGINT while the block runs; in a thread other than the main one nothing can be caught."""
    wish = StopWish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    former = {number: signal.signal(number, wish._asked) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield wish
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
