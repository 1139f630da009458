"""The task of classification: its loss is torch's, in any pieces; its figures do not depend on the batches."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

import tiny
from bertwright.errors import ModelFolderError
from bertwright.tasks.classification import Classification, balanced_weights, positive_label
from bertwright.tasks.metrics import classification_metrics, confusion_matrix
from bertwright.tasks.texts import LabelledBatch, LabelledTexts, label_order

LABELS = tiny.CONFIG.labels
WEIGHTS = np.array([0.3, 1.0, 2.5, 0.7])


def texts() -> LabelledTexts:
    labels = np.array([2, 0, 1, 1, 0, 2, 1, 3, 1, 1, 0, 2, 1])
    return LabelledTexts(tiny.encoded(tiny.LENGTHS), labels, np.arange(13) * 3 + 1, Path("train.tsv"))


# ---- loss


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["even", "weighted"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_sums_over_counts_are_torchs_mean(weights: np.ndarray | None, smoothing: float):
    """Over all parts together, however unevenly the batch is cut."""
    model, data = tiny.classifier(dtype=torch.float64), texts()
    task = Classification(LABELS, weights=weights, smoothing=smoothing)
    batch = data.batch(np.arange(13))
    theirs = None if weights is None else torch.tensor(weights)
    wanted = functional.cross_entropy(model(batch.tokens), batch.labels, theirs, label_smoothing=smoothing)
    for pieces in ([13], [6, 7], [1, 9, 3], [1] * 13):
        parts = [data.batch(rows) for rows in np.split(np.arange(13), np.cumsum(pieces)[:-1])]
        total = sum(task.losses(model, part)["loss"] for part in parts)
        count = sum(task.counts(part)["loss"] for part in parts)
        torch.testing.assert_close(total / count, wanted, rtol=1e-13, atol=0)


def test_logits_are_fp32_at_least():
    data, task = texts().batch(np.arange(3)), Classification(LABELS)
    for dtype, expected in [
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ]:
        assert task.outputs(tiny.classifier(dtype=dtype), data).dtype == expected


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1))
def test_balanced_weights_are_those_of_scikit_learn(labels: list[str]):
    order = label_order(labels)
    expected = compute_class_weight("balanced", classes=np.array(order), y=np.array(labels))
    weights = balanced_weights(labels, order)
    np.testing.assert_allclose(weights, expected)
    assert np.mean([weights[order.index(label)] for label in labels]) == pytest.approx(1.0)


# ---- figures


@pytest.mark.parametrize("pieces", [[13], [1] * 13, [4, 2, 7]], ids=str)
def test_the_tally_does_not_depend_on_the_pieces(pieces: list[int]):
    """Weights and smoothing belong to training: the loss that is told is the plain one."""
    model, data = tiny.classifier(), texts()
    task = Classification(LABELS, weights=WEIGHTS, smoothing=0.2, positive=None)
    tally = task.tally()
    whole = data.batch(np.arange(13))
    logits = model(whole.tokens).detach()
    for rows in np.split(np.arange(13), np.cumsum(pieces)[:-1]):
        tally.count(logits[rows].numpy(), data.labels[rows])
    matrix = confusion_matrix(data.labels, logits.argmax(1).numpy(), 4)
    loss = float(functional.cross_entropy(logits, whole.labels))
    assert tally.metrics() == pytest.approx({"loss": loss, **classification_metrics(matrix)}, rel=1e-6)
    details = tally.details()
    assert details["labels"] == list(LABELS)
    assert details["confusion_matrix"] == matrix.tolist()


def test_an_empty_tally():
    assert set(Classification(LABELS).tally().metrics().values()) == {0.0}


@pytest.mark.parametrize(("positive", "precision"), [("yes", 0.5), ("no", 0.0), (None, None)])
def test_the_positive_label_by_name(positive: str | None, precision: float | None):
    tally = Classification(("no", "yes"), positive=positive).tally()
    tally.count(np.array([[0.0, 1.0], [0.0, 1.0]], dtype=np.float32), np.array([1, 0]))
    assert tally.metrics().get("precision") == precision


# ---- labels


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        (["b", "a", "B", "b"], ("B", "a", "b")),
        (["10", "9", "-1", "0"], ("-1", "0", "9", "10")),
        (["1", "01", "1.5"], ("01", "1", "1.5")),
        (["1", "01", "2"], ("01", "1", "2")),
        (["2", "10", "x"], ("10", "2", "x")),
        (["负", "正"], ("正", "负")),
        (["-", "1", "--2"], ("-", "--2", "1")),
        (["²", "1"], ("1", "²")),
    ],
)
def test_the_order_of_labels(labels: list[str], order: tuple[str, ...]):
    assert label_order(labels) == order
    assert label_order(labels[::-1]) == order


def test_the_positive_label():
    assert positive_label(("no", "yes")) == "yes"
    assert positive_label(("no", "yes"), "no") == "no"
    assert positive_label(("a", "b", "c")) is None


# ---- data


def test_a_batch_carries_its_labels_and_where_they_stand():
    data = texts()
    batch = data.batch(np.array([5, 2]))
    assert isinstance(batch, LabelledBatch)
    assert batch.labels.tolist() == [2, 1]
    assert batch.tokens.cu_seqlens.tolist() == [0, 5, 12]
    assert data.lengths.tolist() == list(tiny.LENGTHS)
    assert data.where(np.array([5, 2, 12])) == "train.tsv: lines 7, 16, 37"
    moved = batch.to(torch.device("meta"))
    assert moved.labels.device.type == moved.tokens.ids.device.type == "meta"


def test_the_positive_label_travels_in_the_config():
    config = Classification(("no", "yes"), positive="no").configure(tiny.CONFIG)
    assert config.task == {"name": "classification", "positive_label": "no"}
    assert Classification.of(config).positive == "no"
    assert Classification(("no", "yes"), positive="yes").configure(config).task == {}, "that is the usual one"
    with pytest.raises(
        ModelFolderError, match=r"^config\.json: the positive label should be one of two labels, not 'x'"
    ):
        Classification.of(replace(config, task={"name": "classification", "positive_label": "x"}))
