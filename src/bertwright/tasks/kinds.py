"""The tasks that a BERT can be fine-tuned for, by name; and which of them a file of rows asks for.

A new task is one new file in this folder and one line here.
"""

import math
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from bertwright.errors import ModelFolderError, UsageError
from bertwright.model.config import BertConfig
from bertwright.settings import FinetuneSettings, TableSettings
from bertwright.tasks.choice import Choice
from bertwright.tasks.classification import POSITIVE, Classification
from bertwright.tasks.finetuning import FinetuneTask
from bertwright.tasks.long_texts import LongTexts
from bertwright.tasks.multilabel import MultiLabel
from bertwright.tasks.questions import Questions
from bertwright.tasks.regression import Regression
from bertwright.tasks.tagging import Tagging
from bertwright.tasks.texts import TextTask, open_texts
from bertwright.text.tables.bad_rows import BadRow
from bertwright.text.tables.cells import SEPARATORS
from bertwright.text.tables.choices import looks_like_choices
from bertwright.text.tables.questions import looks_like_questions
from bertwright.text.tables.tagged import looks_tagged
from bertwright.text.tables.texts import Cells

AnyTask = FinetuneTask[Any, Any, Any]

TASKS: Mapping[str, type[AnyTask]] = MappingProxyType(
    {task.name: task for task in (Classification, MultiLabel, Regression, Tagging, Questions, Choice)}
)
_PROBLEMS = {"multi_label_classification": MultiLabel.name, "regression": Regression.name}
_LOOKED_AT = 2_000  # rows
_MOST = 0.9  # of the labels; what is no number among so many is for the reader to complain of


class Guess(NamedTuple):
    """A task's name, and what in the file speaks for it."""

    name: str
    reason: str


_ONLY_FOR: Mapping[str, tuple[type[AnyTask], ...]] = MappingProxyType(
    {
        "calibrate": (Classification,),
        "class_weights": (Classification, MultiLabel, Tagging),
        "crf": (Tagging,),
        "focal_gamma": (Classification, MultiLabel),
        "label_columns": (MultiLabel,),
        "label_separator": (MultiLabel,),
        "label_smoothing": (Classification, Tagging),
        "long": (Classification, MultiLabel, Regression),
        "positive_label": (Classification,),
        "tune_thresholds": (MultiLabel, Questions),
        "window_pooling": (Classification, MultiLabel, Regression),
        "stride": (Classification, MultiLabel, Regression, Questions),
        "max_answer_length": (Questions,),
    }
)
"""Settings that not every task knows what to do with."""
_OF_WINDOWS = {"stride", "window_pooling"}


def check_settings(kind: type[AnyTask], settings: FinetuneSettings) -> None:
    """See that nothing is asked for that the task cannot do.

    Raises:
        UsageError: Something is.
    """
    given = {name for name in _ONLY_FOR if getattr(settings, name) != FinetuneSettings.model_fields[name].default}
    for name, kinds in _ONLY_FOR.items():
        if kind not in kinds and name in given:
            *others, last = (known.name for known in kinds)
            known = f"{', '.join(others)} and {last}" if others else last
            raise UsageError(f"{name} is for {known}, and the task is {kind.name}")
    if issubclass(kind, TextTask) and settings.long != "window":
        for name in sorted(given & _OF_WINDOWS):
            raise UsageError(f"{name} is for texts in windows: set long = window, too, or leave it out")


def task_of(config: BertConfig) -> AnyTask | None:
    """The task that a model was fine-tuned for; None where it was for none.

    Raises:
        ModelFolderError: It was for one that is not known here.
    """
    if not config.labels:
        return None
    name = config.task.get("name", _PROBLEMS.get(config.problem_type or "", Classification.name))
    if name not in TASKS:
        raise ModelFolderError(f"config.json says that the model was made for the task {name!r}; {_known()}")
    return TASKS[name].of(config)


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


def lost_part(task: AnyTask) -> str:
    """What texts lose that are too long for the model, if they lose anything."""
    return task.long.lost if isinstance(task, TextTask) else LongTexts().lost


def guess_task(path: Path, settings: TableSettings) -> Guess:
    """Which task the rows of a file are for, by its form and its labels."""
    for looks_so, guess in _FORMS:
        if looks_so(path):
            return guess
    if settings.label_columns:
        return Guess(MultiLabel.name, "there are several label columns")
    return _guess_by_labels(_label_cells(path, settings), settings.label_separator)


_FORMS: tuple[tuple[Callable[[Path], bool], Guess], ...] = (
    (looks_like_questions, Guess(Questions.name, "there are questions with answers in contexts")),
    (looks_like_choices, Guess(Choice.name, "there are choices with a right one")),
    (looks_tagged, Guess(Tagging.name, "every word has a tag")),
)


def _guess_by_labels(cells: list[object], separator: str | None) -> Guess:
    if any(isinstance(cell, list) for cell in cells):
        return Guess(MultiLabel.name, "the labels are lists")
    names = [str(cell).strip() for cell in cells if cell is not None]
    numbers = [number for name in names if (number := _number(name)) is not None]
    decimal = any(not number.is_integer() for number in numbers if math.isfinite(number))
    if decimal and len(numbers) >= _MOST * len(names):
        return Guess(Regression.name, "the labels are decimal numbers")
    if found := _separator(names, separator):
        return Guess(MultiLabel.name, f"some labels are several with {found!r} between them")
    return Guess(Classification.name, "every row has one label")


def _label_cells(path: Path, settings: TableSettings) -> list[object]:
    """What stands in the label column of the first rows."""
    table = open_texts(path, settings, _as_it_is, labelled=True)
    rows = islice(table.rows(), _LOOKED_AT)
    return [row.label.value for row in rows if not isinstance(row, BadRow) and row.label is not None]


class _Cell(NamedTuple):
    value: object


def _as_it_is(cells: Cells) -> _Cell:
    return _Cell(*cells.values())


def _number(name: str) -> float | None:
    """The number that a label is; `nan` and `inf` count, for the reader to complain of."""
    try:
        return float(name)
    except ValueError:
        return None


def _separator(names: list[str], wanted: str | None) -> str | None:
    """What stands between labels, if it does: each part of a cell must also stand alone in another one."""
    alone = set(names)
    for separator in (wanted,) if wanted else SEPARATORS:
        several = [name for name in names if separator in name]
        parts = {part.strip() for name in several for part in name.split(separator)} - {""}
        if several and (wanted or len(parts & alone) > len(parts) // 2):
            return separator
    return None


def _known() -> str:
    return f"known here are {', '.join(TASKS)}"
