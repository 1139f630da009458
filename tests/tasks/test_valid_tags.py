"""The answer is what trying every sequence of tags finds, and never one that the scheme does not allow."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from bertwright.tasks.tag_schemes import Scheme, impossible
from bertwright.tasks.tagging import Tagging
from bertwright.tasks.valid_tags import likeliest_valid

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


@pytest.mark.parametrize(("task", "valid"), [({}, False), ({"name": "tagging"}, True)])
def test_a_folder_of_others_keeps_its_own_scheme(task: dict[str, str], valid: bool):
    """Whose `I-PER` may well begin an entity."""
    config = Tagging(("O", "B-PER", "I-PER")).configure(tiny.CONFIG)
    assert Tagging.of(replace(config, task=task)).valid is valid
