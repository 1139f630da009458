"""`evaluate` from end to end: its figures are scikit-learn's, and those of the run that made the model."""

import json
import math
import re
import shutil
from pathlib import Path

import pytest
import scipy.stats
import torch
from safetensors.torch import load_file, save_file
from sklearn import metrics as sklearn
from small import Finetune, json_lines, rows, write_csv

import bertwright
from bertwright.api.training_run import Trained
from bertwright.errors import BertwrightError, DataError, ModelFolderError, UsageError

EXACT = {"precision": "fp32", "device": "cpu"}


def assert_as_scikit_learn(figures: dict[str, float], predictions: Path, positive: str | None = None) -> None:
    """Every figure, computed from what was written for each row."""
    lines = json_lines(predictions)
    truth, found = [line["true_label"] for line in lines], [line["label"] for line in lines]
    expected = {
        "accuracy": sklearn.accuracy_score(truth, found),
        "matthews_correlation": sklearn.matthews_corrcoef(truth, found),
        "loss": sum(-math.log(line["scores"][line["true_label"]]) for line in lines) / len(lines),  # type: ignore[index, call-overload]
    }
    averages = [("macro", {"average": "macro"}), ("weighted", {"average": "weighted"})]
    if positive is not None:
        averages.append(("", {"average": "binary", "pos_label": positive}))
        is_positive = [name == positive for name in truth]
        scores = [line["scores"][positive] for line in lines]  # type: ignore[index, call-overload]
        expected["roc_auc"] = sklearn.roc_auc_score(is_positive, scores)
        expected["average_precision"] = sklearn.average_precision_score(is_positive, scores)
    for name, how in averages:
        figure_of = sklearn.precision_recall_fscore_support(truth, found, zero_division=0, **how)
        for figure, score in zip(("precision", "recall", "f1"), figure_of[:3], strict=True):
            expected[f"{figure}_{name}".rstrip("_")] = score
    assert figures == pytest.approx(expected, abs=1e-6)


def test_the_figures_are_those_of_the_run_and_of_scikit_learn(
    tuned: Trained, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = bertwright.evaluate(
        model=str(tuned.folder), test=inputs / "test.csv", output_dir=tmp_path / "a" / "b", **EXACT
    )
    ran = json.loads((tuned.folder / "run" / "metrics.json").read_text())
    assert measured.metrics == tuned.metrics["test"] == ran["test"]
    assert measured.details == ran["details"]["test"]
    written = json.loads((tmp_path / "a" / "b" / "metrics.json").read_text())
    assert (written["test"], written["details"]) == (measured.metrics, {"test": measured.details})
    intervals = {name: list(interval) for name, interval in measured.intervals.items()}
    assert written["intervals"] == ran["intervals"] == {"test": intervals}
    predictions = tmp_path / "a" / "b" / "predictions.test.jsonl"
    assert predictions.read_bytes() == (tuned.folder / "run" / "predictions.test.jsonl").read_bytes()
    assert_as_scikit_learn(measured.metrics, predictions)
    lines = json_lines(predictions)
    assert [line["line"] for line in lines] == list(range(2, 33))
    truth, found = [line["true_label"] for line in lines], [line["label"] for line in lines]
    assert measured.details["confusion_matrix"] == sklearn.confusion_matrix(truth, found).tolist()
    report = sklearn.classification_report(truth, found, output_dict=True, zero_division=0)
    for label, row in measured.details["per_class"].items():
        expected = {name.replace("f1-score", "f1"): value for name, value in report[label].items()}
        assert row == pytest.approx(expected)
    out, err = capsys.readouterr()
    low, high = measured.intervals["accuracy"]
    assert 0 <= low <= measured.metrics["accuracy"] <= high <= 1
    line = f"accuracy {measured.metrics['accuracy']:.4f} [{low:.3f}, {high:.3f}]\n"
    assert line in out, "the result is on standard output"
    assert "true \\ predicted  animal  plant  tool" in out
    assert "accuracy" not in err


@pytest.mark.parametrize(("wanted", "positive"), [(None, "plant"), ("animal", "animal")])
def test_two_labels_have_a_positive_one(
    wanted: str | None, positive: str, finetune: Finetune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = ("animal", "plant")
    tuned = finetune(
        train=write_csv(tmp_path / "two.csv", rows(40, kinds)),
        validation=write_csv(tmp_path / "dev.csv", rows(20, kinds, seed=1)),
        test=write_csv(tmp_path / "test.csv", rows(33, kinds, seed=2)),
        positive_label=wanted,
        best_metric="f1",
        learning_rate=0.003,
    )
    said = capsys.readouterr().err
    assert len(re.findall(rf"  f1 [01]\.\d+( \[.*?\])? of '{positive}'  ", said)) == 2, "of both splits"
    given = {"test": tmp_path / "test.csv", "output_dir": tmp_path / "figures"}
    bertwright.evaluate(model=str(tuned.folder), quiet=True, **given, **EXACT)
    assert capsys.readouterr().out.count(f" of '{positive}'\n") == 3, "precision, recall and F1"
    for folder in (tuned.folder / "run", tmp_path / "figures"):
        assert json.loads((folder / "metrics.json").read_text())["positive_label"] == positive
    assert_as_scikit_learn(tuned.metrics["test"], tuned.folder / "run" / "predictions.test.jsonl", positive)
    measured = bertwright.evaluate(model=str(tuned.folder), test=tmp_path / "test.csv", quiet=True, **EXACT)
    assert measured.metrics == tuned.metrics["test"], "the folder knows its positive label"
    other = bertwright.evaluate(
        model=str(tuned.folder), test=tmp_path / "test.csv", positive_label="animal", quiet=True, **EXACT
    )
    assert (other.metrics == measured.metrics) == (positive == "animal")


def test_a_long_file_is_measured_chunk_by_chunk(
    tuned: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = write_csv(tmp_path / "test.csv", rows(70, seed=4))
    whole = bertwright.evaluate(model=str(tuned.folder), test=test, **EXACT)
    monkeypatch.setattr("bertwright.evaluation.inference.chunks.__defaults__", (9,))
    parts = bertwright.evaluate(model=str(tuned.folder), test=test, output_dir=tmp_path / "out", **EXACT)
    for name in ("per_class", "confusion_matrix"):
        assert parts.details[name] == whole.details[name]
    worst = [[row["line"] for row in measured.details["worst"]] for measured in (parts, whole)]
    assert worst[0] == worst[1]
    assert len(worst[0]) == 20
    assert parts.metrics == pytest.approx(whole.metrics, rel=1e-6)
    assert [line["line"] for line in json_lines(tmp_path / "out" / "predictions.test.jsonl")] == list(range(2, 72))


def test_bad_rows_and_cut_texts_are_told(tuned: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = tmp_path / "test.csv"
    test.write_text("text,label\na cat,animal\n,plant\n" + "the oak " * 20 + ",plant\n")
    with pytest.raises(DataError, match=r"test.csv:3: empty text in ',plant'; correct them, or go on without"):
        bertwright.evaluate(model=str(tuned.folder), test=test, output_dir=tmp_path / "out", **EXACT)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"settings.yaml", "data.json", "environment.json"}
    capsys.readouterr()
    measured = bertwright.evaluate(
        model=str(tuned.folder), test=test, output_dir=tmp_path / "out", skip_bad_rows=True, **EXACT
    )
    assert measured.truncated == 1
    err = capsys.readouterr().err
    quarantine = tmp_path / "out" / "bad_rows.jsonl"
    assert f"warning: {test}: 3 rows read = 2 kept + 1 skipped (in {quarantine})\n" in err
    assert f"warning: {test}: 1 of 2 texts is longer than 16 tokens and loses its end\n" in err
    assert [line["line"] for line in json_lines(quarantine)] == [3]


def test_without_a_folder_bad_rows_go_to_a_file_with_the_name_of_the_input(
    tuned: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad_rows.jsonl").write_text("of another run\n")
    Path("test.csv").write_text("text,label\na cat,animal\n,plant\n")
    bertwright.evaluate(model=str(tuned.folder), test="test.csv", skip_bad_rows=True, **EXACT)
    assert "2 rows read = 1 kept + 1 skipped (in test.csv.bad_rows.jsonl)\n" in capsys.readouterr().err
    Path("test.csv").write_text("text,label\na cat,animal\n")
    bertwright.evaluate(model=str(tuned.folder), test="test.csv", skip_bad_rows=True, **EXACT)
    assert not Path("test.csv.bad_rows.jsonl").exists()
    assert Path("bad_rows.jsonl").read_text() == "of another run\n"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"test": "unseen.csv"},
            r"unseen.csv:3: labels that the model does not have: 'house' \(rows: 1\); it has",
        ),
        (
            {"label_columns": ("animal", "plant")},
            "^label_columns is for multilabel, and the task is classification$",
        ),
        ({"test": "none.csv"}, r"none.csv: no such file; check the path$"),
        (
            {"positive_label": "plant"},
            r"^positive_label = 'plant': should be one of two labels; .* plant, tool$",
        ),
        ({"max_length": 20}, r"^max_length = 20 is more than the model reads: it has 19 positions$"),
        ({"output_dir": "test.csv"}, r"^cannot make the folder (\S+test.csv): \1 is a file$"),
        ({"label_column": "lable"}, r"test.csv: no column 'lable' \(--label-column\).*did you mean 'label'\?$"),
    ],
    ids=str,
)
def test_what_is_wrong_is_one_line(changed: dict[str, object], message: str, tuned: Trained, tmp_path: Path) -> None:
    write_csv(tmp_path / "test.csv", rows(3))
    (tmp_path / "unseen.csv").write_text("text,label\na cat,animal\na roof,house\n")
    given = {
        name: tmp_path / str(value) if name in ("test", "output_dir") else value for name, value in changed.items()
    }
    with pytest.raises(BertwrightError, match=message):
        bertwright.evaluate(**{"model": str(tuned.folder), "test": tmp_path / "test.csv"} | EXACT | given)


def test_the_files_of_a_training_are_not_overwritten(tuned: Trained, inputs: Path) -> None:
    run = tuned.folder / "run"
    before = {path: path.read_bytes() for path in run.iterdir() if path.is_file()}
    with pytest.raises(UsageError, match=r"run holds the files of a training: choose another folder$"):
        bertwright.evaluate(model=str(tuned.folder), test=inputs / "test.csv", output_dir=run, **EXACT)
    assert {path: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("config.json", "a model"),
        ("run/settings.yaml", "the files of a training"),
        *(
            (name, f"{name}, which evaluate did not write")
            for name in ("settings.yaml", "data.json", "environment.json", "metrics.json", "report.html")
        ),
        ("predictions.test.jsonl", "predictions.test.jsonl, which evaluate did not write"),
        ("predictions.test.json", "predictions.test.json, which evaluate did not write"),
        ("bad_rows.jsonl", "bad_rows.jsonl, which evaluate did not write"),
    ],
)
def test_figures_go_into_no_folder_of_others(
    name: str, held: str, tuned: Trained, inputs: Path, tmp_path: Path
) -> None:
    own = tmp_path / "out" / name
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    with pytest.raises(UsageError) as caught:
        bertwright.evaluate(model=str(tuned.folder), test=inputs / "test.csv", output_dir=tmp_path / "out", **EXACT)
    assert str(caught.value) == f"--output-dir {tmp_path / 'out'} holds {held}: choose another folder"
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [own]
    assert own.read_text() == "mine"


def test_figures_replace_those_of_an_earlier_evaluation_alone(tuned: Trained, inputs: Path, tmp_path: Path) -> None:
    given = {"model": str(tuned.folder), "output_dir": tmp_path / "figures", "bootstrap_draws": 0, **EXACT}
    for name in ("dev.csv", "test.csv"):
        bertwright.evaluate(test=inputs / name, **given)
        page = (tmp_path / "figures" / "report.html").read_text()
        assert [other in page for other in ("dev.csv", "test.csv")] == [name == "dev.csv", name == "test.csv"]
    settings = tmp_path / "figures" / "settings.yaml"
    settings.write_text(settings.read_text() + "train: train.csv\n")
    with pytest.raises(UsageError, match=r"figures holds settings.yaml, which evaluate did not write: choose another "):
        bertwright.evaluate(test=inputs / "test.csv", **given)


def test_an_evaluation_that_was_stopped_is_replaced_and_leaves_nothing_behind(
    tuned: Trained, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("text,label\na cat,animal\n,plant\n")
    folder = tmp_path / "figures"
    (folder / "run").mkdir(parents=True)  # of the user, like whatever else evaluate does not write
    (folder / "run" / "notes.txt").write_text("mine")
    given = {"model": str(tuned.folder), "output_dir": folder, "bootstrap_draws": 0, "skip_bad_rows": True, **EXACT}
    bertwright.evaluate(test=bad, **given)
    assert (folder / "bad_rows.jsonl").exists()
    with monkeypatch.context() as stopped:
        stopped.setattr("bertwright.api.measuring.Measured", interrupted)
        with pytest.raises(KeyboardInterrupt):
            bertwright.evaluate(test=bad, **given)
    assert not (folder / "metrics.json").exists()
    assert (folder / "predictions.test.jsonl").exists()
    with pytest.raises(UsageError, match=r"figures: its run is not finished: there is no metrics\.json yet$"):
        bertwright.report(folder=folder)
    bertwright.evaluate(test=inputs / "test.csv", **given)
    assert bertwright.report(folder=folder) == folder / "report.html"
    assert not (folder / "bad_rows.jsonl").exists()
    assert (folder / "run" / "notes.txt").read_text() == "mine"


def interrupted(*given: object, **named: object) -> None:
    raise KeyboardInterrupt


def test_the_file_that_is_measured_on_is_not_replaced(tuned: Trained, inputs: Path, tmp_path: Path) -> None:
    given = {"model": str(tuned.folder), "output_dir": tmp_path / "figures", "bootstrap_draws": 0, **EXACT}
    bertwright.evaluate(test=inputs / "test.csv", **given)
    again = tmp_path / "figures" / "predictions.test.jsonl"
    before = again.read_bytes()
    with pytest.raises(UsageError, match=r"figures holds the --test file, under a name that evaluate writes: choose "):
        bertwright.evaluate(test=again, text_column="text", label_column="true_label", **given)
    assert again.read_bytes() == before


def test_a_model_that_was_not_fine_tuned_is_refused(inputs: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in (inputs / "model").iterdir():
        (bare / path.name).write_bytes(path.read_bytes())
    config = json.loads((bare / "config.json").read_text())
    del config["id2label"], config["label2id"]
    (bare / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFolderError, match=r"bare: config.json has no label names, and classification needs them"):
        bertwright.load(bare)


def test_a_settings_object_can_be_changed_by_keywords(tuned: Trained, inputs: Path, tmp_path: Path) -> None:
    settings = bertwright.EvaluateSettings(model=str(tuned.folder), test=inputs / "none.csv", **EXACT)
    assert bertwright.evaluate(settings, test=inputs / "test.csv").metrics == tuned.metrics["test"]
    with pytest.raises(UsageError, match="no such file"):
        bertwright.evaluate(settings)


# ---- beside another model, slices, worst rows, and what is odd


def test_against_another_model(
    tuned: Trained, finetune: Finetune, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = finetune(max_steps=1, quiet=True).folder
    capsys.readouterr()
    measured = bertwright.evaluate(
        model=str(tuned.folder), against=str(other), test=inputs / "test.csv", output_dir=tmp_path / "a", **EXACT
    )
    alone = bertwright.evaluate(model=str(other), test=inputs / "test.csv", output_dir=tmp_path / "b", **EXACT)
    assert measured.against is not None
    accuracy = measured.against["accuracy"]
    assert accuracy.other == alone.metrics["accuracy"]
    assert accuracy.difference == measured.metrics["accuracy"] - alone.metrics["accuracy"]
    right = [
        [line["label"] == line["true_label"] for line in json_lines(tmp_path / name / "predictions.test.jsonl")]
        for name in "ab"
    ]
    wins, losses = (sum(x > y for x, y in zip(*pair, strict=True)) for pair in (right, right[::-1]))
    assert accuracy.p == pytest.approx(scipy.stats.binomtest(wins, wins + losses).pvalue)
    assert accuracy.test == "mcnemar"
    assert measured.against["f1_macro"].test == "permutation"
    written = json.loads((tmp_path / "a" / "metrics.json").read_text())["against"]
    assert written["model"] == str(other)
    assert written["differences"]["accuracy"]["p"] == accuracy.p
    out, err = capsys.readouterr()
    assert f"p {accuracy.p:.4f} (mcnemar)" in out
    assert f"\nall figures written to {tmp_path / 'a' / 'report.html'}\n" in err


def test_a_model_beside_itself_is_no_better(tuned: Trained, inputs: Path) -> None:
    model = str(tuned.folder)
    found = bertwright.evaluate(model=model, against=model, test=inputs / "test.csv", bootstrap_draws=0, **EXACT)
    assert found.intervals == {}
    assert found.against is not None
    assert {(each.difference, each.interval, each.p) for each in found.against.values()} == {(0.0, (0.0, 0.0), 1.0)}


def test_two_models_are_judged_by_the_same_positive_label(finetune: Finetune, tmp_path: Path) -> None:
    """The same weights, each trained with another positive label: nothing is between them."""
    two = ("animal", "plant")
    file = write_csv(tmp_path / "two.csv", rows(21, two))
    given = {"train": file, "validation": file, "quiet": True}
    one, other = (str(finetune(**given, positive_label=label, output_dir=tmp_path / label).folder) for label in two)
    found = bertwright.evaluate(model=one, against=other, test=file, bootstrap_draws=20, **EXACT)
    assert found.against is not None
    assert {name: each.difference for name, each in found.against.items() if each.difference} == {}


def test_models_of_other_labels_cannot_be_compared(tuned: Trained, finetune: Finetune, tmp_path: Path) -> None:
    two = ("animal", "plant")
    files = {name: write_csv(tmp_path / f"{name}.csv", rows(20, two)) for name in ("train", "validation")}
    other = finetune(**files, quiet=True).folder
    with pytest.raises(
        UsageError, match=r"out has the labels 'animal', 'plant', and --model has 'animal', 'plant', 'tool': they"
    ):
        bertwright.evaluate(model=str(tuned.folder), against=str(other), test=files["train"], **EXACT)
    (tmp_path / "scores.csv").write_text("text,label\n" + "the cat,0.5\nthe oak,1.25\n" * 9)
    scorer = finetune(
        train=tmp_path / "scores.csv", validation=tmp_path / "scores.csv", output_dir=tmp_path / "scorer", quiet=True
    ).folder
    with pytest.raises(
        UsageError, match=r"scorer was made for regression, and --model for classification: they cannot"
    ):
        bertwright.evaluate(model=str(tuned.folder), against=str(scorer), test=files["train"], **EXACT)


@pytest.mark.parametrize(("pairs", "told"), [(True, "pairs of texts, and --model single ones"), (None, None)])
def test_a_model_of_pairs_is_not_compared_with_one_of_single_texts(
    pairs: bool | None, told: str | None, tuned: Trained, inputs: Path, tmp_path: Path
) -> None:
    """Where nobody knows what a model is of, it is taken at its word."""
    shutil.copytree(tuned.folder, tmp_path / "other")
    config = json.loads((tmp_path / "other" / "config.json").read_text())
    config["bertwright"]["pairs"] = pairs
    (tmp_path / "other" / "config.json").write_text(json.dumps(config))
    given = {"model": str(tuned.folder), "against": str(tmp_path / "other"), "test": inputs / "test.csv", **EXACT}
    if told is None:
        assert bertwright.evaluate(**given).against is not None
    else:
        with pytest.raises(UsageError, match=rf"^--against \S+other reads {told}: no test set is for both$"):
            bertwright.evaluate(**given)


def test_slices_and_worst_rows(tuned: Trained, inputs: Path, tmp_path: Path) -> None:
    measured = bertwright.evaluate(
        model=str(tuned.folder), test=inputs / "test.csv", output_dir=tmp_path / "out", bootstrap_draws=100, **EXACT
    )
    lines = json_lines(tmp_path / "out" / "predictions.test.jsonl")
    slices = measured.details["slices"]
    assert {part["value"]: part["rows"] for part in slices["label"]} == {"animal": 11, "plant": 10, "tool": 10}
    for part in slices["label"]:
        own = [line["label"] == part["value"] for line in lines if line["true_label"] == part["value"]]
        assert part["metrics"]["accuracy"] == pytest.approx(sum(own) / len(own))
        low, high = part["intervals"]["accuracy"]
        assert low <= part["metrics"]["accuracy"] <= high
    assert sum(part["rows"] for part in slices["length"]) == len(lines)
    worst = measured.details["worst"]
    losses = {line["line"]: -math.log(line["scores"][line["true_label"]]) for line in lines}  # type: ignore[index, call-overload]
    assert [row["line"] for row in worst] == sorted(losses, key=losses.__getitem__, reverse=True)[:20]
    assert worst[0]["loss"] == pytest.approx(losses[worst[0]["line"]], rel=1e-5)
    by_line = {line["line"]: line for line in lines}
    assert [worst[0]["texts"], worst[0]["true_label"], worst[0]["predicted"]["label"]] == [
        [by_line[worst[0]["line"]]["text"]],
        by_line[worst[0]["line"]]["true_label"],
        by_line[worst[0]["line"]]["label"],
    ]


def test_slices_by_a_column(tuned: Trained, finetune: Finetune, tmp_path: Path) -> None:
    made = [{**row, "source": ("web", "print")[n % 3 > 0]} for n, row in enumerate(rows(24, seed=2))]
    test = write_csv(tmp_path / "test.csv", made)
    measured = bertwright.evaluate(
        model=str(tuned.folder), test=test, slice_column=["source"], bootstrap_draws=0, **EXACT
    )
    parts = {part["value"]: part for part in measured.details["slices"]["column:source"]}
    assert {value: part["rows"] for value, part in parts.items()} == {"web": 8, "print": 16}
    for value, part in parts.items():
        own = write_csv(tmp_path / f"{value}.csv", [row for row in made if row["source"] == value])
        alone = bertwright.evaluate(model=str(tuned.folder), test=own, bootstrap_draws=0, **EXACT)
        assert part["metrics"]["accuracy"] == pytest.approx(alone.metrics["accuracy"])
    with pytest.raises(
        UsageError, match=r"test.csv: no column 'sauce' \(--slice-columns\); .* did you mean 'source'\?$"
    ):
        finetune(test=test, slice_columns=["sauce"])
    with pytest.raises(UsageError, match=r"^slice_columns is for the test file: give one with --test$"):
        finetune(slice_columns=["source"])
    assert not (tmp_path / "out").exists()


def test_a_model_that_tells_nothing_apart_is_told(
    finetune: Finetune, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = ("animal", "plant", "tool")
    made = finetune(max_steps=1, learning_rate=1e-9, test=inputs / "test.csv").folder
    weights = load_file(made / "model.safetensors")
    weights["classifier.bias"] = torch.tensor([0.0, 99.0, 0.0])
    save_file(weights, made / "model.safetensors", {"format": "pt"})
    capsys.readouterr()
    bertwright.evaluate(model=str(made), test=inputs / "test.csv", quiet=True, **EXACT)
    odd = f"the model gives all 31 texts the label {labels[1]!r}: it tells nothing apart"
    assert capsys.readouterr().err == f"warning: {odd}\n"
    bertwright.evaluate(model=str(made), against=str(made), test=inputs / "test.csv", quiet=True, **EXACT)
    assert capsys.readouterr().err == f"warning: {made}: {odd}\n" * 2, "of two models each is named"


# ---- calibration


def test_a_temperature_changes_scores_alone(finetune: Finetune, inputs: Path, tmp_path: Path) -> None:
    runs = [
        finetune(
            test=inputs / "test.csv",
            calibrate=calibrate,
            output_dir=tmp_path / str(calibrate),
            max_steps=12,
            quiet=True,
        )
        for calibrate in (False, True)
    ]
    off, on = (json_lines(run.folder / "run" / "predictions.test.jsonl") for run in runs)
    assert [line["label"] for line in on] == [line["label"] for line in off]
    assert runs[0].metrics == runs[1].metrics
    configs = [json.loads((run.folder / "config.json").read_text()) for run in runs]
    temperature = configs[1]["bertwright"].pop("temperature")
    assert configs[0] == configs[1]
    for plain, calibrated in zip(off, on, strict=True):
        powers = {label: score ** (1 / temperature) for label, score in plain["scores"].items()}  # type: ignore[attr-defined]
        expected = {label: power / sum(powers.values()) for label, power in powers.items()}
        assert calibrated["scores"] == pytest.approx(expected, abs=1e-6)
    assert (
        bertwright.load(runs[1].folder).predict(["the cat"])[0].scores
        != bertwright.load(runs[0].folder).predict(["the cat"])[0].scores
    )
    with pytest.raises(UsageError, match=r"^calibrate is for classification, and the task is regression$"):
        finetune(calibrate=True, task="regression", output_dir=tmp_path / "no")
