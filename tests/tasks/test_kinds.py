"""Which task a file is for, and which one a model was made for."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import tiny
from bertwright.errors import BertwrightError, DataError, ModelFolderError, UsageError
from bertwright.evaluation import card, worst
from bertwright.evaluation.report import record
from bertwright.evaluation.report import worst as report_worst
from bertwright.evaluation.report.chinese import CHINESE
from bertwright.evaluation.report.english import ENGLISH
from bertwright.settings import FinetuneSettings, TableSettings, TaskName
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
    "multilabel, by lists in JSON": ("a.csv", 'text,labels\nx,"[""a"", ""b""]"\ny,[]\nz,\n'),
    "multilabel, by lists in Python": ("a.tsv", "text\tlabels\nx\t['a', 'b']\ny\t['a']\n"),
    "classification, of names in brackets": ("a.csv", "text,label\nx,[yes]\ny,[no]\n"),
    "multilabel, by separators, also behind the last": ("a.csv", "text,label\nx,a|b|\ny,a|\nz,b|\n"),
    "classification, with a sign behind each": ("a.tsv", "text\tlabel\nx\tyes,\ny\tno,\n"),
    "multilabel, by lists": ("a.jsonl", '{"text": "x", "labels": ["a", "b"]}\n'),
    "regression": ("a.tsv", "sentence1\tsentence2\tscore\nx\ty\t2.500\nz\ty\t3\n"),
    "regression, with what is no number": ("a.csv", "text,label\nx,1.5\ny,nan\nz,-inf\n"),
    "regression, with one slip": ("a.csv", "text,label\n" + "x,1.5\n" * 19 + "y,n/a\n"),
    "classification, of some numbers": ("a.csv", "text,label\n" + "x,1.5\ny,large\nz,2.5\n"),
    "tagging": ("a.conll", "EU B-ORG\nrejects O\n\nGerman B-MISC\n"),
    "tagging, in JSON": ("a.jsonl", '{"tokens": ["EU"], "ner_tags": ["B-ORG"]}\n'),
    "qa": ("a.json", json.dumps(SQUAD)),
    "classification, of texts beside letters": ("a.csv", "text,a,b,label\nx,1,2,y\nz,3,4,w\n"),
    "choice, by letters": ("a.csv", "question,A,B,answer\nx,y,z,A\n"),
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


@pytest.mark.parametrize(
    ("name", "text", "label", "content"),
    [
        ("classification", "question", "topic", '{"question": "x", "context": "y", "answers": ["y"], "topic": "z"}'),
        ("classification", "context", "topic", '{"context": "x", "choices": ["y", "z"], "label": 0, "topic": "w"}'),
        ("classification", "text", "mood", '{"tokens": ["x"], "tags": ["O"], "text": "x", "mood": "y"}'),
        ("tagging", "chars", "slots", '{"chars": ["x"], "slots": ["O"]}'),
    ],
)
def test_named_columns_are_heard(name: str, text: str, label: str, content: str, tmp_path: Path):
    (tmp_path / "a.jsonl").write_text(content + "\n")
    assert guess_task(tmp_path / "a.jsonl", TableSettings(text_column=text, label_column=label)).name == name


COLUMNS = {
    "a.txt": ("The DT", "cat NN", "", "A DT", "dog NN"),
    "a.conll": ("# of verbs", "The\tDT", "runs\tVBZ", "", "He\tPRP"),
    "a.tsv": ("The\tDT", "runs\tVBZ", "", "He\tPRP"),
    "a.iob": ("-DOCSTART- -X-", "", "The DT", "cat NN", "", "", "A DT"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_words_whose_tags_are_no_entities_are_told_from_texts(name: str, tmp_path: Path):
    path = tmp_path / name
    path.write_text("\n".join(COLUMNS[name]) + "\n")
    assert guess_task(path, TableSettings()) == ("tagging", "words stand one a line, with something beside each")
    between = "tab" if "\t" in path.read_text() else "blank"
    with pytest.raises(DataError) as error:
        TASKS["tagging"].table(path, TableSettings(), labelled=True)
    assert str(error.value) == (
        f"{path}: one word a line, {between}-separated, words in column 1, tags in column 2 of 2, but no word has the "
        "tag O, and no tag a letter such as B- in front: plain tags, such as parts of speech, are not learned here; if "
        "those of entities are in another column, set --label-column; where these are entities, write 'DT' as 'B-DT' "
        "and 'I-DT'"
    )


@pytest.mark.parametrize(
    "lines",
    [
        ("two words", "of texts"),
        ("two words", "", "or three words", "in stanzas"),
        ("a text\tx", "", "another\ty"),
        ("alone", "", "again"),
    ],
)
def test_texts_are_told_from_words_in_columns(lines: tuple[str, ...], tmp_path: Path):
    (tmp_path / "a.txt").write_text("\n".join(lines))
    with pytest.raises(
        UsageError,
        match=r"a\.txt: a \.txt file holds texts without labels; name it \.tsv if there is a tab between them; for "
        r"tagged words --task tagging$",
    ):
        guess_task(tmp_path / "a.txt", TableSettings())


@pytest.mark.parametrize(
    ("file", "content", "named", "told"),
    [
        (
            "a.txt",
            "EU NNP B-ORG\nis VBZ O\n",
            "ner",
            r":1: no column 'ner' \(--label-column\); the columns have numbers",
        ),
        ("a.conll", "EU NNP B-ORG\nis VBZ O\n", "4", ":1: no column '4' .*, 1 to 3: 'EU', 'NNP', 'B-ORG'"),
        (
            "a.txt",
            "EU NNP O\n\nis VBZ O\n",
            "2",
            ": one word a line, .* tags in column 2 of 3, but no word has the tag O",
        ),
        ("a.jsonl", '{"tokens": ["EU"], "tags": ["B-ORG"]}\n', "tag", r": no column 'tag' .*; did you mean 'tags'\?"),
    ],
)
def test_a_column_that_tagged_words_have_not_is_said_of_them(
    file: str, content: str, named: str, told: str, tmp_path: Path
):
    (tmp_path / file).write_text(content)
    settings = TableSettings(label_column=named)
    kind = TASKS[guess_task(tmp_path / file, settings).name]
    with pytest.raises(BertwrightError, match=rf"^{tmp_path / file}{told}"):
        kind.table(tmp_path / file, settings, labelled=True)


@pytest.mark.parametrize(
    ("file", "content", "named", "told"),
    [
        (
            "a.json",
            json.dumps(SQUAD),
            {"label_column": "foo"},
            "there are questions with answers in contexts, so that the task is qa, where nothing is named with "
            "--label-column: leave that out; or, as a table of texts: no column 'foo' (--label-column); the columns "
            "are 'data'",
        ),
        (
            "a.csv",
            "context,choice0,choice1,label\nx,y,z,0\n",
            {"text_column": "contxt", "label_column": "label"},
            "there are choices with a right one, so that the task is choice, where nothing is named with "
            "--label-column, --text-column: leave that out; or, as a table of texts: no column 'contxt' (--text-column)"
            "; the columns are 'context', 'choice0', 'choice1', 'label'; did you mean 'context'?",
        ),
    ],
)
def test_columns_are_not_named_where_they_are_known(
    file: str, content: str, named: dict[str, str], told: str, tmp_path: Path
):
    (tmp_path / file).write_text(content)
    with pytest.raises(UsageError) as error:
        guess_task(tmp_path / file, TableSettings(**named))
    assert str(error.value) == f"{tmp_path / file}: {told}"


@pytest.mark.parametrize("columns", [None, ("joy", "fear")])
def test_of_no_rows_no_task_is_told(columns: tuple[str, ...] | None, tmp_path: Path):
    (tmp_path / "a.csv").write_text("text,label,joy,fear\n")
    with pytest.raises(DataError, match=r"a\.csv: there are no rows in it$"):
        guess_task(tmp_path / "a.csv", TableSettings(label_columns=columns))


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


@pytest.mark.parametrize(
    ("architecture", "problem", "name"),
    [
        ("BertForSequenceClassification", None, "classification"),
        ("BertForSequenceClassification", "multi_label_classification", "multilabel"),
        ("BertForTokenClassification", None, "tagging"),
        ("BertForQuestionAnswering", None, "qa"),
        ("BertForMultipleChoice", None, "choice"),
        ("BertForMaskedLM", None, None),
        ("BertForPreTraining", "regression", None),
        ("BertForNextSentencePrediction", None, None),
    ],
)
def test_the_class_of_transformers_tells_the_task(architecture: str, problem: str | None, name: str | None):
    task = task_of(replace(tiny.CONFIG, labels=("O", "B-X"), architecture=architecture, problem_type=problem))
    assert (task.name if task else None) == name


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"architecture": "BertForTokenClassification", "task": {"name": "qa"}},
            "says qa under bertwright, and by architectures and problem_type tagging: take out what is not true of the "
            "weights",
        ),
        (
            {"architecture": "BertModel", "task": {"name": "tagging"}},
            "says tagging under bertwright, and by architectures and problem_type BertModel: take out what is not true",
        ),
        (
            {"architecture": "BertForTokenClassification", "labels": ()},
            "has no label names, and tagging needs them: add a name for each output, in their order, as in "
            '"id2label": {"0": "one name", "1": "another"}',
        ),
        (
            {"problem_type": "regression"},
            "is of a regression model and has 4 label names: correct its problem_type, or its id2label",
        ),
        (
            {"problem_type": "single_label_classification", "labels": ("any",)},
            "is of a classification model and has one label name: correct its problem_type, or its id2label",
        ),
        ({"architecture": "BertForTokenClassification"}, "its labels have no 'O': they are no tags of entities"),
    ],
)
def test_what_contradicts_itself_is_refused(changed: dict[str, object], told: str):
    with pytest.raises(ModelFolderError, match=rf"^config\.json:? {told}"):
        task_of(replace(tiny.CONFIG, **changed))


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
        ("regression", {"null_labels": ("-",)}, "null_labels is for classification"),
        ("tagging", {"positive_label": "a"}, "positive_label is for classification"),
        ("choice", {"tune_thresholds": False}, "tune_thresholds is for multilabel and qa"),
        ("choice", {"label_column": "a"}, "label_column is for classification, multilabel, regression and tagging"),
        ("qa", {"text_column": "a"}, "text_column is for classification, multilabel, regression and tagging"),
        ("qa", {"quoting": False}, "quoting is for classification, multilabel, regression and tagging"),
        ("tagging", {"text_pair_column": "a"}, "text_pair_column is for classification, multilabel and regression"),
    ],
)
def test_what_a_task_cannot_do_is_refused(task: str, wanted: dict[str, object], told: str):
    needed = {"model": "m", "train": "t", "output_dir": "o"}
    with pytest.raises(UsageError, match=rf"^{told}, and the task is {task}$"):
        check_settings(TASKS[task], FinetuneSettings.create(needed | wanted))
    check_settings(TASKS[task], FinetuneSettings.create(needed))


def test_of_files_of_tagged_words_no_columns_are_named(tmp_path: Path):
    (tmp_path / "a.csv").write_text("EU,B-ORG\n")
    for settings in (TableSettings(columns=("text", "label")), TableSettings(quoting=False)):
        with pytest.raises(
            UsageError, match=r"a\.csv: --columns and --quoting are for files of texts, and this is one of"
        ):
            TASKS["tagging"].table(tmp_path / "a.csv", settings, labelled=True)


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
        list(TASKS["regression"].table(path, TableSettings(), labelled=True).read())


@pytest.mark.parametrize("end", ["", "] [", ",]", ",,1]", " 1]"])
def test_a_list_that_is_odd_beyond_its_beginning_is_refused(tmp_path: Path, end: str):
    path = tmp_path / "a.json"
    path.write_text("[" + ",\n".join([json.dumps({"text": "x", "label": "y"})] * 200) + end)
    with pytest.raises(DataError, match=r"a\.json:200: not JSON: "):
        list(TASKS["classification"].table(path, TableSettings(), labelled=True).read())


TABLES: dict[str, Callable[[str], object]] = {
    "TaskName of settings/verbs.py": lambda name: name in get_args(TaskName),
    "_KINDS of evaluation/card.py": lambda name: name in card._KINDS,
    "_SAID of evaluation/worst.py": lambda name: {field.name for field in fields(answer_of(name))} & set(worst._SAID),
    "_MAIN of evaluation/report/record.py": lambda name: name in record._MAIN,
    "_DRAWN of evaluation/report/worst.py": lambda name: name in report_worst._DRAWN,
    "evaluation/report/english.py": lambda name: f"task_{name}" in ENGLISH,
    "evaluation/report/chinese.py": lambda name: f"task_{name}" in CHINESE,
    "docs/tasks/": lambda name: (DOCS / f"{name}.md").is_file(),
}
"""Where something is said of each task, and whether it is said of one."""
DOCS = Path(__file__).parents[2] / "docs" / "tasks"


def answer_of(name: str) -> type:
    """The class of a task's answers."""
    (answer,) = get_args(get_type_hints(TASKS[name].answers)["return"])
    assert isinstance(answer, type)
    return answer


@pytest.mark.parametrize("table", TABLES)
def test_every_task_is_in_every_table(table: str):
    """It would be missed after a training at the earliest."""
    assert [name for name in TASKS if not TABLES[table](name)] == [], f"not in {table}"
