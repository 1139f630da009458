"""How far work has come whose end nobody knows: a moving line in a terminal, now and then a plain one elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

_EVERY = 10.0  # seconds between plain lines


class LiveLine:
    """Shows one line of figures on standard error, renewed as they come."""

    def __init__(self, progress: Any, *, quiet: bool) -> None:
        self._progress, self._quiet = progress, quiet
        self._task = progress.add_task("", total=None, figures="") if progress else None
        self._began = self._shown = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has been there."""
        return time.monotonic() - self._began

    def show(self, figures: str) -> None:
        """Renew the line."""
        if self._progress is not None:
            self._progress.update(self._task, figures=figures)
        elif not self._quiet and time.monotonic() - self._shown > _EVERY:
            self._shown = time.monotonic()
            sys.stderr.write(figures + "\n")
            sys.stderr.flush()


@contextmanager
def live_line(*, quiet: bool) -> Iterator[LiveLine]:
    """The line that suits where standard error goes."""
    progress = _bar() if sys.stderr.isatty() and not quiet else None
    with progress or nullcontext():
        yield LiveLine(progress, quiet=quiet)


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(bar_width=20), TextColumn("{task.fields[figures]}"), TimeElapsedColumn())
    return Progress(*columns, console=Console(file=sys.stderr))
