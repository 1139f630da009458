"""What a training will take: the counts are exact, and memory goes with the batch; times are for the reader."""

from itertools import count
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch

import tiny
from bertwright.settings import FinetuneSettings
from bertwright.tasks.classification import Classification
from bertwright.tasks.texts import LabelledTexts
from bertwright.training.device import Compute, memory_of
from bertwright.training.estimate import Estimate, estimate

TASK = Classification(tiny.SIZES["labels"])
CPU = Compute.create("cpu", "fp32")


def estimated(**changed: object) -> Estimate:
    settings = FinetuneSettings.create({"model": "m", "train": "t", "output_dir": "o", "batch_size": 5, **changed})
    lengths = tiny.LENGTHS
    examples = LabelledTexts(tiny.encoded(lengths), np.zeros(13, np.int64), np.arange(13), Path("t.csv"))
    return estimate(TASK, tiny.CONFIG, examples, settings, CPU, part=0.5, evaluated=0.1)


def test_steps_tokens_and_weights_are_counted() -> None:
    found = estimated(epochs=4)
    assert found.steps == 4 * 6  # 26 rows, of which these are half, in batches of 5
    assert found.tokens == int(24 * 5 * sum(tiny.LENGTHS) / 13)
    assert found.weights == sum(weights.numel() for weights in tiny.classifier().parameters())
    assert estimated(max_steps=7).steps == 7
    assert found.seconds > 0


def test_every_training_of_seeds_and_folds_takes_its_time() -> None:
    """Those of F folds learn from one part in F less, if it is the rows that say how long they learn."""
    with patch("bertwright.training.estimate.perf_counter", count().__next__):  # each step takes one second
        one, seeds, folds, fixed = (
            estimated(**given)
            for given in ({}, {"seeds": 3}, {"seeds": 3, "folds": 5}, {"seeds": 3, "folds": 5, "max_steps": 18})
        )
    assert one.steps == fixed.steps == 18
    assert [found.trainings for found in (one, seeds, folds, fixed)] == [1, 3, 8, 8]
    assert [found.seconds / one.seconds for found in (seeds, folds, fixed)] == pytest.approx([3, 7, 8])


def test_memory_goes_with_the_largest_part_of_a_batch() -> None:
    one, two, parts = (estimated(**given).memory for given in ({}, {"batch_size": 13}, {"gradient_accumulation": 5}))
    assert parts < one < two


def test_it_draws_nothing_from_the_callers_random_numbers() -> None:
    before = torch.get_rng_state()
    estimated()
    assert torch.equal(before, torch.get_rng_state())


def test_the_machine_has_memory() -> None:
    assert memory_of(torch.device("cpu")) > 2**28
