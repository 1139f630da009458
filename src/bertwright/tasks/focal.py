"""Focal losses (Lin et al. 2017, section 3): what a model is sure of counts less. With gamma 0: cross-entropies."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


def focal_cross_entropy(
    logits: Float[Tensor, "B C"], labels: Int[Tensor, " B"], gamma: float, weights: Float[Tensor, " C"] | None = None
) -> Float[Tensor, ""]:
    """Sum over texts of (1 - p) ** gamma times the cross-entropy, p being the probability of the true label.

    Args:
        logits: Of C labels that exclude each other.
        labels: The number of each text's label.
        gamma: How little counts what is sure; 0 or more.
        weights: How much each label counts.
    """
    plain = functional.cross_entropy(logits, labels, reduction="none")
    weighted = plain if weights is None else plain * weights[labels]
    return (_doubt(plain) ** gamma * weighted).sum()


def focal_binary_cross_entropy(
    logits: Float[Tensor, "B C"],
    truth: Float[Tensor, "B C"],
    gamma: float,
    positive_weights: Float[Tensor, " C"] | None = None,
) -> Float[Tensor, ""]:
    """The same for labels that are decided one by one: the sum over texts and labels.

    Args:
        logits: Of C labels.
        truth: 1 where a text has a label, else 0.
        gamma: How little counts what is sure; 0 or more.
        positive_weights: How much each label counts where a text has it.
    """
    plain = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    weighted = plain if positive_weights is None else plain * torch.where(truth > 0, positive_weights, 1.0)
    return (_doubt(plain) ** gamma * weighted).sum()


def _doubt(losses: Tensor) -> Tensor:
    """1 - p of cross-entropies; never quite 0, where a power below 1 has no slope."""
    return (-torch.expm1(-losses)).clamp_min(torch.finfo(losses.dtype).eps)
