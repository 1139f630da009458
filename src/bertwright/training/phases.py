"""Pre-training's course: phases of growing length, a batch that may grow, paced by steps or by the clock.

Examples follow each other without end, so all that a course has to remember is how many of each phase were used.
Knows nothing of models or files.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol

import numpy as np

from bertwright.tasks.task import BatchT, BatchT_co, Examples
from bertwright.training.course import Lesson
from bertwright.training.schedule import Schedule

SMALLEST = 8  # a growing batch begins with an eighth of its size


class Pace(Protocol):
    """What a course is measured in: steps, or seconds."""

    total: float

    def done(self, step: int) -> float:
        """How much of the total is done after `step` steps."""
        ...


@dataclass(slots=True)
class ByStep:
    """A course of so many steps."""

    total: float

    def done(self, step: int) -> float:
        """See `Pace`."""
        return step


@dataclass(slots=True)
class ByClock:
    """A course of so many seconds, those of earlier processes included; whatever the machine does, it ends on time.

    Attributes:
        spent: Seconds before this process.
        now: The clock.
    """

    total: float
    spent: float = 0.0
    now: Callable[[], float] = time.monotonic
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.now()

    def done(self, step: int) -> float:  # noqa: ARG002 - the clock alone decides
        """See `Pace`."""
        return self.spent + self.now() - self._began


class Endless(Examples[BatchT_co], Protocol[BatchT_co]):
    """Examples that go on after the last, in another order."""

    def __len__(self) -> int:
        """Number of examples in an epoch."""
        ...


@dataclass(frozen=True, slots=True)
class Phase(Generic[BatchT]):
    """A part of the course with examples of one length.

    Attributes:
        ends: Share of the course at which it is over.
        examples: What it learns from.
        batch_size: Examples of a batch that is full-grown.
    """

    ends: float
    examples: Endless[BatchT]
    batch_size: int


def epochs_per_step(phases: Sequence[Phase[Any]], ramp: float) -> float:
    """Passes over the data in a step, on average over a course of these phases."""
    shares = np.linspace(0, 1, 10_000, endpoint=False)
    at = [_phase_at(phases, share) for share in shares.tolist()]
    passes = [_size(phase, share, ramp) / len(phase.examples) for phase, share in zip(at, shares, strict=True)]
    return float(np.mean(passes))


def _phase_at(phases: Sequence[Phase[BatchT]], share: float) -> Phase[BatchT]:
    return next(phase for phase in phases if share < phase.ends)


def _size(phase: Phase[Any], share: float, ramp: float) -> int:
    if share >= ramp:
        return phase.batch_size
    smallest = -(-phase.batch_size // SMALLEST)
    return smallest + int((phase.batch_size - smallest) * share / ramp)


class Phases(Generic[BatchT]):
    """The course.

    Args:
        phases: In their order; the last ends at 1.
        schedule: The learning rate, in the units of `pace`.
        pace: By what the course is measured.
        ramp: Share of the course in which the batch grows to its full size.
        ahead: Batches that may be prepared while a step is computed.
    """

    def __init__(
        self, phases: Sequence[Phase[BatchT]], schedule: Schedule, pace: ByStep | ByClock, *, ramp: float, ahead: int
    ) -> None:
        self.phases, self.schedule, self.pace, self.ramp, self.ahead = tuple(phases), schedule, pace, ramp, ahead
        self.used = [0 for _ in phases]  # examples so far, by phase

    @property
    def total_steps(self) -> int | None:
        """See `Course`."""
        return int(self.pace.total) if isinstance(self.pace, ByStep) else None

    def progress(self, step: int) -> float:
        """See `Course`."""
        return self.pace.done(step) / self.pace.total

    def lesson(self, step: int) -> Lesson[BatchT]:
        """See `Course`."""
        self.used, lesson = self._next(step)
        return lesson

    def preview(self, step: int) -> Lesson[BatchT]:
        """See `Course`."""
        return self._next(step)[1]

    def _next(self, step: int) -> tuple[list[int], Lesson[BatchT]]:
        """What the step learns from, and how many examples of each phase are used once it is done."""
        done = min(self.pace.done(step), np.nextafter(self.pace.total, 0))
        share = done / self.pace.total
        number = next(number for number, phase in enumerate(self.phases) if share < phase.ends)
        phase = self.phases[number]
        used, start, size = list(self.used), self.used[number], _size(phase, share, self.ramp)
        used[number] += size
        rows = np.arange(start, start + size)
        epochs = sum(count / len(phase.examples) for count, phase in zip(used, self.phases, strict=True))
        following = tuple(rows + size * later for later in range(1, self.ahead + 1))
        return used, Lesson(phase.examples, rows, self.schedule.at(done), epochs, following)

    def state(self) -> Mapping[str, Any]:
        """See `Course`."""
        return {"used": self.used, "done": self.pace.done(0)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """See `Course`."""
        self.used = list(state["used"])
        if isinstance(self.pace, ByClock):
            self.pace.spent += state["done"]
