"""Adversarial training: a step learns a second time, from word embeddings that are moved to where the loss is higher.

The fast gradient method of Miyato et al. (2017, section 3), in the form that moves the matrix of embeddings: by epsilon
along the gradient of the whole batch, so that neither its parts nor their number change the step. What dropout draws is
the same both times. Knows no task and no optimizer.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor


class Adversary:
    """Moves word embeddings against the model.

    Args:
        embeddings: A parameter that is trained.
        epsilon: L2 norm of the movement of the whole matrix.
    """

    def __init__(self, embeddings: Float[Tensor, "V H"], epsilon: float) -> None:
        self.embeddings, self.epsilon = embeddings, epsilon

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """While the block runs, the embeddings are moved along the gradient that they have; then they are as before.

        Where the gradient is 0, or not finite, nothing is moved.
        """
        rows, values = self._gradient()
        norm = float(values.norm())
        scale = self.epsilon / norm if 0 < norm < math.inf else 0.0
        with torch.no_grad():
            before = self.embeddings[rows].clone()
            self.embeddings[rows] = before + scale * values.nan_to_num()
        try:
            yield
        finally:
            with torch.no_grad():
                self.embeddings[rows] = before

    def _gradient(self) -> tuple[Tensor | slice, Tensor]:
        """Which rows have a gradient, and theirs."""
        found = self.embeddings.grad
        assert found is not None
        if not found.is_sparse:
            return slice(None), found
        found = found.coalesce()
        return found.indices()[0], found.values()
