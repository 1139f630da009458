"""LAMB against the paper's formulas, written out plainly; and its place in the optimizer."""

import pytest
import torch
from torch import Tensor

import tiny
from bertwright.training.lamb import lamb
from bertwright.training.moments import Moments, Moving
from bertwright.training.optimizer import Optimizer


def by_the_book(weights: Tensor, gradients: list[Tensor], *, rate: float, decay: float) -> Tensor:
    """Algorithm 2 of You et al. 2020, with bias correction; phi is the identity."""
    x, m, v = weights.double().clone(), torch.zeros_like(weights).double(), torch.zeros_like(weights).double()
    for t, g in enumerate(gradients, 1):
        m = 0.9 * m + 0.1 * g.double()
        v = 0.999 * v + 0.001 * g.double() ** 2
        r = (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-6)
        r = r + decay * x
        if x.ndim > 1:
            r = r * (x.norm() / r.norm())
        x = x - rate * r
    return x


@pytest.mark.parametrize(("shape", "decay"), [((5, 7), 0.0), ((5, 7), 0.01), ((5, 7), 0.3), ((7,), 0.0)])
def test_steps_are_the_papers(shape: tuple[int, ...], decay: float):
    torch.manual_seed(0)
    weights, gradients = torch.randn(shape), [torch.randn(shape) for _ in range(6)]
    parameter = weights.clone()
    moments = Moments.none(parameter)
    for gradient in gradients:
        lamb([Moving(parameter, gradient, moments)], learning_rate=0.01, weight_decay=decay)
    expected = by_the_book(weights, gradients, rate=0.01, decay=decay)
    torch.testing.assert_close(parameter.double(), expected, rtol=1e-5, atol=1e-6)


def test_a_parameter_of_zeros_moves():
    """Its length is 0, and a step of length 0 would keep it so for ever."""
    parameter = torch.zeros(3, 3)
    lamb([Moving(parameter, torch.ones(3, 3), Moments.none(parameter))], learning_rate=0.1, weight_decay=0.1)
    assert parameter.abs().min() > 0


def test_its_state_goes_on():
    """Saved after three steps and taken over by another: bit for bit as if nothing had happened."""
    models = [tiny.classifier() for _ in range(2)]
    optimizers = [Optimizer(model, weight_decay=0.01, rule="lamb") for model in models]

    def step(number: int, seed: int) -> None:
        torch.manual_seed(seed)
        for parameter in models[number].parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizers[number].step(0.01)

    for seed in range(3):
        step(0, seed)
    models[1].load_state_dict(models[0].state_dict())
    optimizers[1].load_state({name: tensor.clone() for name, tensor in optimizers[0].state().items()}, 3)
    for number in range(2):
        step(number, 9)
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(one, other)
