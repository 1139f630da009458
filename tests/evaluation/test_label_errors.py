"""Confident learning: the rule of the paper, by a second implementation in plain loops, and planted errors found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertwright.evaluation.label_errors import likely_errors, tells_apart


def by_hand(probabilities: list[list[float]], labels: list[int]) -> list[tuple[int, int]]:
    """The rule, word for word; rows and what they likely are, the least likely to be as labelled first."""
    classes = len(probabilities[0])
    self_confidence = {}
    for label in range(classes):
        own = [row[label] for row, given_label in zip(probabilities, labels, strict=True) if given_label == label]
        if own:
            self_confidence[label] = sum(own) / len(own)
    found = []
    for number, (row, label) in enumerate(zip(probabilities, labels, strict=True)):
        reached = [other for other, mean in self_confidence.items() if row[other] >= mean]
        likeliest = max(reached, key=lambda other: row[other], default=label)
        if likeliest != label and row[likeliest] > row[label]:
            found.append((row[label] - row[likeliest], number, likeliest))
    return [(number, other) for _, number, other in sorted(found)]


def drawn(seed: int, rows: int, classes: int, flipped: float) -> tuple[np.ndarray, np.ndarray, set[int]]:
    """Probabilities of a fair classifier, labels of which some are flipped, and which ones."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, classes, rows)
    wrong = draw.random(rows) < flipped
    labels = np.where(wrong, (truth + draw.integers(1, classes, rows)) % classes, truth)
    scores = draw.normal(size=(rows, classes))
    scores[np.arange(rows), truth] += 3
    exponents = np.exp(scores)
    return exponents / exponents.sum(axis=1, keepdims=True), labels, set(np.flatnonzero(wrong).tolist())


@given(seed=st.integers(0, 2**32), rows=st.integers(1, 60), classes=st.integers(2, 6))
def test_as_in_plain_loops(seed: int, rows: int, classes: int) -> None:
    probabilities, labels, _ = drawn(seed, rows, classes, 0.2)
    found = [(suspect.row, suspect.other) for suspect in likely_errors(probabilities, labels)]
    assert found == by_hand(probabilities.tolist(), labels.tolist())


def test_planted_errors_are_found_and_rank_first() -> None:
    probabilities, labels, wrong = drawn(0, 1000, 3, 0.05)
    found = [suspect.row for suspect in likely_errors(probabilities, labels)]
    assert len(wrong & set(found)) / len(wrong) > 0.7
    first = found[: len(wrong) // 2]
    assert len(wrong & set(first)) / len(first) > 0.8


def test_the_thresholds_are_those_of_each_class() -> None:
    """Class 1 is never sure of itself (0.5 on average), so 0.6 for it is a lot; 0.6 for class 0 is nothing."""
    probabilities = np.array([[0.9, 0.1], [1.0, 0.0], [0.4, 0.6], [0.6, 0.4], [0.4, 0.6], [0.45, 0.55]])
    labels = np.array([0, 0, 0, 1, 1, 1])
    (suspect,) = likely_errors(probabilities, labels)
    assert (suspect.row, suspect.other) == (2, 1)
    assert suspect.margin == pytest.approx(0.2)


def test_nothing_is_likely_in_what_fits() -> None:
    assert likely_errors(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1])) == []


@pytest.mark.parametrize("seed", range(5))
def test_models_that_know_nothing_are_known_by_it(seed: int) -> None:
    """Their probabilities owe nothing to the labels: but for what learned them, each is as sure as the last."""
    draw = np.random.default_rng(seed)
    labels = draw.permutation(np.repeat([0, 1], [70, 50]))
    first = 0.58 + 0.05 * draw.normal(size=120)
    unknowing = np.stack([first, 1 - first], axis=1)
    assert likely_errors(unknowing, labels), "or there would be nothing to hold back"
    assert not tells_apart(unknowing, labels)
    assert tells_apart(*drawn(seed, 120, 3, 0.3)[:2])


def test_who_always_says_the_commonest_class_may_know_more() -> None:
    """The rare class is ten times likelier where it is right, and never the likeliest."""
    rare = np.repeat([0.04, 0.4], [95, 5])
    probabilities, labels = np.stack([1 - rare, rare], axis=1), np.repeat([0, 1], [95, 5])
    assert tells_apart(probabilities, labels)
    assert not tells_apart(probabilities, labels[::-1])


def test_who_is_too_sure_may_know_more() -> None:
    """Three of four are right, and the others cost more than a coin would."""
    labels = np.arange(100) % 2
    said = np.where(np.arange(100) % 4 == 0, 1 - labels, labels)
    assert tells_apart(np.where(said[:, None] == [0, 1], 0.9999, 0.0001), labels)
