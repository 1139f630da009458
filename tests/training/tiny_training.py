"""Runs of the tiny BERT on random texts, and the golden curve: after a change that is meant to move it,

PYTHONPATH=src:tests python tests/training/tiny_training.py > tests/golden/tiny_finetuning.json
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import tiny
from bertwright.batches.loader import Loader
from bertwright.batches.order import BatchOrder, stream
from bertwright.tasks.classification import Classification
from bertwright.tasks.texts import LabelledBatch, LabelledTexts
from bertwright.training.course import Epochs
from bertwright.training.device import Compute
from bertwright.training.loop import Step, Training
from bertwright.training.optimizer import Optimizer
from bertwright.training.schedule import Schedule

LABELS = tiny.CONFIG.labels
CPU = torch.device("cpu")
WITH_DROPOUT = replace(tiny.CONFIG, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.2)


def labelled(count: int = 26, seed: int = 0) -> LabelledTexts:
    """Random texts of 1 to 9 tokens with random labels, from line 2 of a file on."""
    draws = stream(seed, 5).random_raw(2 * count) >> np.uint64(20)
    lengths, labels = draws[:count] % 9 + 1, draws[count:] % len(LABELS)
    return LabelledTexts(
        tiny.encoded(lengths.tolist(), seed), labels.astype(np.int64), np.arange(count) + 2, Path("train.csv")
    )


def training(
    model: nn.Module,
    *,
    data: LabelledTexts | None = None,
    task: Classification | None = None,
    steps: int = 6,
    batch_size: int = 8,
    peak: float = 1e-3,
    accumulation: int = 1,
    seed: int = 3,
    compute: Compute | None = None,
    **optimizer: Any,
) -> Training[LabelledBatch]:
    """A run as fine-tuning wires it."""
    data = labelled() if data is None else data
    return Training(
        model=model,
        task=Classification(LABELS) if task is None else task,
        course=Epochs(
            data, BatchOrder(data.lengths, batch_size, seed=seed), Schedule.create(peak, steps, 0.1, "linear")
        ),
        optimizer=Optimizer(model, **{"weight_decay": 0.01, "max_grad_norm": 1.0, **optimizer}),
        compute=Compute(CPU, "fp32") if compute is None else compute,
        seed=seed,
        loader=Loader(accumulation),
    )


def weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy of all parameters by name."""
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def golden_run(dtype: torch.dtype) -> list[Step]:
    """20 steps with everything on: dropout, class weights, smoothing, accumulation, layer-wise rates, clipping."""
    task = Classification(LABELS, weights=np.array([0.5, 1.0, 2.0, 0.8]), smoothing=0.1)
    model = tiny.classifier(WITH_DROPOUT, dtype=dtype)
    return list(training(model, task=task, steps=20, accumulation=3, layer_decay=0.9).steps())


def curve(steps: Iterable[Step]) -> dict[str, list[float]]:
    """Loss and gradient norm of each step."""
    losses, norms = zip(*((step.loss, step.grad_norm) for step in steps), strict=True)
    return {"losses": list(losses), "grad_norms": list(norms)}


if __name__ == "__main__":
    json.dump({"torch": torch.__version__, **curve(golden_run(torch.float64))}, sys.stdout, indent=1)
    sys.stdout.write("\n")
