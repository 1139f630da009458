"""`--explain`: what it shows is what the training then does, and the training is the same without it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from small import Finetune, log_of, rows, write_csv

import bertwright
import small_corpus
from bertwright.files import sha256_file
from bertwright.model.config import BertConfig


@pytest.fixture(scope="module")
def pretraining(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Settings of a short pre-training of odd sizes, with dropout, and two parts a batch."""
    folder = tmp_path_factory.mktemp("inputs")
    small_corpus.documents(folder / "shards")
    config = BertConfig(
        vocab_size=small_corpus.TOKENIZER_OF_ALL.vocab_size,
        hidden_size=24,
        num_hidden_layers=4,
        num_attention_heads=3,
        intermediate_size=37,
        max_position_embeddings=41,
    )
    (folder / "config.json").write_text(json.dumps(config.to_dict("BertForPreTraining")))
    given = {"model": str(folder / "config.json"), "shards": folder / "shards", "max_length": 24, "batch_size": 5}
    rates = {"max_steps": 6, "log_steps": 1, "held_out": 0.1, "eval_sequences": 5, "gradient_accumulation": 2}
    return {**given, **rates, "device": "cpu", "precision": "fp32", "quiet": True}


def figure(shown: str, line: str) -> float:
    found = re.search(rf"^ +{re.escape(line)} +([0-9.]+)", shown, re.MULTILINE)
    assert found, f"{line!r} is not in\n{shown}"
    return float(found[1])


def curves(folder: Path) -> list[dict[str, object]]:
    """The log, but for what the clock says."""
    return [{name: value for name, value in line.items() if "second" not in name} for line in log_of(folder)]


def same_runs(explained: Path, plain: Path) -> None:
    assert sha256_file(explained / "model.safetensors") == sha256_file(plain / "model.safetensors")
    assert curves(explained) == curves(plain)


@pytest.mark.parametrize("changed", [{}, {"loader_workers": 2, "phases": ("16:0.5", "24:0.5"), "batch_ramp": 0.5}])
def test_an_explained_pretraining_is_the_same(
    pretraining: dict[str, Any], changed: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = pretraining | changed
    bertwright.pretrain(**given, output_dir=tmp_path / "explained", explain=True)
    shown = capsys.readouterr().out
    bertwright.pretrain(**given, output_dir=tmp_path / "plain")
    assert capsys.readouterr().out == ""
    same_runs(tmp_path / "explained", tmp_path / "plain")
    first = log_of(tmp_path / "plain")[0]
    for line, name in {"mlm_loss": "mlm_loss", "nsp_loss": "nsp_loss", "sum": "loss"}.items():
        assert figure(shown, line) == pytest.approx(first[name], abs=6e-5)
    assert figure(shown, "all parameters") == pytest.approx(first["grad_norm"], rel=1e-4)


def test_it_can_be_read_from_top_to_bottom(
    pretraining: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    bertwright.pretrain(**pretraining, output_dir=tmp_path / "out", explain=True)
    shown = capsys.readouterr().out
    titles = ["Text", "Pieces", "Masks", "The batch", "Shapes", "Logits", "Loss", "Gradient"]
    assert re.findall(r"^\d\. (Text|Pieces|Masks|The batch|Shapes|Logits|Loss|Gradient)", shown, re.MULTILINE) == titles
    assert max(map(len, shown.splitlines())) <= 60
    assert re.search(r"B = 3 sequences, T = \d+ tokens", shown)  # the first of two parts
    assert re.search(r"M = \d+ masked tokens", shown)
    assert "\x1b" not in shown


def test_the_letters_of_the_axes_have_one_size_each(
    pretraining: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bertwright.pretrain(**pretraining, output_dir=tmp_path / "out", explain=True)
    shown = capsys.readouterr().out
    rows = re.findall(r"\[([TQBHNDFVM2 ]+)\] = ([\dx ]+)$", shown, re.MULTILINE)
    sizes = {pair for letters, numbers in rows for pair in zip(letters.split(), numbers.split(" x "), strict=True)}
    known = {"B": "3", "H": "24", "N": "3", "D": "8", "F": "37", "V": str(small_corpus.TOKENIZER_OF_ALL.vocab_size)}
    assert known.items() <= dict(sizes).items()
    assert len(sizes) == len(dict(sizes)) == len("TQBHNDFVM2")
    assert re.findall(r"^ +(layer .*)$", shown, re.MULTILINE) == [
        "layer 1", "layer 2: as the one before", "layer 3: as the one before", "layer 4",
    ]  # fmt: skip


def test_an_explained_finetuning_is_the_same(
    finetune: Finetune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"log_steps": 1, "dropout": 0.2, "class_weights": "balanced"}
    finetune(**given, output_dir=tmp_path / "explained", explain=True)
    shown = capsys.readouterr().out
    finetune(**given, output_dir=tmp_path / "plain")
    same_runs(tmp_path / "explained", tmp_path / "plain")
    first = log_of(tmp_path / "plain")[0]
    assert figure(shown, "loss") == pytest.approx(first["loss"], abs=6e-5)
    assert figure(shown, "all parameters") == pytest.approx(first["grad_norm"], rel=1e-4)
    assert "1.0986 = ln 3" in shown


def test_a_run_that_goes_on_explains_its_next_step_and_a_finished_one_nothing(
    pretraining: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bertwright.errors import TrainingError
    from bertwright.training.optimizer import Optimizer

    step, taken = Optimizer.step, []

    def dies(self: Optimizer, learning_rate: float) -> float:
        taken.append(learning_rate)
        if len(taken) == 4:
            raise TrainingError("a power cut")
        return step(self, learning_rate)

    given = pretraining | {"output_dir": tmp_path / "out", "save_steps": 1}
    with monkeypatch.context() as patch:
        patch.setattr(Optimizer, "step", dies)
        with pytest.raises(TrainingError, match="power cut"):
            bertwright.pretrain(**given)
    bertwright.pretrain(**given, explain=True)
    assert "The life of one batch: that of step 4," in capsys.readouterr().out
    bertwright.pretrain(**pretraining, output_dir=tmp_path / "plain")
    assert sha256_file(tmp_path / "out" / "model.safetensors") == sha256_file(tmp_path / "plain" / "model.safetensors")
    bertwright.pretrain(**given, explain=True)
    assert capsys.readouterr().out == ""


def test_data_cannot_drive_the_terminal(finetune: Finetune, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = [{"text": f"{row['text']} \x1b[31m\u202e[bold]", "label": row["label"]} for row in rows(60)]
    finetune(train=write_csv(tmp_path / "train.csv", hostile), max_steps=1, explain=True, output_dir=tmp_path / "o")
    shown = capsys.readouterr().out
    assert "\\x1b[31m\\u202e[bold]" in shown
    assert shown.replace("\n", "").isprintable()
