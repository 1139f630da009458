"""What a training will take, in time and memory, from a few timed steps of a thinner model: an estimate, no promise.

The same task is trained on one small batch with one layer and with two: what the second one adds is what each layer
takes, and the rest is there once. Knows nothing of files.
"""

import math
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from bertwright.model.config import BertConfig
from bertwright.settings import FinetuneSettings
from bertwright.tasks.finetuning import TaskExamples
from bertwright.tasks.kinds import AnyTask
from bertwright.training.device import Compute
from bertwright.training.optimizer import Optimizer

_TOKENS = 512  # of the timed batch, or one example
_TIMES = 3
_BYTES_PER_WEIGHT = 16  # in fp32: itself, its gradient, AdamW's two moments
_PYTHON_AND_TORCH = 400 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a training will take.

    Attributes:
        steps: Optimizer steps of one training, the longest where there are several.
        trainings: How many there are, of seeds and of folds.
        tokens: That go through the model, in all steps of one.
        seconds: All trainings, and an evaluation in each epoch.
        memory: Bytes, at the largest batch.
        weights: Numbers in the model.
    """

    steps: int
    trainings: int
    tokens: int
    seconds: float
    memory: int
    weights: int

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


class _Taken(NamedTuple):
    """What one batch takes."""

    step: float
    """Seconds, forward and backward."""
    update: float
    """Seconds in the optimizer."""
    saved: float
    """Bytes that are kept for the way back."""
    weights: float

    def without(self, other: "_Taken") -> "_Taken":
        """What it takes more; never less than nothing, whatever disturbed the clock."""
        return _Taken(*(max(own - less, 0.0) for own, less in zip(self, other, strict=True)))

    def and_times(self, more: "_Taken", times: int) -> "_Taken":
        """With that again and again."""
        return _Taken(*(own + times * again for own, again in zip(self, more, strict=True)))


def estimate(
    task: AnyTask,
    config: BertConfig,
    examples: TaskExamples[Any],
    settings: FinetuneSettings,
    compute: Compute,
    *,
    part: float,
    evaluated: float,
) -> Estimate:
    """Estimate a training.

    Args:
        task: What is learned.
        config: The model's.
        examples: Training examples, all or some.
        settings: Batches, epochs and the like.
        compute: Where, and how precisely.
        part: Which part of all training examples these are.
        evaluated: Rows that are evaluated in an epoch, for each that is learned from.
    """
    lengths = examples.lengths
    per_epoch = math.ceil(len(lengths) / part / settings.batch_size)
    steps = settings.max_steps or settings.epochs * per_epoch
    rows = np.arange(max(1, int(np.searchsorted(np.cumsum(lengths), _TOKENS))))[: settings.batch_size]
    tokens = int(lengths[rows].sum())
    with torch.random.fork_rng(devices=[]):
        one, two = (_taken(task, replace(config, num_hidden_layers=n), examples, rows, compute) for n in (1, 2))
    layer = two.without(one)
    whole = one.and_times(layer, config.num_hidden_layers - 1)
    per_token = config.num_hidden_layers * layer.step / tokens
    per_step = float(lengths.mean()) * min(settings.batch_size, len(lengths) / part)
    passes = 2 if settings.adversarial_epsilon else 1
    once = one.without(layer).step * passes + whole.update
    seconds = steps * (once + per_token * per_step * (passes + evaluated / 3))  # no way back in an evaluation
    at_once = math.ceil(settings.batch_size / settings.gradient_accumulation)
    largest = int(np.sort(lengths)[::-1][:at_once].sum())
    memory = (
        _PYTHON_AND_TORCH
        + whole.weights * (_BYTES_PER_WEIGHT + (4 if settings.ema_decay else 0))
        + whole.saved * largest / tokens
    )
    folds = settings.folds or 0
    shorter = 0 if settings.max_steps or not folds else 1  # each fold is without its own part: one in all
    seconds *= settings.seeds + folds - shorter
    weights = int(whole.weights)
    return Estimate(steps, settings.seeds + folds, int(steps * per_step), seconds, int(memory), weights)


def _taken(
    task: AnyTask, config: BertConfig, examples: TaskExamples[Any], rows: np.ndarray, compute: Compute
) -> _Taken:
    """Train a model with random weights on one batch, a few times; the best time counts."""
    model = task.head(config).to(compute.device).train()
    batch = examples.batch(rows).to(compute.device)
    optimizer = Optimizer(model, weight_decay=0.01)
    saved = _SavedBytes(model)
    with torch.autograd.graph.saved_tensors_hooks(saved.pack, _same):
        _loss(task, model, batch, compute).backward()  # type: ignore[no-untyped-call]
    times = []
    for _ in range(_TIMES):
        begun = _now(compute)
        _loss(task, model, batch, compute).backward()  # type: ignore[no-untyped-call]
        stepped = _now(compute)
        optimizer.step(0.0)
        times.append((stepped - begun, _now(compute) - stepped))
    step, update = (min(found) for found in zip(*times, strict=True))
    return _Taken(step, update, saved.bytes, sum(weights.numel() for weights in model.parameters()))


def _loss(task: AnyTask, model: nn.Module, batch: Any, compute: Compute) -> Tensor:
    with compute.autocast():
        losses = task.losses(model, batch)
    return torch.stack([*losses.values()]).sum()


class _SavedBytes:
    """Counts the memory of tensors that autograd keeps, each piece of it once and the weights not at all."""

    def __init__(self, model: nn.Module) -> None:
        self.bytes = 0
        self._seen = {weights.untyped_storage().data_ptr() for weights in model.parameters()}

    def pack(self, tensor: Tensor) -> Tensor:
        """Count a tensor, and keep it as it is."""
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._seen:
            self._seen.add(storage.data_ptr())
            self.bytes += storage.nbytes()
        return tensor


def _same(tensor: Tensor) -> Tensor:
    return tensor


def _now(compute: Compute) -> float:
    if compute.device.type == "cuda":
        torch.cuda.synchronize(compute.device)
    return perf_counter()
