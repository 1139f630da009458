"""What the tests of the verbs share: a tiny BERT, tables, a fine-tuned model, the verb with quick settings."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from small import QUICK, Finetune, rows, write_bert, write_csv

import bertwright
from bertwright.api.training_run import Trained
from shape_checks import unchecked


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def unchecked_shapes() -> Iterator[None]:
    """No checks of annotated shapes while the tests of a module run that asks for it."""
    with unchecked():
        yield


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`model/`, `train.csv`, `dev.csv` and `test.csv`."""
    folder = tmp_path_factory.mktemp("inputs")
    write_bert(folder / "model")
    for seed, (name, count) in enumerate({"train": 61, "dev": 23, "test": 31}.items()):
        write_csv(folder / f"{name}.csv", rows(count, seed=seed))
    return folder


@pytest.fixture
def finetune(inputs: Path, tmp_path: Path) -> Finetune:
    """A few steps on the small tables, with the output in `tmp_path / "out"`; takes settings to change."""

    def run(**changed: object) -> Trained:
        given: dict[str, object] = {
            "model": str(inputs / "model"),
            "train": inputs / "train.csv",
            "validation": inputs / "dev.csv",
            "output_dir": tmp_path / "out",
            **QUICK,
        }
        return bertwright.finetune(**given | changed)

    return run


@pytest.fixture(scope="session")
def tuned(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A model of three labels with its test figures."""
    files = {"train": inputs / "train.csv", "validation": inputs / "dev.csv", "test": inputs / "test.csv"}
    output = tmp_path_factory.mktemp("tuned") / "out"
    return bertwright.finetune(model=str(inputs / "model"), output_dir=output, **files, **QUICK | {"max_steps": 12})
