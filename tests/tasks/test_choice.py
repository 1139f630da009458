"""Multiple choice: the choices of one question are rivals, however many they are and whatever shares the batch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

import tiny
from bertwright.errors import UsageError
from bertwright.model.heads import MultipleChoice
from bertwright.tasks.choice import Choice
from bertwright.tasks.finetuning import Rows
from bertwright.text.tables.choices import ChoiceRow
from bertwright.text.wordpiece import WordPiece

PATH = Path("train.json")
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d", "e", "why"]
TOKENIZER = WordPiece.from_tokens(TOKENS, max_length=41)
ROWS = Rows(
    PATH,
    [
        ChoiceRow("1", "a b c", "why", ("d", "e"), 1, 3),
        ChoiceRow("2", "a", None, ("b", "c", "d e"), 0, 4),
        ChoiceRow("3", "e e e e e e e e", "why", ("a", "b"), 1, 9),
    ],
)


def model() -> MultipleChoice:
    made = MultipleChoice(tiny.CONFIG).eval()
    tiny.shake(made)
    return made


def test_each_choice_is_read_with_its_context():
    examples = Choice().encode(ROWS, TOKENIZER, 9)
    batch = examples.batch(np.array([1, 0]))
    parts = [
        " ".join(TOKENIZER.decode(part))
        for part in map(list, batch.tokens.ids.split(batch.tokens.cu_seqlens.diff().tolist()))
    ]
    assert parts == [
        "[CLS] a [SEP] b [SEP]",
        "[CLS] a [SEP] c [SEP]",
        "[CLS] a [SEP] d e [SEP]",
        "[CLS] a b c [SEP] why d [SEP]",
        "[CLS] a b c [SEP] why e [SEP]",
    ]
    assert (batch.choices.tolist(), batch.answers.tolist()) == ([3, 2], [0, 1])
    assert examples.lengths.tolist() == [16, 16, 18]
    assert (examples.cut.tolist(), examples.full_lengths.max(), examples.things) == ([False, False, True], 13, 7)
    assert examples.places(np.array([2, 0])).tolist() == [5, 6, 0, 1]
    assert examples.where(np.array([2, 0])) == f"{PATH}: lines 3, 9"


def test_the_loss_is_that_of_each_question_by_itself():
    """In any pieces: rivals are the choices of one question, never those of a neighbour."""
    task, made = Choice(), model()
    examples = task.encode(ROWS, TOKENIZER, 41)
    alone = []
    for row in range(3):
        batch = examples.batch(np.array([row]))
        alone.append(functional.cross_entropy(made(batch.tokens)[None], batch.answers).item())
    for pieces in ([[0, 1, 2]], [[1], [2, 0]]):
        batches = [examples.batch(np.array(rows)) for rows in pieces]
        total = sum(task.losses(made, batch)["loss"].item() for batch in batches)
        assert total == pytest.approx(sum(alone), rel=1e-5)
        assert sum(task.counts(batch)["loss"] for batch in batches) == 3
    with torch.inference_mode():
        outputs = task.outputs(made, examples.batch(np.arange(3))).numpy()
    tally = task.tally()
    tally.add(outputs, examples)
    assert tally.metrics()["loss"] == pytest.approx(np.mean(alone), rel=1e-5)


def test_answers_and_figures():
    task = Choice()
    examples = task.encode(ROWS, TOKENIZER, 9)
    outputs = np.array([0.0, 1.0, 2.0, 0.0, 1.0, 3.0, 0.0], dtype=np.float32)
    answers = list(task.answers(ROWS, examples, outputs))
    assert [(answer.choice, answer.answer, answer.truncated) for answer in answers] == [
        (1, "e", False),
        (0, "b", False),
        (0, "a", True),
    ]
    assert answers[0].scores == pytest.approx((1 / (1 + np.e), np.e / (1 + np.e)))
    assert [len(answer.scores) for answer in answers] == [2, 3, 2]
    tally = task.tally()
    tally.add(outputs, examples)
    assert tally.metrics()["accuracy"] == pytest.approx(2 / 3)
    assert tally.details()["places"] == {"0": {"right": 1, "chosen": 2}, "1": {"right": 2, "chosen": 1}}
    sure = [abs(max(found.scores) - (found.choice == row.answer)) for found, row in zip(answers, ROWS, strict=True)]
    assert tally.details()["calibration"]["ece"] == pytest.approx(np.mean(sure)), "each is in a bin of its own"
    assert task.describe(ROWS) == "3 questions (2 with 2 choices, 1 with 3 choices)"


def test_asking_and_what_is_refused():
    (row,) = Choice().asked("a b", ["c", "d"], "why")
    assert (row.context, row.question, row.choices, row.answer) == ("a b", "why", ("c", "d"), None)
    with pytest.raises(UsageError, match=r"^2 contexts, 1 lists of choices, 2 questions$"):
        list(Choice().asked(["a", "b"], [["c", "d"]]))
    with pytest.raises(UsageError, match=r"^context 1 has 1 choices: there must be two at least$"):
        list(Choice().asked(["a"], [["c"]]))
