"""The one training loop: a generator of steps, with no I/O of its own.

Pre-training and fine-tuning are two wirings of it. Saving, logging, evaluating and stopping are done by who asks
for the next step. Which rows a step sees and what its dropout draws are pure functions of (seed, step), so going on
from step k is calling it with `start=k`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic

import torch
from torch import nn

from bertwright.batches.order import BatchOrder, Rows, parts, stream
from bertwright.errors import TrainingError
from bertwright.tasks.task import BatchT, Examples, Task
from bertwright.training.device import Compute
from bertwright.training.optimizer import Optimizer
from bertwright.training.schedule import Schedule

_DROPOUT = 2  # sets this random stream apart from those of the order


@dataclass(frozen=True, slots=True)
class Step:
    """What one optimizer step did.

    Attributes:
        step: Number of the step, from 1.
        epoch: Passes over the data when it was done, as a fraction.
        loss: Mean loss of its whole batch.
        learning_rate: The schedule's rate.
        grad_norm: Global L2 norm of the gradient before clipping.
        tokens: Tokens in its batch.
        examples: Examples in its batch.
    """

    step: int
    epoch: float
    loss: float
    learning_rate: float
    grad_norm: float
    tokens: int
    examples: int


@dataclass(frozen=True, slots=True)
class Training(Generic[BatchT]):
    """All that the loop works with; nothing of it knows of files."""

    model: nn.Module
    task: Task[BatchT]
    examples: Examples[BatchT]
    order: BatchOrder
    optimizer: Optimizer
    schedule: Schedule
    compute: Compute
    seed: int
    accumulation: int = 1

    def steps(self, start: int = 0) -> Iterator[Step]:
        """Train from step `start` (steps already done) to the schedule's end.

        Raises:
            TrainingError: A loss or gradient is not finite; the optimizer has not stepped on it.
        """
        self.model.train()
        for step in range(start, self.schedule.total_steps):
            yield self._step(step)
            self.model.train()  # whoever took the step may have evaluated

    def _step(self, step: int) -> Step:
        rows = self.order.rows(step)
        batches = [self.examples.batch(part) for part in parts(rows, self.accumulation)]
        loss = self._backward(step, batches)
        if not math.isfinite(loss):
            raise self._not_finite("loss", loss, step, rows)
        rate = self.schedule.at(step)
        norm = self.optimizer.step(rate)
        if not math.isfinite(norm):
            raise self._not_finite("gradient norm", norm, step, rows)
        return Step(
            step=step + 1,
            epoch=(step + 1) / self.order.steps_per_epoch,
            loss=loss,
            learning_rate=rate,
            grad_norm=norm,
            tokens=sum(len(batch.tokens.ids) for batch in batches),
            examples=len(rows),
        )

    def _backward(self, step: int, batches: list[BatchT]) -> float:
        """Add the gradient of the mean loss over all `batches`; returns that loss."""
        counts = [self.task.counts(batch) for batch in batches]
        total = {name: sum(count[name] for count in counts) for name in counts[0]}
        loss = 0.0
        for part, batch in enumerate(batches):
            torch.manual_seed(int(stream(self.seed, step, part, _DROPOUT).random_raw()) >> 1)
            with self.compute.autocast():
                sums = self.task.losses(self.model, batch.to(self.compute.device))
            share = torch.stack([value / total[name] for name, value in sums.items()]).sum()
            share.backward()  # type: ignore[no-untyped-call]
            loss += share.item()
        return loss

    def _not_finite(self, what: str, value: float, step: int, rows: Rows) -> TrainingError:
        return TrainingError(
            f"the {what} of step {step + 1} is {value}: nothing was updated. Look at {self.examples.where(rows)}; "
            "if these texts are fine, try a lower --learning-rate, a longer --warmup-ratio or --precision fp32"
        )
