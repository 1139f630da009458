"""Logits of words → the likeliest tags that can stand behind each other: an entity has one type, and begins with a B.

The likeliest tag of each word by itself is often none that its neighbours allow, and an entity falls to pieces.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from bertwright.model.viterbi import best_paths
from bertwright.tasks.tag_schemes import OUTSIDE, Scheme, may_follow

_AT_ONCE = 1_024  # sentences, which are padded to the longest


def likeliest_valid(
    logits: Float[np.ndarray, "Q C"], words: Int[np.ndarray, " B"], labels: Sequence[str], scheme: Scheme
) -> Int[np.ndarray, " Q"]:
    """The numbers of the tags of the sequence with the highest sum of logits that a scheme allows in each sentence.

    Args:
        logits: Of Q words, sentence by sentence.
        words: How many words each of B sentences has.
        labels: Tags in the order of the logits.
        scheme: Of the tags.
    """
    steps = [step.double() for step in _steps(labels, scheme)]
    flat, found = torch.from_numpy(logits).double(), []
    for lengths in torch.split(torch.from_numpy(words), _AT_ONCE):
        count = int(lengths.sum())
        found.append(best_paths(flat[:count], lengths, *steps))
        flat = flat[count:]
    return torch.cat(found).numpy() if found else np.zeros(0, dtype=np.int64)


def _steps(labels: Sequence[str], scheme: Scheme) -> tuple[Tensor, Tensor, Tensor]:
    """What beginning with each tag, ending with it, and going from it to another is worth: 0, or minus infinity."""
    around = [OUTSIDE, *labels]  # what stands before a sentence, and behind it
    allowed = torch.tensor([[may_follow(one, other, scheme) for other in around] for one in around])
    worth = torch.where(allowed, 0.0, -torch.inf)
    return worth[0, 1:], worth[1:, 0], worth[1:, 1:]
