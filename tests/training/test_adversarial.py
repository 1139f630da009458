"""The adversary moves the embeddings by epsilon along the gradient of the whole batch, and puts them back."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_training import WITH_DROPOUT, training, weights

import tiny
from bertwright.errors import UsageError
from bertwright.settings import FinetuneSettings
from bertwright.training.adversarial import Adversary
from bertwright.training.loop import Training

EPSILON = 0.37


def hostile(model: Any, **changed: Any) -> Training[Any]:
    """A small run with an adversary."""
    return replace(training(model, **changed), adversary=Adversary(words(model), EPSILON))


def words(model: Any) -> torch.nn.Parameter:
    found: torch.nn.Parameter = model.bert.embeddings.word_embeddings.weight
    return found


def batches_of(run: Training[Any], step: int = 0) -> list[Any]:
    lesson = run.course.preview(step)
    return run.loader.load(lesson.examples, lesson.rows)


@pytest.mark.parametrize("dense", [False, True])
def test_the_movement_has_norm_epsilon_and_the_gradients_direction(dense: bool):
    model = tiny.classifier(dtype=torch.float64)
    run = training(model)
    run.backward(0, batches_of(run))
    before, grad = words(model).detach().clone(), words(model).grad
    assert grad is not None
    if dense:
        words(model).grad = grad.to_dense()
    with Adversary(words(model), EPSILON).at_work():
        moved = words(model).detach() - before
    assert moved.norm().item() == pytest.approx(EPSILON, rel=1e-12)
    torch.testing.assert_close(moved, EPSILON * grad.to_dense() / grad.to_dense().norm(), rtol=1e-10, atol=1e-15)
    assert torch.equal(words(model), before)


def test_the_embeddings_are_back_after_an_error():
    model = tiny.classifier()
    run = training(model)
    run.backward(0, batches_of(run))
    before = words(model).detach().clone()

    def fail() -> None:
        with Adversary(words(model), EPSILON).at_work():
            assert not torch.equal(words(model), before)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert torch.equal(words(model), before)


def test_the_gradient_is_that_of_both_losses():
    """Computed a second time by hand, from a model whose embeddings are moved for good."""
    model, other = tiny.classifier(dtype=torch.float64), tiny.classifier(dtype=torch.float64)
    run, plain = hostile(model), training(other)
    losses = run.backward(0, batches_of(run))
    assert losses == plain.backward(0, batches_of(plain))
    grad = words(other).grad
    assert grad is not None
    clean = {name: p.grad.to_dense() for name, p in other.named_parameters() if p.grad is not None}
    other.zero_grad()
    words(other).data += EPSILON * grad.to_dense() / grad.to_dense().norm()
    assert plain.backward(0, batches_of(plain))["loss"] > losses["loss"]
    for name, parameter in other.named_parameters():
        assert parameter.grad is not None
        mine = dict(model.named_parameters())[name].grad
        assert mine is not None
        torch.testing.assert_close(mine.to_dense(), clean[name] + parameter.grad.to_dense(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("parts", [2, 3, 8])
def test_parts_of_a_batch_are_the_batch(parts: int):
    whole, cut = tiny.classifier(dtype=torch.float64), tiny.classifier(dtype=torch.float64)
    expected, found = list(hostile(whole).steps()), list(hostile(cut, accumulation=parts).steps())
    assert [step.grad_norm for step in found] == pytest.approx([step.grad_norm for step in expected], rel=1e-9)
    for name, weight in weights(whole).items():
        torch.testing.assert_close(weights(cut)[name], weight, rtol=0, atol=1e-9, msg=name)


def test_it_changes_the_run_and_going_on_equals_going_through():
    """Bit for bit, dropout included."""
    through = hostile(tiny.classifier(WITH_DROPOUT), steps=6, accumulation=3)
    expected = list(through.steps())
    assert expected != list(training(tiny.classifier(WITH_DROPOUT), steps=6, accumulation=3).steps())
    begun = hostile(tiny.classifier(WITH_DROPOUT), steps=6, accumulation=3)
    first = list(islice(begun.steps(), 2))
    resumed = hostile(tiny.classifier(WITH_DROPOUT, seed=1), steps=6, accumulation=3)
    resumed.model.load_state_dict(begun.model.state_dict())
    resumed.optimizer.load_state(begun.optimizer.state(), 2)
    assert first + list(resumed.steps(start=2)) == expected
    assert all(map(torch.equal, weights(resumed.model).values(), weights(through.model).values()))


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_without_a_direction_nothing_is_moved(value: float):
    model = tiny.classifier()
    run = training(model)
    run.backward(0, batches_of(run))
    grad = words(model).grad
    assert grad is not None
    words(model).grad = torch.full_like(grad.to_dense(), value)
    before = words(model).detach().clone()
    with Adversary(words(model), EPSILON).at_work():
        assert torch.equal(words(model), before)


def test_frozen_embeddings_have_no_gradient(tmp_path: Path):
    given = {"model": "m", "train": "t", "output_dir": tmp_path, "adversarial_epsilon": 1.0, "freeze_layers": 0}
    with pytest.raises(
        UsageError, match=r"^adversarial_epsilon needs the gradient of the word embeddings, which freeze"
    ):
        FinetuneSettings.create(given)
