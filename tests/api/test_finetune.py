"""`finetune` from end to end: what it reads, does, writes and refuses."""

import gzip
import json
import logging
import re
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from safetensors.torch import load_file
from small import VOCABULARY, WORDS, Finetune, json_lines, log_of, rows, write_csv

import bertwright
from bertwright.api import evaluate, finetuning
from bertwright.api.training_run import Trained
from bertwright.errors import BertwrightError, TrainingError, UsageError
from bertwright.model.config import BertConfig

THREE = ("animal", "plant", "tool")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def labels_of(folder: Path) -> tuple[str, ...]:
    return BertConfig.from_file(folder / "config.json").labels


# ---- what it reads


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet", "t.csv.gz", "t.jsonl.gz"])
def test_every_format_trains_the_same_model(
    name: str, finetune: Finetune, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / name
    made = rows(40, seed=7)
    extra: dict[str, object] = {}
    plain = table.with_suffix("") if name.endswith(".gz") else table
    if ".jsonl" in name:
        plain.write_text("".join(json.dumps(row) + "\n" for row in made))
    elif name.endswith(".parquet"):
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(made), table)
    else:
        write_csv(plain, made, header=".csv" in name)
        extra = {} if ".csv" in name else {"columns": ("text", "label"), "validation": None}
    if name.endswith(".gz"):
        table.write_bytes(gzip.compress(plain.read_bytes()))
    tuned = finetune(**{"train": table, "validation": None} | extra)
    reference = finetune(
        train=write_csv(tmp_path / "reference.csv", made), validation=None, output_dir=tmp_path / "reference"
    )
    assert labels_of(tuned.folder) == THREE
    assert tuned.metrics == reference.metrics
    found, expected = weights(tuned.folder), weights(reference.folder)
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert f"{table}: 40 rows\n" in capsys.readouterr().err


def test_pairs_are_read_as_two_segments(finetune: Finetune, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = rows(36, seed=1), rows(36, kinds=("tool", "animal"), seed=2)
    made = [
        {"premise": a["text"], "hypothesis": b["text"], "label": "same" if a["label"] == b["label"] else "other"}
        for a, b in zip(one, two, strict=True)
    ]
    tuned = finetune(train=write_csv(tmp_path / "pairs.csv", made), validation=None, max_length=19)
    assert "text 'premise' (guessed), text pair 'hypothesis' (guessed), label 'label'" in capsys.readouterr().err
    predictor = bertwright.load(tuned.folder, precision="fp32")
    there, back = predictor.predict(["the cat", "old saw"], ["old saw", "the cat"])
    assert there.text_pair == "old saw"
    assert there.scores != back.scores
    assert set(there.scores) == {"other", "same"}


def test_a_size_preset_with_a_vocabulary_starts_from_random_weights(finetune: Finetune, inputs: Path) -> None:
    tuned = finetune(model="tiny", vocab=inputs / "model", max_steps=1)
    config = BertConfig.from_file(tuned.folder / "config.json")
    assert (config.num_hidden_layers, config.hidden_size, config.vocab_size) == (2, 128, len(VOCABULARY))
    assert config.labels == THREE


def test_the_split_is_printed_seeded_and_stratified(
    finetune: Finetune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = write_csv(tmp_path / "uneven.csv", rows(60, kinds=("animal", "animal", "animal", "plant")))

    def run(name: str, seed: int) -> dict[str, float]:
        options = {"train": train, "validation": None, "validation_fraction": 0.2, "seed": seed, "max_steps": 1}
        return finetune(**options, output_dir=tmp_path / name).metrics["validation"]

    first = run("a", 3)
    said = capsys.readouterr().err
    assert f"validation set split off {train}: 20% of each label, seed 3\n" in said
    assert "train: 48 texts (animal: 36, plant: 12)\n" in said
    assert "validation: 12 texts (animal: 9, plant: 3)\n" in said
    assert run("b", 3) == first
    assert run("c", 4)["loss"] != first["loss"]


# ---- how it trains


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_the_schedules_end_where_they_should(schedule: str, finetune: Finetune) -> None:
    tuned = finetune(schedule=schedule, max_steps=6, warmup_ratio=0.3, log_steps=1)
    rates = [line["learning_rate"] for line in log_of(tuned.folder) if "split" not in line]
    assert rates[:2] == pytest.approx([0.005, 0.01])
    assert rates[-1] == pytest.approx({"linear": 0.0025, "cosine": 0.01 * (2 - 2**0.5) / 4, "constant": 0.01}[schedule])


@pytest.mark.parametrize(
    "changed",
    [
        {"class_weights": "balanced"},
        {"label_smoothing": 0.2},
        {"layer_decay": 0.5},
        {"weight_decay": 0.0},
        {"max_grad_norm": 0.01},
        {"dropout": 0.0},
        {"seed": 1},
    ],
    ids=str,
)
def test_each_setting_changes_the_weights(changed: dict[str, object], finetune: Finetune, tmp_path: Path) -> None:
    train = write_csv(tmp_path / "uneven.csv", rows(60, kinds=("animal", "animal", "animal", "plant", "tool")))
    plain = weights(finetune(train=train, output_dir=tmp_path / "plain").folder)
    other = weights(finetune(train=train, **changed).folder)
    assert any(not torch.equal(plain[name], other[name]) for name in plain)


def test_batches_may_be_drawn_without_a_look_at_lengths(finetune: Finetune, tmp_path: Path) -> None:
    losses = []
    for by_length in (True, False):
        folder = tmp_path / str(by_length)
        finetune(batch_size=2, max_steps=2, log_steps=1, group_by_length=by_length, output_dir=folder)
        losses.append([line["loss"] for line in log_of(folder) if "loss" in line])
    assert losses[0] != losses[1]


def test_layer_decay_moves_the_low_layers_less(finetune: Finetune, inputs: Path) -> None:
    tuned = finetune(layer_decay=0.1, weight_decay=0.0, max_steps=1, warmup_ratio=0.0)
    before, after = weights(inputs / "model"), weights(tuned.folder)
    name = "bert.encoder.layer.{}.output.dense.weight"
    # Adam's first step is as long as the learning rate, whatever the gradient.
    moved = [(after[name.format(layer)] - before[name.format(layer)]).abs().max().item() for layer in (0, 1)]
    assert moved == pytest.approx([0.01 * 0.1**2, 0.01 * 0.1], rel=0.01)


def test_frozen_weights_stay_bit_for_bit(finetune: Finetune, inputs: Path) -> None:
    tuned = finetune(freeze_layers=1, weight_decay=0.1)
    before, after = weights(inputs / "model"), weights(tuned.folder)
    encoder = [name for name in before if name.startswith("bert.")]
    same = {name for name in encoder if torch.equal(before[name], after[name])}
    assert same == {name for name in encoder if "embeddings." in name or "layer.0." in name}


def test_epochs_and_evaluations_come_when_they_should(finetune: Finetune) -> None:
    tuned = finetune(max_steps=None, epochs=2, eval_steps=5, log_steps=4)
    lines = log_of(tuned.folder)  # 61 texts in batches of 8: 8 steps an epoch
    assert [line["step"] for line in lines if "split" in line] == [5, 10, 15, 16]
    assert [(line["step"], line["epoch"]) for line in lines if "split" not in line] == [
        (4, 0.5),
        (8, 1.0),
        (12, 1.5),
        (16, 2.0),
    ]


def test_the_keys_of_the_log(finetune: Finetune) -> None:
    training, evaluation, *_ = log_of(finetune(max_steps=2).folder)
    assert list(training) == [
        *("step", "epoch", "loss", "learning_rate", "grad_norm"),
        *("tokens_per_second", "examples_per_second", "seconds"),
    ]
    assert list(evaluation)[:5] == ["step", "epoch", "split", "loss", "accuracy"]
    assert evaluation["split"] == "validation"


@pytest.mark.parametrize("metric", ["loss", "accuracy"])
def test_the_best_model_is_kept_although_it_worsens_later(metric: str, finetune: Finetune, tmp_path: Path) -> None:
    """Validation labels that are all wrong: what is learnt makes the figures worse and worse."""
    wrong = [row | {"label": THREE[(THREE.index(row["label"]) + 1) % 3]} for row in rows(30, seed=3)]
    validation = write_csv(tmp_path / "wrong.csv", wrong)
    same = {"validation": validation, "best_metric": metric, "warmup_ratio": 0.0, "schedule": "constant"}
    tuned = finetune(**same, max_steps=24, eval_steps=1)
    evaluations = [line for line in log_of(tuned.folder) if "split" in line]
    figures = [float(line[metric]) for line in evaluations]  # type: ignore[arg-type]
    best = figures.index(min(figures) if metric == "loss" else max(figures)) + 1
    assert tuned.best_step == best < 20
    assert tuned.metrics["validation"][metric] == figures[best - 1] != figures[-1]
    # The model is that of its step: another run, stopped right there, has the same weights.
    until_best = finetune(**same, max_steps=best, eval_steps=best, output_dir=tmp_path / "until")
    found, expected = weights(tuned.folder), weights(until_best.folder)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_early_stopping_waits_for_its_patience_and_says_so(
    finetune: Finetune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = [row | {"label": THREE[(THREE.index(row["label"]) + 1) % 3]} for row in rows(30, seed=3)]
    validation = write_csv(tmp_path / "wrong.csv", wrong)
    tuned = finetune(
        validation=validation, best_metric="loss", max_steps=60, eval_steps=2, early_stopping_patience=3, warmup_ratio=0
    )
    last = [line["step"] for line in log_of(tuned.folder) if "split" in line][-1]
    assert last == tuned.best_step + 6 < 60
    said = f"stopped at step {last}: 3 evaluations without a better loss"
    assert f"\n{said}\n" in capsys.readouterr().err
    assert log_of(tuned.folder)[-1] == {"step": last, "stopped": said}


# ---- what it writes


def test_the_folder_holds_all_that_is_promised(tuned: Trained) -> None:
    folder = tuned.folder
    names = {path.name for path in folder.iterdir()}
    assert names == {
        *("config.json", "model.safetensors", "vocab.txt", "tokenizer.json", "tokenizer_config.json"),
        *("special_tokens_map.json", "README.md", "run"),
    }
    run = {path.name for path in (folder / "run").iterdir()}
    assert {"settings.yaml", "data.json", "log.jsonl", "metrics.json", "finished.json"} <= run
    assert not {"snapshots", "best.safetensors"} & run, "a finished run keeps one copy of its weights"
    config = json.loads((folder / "config.json").read_text())
    assert config["id2label"] == {"0": "animal", "1": "plant", "2": "tool"}
    assert config["label2id"] == {"animal": 0, "plant": 1, "tool": 2}
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert "LABEL_" not in (folder / "config.json").read_text()
    assert json.loads((folder / "tokenizer_config.json").read_text())["model_max_length"] == 16


def test_the_metrics_are_in_the_file_the_card_and_the_answer(tuned: Trained) -> None:
    written = json.loads((tuned.folder / "run" / "metrics.json").read_text())
    assert {name: written[name] for name in ("validation", "test")} == tuned.metrics
    evaluations = [line for line in log_of(tuned.folder) if "split" in line]
    (evaluation,) = (line for line in evaluations if line["step"] == tuned.best_step)
    assert {name: evaluation[name] for name in written["validation"]} == written["validation"]
    card = (tuned.folder / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\npipeline_tag: text-classification\n")
    assert f"| accuracy | {written['validation']['accuracy']:.4f} | {written['test']['accuracy']:.4f} |" in card
    assert "3 labels: `animal`, `plant`, `tool`" in card


def test_settings_of_the_run_run_it_again(tuned: Trained, tmp_path: Path) -> None:
    settings = bertwright.FinetuneSettings.from_file(
        tuned.folder / "run" / "settings.yaml", {"output_dir": tmp_path / "again"}
    )
    again = bertwright.finetune(settings)
    assert again.metrics == tuned.metrics


def test_bin_weights_are_written_beside_safetensors(finetune: Finetune) -> None:
    tuned = finetune(weights_format="bin", max_steps=1)
    loaded = torch.load(tuned.folder / "pytorch_model.bin", weights_only=True)
    expected = weights(tuned.folder)
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)


def test_tensorboard_has_the_figures_of_the_log(finetune: Finetune) -> None:
    tuned = finetune(tensorboard=True)
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tuned.folder / "run" / "tensorboard"))
    events.Reload()
    shown = [(event.step, event.value) for event in events.Scalars("train/loss")]
    logged = [line for line in log_of(tuned.folder) if "split" not in line]
    assert [step for step, _ in shown] == [line["step"] for line in logged] == [2, 4]
    assert [value for _, value in shown] == pytest.approx([line["loss"] for line in logged])
    assert "validation/accuracy" in events.Tags()["scalars"]


def test_tensorboard_that_is_not_there_is_said_with_the_remedy(
    finetune: Finetune, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match=r"^tensorboard is not installed: pip install 'bertwright\[tensorboard\]'$"):
        finetune(tensorboard=True)


def test_quiet_says_the_result_alone(finetune: Finetune, inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tuned = finetune(quiet=True, test=inputs / "test.csv")
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    said = [re.sub(r" -?\d\.\d+( \[[\d., -]+\])?", "", line) for line in lines]
    main = "accuracy  f1_macro  f1_weighted  matthews_correlation  loss"
    assert said[:2] == [f"validation: {main}", f"test: {main}"]
    report = tuned.folder / "run" / "report.html"
    assert lines[2:] == [f"model of step {tuned.best_step} written to {tuned.folder}, all figures to {report}"]
    finetune(quiet=True, test=inputs / "test.csv")
    assert capsys.readouterr().err.splitlines()[1:] == lines, "called again, it says the same"


# ---- from a model that is fine-tuned already


def test_the_same_labels_keep_the_classifier(
    tuned: Trained, finetune: Finetune, capsys: pytest.CaptureFixture[str]
) -> None:
    again = finetune(model=str(tuned.folder), max_steps=1, learning_rate=1e-9)
    assert "newly initialised" not in capsys.readouterr().err
    before, after = weights(tuned.folder), weights(again.folder)
    torch.testing.assert_close(after["classifier.weight"], before["classifier.weight"], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("kinds", "why"),
    [
        (("x", "y", "z"), "newly initialised: classifier (the model's own has other labels)"),
        (("x", "y"), "newly initialised, as its shape in the file is another: classifier (bias, weight)"),
    ],
)
def test_other_labels_get_a_new_classifier_in_one_calm_line(
    kinds: tuple[str, ...],
    why: str,
    tuned: Trained,
    finetune: Finetune,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = [row | {"label": kinds[place % len(kinds)]} for place, row in enumerate(rows(30))]
    capsys.readouterr()
    again = finetune(
        model=str(tuned.folder),
        train=write_csv(tuned.folder.parent / "other.csv", made),
        validation=None,
        max_steps=1,
        learning_rate=1e-9,
    )
    assert [line for line in capsys.readouterr().err.splitlines() if "newly" in line] == [why]
    assert labels_of(again.folder) == kinds
    assert json.loads((again.folder / "run" / "metrics.json").read_text())["began"] == why
    assert f"When training began: `{why}`." in (again.folder / "README.md").read_text()
    old, new = weights(tuned.folder), weights(again.folder)
    torch.testing.assert_close(new["bert.pooler.dense.weight"], old["bert.pooler.dense.weight"], atol=1e-6, rtol=0)
    assert new["classifier.weight"].shape == (len(kinds), 24)
    assert not torch.allclose(new["classifier.weight"][:2], old["classifier.weight"][:2], atol=1e-3)


def test_numbers_as_labels_are_ordered_as_numbers(finetune: Finetune, tmp_path: Path) -> None:
    made = [row | {"label": str((place % 4) * 5 - 5)} for place, row in enumerate(rows(48))]
    tuned = finetune(train=write_csv(tmp_path / "numbers.csv", made), validation=None, max_steps=1)
    assert labels_of(tuned.folder) == ("-5", "0", "5", "10")


def test_labels_that_are_nearly_numbers_are_names(finetune: Finetune, tmp_path: Path) -> None:
    made = [row | {"label": ("--1", "-")[place % 2]} for place, row in enumerate(rows(30))]
    tuned = finetune(train=write_csv(tmp_path / "dashes.csv", made), validation=None, max_steps=1)
    assert labels_of(tuned.folder) == ("-", "--1")


def test_a_row_for_each_label_is_enough_beside_a_validation_file(finetune: Finetune, tmp_path: Path) -> None:
    words = [word for kind in ("animal", "plant") for word in WORDS[kind]]
    made = [{"text": f"the {word}", "label": f"no {place:02}"} for place, word in enumerate(words)]
    train = write_csv(tmp_path / "once.csv", made)
    validation = write_csv(tmp_path / "again.csv", [row | {"text": f"a {row['text']}"} for row in made[:5]])
    assert labels_of(finetune(train=train, validation=validation, max_steps=1).folder) == tuple(
        row["label"] for row in made
    )


# ---- what it refuses, before any training

HEADER = "text,label\n"
GOOD = HEADER + "".join(f"{row['text']},{row['label']}\n" for row in rows(30))
FILES = {
    "empty.csv": "",
    "header.csv": HEADER,
    "one.csv": HEADER + "a cat,animal\nthe dog,animal\n",
    "ids.csv": HEADER + "".join(f"a cat,{number}\n" for number in range(9)),
    "blank.csv": GOOD + " ,animal\n",
    "unlabelled.csv": GOOD + "a cat,\n",
    "ragged.csv": GOOD + "a cat,animal,\n",
    "headless.csv": GOOD.removeprefix(HEADER),
    "unseen.csv": HEADER + "the oak,plant\nthe roof,house\na door,house\n",
    "two.csv": HEADER + "the oak,plant\nthe dog,animal\n" * 9,
    "good.csv": GOOD,
    "pairs.csv": "text,text_pair,label\nthe oak,a fern,house\n",
    "latin.csv": GOOD + "caf\xe9 de paris d\xe9j\xe0 vu,animal\n",
}


@pytest.fixture
def _no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.usefixtures("_no_hub")
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train": "empty.csv"}, r"empty.csv: the file is empty"),
        ({"train": "header.csv"}, r"header.csv: there are no rows in it"),
        ({"train": "one.csv"}, r"one.csv: all 2 rows have the label 'animal': there is nothing to tell apart; is it"),
        (
            {"train": "ids.csv"},
            r"ids.csv: 9 rows have 9 different labels, among them '0': this looks like an id, a number or a text; is "
            r"it the right --label-column\? If it is, give a file with the same labels with --validation",
        ),
        ({"train": "blank.csv"}, r"1 of 31 rows cannot be used: \S+blank.csv:32: empty text in ' ,animal'; correct"),
        ({"train": "unlabelled.csv"}, r"unlabelled.csv:32: empty label in 'a cat,'; .*--skip-bad-rows"),
        ({"train": "ragged.csv"}, r"ragged.csv:32: 3 columns where 2 are expected"),
        ({"train": "headless.csv"}, r"headless.csv:1: the first row has no column name that is known: .*--columns"),
        ({"train": "latin.csv"}, r"latin.csv:32: not UTF-8 but likely cp1252; convert the file: iconv"),
        ({"label_column": "lable"}, r"good.csv: no column 'lable' \(--label-column\); .*did you mean 'label'\?"),
        ({"text_column": "sentence"}, r"good.csv: no column 'sentence' \(--text-column\); the columns are 'text'"),
        (
            {"validation": "unseen.csv"},
            r"unseen.csv:3: labels that the training set \(\S+good.csv\) does not have: 'house' \(rows: 2\); "
            r"it has 'animal', 'plant', 'tool'; take these rows out, or train with some of them$",
        ),
        ({"test": "unseen.csv"}, r"unseen.csv:3: labels that the training set .* does not have: 'house'"),
        ({"test": "blank.csv"}, r"blank.csv:32: empty text"),
        *(
            ({role: "pairs.csv"}, r"pairs.csv: pairs of texts, but the training set \(\S+good.csv\) is of single ones")
            for role in ("validation", "test")
        ),
        ({"test": "none.csv", "train": "nix.csv"}, r"^no such file: --train \S+nix.csv, --test \S+none.csv$"),
        ({"train": "."}, r"^no such file: --train \S+ \(it is a folder\)$"),
        ({"max_length": 20}, r"^max_length = 20 is more than the model reads: it has 19 positions$"),
        ({"freeze_layers": 3}, r"^freeze_layers = 3: the model has 2 layers$"),
        (
            {"best_metric": "f1"},
            r"^best_metric = 'f1': for classification it can be accuracy, f1_macro, f1_weighted, "
            r"matthews_correlation, loss$",
        ),
        ({"positive_label": "cat"}, r"^positive_label = 'cat': should be one of two labels; .* animal, plant, tool$"),
        ({"positive_label": "plant"}, r"^positive_label = 'plant': should be one of two labels"),
        ({"model": "tinny"}, r"'tinny': no such folder here \(did you mean 'tiny'\?\), and on the hub: "),
        ({"model": "tiny"}, r"^--model tiny starts from random weights and needs a vocabulary: pass --vocab FOLDER$"),
        ({"vocab": "."}, r"^--vocab is for size presets .* has a vocabulary of its own$"),
        ({"device": "gpu"}, r"^device = 'gpu': should be auto, cpu, cuda or cuda:N$"),
        ({"learning_rte": 1}, r"^unknown setting learning_rte: did you mean learning_rate\?$"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_before_any_training_and_blocks_nothing(
    changed: dict[str, object],
    message: str,
    finetune: Finetune,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content, encoding="latin-1")
    paths = {"train", "validation", "test", "vocab"}
    given = {name: tmp_path / str(value) if name in paths else value for name, value in changed.items()}
    with pytest.raises(BertwrightError, match=message) as raised:
        finetune(**{"train": tmp_path / "good.csv", "validation": None} | given)
    assert "\n" not in str(raised.value)
    assert "training 4 steps" not in capsys.readouterr().err
    assert not (tmp_path / "out" / "config.json").exists()
    tuned = finetune(train=tmp_path / "good.csv", validation=None, test=tmp_path / "two.csv")
    assert labels_of(tuned.folder) == THREE


def test_a_mistyped_file_leaves_nothing_at_all(finetune: Finetune, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file: --train"):
        finetune(train=tmp_path / "none.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_mistyped_model_folder_is_met_with_its_neighbour(finetune: Finetune, inputs: Path) -> None:
    with pytest.raises(UsageError, match=rf"no model folder \S+modle \(did you mean '{re.escape(str(inputs))}/model'"):
        finetune(model=str(inputs / "modle"))


def test_a_folder_with_something_else_in_it_is_left_alone(finetune: Finetune, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="out is not empty and holds no run: choose another --output-dir, or pass"):
        finetune()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_the_model_cannot_be_written_over_itself(finetune: Finetune, tuned: Trained) -> None:
    with pytest.raises(UsageError, match=r"is the folder of --model: choose another one$"):
        finetune(model=str(tuned.folder), output_dir=tuned.folder, overwrite=True)


def test_bad_rows_are_skipped_counted_and_kept(
    finetune: Finetune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = tmp_path / "bad.csv"
    train.write_text(GOOD + " ,animal\na cat,\n")
    finetune(train=train, skip_bad_rows=True)
    quarantine = tmp_path / "out" / "run" / "bad_rows.train.jsonl"
    assert f"warning: {train}: 32 rows read = 30 kept + 2 skipped (in {quarantine})\n" in capsys.readouterr().err
    assert [line["line"] for line in json_lines(quarantine)] == [32, 33]


def test_bad_rows_of_a_file_that_was_replaced_are_not_kept(finetune: Finetune, tmp_path: Path) -> None:
    bad, good, unseen = (tmp_path / name for name in ("bad.csv", "good.csv", "unseen.csv"))
    bad.write_text(GOOD + " ,animal\n")
    good.write_text(GOOD)
    unseen.write_text("text,label\na roof,house\n")
    with pytest.raises(BertwrightError, match=r"unseen\.csv:2: "):
        finetune(train=bad, test=unseen, skip_bad_rows=True)
    quarantine = tmp_path / "out" / "run" / "bad_rows.train.jsonl"
    assert quarantine.exists()
    finetune(train=good, test=None, skip_bad_rows=True, max_steps=1)
    assert not quarantine.exists()


def test_what_is_odd_about_a_file_is_said_once(
    finetune: Finetune, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finetune(test=inputs / "test.csv", columns=("text", "label"), max_steps=1)
    err = capsys.readouterr().err
    for name in ("train", "dev", "test"):
        assert err.count(f"{name}.csv:1: the first row looks like a header and is read as data") == 1


def test_cut_texts_are_counted_for_every_file(
    finetune: Finetune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = write_csv(tmp_path / "long.csv", [{"text": "the cat " * length, "label": "animal"} for length in (2, 9, 20)])
    finetune(test=test, max_length=10, max_steps=1)
    err = capsys.readouterr().err.splitlines()
    warnings = [line for line in err if line.startswith("warning: ") and "longer than" in line]
    marks = "the longest has 13"
    more = f"{marks}; --max-length 13 would keep them whole, for more time and memory"
    places = r" \([^)]*\.csv:\d+[^)]*\)"
    assert all(re.search(places, line) for line in warnings[:2]), "where they are"
    warnings = [re.sub(places, "", line) for line in warnings]
    assert [re.sub(r"\d+ of (\d+ texts) \(.*?\)", r"N of \1", line) for line in warnings[:2]] == [
        f"warning: train: N of 61 texts are longer than 10 tokens and lose their end; {more}",
        f"warning: validation: N of 23 texts are longer than 10 tokens and lose their end; {more}",
    ]
    assert warnings[2:] == [
        "warning: test: 2 of 3 texts are longer than 10 tokens and lose their end",
    ]
    run = tmp_path / "out" / "run"
    found = [entry["text"] for entry in json.loads((run / "findings.json").read_text())["findings"]]
    texts = [line.removeprefix("warning: ").removesuffix(more[len(marks) :]) for line in warnings[:2]]
    assert [text for text in found if "longer than" in text] == texts
    assert (run / "report.html").read_text().count("lose their end") == 2
    (run / "finished.json").unlink()
    finetune(test=test, max_length=10, max_steps=1)
    assert "train: " not in "".join(re.findall(r"warning: .*", capsys.readouterr().err)), "said once"


def test_a_validation_set_that_the_best_model_is_no_use_for_is_warned_of(
    finetune: Finetune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    high = {"train": "animal", "validation": "tool"}
    files = {}
    for role, kind in high.items():
        made = [{**row, "label": "4.5" if row["label"] == kind else "0.5"} for row in rows(60, ("animal", "tool"))]
        files[role] = write_csv(tmp_path / f"{role}.csv", made)
    given = {**files, "max_steps": 12, "task": "regression", "text_column": "text", "label_column": "label"}
    trained = finetune(**given)
    pearson = trained.metrics["validation"]["pearson"]
    assert pearson < 0
    told = (
        f"validation: the model's numbers do not rise with the true ones in 60 texts: Pearson's correlation is "
        f"{pearson:.3f}"
    )
    assert f"warning: {told}\n" in capsys.readouterr().err
    run = tmp_path / "out" / "run"
    (odd,) = json.loads((run / "metrics.json").read_text())["suspicions"]["validation"]
    assert odd["text"] == told.removeprefix("validation: ")
    assert odd["text"].replace("'", "&#x27;") in (run / "report.html").read_text()
    finetune(**given, test=files["train"], overwrite=True)
    assert "do not rise" not in capsys.readouterr().err, "of what is tested the test tells"


@pytest.mark.parametrize(("calibrate", "tested", "most"), [(True, False, 1), (False, False, 1), (False, True, 0)])
def test_the_best_model_reads_the_validation_set_once(
    calibrate: bool, tested: bool, most: int, finetune: Finetune, inputs: Path
) -> None:
    """What is chosen on it, and what is odd about the answers, come from the same ones."""
    test = {"test": inputs / "test.csv"} if tested else {}
    with patch("bertwright.api.finetuning.all_outputs", wraps=finetuning.all_outputs) as asked:
        trained = finetune(calibrate=calibrate, **test)
    evaluations = sum(line.get("split") == "validation" for line in log_of(trained.folder))
    assert asked.call_count == evaluations + most


def test_a_loss_that_is_not_finite_names_the_rows(finetune: Finetune, inputs: Path) -> None:
    with pytest.raises(BertwrightError, match=r"^the .* of step \d+ is (nan|inf): nothing was updated. Look at"):
        finetune(learning_rate=1e30, max_steps=9)


def test_a_label_cannot_drive_the_terminal(
    finetune: Finetune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = [row | {"label": ("\x1b[2Jx", "y")[place % 2]} for place, row in enumerate(rows(30))]
    finetune(train=write_csv(tmp_path / "escape.csv", made), validation=None, max_steps=1)
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert "train: 27 texts (" in said
    assert r"\x1b[2Jx" in said


def test_a_last_step_that_goes_too_far_is_said(finetune: Finetune):
    """No other step follows it, whose loss would not be finite."""
    with pytest.raises(TrainingError, match=r"^the validation loss after step 1 is nan: nothing was kept of it"):
        finetune(max_steps=1, learning_rate=1e30, warmup_ratio=0.0)


def test_the_averaged_weights_are_what_is_evaluated_and_saved(finetune: Finetune, inputs: Path, tmp_path: Path):
    """The training is that of the weights themselves; what comes out is another model, and the figures are its own."""
    lines = []
    for decay in (0.0, 0.9):
        finetune(ema_decay=decay, output_dir=tmp_path / str(decay), eval_steps=2)
        lines.append([line["loss"] for line in log_of(tmp_path / str(decay)) if "split" not in line])
    assert lines[0] == lines[1]
    weights = [(tmp_path / str(decay) / "model.safetensors").read_bytes() for decay in (0.0, 0.9)]
    assert weights[0] != weights[1]
    kept = json.loads((tmp_path / "0.9" / "run" / "metrics.json").read_text())["validation"]
    measured = evaluate(model=str(tmp_path / "0.9"), test=inputs / "dev.csv", bootstrap_draws=0, quiet=True)
    assert measured.metrics == pytest.approx(kept, abs=1e-6)
