"""What is odd about a model's answers as a whole is told, and nothing of a model that answers as it should."""

from pathlib import Path

import numpy as np
import pytest

import tiny
from bertwright.tasks.answer_metrics import AnswerScores
from bertwright.tasks.choice import Choice, ChoiceExamples
from bertwright.tasks.classification import Classification
from bertwright.tasks.multilabel import MultiLabel
from bertwright.tasks.questions import Questions
from bertwright.tasks.regression import Regression
from bertwright.tasks.tagging import Tagging
from bertwright.tasks.texts import LabelledTexts

PATH = Path("test.csv")
LINES = np.arange(3)


def texts(labels: list[object]) -> LabelledTexts:
    return LabelledTexts(tiny.encoded([1] * 3), np.array(labels, dtype=np.float32), LINES, PATH)


@pytest.mark.parametrize(
    ("found", "truth", "told"),
    [
        ([1, 1, 1], [0, 1, 1], ["the model gives all 3 texts the label 'yes': it tells nothing apart"]),
        ([1, 1, 0], [0, 1, 1], []),
        ([1, 1, 1], [1, 1, 1], []),
    ],
)
def test_one_label_for_all(found: list[int], truth: list[int], told: list[str]):
    tally = Classification(("no", "yes")).tally()
    assert tally.suspicions() == []
    tally.count(np.eye(2, dtype=np.float32)[found], np.array(truth))
    assert list(map(str, tally.suspicions())) == told


def test_no_label_at_all():
    for logit, told in (
        (-1.0, ["the model gives no text a label (texts: 3): its thresholds are never reached"]),
        (1.0, []),
    ):
        tally = MultiLabel(("a", "b")).tally()
        tally.add(np.full((3, 2), logit, dtype=np.float32), texts([[0, 1], [1, 0], [0, 0]]))
        assert list(map(str, tally.suspicions())) == told
    tally = MultiLabel(("a", "b")).tally()
    tally.add(np.full((3, 2), -1.0, dtype=np.float32), texts([[0, 0]] * 3))
    assert tally.suspicions() == [], "where no text has a label none is right"


def test_numbers_that_tell_nothing():
    for found, told in (
        ([0.5] * 3, ["the model gives all 3 texts the same number, 0.5"]),
        (sorted([0.5, 0.75] * 10), []),
        (
            list(range(20, 0, -1)),
            ["the model's numbers do not rise with the true ones in 20 texts: Pearson's correlation is -1.000"],
        ),
        (
            [0.5, 0.75, 0.75, 0.5] * 5,
            ["the model's numbers do not rise with the true ones in 20 texts: Pearson's correlation is 0.000"],
        ),
        (list(range(19, 0, -1)), []),  # so few rows can be bad luck
    ):
        tally = Regression().tally()
        tally.add(np.array(found, dtype=np.float32), texts([float(place) for place in range(len(found))]))
        assert list(map(str, tally.suspicions())) == told
    tally = Regression().tally()
    tally.add(np.arange(20, dtype=np.float32), texts([2.0] * 20))
    assert tally.suspicions() == [], "with equal numbers nothing could rise"


def test_no_entity():
    for found, told in (
        (["O", "O"], ["the model finds no entity: every word has the tag O (sentences: 1)"]),
        (["I-A", "O"], []),
    ):
        tally = Tagging(("O", "B-A", "I-A")).tally()
        tally.counts.add([["B-A", "O"]], [found])
        tally._losses.add([1.0])
        assert list(map(str, tally.suspicions())) == told
    tally = Tagging(("O", "B-A", "I-A")).tally()
    tally.counts.add([["O", "O"]], [["O", "O"]])
    assert tally.suspicions() == [], "where there is no entity none is to be found"


@pytest.mark.parametrize(
    ("no_answer", "golds", "told"),
    [
        ([0.9, 0.9], [["x"], []], ["the model says of all 2 questions that they have no answer"]),
        ([0.1, 0.1], [["x"], []], ["the model answers all 2 questions, also those without an answer (1)"]),
        ([0.1, 0.9], [["x"], []], []),
        ([0.1, 0.1], [["x"], ["x"]], []),
        ([0.9, 0.9], [[], []], []),
    ],
)
def test_always_or_never_an_answer(no_answer: list[float], golds: list[list[str]], told: list[str]):
    scores = AnswerScores(with_no_answer=True)
    for gold, probability in zip(golds, no_answer, strict=True):
        scores.add(gold, "x", probability)
    assert list(map(str, scores.suspicions(0.5))) == told
    assert Questions(unanswerable=True).tally().suspicions() == []


def test_always_the_same_choice():
    for logits, told in (
        ([1, 0, 1, 0, 1, 0], ["the model always chooses place 0, counted from 0, in 3 questions"]),
        ([1, 0, 0, 1, 1, 0], []),
    ):
        tally = Choice().tally()
        counts, answers = np.full(3, 2), np.array([0, 1, 0])
        examples = ChoiceExamples(tiny.encoded([1] * 6), counts, answers, LINES, PATH)
        tally.add(np.array(logits, dtype=np.float32), examples)
        assert list(map(str, tally.suspicions())) == told
