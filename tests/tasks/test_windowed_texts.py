"""Tasks over texts that go through windows: pooling is what a hand computes, and what fits is read as ever."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

import tiny
from bertwright.errors import ModelFolderError, UsageError
from bertwright.settings import FinetuneSettings
from bertwright.tasks import texts
from bertwright.tasks.checks.reading import cut_texts_of
from bertwright.tasks.classification import Classification
from bertwright.tasks.finetuning import Rows
from bertwright.tasks.kinds import TASKS, task_of
from bertwright.tasks.multilabel import MultiLabel
from bertwright.tasks.regression import Regression
from bertwright.tasks.text_reading import TextReading
from bertwright.tasks.texts import LabelledTexts, TextTask
from bertwright.text.tables.texts import Row
from bertwright.text.wordpiece import WordPiece

WORDS = [f"w{place}" for place in range(90)]
TOKENIZER = WordPiece.from_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS], max_length=41)
NEEDED = {"model": "m", "train": "t", "output_dir": "o"}
LABELS = tiny.CONFIG.labels
WINDOWS = {pooling: TextReading("window", 3, pooling) for pooling in ("mean", "max")}
LENGTHS = (3, 20, 8, 31, 6)


def rows_of(lengths: tuple[int, ...], *, pairs: bool = False) -> Rows[Row[str]]:
    made = [
        Row(" ".join(WORDS[:length]), "w1" if pairs else None, LABELS[place % 4], place + 2)
        for place, length in enumerate(lengths)
    ]
    return Rows(Path("train.csv"), made)


def each_alone(task: Classification, model: torch.nn.Module) -> list[Float[Tensor, "W C"]]:
    """The logits of each text's windows, computed from texts cut by hand: 6 words each, beginning 3 apart."""
    found = []
    for length in LENGTHS:
        starts = range(0, max(length - 6, 0) + 3, 3) if length > 6 else [0]
        cut = [" ".join(WORDS[start : min(start + 6, length)]) for start in starts]
        encoded = TOKENIZER.encode(cut, max_length=8)
        examples = LabelledTexts(encoded, np.zeros(len(cut), np.int64), np.arange(len(cut)), Path("x"))
        found.append(Classification(LABELS).outputs(model, examples.batch(np.arange(len(cut)))))
    return found


@pytest.mark.parametrize("pooling", WINDOWS)
def test_pooling_is_what_a_hand_computes(pooling: str):
    model, task = tiny.classifier(dtype=torch.float64), Classification(LABELS, reading=WINDOWS[pooling])
    examples = task.encode(rows_of(LENGTHS), TOKENIZER, 8)
    assert examples.windows is not None
    by_hand = each_alone(task, model)
    assert examples.windows.tolist() == [len(windows) for windows in by_hand] == [1, 6, 2, 10, 1]
    wanted = torch.stack([windows.mean(0) if pooling == "mean" else windows.amax(0) for windows in by_hand])
    order = np.array([3, 0, 4, 1, 2])
    batch = examples.batch(order)
    torch.testing.assert_close(task.outputs(model, batch), wanted[order], rtol=0, atol=1e-13)
    loss = torch.nn.functional.cross_entropy(wanted[order], batch.labels, reduction="sum")
    torch.testing.assert_close(task.losses(model, batch)["loss"], loss, rtol=1e-13, atol=0)
    assert task.counts(batch) == {"loss": 5.0}  # one loss a text, however many windows it has
    parts = sum(task.losses(model, examples.batch(part))["loss"] for part in np.array_split(order, 3))
    torch.testing.assert_close(parts, loss, rtol=1e-13, atol=0)


@pytest.mark.parametrize("pooling", WINDOWS)
@pytest.mark.parametrize("kind", [Classification, MultiLabel, Regression])
def test_what_fits_is_read_as_ever(kind: type[TextTask[object]], pooling: str):
    """Bit for bit, forward and backward."""
    config = replace(tiny.CONFIG, labels=("a",) if kind is Regression else LABELS)
    plain, windowed = kind.of(config), kind.of(replace(config, task=WINDOWS[pooling].to_dict()))
    bare = Rows(Path("x"), [replace(row, label=None) for row in rows_of((3, 5, 6, 0))])
    found = []
    for task in (plain, windowed):
        model = tiny.classifier(config)
        examples = task.encode(bare, TOKENIZER, 8)
        outputs = task.outputs(model, examples.batch(np.array([2, 0, 3, 1])))
        outputs.square().sum().backward()
        found.append([outputs.detach(), *(p.grad for p in model.parameters())])
        assert examples.lengths.tolist() == [5, 7, 8, 2]
        assert not examples.cut.any()
    for one, other in zip(*found, strict=True):
        assert torch.equal(one.to_dense(), other.to_dense())


def test_a_book_is_read_piece_by_piece(monkeypatch: pytest.MonkeyPatch):
    """Where nothing is learned: no forward pass has more tokens than a bound, and the outputs are the same."""
    monkeypatch.setattr(texts, "_AT_ONCE", 20)
    model, task = tiny.classifier(dtype=torch.float64), Classification(LABELS, reading=WINDOWS["mean"])
    batch = task.encode(rows_of(LENGTHS), TOKENIZER, 8).batch(np.arange(5))
    seen = []
    model.register_forward_pre_hook(lambda _, given: seen.append(len(given[0].ids)))
    whole = task.outputs(model, batch)
    with torch.inference_mode():
        pieces = task.outputs(model, batch)
    torch.testing.assert_close(pieces, whole, rtol=0, atol=1e-13)
    assert seen[0] == sum(seen[1:]) == len(batch.tokens.ids)
    assert max(seen[1:]) <= 20


def test_windowed_texts_know_their_lengths():
    examples = Classification(LABELS, reading=WINDOWS["mean"]).encode(rows_of(LENGTHS), TOKENIZER, 8)
    assert examples.full_lengths.tolist() == [length + 2 for length in LENGTHS]
    assert examples.cut.tolist() == [False] * 5
    assert (examples.things, examples.places(np.array([3, 1])).tolist()) == (5, [3, 1])
    assert examples.lengths.tolist() == [5, 6 * 2 + 15 + 20, 8 + 7, 10 * 2 + 27 + 31, 8]
    assert examples.where(np.array([3])) == "train.csv: lines 5"


def test_pairs_do_not_go_through_windows():
    task = Classification(LABELS, reading=WINDOWS["mean"])
    with pytest.raises(UsageError) as caught:
        task.encode(rows_of(LENGTHS, pairs=True), TOKENIZER, 8)
    assert str(caught.value) == (
        "train.csv: long = window is for single texts, and these are pairs: head and head+tail cut the longer text "
        "of a pair first"
    )


# ---- the folder


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
@pytest.mark.parametrize(
    ("long", "pair"),
    [("head", None), ("head", "p"), ("head+tail", None), ("head+tail", "p"), ("window", None)],
)
def test_the_config_tells_how_texts_are_read(task: str, long: str, pair: str | None):
    settings = FinetuneSettings.create({**NEEDED, "long": long, "window_pooling": "max", "stride": 7})
    labels = {"classification": ("a", "b"), "multilabel": (("a",),), "regression": (1.0,)}
    learned = TASKS[task].learn(Rows(Path("x"), [Row("t", pair, label, 1) for label in labels[task]]), settings)
    config = learned.configure(replace(tiny.CONFIG, task={}))
    back = task_of(config)
    assert isinstance(back, TextTask)
    assert back.name == task
    pairs = pair is not None
    window = TextReading("window", 7, "max", pairs)
    assert back.reading == (window if long == "window" else TextReading(long, pairs=pairs))
    if long == "head":
        assert "long" not in config.task  # as it always was


def test_what_is_tuned_reads_texts_as_before():
    classifier = Classification(("a", "b"), calibrate=True, reading=WINDOWS["max"])
    examples = classifier.encode(Rows(Path("x"), [Row("w1", None, "a", 1), Row("w2", None, "b", 2)]), TOKENIZER, 8)
    tuned = classifier.tuned(np.array([[1, 2], [0, 1]], np.float32), examples)
    assert tuned.temperature is not None
    assert classifier.temperature is None
    assert tuned.reading is tuned.judging("a").reading is WINDOWS["max"]
    labels = MultiLabel(("a", "b"), reading=WINDOWS["max"])
    several = labels.encode(Rows(Path("x"), [Row("w1", None, ("a",), 1)]), TOKENIZER, 8)
    assert labels.tuned(np.array([[2, 1]], np.float32), several).reading is WINDOWS["max"]


@pytest.mark.parametrize("odd", ["window", {"way": "tail"}, {"way": "window", "stride": 0, "pooling": "mean"}])
def test_a_config_that_is_not_understood(odd: object):
    with pytest.raises(ModelFolderError, match=r"^config\.json: how long texts are read is not known here: "):
        task_of(replace(tiny.CONFIG, task={"name": "classification", "long": odd}))


@pytest.mark.parametrize(
    ("lengths", "positions", "pairs", "marks", "advice"),
    [
        (
            (*(3,) * 199, 20),
            41,
            False,
            "99 of 100 have no more than 5, the longest 22",
            "--max-length 22 would keep them whole, for more time and memory",
        ),
        (
            (3, 20, 8),
            41,
            False,
            "the longest has 22",
            "--max-length 22 would keep them whole, for more time and memory",
        ),
        (
            (3, 20, 8),
            14,
            False,
            "the longest has 22",
            "--max-length 14 would keep 1 of them whole, for more time and memory; --long window reads all of each",
        ),
        (
            (3, 20),
            14,
            True,
            "the longest has 24",
            "--max-length 14 would keep more of each, but none whole, for more time and memory; "
            "--long head+tail reads the ends, too",
        ),
        (
            (3, 20),
            8,
            False,
            "the longest has 22",
            "the model reads no more at once: see that it is enough to tell what is wanted; "
            "--long window reads all of each",
        ),
        (
            (*(9,) * 150, 20),
            41,
            False,
            "99 of 100 have no more than 11, the longest 22",
            "--max-length 11 would keep 150 of them whole, for more time and memory; --long window reads all of each",
        ),
    ],
)
def test_what_is_advised_against_cuts_would_keep_what_it_says(
    lengths: tuple[int, ...], positions: int, *, pairs: bool, marks: str, advice: str
):
    task, rows = Classification(LABELS), rows_of(lengths, pairs=pairs)
    (found,) = cut_texts_of(task, "train", rows, task.encode(rows, TOKENIZER, 8), max_length=8, positions=positions)
    verbs = ("is", "loses its") if sum(length > 6 for length in lengths) == 1 else ("are", "lose their")
    assert found.text.endswith(" {} longer than 8 tokens and {} end; {}".format(*verbs, marks))
    assert found.advice == advice
    assert found.severity == ("note" if "no more than 5" in marks else "warning")
