"""A run: the steps of the loop, and what happens between them: log, evaluate, keep the best, snapshot, stop.

Fine-tuning and pre-training are followed by the same function. Knows no task and no table.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol

import safetensors.torch
from torch import Tensor

from bertwright.files import write_file
from bertwright.tasks.task import BatchT
from bertwright.training.log import Log
from bertwright.training.loop import Step, Training
from bertwright.training.signals import StopWish
from bertwright.training.snapshot import Snapshot, Snapshots, link_or_copy

BEST = "best.safetensors"


@dataclass(slots=True)
class Standing:
    """How a run stands: what a snapshot holds beside tensors.

    Attributes:
        step: Optimizer steps done.
        best_metrics: Validation figures of the best model so far.
        best_step: The step that it is from.
        without_gain: Evaluations in a row without a better one.
    """

    step: int = 0
    best_metrics: dict[str, float] = field(default_factory=dict)
    best_step: int = 0
    without_gain: int = 0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When something happens between steps; every N steps each."""

    log: int
    evaluate: int
    save: int
    metric: str = "accuracy"
    patience: int | None = None


class Watcher(Protocol):
    """Who shows the run to a person."""

    def step(self, step: Step) -> None:
        """A step was done."""
        ...

    def line(self, line: Mapping[str, float]) -> None:
        """A line was logged."""
        ...

    def evaluated(self, step: Step, metrics: Mapping[str, float], *, best: bool) -> None:
        """The validation set was measured."""
        ...

    def saved(self, snapshot: Snapshot) -> None:
        """A snapshot was published."""
        ...


@dataclass(slots=True)
class Run(Generic[BatchT]):
    """One run in its folder (`OUT/run`).

    Attributes:
        evaluate: Measures the validation set with the model as it is.
    """

    training: Training[BatchT]
    evaluate: Callable[[], dict[str, float]]
    rhythm: Rhythm
    folder: Path
    snapshots: Snapshots
    log: Log
    standing: Standing = field(default_factory=Standing)

    def follow(self, watcher: Watcher, wish: StopWish) -> bool:
        """Train to the end, or until somebody asks to stop or the patience is at its end.

        Returns:
            Whether the run is finished; if not, a snapshot was saved and the same command goes on from it.
        """
        total = self.training.schedule.total_steps
        if self._out_of_patience():
            return True
        began = time.perf_counter()
        for step in self.training.steps(self.standing.step):
            self.log.window.add(step, time.perf_counter() - began)
            self.standing.step = step.step
            watcher.step(step)
            if step.step % self.rhythm.log == 0 or step.step == total:
                watcher.line(self.log.training(step))
            if step.step % self.rhythm.evaluate == 0 or step.step == total:
                self._evaluate(step, watcher)
            ends = self._out_of_patience() or step.step == total
            if step.step % self.rhythm.save == 0 or (wish.signal and not ends):
                watcher.saved(self._save())
            if ends:
                return True
            if wish.signal:
                return False
            began = time.perf_counter()
        return True

    def _evaluate(self, step: Step, watcher: Watcher) -> None:
        metrics = self.evaluate()
        self.log.evaluation(step, "validation", metrics)
        best = _better(metrics, self.standing.best_metrics, self.rhythm.metric)
        if best:
            weights = {name: tensor.contiguous() for name, tensor in self._weights().items()}
            write_file(self.folder / BEST, safetensors.torch.save(weights))
            self.standing.best_metrics, self.standing.best_step = metrics, step.step
        self.standing.without_gain = 0 if best else self.standing.without_gain + 1
        watcher.evaluated(step, metrics, best=best)

    def _out_of_patience(self) -> bool:
        patience = self.rhythm.patience
        return patience is not None and self.standing.without_gain >= patience

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach() for name, tensor in self.training.model.state_dict().items()}

    def _save(self) -> Snapshot:
        best = self.folder / BEST
        return self.snapshots.publish(
            self.standing.step,
            {"standing": asdict(self.standing), "log": self.log.state()},
            {"model": self._weights(), "optimizer": self.training.optimizer.state()},
            attached=best if self.standing.best_metrics else None,
        )

    def resume(self, snapshot: Snapshot) -> None:
        """Stand where the snapshot was taken; the log is the caller's to reopen."""
        state: dict[str, Any] = snapshot.state()
        self.standing = Standing(**state["standing"])
        self.training.model.load_state_dict(snapshot.tensors("model"))
        self.training.optimizer.load_state(snapshot.tensors("optimizer"), self.standing.step)
        (self.folder / BEST).unlink(missing_ok=True)
        if best := snapshot.file(BEST):
            link_or_copy(best, self.folder / BEST)

    def load_best(self) -> None:
        """Put the best weights into the model."""
        self.training.model.load_state_dict(safetensors.torch.load((self.folder / BEST).read_bytes()))


def _better(new: Mapping[str, float], old: Mapping[str, float], metric: str) -> bool:
    """Whether `new` is the best so far: of equal ones the first stays; a loss is better when lower."""
    if not old:
        return True
    sign = -1.0 if metric == "loss" else 1.0
    return sign * new[metric] > sign * old[metric]
