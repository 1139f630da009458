"""The learning rate as a pure function of the step. Knows nothing of optimizers."""

import math
from dataclasses import dataclass
from typing import Literal

Shape = Literal["linear", "cosine", "constant"]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Warm-up from 0 to the peak, then a fall to 0 (linear, half a cosine) or none.

    No step is wasted on a rate of 0: the first of W warm-up steps has 1/W of the peak, and the last step of a
    linear fall over D steps has 1/D of it. (transformers begins one step earlier, at 0.)

    Attributes:
        peak: Highest learning rate.
        total_steps: Steps of the whole run.
        warmup_steps: Steps of the rise.
        shape: What follows the rise.
    """

    peak: float
    total_steps: int
    warmup_steps: int
    shape: Shape = "linear"

    @classmethod
    def create(cls, peak: float, total_steps: int, warmup_ratio: float, shape: Shape) -> "Schedule":
        """A schedule whose warm-up is a share of the steps."""
        return cls(peak, total_steps, math.ceil(total_steps * warmup_ratio), shape)

    def at(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        if step < self.warmup_steps:
            return self.peak * (step + 1) / self.warmup_steps
        left = (self.total_steps - step) / (self.total_steps - self.warmup_steps)
        if self.shape == "linear":
            return self.peak * left
        if self.shape == "cosine":
            return self.peak * 0.5 * (1.0 - math.cos(math.pi * left))
        return self.peak
