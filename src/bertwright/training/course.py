"""A course: which examples at which step, at which learning rate. Knows nothing of models or files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol

from bertwright.batches.order import BatchOrder, Rows
from bertwright.tasks.task import BatchT, Examples
from bertwright.training.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Lesson(Generic[BatchT]):
    """What one step learns from.

    Attributes:
        examples: The data set.
        rows: Its rows that make up the batch.
        learning_rate: The step's rate.
        epoch: Passes over the data once the step is done, as a fraction.
        following: Rows of the steps that will probably come next, to be prepared meanwhile.
    """

    examples: Examples[BatchT]
    rows: Rows
    learning_rate: float
    epoch: float
    following: tuple[Rows, ...] = ()


class Course(Protocol[BatchT]):
    """The steps of a run, from its first to its last."""

    @property
    def total_steps(self) -> int | None:
        """How many steps there are; None where time decides."""
        ...

    def progress(self, step: int) -> float:
        """Share of the course that is done after `step` steps; at 1 it is over."""
        ...

    def lesson(self, step: int) -> Lesson[BatchT]:
        """What the step of this number learns from, counted from 0; asked for once, in ascending order."""
        ...

    def preview(self, step: int) -> Lesson[BatchT]:
        """What `lesson` would give, asked for as often as one likes."""
        ...

    def state(self) -> Mapping[str, Any]:
        """What `lesson` depends on beside the number of the step, as JSON values."""
        ...

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        ...


@dataclass(frozen=True, slots=True)
class Epochs(Generic[BatchT]):
    """Passes over one data set, each row once a pass: fine-tuning's course, a pure function of the step."""

    examples: Examples[BatchT]
    order: BatchOrder
    schedule: Schedule

    @property
    def total_steps(self) -> int:
        """See `Course`."""
        return self.schedule.total_steps

    def progress(self, step: int) -> float:
        """See `Course`."""
        return step / self.total_steps

    def lesson(self, step: int) -> Lesson[BatchT]:
        """See `Course`."""
        epoch = (step + 1) / self.order.steps_per_epoch
        return Lesson(self.examples, self.order.rows(step), self.schedule.at(step), epoch)

    def preview(self, step: int) -> Lesson[BatchT]:
        """See `Course`."""
        return self.lesson(step)

    def state(self) -> Mapping[str, Any]:
        """Nothing."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Nothing."""
