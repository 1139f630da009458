"""Our heads and losses are those of transformers' classes, task by task: losses, gradients, logits, folders."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seqeval.metrics
import torch
import transformers
from check_model import GRADIENTS, LOGITS, gradients, largest_difference, padded
from safetensors.torch import load_file, save_file
from torch import Tensor

import bertwright
import tiny
from bertwright.errors import ModelFolderError
from bertwright.model.config import BertConfig
from bertwright.model.folder import ModelFolder, write_model_folder
from bertwright.model.heads import Headed, TokenClassifier
from bertwright.serving.masked_predictor import MaskedPredictor
from bertwright.tasks.choice import Choice, ChoiceExamples
from bertwright.tasks.finetuning import Rows
from bertwright.tasks.kinds import AnyTask
from bertwright.tasks.multilabel import MultiLabel
from bertwright.tasks.questions import Questions
from bertwright.tasks.regression import Regression
from bertwright.tasks.tag_schemes import impossible
from bertwright.tasks.tagging import Sentence, Tagging
from bertwright.tasks.texts import LabelledTexts
from bertwright.text.tables.answers import Answer
from bertwright.text.tables.questions import QuestionRow
from bertwright.text.wordpiece import WordPiece

PATH = Path("rows")
WORDS = [f"w{place}" for place in range(90)]
TOKENIZER = WordPiece.from_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS], max_length=41)
SIZES = {**tiny.SIZES, **tiny.NO_DROPOUT, "type_vocab_size": 2}
del SIZES["labels"]
DRAW = np.random.default_rng(4)


@dataclass(frozen=True)
class Peer:
    """What a task is compared with.

    Attributes:
        model: transformers' class.
        task: Ours.
        examples: Some of its examples.
        labels: What transformers is given beside a padded batch.
        logits: The outputs of transformers, in the order of ours.
    """

    model: Any
    task: AnyTask
    examples: Any
    labels: Callable[[Any], dict[str, Tensor]]
    logits: Callable[[Any, Any], Tensor]


def texts(labels: np.ndarray) -> LabelledTexts:
    return LabelledTexts(
        TOKENIZER.encode([" ".join(WORDS[:length]) for length in tiny.LENGTHS], max_length=41),
        labels,
        np.arange(13),
        PATH,
    )


def by_place(batch: Any, flat: Tensor, filler: int) -> Tensor:
    """A value for every token of a padded batch."""
    return torch.nn.utils.rnn.pad_sequence(
        flat.split(batch.tokens.cu_seqlens.diff().tolist()), batch_first=True, padding_value=filler
    )


def tag_labels(batch: Any) -> dict[str, Tensor]:
    flat = torch.full_like(batch.tokens.ids, -100)
    flat[batch.read] = batch.tags
    return {"labels": by_place(batch, flat, -100)}


def read_logits(batch: Any, logits: Tensor) -> Tensor:
    """Of the flat places that are read."""
    mask = padded(batch.tokens)["attention_mask"].bool()
    return logits[mask][batch.read]


def edges(batch: Any) -> dict[str, Tensor]:
    """Where the answers are, among all tokens of each window."""
    first = torch.searchsorted(batch.window, torch.arange(len(batch.starts)))
    starts = batch.tokens.starts
    return {
        "start_positions": batch.read[first + batch.starts] - starts,
        "end_positions": batch.read[first + batch.ends] - starts,
    }


def sentences() -> Rows[Sentence]:
    made = []
    for length in tiny.LENGTHS:
        (row,) = Tagging(("O",)).asked([WORDS[:length]])
        made.append(Sentence(row.text, row.words, tuple(DRAW.choice(["O", "B-X", "I-X"], length)), 1))
    return Rows(PATH, made)


def questions() -> Rows[QuestionRow]:
    made = []
    for length in tiny.LENGTHS:
        context = " ".join(WORDS[:length])
        made.append(QuestionRow("q", "", context, (Answer(WORDS[length - 1], context.index(WORDS[length - 1])),), 1))
    return Rows(PATH, made)


def choices() -> ChoiceExamples:
    pairs = TOKENIZER.encode(
        [" ".join(WORDS[: 2 + row % 7]) for row in range(12)],
        [" ".join(WORDS[row:12]) for row in range(12)],
        max_length=41,
    )
    return ChoiceExamples(pairs, np.full(4, 3), np.array([0, 2, 1, 1]), np.arange(4), PATH)


TAGS, ASK = Tagging(("O", "B-X", "I-X")), Questions()
PEERS = {
    "multilabel": Peer(
        transformers.BertForSequenceClassification,
        MultiLabel(("a", "b", "c")),
        texts(DRAW.integers(0, 2, (13, 3)).astype(np.float32)),
        lambda batch: {"labels": batch.labels},
        lambda _, output: output.logits,
    ),
    "regression": Peer(
        transformers.BertForSequenceClassification,
        Regression(),
        texts(DRAW.normal(size=13).astype(np.float32)),
        lambda batch: {"labels": batch.labels},
        lambda _, output: output.logits[:, 0],
    ),
    "tagging": Peer(
        transformers.BertForTokenClassification,
        TAGS,
        TAGS.encode(sentences(), TOKENIZER, 41),
        tag_labels,
        lambda batch, output: read_logits(batch, output.logits),
    ),
    "qa": Peer(
        transformers.BertForQuestionAnswering,
        ASK,
        ASK.encode(questions(), TOKENIZER, 41),
        edges,
        lambda batch, output: read_logits(batch, torch.stack([output.start_logits, output.end_logits], -1)),
    ),
    "choice": Peer(
        transformers.BertForMultipleChoice,
        Choice(),
        choices(),
        lambda batch: {"labels": batch.answers},
        lambda _, output: output.logits.flatten(),
    ),
}


def inputs(name: str, batch: Any) -> dict[str, Tensor]:
    """The batch as transformers reads it; choices have an axis of their own there."""
    made = padded(batch.tokens)
    if name == "choice":
        return {key: value.view(4, 3, -1) for key, value in made.items()}
    return made


def both(name: str, folder: Path) -> tuple[Any, Headed]:
    """A random model of transformers, and ours read from its folder."""
    peer = PEERS[name]
    config = peer.task.configure(BertConfig(**SIZES))
    torch.manual_seed(0)
    theirs = peer.model(transformers.BertConfig(**config.to_dict(peer.task.head.architecture))).eval()
    for parameter in theirs.parameters():
        parameter.data += torch.empty_like(parameter).uniform_(-0.3, 0.3)
    theirs.save_pretrained(folder)
    TOKENIZER.save(folder)
    opened = ModelFolder.open(folder)
    ours = peer.task.head(opened.config).eval()
    assert opened.load_into(ours).describe() is None
    return theirs, ours


@pytest.mark.parametrize("name", PEERS)
def test_losses_gradients_and_logits(name: str, tmp_path: Path):
    """transformers lets the question's tokens compete for the answer, too: here there is no question."""
    peer, (theirs, ours) = PEERS[name], both(name, tmp_path)
    batch = peer.examples.batch(np.arange(len(peer.examples.lengths)))
    output = theirs(**inputs(name, batch), **peer.labels(batch))
    torch.testing.assert_close(peer.task.outputs(ours, batch), peer.logits(batch, output), rtol=0, atol=LOGITS)
    if name == "qa":
        return
    loss = peer.task.losses(ours, batch)["loss"] / peer.task.counts(batch)["loss"]
    assert loss.item() == pytest.approx(output.loss.item(), abs=LOGITS)
    idle = ["classifier.bias"] if name == "choice" else []  # it moves all rivals alike
    assert largest_difference(gradients(ours, loss), gradients(theirs, output.loss), *idle) < GRADIENTS


def test_the_loss_of_answers_where_only_what_is_read_may_compete(tmp_path: Path):
    """The same as transformers' when the logits of all other places are taken out of its softmax."""
    peer, (theirs, ours) = PEERS["qa"], both("qa", tmp_path)
    batch = peer.examples.batch(np.arange(len(peer.examples.lengths)))
    output, wanted = theirs(**inputs("qa", batch)), edges(batch)
    mask = padded(batch.tokens)["attention_mask"].bool()
    flat = torch.full((int(mask.sum()),), -torch.inf)
    flat[batch.read] = 0.0
    away = torch.full(mask.shape, -torch.inf)
    away[mask] = flat
    losses = [
        torch.nn.functional.cross_entropy(logits + away, wanted[f"{edge}_positions"])
        for edge, logits in (("start", output.start_logits), ("end", output.end_logits))
    ]
    loss = peer.task.losses(ours, batch)["loss"] / peer.task.counts(batch)["loss"]
    mean = (losses[0] + losses[1]) / 2
    assert loss.item() == pytest.approx(mean.item(), abs=LOGITS)
    idle = ("qa_outputs.bias", "layer.1.output.LayerNorm.bias")  # they move all rivals alike
    assert largest_difference(gradients(ours, loss), gradients(theirs, mean), *idle) < GRADIENTS


@pytest.mark.parametrize("name", PEERS)
def test_transformers_reads_our_folders(name: str, tmp_path: Path):
    """Equal weights and logits, names of labels, no remark."""
    peer, (theirs, ours) = PEERS[name], both(name, tmp_path / "theirs")
    config = peer.task.configure(BertConfig(**SIZES))
    write_model_folder(tmp_path / "ours", ours, config, TOKENIZER)
    back, remarks = peer.model.from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(remarks.values()), remarks
    for key, tensor in theirs.state_dict().items():
        assert torch.equal(back.state_dict()[key], tensor), key
    assert list(back.config.id2label.values()) == list(peer.task.labels)
    assert back.config.problem_type == config.problem_type


def test_transformers_passes_over_a_crf(tmp_path: Path):
    """It reads the tagger below it, and says which tensors it has no use for."""
    config = Tagging(TAGS.labels, crf=True).configure(BertConfig(**SIZES))
    ours = TokenClassifier(config).eval()
    tiny.shake(ours)
    write_model_folder(tmp_path, ours, config, TOKENIZER)
    back, remarks = transformers.BertForTokenClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert set(remarks.pop("unexpected_keys")) == {"crf.starts", "crf.ends", "crf.transitions"}
    assert not any(remarks.values()), remarks
    batch = PEERS["tagging"].examples.batch(np.arange(13))
    theirs = read_logits(batch, back.eval()(**padded(batch.tokens)).logits)
    torch.testing.assert_close(ours(batch.tokens, batch.read), theirs, rtol=0, atol=LOGITS)


# ---- folders that transformers wrote, with no word of ours in them

TAG_NAMES = {0: "I-X", 1: "O", 2: "B-X", 3: "I-Y", 4: "B-Y"}
LOADED: dict[str, Any] = {"device": "cpu", "precision": "fp32"}


def foreign(kind: Any, folder: Path, **said: Any) -> Any:
    """A random model of one of transformers' classes, saved by itself; it has a pooler in its file in any case."""
    torch.manual_seed(1)
    model = kind(transformers.BertConfig(**{**SIZES, **said})).eval()
    for parameter in model.parameters():
        parameter.data += torch.empty_like(parameter).uniform_(-0.3, 0.3)
    model.save_pretrained(folder)
    TOKENIZER.save(folder)
    stored = load_file(folder / "model.safetensors")
    width = SIZES["hidden_size"]
    pooler = {"bert.pooler.dense.weight": torch.ones(width, width), "bert.pooler.dense.bias": torch.ones(width)}
    save_file({**pooler, **stored}, folder / "model.safetensors", metadata={"format": "pt"})
    return model


def encoded_alone(*texts: str) -> dict[str, Tensor]:
    """A text, or a pair of them, as transformers reads it: every word here is one piece."""
    ids, segments = [TOKENIZER.cls_id], [0]
    for segment, text in enumerate(texts):
        pieces = [TOKENIZER.tokens.index(word) for word in text.split()] + [TOKENIZER.sep_id]
        ids, segments = ids + pieces, segments + [segment] * len(pieces)
    return {"input_ids": torch.tensor([ids]), "token_type_ids": torch.tensor([segments])}


TEXTS = [" ".join(WORDS[start : start + 9 : 2]) for start in range(0, 65, 5)]
SECONDS = [" ".join(WORDS[start : start + 4]) for start in range(60, 73)]


def test_a_tagger_of_transformers_is_a_tagger(tmp_path: Path):
    """Each word's likeliest tag, whatever it may stand behind: the scheme of its labels is not known."""
    model = foreign(transformers.BertForTokenClassification, tmp_path, id2label=TAG_NAMES)
    tags = [
        [TAG_NAMES[number] for number in model(**encoded_alone(text)).logits[0, 1:-1].argmax(1).tolist()]
        for text in TEXTS
    ]
    assert any(impossible(own, "IOB2") for own in tags)
    assert [list(answer.tags) for answer in bertwright.load(tmp_path, **LOADED).predict(TEXTS)] == tags
    truth = [["B-X", "I-X", "O", "B-Y", "O"]] * len(TEXTS)
    lines = [[f"{word} {tag}\n" for word, tag in zip(text.split(), truth[0], strict=True)] for text in TEXTS]
    (tmp_path / "test.conll").write_text("\n".join(map("".join, lines)))
    measured = bertwright.evaluate(
        model=str(tmp_path), test=tmp_path / "test.conll", quiet=True, bootstrap_draws=0, **LOADED
    )
    assert measured.metrics["accuracy"] == pytest.approx(seqeval.metrics.accuracy_score(truth, tags))
    assert measured.metrics["f1"] == pytest.approx(seqeval.metrics.f1_score(truth, tags))
    assert measured.metrics["accuracy"] > 0


def test_a_reader_of_transformers_answers_questions(tmp_path: Path):
    """The best of all spans of at most 30 tokens of the context, by transformers' logits, unless [CLS] is better.

    Its folders do not say whether there may be no answer; those of SQuAD 2.0 are to be able to say so.
    """
    model = foreign(transformers.BertForQuestionAnswering, tmp_path)
    said = set()
    answers = bertwright.load(tmp_path, **LOADED).predict(SECONDS, TEXTS)
    for question, context, answer in zip(SECONDS, TEXTS, answers, strict=True):
        output, first = model(**encoded_alone(question, context)), len(question.split()) + 2
        starts, ends = (logits[0, first:-1] for logits in (output.start_logits, output.end_logits))
        scores = (starts[:, None] + ends).masked_fill(~torch.ones(5, 5, dtype=torch.bool).triu(), -torch.inf)
        best, null = scores.argmax(), output.start_logits[0, 0] + output.end_logits[0, 0]
        assert answer.candidates[0].text == " ".join(context.split()[best // 5 : best % 5 + 1])
        assert answer.no_answer == pytest.approx(torch.sigmoid(null - scores.max()).item(), abs=LOGITS)
        assert answer.answer == ("" if answer.no_answer > 0.5 else answer.candidates[0].text)
        said.add(bool(answer.answer))
    assert said == {True, False}


def test_a_chooser_of_transformers_chooses(tmp_path: Path):
    model = foreign(transformers.BertForMultipleChoice, tmp_path)
    choices = [[SECONDS[place], SECONDS[place - 3], SECONDS[place - 7]] for place in range(13)]
    answers = bertwright.load(tmp_path, **LOADED).predict(TEXTS, choices)
    for text, own, answer in zip(TEXTS, choices, answers, strict=True):
        logits = torch.stack(
            [model(**{name: ids[None] for name, ids in encoded_alone(text, one).items()}).logits[0, 0] for one in own]
        )
        torch.testing.assert_close(torch.tensor(answer.scores), logits.softmax(0), rtol=0, atol=LOGITS)
    assert len({answer.choice for answer in answers}) > 1


@pytest.mark.parametrize("names", [{0: "LABEL_0"}, {0: "how alike"}])
def test_a_classifier_of_transformers_with_one_output_gives_numbers(names: dict[int, str], tmp_path: Path):
    """Such as cross-encoders are."""
    model = foreign(transformers.BertForSequenceClassification, tmp_path, id2label=names)
    found = bertwright.load(tmp_path, **LOADED).predict(TEXTS, SECONDS)
    wanted = [model(**encoded_alone(*pair)).logits.item() for pair in zip(TEXTS, SECONDS, strict=True)]
    assert [answer.score for answer in found] == pytest.approx(wanted, abs=LOGITS)
    assert sorted(found[0].to_dict()) == ["score", "text", "text_pair", "truncated"]


@pytest.mark.parametrize("problem", [None, "multi_label_classification"])
def test_a_classifier_of_transformers_gives_labels(problem: str | None, tmp_path: Path):
    names = {0: "a", 1: "b", 2: "c"}
    model = foreign(transformers.BertForSequenceClassification, tmp_path, id2label=names, problem_type=problem)
    found = bertwright.load(tmp_path, **LOADED).predict(TEXTS)
    for text, answer in zip(TEXTS, found, strict=True):
        logits = model(**encoded_alone(text)).logits[0]
        if problem:
            assert answer.labels == tuple(names[number] for number in range(3) if logits[number] >= 0)
        else:
            assert answer.label == names[int(logits.argmax())]


def test_classes_without_names_are_asked_for(tmp_path: Path):
    foreign(transformers.BertForTokenClassification, tmp_path, num_labels=5)
    with pytest.raises(ModelFolderError, match=r": config.json has no label names, and tagging needs them: "):
        bertwright.load(tmp_path, **LOADED)


def test_a_masked_model_of_transformers_fills_masks(tmp_path: Path):
    foreign(transformers.BertForMaskedLM, tmp_path, id2label={0: "a", 1: "b"})
    assert isinstance(bertwright.load(tmp_path, **LOADED), MaskedPredictor)
