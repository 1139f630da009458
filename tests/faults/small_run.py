"""A small fine-tuning that the tests of faults, and `soak.py`, stop, kill and damage.

It has what resuming can get wrong: dropout, accumulation, an uneven last batch, three epochs, and log windows that fit
neither epochs nor evaluations nor snapshots. The weights are bad at first and the rate is low, so that the loss falls
all the way: the best model is the last one, and whatever went wrong shows in it.
"""

import json
import random
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import torch

import bertwright
from bertwright.api.training_run import Trained
from bertwright.cli import main
from bertwright.files import read_json, sha256_file
from bertwright.model.config import BertConfig
from bertwright.model.encoder import initialise
from bertwright.model.folder import write_model_folder
from bertwright.model.heads import SequenceClassifier
from bertwright.text.wordpiece import WordPiece
from bertwright.training.loop import Step
from bertwright.training.progress import Silent
from shape_checks import unchecked

WORDS = {
    "animal": ["cat", "dog", "cow", "hen", "fox", "owl", "eel"],
    "plant": ["oak", "fern", "moss", "rose", "ivy"],
    "tool": ["saw", "axe", "file", "rasp", "drill", "vice"],
}
FILLERS = ["the", "a", "old", "new", "good", "bad", "big", "of", "and", "in"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# What the fixtures of these names give.
Finetune = Callable[..., Trained]
Differing = Callable[..., set[str]]

STEPS = 15  # 3 epochs of 37 texts in batches of 8
# It has more to say than a small pipe takes.
HELD = {"max_steps": 60, "log_steps": 1, "early_stopping_patience": 60, "save_steps": 2, "quiet": False}
TIMINGS = ("tokens_per_second", "examples_per_second", "seconds")


def write_inputs(folder: Path) -> None:
    """Write `model/`, `train.tsv`, `dev.tsv` and `test.tsv`."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = [*SPECIAL, *FILLERS, *(word for words in WORDS.values() for word in words)]
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=37,
        max_position_embeddings=19,
        hidden_dropout_prob=0.2,
        attention_probs_dropout_prob=0.2,
        initializer_range=0.6,
        labels=("any",),
    )
    torch.manual_seed(5)
    model = SequenceClassifier(config)
    for module in model.modules():
        initialise(module, config.initializer_range)
    write_model_folder(folder / "model", model, config, WordPiece.from_tokens(vocabulary))
    lines = labelled_lines(54)
    for name, part in (("train", lines[:37]), ("dev", lines[:13]), ("test", lines[37:])):
        (folder / f"{name}.tsv").write_text("text\tlabel\n" + "".join(part))


def labelled_lines(rows: int) -> list[str]:
    """Lines of text and label; a tenth of the labels are wrong, so that no figure is perfect."""
    draw = random.Random(0)
    lines = []
    for row in range(rows):
        label = list(WORDS)[row % 3]
        words = draw.choices(FILLERS, k=draw.randint(1, 11)) + draw.choices(WORDS[label], k=2)
        draw.shuffle(words)
        shown = label if draw.random() < 0.9 else draw.choice(list(WORDS))
        lines.append(f"{' '.join(words)}\t{shown}\n")
    return lines


def options(inputs: Path, output: Path, **changed: object) -> dict[str, object]:
    """The settings of the run, as `bertwright.finetune` takes them."""
    return {
        "model": str(inputs / "model"),
        "train": inputs / "train.tsv",
        "validation": inputs / "dev.tsv",
        "test": inputs / "test.tsv",
        "output_dir": output,
        "epochs": 3,
        "batch_size": 8,
        "gradient_accumulation": 2,
        "learning_rate": 0.003,
        "max_length": 16,
        "log_steps": 3,
        "eval_steps": 2,
        "save_steps": 99,
        "early_stopping_patience": 8,
        "best_metric": "loss",
        "precision": "fp32",
        "device": "cpu",
        "quiet": True,
        "seed": 2,
        **changed,
    }


def command(inputs: Path, output: Path, **changed: object) -> list[str]:
    """The same as a command line."""
    return [sys.executable, "-m", "bertwright", *arguments(inputs, output, **changed)]


def arguments(inputs: Path, output: Path, **changed: object) -> list[str]:
    """The words of the command line that come after the program's name."""
    return words_of("finetune", options(inputs, output, **changed))


def words_of(verb: str, settings: Mapping[str, object]) -> list[str]:
    """Settings as the words of a command line."""
    words = [verb]
    for name, value in settings.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, tuple):
            words += [f"--{flag}", *map(str, value)]
        else:
            words += [f"--{flag}", str(value)]
    return words


@contextmanager
def plainly() -> Iterator[None]:
    """One thread, as in the processes that are started, and no checks of shapes, which take longer than the run."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with unchecked():
            yield
    finally:
        torch.set_num_threads(threads)


def finetune(inputs: Path, output: Path, **changed: object) -> Trained:
    """The run in this process."""
    with plainly():
        return bertwright.finetune(**options(inputs, output, **changed))


def exit_code(inputs: Path, output: Path, **changed: object) -> int:
    """The run in this process as the command line calls it."""
    with plainly():
        return main(arguments(inputs, output, **changed))


@contextmanager
def stop_after(step: int, number: signal.Signals = signal.SIGTERM) -> Iterator[None]:
    """The run of this process gets a real signal while it is at a step."""

    def step_done(_: Silent, done: Step) -> None:
        if done.step == step:
            signal.raise_signal(number)

    with patch.object(Silent, "step", step_done):
        yield


def outcome(output: Path) -> dict[str, object]:
    """What a finished run has made, which must not depend on how often it was interrupted."""
    return {
        "weights": sha256_file(output / "model.safetensors"),
        "metrics": read_json(output / "run" / "metrics.json"),
        "predictions": (output / "run" / "predictions.test.jsonl").read_text().splitlines(),
        "log": untimed_log(output),
    }


def untimed_log(output: Path) -> list[dict[str, object]]:
    """The log without what a clock says."""
    lines = map(json.loads, (output / "run" / "log.jsonl").read_text().splitlines())
    return [{key: value for key, value in line.items() if key not in TIMINGS} for line in lines]
