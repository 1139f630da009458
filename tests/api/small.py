"""Small labelled tables and a tiny BERT for the tests of the verbs: words of three kinds, and others."""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from bertwright.api.training_run import Trained
from bertwright.model.config import BertConfig
from bertwright.model.encoder import initialise
from bertwright.model.folder import write_model_folder
from bertwright.model.heads import SequenceClassifier
from bertwright.text.wordpiece import WordPiece

Finetune = Callable[..., Trained]
"""What the fixture `finetune` gives."""

WORDS = {
    "animal": ["cat", "dog", "cow", "hen", "fox", "owl", "eel"],
    "plant": ["oak", "fern", "moss", "rose", "ivy"],
    "tool": ["saw", "axe", "file", "rasp", "drill", "vice"],
}
FILLERS = ["the", "a", "old", "new", "good", "bad", "big", "of", "and", "in"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *FILLERS, *(w for words in WORDS.values() for w in words)]
# A run of 4 steps that computes the same on every machine.
QUICK: dict[str, object] = {
    "max_steps": 4,
    "batch_size": 8,
    "learning_rate": 0.01,
    "max_length": 16,
    "log_steps": 2,
    "precision": "fp32",
    "device": "cpu",
}


def rows(count: int, kinds: Sequence[str] = tuple(WORDS), seed: int = 0) -> list[dict[str, str]]:
    """Texts that hold two words of their label's kind; the labels come in turn."""
    draw = random.Random(seed)
    made = []
    for row in range(count):
        label = kinds[row % len(kinds)]
        words = draw.choices(FILLERS, k=draw.randint(1, 9)) + draw.choices(WORDS[label], k=2)
        draw.shuffle(words)
        made.append({"text": " ".join(words), "label": label})
    return made


def write_csv(path: Path, made: Sequence[dict[str, str]], *, header: bool = True) -> Path:
    """Write rows of words alone, which need no quotes; tabs when the name says .tsv."""
    comma = "\t" if ".tsv" in path.suffixes else ","
    lines = [comma.join(row.values()) for row in made]
    path.write_text("\n".join([*([comma.join(made[0])] if header else []), *lines]) + "\n")
    return path


def write_bert(
    folder: Path, *, labels: tuple[str, ...] = (), initializer_range: float = 0.3, positions: int = 19
) -> Path:
    """A model folder with random weights."""
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=37,
        max_position_embeddings=positions,
        initializer_range=initializer_range,
        labels=labels or ("any",),
    )
    torch.manual_seed(5)
    model = SequenceClassifier(config)
    for module in model.modules():
        initialise(module, config.initializer_range)
    assert model.bert.pooler is not None
    torch.nn.init.constant_(model.bert.pooler.dense.bias, 1e-3)  # as after a training: a new head keeps this pooler
    write_model_folder(folder, model, config, WordPiece.from_tokens(VOCABULARY))
    return folder


def log_of(folder: Path) -> list[dict[str, object]]:
    """The lines of a run's log."""
    return [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]


def json_lines(path: Path) -> list[dict[str, object]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
