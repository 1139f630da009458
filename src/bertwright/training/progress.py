"""A run as a person sees it: a bar in a terminal, plain lines elsewhere. Writes to standard error alone."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TextIO

from bertwright.training.course import Course
from bertwright.training.loop import Step
from bertwright.training.run import Watcher


class Plain(Watcher):
    """One line for each line of the log: for files, pipes and notebooks."""

    def __init__(self, course: Course[Any], metric: str, start: int, out: TextIO) -> None:
        self.course, self.metric, self.out = course, metric, out
        self._began, self._done_before = time.monotonic(), course.progress(start)
        total = course.total_steps
        self._of_total = "" if total is None else f"/{total}"

    def line(self, line: Mapping[str, float]) -> None:
        """Loss, rate, speed and the time that is left."""
        speed = f"{line['examples_per_second']:.0f} texts/s"
        left = self._left(int(line["step"]))
        self._print(f"step {line['step']}{self._of_total}  {_figures(line)}  {speed}  {left} left")

    def evaluated(self, step: Step, metrics: Mapping[str, float], *, best: bool) -> None:
        """The validation figures."""
        figures = f"loss {metrics['loss']:.4f}" + (
            "" if self.metric == "loss" else f"  {self.metric} {metrics[self.metric]:.4f}"
        )
        self._print(f"step {step.step}{self._of_total}  validation: {figures}{'  (best so far)' if best else ''}")

    def _left(self, step: int) -> timedelta:
        done = self.course.progress(step)
        spent = time.monotonic() - self._began
        return timedelta(seconds=round(spent * max(1 - done, 0) / max(done - self._done_before, 1e-9)))

    def _print(self, text: str) -> None:
        self.out.write(text + "\n")
        self.out.flush()


class Bar(Plain):
    """A live bar with loss, learning rate, tokens/s and time left; evaluations stay above it."""

    def __init__(self, course: Course[Any], metric: str, start: int, out: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        super().__init__(course, metric, start, out)
        self._console = Console(file=out)
        self.progress = Progress(
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=self._console,
        )
        steps = course.total_steps
        self._task = self.progress.add_task("training", total=steps or 1.0, completed=start if steps else 0, figures="")

    def step(self, step: Step) -> None:
        """Move the bar."""
        done = step.step if self.course.total_steps else self.course.progress(step.step)
        self.progress.update(self._task, completed=done)

    def line(self, line: Mapping[str, float]) -> None:
        """Renew the figures beside the bar."""
        self.progress.update(self._task, figures=_figures(line))

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)


class Silent(Watcher):
    """Shows nothing."""


@contextmanager
def watching(course: Course[Any], metric: str, start: int, *, quiet: bool) -> Iterator[Plain | Silent]:
    """The watcher that suits where standard error goes."""
    if quiet:
        yield Silent()
    elif sys.stderr.isatty():
        bar = Bar(course, metric, start, sys.stderr)
        with bar.progress:
            yield bar
    else:
        yield Plain(course, metric, start, sys.stderr)


def _figures(line: Mapping[str, float]) -> str:
    """Short enough to leave room for a bar in 80 columns."""
    return (
        f"loss {line['loss']:.4f}  learning rate {line['learning_rate']:.2e}  {line['tokens_per_second']:.0f} tokens/s"
    )
