"""Focal losses: with gamma 0 they are torch's cross-entropies; else what a formula written out gives."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

import tiny
from bertwright.errors import UsageError
from bertwright.settings import FinetuneSettings
from bertwright.tasks.classification import Classification
from bertwright.tasks.focal import focal_binary_cross_entropy, focal_cross_entropy
from bertwright.tasks.multilabel import MultiLabel
from bertwright.tasks.texts import LabelledTexts

DRAW = torch.Generator().manual_seed(3)
LOGITS = 3 * torch.randn((13, 4), generator=DRAW, dtype=torch.float64)
LABELS = torch.randint(0, 4, (13,), generator=DRAW)
TRUTH = torch.randint(0, 2, (13, 4), generator=DRAW).double()
WEIGHTS = torch.tensor([0.3, 1.0, 2.5, 0.7], dtype=torch.float64)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["even", "weighted"])
def test_with_gamma_0_they_are_torchs(weights: torch.Tensor | None):
    """Losses and gradients."""
    for ours, theirs in (
        (
            focal_cross_entropy(found := LOGITS.clone().requires_grad_(), LABELS, 0.0, weights),
            functional.cross_entropy(wanted := LOGITS.clone().requires_grad_(), LABELS, weights, reduction="sum"),
        ),
        (
            focal_binary_cross_entropy(found, TRUTH, 0.0, weights),
            functional.binary_cross_entropy_with_logits(wanted, TRUTH, pos_weight=weights, reduction="sum"),
        ),
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-13, atol=0)
        ours.backward()
        theirs.backward()
        torch.testing.assert_close(found.grad, wanted.grad, rtol=1e-12, atol=1e-13)


@given(st.floats(0.1, 5.0))
def test_the_formula_written_out(gamma: float):
    total = binary = 0.0
    for row, label, truth in zip(LOGITS.tolist(), LABELS.tolist(), TRUTH.tolist(), strict=True):
        p = math.exp(row[label]) / sum(map(math.exp, row))
        total -= WEIGHTS[label].item() * (1 - p) ** gamma * math.log(p)
        for logit, true, weight in zip(row, truth, WEIGHTS.tolist(), strict=True):
            q = 1 / (1 + math.exp(-logit if true else logit))
            binary -= (weight if true else 1.0) * (1 - q) ** gamma * math.log(q)
    assert focal_cross_entropy(LOGITS, LABELS, gamma, WEIGHTS).item() == pytest.approx(total, rel=1e-9)
    assert focal_binary_cross_entropy(LOGITS, TRUTH, gamma, WEIGHTS).item() == pytest.approx(binary, rel=1e-9)


def test_what_is_quite_sure_has_a_slope():
    """A power below 1 of exactly 0 has none."""
    sure = torch.tensor([[200.0, -200.0]], requires_grad=True)
    (
        focal_cross_entropy(sure, torch.tensor([0]), 0.5)
        + focal_binary_cross_entropy(sure, (sure.detach() > 0).float(), 0.5)
    ).backward()
    assert sure.grad is not None
    assert sure.grad.isfinite().all()


@pytest.mark.parametrize("pieces", [[6, 7], [1, 9, 3]], ids=str)
def test_parts_of_a_batch_are_the_batch(pieces: list[int]):
    """And a task without gamma has the loss that it always had."""
    model = tiny.classifier(dtype=torch.float64)
    for task, labels in (
        (Classification(tiny.CONFIG.labels, focal_gamma=2.0, weights=WEIGHTS.numpy()), LABELS.numpy()),
        (MultiLabel(tiny.CONFIG.labels, focal_gamma=2.0), TRUTH.numpy()),
    ):
        data = LabelledTexts(tiny.encoded(tiny.LENGTHS), labels, np.arange(13), Path("x"))
        whole = task.losses(model, data.batch(np.arange(13)))["loss"]
        parts = [data.batch(rows) for rows in np.split(np.arange(13), np.cumsum(pieces)[:-1])]
        torch.testing.assert_close(sum(task.losses(model, part)["loss"] for part in parts), whole, rtol=1e-13, atol=0)
        task.focal_gamma = 0.0
        assert task.losses(model, data.batch(np.arange(13)))["loss"] > whole  # what is sure counts in full


def test_not_together_with_smoothing():
    told = r"^focal_gamma and label_smoothing want opposite things of what is sure: give one of them$"
    with pytest.raises(UsageError, match=told):
        FinetuneSettings.create(
            {"model": "m", "train": "t", "output_dir": "o", "focal_gamma": 2.0, "label_smoothing": 0.1}
        )
