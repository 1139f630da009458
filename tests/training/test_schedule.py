"""The schedule: its shapes, that no step is wasted on a rate of 0, and transformers' own."""

import math
from itertools import pairwise
from typing import get_args

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from bertwright.training.schedule import Schedule, Shape

RUNS = st.integers(1, 300).flatmap(lambda total: st.tuples(st.just(total), st.integers(0, total)))
SHAPES = st.sampled_from(get_args(Shape))


def rates(total: int, warmup: int, shape: Shape, peak: float = 1.0) -> list[float]:
    schedule = Schedule(peak, total, warmup, shape)
    return [schedule.at(step) for step in range(total)]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("linear", [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]),
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("cosine", [0.5, 1.0, 1.0, 0.5 + 8**-0.5, 0.5, 0.5 - 8**-0.5]),
        ("constant-decay", [0.5, 1.0, 1.0, 1.0, 1.0, 0.5]),
    ],
)
def test_shapes(shape: Shape, expected: list[float]):
    assert rates(6, 2, shape) == pytest.approx(expected)
    assert rates(6, 2, shape, peak=5e-5) == pytest.approx([5e-5 * rate for rate in expected])


@given(RUNS, SHAPES)
def test_rises_then_falls_and_never_rests(run: tuple[int, int], shape: Shape):
    total, warmup = run
    found = rates(total, warmup, shape, peak=2.0)
    assert all(0.0 < rate <= 2.0 for rate in found)
    assert max(found) == 2.0
    assert all(rate < later for rate, later in pairwise(found[:warmup]))
    fall = found[warmup:]
    rests = {"constant": 0, "constant-decay": min(len(fall), math.ceil(total / 5))}.get(
        shape, len(fall)
    )  # places that fall
    steady, falling = fall[: len(fall) - rests], fall[len(fall) - rests :]
    assert set(steady) <= {2.0} or shape in ("linear", "cosine")
    assert all(rate > later for rate, later in pairwise(falling))


@given(RUNS)
def test_sums_of_the_rates(run: tuple[int, int]):
    """A rise of W steps sums to (W + 1) / 2, a fall of D steps as well, straight or as half a cosine."""
    total, warmup = run
    fall = total - warmup
    rise = (warmup + 1) / 2 if warmup else 0.0
    assert sum(rates(total, warmup, "constant")) == pytest.approx(rise + fall)
    for shape in ("linear", "cosine"):
        assert sum(rates(total, warmup, shape)) == pytest.approx(rise + ((fall + 1) / 2 if fall else 0.0))


def transformers_rates(total: int, warmup: int, shape: Shape) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    warmups = {"linear": (warmup, total), "cosine": (warmup, total), "constant": (warmup,)}
    make = {
        "linear": transformers.get_linear_schedule_with_warmup,
        "cosine": transformers.get_cosine_schedule_with_warmup,
        "constant": transformers.get_constant_schedule_with_warmup,
    }[shape]
    schedule = make(optimizer, *warmups[shape])
    found = []
    for _ in range(total + 1):
        found.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize("shape", ["linear", "cosine", "constant"])
@pytest.mark.parametrize(("total", "warmup"), [(20, 0), (20, 5), (20, 19), (1, 0), (7, 1)])
def test_transformers_rises_one_step_later(total: int, warmup: int, shape: Shape):
    """The same fall; but its warm-up begins with a step of 0, where ours takes its first."""
    theirs = transformers_rates(total, warmup, shape)
    assert rates(total, warmup, shape) == pytest.approx(theirs[1 : warmup + 1] + theirs[warmup:total])


@given(st.integers(1, 10_000), st.floats(0, 1), SHAPES)
def test_the_warm_up_is_a_share_of_the_steps(total: int, ratio: float, shape: Shape):
    schedule = Schedule.create(3e-5, total, ratio, shape)
    assert schedule == Schedule(3e-5, total, math.ceil(total * ratio), shape)
    assert 0 <= schedule.warmup_steps <= total
    assert schedule.at(total - 1) > 0
