"""log.jsonl: one JSON line every few steps and one for each evaluation; its figures go to trackers as well.

A line of training has the keys `step, epoch, loss, learning_rate, grad_norm, tokens_per_second, examples_per_second,
seconds`, and the task's losses by name where there are several; one of evaluation has `step, epoch, split` and the
metrics; one of a warning has `step, warning`, and that of a run that ends early `step, stopped`. The log belongs to
the run's state: a snapshot has a copy of it, and going on begins with that copy, so that no step is missing and none is
logged twice.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bertwright.errors import BertwrightError
from bertwright.files import write_file
from bertwright.training.loop import Step
from bertwright.training.trackers import Tracker


@dataclass(slots=True)
class Window:
    """Sums over the steps since the last line, and the seconds of training so far."""

    steps: int = 0
    losses: dict[str, float] = field(default_factory=dict)
    tokens: int = 0
    examples: int = 0
    seconds: float = 0.0
    total_seconds: float = 0.0

    def add(self, step: Step, seconds: float) -> None:
        """Take in one step that took this long."""
        self.steps += 1
        for name, loss in step.losses.items():
            self.losses[name] = self.losses.get(name, 0.0) + loss
        self.tokens += step.tokens
        self.examples += step.examples
        self.seconds += seconds
        self.total_seconds += seconds

    def line(self, last: Step) -> dict[str, float]:
        """The line of these steps; the next window begins."""
        means = {name: loss / self.steps for name, loss in self.losses.items()}
        line = {
            "step": last.step,
            "epoch": round(last.epoch, 6),
            "loss": sum(means.values()),
            **(means if len(means) > 1 else {}),
            "learning_rate": last.learning_rate,
            "grad_norm": last.grad_norm,
            "tokens_per_second": round(self.tokens / self.seconds, 1),
            "examples_per_second": round(self.examples / self.seconds, 2),
            "seconds": round(self.total_seconds, 3),
        }
        self.steps, self.losses, self.tokens, self.examples, self.seconds = 0, {}, 0, 0, 0.0
        return line


class Log:
    """The log file of a run.

    Args:
        path: The file; what is in it is replaced.
        content: The lines so far.
        window: Sums since the last of them.
        tracker: Who is told the same figures.
    """

    def __init__(
        self,
        path: Path,
        content: bytes = b"",
        window: Window | None = None,
        tracker: Tracker | None = None,
    ) -> None:
        self.path, self.window, self._tracker = path, window or Window(), tracker
        write_file(path, content)
        self._file = path.open("a", encoding="utf-8")

    def training(self, last: Step) -> dict[str, float]:
        """Write the line of the steps since the last one; returns it."""
        line = self.window.line(last)
        self._write(line, "train")
        return line

    def evaluation(self, step: Step, split: str, metrics: Mapping[str, float]) -> None:
        """Write the line of an evaluation."""
        self._write({"step": step.step, "epoch": round(step.epoch, 6), "split": split, **metrics}, split)

    def warning(self, step: int, text: str) -> None:
        """Write a line that says what looks wrong after this step."""
        self._write({"step": step, "warning": text}, "warning")

    def stopped(self, step: int, why: str) -> None:
        """Write the line of a run that ends before its last step."""
        self._write({"step": step, "stopped": why}, "stopped")

    def _write(self, line: Mapping[str, Any], group: str) -> None:
        try:
            self._file.write(json.dumps(line, allow_nan=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise BertwrightError(f"cannot write {self.path}: {error.strerror or error}") from error
        figures = {f"{group}/{name}": value for name, value in line.items() if isinstance(value, float)}
        if self._tracker is not None and figures:
            self._tracker.write(line["step"], figures)

    def close(self) -> None:
        """Close the file and the tracker."""
        with suppress(OSError):  # a line that could not be written was an error then
            self._file.close()
        if self._tracker is not None:
            self._tracker.close()
