"""What an optimizer keeps of a parameter's gradients, and the form of a rule that makes a step of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor


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


class Update(Protocol):
    """Adds the gradients to the moments and moves the parameters, all in place."""

    def __call__(
        self,
        parameters: Sequence[Tensor],
        gradients: Sequence[Tensor],
        moments: Sequence[Moments],
        *,
        learning_rate: float,
        weight_decay: float,
    ) -> None:
        """One step of parameters that share a rate and a decay; all dense."""
