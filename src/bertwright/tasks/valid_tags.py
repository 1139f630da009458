"""Logits of words → the likeliest tags that can stand behind each other: an entity has one type, and begins with a B.

The likeliest tag of each word by itself is often none that its neighbours allow, and an entity falls to pieces.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray

from bertwright.batches.order import token_batches
from bertwright.model.viterbi import best_paths
from bertwright.tasks.tag_schemes import OUTSIDE, Scheme, may_follow
from bertwright.text.wordpiece import ranges

_AT_ONCE = 4_096  # words of sentences of like length, padded to the longest


def likeliest_valid(
    logits: Float[np.ndarray, "Q C"], words: Int[np.ndarray, " B"], labels: Sequence[str], scheme: Scheme
) -> Int[np.ndarray, " Q"]:
    """The numbers of the tags of the sequence with the highest sum of logits that a scheme allows in each sentence.

    Where the likeliest tag of each word can stand, that is it; the other sentences are searched.

    Args:
        logits: Of Q words, sentence by sentence.
        words: How many words each of B sentences has.
        labels: Tags in the order of the logits.
        scheme: Of the tags.
    """
    allowed = _allowed(tuple(labels), scheme)
    worth = torch.from_numpy(np.where(allowed, 0.0, -np.inf))
    found: NDArray[np.int64] = logits.argmax(axis=1)
    starts = np.cumsum(words) - words
    broken = _broken(found, words, allowed)
    for some in token_batches(words[broken], _AT_ONCE):
        sentences = broken[some]
        places = ranges(starts[sentences], words[sentences])
        emissions, lengths = torch.from_numpy(logits[places]).double(), torch.from_numpy(words[sentences])
        found[places] = best_paths(emissions, lengths, worth[0, 1:], worth[1:, 0], worth[1:, 1:]).numpy()
    return found


def _broken(
    found: Int[np.ndarray, " Q"], words: Int[np.ndarray, " B"], allowed: NDArray[np.bool_]
) -> Int[np.ndarray, " broken"]:
    """The sentences in which tags cannot stand behind each other."""
    around = np.append(np.insert(found + 1, np.cumsum(words) - words, 0), 0)  # with what is before and behind each
    sentence = np.repeat(np.arange(len(words)), words + 1)
    return np.unique(sentence[~allowed[around[:-1], around[1:]]])


@lru_cache(maxsize=8)
def _allowed(labels: tuple[str, ...], scheme: Scheme) -> NDArray[np.bool_]:
    """[1 + C, 1 + C]: whether the column's tag can stand behind the row's; the first is what is around a sentence."""
    around = (OUTSIDE, *labels)
    return np.array([[may_follow(one, other, scheme) for other in around] for one in around])
