"""The average of the weights over the steps, the latest counting most; it is what is evaluated and kept.

Kingma & Ba (2015, section 7.2): an exponential moving average, divided by the sum of its shares, so that the weights
before the first step have no part in it. Written as a movement towards the newest weights:

    average(t) = average(t - 1) + (1 - d) / (1 - d ** t) * (weights(t) - average(t - 1))

Knows no optimizer and no files.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """The average of what is trained in a model.

    Args:
        model: The parameters that require a gradient are averaged.
        decay: d: the average looks back over about 1 / (1 - d) steps.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        self._values = {name: torch.zeros_like(parameter) for name, parameter in self._named.items()}

    def update(self, steps: int) -> None:
        """Take in the weights as they are after so many steps; asked for after each."""
        share = (1 - self.decay) / (1 - self.decay**steps)
        with torch.no_grad():
            for name, parameter in self._named.items():
                self._values[name].lerp_(parameter, share)

    @contextmanager
    def in_model(self) -> Iterator[None]:
        """While the block runs, the model has the averaged weights; then its own again."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, parameter in self._named.items():
            parameter.data, self._values[name] = self._values[name], parameter.data

    def state(self) -> dict[str, Tensor]:
        """The average of each parameter by its name."""
        return self._values

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state` gave."""
        for name, value in self._values.items():
            value.copy_(state[name])
