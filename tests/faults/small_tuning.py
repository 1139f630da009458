"""A small search, which the tests of faults, and `soak.py`, kill: six trials, and two seeds of the best."""

import sys
from pathlib import Path
from typing import Any

import small_run
from small_run import words_of

from bertwright.files import read_json, sha256_file

TRIALS = 6
SPACE = """\
learning_rate: {low: 3.0e-4, high: 1.0e-2, log: true}
batch_size: [8, 16]
dropout: [0.0, 0.2]
"""


def write_inputs(folder: Path) -> None:
    """Write what the small run begins with, and the space."""
    small_run.write_inputs(folder)
    (folder / "space.yaml").write_text(SPACE)


def options(inputs: Path, output: Path, **changed: object) -> dict[str, object]:
    """The settings of the search, as `bertwright.tune` takes them."""
    same = small_run.options(inputs, output)
    own = {"gradient_accumulation": 1, "epochs": 2, "eval_steps": None, "early_stopping_patience": None}
    left = {name: value for name, value in (same | own).items() if value is not None and name not in SPACE}
    search = {"space": inputs / "space.yaml", "trials": TRIALS, "seeds": 2, "save_steps": 1}
    return left | search | changed


def command(inputs: Path, output: Path, **changed: object) -> list[str]:
    """The same as a command line."""
    return [sys.executable, "-m", "bertwright", *words_of("tune", options(inputs, output, **changed))]


def outcome(output: Path) -> dict[str, Any]:
    """What a finished search has made, which must not depend on how often it was interrupted."""
    study = read_json(output / "run" / "study.json")
    assert isinstance(study, dict)
    for trial in study["trials"]:
        del trial["seconds"]
    return {
        "weights": sha256_file(output / "model.safetensors"),
        "metrics": read_json(output / "run" / "metrics.json"),
        "study": study,
        "folders": sorted(path.name for path in (output / "run" / "trials").iterdir()),
    }
