"""Two models on the same rows: McNemar's p is the binomial one, the permutation's is that of all arrangements."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis.extra import numpy as hnp

import tiny
from bertwright.evaluation.comparison import compare, mcnemar
from bertwright.tasks.classification import Classification
from bertwright.tasks.questions import Questions
from bertwright.tasks.regression import Regression
from bertwright.tasks.texts import LabelledTexts


def classified(found: np.ndarray, truth: np.ndarray) -> Any:
    tally = Classification(tuple("abc")).tally()
    tally.count(np.eye(3, dtype=np.float32)[found], truth)
    return tally


def scored(found: np.ndarray, truth: np.ndarray) -> Any:
    tally = Regression().tally()
    rows = np.arange(len(truth))
    tally.add(found.astype(np.float32), LabelledTexts(tiny.encoded([1] * len(rows)), truth, rows, Path("test.csv")))
    return tally


@given(hnp.arrays(bool, 23), hnp.arrays(bool, 23))
def test_mcnemars_p_is_the_binomial_one(one: np.ndarray, other: np.ndarray):
    wins, losses = int((one & ~other).sum()), int((other & ~one).sum())
    expected = scipy.stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert mcnemar(one, other) == pytest.approx(expected)


def test_mcnemar_of_very_many_rows():
    one = np.arange(20_000) % 2 == 0
    other = ~one
    other[:301] = False
    wins, losses = int((one & ~other).sum()), int((other & ~one).sum())
    assert mcnemar(one, other) == pytest.approx(scipy.stats.binomtest(wins, wins + losses).pvalue)


def test_the_permutation_p_is_that_of_all_arrangements():
    """With seven rows there are 128 of them: the two models' answers may be exchanged in each."""
    draw = np.random.default_rng(1)
    truth = draw.normal(size=7)
    one, other = truth + 0.7 * draw.normal(size=7), truth + 1.1 * draw.normal(size=7)
    found = compare(scored(one, truth), scored(other, truth), draws=1_000)
    for name in ("mae", "spearman"):
        as_large = 0
        for kept in product((True, False), repeat=7):
            mixed = [scored(np.where(kept, *pair), truth).metrics()[name] for pair in ((one, other), (other, one))]
            as_large += abs(mixed[0] - mixed[1]) >= abs(found[name].difference) - 1e-12
        assert found[name].p == pytest.approx(as_large / 128, abs=0.05)
        assert found[name].test == "permutation"
        assert 0.05 < found[name].p < 0.95, "the test should be able to fail"


def test_a_better_model_is_better():
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 3, 400)
    good, bad = (np.where(draw.random(400) < share, truth, draw.integers(0, 3, 400)) for share in (0.8, 0.6))
    found = compare(classified(good, truth), classified(bad, truth), draws=200)
    for name in ("accuracy", "f1_macro", "matthews_correlation"):
        assert found[name].difference > 0
        assert found[name].interval[0] > 0
        assert found[name].p < 0.01
        assert found[name].test == ("mcnemar" if name == "accuracy" else "permutation")
    assert found["loss"].difference < 0
    again = compare(classified(good, truth), classified(bad, truth), draws=200)
    assert again == found
    mirrored = compare(classified(bad, truth), classified(good, truth), draws=200)
    assert mirrored["f1_macro"].difference == -found["f1_macro"].difference
    assert mirrored["f1_macro"].p == found["f1_macro"].p


def test_the_interval_is_of_the_same_draws():
    """Two models that are wrong about the same rows differ by little, however few rows there are."""
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 3, 100)
    one = np.where(draw.random(100) < 0.5, truth, (truth + 1) % 3)
    other = one.copy()
    other[:2] = (truth[:2] + 1) % 3
    low, high = compare(classified(one, truth), classified(other, truth), draws=200)["accuracy"].interval
    assert high - low < 0.08


def test_each_model_of_questions_keeps_its_own_threshold():
    tallies = [Questions(unanswerable=True, threshold=threshold).tally() for threshold in (0.2, 0.8)]
    for tally in tallies:
        for no_answer in (0.1, 0.5, 0.9):
            tally.scores.add(["x"], "x", no_answer)
        tally._losses.add([1.0, 2.0, 3.0])
        tally._windows.add([1.0, 1.0, 1.0])
        tally._thresholds.add(np.full(3, tally.task.threshold))
    found = compare(*tallies, draws=200)["exact_match"]
    assert found.other == pytest.approx(200 / 3)
    assert found.difference == pytest.approx(-100 / 3)
