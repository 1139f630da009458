"""Dropout whose random bits cost little on a CPU.

`torch.nn.functional.dropout` draws one number after the other on one core there: a sixth of a training step
(docs/log.md). Here one 64-bit draw of SFC64 decides four elements, and the mask is applied in the same pass as
the residual. On other devices torch's own kernel is used.

All randomness follows from torch's default generator, which gives one seed for each forward pass:
`torch.manual_seed(k)` makes a pass repeatable on every device.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

_STEPS = 1 << 16  # probabilities are rounded to this grain: 0.1 becomes 0.100006


class Dropout:
    """The dropouts of one forward pass; `Dropout(0.0 or training=False)` leaves everything as it is."""

    def __init__(self, device: torch.device, *, training: bool) -> None:
        self.training = training
        self._bits: np.random.SFC64 | None = None
        if training and device.type == "cpu":
            self._bits = np.random.SFC64(int(torch.randint(2**63 - 1, ())))

    def __call__(self, x: Float[Tensor, "*shape"], p: float) -> Float[Tensor, "*shape"]:
        """Zero each element with probability p and scale the others by 1 / (1 - p)."""
        if not self.training or p == 0.0:
            return x
        if self._bits is None:
            return functional.dropout(x, p)
        return x * self._kept(x, p).mul_(_scale(p))

    def add(self, residual: Float[Tensor, "*shape"], x: Float[Tensor, "*shape"], p: float) -> Float[Tensor, "*shape"]:
        """`residual + dropout(x)`, in one pass over memory on a CPU."""
        if not self.training or p == 0.0:
            return residual + x
        if self._bits is None:
            return residual + functional.dropout(x, p)
        return torch.addcmul(residual, x, self._kept(x, p), value=_scale(p))

    def _kept(self, x: Float[Tensor, "*shape"], p: float) -> Float[Tensor, "*shape"]:
        """1 where an element stays, 0 where it goes."""
        assert self._bits is not None
        draws = self._bits.random_raw(-(-x.numel() // 4))
        numbers = torch.from_numpy(draws.view(np.int16))[: x.numel()].view(x.shape)
        return (numbers >= _dropped(p) - _STEPS // 2).to(x.dtype)


def _dropped(p: float) -> int:
    return round(p * _STEPS)


def _scale(p: float) -> float:
    return 1.0 / (1.0 - _dropped(p) / _STEPS)
