"""Figures of classification: those of scikit-learn, for any truth and any prediction."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from bertwright.tasks.metrics import classification_metrics, confusion_matrix, per_class

CLASSES = 5
NAMES = ("a", "b", "c", "d", "e")
# Classes that are never true, never predicted, or neither, come by themselves.
PREDICTIONS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40)


def arrays(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    truth, predicted = np.array(rows).T
    return truth, predicted


@settings(max_examples=50)
@given(PREDICTIONS)
def test_the_matrix_has_the_truth_in_rows(rows: list[tuple[int, int]]):
    truth, predicted = arrays(rows)
    matrix = confusion_matrix(truth, predicted, CLASSES)
    np.testing.assert_array_equal(matrix, sklearn.confusion_matrix(truth, predicted, labels=range(CLASSES)))


@pytest.mark.filterwarnings("ignore:A single label was found")  # by scikit-learn
@settings(max_examples=50)
@given(PREDICTIONS)
@example([(0, 0)])  # one class alone
@example([(0, 1)])  # no hit
@example([(0, 1), (1, 1), (1, 1)])  # one class predicted: Matthews' coefficient is 0 / 0
def test_figures_are_those_of_scikit_learn(rows: list[tuple[int, int]]):
    truth, predicted = arrays(rows)
    expected = {
        "accuracy": sklearn.accuracy_score(truth, predicted),
        "matthews_correlation": sklearn.matthews_corrcoef(truth, predicted),
    }
    for average in ("macro", "weighted"):
        for name in ("precision", "recall", "f1"):
            score = getattr(sklearn, f"{name}_score")
            expected[f"{name}_{average}"] = score(truth, predicted, average=average, zero_division=0)
    found = classification_metrics(confusion_matrix(truth, predicted, CLASSES))
    assert found == pytest.approx(expected, abs=1e-12)
    assert all(type(value) is float for value in found.values())  # JSON has no numpy


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1), st.integers(0, 1))
def test_the_positive_class(rows: list[tuple[int, int]], positive: int):
    truth, predicted = arrays(rows)
    found = classification_metrics(confusion_matrix(truth, predicted, 2), positive=positive)
    for name in ("precision", "recall", "f1"):
        score = getattr(sklearn, f"{name}_score")
        expected = score(truth, predicted, labels=[positive], average="macro", zero_division=0)
        assert found[name] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=50)
@given(PREDICTIONS)
def test_figures_of_each_class(rows: list[tuple[int, int]]):
    truth, predicted = arrays(rows)
    expected = sklearn.precision_recall_fscore_support(truth, predicted, labels=range(CLASSES), zero_division=0)
    found = per_class(confusion_matrix(truth, predicted, CLASSES), NAMES)
    assert list(found) == list(NAMES)
    table = np.array([[row[name] for name in ("precision", "recall", "f1", "support")] for row in found.values()])
    np.testing.assert_allclose(table.T, expected, atol=1e-12)


def test_nothing_counted_yet():
    assert set(classification_metrics(confusion_matrix(*np.zeros((2, 0), np.int64), CLASSES)).values()) == {0.0}
