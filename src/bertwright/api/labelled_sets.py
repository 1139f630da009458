"""The labelled files of a fine-tuning: read, split, checked against each other, encoded.

Whatever is wrong with files and labels is said here, before any training. Knows no model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bertwright.api.common import check_positive, say, say_counts, table_of, warn_of_cuts
from bertwright.errors import UsageError
from bertwright.settings import FinetuneSettings
from bertwright.tasks.classification import LabelledTexts, balanced_weights, label_order
from bertwright.tasks.labelled import LabelledRows, check_classes, check_known, split
from bertwright.text.wordpiece import WordPiece


@dataclass(frozen=True, slots=True)
class LabelledSets:
    """Training and validation rows, and the labels in the order of the logits."""

    train: LabelledRows
    validation: LabelledRows
    labels: tuple[str, ...]

    @classmethod
    def read(cls, settings: FinetuneSettings, folder: Path) -> "LabelledSets":
        """Read and check all labelled files; of the test file only the labels are looked at.

        Args:
            settings: Which files, and how to read them.
            folder: Where unusable rows go, if they are to be skipped.

        Raises:
            DataError, UsageError: A file, its labels, or a setting that depends on the labels is wrong.
        """
        train = _read(settings.train, "train", settings, folder)
        check_classes(train)
        if settings.validation is not None:
            validation = _read(settings.validation, "validation", settings, folder)
        else:
            train, validation = split(train, settings.validation_fraction, seed=settings.seed)
            share = f"{settings.validation_fraction:.0%} of each label, seed {settings.seed}"
            say(f"validation set split off {train.path}: {share}", quiet=settings.quiet)
        say(f"train: {train.describe()}", quiet=settings.quiet)
        say(f"validation: {validation.describe()}", quiet=settings.quiet)
        sets = cls(train, validation, label_order(train.labels))
        sets._check(settings)
        if settings.test is not None:
            sets._check_known(_read(settings.test, "test", settings, folder))
        return sets

    def _check(self, settings: FinetuneSettings) -> None:
        self._check_known(self.validation)
        if settings.best_metric == "f1" and len(self.labels) != 2:
            raise UsageError(f"best_metric = f1 is for two labels, and there are {len(self.labels)}: use f1_macro")
        check_positive(settings.positive_label, self.labels)

    def _check_known(self, rows: LabelledRows) -> None:
        check_known(rows, self.labels, source=f"the training set ({self.train.path})")

    def balanced_weights(self) -> NDArray[np.float64]:
        """Weights with which every label counts the same in the training loss."""
        return balanced_weights(self.train.labels, self.labels)

    def encode(self, tokenizer: WordPiece, max_length: int) -> Sequence[LabelledTexts]:
        """Training and validation set as token ids and label numbers; cut texts are reported."""
        encoded = []
        for role, rows in (("train", self.train), ("validation", self.validation)):
            texts = rows.encode(tokenizer, self.labels, max_length)
            cut, longest = int(texts.encoded.truncated.sum()), int(texts.encoded.full_lengths.max())
            warn_of_cuts(role, cut, len(rows), max_length, longest=longest)
            encoded.append(texts)
        return encoded


def given_files(settings: FinetuneSettings) -> dict[str, Path]:
    """The labelled files that are given, by their roles."""
    files = {"train": settings.train, "validation": settings.validation, "test": settings.test}
    return {role: path for role, path in files.items() if path is not None}


def check_files(settings: FinetuneSettings) -> None:
    """Said first of all: nothing is downloaded, and no folder made, for a name that was mistyped.

    Raises:
        UsageError: A file does not exist.
    """
    missing = [
        f"--{role} {path}{' (it is a folder)' if path.is_dir() else ''}"
        for role, path in given_files(settings).items()
        if not path.is_file()
    ]
    if missing:
        raise UsageError(f"no such file: {', '.join(missing)}")


def quarantine_file(folder: Path, role: str) -> Path:
    """Where the unusable rows of a file go; a file of its own, as a pass without any removes it."""
    return folder / f"bad_rows.{role}.jsonl"


def _read(path: Path, role: str, settings: FinetuneSettings, folder: Path) -> LabelledRows:
    quarantine = quarantine_file(folder, role)
    table = table_of(path, settings, quarantine=quarantine, quiet=settings.quiet)
    rows = LabelledRows.read(table)
    say_counts(table, quarantine, quiet=settings.quiet)
    return rows
