"""Named suites of tasks (GLUE, CLUE, SQuAD): the forms of their files, the figures papers print, how they are learned.

Knows tables, and neither model nor training.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path
from typing import Any

from bertwright.errors import DataError, UsageError
from bertwright.settings import TableSettings
from bertwright.tasks.kinds import TASKS
from bertwright.text.complaints import place
from bertwright.text.tables.bad_rows import BadRow

Options = Mapping[str, Any]
_ENDINGS = (".tsv", ".csv", ".json", ".jsonl", ".parquet", ".txt")
_HELD_OUT = ("val", "dev", "test")
_LOOKED_AT = 1_000  # rows
_UNLABELLED = ("-1", -1)  # what the hub's copies say of rows whose labels are kept secret


@dataclass(frozen=True, slots=True)
class SuiteTask:
    """One task of a suite.

    Attributes:
        title: As papers write it.
        kind: What is learned: a key of `TASKS`.
        figures: What papers report of it, by bertwright's names.
        forms: How its files may have to be read, as settings; the first that fits is taken.
        settings: Published settings in which it differs from its suite.
        only: Patterns of its files' names, where several tasks may share a folder; none = all.
        hub: Name of its data set on the hub, where each task of the suite has its own.
        positive: The label that F1 is of, by its name; as numbers it is the second of two anyway.
    """

    title: str
    kind: str
    figures: tuple[str, ...]
    forms: tuple[Options, ...] = ({},)
    settings: Options = field(default_factory=dict)
    only: tuple[str, ...] = ()
    hub: str | None = None
    positive: str | None = None


@dataclass(frozen=True, slots=True)
class Suite:
    """Tasks that papers report together.

    Attributes:
        title: As papers write it.
        tasks: By the name of their folder.
        settings: The published settings.
        hub: The data set on the hub that holds a folder for each task.
    """

    title: str
    tasks: Mapping[str, SuiteTask]
    settings: Options
    hub: str | None = None


@dataclass(frozen=True, slots=True)
class TaskFiles:
    """The files of a task, by role, and how they are read.

    Attributes:
        train: To learn from.
        validation: To choose the best epoch by; None = a part of `train`.
        test: To report on.
        form: Settings with which all are read.
        left_out: Files beside them that cannot be read so, or have no labels.
        positive: The label that F1 is of, where it has to be said.
    """

    train: Path
    validation: Path | None
    test: Path
    form: Options
    left_out: tuple[Path, ...] = ()
    positive: str | None = None


def _columns(text: str, pair: str | None, label: str) -> Options:
    columns = {"text_column": text, "text_pair_column": pair, "label_column": label}
    return {name: column for name, column in columns.items() if column is not None}


_ACCURACY = ("accuracy",)
_F1_TOO = ("f1", "accuracy")
_ONE = (_columns("sentence", None, "label"), {"columns": ("text", "label")})
_SENTENCES = (_columns("sentence1", "sentence2", "label"),)
_NOT_AGREED: Options = {"null_labels": ("-", "-1"), "skip_bad_rows": True}  # rows without a gold label

# Wang et al., 2018, https://gluebenchmark.com; settings of Devlin et al., 2019, section 4.1 and appendix A.3.
GLUE = Suite(
    "GLUE",
    {
        "mnli": SuiteTask(
            "MNLI-m",
            "classification",
            _ACCURACY,
            (_columns("sentence1", "sentence2", "gold_label"), _columns("premise", "hypothesis", "label")),
        ),
        "qqp": SuiteTask(
            "QQP",
            "classification",
            _F1_TOO,
            (_columns("question1", "question2", "is_duplicate"), _columns("question1", "question2", "label")),
            positive="duplicate",
        ),
        "qnli": SuiteTask("QNLI", "classification", _ACCURACY, (_columns("question", "sentence", "label"),)),
        "sst2": SuiteTask("SST-2", "classification", _ACCURACY, _ONE),
        "cola": SuiteTask(
            "CoLA", "classification", ("matthews_correlation",), ({"columns": ("_", "label", "_", "text")}, *_ONE)
        ),
        "stsb": SuiteTask(
            "STS-B",
            "regression",
            ("pearson", "spearman"),
            (_columns("sentence1", "sentence2", "score"), *_SENTENCES),
        ),
        "mrpc": SuiteTask(
            "MRPC",
            "classification",
            _F1_TOO,
            (_columns("#1 String", "#2 String", "Quality"), *_SENTENCES),
            positive="equivalent",
        ),
        "rte": SuiteTask("RTE", "classification", _ACCURACY, _SENTENCES),
        "wnli": SuiteTask("WNLI", "classification", _ACCURACY, _SENTENCES),
    },
    {"epochs": 3, "batch_size": 32, "learning_rate": 5e-5, "max_length": 128},
    hub="nyu-mll/glue",
)
# Xu et al., 2020; https://www.cluebenchmarks.com; settings as for BERT-base in section 4.
CLUE = Suite(
    "CLUE",
    {
        "afqmc": SuiteTask("AFQMC", "classification", _ACCURACY, _SENTENCES),
        "tnews": SuiteTask("TNEWS", "classification", _ACCURACY, _ONE),
        "iflytek": SuiteTask("IFLYTEK", "classification", _ACCURACY, _ONE),
        "cmnli": SuiteTask("CMNLI", "classification", _ACCURACY, _SENTENCES, settings=_NOT_AGREED),
        "ocnli": SuiteTask("OCNLI", "classification", _ACCURACY, _SENTENCES, settings=_NOT_AGREED),
        "chnsenticorp": SuiteTask(
            "ChnSentiCorp", "classification", _ACCURACY, (_columns("text_a", None, "label"), *_ONE)
        ),
        "cmrc2018": SuiteTask("CMRC 2018", "qa", ("exact_match", "f1"), settings={"max_length": 384, "epochs": 2}),
    },
    {"epochs": 3, "batch_size": 32, "learning_rate": 5e-5, "max_length": 128},
)
# Rajpurkar et al., 2016 and 2018; settings of Devlin et al., 2019, sections 4.2 and 4.3.
SQUAD = Suite(
    "SQuAD",
    {
        "squad1": SuiteTask(
            "SQuAD 1.1", "qa", ("exact_match", "f1"), only=("*v1.1*", "*.parquet"), hub="rajpurkar/squad"
        ),
        "squad2": SuiteTask(
            "SQuAD 2.0",
            "qa",
            ("exact_match", "f1"),
            settings={"epochs": 2, "batch_size": 48},
            only=("*v2.0*", "*.parquet"),
            hub="rajpurkar/squad_v2",
        ),
    },
    {"epochs": 3, "batch_size": 32, "learning_rate": 5e-5, "max_length": 384},
)


def find_folder(data: Path, name: str, task: SuiteTask) -> Path | None:
    """The folder of a task below `data`, in any spelling (`SST-2` is `sst2`), or `data` itself for shared ones."""
    wanted = {_plain(name), _plain(task.title)}
    inside = (path for path in sorted(data.iterdir()) if path.is_dir() and _plain(path.name) in wanted)
    found = next(inside, data if task.only else None)
    return found if found is not None and any(_tables(found, task, "train")) else None


def find_files(folder: Path, task: SuiteTask) -> TaskFiles:
    """Which file of a task's folder is what: train, validation, and the one to report on, which must have labels.

    Where the test file's labels are secret, the development set is reported, as papers do, and a part of the training
    set chooses the best epoch, unless there are two development sets.

    Raises:
        UsageError: A file is missing, or there are several where one is read, or no known form fits.
    """
    train = _one(folder, task, "train")
    form = _form(train, task)
    others = [path for role in _HELD_OUT for path in islice(_tables(folder, task, role), 1)]
    labelled = [path for path in others if _unfit(path, task, form) is None]
    if not labelled:
        raise UsageError(f"{folder}: no labelled file to report on: dev.*, val.* or test.* like {train.name}")
    validation = labelled[-2] if len(labelled) > 1 else None
    left_out = (path for path in others if path not in {validation, labelled[-1]})
    return TaskFiles(train, validation, labelled[-1], form, tuple(left_out), _positive(train, task, form))


def _unfit(path: Path, task: SuiteTask, form: Options) -> str | None:
    """Why a file cannot be read so, with labels in its first row; None where it can."""
    try:
        table = TASKS[task.kind].table(path, TableSettings.create(form), labelled=True)
        first = next(table.rows(), None)
    except (UsageError, DataError) as error:
        return str(error)
    if isinstance(first, BadRow):
        return f"{place(path, first.line)}: {first.reason}"
    if first is None:
        return f"{place(path)}: there are no rows in it"
    return f"{place(path)}: no label in its first row" if getattr(first, "label", None) in _UNLABELLED else None


def _form(train: Path, task: SuiteTask) -> Options:
    reasons = []
    for form in task.forms:
        reason = _unfit(train, task, form)
        if reason is None:
            return form
        reasons.append(reason)
    raise UsageError(f"{task.title}: {reasons[0]}; a file in another form than the published one: use `finetune`")


def _positive(train: Path, task: SuiteTask, form: Options) -> str | None:
    """The positive label, if the first rows call it by its name."""
    if task.positive is None:
        return None
    rows = islice(TASKS[task.kind].table(train, TableSettings.create(form), labelled=True).rows(), _LOOKED_AT)
    return task.positive if any(getattr(row, "label", None) == task.positive for row in rows) else None


def _one(folder: Path, task: SuiteTask, role: str) -> Path:
    match list(_tables(folder, task, role)):
        case [path]:
            return path
        case []:
            raise UsageError(f"{folder}: no {role} file ({role}.tsv, .csv, .jsonl, .json or .parquet, also with .gz)")
        case several:
            names = ", ".join(path.name for path in several)
            raise UsageError(f"{folder}: {len(several)} {role} files, where one is read: {names}")


def _tables(folder: Path, task: SuiteTask, role: str) -> Iterator[Path]:
    """Tables whose names begin with a role."""
    for path in sorted(folder.iterdir()):
        ending = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
        chosen = not task.only or any(fnmatch(path.name, pattern) for pattern in task.only)
        if chosen and ending in _ENDINGS and path.name.lower().startswith(role):
            yield path


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def check_tasks(suite: Suite, wanted: Sequence[str] | None) -> list[str]:
    """The tasks of a suite that are wanted, in its order; all when none is named.

    Raises:
        UsageError: The suite has no such task.
    """
    unknown = [name for name in wanted or () if name not in suite.tasks]
    if unknown:
        raise UsageError(f"tasks = {', '.join(unknown)}: {suite.title} has {', '.join(suite.tasks)}")
    return [name for name in suite.tasks if not wanted or name in wanted]
