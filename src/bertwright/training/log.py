"""log.jsonl: one JSON line every few steps and one for each evaluation; optionally the same to TensorBoard.

A line of training has the keys `step, epoch, loss, learning_rate, grad_norm, tokens_per_second, examples_per_second,
seconds`; one of evaluation has `step, epoch, split` and the metrics. The log belongs to the run's state: a
snapshot knows how long it was, and going on cuts off what came after, so that no step is logged twice.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
    """The log file of a run, cut to `length` bytes before anything is added.

    Args:
        path: The file.
        length: Bytes of it that belong to the run's state so far.
        window: Sums since its last line.
        tensorboard: Folder for TensorBoard events, if they are wanted.
    """

    def __init__(self, path: Path, length: int = 0, window: Window | None = None, tensorboard: Path | None = None):
        self.window = window or Window()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.truncate(length)
        self._file = path.open("a", encoding="utf-8")
        self._board = _board(tensorboard) if tensorboard else None

    def training(self, last: Step) -> dict[str, float]:
        """Write the line of the steps since the last one; returns it."""
        line = self.window.line(last)
        self._write(line, "train")
        return line

    def evaluation(self, step: Step, split: str, metrics: Mapping[str, float]) -> None:
        """Write the line of an evaluation."""
        self._write({"step": step.step, "epoch": round(step.epoch, 6), "split": split, **metrics}, split)

    def _write(self, line: Mapping[str, Any], group: str) -> None:
        self._file.write(json.dumps(line, allow_nan=False) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in line.items():
                if isinstance(value, float):
                    self._board.add_scalar(f"{group}/{name}", value, line["step"])

    def state(self) -> dict[str, object]:
        """What `resumed` needs; everything up to here is on the disk when this returns."""
        os.fsync(self._file.fileno())
        return {"length": self._file.tell(), "window": asdict(self.window)}

    @classmethod
    def resumed(cls, path: Path, state: Mapping[str, Any], tensorboard: Path | None = None) -> "Log":
        """The log as it was when `state` was taken."""
        return cls(path, state["length"], Window(**state["window"]), tensorboard)

    def close(self) -> None:
        """Close the file and the TensorBoard writer."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def _board(folder: Path):  # type: ignore[no-untyped-def]  # tensorboard is an extra
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))
