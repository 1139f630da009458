"""Cards claim no more than was measured, and Hugging Face's own library reads them."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from huggingface_hub import ModelCard

from bertwright.evaluation.card import model_card, pretraining_card
from bertwright.evaluation.report.record import RunRecord
from bertwright.evaluation.report.whole import report
from bertwright.evaluation.report.words import Words
from bertwright.model.config import BertConfig
from bertwright.settings import FinetuneSettings, PretrainSettings

SETTINGS = PretrainSettings.create(
    {"model": "tiny", "shards": "shards", "output_dir": "out", "max_steps": 4, "max_length": 48, "held_out": 0}
)


@pytest.mark.parametrize("metrics", [{"validation": {"loss": 1.25}}, {}], ids=["measured", "nothing held out"])
def test_figures_are_there_where_something_was_held_out(metrics: dict[str, dict[str, float]]) -> None:
    card = pretraining_card(SETTINGS, BertConfig.preset("tiny", vocab_size=90), metrics)
    told = "It reads 48 tokens. The figures are of documents that it never learned from.\n\n| metric | validation |"
    assert (told in card) == ("| loss | 1.2500 |\n\nHow it was made" in card) == bool(metrics)
    assert ("It reads 48 tokens.\n\nHow it was made" in card) == ("|" not in card.partition("```")[0]) == (not metrics)
    assert ModelCard(card).data.pipeline_tag == "fill-mask"


METRICS = {
    "task": "classification",
    "validation": {"loss": 0.5, "accuracy": 0.875},
    "test": {"loss": 0.25, "accuracy": 0.8125, "f1_macro": 0.75},
    "intervals": {"test": {"accuracy": [0.75, 0.86]}},
}
LABELS = ("a`b``c", "x |\n# y: [z", "---")


def card_of(
    folder: Path,
    metrics: dict[str, Any],
    labels: tuple[str, ...] = LABELS,
    task: Mapping[str, Any] = MappingProxyType({}),
    **settings: Any,
) -> str:
    run = folder / "run"
    run.mkdir(parents=True, exist_ok=True)
    files = {"model": "google/bert-x", "train": 'a "b": [c].csv', "test": "- t: #1.csv", "output_dir": "out"}
    given = FinetuneSettings.create(files | {"max_length": 32} | settings)
    (run / "settings.yaml").write_text(given.to_yaml())
    (run / "metrics.json").write_text(json.dumps(metrics))
    config = BertConfig.preset("tiny", vocab_size=90)
    return model_card(RunRecord.read(folder), BertConfig(**{**vars_of(config), "labels": labels, "task": task}))


def vars_of(config: BertConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


def test_hugging_face_reads_the_figures(tmp_path: Path) -> None:
    card = ModelCard(card_of(tmp_path, METRICS))
    data = card.data
    assert (data.library_name, data.pipeline_tag, data.base_model) == (
        "transformers",
        "text-classification",
        "google/bert-x",
    )
    assert data.datasets == ['a "b": [c].csv', "- t: #1.csv"]
    assert data.model_name == tmp_path.name
    found = {result.metric_name: result for result in data.eval_results}
    assert {name: result.metric_value for name, result in found.items()} == METRICS["test"]
    assert {(r.dataset_name, r.dataset_split, r.task_type) for r in found.values()} == {
        ("- t: #1.csv", "test", "text-classification")
    }
    assert "| metric | validation | test | 95 % interval (test) |" in card.text
    assert "| accuracy | 0.8750 | 0.8125 | 0.7500 to 0.8600 |" in card.text
    assert "| f1_macro |  | 0.7500 |  |" in card.text
    assert "3 labels: ``` a`b``c ```, `x |\\n# y: [z`, `---`. It reads texts of 32 tokens" in card.text


def test_a_card_without_a_test_has_validation_figures_and_says_so(tmp_path: Path) -> None:
    metrics = {"task": "regression", "validation": {"pearson": 0.5}, "intervals": {}}
    card = ModelCard(card_of(tmp_path, metrics, labels=("score",), test=None, model="tiny"))
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_name, result.metric_value, result.dataset_split) == (
        "pearsonr", "pearson", 0.5, "validation",
    )  # fmt: skip
    assert "base_model" not in card.data.to_dict(), "a size is no model on the hub"
    assert "interval" not in card.text


@pytest.mark.parametrize("task", ["tagging", "classification"])
def test_a_tagger_says_that_the_pipeline_answers_otherwise(task: str, tmp_path: Path) -> None:
    card = card_of(tmp_path, METRICS | {"task": task}, labels=("O", "B-X", "I-X"))
    remark = "The figures are of what bertwright answers, the likeliest sequence of tags. transformers takes"
    assert (remark in card.rpartition("```")[2]) == (task == "tagging")


@pytest.mark.parametrize(
    ("task", "remark"),
    [
        ({"temperature": 1.5}, "Scores are calibrated with a temperature. transformers knows none"),
        ({"thresholds": [0.5, 0.5, 0.25]}, "Labels are given from thresholds on that were chosen on the validation"),
        ({"thresholds": [0.5, 0.5, 0.5]}, None),
        ({"long": {"way": "window", "stride": None, "pooling": "max"}}, "Of a longer text transformers reads"),
        ({}, None),
    ],
)
def test_what_transformers_would_answer_otherwise_is_said(
    task: dict[str, Any], remark: str | None, tmp_path: Path
) -> None:
    end = card_of(tmp_path, METRICS, task=task).rpartition("```")[2]
    assert end.strip() == "" if remark is None else remark in end


@pytest.mark.parametrize(
    ("task", "title"),
    [
        ("classification", "A text pair classifier"),
        ("multilabel", "A multi-label text pair classifier"),
        ("regression", "A text pair scorer"),
    ],
)
def test_a_model_of_pairs_is_shown_with_a_pair(task: str, title: str, tmp_path: Path) -> None:
    card = card_of(tmp_path, METRICS | {"task": task}, task={"name": task, "pairs": True})
    assert '.predict(["a text"], ["another text"]))\n' in card
    assert '({"text": "a text", "text_pair": "another text"}))\n```' in card
    assert f"\n# {title}\n" in card
    single = card_of(tmp_path, METRICS | {"task": task}, task={"name": task, "pairs": False})
    assert '.predict(["a text"]))\n' in single
    assert "text_pair" not in single


def test_seeds_and_the_language_of_the_base_model(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "README.md").write_text("---\nlanguage: [zh, en]\n---\n# Base\n")
    runs = [{"seed": 0}, {"seed": 1}]
    mean, std = {"test": {"accuracy": 0.75}}, {"test": {"accuracy": 0.0625}}
    metrics = METRICS | {"seeds": {"runs": runs, "mean": mean, "std": std}}
    card = ModelCard(card_of(tmp_path / "out", metrics, model=str(base)))
    assert card.data.language == ["zh", "en"]
    assert "95 % interval (test) | validation, 2 seeds | test, 2 seeds |" in card.text
    assert "| accuracy | 0.8750 | 0.8125 | 0.7500 to 0.8600 |  | 0.7500 ± 0.0625 |" in card.text
    (base / "README.md").write_text("---\nlanguage: {a: [\n---\n")
    assert ModelCard(card_of(tmp_path / "out", metrics, model=str(base))).data.language is None


def test_of_very_many_labels_the_first_are_named(tmp_path: Path) -> None:
    card = card_of(tmp_path, METRICS, labels=tuple(f"l{n}" for n in range(500)))
    assert "tell apart 500 labels: `l0`, `l1`" in card
    assert "`l49`, and 450 more." in card


def test_how_training_began_stands_in_card_and_report(tmp_path: Path) -> None:
    began = "pooler drawn anew; not used: <b>`cls`</b>"
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "data.json").write_text('{"model": {"path": "bert", "sha256": "0"}}')
    assert f"When training began: `` {began} ``." in card_of(tmp_path, METRICS | {"began": began})
    assert "pooler drawn anew; not used: &lt;b&gt;`cls`&lt;/b&gt;" in report(RunRecord.read(tmp_path), Words("zh"))
    assert "When training began" not in card_of(tmp_path, METRICS)


def test_random_weights_and_the_positive_label_are_said(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "data.json").write_text('{"model": {"path": "random weights", "sha256": "0"}}')
    card = card_of(tmp_path, METRICS | {"test": {"total": 9.0, "f1": 0.5}, "positive_label": "`yes`"}, model="tiny")
    assert "trained from random weights, of the size `tiny`, to tell apart" in card
    assert "fine-tuned from" not in card
    assert "| total" not in card, "a count is no figure"
    assert "`precision`, `recall` and `f1` are those of `` `yes` ``." in card
    record = RunRecord.read(tmp_path)
    assert "harmonic mean of precision and recall; of “`yes`”" in report(record, Words("en"))
    assert "精确率与召回率的调和平均；就标签“`yes`”而言" in report(record, Words("zh"))
    assert ".csv from random weights, of the size tiny." in report(record, Words("en"))
    assert "从随机权重开始训练，大小为 tiny。" in report(record, Words("zh"))
