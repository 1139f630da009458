"""Tagging with a CRF: paths of tags are learned and found, window by window."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from bertwright.errors import UsageError
from bertwright.model.config import BertConfig
from bertwright.model.heads import TokenClassifier
from bertwright.settings import FinetuneSettings
from bertwright.tasks.finetuning import Rows
from bertwright.tasks.kinds import check_settings, task_of
from bertwright.tasks.regression import Regression
from bertwright.tasks.tagging import Sentence, Tagging
from bertwright.text.wordpiece import WordPiece

WORDS = [f"w{place}" for place in range(90)]
TOKENIZER = WordPiece.from_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS], max_length=41)
LABELS = ("O", "B-X", "I-X")
CONFIG = replace(tiny.CONFIG, labels=LABELS, task={"name": "tagging", "crf": True})
NEEDED = {"model": "m", "train": "t", "output_dir": "o"}


def rows() -> Rows[Sentence]:
    made, draw = [], np.random.default_rng(4)
    for length in tiny.LENGTHS:
        (row,) = Tagging(LABELS).asked([WORDS[length : 2 * length]])
        made.append(Sentence(row.text, row.words, tuple(draw.choice(LABELS, length)), 1))
    return Rows(Path("rows"), made)


def model(config: BertConfig = CONFIG) -> TokenClassifier:
    made = TokenClassifier(config).double().eval()
    tiny.shake(made, size=0.5)
    return made


def test_outputs_are_shares_of_paths_and_the_best_path():
    task, made = Tagging(LABELS, crf=True), model()
    examples = task.encode(rows(), TOKENIZER, 7)
    assert (examples.windows.lengths < examples.windows.stop.max()).any()  # long sentences go through windows
    batch = examples.batch(np.arange(len(examples.windows)))
    assert batch.words.sum() == examples.things
    outputs = task.outputs(made, batch)
    logits, tags = task.read(outputs.detach().float().numpy(), examples)
    assert made.crf is not None
    emissions = Tagging(LABELS)._logits(made, batch)
    assert tags.tolist() == made.crf.best(emissions, batch.words).tolist()
    torch.testing.assert_close(torch.from_numpy(logits), made.crf.marginals(emissions, batch.words).float())
    assert np.exp(logits).sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    tally = task.tally()
    tally.add(outputs.detach().float().numpy(), examples)
    assert tally.metrics().keys() == Tagging(LABELS).tally().metrics().keys()
    names = [tag for answer in task.answers(rows(), examples, outputs.detach().float().numpy()) for tag in answer.tags]
    assert names == [LABELS[tag] for tag in tags]


@pytest.mark.parametrize("pieces", [[13], [6, 7], [1] * 13], ids=str)
def test_parts_of_a_batch_are_the_batch(pieces: list[int]):
    """The mean over words of how improbable the paths are."""
    task, made = Tagging(LABELS, crf=True), model()
    examples = task.encode(rows(), TOKENIZER, 41)
    whole = examples.batch(np.arange(13))
    wanted = task.losses(made, whole)["loss"] / task.counts(whole)["loss"]
    parts = [examples.batch(part) for part in np.split(np.arange(13), np.cumsum(pieces)[:-1])]
    total = sum(task.losses(made, part)["loss"] for part in parts) / sum(task.counts(part)["loss"] for part in parts)
    torch.testing.assert_close(total, wanted, rtol=1e-12, atol=0)


def test_without_a_crf_nothing_is_other():
    """No tensor more, and a row of logits a word."""
    plain = replace(CONFIG, task={"name": "tagging"})
    made = model(plain)
    assert not [name for name in made.state_dict() if name.startswith("crf.")]
    task = task_of(plain)
    assert isinstance(task, Tagging)
    assert not task.crf
    assert task.configure(CONFIG).task == {"name": "tagging"}
    examples = task.encode(rows(), TOKENIZER, 41)
    assert task.outputs(made, examples.batch(np.arange(13))).shape == (sum(tiny.LENGTHS), 3)


def test_a_text_without_words():
    task, made = Tagging(LABELS, crf=True), model()
    empty = Rows(Path("rows"), list(task.asked([""])))
    examples = task.encode(empty, TOKENIZER, 41)
    outputs = task.outputs(made, examples.batch(np.arange(1)))
    assert outputs.shape == (0, 4)
    (answer,) = task.answers(empty, examples, outputs.detach().float().numpy())
    assert (answer.tags, answer.entities) == ((), ())


def test_the_config_says_so_and_what_does_not_go_together_is_refused():
    task = task_of(CONFIG)
    assert isinstance(task, Tagging)
    assert task.crf
    assert task.configure(tiny.CONFIG).task == {"name": "tagging", "crf": True}
    told = r"^crf is for whole paths of tags: label_smoothing and class_weights are for tags one by one$"
    with pytest.raises(UsageError, match=told):
        FinetuneSettings.create({**NEEDED, "crf": True, "class_weights": "balanced"})
    with pytest.raises(UsageError, match=r"^crf is for tagging, and the task is regression$"):
        check_settings(Regression, FinetuneSettings.create({**NEEDED, "crf": True}))
