"""Regression: scipy's correlations, torch's loss, numbers as they stand in the file."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.nn import functional

import tiny
from bertwright.errors import DataError
from bertwright.model.config import BertConfig
from bertwright.model.heads import SequenceClassifier
from bertwright.settings import FinetuneSettings
from bertwright.tasks.finetuning import Rows, split
from bertwright.tasks.folds import folds
from bertwright.tasks.metrics import regression_metrics
from bertwright.tasks.regression import Regression
from bertwright.tasks.row_counts import Column
from bertwright.tasks.texts import LabelledTexts
from bertwright.text.tables.cells import UnusableCellError
from bertwright.text.tables.texts import Row, number

PATH = Path("train.tsv")
NUMBERS = st.integers(-20, 20).map(lambda value: value / 4)


@given(hnp.arrays(np.float64, 9, elements=NUMBERS), hnp.arrays(np.float64, 9, elements=NUMBERS))
def test_figures_are_scipys(truth: np.ndarray, found: np.ndarray):
    figures = regression_metrics(Column(truth), Column(found))
    if len(set(truth)) > 1 and len(set(found)) > 1:
        assert figures["pearson"] == pytest.approx(scipy.stats.pearsonr(truth, found).statistic, abs=1e-9)
        assert figures["spearman"] == pytest.approx(scipy.stats.spearmanr(truth, found).statistic, abs=1e-9)
    else:
        assert figures["pearson"] == 0.0
    assert figures["mse"] == pytest.approx(np.mean((truth - found) ** 2))
    assert figures["mae"] == pytest.approx(np.mean(np.abs(truth - found)))


def test_the_loss_is_torchs_mean():
    config = BertConfig(**{**tiny.SIZES, **tiny.NO_DROPOUT, "labels": Regression.labels})
    model = SequenceClassifier(config).double().eval()
    tiny.shake(model)
    labels = np.linspace(-1, 3, 13).astype(np.float32)
    data, task = LabelledTexts(tiny.encoded(tiny.LENGTHS), labels, np.arange(13), PATH), Regression()
    batch = data.batch(np.arange(13))
    wanted = functional.mse_loss(model(batch.tokens).squeeze(1), batch.labels.double())
    parts = [data.batch(rows) for rows in (np.arange(5), np.arange(5, 13))]
    total = sum(task.losses(model, part)["loss"] for part in parts)
    torch.testing.assert_close(total / sum(task.counts(part)["loss"] for part in parts), wanted)
    tally = task.tally()
    tally.add(task.outputs(model, batch).detach().float().numpy(), data)
    assert tally.metrics()["loss"] == pytest.approx(float(wanted.detach()), rel=1e-5)
    assert set(task.metrics) <= tally.metrics().keys()


@pytest.mark.parametrize(
    ("cell", "value"), [("5.000", 5.0), (3, 3.0), (0.25, 0.25), ("-1e3", -1000.0), ("", None), (None, None)]
)
def test_numbers(cell: object, value: float | None):
    assert number({"score": cell}) == value


@pytest.mark.parametrize("cell", ["high", "nan", "inf", "1,5,2", "1e39"])
def test_what_is_no_number(cell: str):
    with pytest.raises(
        UnusableCellError, match=r"(is no number|is not a finite number|is too large a number: 1e\+18 at most)$"
    ):
        number({"score": cell})


def test_a_decimal_comma_is_told_of():
    with pytest.raises(UnusableCellError, match=r"^the label '1,5' is no number: write '1\.5'$"):
        number({"score": "1,5"})


def test_learning_needs_two_numbers():
    settings = FinetuneSettings.create({"model": "m", "train": "t", "output_dir": "o"})
    same = Rows(PATH, [Row("a", None, 1.5, 2), Row("b", None, 1.5, 3)])
    with pytest.raises(DataError, match=r"^train\.tsv: all 2 rows have the same number: there is nothing to learn"):
        Regression.check_training(same)
    rows = Rows(PATH, [Row("a", None, 1.0, 2), Row("b", None, 4.5, 3)])
    assert Regression.learn(rows, settings).describe(rows) == "2 texts (from 1 to 4.5, mean 2.750)"


def priced(numbers: list[float]) -> Rows[Row[float]]:
    return Rows(PATH, [Row(f"text {place}", None, number, place + 2) for place, number in enumerate(numbers)])


@given(st.lists(st.integers(-9, 9).map(float) | st.floats(-1e6, 1e6), min_size=2, max_size=300))
def test_strata_are_ranges_of_numbers(numbers: list[float]):
    strata = list(map(int, Regression.strata(priced(numbers))))
    ranked = sorted(zip(numbers, strata, strict=True))
    for (low, below), (high, above) in pairwise(ranked):
        assert below == above if low == high else below <= above
    if len(set(numbers)) == len(numbers):
        sizes = np.bincount(strata)
        assert len(sizes) == max(1, min(10, len(numbers) // 10))
        assert np.ptp(sizes) <= 1


@pytest.mark.parametrize("zeros", [0, 60])
def test_parts_of_a_split_and_folds_span_the_numbers(zeros: int):
    """Hardly two prices have a whole number in common, unless it is 0."""
    prices = np.sort(np.random.default_rng(0).lognormal(10, 1, 1000).round(2))
    prices[:zeros] = 0
    rows = priced(prices.tolist())
    held_out = split(rows, Regression.strata(rows), 0.1, seed=0)[1]
    assert np.bincount((held_out.lines - 2) // 100).tolist() == [10] * 10
    fold = folds(PATH, Regression.strata(rows), 4, seed=0)
    assert all(np.bincount(fold[start : start + 100]).tolist() == [0, 25, 25, 25, 25] for start in range(0, 1000, 100))


def test_a_rating_that_many_have_is_a_stratum():
    strata = Regression.strata(priced([1.0, 2.0, 3.0, 4.0, 5.0] * 20))
    assert strata == strata[:5] * 20
    assert len(set(strata)) == 5


def test_answers_are_the_numbers():
    rows = Rows(PATH, [Row("a", "b", None, 2), Row("c", "d", None, 3)])
    data = LabelledTexts(tiny.encoded([3, 2]), np.full(2, np.nan, np.float32), np.arange(2), PATH)
    found = [answer.to_dict() for answer in Regression().answers(rows, data, np.array([0.5, -2.0], np.float32))]
    assert found[0] == {"text": "a", "text_pair": "b", "score": 0.5, "truncated": False}
    assert found[1]["score"] == -2.0
