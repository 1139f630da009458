"""Weights: every layout that transformers has written is read; damage is refused; what we write, transformers loads."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from bertwright.errors import BertwrightError, ModelFolderError
from bertwright.model.config import BertConfig
from bertwright.model.weights import read_weights, write_weights

CONFIG = BertConfig(
    vocab_size=99,
    hidden_size=24,
    num_hidden_layers=5,
    num_attention_heads=3,
    intermediate_size=37,
    max_position_embeddings=41,
    type_vocab_size=7,
    labels=("no", "yes", "maybe"),
)
EMBEDDINGS = "bert.embeddings.word_embeddings.weight"
POOLER = ("bert.pooler.dense.weight", "bert.pooler.dense.bias")
CLASSIFIER = ("classifier.weight", "classifier.bias")


def hugging_face(architecture: str) -> Any:
    """A model of transformers with random weights, the norms included."""
    import transformers

    model = getattr(transformers, architecture)(transformers.BertConfig(**CONFIG.to_dict(architecture)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    return model


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """The state dict of a sequence classifier: our names are those of transformers."""
    return hugging_face("BertForSequenceClassification").state_dict()


def shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def assert_same(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        assert tensor.dtype == torch.float32
        assert tensor.is_contiguous()
        assert torch.equal(tensor, expected[name]), name


def save(folder: Path, state: Mapping[str, Tensor]) -> Path:
    path = folder / "model.safetensors"
    safetensors.torch.save_file(dict(state), path, metadata={"format": "pt"})
    return path


def refused(folder: Path, expected: Mapping[str, tuple[int, ...]]) -> str:
    with pytest.raises(ModelFolderError) as caught:
        read_weights(folder, expected)
    text = str(caught.value)
    assert "\n" not in text
    return text


# ---- folders that transformers wrote


@pytest.mark.parametrize(
    ("architecture", "told"),
    [
        ("BertForSequenceClassification", None),
        ("BertModel", "newly initialised: classifier (weight, bias)"),
        (
            "BertForPreTraining",
            "newly initialised: classifier (weight, bias); "
            "not used: cls.predictions (5 tensors), cls.seq_relationship (bias, weight)",
        ),
        (
            "BertForMaskedLM",
            "newly initialised: pooler.dense (weight, bias), classifier (weight, bias); "
            "not used: cls.predictions (5 tensors)",
        ),
    ],
)
def test_a_folder_of_transformers_is_read(
    tmp_path: Path, state: Mapping[str, Tensor], architecture: str, told: str | None
):
    model = hugging_face(architecture)
    model.save_pretrained(tmp_path)
    found = read_weights(tmp_path, shapes(state))
    prefix = "bert." if architecture == "BertModel" else ""
    theirs = {f"{prefix}{name}": tensor for name, tensor in model.state_dict().items()}
    assert_same(found.tensors, {name: tensor for name, tensor in theirs.items() if name in state})
    assert set(found.missing) == state.keys() - theirs.keys()
    assert found.describe() == told


@pytest.mark.parametrize("size", ["30KB", "100MB"])
def test_shards_are_read_as_one(tmp_path: Path, state: Mapping[str, Tensor], size: str):
    model = hugging_face("BertForSequenceClassification")
    model.save_pretrained(tmp_path, max_shard_size=size)
    assert (tmp_path / "model.safetensors.index.json").exists() == (size == "30KB")
    assert_same(read_weights(tmp_path, shapes(state)).tensors, model.state_dict())


@pytest.mark.checkpoint
def test_a_real_checkpoint_is_read(minilm_dir: Path):
    import transformers

    theirs = transformers.BertModel.from_pretrained(minilm_dir).state_dict()
    expected = {f"bert.{name}": tensor for name, tensor in theirs.items()}
    found = read_weights(minilm_dir, shapes(expected))
    assert_same(found.tensors, expected)
    assert found.describe() is None  # position_ids, which it stores, is no weight


# ---- other layouts


def old_name(name: str) -> str:
    name = re.sub(r"LayerNorm\.weight$", "LayerNorm.gamma", name)
    return re.sub(r"LayerNorm\.bias$", "LayerNorm.beta", name)


def test_the_first_berts_are_read(tmp_path: Path, state: Mapping[str, Tensor]):
    old = {old_name(name): tensor for name, tensor in state.items()}
    assert "bert.encoder.layer.4.output.LayerNorm.gamma" in old
    old["bert.embeddings.position_ids"] = torch.arange(41)
    torch.save(old, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    found = read_weights(tmp_path, shapes(state))
    assert_same(found.tensors, state)
    assert found.describe() is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(tmp_path: Path, state: Mapping[str, Tensor], dtype: torch.dtype):
    save(tmp_path, {name: tensor.to(dtype) for name, tensor in state.items()})
    found = read_weights(tmp_path, shapes(state)).tensors
    assert_same(found, {name: tensor.to(dtype).float() for name, tensor in state.items()})


def test_transposed_tensors_become_contiguous(tmp_path: Path, state: Mapping[str, Tensor]):
    turned = {name: tensor.t().contiguous().t() if tensor.dim() == 2 else tensor for name, tensor in state.items()}
    assert not turned[EMBEDDINGS].is_contiguous()
    torch.save(turned, tmp_path / "pytorch_model.bin")
    assert_same(read_weights(tmp_path, shapes(state)).tensors, state)


def test_safetensors_are_preferred_to_a_bin(tmp_path: Path, state: Mapping[str, Tensor]):
    save(tmp_path, state)
    (tmp_path / "pytorch_model.bin").write_bytes(b"not even looked at")
    assert_same(read_weights(tmp_path, shapes(state)).tensors, state)


def test_bin_shards_are_read_as_one(tmp_path: Path, state: Mapping[str, Tensor]):
    names = list(state)
    files = {name: f"pytorch_model-0000{1 + index % 2}-of-00002.bin" for index, name in enumerate(names)}
    for file in set(files.values()):
        torch.save({name: state[name] for name in names if files[name] == file}, tmp_path / file)
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": files}))
    assert_same(read_weights(tmp_path, shapes(state)).tensors, state)


def test_weights_stay_what_they_were_when_the_file_changes(tmp_path: Path, state: Mapping[str, Tensor]):
    path = save(tmp_path, state)
    found = read_weights(tmp_path, shapes(state))
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    assert_same(found.tensors, state)


# ---- what does not fit


def test_a_head_for_other_labels_is_an_error_that_says_so(tmp_path: Path, state: Mapping[str, Tensor]):
    path = save(tmp_path, state)
    expected = shapes(state) | {"classifier.bias": (2,), "classifier.weight": (2, 24)}
    assert refused(tmp_path, expected) == (
        f"{path}: classifier.bias has the shape (3,), not (2,): its classifier is for 3 labels, not 2"
    )


def test_a_replaceable_head_is_reported_instead(tmp_path: Path, state: Mapping[str, Tensor]):
    save(tmp_path, state)
    expected = shapes(state) | {"classifier.bias": (2,), "classifier.weight": (2, 24)}
    found = read_weights(tmp_path, expected, replaceable=("classifier.",))
    assert found.tensors.keys() == state.keys() - set(CLASSIFIER)
    assert set(found.replaced) == set(CLASSIFIER)
    assert found.missing == ()
    told = "newly initialised, as its shape in the file is another: classifier (bias, weight)"
    assert found.describe() == told


def test_a_wrong_shape_names_the_tensor_and_both_shapes(tmp_path: Path, state: Mapping[str, Tensor]):
    path = save(tmp_path, {name.removeprefix("bert."): tensor for name, tensor in state.items()})
    told = "embeddings.word_embeddings.weight has the shape (99, 24), not (98, 24) as config.json has it"
    assert refused(tmp_path, shapes(state) | {EMBEDDINGS: (98, 24)}) == f"{path}: {told}"


def test_a_missing_part_of_the_encoder_is_an_error_and_a_missing_pooler_is_not(
    tmp_path: Path, state: Mapping[str, Tensor]
):
    lost = "bert.encoder.layer.3.attention.self.query.bias"
    save(tmp_path, {name: tensor for name, tensor in state.items() if name not in POOLER})
    found = read_weights(tmp_path, shapes(state))
    assert found.missing == POOLER
    assert found.describe() == "newly initialised: pooler.dense (weight, bias)"
    path = save(tmp_path, {name: tensor for name, tensor in state.items() if name != lost})
    assert refused(tmp_path, shapes(state)) == f"{path} lacks {lost}: it does not hold the BERT of config.json"
    save(tmp_path, {name: tensor for name, tensor in state.items() if "encoder" not in name})
    assert " and 79 more tensors: it does not hold" in refused(tmp_path, shapes(state))


def test_more_layers_than_the_config_has_are_named(tmp_path: Path, state: Mapping[str, Tensor]):
    save(tmp_path, state)
    fewer = {name: shape for name, shape in shapes(state).items() if ".layer.4." not in name}
    assert read_weights(tmp_path, fewer).describe() == "not used: encoder.layer (16 tensors)"


def test_a_tensor_under_two_names_is_refused(tmp_path: Path, state: Mapping[str, Tensor]):
    double = EMBEDDINGS.removeprefix("bert.")
    path = save(tmp_path, dict(state) | {double: state[EMBEDDINGS] + 1})
    assert re.fullmatch(rf"{path} holds {EMBEDDINGS} a second time, as .*{double}", refused(tmp_path, shapes(state)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, state: Mapping[str, Tensor], value: float):
    poisoned = {name: tensor.clone() for name, tensor in state.items()}
    poisoned[EMBEDDINGS][98, 23] = value
    path = save(tmp_path, poisoned)
    assert refused(tmp_path, shapes(state)) == f"{path}: {EMBEDDINGS} holds values that are not finite numbers"


def test_quantised_weights_are_refused(tmp_path: Path, state: Mapping[str, Tensor]):
    path = save(tmp_path, dict(state) | {EMBEDDINGS: state[EMBEDDINGS].to(torch.int8)})
    told = f"{path}: {EMBEDDINGS} is torch.int8, and quantised weights are not read"
    assert refused(tmp_path, shapes(state)) == told


# ---- damage


def test_a_folder_without_weights_is_named(tmp_path: Path):
    told = f"{tmp_path} holds no weights: neither model.safetensors nor pytorch_model.bin"
    assert refused(tmp_path, {}) == told


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_every_truncation_is_refused(tmp_path: Path, state: Mapping[str, Tensor], name: str):
    write_weights(tmp_path, state, weights_format="bin")
    whole = (tmp_path / name).read_bytes()
    (tmp_path / "model.safetensors").unlink()
    for length in (0, 1, 8, 9, 1000, len(whole) // 2, len(whole) - 1):
        (tmp_path / name).write_bytes(whole[:length])
        told = refused(tmp_path, shapes(state))
        assert re.match(rf"{tmp_path / name} (is damaged: |cannot be read: it is damaged, or holds more)", told)


@pytest.mark.parametrize(
    "header",
    [
        b"garbage" * 10,
        (2**63).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (63).to_bytes(8, "little") + b'{"a": {"dtype": "F32", "shape": [9999], "data_offsets": [0, 4]}}' + bytes(4),
    ],
)
def test_hostile_headers_are_refused(tmp_path: Path, header: bytes):
    path = tmp_path / "model.safetensors"
    path.write_bytes(header)
    assert refused(tmp_path, {}).startswith(f"{path} is damaged: ")


def test_an_empty_archive_is_no_bert(tmp_path: Path, state: Mapping[str, Tensor]):
    path = save(tmp_path, {})
    assert refused(tmp_path, shapes(state)).startswith(f"{path} lacks {EMBEDDINGS} and 84 more tensors: ")


def test_a_git_lfs_pointer_says_what_to_run(tmp_path: Path):
    path = tmp_path / "model.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    told = f"{path} is a Git LFS pointer, not weights: run `git lfs pull` in its folder"
    assert refused(tmp_path, {}) == told


class Bomb:
    """An object whose unpickling would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_code_in_a_bin_is_never_run(tmp_path: Path):
    path, proof = tmp_path / "pytorch_model.bin", tmp_path / "it ran"
    torch.save({"bert.pooler.dense.bias": Bomb(proof)}, path)
    assert refused(tmp_path, {}) == (
        f"{path} cannot be read: it is damaged, or holds more than tensors, and code in it is never run; "
        "use a model.safetensors"
    )
    assert not proof.exists()
    torch.load(path, weights_only=False)
    assert proof.exists()  # it is a bomb


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"epoch": 3}, {"model": {"a": torch.zeros(1)}}])
def test_a_bin_that_is_no_state_dict_is_refused(tmp_path: Path, content: object):
    path = tmp_path / "pytorch_model.bin"
    torch.save(content, path)
    assert refused(tmp_path, {}) == f"{path} holds no plain state dict of names and tensors"


@pytest.mark.parametrize(
    ("index", "told"),
    [
        (
            {"weight_map": {"a": "../model.safetensors"}},
            "{} names '../model.safetensors', which is not a file beside it",
        ),
        ({"weight_map": {"a": "/etc/passwd"}}, "{} names '/etc/passwd', which is not a file beside it"),
        ({"weight_map": {"a": ".."}}, "{} names '..', which is not a file beside it"),
        ({"weight_map": {"a": 3}}, "{} names 3, which is not a file beside it"),
        ({"weight_map": {}}, "{} has no weight_map"),
        ([], "{} has no weight_map"),
    ],
)
def test_an_index_stays_in_its_folder(tmp_path: Path, index: object, told: str):
    path = tmp_path / "model.safetensors.index.json"
    path.write_text(json.dumps(index))
    assert refused(tmp_path, {}) == told.format(path)


def test_a_missing_shard_is_named(tmp_path: Path):
    shard = "model-00001-of-00001.safetensors"
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": shard}}))
    assert refused(tmp_path, {}) == f"cannot read {tmp_path / shard}: No such file or directory"


# ---- what we write


@pytest.mark.parametrize("weights_format", ["safetensors", "bin"])
def test_transformers_loads_what_we_write(tmp_path: Path, state: Mapping[str, Tensor], weights_format: Any):
    import transformers

    architecture = "BertForSequenceClassification"
    write_weights(tmp_path, state, weights_format=weights_format)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG.to_dict(architecture)))
    if weights_format == "bin":  # both were written: take away the one that transformers would prefer
        (tmp_path / "model.safetensors").unlink()
    theirs, report = transformers.BertForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values()), report
    assert_same(theirs.state_dict(), state)
    assert theirs.config.id2label == {0: "no", 1: "yes", 2: "maybe"}
    assert {path.name for path in tmp_path.iterdir()} == {
        "config.json",
        {"safetensors": "model.safetensors", "bin": "pytorch_model.bin"}[weights_format],
    }


def test_what_we_write_we_read_in_float32(tmp_path: Path, state: Mapping[str, Tensor]):
    write_weights(tmp_path, {name: tensor.double() for name, tensor in state.items()})
    assert_same(safetensors.torch.load_file(tmp_path / "model.safetensors"), state)
    found = read_weights(tmp_path, shapes(state))
    assert_same(found.tensors, state)
    assert found.describe() is None


def test_the_same_weights_make_the_same_file(tmp_path: Path, state: Mapping[str, Tensor]):
    contents = set()
    for turn in (state, dict(reversed(state.items()))):
        write_weights(tmp_path, turn)
        contents.add((tmp_path / "model.safetensors").read_bytes())
        with safetensors.safe_open(tmp_path / "model.safetensors", "pt") as file:
            assert file.metadata() == {"format": "pt"}  # older transformers refuse a file without it
    assert len(contents) == 1


def test_ties_are_stored_once(tmp_path: Path, state: Mapping[str, Tensor]):
    import transformers

    tied = hugging_face("BertForPreTraining").state_dict()
    assert tied["cls.predictions.decoder.weight"].data_ptr() == tied[EMBEDDINGS].data_ptr()
    write_weights(tmp_path, tied)
    stored = safetensors.torch.load_file(tmp_path / "model.safetensors").keys()
    assert tied.keys() - stored == {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}
    (tmp_path / "config.json").write_text(json.dumps(CONFIG.to_dict("BertForPreTraining")))
    theirs, report = transformers.BertForPreTraining.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values()), report
    assert_same(theirs.state_dict(), tied)


def test_parts_of_one_storage_are_stored_as_they_are(tmp_path: Path):
    fused = torch.arange(24.0).reshape(6, 4)
    parts = {"query": fused[:2], "key": fused[2:4], "value": fused[4:], "turned": fused.t()}
    write_weights(tmp_path, parts)
    assert_same(safetensors.torch.load_file(tmp_path / "model.safetensors"), parts)


def test_others_may_read_what_we_write(tmp_path: Path, state: Mapping[str, Tensor]):
    write_weights(tmp_path, state, weights_format="bin")
    (tmp_path / "plain").write_text("x")
    assert {path.stat().st_mode for path in tmp_path.iterdir()} == {(tmp_path / "plain").stat().st_mode}


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path, state: Mapping[str, Tensor]):
    path = tmp_path / "nowhere" / "model.safetensors"
    told = f"cannot write {path}: No such file or directory; none of it was left behind"
    with pytest.raises(BertwrightError, match=f"^{re.escape(told)}$"):
        write_weights(tmp_path / "nowhere", state)
