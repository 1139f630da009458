"""`evaluate` from end to end: its figures are scikit-learn's, and those of the run that made the model."""

import json
import math
from pathlib import Path

import pytest
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
    for name, how in averages:
        scores = sklearn.precision_recall_fscore_support(truth, found, zero_division=0, **how)
        for figure, score in zip(("precision", "recall", "f1"), scores[:3], strict=True):
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
    assert written == {"test": measured.metrics, "details": {"test": measured.details}}
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
    assert f"accuracy {measured.metrics['accuracy']:.4f}" in out, "the result is on standard output"
    assert "true \\ predicted  animal  plant  tool" in out
    assert "accuracy" not in err


@pytest.mark.parametrize(("wanted", "positive"), [(None, "plant"), ("animal", "animal")])
def test_two_labels_have_a_positive_one(wanted: str | None, positive: str, finetune: Finetune, tmp_path: Path) -> None:
    kinds = ("animal", "plant")
    tuned = finetune(
        train=write_csv(tmp_path / "two.csv", rows(40, kinds)),
        validation=write_csv(tmp_path / "dev.csv", rows(20, kinds, seed=1)),
        test=write_csv(tmp_path / "test.csv", rows(33, kinds, seed=2)),
        positive_label=wanted,
        best_metric="f1",
        learning_rate=0.003,
    )
    assert_as_scikit_learn(tuned.metrics["test"], tuned.folder / "run" / "predictions.test.jsonl", positive)
    measured = bertwright.evaluate(
        model=str(tuned.folder), test=tmp_path / "test.csv", positive_label=wanted, quiet=True, **EXACT
    )
    assert measured.metrics == tuned.metrics["test"]


def test_a_long_file_is_measured_window_by_window(
    tuned: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = write_csv(tmp_path / "test.csv", rows(70, seed=4))
    whole = bertwright.evaluate(model=str(tuned.folder), test=test, **EXACT)
    monkeypatch.setattr("bertwright.evaluation.inference.windows.__defaults__", (9,))
    parts = bertwright.evaluate(model=str(tuned.folder), test=test, output_dir=tmp_path / "out", **EXACT)
    assert parts.details == whole.details
    assert parts.metrics == pytest.approx(whole.metrics, rel=1e-6)
    assert [line["line"] for line in json_lines(tmp_path / "out" / "predictions.test.jsonl")] == list(range(2, 72))


def test_bad_rows_and_cut_texts_are_told(tuned: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    test = tmp_path / "test.csv"
    test.write_text("text,label\na cat,animal\n,plant\n" + "the oak " * 20 + ",plant\n")
    with pytest.raises(DataError, match=r"test.csv:3: empty text in ',plant'; correct them, or go on without"):
        bertwright.evaluate(model=str(tuned.folder), test=test, output_dir=tmp_path / "out", **EXACT)
    assert list((tmp_path / "out").iterdir()) == []
    capsys.readouterr()
    measured = bertwright.evaluate(
        model=str(tuned.folder), test=test, output_dir=tmp_path / "out", skip_bad_rows=True, **EXACT
    )
    assert measured.truncated == 1
    err = capsys.readouterr().err
    quarantine = tmp_path / "out" / "bad_rows.jsonl"
    assert f"warning: {test}: 3 rows read = 2 kept + 1 skipped (in {quarantine})\n" in err
    assert f"warning: {test}: 1 of 2 texts are longer than 16 tokens and lose their end\n" in err
    assert [line["line"] for line in json_lines(quarantine)] == [3]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"test": "unseen.csv"},
            r"unseen.csv:3: labels that the model does not have: 'house' \(rows: 1\); it has",
        ),
        ({"test": "none.csv"}, r"none.csv: no such file; check the path$"),
        (
            {"positive_label": "plant"},
            r"^positive_label = 'plant': should be one of two labels; .* plant, tool$",
        ),
        ({"max_length": 20}, r"^max_length = 20 is more than the model reads: it has 19 positions$"),
        ({"output_dir": "test.csv"}, r"^cannot make the folder \S+test.csv: File exists$"),
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


def test_a_model_that_was_not_fine_tuned_is_refused(inputs: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in (inputs / "model").iterdir():
        (bare / path.name).write_bytes(path.read_bytes())
    config = json.loads((bare / "config.json").read_text())
    del config["id2label"], config["label2id"]
    (bare / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFolderError, match=r"bare has no label names in config.json: it is not a fine-tuned class"):
        bertwright.load(bare)


def test_a_settings_object_can_be_changed_by_keywords(tuned: Trained, inputs: Path, tmp_path: Path) -> None:
    settings = bertwright.EvaluateSettings(model=str(tuned.folder), test=inputs / "none.csv", **EXACT)
    assert bertwright.evaluate(settings, test=inputs / "test.csv").metrics == tuned.metrics["test"]
    with pytest.raises(UsageError, match="no such file"):
        bertwright.evaluate(settings)
