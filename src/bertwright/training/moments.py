"""What an optimizer keeps of a parameter's gradients, and the form of a rule that makes a step of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import torch
from torch import Tensor

BETAS = (0.9, 0.999)
"""Decay of the two moments, as in BERT."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Of one parameter; all three are updated in place.

    Attributes:
        exp_avg: Running mean of the gradients, in the parameter's shape.
        exp_avg_sq: Running mean of their squares, in the parameter's shape.
        step: How many gradients it has seen, a scalar of float32 on the parameter's device.
    """

    exp_avg: Tensor
    exp_avg_sq: Tensor
    step: Tensor

    @classmethod
    def none(cls, parameter: Tensor) -> Self:
        """Before the first gradient."""
        step = torch.zeros((), dtype=torch.float32, device=parameter.device)
        return cls(torch.zeros_like(parameter), torch.zeros_like(parameter), step)


class Moving(NamedTuple):
    """A parameter that a step moves, its gradient, which is dense, and what is kept of the ones before."""

    parameter: Tensor
    gradient: Tensor
    moments: Moments


class Update(Protocol):
    """Adds the gradients to the moments and moves the parameters, all in place."""

    def __call__(self, moving: Sequence[Moving], *, learning_rate: float, weight_decay: float) -> None:
        """One step of parameters that share a rate and a decay."""
