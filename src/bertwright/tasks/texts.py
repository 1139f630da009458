"""Texts, or pairs of texts, that carry one label each, of whatever kind: what tasks over them have in common."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Self

import numpy as np
import torch
from jaxtyping import Shaped
from numpy.typing import NDArray
from torch import Tensor, nn

from bertwright.batches.batch import collate
from bertwright.errors import DataError, UsageError
from bertwright.model.flat import FlatTokens
from bertwright.model.heads import Headed, SequenceClassifier
from bertwright.settings import TableSettings
from bertwright.tasks.finetuning import Rows
from bertwright.tasks.task import Batch, Outputs
from bertwright.text.tables.table import Table
from bertwright.text.tables.texts import Cells, LabelT, Row, open_table
from bertwright.text.wordpiece import Encoded, WordPiece

_SHOWN = 10  # names in an error


@dataclass(frozen=True, slots=True)
class LabelledBatch:
    """B sequences and each one's label: a number, or a row of numbers."""

    tokens: FlatTokens
    labels: Shaped[Tensor, "B ..."]

    def to(self, device: torch.device) -> Self:
        """The same batch on a device."""
        return replace(self, tokens=self.tokens.to(device), labels=self.labels.to(device))


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """A labelled data set: encoded texts, their labels as numbers, and the line of each in its file."""

    encoded: Encoded
    labels: Shaped[np.ndarray, "N ..."]
    lines: NDArray[np.int64]
    path: Path

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Length of each text, in tokens."""
        return self.encoded.lengths

    @property
    def things(self) -> int:
        """How many texts there are."""
        return len(self.encoded)

    @property
    def cut(self) -> NDArray[np.bool_]:
        """Whether a text lost its end."""
        return self.encoded.truncated

    @property
    def full_lengths(self) -> NDArray[np.integer[Any]]:
        """Tokens of each text, before anything was cut off."""
        return self.encoded.full_lengths

    def places(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """One output a text."""
        return rows.astype(np.int64)

    def batch(self, rows: NDArray[np.integer[Any]]) -> LabelledBatch:
        """The texts at `rows`, in that order."""
        return LabelledBatch(collate(self.encoded, rows), torch.from_numpy(self.labels[rows]))

    def row_of(self, example: int) -> int:
        """The number of the row that an example is of."""
        return example

    def where(self, rows: NDArray[np.integer[Any]]) -> str:
        """File and lines of these texts."""
        return f"{self.path}: lines " + ", ".join(map(str, sorted(self.lines[rows].tolist())))


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """What every answer to a text has.

    Attributes:
        text: As it was given.
        text_pair: The second text of a pair.
    """

    text: str
    text_pair: str | None

    def to_dict(self) -> dict[str, Any]:
        """JSON values; `text_pair` only for pairs."""
        values = asdict(self)
        if self.text_pair is None:
            del values["text_pair"]
        return values


def logits(model: nn.Module, batch: Batch) -> Tensor:
    """What a sequence classifier says, in fp32 at least, whatever the precision of the model."""
    found: Tensor = model(batch.tokens)
    return found.to(torch.promote_types(found.dtype, torch.float32))


def text_rows(texts: Sequence[str] | str, pairs: Sequence[str] | str | None = None) -> Iterator[Row[Any]]:
    """Texts, or pairs of texts, as rows of a table, numbered from 1.

    Raises:
        UsageError: `pairs` is not as long as `texts`.
    """
    texts = [texts] if isinstance(texts, str) else texts
    pairs = [pairs] if isinstance(pairs, str) else pairs
    if pairs is not None and len(pairs) != len(texts):
        raise UsageError(f"{len(texts)} texts but {len(pairs)} pairs: each text needs its own")
    seconds = [None] * len(texts) if pairs is None else pairs
    return (Row(text, pair, None, line) for line, (text, pair) in enumerate(zip(texts, seconds, strict=True), 1))


def texts_of(row: Row[Any]) -> tuple[str, ...]:
    """The text of a row, and that of its pair."""
    return (row.text,) if row.pair is None else (row.text, row.pair)


def label_order(labels: Sequence[str]) -> tuple[str, ...]:
    """The distinct labels in the order of the logits: by number where all are whole numbers, else by name."""
    distinct = set(labels)
    if all(label.removeprefix("-").isdecimal() for label in distinct):
        return tuple(sorted(distinct, key=lambda label: (int(label), label)))
    return tuple(sorted(distinct))


def check_known(labels: Sequence[tuple[str, int]], known: Sequence[str], path: Path, source: str) -> None:
    """Every label must be one that the model has.

    Args:
        labels: Label and line of each place where one stands in the file at `path`.
        known: Labels that there are.
        path: For the error.
        source: Whose labels these are.

    Raises:
        DataError: Some are not; the text names them with counts and the first line.
    """
    strange = [(label, line) for label, line in labels if label not in known]
    if not strange:
        return
    counts = Counter(label for label, _ in strange).most_common(5)
    shown = ", ".join(f"{label!r} (rows: {count})" for label, count in counts)
    has = ", ".join(map(repr, known[:_SHOWN])) + (", ..." if len(known) > _SHOWN else "")
    raise DataError(f"{path}:{strange[0][1]}: labels that {source} does not have: {shown}; it has {has}")


def open_texts(
    path: Path,
    settings: TableSettings,
    read_label: Callable[[Cells], Any],
    *,
    labelled: bool,
    quarantine: Path | None = None,
) -> Table[Row[Any]]:
    """Open a table of texts as the settings say; `read_label` makes a label of the cells of its column.

    Raises:
        UsageError, DataError: See `open_table`; or both kinds of label columns are named.
    """
    if settings.label_column is not None and settings.label_columns is not None:
        raise UsageError("--label-column and --label-columns: give one of them")
    return open_table(
        path,
        columns=settings.columns,
        text_column=settings.text_column,
        text_pair_column=settings.text_pair_column,
        label_column=settings.label_column,
        label_columns=settings.label_columns or (),
        read_label=read_label,
        needs_label=labelled,
        skip_bad_rows=settings.skip_bad_rows,
        quarantine=quarantine if settings.skip_bad_rows else None,
        quoting=settings.quoting,
    )


class TextTask(ABC, Generic[LabelT]):
    """What tasks over texts share: tables, tokens, and one row of logits a text. A subclass knows labels and losses."""

    head: ClassVar[type[Headed]] = SequenceClassifier
    asked = staticmethod(text_rows)
    shown = staticmethod(texts_of)

    @staticmethod
    @abstractmethod
    def label_reader(settings: TableSettings) -> Callable[[Cells], LabelT | None]:
        """What makes a label of the cells of its columns."""

    @abstractmethod
    def numbers(self, rows: Rows[Row[LabelT]]) -> Shaped[np.ndarray, "N ..."]:
        """The labels of rows as the loss wants them; of rows without one something that is no label."""

    @staticmethod
    @abstractmethod
    def told(rows: Rows[Row[Any]]) -> str:
        """What labels the rows have, in a few words."""

    @classmethod
    def table(
        cls, path: Path, settings: TableSettings, *, labelled: bool, quarantine: Path | None = None
    ) -> Table[Row[LabelT]]:
        """See `FinetuneTask`."""
        return open_texts(path, settings, cls.label_reader(settings), labelled=labelled, quarantine=quarantine)

    def describe(self, rows: Rows[Row[LabelT]]) -> str:
        """Number of rows, and what labels they have."""
        return f"{len(rows)} texts ({self.told(rows)})"

    @staticmethod
    def groups(rows: Rows[Row[Any]]) -> Sequence[object]:
        """Texts stand by themselves."""
        del rows
        return ()

    def encode(self, rows: Rows[Row[LabelT]], tokenizer: WordPiece, max_length: int) -> LabelledTexts:
        """Token ids of the rows' texts or pairs, with their labels."""
        pairs = [row.pair or "" for row in rows] if rows.items[0].pair is not None else None
        encoded = tokenizer.encode([row.text for row in rows], pairs, max_length=max_length)
        return LabelledTexts(encoded, self.numbers(rows), rows.lines, rows.path)

    def counts(self, batch: LabelledBatch) -> Mapping[str, float]:
        """Number of texts."""
        return {"loss": float(len(batch.labels))}

    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        """Logits of each text, in fp32 at least, whatever the precision of the model."""
        return logits(model, batch)

    @property
    def tunes(self) -> bool:
        """Nothing, for most."""
        return False

    def tuned(self, outputs: Outputs, examples: LabelledTexts) -> Self:
        """Nothing is tuned."""
        del outputs, examples
        return self
