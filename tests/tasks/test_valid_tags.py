"""The answer is what trying every sequence of tags finds, and never one that the scheme does not allow."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import tiny
from bertwright.model.viterbi import best_paths
from bertwright.tasks import valid_tags
from bertwright.tasks.finetuning import Rows
from bertwright.tasks.tag_schemes import Scheme, impossible
from bertwright.tasks.tagging import Tagging
from bertwright.tasks.valid_tags import likeliest_valid
from bertwright.text.wordpiece import WordPiece

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LABELS = {
    "IOB2": ("O", "B-PER", "I-PER", "B-LOC", "I-LOC"),
    "BIOES": ("O", "B-PER", "I-PER", "E-PER", "S-PER"),
}


@settings(max_examples=40)
@given(st.lists(st.integers(0, 4), max_size=3), st.integers(0, 999), st.sampled_from(["IOB2", "BIOES"]))
def test_every_sequence_tried(lengths: list[int], seed: int, scheme: Scheme):
    labels = LABELS[scheme]
    logits = 2 * np.random.default_rng(seed).standard_normal((sum(lengths), len(labels)))
    found = likeliest_valid(logits, np.array(lengths, dtype=np.int64), labels, scheme)
    expected: list[int] = []
    for mine in np.split(logits, np.cumsum(lengths)[:-1]) if lengths else []:
        sequences = [
            numbers
            for numbers in product(range(len(labels)), repeat=len(mine))
            if not impossible([labels[number] for number in numbers], scheme)
        ]
        expected += max(sequences, key=lambda numbers: mine[np.arange(len(mine)), list(numbers)].sum())
    assert found.tolist() == expected


def test_many_sentences_are_each_by_itself():
    """Beyond what goes through at once, too."""
    labels, draw = LABELS["IOB2"], np.random.default_rng(0)
    lengths = draw.integers(0, 4, 2_100)
    logits = draw.standard_normal((int(lengths.sum()), len(labels))).astype(np.float32)
    found = likeliest_valid(logits, lengths, labels, "IOB2")
    parts = np.split(logits, np.cumsum(lengths)[:-1])
    alone = [likeliest_valid(mine, np.array([len(mine)]), labels, "IOB2") for mine in parts[::50]]
    whole = np.split(found, np.cumsum(lengths)[:-1])[::50]
    assert [one.tolist() for one in whole] == [one.tolist() for one in alone]


def test_tags_that_can_stand_stay_as_they_are():
    """Even where a sum cannot tell them from others, as here, where it is 1e20 either way."""
    logits = np.array([[1e20, 0, 0], [0.5, 0.7, 0]], dtype=np.float32)
    found = likeliest_valid(logits, np.array([2]), ("O", "B-X", "I-X"), "IOB2")
    assert found.tolist() == [0, 1]


def test_a_long_sentence_does_not_make_the_others_long(monkeypatch: pytest.MonkeyPatch):
    """Padded to it, they would be five million words."""
    padded = []

    def watched(emissions: Tensor, lengths: Tensor, *steps: Tensor) -> Tensor:
        padded.append(len(lengths) * int(lengths.max()))
        return best_paths(emissions, lengths, *steps)

    monkeypatch.setattr(valid_tags, "best_paths", watched)
    words = np.array([5_000, *[5] * 999])
    logits = np.random.default_rng(0).standard_normal((int(words.sum()), 5))
    likeliest_valid(logits, words, LABELS["IOB2"], "IOB2")
    assert max(padded) == 5_000
    assert sum(padded) <= words.sum()


@pytest.mark.parametrize(("valid", "tags"), [(True, ["B-X", "I-X"]), (False, ["I-X", "I-X"])])
def test_answers_and_figures_are_of_the_same_tags(valid: bool, tags: list[str]):
    """Here of a sentence of two words behind one of none."""
    task = Tagging(("O", "B-X", "I-X"), valid=valid)
    asked = [replace(row, tags=("B-X", "I-X")[: len(row.words)]) for row in task.asked([[], ["the", "cat"]])]
    rows = Rows(Path("rows"), asked)
    examples = task.encode(rows, WordPiece.from_tokens([*SPECIAL, "the", "cat"]), 9)
    outputs = np.array([[0, 1, 2], [0, 1, 2]], dtype=np.float32)
    nothing, found = task.answers(rows, examples, outputs)
    assert nothing.tags == ()
    assert list(found.tags) == tags
    tally = task.tally()
    tally.add(outputs, examples)
    assert tally.metrics()["accuracy"] == np.mean([tag == true for tag, true in zip(tags, ["B-X", "I-X"], strict=True)])


@pytest.mark.parametrize(("task", "valid"), [({}, False), ({"name": "tagging"}, True)])
def test_a_folder_of_others_keeps_its_own_scheme(task: dict[str, str], valid: bool):
    """Whose `I-PER` may well begin an entity."""
    config = Tagging(("O", "B-PER", "I-PER")).configure(tiny.CONFIG)
    assert Tagging.of(replace(config, task=task)).valid is valid
