"""AdamW: the quotient of the moments is the step, the decay goes beside it (Loshchilov & Hutter 2019, algorithm 2)."""

from collections.abc import Sequence

from torch.optim.adamw import adamw as torch_adamw

from bertwright.training.moments import BETAS, Moving

EPS = 1e-8  # keeps the quotient finite


def adamw(moving: Sequence[Moving], *, learning_rate: float, weight_decay: float) -> None:
    """One step by torch's fused kernel.

    The function, not the class `torch.optim.AdamW`: what makes one imports torch's compiler, which takes seconds that
    a short run does not have.

    Args:
        moving: What is moved.
        learning_rate: Length of the step.
        weight_decay: Share of each parameter, times the rate, that it loses.
    """
    parameters, gradients, moments = zip(*moving, strict=True)
    torch_adamw(
        list(parameters),
        list(gradients),
        [each.exp_avg for each in moments],
        [each.exp_avg_sq for each in moments],
        [],
        [each.step for each in moments],
        fused=True,
        amsgrad=False,
        beta1=BETAS[0],
        beta2=BETAS[1],
        lr=learning_rate,
        weight_decay=weight_decay,
        eps=EPS,
        maximize=False,
    )
