"""The learning rate as a pure function of how much is done. Knows nothing of optimizers."""

import math
from dataclasses import dataclass
from typing import Literal

Shape = Literal["linear", "cosine", "constant", "constant-decay"]

DECAY = 0.2  # share of a constant-decay course in which the rate falls (Hägele et al. 2024, section 3)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Warm-up from 0 to the peak, then a fall to 0 (linear, half a cosine, linear at the end alone) or none.

    No step is wasted on a rate of 0: the first of W warm-up steps has 1/W of the peak, and the last step of a
    linear fall over D steps has 1/D of it. (transformers begins one step earlier, at 0.)

    Attributes:
        peak: Highest learning rate.
        total_steps: Length of the whole run, in steps; or in seconds, where the clock decides.
        warmup_steps: Length of the rise, in the same unit.
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

    def at(self, step: float) -> float:
        """Learning rate of a step, counted from 0, or of a second."""
        if step < self.warmup_steps:
            return min(self.peak * (step + 1) / self.warmup_steps, self.peak)
        fall = self.total_steps - self.warmup_steps
        if self.shape == "constant-decay":
            fall = max(1, min(fall, math.ceil(self.total_steps * DECAY)))
        left = min((self.total_steps - step) / fall, 1.0)
        if self.shape == "cosine":
            return self.peak * 0.5 * (1.0 - math.cos(math.pi * left))
        return self.peak * (1.0 if self.shape == "constant" else left)
