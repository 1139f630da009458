"""The model folder: what is written is read back whole, and two halves of different models are told apart."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import tiny
from bertwright.errors import ModelFolderError
from bertwright.model.folder import ModelFolder, write_model_folder
from bertwright.model.heads import SequenceClassifier
from bertwright.text.wordpiece import WordPiece

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"word{place}" for place in range(90))]
POOLER = ("bert.pooler.dense.weight", "bert.pooler.dense.bias")


def written(folder: Path, model: SequenceClassifier | None = None) -> Path:
    write_model_folder(folder, model or tiny.classifier(), tiny.CONFIG, WordPiece.from_tokens(TOKENS, max_length=41))
    return folder


def refused(folder: Path) -> str:
    with pytest.raises(ModelFolderError) as caught:
        ModelFolder.open(folder)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_folder_is_read_back_whole(tmp_path: Path):
    model = tiny.classifier()
    folder = ModelFolder.open(written(tmp_path / "out", model))
    assert folder.config == tiny.CONFIG
    assert list(folder.tokenizer.tokens) == TOKENS
    again = SequenceClassifier(folder.config)
    assert folder.load_into(again).describe() is None
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in model.state_dict().items())
    config = json.loads((tmp_path / "out" / "config.json").read_text("utf-8"))
    assert config["architectures"] == ["BertForSequenceClassification"]


def test_a_head_with_other_labels_keeps_its_first_weights(tmp_path: Path):
    folder = ModelFolder.open(written(tmp_path))
    model = SequenceClassifier(replace(folder.config, labels=("a", "b")))
    before = model.classifier.weight.detach().clone()
    found = folder.load_into(model, replaceable=("classifier.",))
    assert found.replaced == ("classifier.bias", "classifier.weight")
    assert torch.equal(model.classifier.weight, before)
    assert torch.equal(model.bert.pooler.dense.weight, tiny.classifier().bert.pooler.dense.weight)


def test_no_model_folder(tmp_path: Path):
    assert refused(tmp_path) == f"{tmp_path} is not a model folder: it has no config.json"
    assert refused(tmp_path / "none") == f"{tmp_path / 'none'} is not a model folder: it has no config.json"


def test_tokenizer_and_weights_of_different_models(tmp_path: Path):
    written(tmp_path)
    WordPiece.from_tokens([*TOKENS, *(f"more{place}" for place in range(5))], max_length=41).save(tmp_path)
    assert refused(tmp_path) == (
        f"{tmp_path}: the tokenizer has 100 tokens but config.json says vocab_size = 99: "
        "they belong to different models"
    )


def test_the_config_comes_last(tmp_path: Path):
    """Where writing fails half-way, no config.json says that a model lies there; not the old model's either."""
    written(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "model.safetensors").mkdir()
    with pytest.raises(Exception, match=r"model\.safetensors"):
        written(tmp_path)
    assert refused(tmp_path).endswith("it has no config.json")
