"""A run: the steps of the loop, and what happens between them: log, evaluate, keep the best, snapshot, stop.

Fine-tuning and pre-training are followed by the same function. Knows no task and no table.
"""

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, Self

import safetensors.torch
from torch import Tensor

from bertwright.errors import SnapshotError, TrainingError
from bertwright.files import write_file
from bertwright.tasks.metrics import rank
from bertwright.tasks.task import BatchT
from bertwright.text.complaints import counted
from bertwright.training.log import Log, Window
from bertwright.training.loop import Step, Training
from bertwright.training.signals import StopWish
from bertwright.training.snapshot import Snapshot, Snapshots
from bertwright.training.trackers import Tracker

BEST, LOG = "best.safetensors", "log.jsonl"
SAVE_SECONDS = 900.0  # a run of days should lose minutes


@dataclass(slots=True)
class Standing:
    """How a run stands: what a snapshot holds beside tensors.

    Attributes:
        step: Optimizer steps done.
        best_metrics: Validation figures of the best model so far.
        best_step: The step that it is from.
        best_sha256: Hash of the file that holds it.
        without_gain: Evaluations in a row without a better one.
    """

    step: int = 0
    best_metrics: dict[str, float] = field(default_factory=dict)
    best_step: int = 0
    best_sha256: str = ""
    without_gain: int = 0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When something happens between steps; every N steps each.

    Attributes:
        save_seconds: Save also when so much time has gone by since the last snapshot.
    """

    log: int
    evaluate: int
    save: int
    metric: str = "accuracy"
    patience: int | None = None
    save_seconds: float = math.inf

    @classmethod
    def of(cls, *, save: int | None, otherwise: int, **others: Any) -> Self:
        """A rhythm that saves every `save` steps, or when that is open every `otherwise` steps and 15 minutes."""
        return cls(save=save or otherwise, save_seconds=SAVE_SECONDS if save is None else math.inf, **others)


class Watcher:
    """Who is told how a run goes; a subclass has the methods that it needs, the others do nothing."""

    def step(self, step: Step) -> None:
        """A step was done."""

    def line(self, line: Mapping[str, float]) -> None:
        """A line was logged."""

    def evaluated(self, step: Step, metrics: Mapping[str, float], *, best: bool) -> None:
        """The validation set was measured."""

    def saved(self, snapshot: Snapshot) -> None:
        """A snapshot was published."""


class Watchers(Watcher):
    """Several of them as one, in their order."""

    def __init__(self, *watchers: Watcher) -> None:
        self._watchers = watchers

    def step(self, step: Step) -> None:
        """See `Watcher`."""
        for watcher in self._watchers:
            watcher.step(step)

    def line(self, line: Mapping[str, float]) -> None:
        """See `Watcher`."""
        for watcher in self._watchers:
            watcher.line(line)

    def evaluated(self, step: Step, metrics: Mapping[str, float], *, best: bool) -> None:
        """See `Watcher`."""
        for watcher in self._watchers:
            watcher.evaluated(step, metrics, best=best)

    def saved(self, snapshot: Snapshot) -> None:
        """See `Watcher`."""
        for watcher in self._watchers:
            watcher.saved(snapshot)


@dataclass(slots=True)
class Run(Generic[BatchT]):
    """One run in its folder (`OUT/run`).

    Attributes:
        evaluate: Measures the validation set with the model as it is; None where there is none.
    """

    training: Training[BatchT]
    evaluate: Callable[[], dict[str, float]] | None
    rhythm: Rhythm
    folder: Path
    snapshots: Snapshots
    log: Log
    standing: Standing = field(default_factory=Standing)

    @classmethod
    def open(
        cls,
        training: Training[BatchT],
        evaluate: Callable[[], dict[str, float]] | None,
        rhythm: Rhythm,
        folder: Path,
        snapshots: Snapshots,
        *,
        tracker: Callable[[int], Tracker],
        refused: Callable[[str], None],
    ) -> Self:
        """A run at its beginning, or where its newest whole snapshot stands; `refused` hears of damaged ones.

        `tracker` is given the number of steps done, and returns who is told the figures from there on.
        """
        snapshot = snapshots.newest_whole(refused)
        if snapshot is None:
            return cls(training, evaluate, rhythm, folder, snapshots, Log(folder / LOG, tracker=tracker(0)))
        standing, window, course = _state_of(snapshot)
        training.model.load_state_dict(snapshot.tensors("model"))
        training.optimizer.load_state(snapshot.tensors("optimizer"), standing.step)
        if training.average is not None:
            training.average.load_state(snapshot.tensors("average"))
        training.course.load_state(course)
        if standing.best_metrics:
            write_file(folder / BEST, snapshot.file(BEST))
        log = Log(folder / LOG, snapshot.file(LOG), window, tracker(standing.step))
        return cls(training, evaluate, rhythm, folder, snapshots, log, standing)

    def follow(self, watcher: Watcher, wish: StopWish) -> bool:
        """Train to the end, or until somebody asks to stop or the patience is at its end.

        Returns:
            Whether the run is finished; if not, a snapshot was saved and the same command goes on from it.

        Raises:
            TrainingError: A loss, a gradient or a validation figure is not finite.
        """
        if self._ends_early():
            return True
        began = saved = time.perf_counter()
        for step in self.training.steps(self.standing.step):
            self.log.window.add(step, time.perf_counter() - began)
            self.standing.step = step.step
            watcher.step(step)
            if step.step % self.rhythm.log == 0 or step.last:
                watcher.line(self.log.training(step))
            if self.evaluate and (step.step % self.rhythm.evaluate == 0 or step.last):
                with self.training.averaged():
                    self._evaluate(step, self.evaluate(), watcher)
            stops = wish.signal is not None  # asked once: a signal may come at any instant
            overdue = time.perf_counter() - saved >= self.rhythm.save_seconds
            if stops or overdue or step.step % self.rhythm.save == 0:
                watcher.saved(self._save())
                saved = time.perf_counter()
            if stops:
                return False
            if self._ends_early():
                return True
            began = time.perf_counter()
        return True

    def _evaluate(self, step: Step, metrics: dict[str, float], watcher: Watcher) -> None:
        _check_finite(step, metrics)
        self.log.evaluation(step, "validation", metrics)
        best = _better(metrics, self.standing.best_metrics, self.rhythm.metric)
        if best:
            self._keep(step, metrics)
        self.standing.without_gain = 0 if best else self.standing.without_gain + 1
        watcher.evaluated(step, metrics, best=best)

    def _keep(self, step: Step, metrics: dict[str, float]) -> None:
        """Keep the weights as the best so far."""
        data = safetensors.torch.save({name: tensor.contiguous() for name, tensor in self._weights().items()})
        write_file(self.folder / BEST, data)
        self.standing.best_metrics, self.standing.best_step = metrics, step.step
        self.standing.best_sha256 = hashlib.sha256(data).hexdigest()

    @property
    def impatience(self) -> str | None:
        """Why the run ends before its last step; None where it does not."""
        patience, standing, total = self.rhythm.patience, self.standing, self.training.course.total_steps
        if patience is None or standing.without_gain < patience or standing.step == total:
            return None
        evaluations = counted(standing.without_gain, "evaluation")
        return f"stopped at step {standing.step}: {evaluations} without a better {self.rhythm.metric}"

    def _ends_early(self) -> bool:
        why = self.impatience
        if why is not None:
            self.log.stopped(self.standing.step, why)
        return why is not None

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach() for name, tensor in self.training.model.state_dict().items()}

    def _save(self) -> Snapshot:
        attached = {LOG: self.log.path.read_bytes()}
        if self.standing.best_metrics:
            attached[BEST] = self._best()
        tensors = {"model": self._weights(), "optimizer": self.training.optimizer.state()}
        if self.training.average is not None:
            tensors["average"] = self.training.average.state()
        return self.snapshots.publish(
            self.standing.step,
            {
                "standing": asdict(self.standing),
                "window": asdict(self.log.window),
                "course": dict(self.training.course.state()),
            },
            tensors,
            attached,
        )

    def load_best(self) -> None:
        """Put the best weights into the model; without a validation set they are the last.

        Raises:
            SnapshotError: The file that holds them is not as it was written.
        """
        if self.standing.best_metrics:
            self.training.model.load_state_dict(safetensors.torch.load(self._best()))

    def _best(self) -> bytes:
        path = self.folder / BEST
        data = path.read_bytes() if path.exists() else b""
        if hashlib.sha256(data).hexdigest() != self.standing.best_sha256:
            raise SnapshotError(
                f"{path} is not as it was written after step {self.standing.best_step}: run the same command again to "
                "go on from the newest whole snapshot"
            )
        return data


def _check_finite(step: Step, metrics: Mapping[str, float]) -> None:
    """The last step before an evaluation may be the one that goes too far: no loss follows it that would tell.

    Raises:
        TrainingError: A figure is not finite.
    """
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise TrainingError(
                f"the validation {name} after step {step.step} is {value}: nothing was kept of it; try a lower "
                "--learning-rate, a longer --warmup-ratio or --precision fp32"
            )


def _state_of(snapshot: Snapshot) -> tuple[Standing, Window, Mapping[str, Any]]:
    """How the run stood, its log's window, and its course.

    Raises:
        SnapshotError: Another version of the package wrote it in another form.
    """
    state = snapshot.state()
    try:
        return Standing(**state["standing"]), Window(**state["window"]), state["course"]
    except (KeyError, TypeError) as error:
        raise SnapshotError(
            f"{snapshot.folder} was written by another version of bertwright: go on with that one, or start anew with "
            "--overwrite"
        ) from error


def _better(new: Mapping[str, float], old: Mapping[str, float], metric: str) -> bool:
    """Whether `new` is the best so far: by the metric, then by the loss; of equal ones the first stays."""
    return not old or rank(new, metric) > rank(old, metric)
