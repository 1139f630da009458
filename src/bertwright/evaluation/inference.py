"""A model's outputs for examples, in batches of like length and in bounded memory. Knows no files and no labels."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from bertwright.batches.order import Rows, token_batches
from bertwright.tasks.task import BatchT, Examples, Task
from bertwright.training.device import Compute

WINDOW = 4096  # rows that are sorted by length, and held in memory, at a time

RowT = TypeVar("RowT")


def windows(rows: Iterable[RowT], size: int = WINDOW) -> Iterator[list[RowT]]:
    """Consecutive rows in lists of at most `size`."""
    iterator = iter(rows)
    while window := list(islice(iterator, size)):
        yield window


def outputs(
    model: nn.Module, task: Task[Any], examples: Examples[BatchT], compute: Compute, batch_tokens: int
) -> Iterator[tuple[Rows, Tensor, BatchT]]:
    """Rows, the head's output for them, and their batch; longest first, every row once.

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
        yield rows, output, batch


def measure(
    model: nn.Module, task: Task[BatchT], examples: Examples[BatchT], compute: Compute, batch_tokens: int = 4096
) -> dict[str, float]:
    """The task's metrics on a data set."""
    tally = task.tally()
    for _, output, batch in outputs(model, task, examples, compute, batch_tokens):
        tally.add(output, batch)
    return tally.metrics()
