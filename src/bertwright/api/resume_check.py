"""`pretrain --verify-resume N`: do N steps straight equal N/2 steps, a new start from the snapshot, and N/2 more?

Both go through what a real run goes through, in folders of their own that are removed. A run of so many hours is
given a clock that ticks once a step, so that equal steps see equal times.
"""

import json
import signal
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from bertwright.api.pretraining_wiring import Setup
from bertwright.api.run_folder import RunFolder
from bertwright.errors import UsageError
from bertwright.files import make_folder
from bertwright.training.loop import Step
from bertwright.training.run import Watcher
from bertwright.training.signals import StopWish
from bertwright.training.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Verified:
    """What was compared.

    Attributes:
        steps: Steps of either run.
        tensors: How many tensors of model and optimizer.
        different: Names of those that are not equal, bit for bit.
        log_equal: Whether the logs tell the same losses, rates and norms.
    """

    steps: int
    tensors: int
    different: tuple[str, ...]
    log_equal: bool

    @property
    def equal(self) -> bool:
        """Whether the two runs are one."""
        return not self.different and self.log_equal

    def describe(self) -> str:
        """The outcome on one line."""
        half = self.steps // 2
        what = f"{self.steps} steps, and {half} + a new start + {self.steps - half}"
        if self.equal:
            return f"{what}: all {self.tensors} tensors of model and optimizer, and the logs, are equal bit for bit"
        named = ", ".join(self.different[:5]) or "only the logs"
        return f"{what}: NOT equal: {len(self.different)} of {self.tensors} tensors differ: {named}"


def verify_resume(setup: Setup, steps: int) -> Verified:
    """Train twice, interrupted and not, and compare.

    Raises:
        UsageError: There are fewer than two steps, or more than the run has.
    """
    if steps < 2:
        raise UsageError(f"verify_resume = {steps}: at least 2 steps are needed to stop between them")
    settings = setup.settings  # a check is no run that anybody tracks
    setup = replace(setup, settings=settings.model_copy(update={"tensorboard": False, "wandb": False, "mlflow": False}))
    with TemporaryDirectory() as name:
        expected = _train(setup, Path(name) / "straight", (steps,))
        found = _train(setup, Path(name) / "halves", (steps // 2, steps))
        tensors, others = _tensors(expected), _tensors(found)
        different = tuple(
            name
            for name in sorted(tensors.keys() | others.keys())
            if name not in tensors or name not in others or not torch.equal(tensors[name], others[name])
        )
        log_equal = _figures(expected) == _figures(found)
    return Verified(steps, len(tensors), different, log_equal)


class _Stopper(Watcher):
    """Asks the run to stop after a step, and is its clock: a second a step."""

    def __init__(self, wish: StopWish, at: int) -> None:
        self.wish, self.at, self.seconds = wish, at, 0.0

    def now(self) -> float:
        return self.seconds

    def step(self, step: Step) -> None:
        """Tick, and stop when it is time."""
        self.seconds += 1.0
        if step.step >= self.at:
            self.wish.signal = signal.SIGTERM


def _train(setup: Setup, path: Path, stops: tuple[int, ...]) -> Snapshot:
    """Train with new starts after these steps; returns the last snapshot."""
    folder = RunFolder(path)
    make_folder(folder.run)
    for stop in stops:
        wish = StopWish()
        stopper = _Stopper(wish, stop)
        run, _, _ = setup.wire(folder, stopper.now)
        with closing(run.log):
            run.follow(stopper, wish)
    snapshot = run.snapshots.newest_whole(lambda _: None)
    if snapshot is None or snapshot.step != stops[-1]:
        raise UsageError(f"verify_resume = {stops[-1]}: the run has {run.standing.step} steps alone")
    return snapshot


def _tensors(snapshot: Snapshot) -> dict[str, Tensor]:
    files: Mapping[str, dict[str, Tensor]] = {name: snapshot.tensors(name) for name in ("model", "optimizer")}
    return {f"{file}: {name}": tensor for file, tensors in files.items() for name, tensor in tensors.items()}


def _figures(snapshot: Snapshot) -> list[dict[str, float]]:
    """The lines of the log but for what depends on the clock."""
    clocked = {"seconds", "tokens_per_second", "examples_per_second"}
    lines = [json.loads(line) for line in snapshot.file("log.jsonl").splitlines()]
    return [{name: value for name, value in line.items() if name not in clocked} for line in lines]
