"""What a classifier has to beat: the commonest label, and naive Bayes on token counts. No training, no torch.

Naive Bayes sees what the model sees: the same tokens of the same texts. Knows no label names and no files.
"""

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from bertwright.text.wordpiece import Encoded

SMOOTHING = 0.1  # occurrences that every token is given in every class, so that none is impossible anywhere


def commonest_label(labels: Int64[np.ndarray, " B"], count: int) -> NDArray[np.int64]:
    """The commonest of the training labels as the answer to `count` texts, whatever they say."""
    return np.full(count, np.bincount(labels).argmax())


def naive_bayes(train: Encoded, labels: Int64[np.ndarray, " B"], test: Encoded) -> NDArray[np.int64]:
    """The likeliest label of each test text, were its tokens drawn independently given the label.

    The multinomial model of McCallum & Nigam (1998), "A comparison of event models for naive Bayes text
    classification", section 2.2.

    Args:
        train: B texts.
        labels: Their label numbers; each from 0 to the highest occurs.
        test: The texts to label.
    """
    rows, ids = _tokens(train)
    test_rows, test_ids = _tokens(test)
    classes, vocabulary = labels.max() + 1, max(train.ids.max(), test.ids.max()) + 1
    counts = np.full((classes, vocabulary), SMOOTHING)
    np.add.at(counts, (labels[rows], ids), 1.0)
    log_likelihoods = np.log(counts / counts.sum(axis=1, keepdims=True))
    log_priors = np.log(np.bincount(labels) / len(labels))
    scores = np.tile(log_priors, (len(test), 1))
    np.add.at(scores, test_rows, log_likelihoods.T[test_ids])
    return np.asarray(scores.argmax(axis=1))


def _tokens(texts: Encoded) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Text number and id of every token but [CLS] and [SEP], which stand in all texts and tell nothing of one."""
    inside = np.ones(len(texts.ids), dtype=bool)
    inside[texts.cu_seqlens[:-1]] = inside[texts.cu_seqlens[1:] - 1] = False
    return np.arange(len(texts)).repeat(texts.lengths)[inside], texts.ids[inside]
