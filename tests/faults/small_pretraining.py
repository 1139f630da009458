"""A small pre-training that the tests of faults, and `soak.py`, stop, kill and damage.

It has what resuming can get wrong: whole-word masks, pairs, two phases, a batch that grows, accumulation, batches that
two threads prepare ahead, dropout, and log windows that fit neither evaluations nor snapshots.
"""

import json
import sys
from pathlib import Path

from small_run import plainly, untimed_log, words_of

import bertwright
import small_corpus
from bertwright.api.training_run import Trained
from bertwright.files import read_json, sha256_file

STEPS = 12
CONFIG = {
    "model_type": "bert",
    "vocab_size": small_corpus.TOKENIZER_OF_ALL.vocab_size,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 37,
    "max_position_embeddings": 50,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.3,
}


def write_inputs(folder: Path) -> None:
    """Write `config.json` and `shards/`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    small_corpus.write(folder / "shards", small_corpus.various(30))


def options(inputs: Path, output: Path, **changed: object) -> dict[str, object]:
    """The settings of the run, as `bertwright.pretrain` takes them."""
    return {
        "model": str(inputs / "config.json"),
        "shards": inputs / "shards",
        "output_dir": output,
        "mask_unit": "word",
        "phases": ("24:0.6", "40:0.4"),
        "batch_size": 8,
        "batch_ramp": 0.3,
        "gradient_accumulation": 2,
        "loader_workers": 2,
        "max_steps": STEPS,
        "learning_rate": 0.003,
        "held_out": 0.1,
        "eval_sequences": 20,
        "eval_steps": 5,
        "log_steps": 3,
        "save_steps": 99,
        "precision": "fp32",
        "device": "cpu",
        "quiet": True,
        "seed": 2,
        **changed,
    }


def command(inputs: Path, output: Path, **changed: object) -> list[str]:
    """The same as a command line."""
    return [sys.executable, "-m", "bertwright", *words_of("pretrain", options(inputs, output, **changed))]


def pretrain(inputs: Path, output: Path, **changed: object) -> Trained:
    """The run in this process."""
    with plainly():
        return bertwright.pretrain(**options(inputs, output, **changed))


def outcome(output: Path) -> dict[str, object]:
    """What a finished run has made, which must not depend on how often it was interrupted."""
    return {
        "weights": sha256_file(output / "model.safetensors"),
        "metrics": read_json(output / "run" / "metrics.json"),
        "log": untimed_log(output),
    }
