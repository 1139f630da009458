"""What watches a real pre-training: its curves are drawn, and a run that cannot learn is told so, once."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import bertwright
import small_corpus
from bertwright.files import read_manifest, write_manifest
from bertwright.model.config import BertConfig
from bertwright.training.run import Run

ENTROPY = 4.4


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`shards/`, with the entropy that `prepare` would have written, and `config.json`."""
    folder = tmp_path_factory.mktemp("inputs")
    small_corpus.documents(folder / "shards")
    manifest = read_manifest(folder / "shards")
    (folder / "shards" / "manifest.json").unlink()
    facts = {name: manifest[name] for name in ("format", "shards")}
    write_manifest(folder / "shards", facts | {"unigram_entropy": ENTROPY})
    config = BertConfig(
        vocab_size=small_corpus.TOKENIZER_OF_ALL.vocab_size,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=37,
        max_position_embeddings=41,
    )
    (folder / "config.json").write_text(json.dumps(config.to_dict("BertForPreTraining")))
    return folder


def pretrain(inputs: Path, output: Path, **changed: Any) -> list[dict[str, Any]]:
    """A short run; returns its log."""
    given = {
        "model": str(inputs / "config.json"),
        "shards": inputs / "shards",
        "output_dir": output,
        "max_length": 24,
        "batch_size": 4,
        "max_steps": 6,
        "log_steps": 2,
        "held_out": 0.1,
        "eval_sequences": 5,
        "device": "cpu",
        "precision": "fp32",
        "quiet": True,
    }
    bertwright.pretrain(**given | changed)
    return [json.loads(line) for line in (output / "run" / "log.jsonl").read_text().splitlines()]


def drawn(output: Path) -> str:
    path = output / "run" / "curves.svg"
    ElementTree.parse(path)
    return path.read_text()


def test_curves_are_drawn_with_the_entropy_of_the_corpus(inputs: Path, tmp_path: Path) -> None:
    pretrain(inputs, tmp_path / "out")
    svg = drawn(tmp_path / "out")
    assert "unigram entropy of the corpus" in svg
    assert svg.count('class="title"') == 4
    pretrain(inputs, tmp_path / "alone", objective="mlm", held_out=0)
    assert drawn(tmp_path / "alone").count('class="title"') == 2


def test_curves_are_drawn_whenever_the_run_is_measured(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a run that is killed there are those of its last evaluation."""

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "_save", dies)
    with pytest.raises(KeyboardInterrupt):
        pretrain(inputs, tmp_path / "out", eval_steps=4)
    assert 'class="title"' in drawn(tmp_path / "out")


def test_a_learning_rate_of_almost_nothing_is_named_once(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    still = {"learning_rate": 1e-12, "max_steps": 240, "log_steps": 5, "eval_steps": 120, "batch_size": 2}
    log = pretrain(inputs, tmp_path / "out", **still)
    (warning,) = [line for line in log if "warning" in line]
    assert warning["step"] == 200
    text = warning["warning"]
    assert re.match(
        r"the masked-LM loss has all but stopped falling at 4\.\d\d nats; guessing by the frequency of", text
    )
    assert "--learning-rate is too low (peak 1.0e-12; 1e-4 to 1e-3 is usual); the batch is very small (" in text
    assert capsys.readouterr().err.count(f"warning: step 200: {text}\n") == 1
