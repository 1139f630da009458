"""LAMB: AdamW whose step of each parameter is as long as the parameter, times the rate (You et al. 2020, algorithm 2).

For batches of thousands of sequences, where one rate does not suit all layers. Its state is named as AdamW's.
"""

from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor


class Lamb(torch.optim.Optimizer):
    """The rule.

    Args:
        params: Parameters, or groups of them with their own `weight_decay`.
        lr: Learning rate.
        betas: Decay of the two moments.
        eps: Keeps the quotient of the moments finite.
        weight_decay: Decoupled decay. Vectors (biases, norms) have none and take plain Adam steps, as in the authors'
            code.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update every parameter that has a gradient."""
        assert closure is None, "not used here"
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return None

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        taken, (beta1, beta2) = float(state["step"]), group["betas"]
        mean = state["exp_avg"].lerp_(parameter.grad, 1 - beta1)
        square = state["exp_avg_sq"].mul_(beta2).addcmul_(parameter.grad, parameter.grad, value=1 - beta2)
        root = (square / (1 - beta2**taken)).sqrt_().add_(group["eps"])
        update = (mean / (1 - beta1**taken)).div_(root)
        trust = 1.0
        update.add_(parameter, alpha=group["weight_decay"])
        if parameter.ndim > 1:
            lengths = parameter.norm(), update.norm()
            trust = float(lengths[0] / lengths[1]) if all(lengths) else 1.0
        parameter.sub_(update, alpha=group["lr"] * trust)
