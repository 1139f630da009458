"""Ranking figures of two labels: scikit-learn's, weights included."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import metrics as sklearn

from bertwright.tasks.ranking import Ranking
from bertwright.tasks.row_counts import Column

SCORES = hnp.arrays(np.float64, 13, elements=st.sampled_from([0.0, 0.2, 0.25, 0.5, 0.7, 1.0]))


def ranking(scores: np.ndarray, truth: np.ndarray) -> Ranking:
    return Ranking(Column(scores), Column(truth, dtype=np.bool_))


@given(SCORES, hnp.arrays(bool, 13), hnp.arrays(np.int64, 13, elements=st.integers(0, 3)))
def test_figures_are_scikit_learns(scores: np.ndarray, truth: np.ndarray, counts: np.ndarray):
    found = ranking(scores, truth).metrics(counts.astype(np.float64))
    rows = np.repeat(np.arange(13), counts)
    if len(set(truth[rows])) < 2:
        assert found == {}
        return
    assert found["roc_auc"] == pytest.approx(sklearn.roc_auc_score(truth[rows], scores[rows]), abs=1e-9)
    expected = sklearn.average_precision_score(truth[rows], scores[rows])
    assert found["average_precision"] == pytest.approx(expected, abs=1e-9)


@given(SCORES, hnp.arrays(bool, 13).filter(lambda truth: len(set(truth)) == 2))
def test_each_point_of_the_curve_is_what_its_threshold_gives(scores: np.ndarray, truth: np.ndarray):
    curve = ranking(scores, truth).curve()
    assert [point["threshold"] for point in curve] == sorted(set(scores), reverse=True)
    rates, recalls, _ = sklearn.roc_curve(truth, scores, drop_intermediate=False)
    assert [point["false_positive_rate"] for point in curve] == pytest.approx(rates[1:])
    assert [point["recall"] for point in curve] == pytest.approx(recalls[1:])
    for point in curve:
        assert point["precision"] == pytest.approx(sklearn.precision_score(truth, scores >= point["threshold"]))


def test_a_long_curve_has_a_hundred_points():
    draw = np.random.default_rng(0)
    curve = ranking(draw.random(5_000), draw.random(5_000) < 0.3).curve()
    assert len(curve) == 100
    assert curve[-1]["recall"] == curve[-1]["false_positive_rate"] == 1.0
    assert ranking(np.empty(0), np.empty(0)).curve() == []
