"""The one training loop: a generator of steps, with no I/O of its own.

Pre-training and fine-tuning are two wirings of it. Saving, logging, evaluating and stopping are done by who asks
for the next step. What a step's dropout draws is a pure function of (seed, step), and what it learns from is for the
course to say, so going on from step k is calling it with `start=k`.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Generic

import torch
from torch import nn

from bertwright.batches.loader import Loader
from bertwright.batches.order import stream
from bertwright.errors import TrainingError
from bertwright.tasks.task import BatchT, Task
from bertwright.training.adversarial import Adversary
from bertwright.training.averaging import Average
from bertwright.training.course import Course, Lesson
from bertwright.training.device import Compute
from bertwright.training.optimizer import Optimizer

_DROPOUT = 2  # sets this random stream apart from those of the order


@dataclass(frozen=True, slots=True)
class Step:
    """What one optimizer step did.

    Attributes:
        step: Number of the step, from 1.
        epoch: Passes over the data when it was done, as a fraction.
        loss: Mean loss of its whole batch: the sum of `losses`.
        losses: The mean of each of the task's losses, by name.
        learning_rate: The schedule's rate.
        grad_norm: Global L2 norm of the gradient before clipping.
        tokens: Tokens in its batch.
        examples: Examples in its batch.
        last: Whether the course is over.
    """

    step: int
    epoch: float
    loss: float
    losses: Mapping[str, float]
    learning_rate: float
    grad_norm: float
    tokens: int
    examples: int
    last: bool


@dataclass(frozen=True, slots=True)
class Training(Generic[BatchT]):
    """All that the loop works with; nothing of it knows of files.

    Attributes:
        adversary: Makes each step a harder one as well, if there is one.
        average: Of the weights over the steps, if it is wanted.
    """

    model: nn.Module
    task: Task[BatchT]
    course: Course[BatchT]
    optimizer: Optimizer
    compute: Compute
    seed: int
    loader: Loader[BatchT] = field(default_factory=Loader)
    adversary: Adversary | None = None
    average: Average | None = None

    def steps(self, start: int = 0) -> Iterator[Step]:
        """Train from step `start` (steps already done) to the course's end.

        Raises:
            TrainingError: A loss or gradient is not finite; the optimizer has not stepped on it.
        """
        done, over = start, self.course.progress(start) >= 1
        while not over:
            self.model.train()  # whoever took the last step may have evaluated
            step = self._step(done, self.course.lesson(done))
            done, over = step.step, step.last
            yield step

    def _step(self, step: int, lesson: Lesson[BatchT]) -> Step:
        batches = self.loader.load(lesson.examples, lesson.rows, lesson.following)
        losses = self.backward(step, batches)
        loss = sum(losses.values())
        if not math.isfinite(loss):
            raise self._not_finite("loss", loss, step, lesson)
        norm = self.optimizer.step(lesson.learning_rate)
        if not math.isfinite(norm):
            raise self._not_finite("gradient norm", norm, step, lesson)
        if self.average is not None:
            self.average.update(step + 1)
        return Step(
            step=step + 1,
            epoch=lesson.epoch,
            loss=loss,
            losses=losses,
            learning_rate=lesson.learning_rate,
            grad_norm=norm,
            tokens=sum(len(batch.tokens.ids) for batch in batches),
            examples=len(lesson.rows),
            last=self.course.progress(step + 1) >= 1,
        )

    def averaged(self) -> AbstractContextManager[None]:
        """While the block runs, the model has the weights that are to be evaluated and kept."""
        return nullcontext() if self.average is None else self.average.in_model()

    def backward(self, step: int, batches: list[BatchT]) -> dict[str, float]:
        """Add the gradient of step `step`: of the mean loss over all `batches`; returns the mean of each loss.

        With an adversary that of the mean loss where it has moved the embeddings is added, too; it is not returned.
        """
        losses = self._backward(step, batches)
        if self.adversary is not None:
            with self.adversary.at_work():
                self._backward(step, batches)
        return losses

    def _backward(self, step: int, batches: list[BatchT]) -> dict[str, float]:
        counts = [self.task.counts(batch) for batch in batches]
        total = {name: sum(count[name] for count in counts) or 1.0 for name in counts[0]}  # nothing to count, no loss
        losses = dict.fromkeys(total, 0.0)
        for part, batch in enumerate(batches):
            torch.manual_seed(int(stream(self.seed, step, part, _DROPOUT).random_raw()) >> 1)
            with self.compute.autocast():
                sums = self.task.losses(self.model, batch.to(self.compute.device))
            shares = {name: value / total[name] for name, value in sums.items()}
            torch.stack([*shares.values()]).sum().backward()  # type: ignore[no-untyped-call]
            for name, share in shares.items():
                losses[name] += share.item()
        return losses

    def _not_finite(self, what: str, value: float, step: int, lesson: Lesson[BatchT]) -> TrainingError:
        where = lesson.examples.where(lesson.rows)
        return TrainingError(
            f"the {what} of step {step + 1} is {value}: nothing was updated. Look at {where}; "
            "if these texts are fine, try a lower --learning-rate, a longer --warmup-ratio or --precision fp32"
        )
