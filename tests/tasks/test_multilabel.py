"""Multi-label classification: scikit-learn's figures, torch's loss, thresholds that only do something when tuned."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.nn import functional

import tiny
from bertwright.errors import DataError, ModelFolderError
from bertwright.settings import FinetuneSettings
from bertwright.tasks.finetuning import Rows
from bertwright.tasks.metrics import LabelCounts, best_threshold
from bertwright.tasks.multilabel import MultiLabel
from bertwright.tasks.texts import LabelledTexts
from bertwright.text.tables.cells import UnusableCellError
from bertwright.text.tables.texts import Row, several_labels

PATH = Path("train.csv")
LABELS = ("joy", "fear", "calm", "rage")
SETTINGS = FinetuneSettings.create({"model": "m", "train": "t", "output_dir": "o"})


def rows_of(*labels: tuple[str, ...]) -> Rows[Row[tuple[str, ...]]]:
    return Rows(PATH, [Row(f"text {place}", None, each, place + 2) for place, each in enumerate(labels)])


def examples(labels: np.ndarray) -> LabelledTexts:
    return LabelledTexts(tiny.encoded(tiny.LENGTHS), labels.astype(np.float32), np.arange(13), PATH)


# ---- figures


@given(hnp.arrays(bool, (17, 5)), hnp.arrays(bool, (17, 5)))
def test_figures_are_scikit_learns(truth: np.ndarray, given_: np.ndarray):
    counts = LabelCounts(5)
    counts.add(truth[:6], given_[:6])
    counts.add(truth[6:], given_[6:])
    figures = counts.metrics()
    assert figures["accuracy"] == pytest.approx(sklearn.metrics.accuracy_score(truth, given_))
    for average in ("micro", "macro", "weighted"):
        wanted = sklearn.metrics.precision_recall_fscore_support(truth, given_, average=average, zero_division=0)
        found = [figures[f"{name}_{average}"] for name in ("precision", "recall", "f1")]
        assert found == pytest.approx(list(wanted[:3])), average


@given(hnp.arrays(np.float64, 14, elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])), hnp.arrays(bool, 14))
def test_the_best_threshold_is_the_best(scores: np.ndarray, truth: np.ndarray):
    """None of those that tell the scores apart is better."""
    best = best_threshold(scores, truth)
    found = sklearn.metrics.f1_score(truth, scores >= best, zero_division=0)
    others = [sklearn.metrics.f1_score(truth, scores >= score, zero_division=0) for score in scores]
    assert found == pytest.approx(max(others)) or not truth.any()


# ---- loss


def test_the_loss_is_torchs_mean():
    labels = np.random.default_rng(0).integers(0, 2, (13, 4))
    model, data, task = tiny.classifier(dtype=torch.float64), examples(labels), MultiLabel(LABELS)
    batch = data.batch(np.arange(13))
    wanted = functional.binary_cross_entropy_with_logits(model(batch.tokens), batch.labels.double())
    parts = [data.batch(rows) for rows in (np.arange(5), np.arange(5, 13))]
    total = sum(task.losses(model, part)["loss"] for part in parts)
    torch.testing.assert_close(total / sum(task.counts(part)["loss"] for part in parts), wanted)
    tally = task.tally()
    tally.add(model(batch.tokens).detach().float().numpy(), data)
    assert tally.metrics()["loss"] == pytest.approx(float(wanted.detach()), rel=1e-5)
    assert set(task.metrics) <= tally.metrics().keys()


def test_balanced_weights_make_rare_labels_count():
    rows = rows_of(("joy",), ("joy", "fear"), ("joy",), ())
    task = MultiLabel.learn(rows, SETTINGS.model_copy(update={"class_weights": "balanced"}))
    assert task.labels == ("fear", "joy")
    assert task.positive_weights is not None
    assert task.positive_weights.tolist() == pytest.approx([3.0, 1 / 3])


def test_a_label_that_all_texts_have_is_learned_too():
    rows = rows_of(("joy",), ("joy", "fear"), ("joy",))
    task = MultiLabel.learn(rows, SETTINGS.model_copy(update={"class_weights": "balanced"}))
    assert task.positive_weights is not None
    assert task.positive_weights.tolist() == pytest.approx([2.0, 1 / 3])


def test_a_named_column_is_a_label_even_if_no_row_has_it():
    settings = SETTINGS.model_copy(update={"class_weights": "balanced", "label_columns": ("joy", "fear", "awe")})
    task = MultiLabel.learn(rows_of(("joy",), ("joy", "fear"), ()), settings)
    assert task.labels == ("awe", "fear", "joy")
    assert task.positive_weights is not None
    assert task.positive_weights.tolist() == pytest.approx([3.0, 2.0, 0.5])


# ---- thresholds


def test_calibration_is_of_each_text_and_label():
    """It is wrong to be 0.6 sure of a label that is not there, and 0.75 sure that one is not that is."""
    chances, truth = np.array([[0.6, 0.3], [0.9, 0.25]]), np.array([[0, 0], [1, 1]], dtype=np.float32)
    tally = MultiLabel(("joy", "fear"), thresholds=np.full(2, 0.2)).tally()
    shown = LabelledTexts(tiny.encoded([3, 4]), truth, np.arange(2), PATH)
    tally.add(np.log(chances / (1 - chances)).astype(np.float32), shown)
    found = tally.details()["calibration"]
    assert [(part["rows"], round(part["confidence"], 4), part["accuracy"]) for part in found["bins"]] == [
        (1, 0.6, 0.0),
        (1, 0.7, 1.0),
        (1, 0.75, 0.0),
        (1, 0.9, 1.0),
    ]
    assert found["ece"] == pytest.approx((0.6 + 0.3 + 0.75 + 0.1) / 4)


def test_thresholds_are_half_unless_tuned():
    rows = rows_of(("joy",), ("fear",))
    outputs = np.array([[0.1, -0.1, 0.0, -3.0], [1.0, 2.0, -1.0, -1.0]], dtype=np.float32)
    data = LabelledTexts(tiny.encoded([3, 4]), np.zeros((2, 4), np.float32), np.arange(2), PATH)
    answers = list(MultiLabel(LABELS).answers(rows, data, outputs))
    assert [answer.labels for answer in answers] == [("joy", "calm"), ("fear", "joy")]
    strict = MultiLabel(LABELS, np.array([0.7, 0.9, 0.5, 0.1]))
    assert [answer.labels for answer in strict.answers(rows, data, outputs)] == [("calm",), ("joy", "rage")]
    assert answers[1].scores["joy"] == pytest.approx(1 / (1 + np.exp(-1)))


def test_tuning_for_f1_macro_gives_each_frequent_label_its_own_and_the_rare_ones_a_common_threshold():
    draw = np.random.default_rng(1)
    truth = np.zeros((200, 4), dtype=bool)
    truth[:, 0], truth[:, 1], truth[:3, 2], truth[:5, 3] = draw.random(200) < 0.4, draw.random(200) < 0.2, True, True
    outputs = (np.where(truth, 1.0, -1.0) + draw.normal(size=truth.shape) - [0, 2, 0, 0]).astype(np.float32)
    data = LabelledTexts(tiny.encoded([1] * 200), truth.astype(np.float32), np.arange(200), PATH)
    before = MultiLabel(LABELS)
    task = MultiLabel(LABELS, best_metric="f1_macro").tuned(outputs, data)
    assert task.thresholds[2] == task.thresholds[3] not in (task.thresholds[0], task.thresholds[1])
    assert task.thresholds[1] < 0.3
    figures = []
    for each in (before, task):
        tally = each.tally()
        tally.add(outputs, data)
        figures.append(tally.metrics())
    assert figures[1]["f1_weighted"] > figures[0]["f1_weighted"]
    assert figures[1]["loss"] == figures[0]["loss"]


@pytest.mark.parametrize("metric", [None, "f1_micro", "f1_macro", "f1_weighted", "accuracy"])
def test_tuning_is_for_the_metric_that_counts(metric: str | None):
    """Of a model that knows little, each label's own threshold gives it to nearly all texts: F1 micro says no."""
    draw = np.random.default_rng(2)
    truth = draw.random((400, 4)) < [0.5, 0.05, 0.05, 0.05]
    outputs = (np.array([0.0, -3, -3, -3]) + 0.3 * truth + 0.3 * draw.normal(size=truth.shape)).astype(np.float32)
    data = LabelledTexts(tiny.encoded([1] * 400), truth.astype(np.float32), np.arange(400), PATH)

    def figures(task: MultiLabel) -> dict[str, float]:
        tally = task.tally()
        tally.add(outputs, data)
        return tally.metrics()

    tuned = figures(MultiLabel(LABELS, best_metric=metric).tuned(outputs, data))
    others = [
        MultiLabel(LABELS),
        *(MultiLabel(LABELS, best_metric=name).tuned(outputs, data) for name in MultiLabel.metrics),
    ]
    name = metric or "f1_micro"
    assert tuned[name] == max(figures(other)[name] for other in others)
    by_macro = figures(MultiLabel(LABELS, best_metric="f1_macro").tuned(outputs, data))
    by_micro = figures(MultiLabel(LABELS).tuned(outputs, data))
    assert by_macro["f1_micro"] < by_micro["f1_micro"] - 0.03


def test_thresholds_travel_in_the_config():
    task = MultiLabel(LABELS, np.array([0.1, 0.2, 0.3, 0.4]))
    config = task.configure(tiny.CONFIG)
    assert config.problem_type == "multi_label_classification"
    assert MultiLabel.of(config).thresholds.tolist() == [0.1, 0.2, 0.3, 0.4]
    broken = MultiLabel(("a", "b")).configure(tiny.CONFIG)
    with pytest.raises(ModelFolderError, match=r"4 labels need as many thresholds"):
        MultiLabel.of(config.__class__(**{**tiny.SIZES, "task": broken.task}))
    with pytest.raises(
        ModelFolderError, match=r"^config\.json: 4 labels need as many thresholds, which are numbers, not"
    ):
        MultiLabel.of(replace(config, task={"thresholds": [0.5, 0.5, None, "0.5"]}))


# ---- labels


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        (["a", "b", "a"], ("a", "b")),
        ('["a", "b"]', ("a", "b")),
        ("a, b", ("a", "b")),
        ("a,b|c", ("a,b", "c")),
        ("4,27", ("4", "27")),
        ([3, True], ("3", "true")),
        ("['a', \"it's\"]", ("a", "it's")),
        ("['a', 'b', None]", ("a", "b")),
        ("", ()),
        (None, ()),
        ([], ()),
        (7, ("7",)),
    ],
    ids=str,
)
def test_labels_of_a_cell(cell: object, labels: tuple[str, ...]):
    assert several_labels({"labels": cell}) == labels


def test_labels_in_columns():
    assert several_labels({"joy": 1, "fear": "0", "calm": "yes", "rage": None}) == ("joy", "calm")
    assert [several_labels({"toxic": cell}, named=True) for cell in ("1", "0", "1.0", "0.0")] == [("toxic",), ()] * 2
    with pytest.raises(UnusableCellError, match=r"^the label column 'joy' holds 'maybe', neither 1 nor 0$"):
        several_labels({"joy": "maybe", "fear": 0})


@pytest.mark.parametrize("cell", ["['a' 'b']", "[a, b]", "['a',]", "[" * 100_000, "[lambda: 0]", "['a'] * 2"])
def test_what_looks_like_a_list_of_labels_and_is_none(cell: str):
    with pytest.raises(UnusableCellError, match=r"^the labels begin with \[ but are no list as JSON or Python writes"):
        several_labels({"labels": cell})


def test_what_is_said_of_rows():
    rows = rows_of(("joy",), (), ("joy", "fear"))
    assert MultiLabel(LABELS).describe(rows) == "3 texts (joy: 2, fear: 1; 1 without a label)"
    with pytest.raises(
        DataError, match=r"^train\.csv: not one of 1 rows has a label: is it the right --label-column\?$"
    ):
        MultiLabel.check_training(rows_of(()))
    with pytest.raises(DataError, match=r"^train\.csv:2: labels that the model does not have: 'glee' \(rows: 1\)"):
        MultiLabel(LABELS).check(rows_of(("glee",)), "the model")
