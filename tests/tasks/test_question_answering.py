"""Question answering: windows as transformers makes them, answers cut from the context, thresholds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from bertwright.errors import DataError, ModelFolderError, UsageError
from bertwright.settings import FinetuneSettings
from bertwright.tasks.checks.reading import cut_texts_of
from bertwright.tasks.finetuning import Rows
from bertwright.tasks.questions import Questions
from bertwright.text.tables.answers import Answer
from bertwright.text.tables.questions import QuestionRow
from bertwright.text.wordpiece import WordPiece

PATH = Path("train.json")
WORDS = ("who", "wrote", "it", "anna", "##s", "book", "in", "paris", "?", ".")
TOKENIZER = WordPiece.from_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS], max_length=41)
SETTINGS = FinetuneSettings.create({"model": "m", "train": "t", "output_dir": "o"})


def row(question: str, context: str, answer: str | None = None, number: int = 1) -> QuestionRow:
    answers = (Answer(answer, context.index(answer)),) if answer else ()
    return QuestionRow(f"q{number}", question, context, answers, number)


def rows_of(*rows: QuestionRow) -> Rows[QuestionRow]:
    return Rows(PATH, rows)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> transformers.PreTrainedTokenizerBase:
    folder = tmp_path_factory.mktemp("tokenizer")
    TOKENIZER.save(folder)
    return transformers.AutoTokenizer.from_pretrained(folder)


# ---- examples


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from(["who", "wrote", "it", "?"]), min_size=1, max_size=5),
    st.lists(st.sampled_from(["annas", "book", "Paris", "in.", "unknown"]), min_size=1, max_size=40),
    st.integers(13, 30),
    st.data(),
)
def test_windows_and_targets_are_those_of_transformers(
    peer: transformers.PreTrainedTokenizerBase,
    question: list[str],
    words: list[str],
    max_length: int,
    data: st.DataObject,
):
    """The examples of run_squad's preparation: overlap for overlap, token for token, answer for answer."""
    context = " ".join(words)
    first = data.draw(st.integers(0, len(words) - 1))
    answer = " ".join(words[first : first + data.draw(st.integers(1, 3))])
    start = len(" ".join(words[:first])) + (first > 0)
    asked = QuestionRow("q", " ".join(question), context, (Answer(answer, start),), 1)
    room = max_length - 3 - len(question)
    stride = data.draw(st.integers(1, room))
    examples = Questions(stride=stride).encode(rows_of(asked), TOKENIZER, max_length)
    theirs = peer(
        asked.question, context, truncation="only_second", max_length=max_length, stride=room - stride,
        return_overflowing_tokens=True, return_offsets_mapping=True,
    )  # fmt: skip
    number = len(examples.windows)
    assert number == len(theirs["input_ids"])
    batch = examples.batch(np.arange(number))
    parts = batch.tokens.ids.split(batch.tokens.cu_seqlens.diff().tolist())
    assert [part.tolist() for part in parts] == theirs["input_ids"]
    assert batch.tokens.segments.tolist() == [part for parts in theirs["token_type_ids"] for part in parts]
    for window in range(number):
        offsets, sides = theirs["offset_mapping"][window], theirs.sequence_ids(window)
        inside = [place for place, side in enumerate(sides) if side == 1]
        within = offsets[inside[0]][0] <= start and offsets[inside[-1]][1] >= start + len(answer)
        read = batch.read[batch.window == window] - batch.tokens.cu_seqlens[window]
        begin, end = int(read[batch.starts[window]]), int(read[batch.ends[window]])
        if within:
            assert (offsets[begin][0], offsets[end][1]) == (start, start + len(answer))
        else:
            assert (begin, end) == (0, 0)


def test_what_is_read():
    """[CLS] and the context: what stands in the question can be no answer."""
    examples = Questions().encode(rows_of(row("who wrote it ?", "anna in paris", "anna")), TOKENIZER, 41)
    batch = examples.batch(np.array([0]))
    assert TOKENIZER.decode(batch.tokens.ids[batch.read].tolist()) == ["[CLS]", "anna", "in", "paris"]
    assert (examples.things, examples.full_lengths.max(), examples.cut.tolist()) == (4, 10, [False])
    assert examples.where(np.array([0])) == f"{PATH}: questions q1"


def test_a_question_that_is_too_long_is_cut_and_said_so():
    asked = rows_of(row("who " * 30, "anna", "anna"), row("who " * 7, "anna", "anna", number=2))
    examples = Questions().encode(asked, TOKENIZER, 13)
    assert examples.cut.tolist() == [True, True]
    assert examples.lengths.tolist() == [5 + 3 + 1] * 2
    assert examples.full_lengths.tolist() == [30 + 3 + 1, 7 + 3 + 1]
    examples = Questions(max_question_length=7).encode(asked, TOKENIZER, 41)
    assert examples.cut.tolist() == [True, False]
    assert examples.lengths.tolist() == [7 + 3 + 1] * 2
    (found,) = cut_texts_of(
        Questions(), "train", asked, Questions().encode(asked, TOKENIZER, 13), max_length=13, positions=64
    )
    said = "train: 2 of 2 questions (100.0%) are longer than 5 tokens (half of --max-length 13) and lose their end; "
    assert found.text == f"{said}the longest has 30"
    assert found.advice == "no more than half of --max-length is for the question: a larger one keeps more of it"
    short = [row("who " * 3, "anna", "anna", number=number) for number in range(2, 201)]
    few = rows_of(row("who " * 30, "anna", "anna"), *short)
    task = Questions(max_question_length=7)
    (found,) = cut_texts_of(task, "train", few, task.encode(few, TOKENIZER, 128), max_length=128, positions=128)
    assert found.advice == "--max-question-length 30 would keep them whole, for more time and memory"
    with pytest.raises(UsageError, match=r"^max_length = 4 leaves no room for a question and a context$"):
        Questions().encode(rows_of(row("who", "anna", "anna")), TOKENIZER, 4)


# ---- learning and loss


def test_what_is_learned_of_the_rows():
    some = rows_of(row("who ?", "anna", "anna"), row("who ?", "paris"))
    assert Questions.learn(some, SETTINGS).unanswerable
    assert not Questions.learn(rows_of(some.items[0]), SETTINGS).unanswerable
    assert Questions().describe(some) == "2 questions to 2 contexts (1 without an answer)"
    assert Questions().describe(rows_of(row("who", "anna", "anna"))) == "1 question to 1 context"
    with pytest.raises(DataError, match=r"^train\.json: not one of 1 questions has an answer"):
        Questions.check_training(rows_of(some.items[1]))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"unanswerable": "no"}, r"unanswerable of question answering cannot be 'no'; False is usual$"),
        ({"threshold": None}, r"threshold of question answering cannot be None; 0\.5 is usual$"),
        ({"stride": 0}, r"stride of question answering cannot be 0; 128 is usual$"),
        ({"n_best": True}, r"n_best of question answering cannot be True; 20 is usual$"),
        ({"strid": 64}, r"the settings of question answering are not known: .*'strid'"),
    ],
)
def test_what_somebody_wrote_into_the_config_is_looked_at(written: dict[str, object], said: str):
    config = replace(tiny.CONFIG, task={"name": "qa", "threshold": 1, **written})
    with pytest.raises(ModelFolderError, match=rf"^config\.json: {said}"):
        Questions.of(config)


def test_windows_shorter_than_the_usual_stride_overlap():
    asked = rows_of(row("who ?", "anna " * 30 + "paris " * 10 + "it " * 30, ("paris " * 10).strip()))
    task = Questions.learn(asked, SETTINGS.model_copy(update={"max_length": 40}))
    windows = task.encode(asked, TOKENIZER, 40).windows
    assert any(start <= 30 and stop >= 40 for start, stop in zip(windows.start, windows.stop, strict=True))
    assert Questions.learn(asked, SETTINGS.model_copy(update={"max_length": 384})).stride == 128


def test_the_loss_of_the_tally_is_that_of_training():
    task = Questions(stride=2)
    some = rows_of(row("who ?", "anna in paris . annas book", "paris"), row("it", "book", number=2))
    examples = task.encode(some, TOKENIZER, 8)
    everything = np.arange(len(examples.windows))
    batch = examples.batch(everything)
    found = torch.from_numpy(np.random.default_rng(3).normal(size=(examples.things, 2)).astype(np.float32))

    class Fixed(torch.nn.Module):
        def forward(self, *_: object) -> torch.Tensor:
            return found

    mean = float(task.losses(Fixed(), batch)["loss"]) / task.counts(batch)["loss"]
    tally = task.tally()
    tally.add(found.numpy(), examples)
    assert tally.metrics()["loss"] == pytest.approx(mean, rel=1e-5)


# ---- answers


def outputs_for(examples: object, marks: dict[int, tuple[float, float]]) -> np.ndarray:
    found = np.full((examples.things, 2), -5.0, dtype=np.float32)  # type: ignore[attr-defined]
    for place, logits in marks.items():
        found[place] = logits
    return found


def test_answers_are_cut_from_the_context():
    task, asked = Questions(), rows_of(row("who ?", "It  was Annas, in Paris.", "Annas"))
    examples = task.encode(asked, TOKENIZER, 41)
    words = TOKENIZER.decode(examples.contexts[0].ids.tolist())
    place = words.index("anna") + 1
    (answer,) = task.answers(asked, examples, outputs_for(examples, {place: (4.0, -5.0), place + 1: (-5.0, 4.0)}))
    assert (answer.answer, answer.start, answer.stop, answer.no_answer) == ("Annas", 8, 13, 0.0)
    assert answer.candidates[0].text == "Annas"
    tally = task.tally()
    tally.add(outputs_for(examples, {place: (4.0, -5.0), place + 1: (-5.0, 4.0)}), examples)
    assert (tally.metrics()["exact_match"], tally.metrics()["f1"]) == (100.0, 100.0)


def test_no_answer_is_given_beyond_the_threshold():
    task, asked = Questions(unanswerable=True), rows_of(row("who ?", "anna in paris"))
    examples = task.encode(asked, TOKENIZER, 41)
    outputs = outputs_for(examples, {0: (2.0, 2.0), 1: (2.5, 2.5)})
    (given,) = task.answers(asked, examples, outputs)
    assert (given.answer, given.no_answer) == ("anna", pytest.approx(1 / (1 + np.e)))
    (none,) = Questions(unanswerable=True, threshold=0.2).answers(asked, examples, outputs)
    assert (none.answer, none.start, none.candidates) == ("", None, given.candidates)


def test_the_threshold_is_the_best_on_the_validation_set():
    """Three sure answers, two of them to questions that have none: a threshold between them is best."""
    asked = rows_of(*(row("who ?", "anna in paris", "anna" if place < 2 else None, place) for place in range(4)))
    task = Questions(unanswerable=True)
    examples = task.encode(asked, TOKENIZER, 41)
    outputs = np.concatenate(
        [[(null, null), (0.0, 0.0), (-9.0, -9.0), (-9.0, -9.0)] for null in (-1.0, -0.6, -0.4, 0.2)]
    )
    outputs = outputs.astype(np.float32)
    tally = task.tally()
    tally.add(outputs, examples)
    assert tally.metrics()["f1"] == 75.0
    tuned = task.tuned(outputs, examples)
    tally = tuned.tally()
    tally.add(outputs, examples)
    assert tally.metrics()["f1"] == 100.0
    nulls = 1 / (1 + np.exp([1.2, 0.8]))
    assert tuned.threshold == pytest.approx(nulls.mean()), "half-way between two questions"
    assert Questions().tuned(outputs, examples).threshold == 0.5


def test_a_model_that_always_answers_is_wrong_where_there_is_none():
    task, asked = Questions(), rows_of(row("who ?", "anna"), row("who ?", "anna", "anna", 2))
    examples = task.encode(asked, TOKENIZER, 41)
    tally = task.tally()
    tally.add(np.zeros((examples.things, 2), dtype=np.float32), examples)
    assert tally.metrics()["exact_match"] == 50.0


def test_asking():
    (one,) = Questions().asked("who ?", "anna")
    assert (one.question, one.context, one.answers) == ("who ?", "anna", None)
    with pytest.raises(UsageError, match=r"^2 questions but 1 context: each question needs its own$"):
        list(Questions().asked(["a", "b"], ["c"]))
