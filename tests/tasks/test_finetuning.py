"""Rows of a task: the split keeps the share of every label; what is wrong with labels is said with file and line."""

import gzip
from collections import Counter
from math import floor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertwright.errors import DataError
from bertwright.tasks import finetuning
from bertwright.tasks.classification import Classification, check_classes, check_repeated
from bertwright.tasks.finetuning import Rows
from bertwright.text.tables.bad_rows import BadRowPolicy
from bertwright.text.tables.texts import Row, open_table
from bertwright.text.wordpiece import WordPiece

PATH = Path("train.csv")


def rows_of(labels: list[str], pairs: list[str] | None = None) -> Rows[Row[str]]:
    """Texts that name their place, from line 2 of a file on."""
    seconds = pairs or [None] * len(labels)
    return Rows(
        PATH,
        [
            Row(f"text {place}", pair, label, place + 2)
            for place, (label, pair) in enumerate(zip(labels, seconds, strict=True))
        ],
    )


def labels_of(rows: Rows[Row[str]]) -> list[str]:
    return [row.label or "" for row in rows]


def split(rows: Rows[Row[str]], fraction: float, *, seed: int) -> tuple[Rows[Row[str]], Rows[Row[str]]]:
    return finetuning.split(rows, labels_of(rows), fraction, seed=seed, labels=[[label] for label in labels_of(rows)])


def told(check: object, *arguments: object, **named: object) -> str:
    with pytest.raises(DataError) as caught:
        check(*arguments, **named)  # type: ignore[operator]
    text = str(caught.value)
    assert "\n" not in text
    return text


# ---- reading


def test_rows_of_a_file_with_their_lines(tmp_path: Path):
    path = tmp_path / "pairs.tsv.gz"
    path.write_bytes(gzip.compress(b"text\ttext_pair\tlabel\nhallo\twelt\tja\n\nein\ttext\tnein\n"))
    rows = Rows(path, list(open_table(path).under(BadRowPolicy(skip=True, quarantine=tmp_path / "bad.jsonl")).read()))
    assert rows.items == [Row("hallo", "welt", "ja", 2), Row("ein", "text", "nein", 4)]
    assert (rows.lines.tolist(), len(rows)) == ([2, 4], 2)


def test_taking_rows():
    rows = rows_of(["a", "b", "c"], pairs=["x", "y", "z"]).take(np.array([2, 0]))
    assert rows.items == [Row("text 2", "z", "c", 4), Row("text 0", "x", "a", 2)]


def test_description():
    task = Classification(("a", "b"))
    assert task.describe(rows_of(["b", "a", "b"])) == "3 texts (b: 2, a: 1)"
    many = rows_of([f"label {place % 12:02}" for place in range(24)])
    assert task.describe(many).endswith("label 09: 2, and 2 more labels)")


def test_encoding():
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "text", "0", "1", "2", "x"]
    rows = rows_of(["b", "a", "b"], pairs=["x", "x x", "x"])
    texts = Classification(("a", "b")).encode(rows, WordPiece.from_tokens(tokens, max_length=512), 6)
    assert texts.labels.tolist() == [1, 0, 1]
    assert texts.encoded.ids.tolist() == [2, 5, 6, 3, 9, 3, 2, 5, 3, 9, 9, 3, 2, 5, 8, 3, 9, 3]
    assert texts.cut.tolist() == [False, True, False]
    assert texts.full_lengths.max() == 7
    assert texts.where(np.array([2, 0])) == "train.csv: lines 2, 4"


# ---- split


LABELS = st.lists(st.sampled_from("aaaabbc"), min_size=8) | st.lists(st.sampled_from("abcdefghijkl"), min_size=8)


@given(LABELS, st.floats(0.1, 0.6), st.integers(0, 2**31))
def test_the_split_keeps_each_labels_share_and_that_of_the_whole(labels: list[str], fraction: float, seed: int):
    rows, sizes = rows_of(labels), Counter(labels)
    most = sum(min(size - 1, floor(size * fraction) + 1) for size in sizes.values())  # rare labels give no row
    due = min(round(len(labels) * fraction), most)
    try:
        kept, held_out = split(rows, fraction, seed=seed)
    except DataError:
        assert due == 0
        return
    assert len(held_out) == due
    assert sorted([*kept.lines, *held_out.lines]) == rows.lines.tolist()
    for part in (kept, held_out):
        assert part.lines.tolist() == sorted(part.lines.tolist())
    for label, size in sizes.items():
        assert labels_of(kept).count(label) >= 1
        assert size == 1 or abs(labels_of(held_out).count(label) - size * fraction) <= 1
    assert split(rows, fraction, seed=seed)[1].lines.tolist() == held_out.lines.tolist()


@pytest.mark.parametrize(
    ("sizes", "due"),
    [
        pytest.param([4] * 50, {0: 30, 1: 20}, id="less than half a row of each"),
        pytest.param([4] * 150 + [20], {0: 90, 1: 60, 2: 1}, id="only one has a row of its own"),
        pytest.param([14] * 50, {1: 30, 2: 20}, id="all shares rounded alike"),
        pytest.param([30] * 8, {3: 8}, id="whole numbers"),
    ],
)
def test_shares_of_labels_add_up(sizes: list[int], due: dict[int, int]):
    """Rounded by itself each label would give too few rows, or one label all of them."""
    labels = [f"label{label}" for label, size in enumerate(sizes) for _ in range(size)]
    kept, held_out = split(rows_of(labels), 0.1, seed=0)
    counts = Counter(labels_of(held_out))
    assert Counter(counts[label] for label in set(labels)) == due
    assert set(labels_of(kept)) == set(labels)


def test_the_split_is_seeded_and_random():
    """Literal: the validation set of a run must not change when it goes on."""
    rows = rows_of(["a", "b"] * 20)
    held = [split(rows, 0.2, seed=seed)[1].lines.tolist() for seed in (0, 0, 1)]
    assert held[0] == held[1] != held[2]
    assert held[0] == [10, 11, 20, 24, 26, 29, 33, 35]
    places = [line for seed in range(200) for line in split(rows, 0.2, seed=seed)[1].lines.tolist()]
    counts = np.array([places.count(line) for line in rows.lines])  # each 200 times with probability 0.2
    assert abs(counts - 40).max() < 4.5 * (200 * 0.2 * 0.8) ** 0.5


def test_labels_are_drawn_independently():
    """Not the same places of every label: rows of a file often come in groups of one of each."""
    held = split(rows_of(["a", "b"] * 50), 0.2, seed=0)[1].lines
    assert set(held[held % 2 == 0]) != {line - 1 for line in held[held % 2 == 1]}


@given(st.lists(st.sampled_from("uvwxyz"), min_size=12), st.integers(0, 2**31))
def test_rows_of_one_group_stay_together(groups: list[str], seed: int):
    rows = rows_of(["a"] * len(groups))
    try:
        kept, held_out = finetuning.split(rows, labels_of(rows), 0.4, seed=seed, groups=groups)
    except DataError:
        assert len(set(groups)) == 1
        return
    parts = [{groups[line - 2] for line in part.lines.tolist()} for part in (kept, held_out)]
    assert not parts[0] & parts[1]
    assert sorted([*kept.lines, *held_out.lines]) == rows.lines.tolist()
    assert len(parts[1]) == min(round(len(set(groups)) * 0.4), len(set(groups)) - 1)


@given(st.lists(st.sets(st.sampled_from("abcdefg"), max_size=3), min_size=12), st.data(), st.integers(0, 2**31))
def test_no_label_is_left_to_the_validation_rows_alone(labels: list[set[str]], data: st.DataObject, seed: int):
    """Rows with several labels, in groups: whatever is split off, training has seen each of its labels."""
    groups = data.draw(st.lists(st.sampled_from(range(6)), min_size=len(labels), max_size=len(labels)))
    rows = rows_of(["a"] * len(labels))
    try:
        kept, held_out = finetuning.split(rows, labels_of(rows), 0.5, seed=seed, groups=groups, labels=labels)
    except DataError:
        return
    learned, asked = ({name for line in part.lines.tolist() for name in labels[line - 2]} for part in (kept, held_out))
    assert asked <= learned
    assert not {groups[line - 2] for line in kept.lines} & {groups[line - 2] for line in held_out.lines}
    plain = finetuning.split(rows, labels_of(rows), 0.5, seed=seed, groups=groups)[1]
    assert set(held_out.lines) <= set(plain.lines), "no other rows than without the rule"
    if {name for line in plain.lines for name in labels[line - 2]} <= {
        name for line in set(rows.lines) - set(plain.lines) for name in labels[line - 2]
    }:
        assert held_out.lines.tolist() == plain.lines.tolist()


def test_strata_of_one_row_are_split_as_one():
    """Rows with several labels: the first of each is no other row's first, and the second of another one."""
    labels = [(f"t{number}", f"t{number + 1}") for number in range(200)]
    rows = rows_of([first for first, _ in labels])
    kept, held_out = finetuning.split(rows, labels_of(rows), 0.1, seed=0, labels=labels)
    assert 15 <= len(held_out) <= 20
    learned, asked = ({name for line in part.lines.tolist() for name in labels[line - 2]} for part in (kept, held_out))
    assert asked <= learned


def test_too_few_rows_to_split():
    three = rows_of(["a", "b", "b"])
    assert told(finetuning.split, three, labels_of(three), 0.1, seed=0, groups=[1, 1, 2], alike="context").startswith(
        "train.csv: 2 contexts are too few to split off"
    )
    assert told(split, rows_of(["a", "b", "b"]), 0.1, seed=0) == (
        "train.csv: 3 rows are too few to split off a validation set of 10%; "
        "give one with --validation, or more with --validation-fraction"
    )


# ---- checks


def test_two_labels_are_needed():
    check_classes(["a", "b"], PATH)
    assert told(check_classes, ["a", "a"], PATH) == (
        "train.csv: all 2 rows have the label 'a': there is nothing to tell apart; is it the right --label-column?"
    )


def test_labels_that_look_like_texts():
    check_repeated(["a", "b", "c"] * 2, PATH)
    assert told(check_repeated, ["0.1", "0.2", "0.3", "0.1"], PATH) == (
        "train.csv: 4 rows have 3 different labels, among them '0.1': this looks like an id, a number or a text; "
        "is it the right --label-column? If it is, give a file with the same labels with --validation"
    )


def test_labels_that_training_never_saw():
    rows = rows_of(["a", "x", "b", "y", "x"])
    assert told(Classification(("a", "b")).check, rows, "the training set (train.csv)") == (
        "train.csv:3: labels that the training set (train.csv) does not have: 'x' (rows: 2), 'y' (rows: 1); "
        "it has 'a', 'b'; take these rows out, or train with some of them"
    )
    forms = rows_of(["Positive", "positive", "1", "Positive"])
    assert told(Classification(("positive", "1.0", "-1")).check, forms, "the model") == (
        "train.csv:2: labels that the model does not have: 'Positive' (rows: 2; did you mean 'positive'?), "
        "'1' (rows: 1; did you mean '1.0'?); it has 'positive', '1.0', '-1'; correct them"
    )
    Classification(("a", "b", "x", "y", "z")).check(rows, "the model")
    many = tuple(f"{place:02}" for place in range(11))
    assert told(Classification(many).check, rows_of(["q"]), "the model").endswith(
        "'08', '09', ...; take these rows out, or train with some of them"
    )
