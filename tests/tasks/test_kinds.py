"""Which task a file is for, and which one a model was made for."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import tiny
from bertwright.errors import DataError, ModelFolderError, UsageError
from bertwright.settings import FinetuneSettings, TableSettings
from bertwright.tasks.kinds import TASKS, check_settings, guess_task, judging, task_of
from bertwright.tasks.multilabel import MultiLabel
from bertwright.tasks.questions import Questions

SQUAD = {
    "data": [
        {
            "paragraphs": [
                {"context": "a b", "qas": [{"id": "1", "question": "c", "answers": [{"text": "a", "answer_start": 0}]}]}
            ]
        }
    ]
}
FILES = {
    "classification": ("a.csv", "text,label\nx,1\ny,2\n"),
    "classification, of numbers": ("a.csv", "text,label\nx,1.0\ny,2.0\nz,5\n"),
    "classification, with commas in the labels": ("a.tsv", "text\tlabel\nx\tred, dark\ny\tblue, light\n"),
    "multilabel, by separators": ("a.csv", 'text,label\nx,"4,27"\ny,4\nz,27\n'),
    "multilabel, by lists": ("a.jsonl", '{"text": "x", "labels": ["a", "b"]}\n'),
    "regression": ("a.tsv", "sentence1\tsentence2\tscore\nx\ty\t2.500\nz\ty\t3\n"),
    "regression, with what is no number": ("a.csv", "text,label\nx,1.5\ny,nan\nz,-inf\n"),
    "regression, with one slip": ("a.csv", "text,label\n" + "x,1.5\n" * 19 + "y,n/a\n"),
    "classification, of some numbers": ("a.csv", "text,label\n" + "x,1.5\ny,large\nz,2.5\n"),
    "tagging": ("a.conll", "EU B-ORG\nrejects O\n\nGerman B-MISC\n"),
    "tagging, in JSON": ("a.jsonl", '{"tokens": ["EU"], "ner_tags": ["B-ORG"]}\n'),
    "qa": ("a.json", json.dumps(SQUAD)),
    "choice": ("a.csv", "context,choice0,choice1,label\nx,y,z,0\n"),
}


@pytest.mark.parametrize("name", FILES)
def test_the_task_of_a_file(name: str, tmp_path: Path):
    file, content = FILES[name]
    (tmp_path / file).write_text(content)
    assert guess_task(tmp_path / file, TableSettings()).name == name.partition(",")[0]


def test_label_columns_are_labels(tmp_path: Path):
    (tmp_path / "a.csv").write_text("text,joy,fear\nx,1,0\n")
    guess = guess_task(tmp_path / "a.csv", TableSettings(label_columns=("joy", "fear")))
    assert guess == ("multilabel", "there are several label columns")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "file", "columns"),
    [
        ("classification", "sst2/train.tsv", ("text", "label")),
        ("classification", "cola/train.tsv", ("_", "label", "_", "text")),
        ("classification", "mrpc/train.tsv", None),
        ("classification", "rte/dev.tsv", None),
        ("classification", "chnsenticorp/dev.tsv", None),
        ("regression", "stsb/train.tsv", None),
        ("multilabel", "goemotions/train.tsv.gz", ("text", "labels", "_")),
        ("tagging", "conll2003/eng.testa", None),
        ("tagging", "cner/dev.char.bmes", None),
        ("tagging", "peopledaily_ner/dev.txt", None),
        ("qa", "squad/xquad.en.json", None),
        ("qa", "squad/cs224n-dev-v2.0.json.gz", None),
        ("choice", "dream/dev.json", None),
    ],
)
def test_the_task_of_a_real_file(name: str, file: str, columns: tuple[str, ...] | None, data_dir: Path):
    named = {"text_column": "#1 String", "text_pair_column": "#2 String"} if file.startswith("mrpc") else {}
    assert guess_task(data_dir / file, TableSettings(columns=columns, **named)).name == name


@pytest.mark.parametrize("name", TASKS)
def test_a_model_knows_its_task(name: str):
    config = (
        TASKS[name].of(tiny.CONFIG) if name != "tagging" else TASKS[name].of(replace(tiny.CONFIG, labels=("O", "B-X")))
    )
    back = task_of(config.configure(replace(tiny.CONFIG, task={})))
    assert type(back) is TASKS[name]


def test_models_of_transformers_know_theirs():
    assert isinstance(task_of(replace(tiny.CONFIG, problem_type="multi_label_classification")), MultiLabel)
    assert task_of(replace(tiny.CONFIG, labels=())) is None
    with pytest.raises(
        ModelFolderError, match=r"made for the task 'poetry'; known here are classification, multilabel"
    ):
        task_of(replace(tiny.CONFIG, task={"name": "poetry"}))


def test_only_classification_has_a_positive_label():
    with pytest.raises(
        UsageError, match=r"^positive_label = 'a' is for classification, and the model was made for qa$"
    ):
        judging(Questions(), "a")


@pytest.mark.parametrize(
    ("task", "wanted", "told"),
    [
        ("choice", {"label_smoothing": 0.1}, "label_smoothing is for classification and tagging"),
        ("qa", {"class_weights": "balanced"}, "class_weights is for classification, multilabel and tagging"),
        ("multilabel", {"calibrate": True}, "calibrate is for classification"),
        ("classification", {"label_columns": ("a", "b")}, "label_columns is for multilabel"),
        ("regression", {"label_separator": "|"}, "label_separator is for multilabel"),
        ("tagging", {"positive_label": "a"}, "positive_label is for classification"),
        ("choice", {"tune_thresholds": False}, "tune_thresholds is for multilabel and qa"),
    ],
)
def test_what_a_task_cannot_do_is_refused(task: str, wanted: dict[str, object], told: str):
    needed = {"model": "m", "train": "t", "output_dir": "o"}
    with pytest.raises(UsageError, match=rf"^{told}, and the task is {task}$"):
        check_settings(TASKS[task], FinetuneSettings.create(needed | wanted))
    check_settings(TASKS[task], FinetuneSettings.create(needed))


@pytest.mark.parametrize("wanted", [{"stride": 7}, {"window_pooling": "max"}])
@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_windows_that_were_not_asked_for_have_no_stride(task: str, wanted: dict[str, object]):
    needed = {"model": "m", "train": "t", "output_dir": "o"} | wanted
    (name,) = wanted
    with pytest.raises(UsageError, match=rf"^{name} is for texts in windows: set long = window, too, or leave it out$"):
        check_settings(TASKS[task], FinetuneSettings.create(needed))
    check_settings(TASKS[task], FinetuneSettings.create(needed | {"long": "window"}))


def test_a_long_list_is_guessed_by_its_beginning(tmp_path: Path):
    """It is not parsed to its end for that: what is wrong there is said when the rows are read."""
    path = tmp_path / "a.json"
    path.write_text("[" + ",\n".join([json.dumps({"text": "x", "label": 0.5})] * 2500 + ["{"]) + "]")
    assert guess_task(path, TableSettings()).name == "regression"
    with pytest.raises(DataError, match=r"a\.json:2501: not JSON: Expecting property name"):
        list(TASKS["regression"].table(path, TableSettings(), labelled=True, quarantine=None).read())


@pytest.mark.parametrize("end", ["", "] [", ",]", ",,1]", " 1]"])
def test_a_list_that_is_odd_beyond_its_beginning_is_refused(tmp_path: Path, end: str):
    path = tmp_path / "a.json"
    path.write_text("[" + ",\n".join([json.dumps({"text": "x", "label": "y"})] * 200) + end)
    with pytest.raises(DataError, match=r"a\.json:200: not JSON: "):
        list(TASKS["classification"].table(path, TableSettings(), labelled=True, quarantine=None).read())
