"""A run as a person sees it: a bar in a terminal, plain lines elsewhere. Writes to standard error alone."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TextIO

from bertwright.training.loop import Step
from bertwright.training.snapshot import Snapshot


class Plain:
    """One line for each line of the log: for files, pipes and notebooks."""

    def __init__(self, total_steps: int, metric: str, start: int, out: TextIO) -> None:
        self.total_steps, self.metric, self.start, self.out = total_steps, metric, start, out
        self._began = time.monotonic()

    def step(self, step: Step) -> None:
        """Nothing: only logged steps are shown."""

    def line(self, line: Mapping[str, float]) -> None:
        """Loss, rate, speed and the time that is left."""
        speed = f"{line['examples_per_second']:.0f} texts/s"
        left = self._left(int(line["step"]))
        self._print(f"step {line['step']}/{self.total_steps}  {_figures(line)}  {speed}  {left} left")

    def evaluated(self, step: Step, metrics: Mapping[str, float], *, best: bool) -> None:
        """The validation figures."""
        figures = f"loss {metrics['loss']:.4f}" + (
            "" if self.metric == "loss" else f"  {self.metric} {metrics[self.metric]:.4f}"
        )
        self._print(f"step {step.step}/{self.total_steps}  validation: {figures}{'  (best so far)' if best else ''}")

    def saved(self, snapshot: Snapshot) -> None:
        """Nothing: snapshots are silent unless something is wrong."""

    def _left(self, step: int) -> timedelta:
        pace = (time.monotonic() - self._began) / max(step - self.start, 1)
        return timedelta(seconds=round(pace * (self.total_steps - step)))

    def _print(self, text: str) -> None:
        self.out.write(text + "\n")
        self.out.flush()


class Bar(Plain):
    """A live bar with loss, learning rate, tokens/s and time left; evaluations stay above it."""

    def __init__(self, total_steps: int, metric: str, start: int, out: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        super().__init__(total_steps, metric, start, out)
        self._console = Console(file=out)
        self.progress = Progress(
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task = self.progress.add_task("training", total=total_steps, completed=start, figures="")

    def step(self, step: Step) -> None:
        """Move the bar."""
        self.progress.update(self._task, completed=step.step)

    def line(self, line: Mapping[str, float]) -> None:
        """Renew the figures beside the bar."""
        self.progress.update(self._task, figures=_figures(line))

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)


class Silent:
    """Shows nothing."""

    def step(self, step: Step) -> None:
        """Nothing."""

    def line(self, line: Mapping[str, float]) -> None:
        """Nothing."""

    def evaluated(self, step: Step, metrics: Mapping[str, float], *, best: bool) -> None:
        """Nothing."""

    def saved(self, snapshot: Snapshot) -> None:
        """Nothing."""


@contextmanager
def watching(total_steps: int, metric: str, start: int, *, quiet: bool) -> Iterator[Plain | Silent]:
    """The watcher that suits where standard error goes."""
    if quiet:
        yield Silent()
    elif sys.stderr.isatty():
        bar = Bar(total_steps, metric, start, sys.stderr)
        with bar.progress:
            yield bar
    else:
        yield Plain(total_steps, metric, start, sys.stderr)


def _figures(line: Mapping[str, float]) -> str:
    """Short enough to leave room for a bar in 80 columns."""
    return (
        f"loss {line['loss']:.4f}  learning rate {line['learning_rate']:.2e}  {line['tokens_per_second']:.0f} tokens/s"
    )
