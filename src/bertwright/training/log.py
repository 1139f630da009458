"""log.jsonl: one JSON line every few steps and one for each evaluation; optionally the same to TensorBoard.

A line of training has the keys `step, epoch, loss, learning_rate, grad_norm, tokens_per_second, examples_per_second,
seconds`; one of evaluation has `step, epoch, split` and the metrics. The log belongs to the run's state: a
snapshot has a copy of it, and going on begins with that copy, so that no step is missing and none is logged twice.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertwright.errors import BertwrightError, UsageError
from bertwright.files import write_file
from bertwright.training.loop import Step


@dataclass(slots=True)
class Window:
    """Sums over the steps since the last line, and the seconds of training so far."""

    steps: int = 0
    loss: float = 0.0
    tokens: int = 0
    examples: int = 0
    seconds: float = 0.0
    total_seconds: float = 0.0

    def add(self, step: Step, seconds: float) -> None:
        """Take in one step that took this long."""
        self.steps += 1
        self.loss += step.loss
        self.tokens += step.tokens
        self.examples += step.examples
        self.seconds += seconds
        self.total_seconds += seconds

    def line(self, last: Step) -> dict[str, float]:
        """The line of these steps; the next window begins."""
        line = {
            "step": last.step,
            "epoch": round(last.epoch, 6),
            "loss": self.loss / self.steps,
            "learning_rate": last.learning_rate,
            "grad_norm": last.grad_norm,
            "tokens_per_second": round(self.tokens / self.seconds, 1),
            "examples_per_second": round(self.examples / self.seconds, 2),
            "seconds": round(self.total_seconds, 3),
        }
        self.steps, self.loss, self.tokens, self.examples, self.seconds = 0, 0.0, 0, 0, 0.0
        return line


class Log:
    """The log file of a run.

    Args:
        path: The file; what is in it is replaced.
        content: The lines so far.
        window: Sums since the last of them.
        tensorboard: Folder for TensorBoard events, if they are wanted.
        step: Steps done; TensorBoard hides what an earlier process told of later ones.
    """

    def __init__(
        self,
        path: Path,
        content: bytes = b"",
        window: Window | None = None,
        *,
        tensorboard: Path | None = None,
        step: int = 0,
    ) -> None:
        self.path, self.window = path, window or Window()
        write_file(path, content)
        self._board = _board(tensorboard, step + 1) if tensorboard else None
        self._file = path.open("a", encoding="utf-8")

    def training(self, last: Step) -> dict[str, float]:
        """Write the line of the steps since the last one; returns it."""
        line = self.window.line(last)
        self._write(line, "train")
        return line

    def evaluation(self, step: Step, split: str, metrics: Mapping[str, float]) -> None:
        """Write the line of an evaluation."""
        self._write({"step": step.step, "epoch": round(step.epoch, 6), "split": split, **metrics}, split)

    def _write(self, line: Mapping[str, Any], group: str) -> None:
        try:
            self._file.write(json.dumps(line, allow_nan=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise BertwrightError(f"cannot write {self.path}: {error.strerror or error}") from error
        if self._board is not None:
            for name, value in line.items():
                if isinstance(value, float):
                    self._board.add_scalar(f"{group}/{name}", value, line["step"])

    def close(self) -> None:
        """Close the file and the TensorBoard writer."""
        with suppress(OSError):  # a line that could not be written was an error then
            self._file.close()
        if self._board is not None:
            self._board.close()


def _board(folder: Path, next_step: int):  # type: ignore[no-untyped-def]  # tensorboard is an extra
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError("tensorboard is not installed: pip install 'bertwright[tensorboard]'") from error
    return SummaryWriter(str(folder), purge_step=next_step)
