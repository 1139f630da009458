"""`BertConfig`: what transformers writes is read, what it reads is written, and everything else is refused by name."""

import dataclasses
import json
import logging
import re
import warnings
from pathlib import Path

import pytest

from bertwright.errors import ModelFolderError, UsageError
from bertwright.model.config import ACTIVATIONS, PRESETS, BertConfig

SMALL = BertConfig(
    vocab_size=99,
    hidden_size=24,
    num_hidden_layers=5,
    num_attention_heads=3,
    intermediate_size=37,
    hidden_act="gelu_new",
    hidden_dropout_prob=0.2,
    attention_probs_dropout_prob=0.0,
    classifier_dropout=0.3,
    max_position_embeddings=41,
    type_vocab_size=7,
    initializer_range=0.03,
    layer_norm_eps=1e-6,
    pad_token_id=11,
    labels=("no", "yes", "可能"),
    problem_type="single_label_classification",
    task={"name": "multilabel", "thresholds": [0.5, 0.25]},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.json"


def written(path: Path, **values: object) -> Path:
    """Write a config.json of a small BERT with some values changed."""
    path.write_text(json.dumps(SMALL.to_dict("BertModel") | values))
    return path


def test_a_config_comes_back_from_its_own_file(path: Path):
    for config in (SMALL, BertConfig(), BertConfig(pad_token_id=None)):
        path.write_text(json.dumps(config.to_dict("BertForSequenceClassification")))
        assert BertConfig.from_file(path) == config
        assert BertConfig.from_file(path).architecture == "BertForSequenceClassification"


def test_the_class_of_what_is_written_is_in_the_file_and_not_that_of_what_was_read(path: Path):
    read = BertConfig.from_file(written(path, architectures=["BertForMaskedLM"]))
    assert read.to_dict("BertForSequenceClassification")["architectures"] == ["BertForSequenceClassification"]
    assert BertConfig.from_file(written(path, architectures=None)).architecture is None


@pytest.mark.parametrize(
    ("architecture", "said", "guessed"),
    [
        ("BertForSequenceClassification", None, "regression"),
        ("BertForSequenceClassification", "multi_label_classification", "multi_label_classification"),
        ("BertForTokenClassification", None, None),
    ],
)
def test_one_output_is_a_number_unless_the_file_says_otherwise(
    path: Path, architecture: str, said: str | None, guessed: str | None
):
    changed = {"architectures": [architecture], "problem_type": said, "id2label": {"0": "LABEL_0"}}
    config = BertConfig.from_file(written(path, **changed))
    assert (config.problem_type, config.labels) == (guessed, ())


def test_transformers_reads_what_we_write_without_a_remark(path: Path, caplog: pytest.LogCaptureFixture):
    import transformers

    written(path)
    transformers.logging.enable_propagation()
    with warnings.catch_warnings(), caplog.at_level(logging.DEBUG, "transformers"):
        warnings.simplefilter("error")
        theirs = transformers.AutoConfig.from_pretrained(path.parent)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert isinstance(theirs, transformers.BertConfig)
    for field in dataclasses.fields(BertConfig):
        if field.name not in ("labels", "task", "architecture"):
            assert getattr(theirs, field.name) == getattr(SMALL, field.name), field.name
    assert theirs.bertwright == SMALL.task
    assert theirs.id2label == {0: "no", 1: "yes", 2: "可能"}
    assert theirs.label2id == {"no": 0, "yes": 1, "可能": 2}
    assert theirs.num_labels == 3
    assert theirs.architectures == ["BertModel"]


def test_we_read_what_transformers_writes(path: Path):
    import transformers

    transformers.BertConfig(
        vocab_size=99, hidden_size=24, num_attention_heads=3, hidden_dropout_prob=0, id2label={1: "yes", 0: "no"}
    ).save_pretrained(path.parent)
    expected = BertConfig(
        vocab_size=99, hidden_size=24, num_attention_heads=3, hidden_dropout_prob=0.0, labels=("no", "yes")
    )
    assert BertConfig.from_file(path) == expected


@pytest.mark.checkpoint
def test_a_real_config_is_read(minilm_dir: Path):
    assert BertConfig.from_file(minilm_dir / "config.json") == BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
    )


def test_parameter_count_is_that_of_transformers():
    import transformers

    theirs = transformers.BertModel(transformers.BertConfig(**SMALL.to_dict("BertModel")))
    assert SMALL.parameter_count == theirs.num_parameters()


def test_presets_have_the_published_sizes():
    millions = {name: round(BertConfig.preset(name, vocab_size=30522).parameter_count / 1e6, 1) for name in PRESETS}
    assert millions == {"tiny": 4.4, "mini": 11.2, "small": 28.8, "medium": 41.4, "base": 109.5, "large": 335.1}
    base = BertConfig.preset("base", vocab_size=30522)
    assert base == BertConfig()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("tinny", "no size preset 'tinny': did you mean 'tiny'?"),
        ("xyz", "no size preset 'xyz': there are tiny, mini, small, medium, base, large"),
    ],
)
def test_an_unknown_preset_is_refused(name: str, told: str):
    with pytest.raises(UsageError, match=f"^{re.escape(told)}$"):
        BertConfig.preset(name, vocab_size=99)


def test_placeholders_are_no_labels(path: Path):
    placeholders = {"0": "LABEL_0", "1": "LABEL_1"}
    assert BertConfig.from_file(written(path, id2label=placeholders)).labels == ()
    content = json.loads(path.read_text())
    del content["id2label"], content["label2id"]
    path.write_text(json.dumps(content))
    assert BertConfig.from_file(path).labels == ()
    assert "id2label" not in BertConfig().to_dict("BertModel")


def test_labels_come_in_the_order_of_their_numbers(path: Path):
    names = {str(number): f"class {number}" for number in reversed(range(12))}
    assert BertConfig.from_file(written(path, id2label=names)).labels[10] == "class 10"
    only_numbers = {name: int(number) for number, name in names.items()}
    assert BertConfig.from_file(written(path, id2label=None, label2id=only_numbers)).labels[10] == "class 10"


def test_unknown_and_harmless_keys_are_ignored(path: Path):
    harmless = {
        "use_cache": True,
        "gradient_checkpointing": False,
        "transformers_version": "9.9",
        "_attn_implementation_internal": "os.system",
        "chunk_size_feed_forward": 5,
        "position_embedding_type": None,
        "pruned_heads": {},
        "is_decoder": False,
    }
    assert BertConfig.from_file(written(path, **harmless)) == SMALL


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("model_type", "roberta", "model_type is 'roberta', not 'bert'"),
        ("position_embedding_type", "relative_key", "position_embedding_type is 'relative_key', not 'absolute'"),
        ("is_decoder", True, "is_decoder is True, not False"),
        ("is_encoder_decoder", True, "is_encoder_decoder is True, not False"),
        ("add_cross_attention", True, "add_cross_attention is True, not False"),
        ("pruned_heads", {"1": [0, 2]}, "pruned_heads is {'1': [0, 2]}, not {}"),
        ("quantization_config", {"bits": 8}, "quantization_config is {'bits': 8}, not {}"),
        ("auto_map", {"AutoModel": "evil.Model"}, "auto_map is {'AutoModel': 'evil.Model'}, not {}"),
    ],
)
def test_another_architecture_is_refused_by_name(path: Path, key: str, value: object, told: str):
    start = f"{path} does not describe a BERT that can be read here: "
    with pytest.raises(ModelFolderError, match=f"^{re.escape(start + told)}$"):
        BertConfig.from_file(written(path, **{key: value}))


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("hidden_size", "768", "hidden_size is '768', it must be int"),
        ("hidden_size", 24.0, "hidden_size is 24.0, it must be int"),
        ("hidden_size", True, "hidden_size is True, it must be int"),
        ("hidden_size", None, "hidden_size is None, it must be int"),
        ("vocab_size", 0, "vocab_size is 0, it must be between 1 and 10000000"),
        ("num_hidden_layers", -1, "num_hidden_layers is -1, it must be between 1 and 10000000"),
        ("hidden_size", 25, "hidden_size is 25, num_attention_heads 3: the first must be a multiple of the second"),
        ("hidden_dropout_prob", 1.0, "hidden_dropout_prob is 1.0, it must be at least 0 and below 1"),
        ("hidden_dropout_prob", False, "hidden_dropout_prob is False, it must be float"),
        ("layer_norm_eps", -1e-9, "layer_norm_eps is -1e-09, it must be at least 0 and below 1"),
        ("classifier_dropout", "0.1", "classifier_dropout is '0.1', it must be float or null"),
        ("initializer_range", 10**400, "int too large to convert to float"),
        ("pad_token_id", 99, "pad_token_id is 99, outside the vocabulary of 99"),
        ("hidden_act", "silu", f"hidden_act is 'silu', it must be one of {', '.join(ACTIVATIONS)}"),
        ("problem_type", "guess", "problem_type is 'guess', it must be one of single_label_classification, "),
        ("hidden_size", 3 * 2**31, "hidden_size is 6442450944, it must be between 1 and 10000000"),
        ("hidden_size", 300_000, "the sizes make 1,890,169,500,185 parameters, more than 10,000,000,000"),
        ("num_hidden_layers", 100_000, "num_hidden_layers is 100000, it must be at most 1000"),
        ("architectures", "BertModel", "architectures is 'BertModel', it must be a list of names"),
        ("architectures", [1], "architectures is [1], it must be a list of names"),
        ("id2label", ["no", "yes"], "id2label is ['no', 'yes'], it must give a name to each of the numbers from 0"),
        ("id2label", {"1": "no", "2": "yes"}, "id2label is {'1': 'no', '2': 'yes'}, it must give a name"),
        ("id2label", {"0": "no", "1": 1}, "label 1 is 1, it must be a name"),
        ("id2label", {"0": "no", "1": " "}, "label 1 is ' ', it must be a name"),
        ("id2label", {"0": "no", "1": "no"}, "two labels are named 'no'"),
    ],
)
def test_a_wrong_value_is_refused_by_name(path: Path, key: str, value: object, told: str):
    with pytest.raises(ModelFolderError, match=f"^{re.escape(f'{path}: {told}')}"):
        BertConfig.from_file(written(path, **{key: value}))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[1]", "{} holds no JSON object"),
        (
            f'{{"vocab_size": 1{"0" * 60}}}',
            "{}: vocab_size is 100000000000000000...0000000000000000000, it must be between 1 and 10000000",
        ),
        ('{"hidden_size": NaN}', "{} is not valid JSON: NaN is not a JSON number"),
        ('{"hidden_size": 24, "hidden_size": 48}', "{} is not valid JSON: the key 'hidden_size' occurs twice"),
        ('{"layer_norm_eps": 1e999}', "{}: layer_norm_eps is inf, it must be at least 0 and below 1"),
    ],
)
def test_a_file_that_is_no_config_is_refused(path: Path, text: str, told: str):
    path.write_text(text)
    with pytest.raises(ModelFolderError, match=f"^{re.escape(told.format(path))}$"):
        BertConfig.from_file(path)


def test_a_missing_file_is_named(path: Path):
    with pytest.raises(ModelFolderError, match=f"^{re.escape(f'cannot read {path}: No such file or directory')}$"):
        BertConfig.from_file(path)


def test_a_value_given_in_python_is_checked_as_well():
    with pytest.raises(ValueError, match=r"^hidden_size is 25, num_attention_heads 3:"):
        dataclasses.replace(SMALL, hidden_size=25)
