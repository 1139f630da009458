"""bertwright's training under the bench's watch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from bertwright.training.loop import Step, Training
from job import Watch


@contextmanager
def watched(watch: Watch) -> Iterator[list[Step]]:
    """Lets the watch stand at the end of every step of a training that is done inside; the list has the steps."""
    steps: list[Step] = []
    all_steps = Training.steps

    def told(loop: Training[Any], start: int = 0) -> Iterator[Step]:
        watch.training_begins()
        for step in all_steps(loop, start):
            steps.append(step)
            watch.step_ends()
            yield step

    with patch.object(Training, "steps", told):  # the loop is a generator: a listener stands behind it
        yield steps
