"""Parts of a test set, and its worst rows."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertwright.evaluation.slices import by_quarter, commonest, sliced
from bertwright.evaluation.worst import Worst
from bertwright.tasks.classification import Classification, Prediction
from bertwright.text.tables.texts import Row


@given(st.lists(st.integers(3, 90), min_size=1, max_size=60))
def test_quarters_are_ranges_that_do_not_overlap(lengths: list[int]):
    names = by_quarter(np.array(lengths))
    ranges = sorted({tuple(map(int, name.removesuffix(" tokens").split("-"))) for name in names})
    assert len(ranges) <= 4
    assert all(before[1] < after[0] for before, after in pairwise(ranges))
    for length, name in zip(lengths, names, strict=True):
        low, high = map(int, name.removesuffix(" tokens").split("-"))
        assert low <= length <= high


def test_quarters_have_a_quarter_each():
    names = by_quarter(np.arange(100))
    assert [names.count(name) for name in dict.fromkeys(names)] == [25, 25, 25, 25]
    assert by_quarter(np.full(5, 7)) == ["7-7 tokens"] * 5


def test_a_slice_has_the_figures_of_its_rows():
    draw = np.random.default_rng(0)
    logits, labels = draw.normal(size=(60, 3)).astype(np.float32), draw.integers(0, 3, 60)
    tally = Classification(tuple("abc")).tally()
    tally.count(logits, labels)
    kinds = ["x" if row % 3 else "y" for row in range(60)]
    found = sliced(tally, ("accuracy", "loss", "none"), {"kind": kinds}, draws=50)["kind"]
    assert [(part["value"], part["rows"]) for part in found] == [("x", 40), ("y", 20)]
    for part in found:
        own = np.array([kind == part["value"] for kind in kinds])
        alone = Classification(tuple("abc")).tally()
        alone.count(logits[own], labels[own])
        assert part["metrics"] == pytest.approx({name: alone.metrics()[name] for name in ("accuracy", "loss")})
        low, high = part["intervals"]["accuracy"]
        assert low < part["metrics"]["accuracy"] < high


def test_right_answers_are_not_among_the_worst():
    task, worst = Classification(("no", "yes")), Worst()
    rows = [Row("x", None, "no", line) for line in (2, 3, 4)]
    answers = [Prediction("x", None, "no", 0.9, {}, False)] * 3
    worst.add(task, rows, answers, np.array([0.5, 2.0, 1.0]), np.array([False, True, False]))
    assert [entry["line"] for entry in worst.listed()] == [4, 2]


def test_the_worst_rows_come_from_all_pieces_and_are_sorted():
    task, worst = Classification(("no", "yes")), Worst()
    losses = np.random.default_rng(0).permutation(57) / 10
    losses[3] = losses[50]  # equal ones keep their order
    rows = [Row("x" * 6000, None, "no", line) for line in range(2, 59)]
    answers = [Prediction(row.text, None, "yes", 0.9, {"no": 0.1, "yes": 0.9}, False) for row in rows]
    for start in range(0, 57, 25):
        stop = start + 25
        worst.add(task, rows[start:stop], answers[start:stop], losses[start:stop])
    listed = worst.listed()
    order = sorted(range(57), key=lambda row: (-losses[row], row))[:20]
    assert [entry["line"] for entry in listed] == [row + 2 for row in order]
    assert listed[0] == {
        "line": order[0] + 2,
        "loss": losses[order[0]],
        "texts": ["x" * 4999 + "…"],
        "true_label": "no",
        "predicted": {"label": "yes", "score": 0.9},
    }


def test_values_beyond_the_commonest_are_one_slice():
    values = [f"v{n}" for n in range(25) for _ in range(30 - n)]
    kept = commonest(values)
    assert len(set(kept)) == 20
    assert [
        after if after == before else "other (6 values)" for before, after in zip(values, kept, strict=True)
    ] == kept
    assert kept.count("other (6 values)") == sum(30 - n for n in range(19, 25))
    assert commonest(values[: values.index("v20")]) == values[: values.index("v20")]
