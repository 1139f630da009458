"""LAMB: AdamW whose step of each parameter is as long as the parameter, times the rate (You et al. 2020, algorithm 2).

For batches of thousands of sequences, where one rate does not suit all layers.
"""

import math
from collections.abc import Sequence

from torch import Tensor

from bertwright.training.moments import BETAS, Moments, Moving

EPS = 1e-6  # keeps the quotient of the moments finite


def lamb(moving: Sequence[Moving], *, learning_rate: float, weight_decay: float) -> None:
    """One step. Vectors (biases, norms) take plain Adam steps, as in the authors' code.

    Args:
        moving: What is moved.
        learning_rate: Length of the step of a matrix, as a share of the matrix's own.
        weight_decay: Share of each parameter that is added to its step.
    """
    for parameter, gradient, moments in moving:
        update = _direction(gradient, moments).add_(parameter, alpha=weight_decay)
        parameter.sub_(update, alpha=learning_rate * _trust(parameter, update))


def _direction(gradient: Tensor, kept: Moments) -> Tensor:
    """The quotient of the moments, both corrected for having begun at 0."""
    kept.step.add_(1)
    taken, (beta1, beta2) = float(kept.step), BETAS
    mean = kept.exp_avg.lerp_(gradient, 1 - beta1)
    square = kept.exp_avg_sq.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    begun1, begun2 = 1 - math.pow(beta1, taken), 1 - math.pow(beta2, taken)
    return (mean / begun1).div_((square / begun2).sqrt_().add_(EPS))


def _trust(parameter: Tensor, update: Tensor) -> float:
    """How long a matrix is as a share of its step; 1 where either is all zeros, or it would never move."""
    if parameter.ndim < 2:
        return 1.0
    lengths = parameter.norm(), update.norm()
    return float(lengths[0] / lengths[1]) if all(lengths) else 1.0
