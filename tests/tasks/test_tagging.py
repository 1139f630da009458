"""Tagging: every word is read once, by its first piece, whatever the windows; answers point into the text."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from bertwright.errors import DataError
from bertwright.model.heads import TokenClassifier
from bertwright.settings import FinetuneSettings
from bertwright.tasks.finetuning import Rows
from bertwright.tasks.tagging import Sentence, Tagging, sentence_of
from bertwright.text.tables.texts import Row
from bertwright.text.wordpiece import WordPiece

PATH = Path("train.conll")
PIECES = ["un", "##aff", "##able", "paris", "is", "##n", "in", "france", "法", "国", "."]
TOKENIZER = WordPiece.from_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *PIECES], max_length=41)
LABELS = ("O", "B-LOC", "I-LOC", "B-PER")
WORDS = ("unaffable", "paris", "isn", "\u00a0", "france", "法", "strange")
SETTINGS = FinetuneSettings.create({"model": "m", "train": "t", "output_dir": "o"})


def sentence(words: list[str], tags: list[str] | None = None, line: int = 1) -> Sentence:
    row = next(iter(Tagging(LABELS).asked([words])))
    return Sentence(row.text, row.words, None if tags is None else tuple(tags), line)


def rows_of(*sentences: Sentence) -> Rows[Sentence]:
    return Rows(PATH, sentences)


# ---- examples


@settings(max_examples=60)
@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=30), min_size=1, max_size=4), st.integers(3, 9))
def test_every_word_is_read_once_by_its_first_piece(texts: list[list[str]], max_length: int):
    """Also one of which no piece is left, and in whatever order the windows come."""
    rows = rows_of(*(sentence(words) for words in texts))
    examples = Tagging(LABELS).encode(rows, TOKENIZER, max_length)
    assert examples.lengths.max() <= max_length
    order = np.random.default_rng(0).permutation(len(examples.lengths))
    flat = [word for words in texts for word in words]
    seen = []
    for chosen in np.array_split(order, 2):
        if not len(chosen):
            continue
        batch, places = examples.batch(chosen), examples.places(chosen)
        for place, token in zip(places.tolist(), batch.tokens.ids[batch.read].tolist(), strict=True):
            pieces = TOKENIZER.tokenize([flat[place]])[0].tolist()
            assert token == (pieces[0] if pieces else TOKENIZER.unk_id)
        seen += places.tolist()
        assert batch.tokens.ids[batch.tokens.starts.long()].unique().tolist() == [TOKENIZER.cls_id]
        assert (batch.read.diff() > 0).all()
    assert sorted(seen) == list(range(len(flat)))


def test_a_batch_looks_like_this():
    tags = ["O", "B-LOC", "I-LOC"]
    examples = Tagging(LABELS).encode(rows_of(sentence(["unaffable", "paris", "france"], tags, line=7)), TOKENIZER, 41)
    batch = examples.batch(np.array([0]))
    assert TOKENIZER.decode(batch.tokens.ids.tolist()) == ["[CLS]", "un", "##aff", "##able", "paris", "france", "[SEP]"]
    assert (batch.read.tolist(), batch.tags.tolist()) == ([1, 4, 5], [0, 1, 2])
    assert (examples.full_lengths.tolist(), examples.cut.tolist()) == ([7], [False])
    assert examples.where(np.array([0])) == f"{PATH}: lines 7"


def test_a_word_means_the_same_in_a_window_that_holds_all_of_its_sentence():
    """Windows are an affair of long sentences alone."""
    config = tiny.CONFIG
    model = TokenClassifier(config).eval()
    tiny.shake(model)
    task = Tagging(LABELS)
    words = ["paris", "is", "in", "france", "."] * 3
    whole, cut = (task.encode(rows_of(sentence(words)), TOKENIZER, length) for length in (41, 9))
    assert (len(whole.windows), len(cut.windows)) == (1, 3)
    with torch.inference_mode():
        one = task.outputs(model, whole.batch(np.array([0])))
        first = task.outputs(model, cut.batch(np.array([0])))
    short = task.encode(rows_of(sentence(words[:7])), TOKENIZER, 41)
    with torch.inference_mode():
        torch.testing.assert_close(first, task.outputs(model, short.batch(np.array([0])))[: len(first)])
    assert one.shape == (15, 4)


# ---- learning


def test_both_tags_of_every_type_are_learned():
    rows = rows_of(sentence(["paris", "is"], ["B-LOC", "O"]), sentence(["un"], ["B-PER"]))
    task = Tagging.learn(rows, SETTINGS)
    assert task.labels == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    assert task.describe(rows) == "2 sentences of 3 words (LOC: 1, PER: 1)"
    with pytest.raises(DataError, match=r"^train\.conll: all 1 words have the tag O: there is nothing to find$"):
        Tagging.check_training(rows_of(sentence(["un"], ["O"])))


def test_a_tag_that_training_never_saw():
    rows = rows_of(sentence(["paris", "is"], ["B-ORG", "O"], line=4))
    with pytest.raises(DataError, match=r"^train\.conll:4: labels that the model does not have: 'B-ORG' \(rows: 1\)"):
        Tagging(LABELS).check(rows, "the model")


@pytest.mark.parametrize(
    ("scheme", "tags"), [("IOB1", "I-LOC B-LOC O"), ("IOB2", "B-LOC B-LOC O"), ("BIOES", "S-LOC S-LOC O")]
)
def test_every_scheme_is_read_as_iob2(scheme: str, tags: str, tmp_path: Path):
    path = tmp_path / "x.conll"
    path.write_text("".join(f"w{place} {tag}\n" for place, tag in enumerate(tags.split())))
    table = Tagging.table(path, SETTINGS, labelled=True)
    assert table.describe().endswith(f"tags in {scheme}")
    assert [row.tags for row in table.read()] == [("B-LOC", "B-LOC", "O")]


def test_parts_of_speech_are_not_learned_as_entities(tmp_path: Path):
    path = tmp_path / "x.conll"
    path.write_text("the DT\nold JJ\ndog NN\n\nFrance NNP\n")
    with pytest.raises(DataError) as caught:
        Tagging.table(path, SETTINGS, labelled=True)
    assert str(caught.value) == (
        f"{path}: one word a line, blank-separated, words in column 1, tags in column 2 of 2, but no word has the tag "
        "O, and no tag a letter such as B- in front: plain tags, such as parts of speech, are not learned here; if "
        "those of entities are in another column, set --label-column; where these are entities, write 'DT' as 'B-DT' "
        "and 'I-DT'"
    )


# ---- answers


def test_answers_point_into_the_text():
    task = Tagging(LABELS)
    rows = Rows(PATH, list(task.asked(["Is Paris in  France, isn't it?", ["法", "国", "."]])))
    assert rows.items[0].strings == ["Is", "Paris", "in", "France", ",", "isn't", "it", "?"]
    assert rows.items[1].text == "法国 ."
    examples = task.encode(rows, TOKENIZER, 41)
    tags = [0, 1, 2, 2, 0, 0, 3, 0, 1, 2, 0]
    outputs = np.full((11, 4), -2.0, dtype=np.float32)
    outputs[np.arange(11), tags] = 2.0
    one, two = task.answers(rows, examples, outputs)
    assert [(e.type, e.text, e.start, e.stop) for e in one.entities] == [
        ("LOC", "Paris in  France", 3, 19),
        ("PER", "it", 27, 29),
    ]
    assert [(e.type, e.text) for e in two.entities] == [("LOC", "法国")]
    assert one.entities[0].score == pytest.approx(np.exp(2) / (np.exp(2) + 3 * np.exp(-2)))
    assert one.tags == ("O", "B-LOC", "I-LOC", "I-LOC", "O", "O", "B-PER", "O")
    assert not one.truncated


@given(st.text())
def test_words_of_a_text_are_in_order_and_leave_out_blanks_alone(text: str):
    found = sentence_of(Row(text, None, None, 1))
    ends = [0, *(stop for _, stop in found.words)]
    for before, (start, stop) in zip(ends, found.words, strict=False):
        assert before <= start < stop
        assert not text[before:start].strip()
    assert not text[ends[-1] :].strip()


def test_figures_are_of_entities():
    task = Tagging(LABELS)
    rows = rows_of(sentence(["paris", "france", "un"], ["B-LOC", "I-LOC", "B-PER"]))
    examples = task.encode(rows, TOKENIZER, 41)
    outputs = np.zeros((3, 4), dtype=np.float32)
    outputs[np.arange(3), [1, 2, 0]] = 5.0
    tally = task.tally()
    tally.add(outputs, examples)
    figures = tally.metrics()
    assert (figures["precision"], figures["recall"], figures["accuracy"]) == (1.0, 0.5, pytest.approx(2 / 3))
    assert set(task.metrics) <= figures.keys()
    wanted = torch.nn.functional.cross_entropy(torch.from_numpy(outputs), torch.tensor([1, 2, 3]))
    assert figures["loss"] == pytest.approx(float(wanted), rel=1e-6)
