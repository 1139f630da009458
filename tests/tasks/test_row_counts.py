"""Figures for weights of rows: all 1 is the plain figure to the bit, and a weight of 3 is the row three times."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tiny
from bertwright.tasks.answer_metrics import AnswerScores
from bertwright.tasks.choice import Choice, ChoiceExamples
from bertwright.tasks.classification import Classification
from bertwright.tasks.entity_metrics import EntityCounts
from bertwright.tasks.multilabel import MultiLabel
from bertwright.tasks.regression import Regression
from bertwright.tasks.row_counts import Column, RowCounts
from bertwright.tasks.texts import LabelledTexts

ROWS = 11
PATH = Path("test.csv")
DRAW = np.random.default_rng(3)
Rows = np.ndarray


def labelled(labels: np.ndarray, rows: Rows) -> LabelledTexts:
    return LabelledTexts(tiny.encoded([1] * len(rows)), labels[rows], rows, PATH)


def classified(labels: tuple[str, ...], positive: str | None) -> Callable[[Rows], Any]:
    logits = DRAW.normal(size=(ROWS, len(labels))).astype(np.float32).round(1)  # some scores are equal
    truth = DRAW.integers(0, len(labels), ROWS)

    def tally(rows: Rows) -> Any:
        made = Classification(labels, positive=positive).tally()
        made.count(logits[rows], truth[rows])
        return made

    return tally


def multilabelled(rows: Rows) -> Any:
    draw = np.random.default_rng(1)
    truth, logits = draw.random((ROWS, 3)) < 0.4, draw.normal(size=(ROWS, 3)).astype(np.float32)
    made = MultiLabel(("x", "y", "z")).tally()
    made.add(logits[rows], labelled(truth.astype(np.float32), rows))
    return made


def scored(rows: Rows) -> Any:
    draw = np.random.default_rng(2)
    truth, found = draw.integers(0, 5, (2, ROWS)).astype(np.float32) / 4
    made = Regression().tally()
    made.add(found[rows], labelled(truth, rows))
    return made


def tagged(rows: Rows) -> Any:
    """The types come in another order in other rows."""
    draw = np.random.default_rng(4)
    tags = np.array(["O", "B-A", "I-A", "B-B", "I-B", "I-C"])
    truth, found = (tags[draw.integers(0, 6, (ROWS, 5))] for _ in range(2))
    found[:, ::2] = truth[:, ::2]
    made = EntityCounts()
    made.add(truth[rows].tolist(), found[rows].tolist())
    return made


def answered(rows: Rows) -> Any:
    draw = np.random.default_rng(5)
    golds = [[[], ["x"], ["x y", "z"]][each] for each in draw.integers(0, 3, ROWS)]
    found, unsure = draw.choice(["", "x", "y"], ROWS), draw.random(ROWS)
    made = AnswerScores(with_no_answer=True)
    for row in rows.tolist():
        made.add(golds[row], str(found[row]), float(unsure[row]))
    return made


def chosen(rows: Rows) -> Any:
    draw = np.random.default_rng(6)
    logits, answers = draw.normal(size=(ROWS, 3)).astype(np.float32), draw.integers(0, 3, ROWS)
    made = Choice().tally()
    counts = np.full(len(rows), 3)
    made.add(logits[rows].ravel(), ChoiceExamples(tiny.encoded([1] * 3 * len(rows)), counts, answers[rows], rows, PATH))
    return made


TALLIES = {
    "four labels": classified(tuple("abcd"), None),
    "two labels": classified(("no", "yes"), "yes"),
    "multilabel": multilabelled,
    "regression": scored,
    "tagging": tagged,
    "qa": answered,
    "choice": chosen,
}


@pytest.mark.parametrize("kind", TALLIES)
def test_weights_that_are_all_1_change_no_bit(kind: str):
    tally = TALLIES[kind](np.arange(ROWS))
    assert tally.metrics(np.ones(ROWS)) == tally.metrics()


@pytest.mark.parametrize("kind", TALLIES)
@given(counts=hnp.arrays(np.int64, ROWS, elements=st.integers(0, 3)).filter(lambda counts: counts.any()))
def test_a_weight_is_how_often_a_row_is_there(kind: str, counts: np.ndarray):
    """So that a bootstrap measures what it drew, and a slice its own rows; but for which of two thresholds is named.

    Where two are equally good, the last digit of a sum decides, and its order is another one.
    """
    weighted = TALLIES[kind](np.arange(ROWS)).metrics(counts.astype(np.float64))
    repeated = TALLIES[kind](np.repeat(np.arange(ROWS), counts)).metrics()
    assert weighted.keys() == repeated.keys()
    for name in weighted:
        assert name.endswith("_threshold") or weighted[name] == pytest.approx(repeated[name], abs=1e-9), name


@pytest.mark.parametrize("kind", TALLIES)
def test_two_tallies_make_one(kind: str):
    rows = np.arange(ROWS)
    whole, part = TALLIES[kind](np.concatenate([rows[4:], rows])), TALLIES[kind](rows[4:])
    before = part.metrics()
    part.extend(TALLIES[kind](rows))
    assert part.metrics() == whole.metrics()
    own = (np.arange(2 * ROWS - 4) < ROWS - 4).astype(np.float64)
    assert part.metrics(own) == pytest.approx(before, abs=1e-12)


@given(st.lists(st.sampled_from([0.0, 0.5, -1.0, 2.0]), max_size=9), st.integers(0, 9))
def test_levels_are_ranks_without_gaps(values: list[float], cut: int):
    column = Column(values[:cut])
    column.levels  # noqa: B018 - what was sorted before is sorted anew
    column.add(values[cut:])
    assert column.values.tolist() == values
    assert column.levels.tolist() == [sorted(set(values)).index(value) for value in values]


def test_rows_without_things_count_as_rows():
    counts = RowCounts()
    counts.add([0, 0, 2], [1, 1, 0], 3)
    counts.add([1], [1], 2)
    assert counts.rows == 5
    assert counts.totals(3).tolist() == [1, 3, 0]
    assert counts.totals(3, np.array([1.0, 9.0, 5.0, 9.0, 0.5])).tolist() == [5.0, 2.5, 0.0]
