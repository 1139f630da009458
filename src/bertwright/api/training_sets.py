"""The labelled files of a fine-tuning: read, split, checked against each other, encoded.

Whatever is wrong with files and labels is said here, before any training. Knows no model.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertwright.api.common import extra_columns, patient, say_counts, say_of_files, saying_once, told
from bertwright.api.findings import counts_of, of_table, said_before
from bertwright.errors import UsageError
from bertwright.settings import FinetuneSettings
from bertwright.tasks.checks.files import LabelledFiles, context_of, label_names
from bertwright.tasks.checks.finding import Finding
from bertwright.tasks.checks.listed import short_findings
from bertwright.tasks.checks.reading import cut_texts_of
from bertwright.tasks.classification import Classification, check_repeated
from bertwright.tasks.finetuning import Rows, TaskExamples, split
from bertwright.tasks.folds import folds
from bertwright.tasks.kinds import TASKS, AnyTask, check_settings, guess_task
from bertwright.text.wordpiece import WordPiece


@dataclass(frozen=True, slots=True)
class TrainingSets:
    """Training and validation rows, and the task that they set.

    Attributes:
        counts: What was read of each file, the test file too.
        findings: What is wrong with the files, as far as rows tell.
    """

    task: AnyTask
    train: Rows[Any]
    validation: Rows[Any]
    counts: Mapping[str, Any]
    findings: Sequence[Finding]

    @classmethod
    def read(cls, settings: FinetuneSettings, folder: Path) -> "TrainingSets":
        """Read and check all labelled files; of the test file nothing is kept.

        Args:
            settings: Which files, and how to read them.
            folder: Where unusable rows go, if they are to be skipped.

        Raises:
            DataError, UsageError: A file, its labels, or a setting that depends on the labels is wrong.
        """
        with saying_once(said_before(folder)):
            return cls._read(settings, folder)

    @classmethod
    def _read(cls, settings: FinetuneSettings, folder: Path) -> "TrainingSets":
        kind = task_kind(settings)
        train, found = _read(kind, settings.train, "train", settings, folder)
        kind.check_training(train)
        if settings.left_out is not None:
            number, count = settings.left_out
            task = kind.learn(train, settings)  # of all rows: a rare label may be in that fold alone
            train = train.take(np.flatnonzero(fold_of_each(task, train, settings, count) != number))
        if settings.validation is not None:
            validation, of_validation = _read(kind, settings.validation, "validation", settings, folder)
            found += of_validation
        else:
            parts = split_off(kind, train, settings)
            _say_split(train, settings)
            train, validation = parts
        if settings.left_out is None:
            task = kind.learn(train, settings)  # weights of classes are of what is learned from
        say_of_files(f"train: {task.describe(train)}", quiet=settings.quiet)
        say_of_files(f"validation: {task.describe(validation)}", quiet=settings.quiet)
        known = f"the training set ({train.path})"
        task.check(validation, known)
        check_metric(task, settings.best_metric)
        rows = {"train": train, "validation": validation}
        if settings.test is not None:
            rows["test"], of_test = _read(kind, settings.test, "test", settings, folder)
            found += of_test
            task.check(rows["test"], known)
        files = LabelledFiles(task, rows)
        return cls(task, train, validation, counts_of(files), [*short_findings(files), *found])

    def encode(self, tokenizer: WordPiece, max_length: int) -> Sequence[TaskExamples[Any]]:
        """Training and validation set as token ids and labels."""
        return [self.task.encode(rows, tokenizer, max_length) for rows in (self.train, self.validation)]

    def cuts(self, encoded: Sequence[TaskExamples[Any]], max_length: int, positions: int) -> Iterator[Finding]:
        """How many texts of each set lose a part, of a model that could read as many tokens as it has positions."""
        sets = {"train": self.train, "validation": self.validation}
        for (role, rows), examples in zip(sets.items(), encoded, strict=True):
            yield from cut_texts_of(self.task, role, rows, examples, max_length=max_length, positions=positions)


def split_off(kind: type[AnyTask], rows: Rows[Any], settings: FinetuneSettings) -> tuple[Rows[Any], Rows[Any]]:
    """Training and validation rows, where the user has no file of the latter.

    Raises:
        DataError: There are too few rows, of all or of each label.
    """
    if kind is Classification:
        check_repeated([row.label for row in rows], rows.path)
    return split(
        rows,
        kind.strata(rows),
        settings.validation_fraction,
        seed=split_seed(settings),
        groups=kind.groups(rows),
        labels=[label_names(row) for row in rows],
        alike="context" if _of_contexts(rows) else "different row",
    )


def _say_split(rows: Rows[Any], settings: FinetuneSettings) -> None:
    parts = "each label" if any(map(label_names, rows)) else "the contexts" if _of_contexts(rows) else "the rows"
    share = f"{settings.validation_fraction:.0%} of {parts}, seed {split_seed(settings)}"
    say_of_files(f"validation set split off {rows.path}: {share}", quiet=settings.quiet)


def _of_contexts(rows: Rows[Any]) -> bool:
    return context_of(rows.items[0]) is not None


def train_rows(settings: FinetuneSettings, folder: Path) -> tuple[AnyTask, Rows[Any]]:
    """The task that the training file sets, and all its rows.

    Raises:
        DataError, UsageError: See `TrainingSets.read`.
    """
    kind = task_kind(settings)
    rows, _ = _read(kind, settings.train, "train", settings, folder)
    kind.check_training(rows)
    return kind.learn(rows, settings), rows


def fold_of_each(task: AnyTask, rows: Rows[Any], settings: FinetuneSettings, count: int) -> NDArray[np.int64]:
    """The fold of each training row, from 1; copies of a text are in one fold, or it would be no test of the others.

    Raises:
        DataError: There is too little for so many folds.
    """
    return folds(rows.path, task.strata(rows), count, seed=split_seed(settings), groups=task.groups(rows))


def split_seed(settings: FinetuneSettings) -> int:
    """What decides which rows are held out."""
    return settings.seed if settings.split_seed is None else settings.split_seed


def check_metric(task: AnyTask, wanted: str | None) -> str:
    """The figure by which the best model is chosen.

    Raises:
        UsageError: The task has no such figure.
    """
    if wanted is None:
        return task.metrics[0]
    if wanted not in task.metrics:
        raise UsageError(f"best_metric = {wanted!r}: for {task.name} it can be {', '.join(task.metrics)}")
    return wanted


def given_files(settings: FinetuneSettings) -> dict[str, Path]:
    """The labelled files that are given, by their roles."""
    files = {"train": settings.train, "validation": settings.validation, "test": settings.test}
    return {role: path for role, path in files.items() if path is not None}


def check_files(settings: FinetuneSettings) -> None:
    """Said first of all: nothing is downloaded, and no folder made, for a name that was mistyped.

    Raises:
        UsageError: A file does not exist, or the test file has not the columns by which it is to be sliced.
    """
    missing = [
        f"--{role} {path}{' (it is a folder)' if path.is_dir() else ''}"
        for role, path in given_files(settings).items()
        if not path.is_file()
    ]
    if missing:
        raise UsageError(f"no such file: {', '.join(missing)}")
    if settings.test is not None:
        extra_columns(settings, settings.slice_columns, settings.test)
    elif settings.slice_columns:
        raise UsageError("slice_columns is for the test file: give one with --test")


def quarantine_file(folder: Path, role: str) -> Path:
    """Where the unusable rows of a file go; a file of its own, as a pass without any removes it."""
    return folder / f"bad_rows.{role}.jsonl"


def task_kind(settings: FinetuneSettings) -> type[AnyTask]:
    """The task that is wanted, else the one that the training file asks for; the user is told which.

    Raises:
        UsageError: Something is asked for that the task cannot do.
    """
    if settings.task is not None:
        kind = TASKS[settings.task]
    else:
        name, reason = guess_task(settings.train, settings)
        say_of_files(f"task: {name}, as {reason} (--task to choose another)", quiet=settings.quiet)
        kind = TASKS[name]
    check_settings(kind, settings)
    return kind


def _read(
    kind: type[AnyTask], path: Path, role: str, settings: FinetuneSettings, folder: Path
) -> tuple[Rows[Any], list[Finding]]:
    """The rows of a file, and what reading it brought up."""
    quarantine = quarantine_file(folder, role)
    quarantine.unlink(missing_ok=True)  # it may be of another file, which was corrected before a snapshot was written
    table = patient(kind.table(path, settings, labelled=True), settings, quarantine)
    told(table, quiet=settings.quiet)
    rows = Rows(path, list(table.read()))
    say_counts(table, quiet=settings.quiet)
    return rows, of_table(table, role)
