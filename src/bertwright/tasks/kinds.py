"""The tasks that a BERT can be fine-tuned for, by name; and which of them a file of rows asks for.

A new task is one new file in this folder, one line here, and what docs/tasks.md names, at its end.
"""

import math
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from bertwright.errors import DataError, ModelFolderError, UsageError
from bertwright.model.config import BertConfig
from bertwright.model.folder import ModelFolder
from bertwright.model.heads import SequenceClassifier
from bertwright.settings import FinetuneSettings, TableSettings
from bertwright.tasks.choice import Choice
from bertwright.tasks.classification import POSITIVE, Classification
from bertwright.tasks.finetuning import FinetuneTask
from bertwright.tasks.multilabel import MultiLabel
from bertwright.tasks.questions import Questions
from bertwright.tasks.regression import Regression
from bertwright.tasks.tagging import Tagging
from bertwright.tasks.texts import TextTask, open_texts
from bertwright.text.complaints import place
from bertwright.text.tables.bad_rows import BadRow
from bertwright.text.tables.cells import SEPARATORS
from bertwright.text.tables.choices import looks_like_choices
from bertwright.text.tables.questions import looks_like_questions
from bertwright.text.tables.tagged import looks_like_columns, looks_tagged
from bertwright.text.tables.texts import Cells

AnyTask = FinetuneTask[Any, Any, Any]

TASKS: Mapping[str, type[AnyTask]] = MappingProxyType(
    {task.name: task for task in (Classification, MultiLabel, Regression, Tagging, Questions, Choice)}
)
_PROBLEMS = {task.problem: task.name for task in TASKS.values() if issubclass(task, TextTask)}
_CLASSES = {task.head.architecture: task.name for task in TASKS.values() if not issubclass(task, TextTask)}
_OWN_NAMES = {name for name, task in TASKS.items() if not isinstance(vars(task).get("labels"), tuple)}
"""Tasks whose outputs each model has its own names for; others call them the same in every model."""
_LOOKED_AT = 2_000  # rows
_MOST = 0.9  # of the labels; what is no number among so many is for the reader to complain of


class Guess(NamedTuple):
    """A task's name, and what in the file speaks for it."""

    name: str
    reason: str


_OF_TEXTS: tuple[type[AnyTask], ...] = (Classification, MultiLabel, Regression)
_ONLY_FOR: Mapping[str, tuple[type[AnyTask], ...]] = MappingProxyType(
    {
        "calibrate": (Classification,),
        "class_weights": (Classification, MultiLabel, Tagging),
        "columns": (*_OF_TEXTS, Tagging),
        "crf": (Tagging,),
        "focal_gamma": (Classification, MultiLabel),
        "label_column": (*_OF_TEXTS, Tagging),
        "label_columns": (MultiLabel,),
        "label_separator": (MultiLabel,),
        "label_smoothing": (Classification, Tagging),
        "long": _OF_TEXTS,
        "null_labels": (Classification,),
        "positive_label": (Classification,),
        "quoting": (*_OF_TEXTS, Tagging),
        "text_column": (*_OF_TEXTS, Tagging),
        "text_pair_column": _OF_TEXTS,
        "tune_thresholds": (MultiLabel, Questions),
        "window_pooling": _OF_TEXTS,
        "stride": (*_OF_TEXTS, Questions),
        "max_answer_length": (Questions,),
        "max_question_length": (Questions,),
    }
)
"""Settings that not every task knows what to do with."""
_OF_WINDOWS = {"stride", "window_pooling"}


def check_settings(kind: type[AnyTask], settings: FinetuneSettings) -> None:
    """See that nothing is asked for that the task cannot do.

    Raises:
        UsageError: Something is.
    """
    _refuse(_of_no_use(kind, settings, FinetuneSettings), kind)
    if issubclass(kind, TextTask) and settings.long != "window":
        for name in sorted(_OF_WINDOWS & set(_given(settings, FinetuneSettings))):
            raise UsageError(f"{name} is for texts in windows: set long = window, too, or leave it out")


def check_columns(kind: type[AnyTask], settings: TableSettings) -> None:
    """See that nothing is said of a file that the task would pass over.

    Raises:
        UsageError: Something is.
    """
    _refuse(_of_no_use(kind, settings, TableSettings), kind)


def _refuse(names: list[str], kind: type[AnyTask]) -> None:
    for name in names:
        *others, last = (known.name for known in _ONLY_FOR[name])
        known = f"{', '.join(others)} and {last}" if others else last
        raise UsageError(f"{name} is for {known}, and the task is {kind.name}")


def _of_no_use(kind: type[AnyTask], settings: TableSettings, fields: type[TableSettings]) -> list[str]:
    """Those of some settings that were given although the task does not know what to do with them."""
    return [name for name in _given(settings, fields) if kind not in _ONLY_FOR[name]]


def _given(settings: TableSettings, fields: type[TableSettings]) -> list[str]:
    known = fields.model_fields
    return [name for name in _ONLY_FOR if name in known and getattr(settings, name) != known[name].default]


def task_of_folder(folder: ModelFolder) -> AnyTask | None:
    """The task that a folder's model was fine-tuned for; None where it was for none.

    Raises:
        ModelFolderError: See `task_of`; it names the folder.
    """
    try:
        return task_of(folder.config)
    except ModelFolderError as error:
        raise ModelFolderError(f"{folder.path}: {error}") from error


def task_of(config: BertConfig) -> AnyTask | None:
    """The task that a model was fine-tuned for; None where it was for none.

    Raises:
        ModelFolderError: It was for one that is not known here, or its config contradicts itself.
    """
    told = _told_by_transformers(config)
    name = config.task.get("name", told)
    if name is None:
        return None
    if name not in TASKS:
        raise ModelFolderError(f"config.json says that the model was made for the task {name!r}; {_known()}")
    if config.architecture and name != told:
        raise ModelFolderError(
            f"config.json says {name} under bertwright, and by architectures and problem_type "
            f"{told or config.architecture}: take out what is not true of the weights"
        )
    _check_labels(TASKS[name], config.labels)
    return TASKS[name].of(config)


def _told_by_transformers(config: BertConfig) -> str | None:
    """The name of the task that a class of transformers is for; None where it is for none that is known here.

    Where no class is named, labels make a classifier.
    """
    if config.architecture == SequenceClassifier.architecture or (config.architecture is None and config.labels):
        return _PROBLEMS.get(config.problem_type or "", Classification.name)
    return _CLASSES.get(config.architecture or "")


def _check_labels(task: type[AnyTask], labels: tuple[str, ...]) -> None:
    """See that a config has labels for the task.

    Raises:
        ModelFolderError: It has none, or too many, or too few.
    """
    if not labels and task.name in _OWN_NAMES:
        raise ModelFolderError(
            f"config.json has no label names, and {task.name} needs them: add a name for each output, in their order, "
            'as in "id2label": {"0": "one name", "1": "another"}'
        )
    if (task is Regression and len(labels) > 1) or (task is Classification and len(labels) == 1):
        said = f"{len(labels)} label names" if len(labels) > 1 else "one label name"
        raise ModelFolderError(
            f"config.json is of a {task.name} model and has {said}: correct its problem_type, or its id2label"
        )


def judging(task: AnyTask, positive: str) -> AnyTask:
    """The same task, with this label as the positive one.

    Raises:
        UsageError: The task has none, or not this one.
    """
    if not isinstance(task, Classification):
        raise UsageError(f"positive_label = {positive!r} is for classification, and the model was made for {task.name}")
    return task.judging(positive)


def positive_of(task: AnyTask) -> dict[str, str]:
    """With two labels, `positive_label`: the one that precision, recall and F1 are of; else nothing."""
    positive = task.positive if isinstance(task, Classification) else None
    return {} if positive is None else {POSITIVE: positive}


def guess_task(path: Path, settings: TableSettings) -> Guess:
    """Which task the rows of a file are for, by its form and its labels: none that passes over columns as named.

    Raises:
        UsageError: It is no table of texts, as the settings say, and in no other form; the text tells what it may be.
        DataError: There are no rows in it, or it is damaged.
    """
    for looks_so, guess in _FORMS:
        if not _of_no_use(TASKS[guess.name], settings, TableSettings) and looks_so(path, settings):
            return guess
    try:
        table = open_texts(path, settings, _as_it_is, labelled=True)
    except UsageError as error:
        return _guess_without_table(path, settings, error)
    rows = list(islice(table.rows(), _LOOKED_AT))
    if not rows:
        raise DataError(f"{place(path)}: there are no rows in it")
    if settings.label_columns:
        return Guess(MultiLabel.name, "there are several label columns")
    cells = [row.label.value for row in rows if not isinstance(row, BadRow) and row.label is not None]
    return _guess_by_labels(cells, settings.label_separator)


def _guess_without_table(path: Path, settings: TableSettings, error: UsageError) -> Guess:
    """What a file is for that cannot be read as a table of texts.

    Raises:
        UsageError: `error`, of the table; it says more where the form of the file would allow of no names of columns.
    """
    for looks_so, guess in _FORMS:
        if looks_so(path, settings):
            flags = ", ".join(_flag(name) for name in _of_no_use(TASKS[guess.name], settings, TableSettings))
            as_table = str(error).removeprefix(f"{place(path)}: ")
            raise UsageError(
                f"{place(path)}: {guess.reason}, so that the task is {guess.name}, where nothing is named with {flags}"
                f": leave that out; or, as a table of texts: {as_table}"
            ) from error
    if looks_tagged(path) or looks_like_columns(path):
        return Guess(Tagging.name, "words stand one a line, with something beside each")
    raise error


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _looks_tagged(path: Path, settings: TableSettings) -> bool:
    return looks_tagged(path, tokens_column=settings.text_column, tags_column=settings.label_column)


_FORMS: tuple[tuple[Callable[[Path, TableSettings], bool], Guess], ...] = (
    (lambda path, _: looks_like_questions(path), Guess(Questions.name, "there are questions with answers in contexts")),
    (lambda path, _: looks_like_choices(path), Guess(Choice.name, "there are choices with a right one")),
    (_looks_tagged, Guess(Tagging.name, "every word has a tag")),
)


def _guess_by_labels(cells: list[object], separator: str | None) -> Guess:
    names = [str(cell).strip() for cell in cells if cell is not None]
    if any(isinstance(cell, list) for cell in cells) or (separator is None and _are_lists(names)):
        return Guess(MultiLabel.name, "the labels are lists")
    numbers = [number for name in names if (number := _number(name)) is not None]
    decimal = any(not number.is_integer() for number in numbers if math.isfinite(number))
    if decimal and len(numbers) >= _MOST * len(names):
        return Guess(Regression.name, "the labels are decimal numbers")
    if found := _separator(names, separator):
        return Guess(MultiLabel.name, f"some labels are several with {found!r} between them")
    return Guess(Classification.name, "every row has one label")


class _Cell(NamedTuple):
    value: object


def _as_it_is(cells: Cells) -> _Cell:
    return _Cell(next(iter(cells.values())))


def _number(name: str) -> float | None:
    """The number that a label is; `nan` and `inf` count, for the reader to complain of."""
    try:
        return float(name)
    except ValueError:
        return None


def _are_lists(names: list[str]) -> bool:
    """Whether the text of each cell looks like a list, be it JSON or not; one may be called `[no]`, but no `[a, b]`."""
    written = [name for name in names if name]
    return any("," in name for name in written) and all(name[0] == "[" and name[-1] == "]" for name in written)


def _separator(names: list[str], wanted: str | None) -> str | None:
    """What stands between labels, if it does: most parts of the cells must also stand alone in another one.

    Behind the last label of a cell it may stand, too: `joy|` is `joy`.
    """
    for separator in (wanted,) if wanted else SEPARATORS:
        cells = [{part.strip() for part in name.split(separator)} - {""} for name in names]
        alone = {part for cell in cells if len(cell) == 1 for part in cell}
        parts = {part for cell in cells if len(cell) > 1 for part in cell}
        if (wanted and any(separator in name for name in names)) or len(parts & alone) > len(parts) // 2:
            return separator
    return None


def _known() -> str:
    return f"known here are {', '.join(TASKS)}"
