"""Labelled rows of a file as the columns that training needs: read, checked, split, encoded.

Whatever is wrong with the labels is said here, before any training. Knows no model.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from bertwright.batches.order import shuffled
from bertwright.errors import DataError
from bertwright.tasks.classification import LabelledTexts
from bertwright.text.tables.table import Row, Table
from bertwright.text.wordpiece import WordPiece

_SPLIT = 3  # sets this random stream apart from those of order and dropout


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Texts, their pairs (or None) and label names, with the line of each in its file."""

    path: Path
    texts: list[str]
    pairs: list[str] | None
    labels: list[str]
    lines: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.texts)

    @classmethod
    def read(cls, table: Table) -> "LabelledRows":
        """All rows of a labelled table."""
        return cls.of(list(table.read()), table.path)

    @classmethod
    def of(cls, rows: Sequence[Row], path: Path) -> "LabelledRows":
        """Labelled rows of the file at `path`; at least one."""
        pairs = [row.pair or "" for row in rows] if rows[0].pair is not None else None
        labels = [row.label or "" for row in rows]
        lines = np.array([row.line for row in rows], dtype=np.int64)
        return cls(path, [row.text for row in rows], pairs, labels, lines)

    def take(self, rows: NDArray[np.int64]) -> "LabelledRows":
        """The rows at these places, in that order."""
        places = rows.tolist()
        return LabelledRows(
            self.path,
            [self.texts[place] for place in places],
            None if self.pairs is None else [self.pairs[place] for place in places],
            [self.labels[place] for place in places],
            self.lines[rows],
        )

    def describe(self) -> str:
        """Number of rows, and of each label (the commonest ten), on one line."""
        counts = Counter(self.labels).most_common()
        shown = ", ".join(f"{label} {count}" for label, count in counts[:10])
        more = f", and {len(counts) - 10} more labels" if len(counts) > 10 else ""
        return f"{len(self)} texts ({shown}{more})"

    def encode(self, tokenizer: WordPiece, labels: Sequence[str], max_length: int) -> LabelledTexts:
        """Token ids and label numbers."""
        number = {label: place for place, label in enumerate(labels)}
        numbers = np.array([number[label] for label in self.labels], dtype=np.int64)
        encoded = tokenizer.encode(self.texts, self.pairs, max_length=max_length)
        return LabelledTexts(encoded, numbers, self.lines, self.path)


def split(rows: LabelledRows, fraction: float, *, seed: int) -> tuple[LabelledRows, LabelledRows]:
    """Cut off a validation set that has each label's share of the whole (stratified), in the order of the file.

    Args:
        rows: All rows.
        fraction: Share of each label that is cut off; a label with one row stays whole.
        seed: Decides which rows.

    Returns:
        Training rows and validation rows.

    Raises:
        DataError: There are too few rows to cut any off.
    """
    labels = np.array(rows.labels, dtype=object)
    chosen = np.zeros(len(rows), dtype=bool)
    for label in sorted(set(rows.labels)):
        places = np.flatnonzero(labels == label)
        count = min(round(len(places) * fraction), len(places) - 1)
        chosen[places[shuffled(len(places), seed, crc32(label.encode()), _SPLIT)[:count]]] = True
    if not chosen.any():
        raise DataError(
            f"{rows.path}: {len(rows)} rows are too few to split off a validation set of {fraction:.0%}; "
            "give one with --validation, or more with --validation-fraction"
        )
    return rows.take(np.flatnonzero(~chosen)), rows.take(np.flatnonzero(chosen))


def check_classes(rows: LabelledRows) -> None:
    """Training needs two labels at least.

    Raises:
        DataError: There is one.
    """
    distinct = sorted(set(rows.labels))
    if len(distinct) < 2:
        raise DataError(
            f"{rows.path}: all {len(rows)} rows have the label {distinct[0]!r}: there is nothing to tell apart; "
            "is it the right --label-column?"
        )
    if len(distinct) > 2 and len(distinct) > len(rows) // 2:
        raise DataError(
            f"{rows.path}: {len(rows)} rows have {len(distinct)} different labels, among them {distinct[0]!r}: "
            "this looks like an id, a number or a text; is it the right --label-column?"
        )


def check_known(rows: LabelledRows, known: Sequence[str], *, source: str) -> None:
    """Every label must be one that the model has.

    Raises:
        DataError: Some are not; the text names them with counts and the first line.
    """
    strange = [
        (label, line) for label, line in zip(rows.labels, rows.lines.tolist(), strict=True) if label not in known
    ]
    if not strange:
        return
    counts = Counter(label for label, _ in strange).most_common(5)
    shown = ", ".join(f"{label!r} (rows: {count})" for label, count in counts)
    raise DataError(
        f"{rows.path}:{strange[0][1]}: labels that {source} does not have: {shown}; "
        f"it has {', '.join(map(repr, known[:10]))}{', ...' if len(known) > 10 else ''}"
    )
