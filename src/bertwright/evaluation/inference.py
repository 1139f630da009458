"""A model's outputs for examples, in batches of like length and in bounded memory. Knows no files and no labels."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from bertwright.batches.order import Rows, token_batches
from bertwright.tasks.task import Examples, Measurable, Outputs, Task
from bertwright.training.device import Compute

CHUNK = 4096  # rows that are sorted by length, and held in memory, at a time

RowT = TypeVar("RowT")


def chunks(rows: Iterable[RowT], size: int = CHUNK) -> Iterator[list[RowT]]:
    """Consecutive rows in lists of at most `size`."""
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk


def outputs(
    model: nn.Module, task: Task[Any], examples: Examples[Any], compute: Compute, batch_tokens: int
) -> Iterator[tuple[Rows, Tensor]]:
    """Rows and the head's output for them; longest first, every row once.

    Args:
        model: Set to evaluation mode, without dropout.
        task: Knows the head.
        examples: What to read.
        compute: Where and how precisely.
        batch_tokens: Most tokens in a batch.
    """
    model.eval()
    for rows in token_batches(examples.lengths, batch_tokens):
        batch = examples.batch(rows).to(compute.device)
        with torch.inference_mode(), compute.autocast():
            output = task.outputs(model, batch)
        yield rows, output


def all_outputs(
    model: nn.Module, task: Task[Any], examples: Measurable[Any], compute: Compute, batch_tokens: int = 4096
) -> Outputs:
    """What the model says of all things in the examples, in their order."""
    found: Outputs | None = None
    for rows, output in outputs(model, task, examples, compute, batch_tokens):
        if found is None:
            found = np.empty((examples.things, *output.shape[1:]), dtype=np.float32)
        found[examples.places(rows)] = output.cpu().numpy()
    assert found is not None
    return found


def measure(
    model: nn.Module, task: Task[Any], examples: Measurable[Any], compute: Compute, batch_tokens: int = 4096
) -> dict[str, float]:
    """The task's metrics on a data set."""
    return figures(task, all_outputs(model, task, examples, compute, batch_tokens), examples)


def figures(task: Task[Any], found: Outputs, examples: Measurable[Any]) -> dict[str, float]:
    """The task's metrics, from what a model said of all things in the examples."""
    tally = task.tally()
    tally.add(found, examples)
    return tally.metrics()
