"""Texts, or pairs of texts, that carry one label each, of whatever kind: what tasks over them have in common."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Generic, Self

import numpy as np
import torch
from jaxtyping import Int, Shaped
from numpy.typing import NDArray
from torch import Tensor, nn

from bertwright.batches.batch import collate
from bertwright.batches.groups import Groups
from bertwright.errors import DataError, UsageError
from bertwright.model.flat import FlatTokens
from bertwright.model.heads import Headed, SequenceClassifier
from bertwright.settings import TableSettings
from bertwright.tasks.finetuning import Limit, PlainTask, Rows, key_of, lines_shown
from bertwright.tasks.task import Batch
from bertwright.tasks.text_reading import TextReading
from bertwright.text.complaints import bare, counted
from bertwright.text.long_texts import head_and_tail, in_windows
from bertwright.text.tables.table import Table
from bertwright.text.tables.texts import Cells, LabelT, Row, open_table, read_stream
from bertwright.text.wordpiece import Encoded, WordPiece

_SHOWN = 10  # names in an error
_AT_ONCE = 16_384  # tokens of windows in an evaluation: a text may be a book


@dataclass(frozen=True, slots=True)
class LabelledBatch:
    """B texts and each one's label: a number, or a row of numbers.

    Attributes:
        tokens: A sequence for each text, or for each window of it.
        labels: Of the texts.
        windows: How many windows each text has; None where each is one sequence.
    """

    tokens: FlatTokens
    labels: Shaped[Tensor, "B ..."]
    windows: Int[Tensor, " B"] | None = None

    def to(self, device: torch.device) -> Self:
        """The same batch on a device."""
        windows = None if self.windows is None else self.windows.to(device)
        return replace(self, tokens=self.tokens.to(device), labels=self.labels.to(device), windows=windows)


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """A labelled data set.

    Attributes:
        encoded: The texts, or the windows of all texts, end to end.
        labels: The label of each text, as numbers.
        lines: The line of each text in its file.
        path: The file.
        windows: How many windows each text has; None where each is one sequence.
    """

    encoded: Encoded
    labels: Shaped[np.ndarray, "N ..."]
    lines: NDArray[np.int64]
    path: Path
    windows: NDArray[np.int64] | None = None

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Length of each text, in tokens; of all its windows together."""
        return self.encoded.lengths if self.windows is None else Groups(self.encoded, self.windows).lengths

    @property
    def things(self) -> int:
        """How many texts there are."""
        return len(self.labels)

    @property
    def cut(self) -> NDArray[np.bool_]:
        """Whether something of a text is in no sequence."""
        return self.encoded.truncated if self.windows is None else np.zeros(len(self.labels), dtype=bool)

    @property
    def full_lengths(self) -> NDArray[np.integer[Any]]:
        """Tokens of each text, before anything was cut off."""
        return self.encoded.full_lengths if self.windows is None else Groups(self.encoded, self.windows).full_lengths

    def places(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """One output a text."""
        return rows.astype(np.int64)

    def batch(self, rows: NDArray[np.integer[Any]]) -> LabelledBatch:
        """The texts at `rows`, in that order."""
        labels = torch.from_numpy(self.labels[rows])
        if self.windows is None:
            return LabelledBatch(collate(self.encoded, rows), labels)
        tokens = Groups(self.encoded, self.windows).collate(rows)
        return LabelledBatch(tokens, labels, torch.from_numpy(self.windows[rows]))

    def row_of(self, example: int) -> int:
        """The number of the row that an example is of."""
        return example

    def where(self, rows: NDArray[np.integer[Any]]) -> str:
        """File and lines of these texts."""
        return lines_shown(self.path, self.lines[rows])


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
        UsageError: `pairs` is not as long as `texts`, or lacks some.
    """
    texts = [texts] if isinstance(texts, str) else texts
    pairs = [pairs] if isinstance(pairs, str) else pairs
    if pairs is not None and len(pairs) != len(texts):
        raise UsageError(f"{len(texts)} texts but {len(pairs)} pairs: each text needs its own")
    if pairs is not None and (missing := [place for place, pair in enumerate(pairs) if pair is None]):
        raise UsageError(f"pair {missing[0]} (counted from 0) is None: each text needs its own")
    seconds = [None] * len(texts) if pairs is None else pairs
    return (Row(text, pair, None, line) for line, (text, pair) in enumerate(zip(texts, seconds, strict=True), 1))


def texts_of(row: Row[Any]) -> tuple[str, ...]:
    """The text of a row, and that of its pair."""
    return (row.text,) if row.pair is None else (row.text, row.pair)


def paired(rows: Rows[Row[Any]]) -> bool:
    """Whether rows have two texts each; all are like the first."""
    return rows.items[0].pair is not None


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
        DataError: Some are not; the text names them with counts, the first line, and what to do.
    """
    strange = [(label, line) for label, line in labels if label not in known]
    if not strange:
        return
    counts = Counter(label for label, _ in strange).most_common(5)
    alike = {bare(label): label for label in known}
    meant = {label: f"; did you mean {alike[bare(label)]!r}?" for label, _ in counts if bare(label) in alike}
    shown = ", ".join(f"{label!r} (rows: {count}{meant.get(label, '')})" for label, count in counts)
    has = ", ".join(map(repr, known[:_SHOWN])) + (", ..." if len(known) > _SHOWN else "")
    advice = "correct them" if len(meant) == len(counts) else "take these rows out, or train with some of them"
    raise DataError(f"{path}:{strange[0][1]}: labels that {source} does not have: {shown}; it has {has}; {advice}")


def open_texts(
    path: Path, settings: TableSettings, read_label: Callable[[Cells], Any], *, labelled: bool
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
        quoting=settings.quoting,
    )


def read_texts(stream: BinaryIO, settings: TableSettings) -> Table[Row[Any]]:
    """Read a stream of texts without labels, once; see `read_stream`."""
    return read_stream(stream, text_column=settings.text_column, text_pair_column=settings.text_pair_column)


class TextTask(PlainTask, ABC, Generic[LabelT]):
    """What tasks over texts share: tables, tokens, and one row of logits a text. A subclass knows labels and losses.

    Attributes:
        problem: What transformers calls the task, whose class for all of these is the same.

    Args:
        reading: What is read of rows.
    """

    problem: ClassVar[str]
    head: ClassVar[type[Headed]] = SequenceClassifier
    asked = staticmethod(text_rows)
    shown = staticmethod(texts_of)

    def __init__(self, reading: TextReading | None = None) -> None:
        self.reading = reading or TextReading()

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
    def table(cls, path: Path, settings: TableSettings, *, labelled: bool) -> Table[Row[LabelT]]:
        """See `FinetuneTask`."""
        return open_texts(path, settings, cls.label_reader(settings), labelled=labelled)

    @staticmethod
    def listen(stream: BinaryIO, settings: TableSettings) -> Table[Row[Any]]:
        """See `FinetuneTask`."""
        return read_texts(stream, settings)

    def check_rows(self, rows: Rows[Row[Any]], source: str) -> None:
        """See `FinetuneTask`: as many texts in each."""
        self.reading.check(rows.path, source, pairs=paired(rows))

    def check(self, rows: Rows[Row[LabelT]], source: str) -> None:
        """See `FinetuneTask`."""
        self.check_rows(rows, source)
        self.check_labels(rows, source)

    @abstractmethod
    def check_labels(self, rows: Rows[Row[LabelT]], source: str) -> None:
        """See that nothing in the labels is unknown; raises what `check` does."""

    def describe(self, rows: Rows[Row[LabelT]]) -> str:
        """Number of rows, and what labels they have."""
        return f"{counted(len(rows), 'text')} ({self.told(rows)})"

    @staticmethod
    def groups(rows: Rows[Row[Any]]) -> Sequence[object]:
        """Rows with the same texts: who learned from the one knows the other."""
        return [key_of(*texts_of(row)) for row in rows]

    def limit(self, max_length: int) -> Limit:
        """See `FinetuneTask`."""
        return Limit(max_length, self.reading.lost)

    def encode(self, rows: Rows[Row[LabelT]], tokenizer: WordPiece, max_length: int) -> LabelledTexts:
        """Token ids of the rows' texts or pairs, with their labels.

        Raises:
            DataError: Not pairs where the model reads these, or pairs where it does not.
            UsageError: Pairs are to go through windows, or `max_length` leaves no room for text.
        """
        self.check_rows(rows, "the model")
        texts, windows = [row.text for row in rows], None
        pairs = [row.pair or "" for row in rows] if paired(rows) else None
        match self.reading.way:
            case "head":
                encoded = tokenizer.encode(texts, pairs, max_length=max_length)
            case "head+tail":
                encoded = head_and_tail(tokenizer, texts, pairs, max_length=max_length)
            case "window" if pairs is None:
                encoded, windows = in_windows(tokenizer, texts, max_length=max_length, stride=self.reading.stride)
            case _:
                raise UsageError(
                    f"{rows.path}: long = window is for single texts, and these are pairs: head and head+tail cut the "
                    "longer text of a pair first"
                )
        return LabelledTexts(encoded, self.numbers(rows), rows.lines, rows.path, windows)

    def counts(self, batch: LabelledBatch) -> Mapping[str, float]:
        """Number of texts."""
        return {"loss": float(len(batch.labels))}

    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        """Logits of each text, in fp32 at least, whatever the precision of the model."""
        if not isinstance(batch, LabelledBatch) or batch.windows is None:
            return logits(model, batch)
        if torch.is_grad_enabled():  # all windows of a text have one loss
            return self.reading.pooled(logits(model, batch), batch.windows)
        parts = [replace(batch, tokens=part) for part in batch.tokens.parts(_AT_ONCE)]
        return self.reading.pooled(torch.cat([logits(model, part) for part in parts]), batch.windows)
