"""Calibration: the error by hand, the temperature that torch finds, and that labels never change."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.nn import functional

import tiny
from bertwright.errors import ModelFolderError
from bertwright.tasks.calibration import Reliability, best_temperature
from bertwright.tasks.classification import Classification, softmax
from bertwright.tasks.finetuning import MEMORY, Rows
from bertwright.tasks.texts import LabelledTexts
from bertwright.text.tables.texts import Row

LABELS = ("no", "yes", "maybe", "never")


def overconfident(rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are 2.5 times too large for the labels that were drawn by them."""
    draw = np.random.default_rng(0)
    logits = draw.normal(size=(rows, 4))
    labels = np.array([draw.choice(4, p=share) for share in softmax(logits)])
    return (2.5 * logits).astype(np.float32), labels


def reliability(confidences: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    counted = Reliability()
    counted.add(confidences, right)
    return counted.to_dict()


def test_the_calibration_error_by_hand():
    found = reliability(np.array([0.39, 0.35, 0.4, 1.0]), np.array([True, False, True, False]))
    assert [each["up_to"] for each in found["bins"]] == pytest.approx([6 / 15, 1.0])
    assert [(each["rows"], each["accuracy"]) for each in found["bins"]] == [(3, pytest.approx(2 / 3)), (1, 0.0)]
    assert found["bins"][0]["confidence"] == pytest.approx(0.38)
    assert found["ece"] == pytest.approx(3 / 4 * (2 / 3 - 0.38) + 1 / 4 * 1.0)
    assert reliability(np.empty(0), np.empty(0, bool)) == {"ece": 0.0, "bins": []}


def test_the_temperature_is_the_one_that_torch_finds():
    logits, labels = overconfident()
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([scale], max_iter=100, tolerance_grad=1e-12, tolerance_change=1e-15)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = functional.cross_entropy(torch.from_numpy(logits).double() * scale, torch.from_numpy(labels))
        loss.backward()
        return loss

    optimizer.step(closure)
    found = best_temperature(logits, labels)
    assert found == pytest.approx(1 / float(scale.detach()), rel=1e-6)
    assert 2.0 < found < 3.1
    ece = [
        reliability(shares.max(1), shares.argmax(1) == labels)["ece"]
        for shares in (softmax(logits), softmax(logits / found))
    ]
    assert ece[1] < ece[0] / 2


def test_the_temperature_stays_in_its_range():
    """Where every label is right, any lower one would be better still."""
    logits = np.eye(4, dtype=np.float32)
    assert best_temperature(logits, np.arange(4)) == pytest.approx(0.05)
    assert best_temperature(logits, np.roll(np.arange(4), 1)) == pytest.approx(20.0)


def answers(task: Classification, logits: np.ndarray) -> list[dict[str, object]]:
    rows = Rows(MEMORY, [Row("a text", None, None, line) for line in range(len(logits))])
    examples = LabelledTexts(tiny.encoded([3] * len(logits)), np.zeros(len(logits), np.int64), rows.lines, MEMORY)
    return [answer.to_dict() for answer in task.answers(rows, examples, logits)]


@given(hnp.arrays(np.float32, (7, 4), elements=st.floats(-9, 9, width=32)), st.floats(0.05, 20))
def test_labels_and_accuracy_never_change(logits: np.ndarray, temperature: float):
    plain, task = Classification(LABELS), Classification(LABELS, temperature=temperature)
    assert [each["label"] for each in answers(task, logits)] == [each["label"] for each in answers(plain, logits)]
    tallies = [each.tally() for each in (plain, task)]
    for tally in tallies:
        tally.count(logits, np.arange(7) % 4)
    assert tallies[0].metrics() == tallies[1].metrics()


def test_off_changes_no_bit():
    logits, _ = overconfident(50)
    plain = Classification(LABELS)
    assert not plain.tunes
    assert plain.tuned(logits, None) is plain
    assert plain.configure(tiny.CONFIG).task == {}
    scores = [list(each["scores"].values()) for each in answers(plain, logits)]  # type: ignore[attr-defined]
    assert scores == softmax(logits).tolist()


def test_rows_that_are_all_right_choose_no_temperature():
    """One row, or an easy set: the likelihood would be best without any doubt at all."""
    logits = np.array([[2.0, 1.0, 0.0, 0.0], [0.1, 0.0, 0.3, 0.2]], dtype=np.float32)
    examples = LabelledTexts(tiny.encoded([1, 1]), np.array([0, 2]), np.array([0, 2]), MEMORY)
    task = Classification(LABELS, calibrate=True)
    assert task.tunes
    assert task.tuned(logits, examples) is task
    assert task.configure(tiny.CONFIG).task == {}
    mixed = replace(examples, labels=np.array([0, 1]))
    assert task.tuned(logits, mixed).temperature is not None


def test_the_temperature_travels_in_the_config():
    logits, labels = overconfident()
    examples = LabelledTexts(tiny.encoded([1] * len(labels)), labels, labels, MEMORY)
    tuned = Classification(LABELS, calibrate=True).tuned(logits, examples)
    assert tuned.temperature == best_temperature(logits, labels)
    config = tuned.configure(tiny.CONFIG)
    assert config.task == {"name": "classification", "temperature": tuned.temperature}
    assert (
        answers(Classification.of(config), logits) == answers(tuned, logits) != answers(Classification(LABELS), logits)
    )
    tally = tuned.tally()
    tally.add(logits, examples)
    assert tally.details()["calibration"]["temperature"] == tuned.temperature
    broken = config.__class__(**{**tiny.SIZES, "task": {"name": "classification", "temperature": 0}})
    with pytest.raises(ModelFolderError, match=r"^config\.json: the temperature should be a number above 0, not 0$"):
        Classification.of(broken)
