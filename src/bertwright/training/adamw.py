"""AdamW: the quotient of the moments is the step, the decay goes beside it (Loshchilov & Hutter 2019, algorithm 2)."""

from collections.abc import Sequence

from torch import Tensor
from torch.optim.adamw import adamw as torch_adamw

from bertwright.training.moments import Moments


def adamw(
    parameters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    moments: Sequence[Moments],
    *,
    learning_rate: float,
    weight_decay: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> None:
    """One step by torch's fused kernel.

    The function, not the class `torch.optim.AdamW`: what makes one imports torch's compiler, which takes seconds that
    a short run does not have.

    Args:
        parameters: What is moved.
        gradients: One for each.
        moments: One for each.
        learning_rate: Length of the step.
        weight_decay: Share of each parameter, times the rate, that it loses.
        betas: Decay of the two moments.
        eps: Keeps the quotient finite.
    """
    torch_adamw(
        list(parameters),
        list(gradients),
        [each.exp_avg for each in moments],
        [each.exp_avg_sq for each in moments],
        [],
        [each.step for each in moments],
        fused=True,
        amsgrad=False,
        beta1=betas[0],
        beta2=betas[1],
        lr=learning_rate,
        weight_decay=weight_decay,
        eps=eps,
        maximize=False,
    )
