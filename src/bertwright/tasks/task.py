"""What the training loop and evaluation ask of a task; a new task is one new file beside this one.

A task turns rows into examples, owns its head, its losses (sums and counts), its decoding and its metrics. What
fine-tuning asks of one beyond this is in `finetuning.py`.
"""

from collections.abc import Mapping
from typing import Any, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bertwright.model.flat import FlatTokens

Outputs = NDArray[np.float32]
"""What a model says of each *thing* that it is asked about: a text, a word, a token of a passage, a choice."""


class Batch(Protocol):
    """Some examples of a task, as tensors."""

    @property
    def tokens(self) -> FlatTokens:
        """Their tokens, flat."""
        ...

    def to(self, device: torch.device) -> Self:
        """The same batch on a device."""
        ...


BatchT = TypeVar("BatchT", bound=Batch)
BatchT_co = TypeVar("BatchT_co", bound=Batch, covariant=True)
BatchT_contra = TypeVar("BatchT_contra", bound=Batch, contravariant=True)


class Examples(Protocol[BatchT_co]):
    """A data set of a task: encoded once, then cut into batches."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Length of each example, in tokens."""
        ...

    def batch(self, rows: NDArray[np.integer[Any]]) -> BatchT_co:
        """The examples at `rows`, in that order."""
        ...

    def where(self, rows: NDArray[np.integer[Any]]) -> str:
        """Where the user finds these examples: file and lines, for an error."""
        ...


class Measurable(Examples[BatchT_co], Protocol[BatchT_co]):
    """Examples of which all outputs can be laid into one array."""

    @property
    def things(self) -> int:
        """How many things the model is asked about."""
        ...

    def places(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """The numbers of the things that a batch of the examples `rows` asks about, in its order."""
        ...


MeasurableT = TypeVar("MeasurableT", bound=Measurable[Any])
MeasurableT_contra = TypeVar("MeasurableT_contra", bound=Measurable[Any], contravariant=True)


class Tally(Protocol[MeasurableT_contra]):
    """Metrics gathered data set by data set, or piece by piece of one."""

    def add(self, outputs: Outputs, examples: MeasurableT_contra) -> None:
        """Count all outputs of some examples."""
        ...

    def metrics(self) -> dict[str, float]:
        """The figures so far, `loss` among them."""
        ...


class Task(Protocol[BatchT_contra]):
    """One kind of training.

    A loss is a *sum* and a *count*, kept apart: the gradient of a global batch is that of the sum over all its
    parts divided by the count over all its parts, so that accumulation and ranks never change it.
    """

    def losses(self, model: nn.Module, batch: BatchT_contra) -> Mapping[str, Tensor]:
        """Sum of each loss over the batch; the total is the sum over names of sum / count."""
        ...

    def counts(self, batch: BatchT_contra) -> Mapping[str, float]:
        """What each loss's sum is to be divided by, before anything is computed."""
        ...

    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        """What a tally and a decoder read: a row for each thing; needs no labels."""
        ...

    def tally(self) -> Tally[Any]:
        """An empty tally."""
        ...
