"""The average of the weights is the recursion of the paper; the training itself goes on as without it."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny_training import training, weights

import tiny
from bertwright.training.averaging import Average
from bertwright.training.loop import Training
from bertwright.training.optimizer import freeze

DECAY = 0.8


def averaged(model: Any, **changed: Any) -> Training[Any]:
    return replace(training(model, **changed), average=Average(model, DECAY))


def test_it_is_the_recursion_of_the_paper():
    """Kingma & Ba (2015): m(t) = d m(t - 1) + (1 - d) w(t), over 1 - d ** t; the first weights have no part in it."""
    model = tiny.classifier(dtype=torch.float64)
    run = averaged(model, steps=7)
    sums = {name: torch.zeros_like(weight) for name, weight in weights(model).items()}
    for step in run.steps():
        for name, weight in weights(model).items():
            sums[name] = DECAY * sums[name] + (1 - DECAY) * weight
        mine = weights(model)
        with run.averaged():
            for name, weight in weights(model).items():
                torch.testing.assert_close(
                    weight, sums[name] / (1 - DECAY**step.step), rtol=1e-11, atol=1e-13, msg=name
                )
        assert all(map(torch.equal, weights(model).values(), mine.values()))


def test_after_one_step_it_is_the_weights():
    model = tiny.classifier()
    run = averaged(model, steps=5)
    next(run.steps())
    mine = weights(model)
    with run.averaged():
        assert all(map(torch.equal, weights(model).values(), mine.values()))


@pytest.mark.parametrize("parts", [1, 3])
def test_the_training_is_the_same(parts: int):
    """Bit for bit: the average is looked at, and never learned from."""
    plain, model = tiny.classifier(), tiny.classifier()
    expected = list(training(plain, accumulation=parts).steps())
    run = averaged(model, accumulation=parts)
    found = []
    for step in run.steps():
        found.append(step)
        with run.averaged():
            model(tiny.flat(tiny.LENGTHS))
    assert found == expected
    assert all(map(torch.equal, weights(model).values(), weights(plain).values()))


def test_parts_of_a_batch_are_the_batch():
    found = []
    for parts in (1, 4):
        model = tiny.classifier(dtype=torch.float64)
        run = averaged(model, accumulation=parts)
        list(run.steps())
        with run.averaged():
            found.append(weights(model))
    for name, weight in found[0].items():
        torch.testing.assert_close(found[1][name], weight, rtol=0, atol=1e-11, msg=name)


def test_what_is_frozen_stays():
    model = tiny.classifier()
    frozen = freeze(model, 1)
    run = averaged(model)
    before = weights(model)
    list(run.steps())
    with run.averaged():
        assert all(torch.equal(weights(model)[name], before[name]) for name in frozen)
    assert not set(run.average.state() if run.average else ()) & set(frozen)


def test_its_own_weights_are_back_after_an_error():
    model = tiny.classifier()
    run = averaged(model)
    list(run.steps())
    mine = weights(model)

    def fail() -> None:
        with run.averaged():
            assert not all(map(torch.equal, weights(model).values(), mine.values()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert all(map(torch.equal, weights(model).values(), mine.values()))
