"""Tables of texts, pairs and labels: each row with the line of the file where it begins.

`open_table` reads the form of a file off its name, its first rows and, for the quoting of .tsv, the whole of it; it
fails at once where no single row is to blame. Knows nothing of tokens, of classes, or of which rows are for training.
"""

import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

from bertwright.errors import DataError, UsageError
from bertwright.text.complaints import all_shown, place, shown
from bertwright.text.lines import Lines, decoded_lines, open_bytes
from bertwright.text.tables.bad_rows import BadRow
from bertwright.text.tables.cells import (
    UnusableCellError,
    is_yes,
    label_of,
    labels_of,
    number_of,
    text_of,
)
from bertwright.text.tables.columns import IGNORED, Columns, Named, NoLabelError, choose_columns, unread
from bertwright.text.tables.delimited import open_delimited
from bertwright.text.tables.records import (
    HEAD,
    JsonLines,
    PlainText,
    Record,
    Source,
    json_columns,
    open_json,
    open_parquet,
)
from bertwright.text.tables.table import Table

LabelT = TypeVar("LabelT")


class NoTableError(UsageError):
    """A file whose name says no format in which there are columns with names."""


Cells = Mapping[str, object]
"""The values of the label columns by their names."""


@dataclass(frozen=True, slots=True)
class Row(Generic[LabelT]):
    """One usable row: a text, perhaps a second one, and what it is labelled with."""

    text: str
    pair: str | None
    label: LabelT | None
    line: int
    """The line on which the row begins, from 1; in Parquet the number of the row."""


def one_label(cells: Cells, *, null: Collection[str] = ()) -> str | None:
    """The name in the only label column, unless it is one of those that say that there is none."""
    label = label_of(*cells.values())
    return None if label in null else label


def several_labels(cells: Cells, *, separator: str | None = None, named: bool = False) -> tuple[str, ...]:
    """The names in the only label column, or of the columns that say yes; none is a label, too.

    Args:
        cells: By the names of their columns.
        separator: What stands between names in one cell.
        named: Whether even an only column is the name of a label.
    """
    if len(cells) == 1 and not named:
        return labels_of(next(iter(cells.values())), separator)
    return tuple(name for name, value in cells.items() if is_yes(value, name))


def number(cells: Cells) -> float | None:
    """The number in the only label column."""
    return number_of(*cells.values())


@dataclass(frozen=True, slots=True)
class TextRows(Generic[LabelT]):
    """A table whose form and columns are known.

    Attributes:
        source: Its records.
        columns: What is read as what.
        named: The columns that the user named, by a flag or in `--columns`; the others are guesses.
        read_label: Cells of the label columns → the label, or None where there is none.
        needs_label: Whether a row must have a label and a text that is not empty.
        doubts: What the user should look at in how the columns were named.
    """

    source: Source
    columns: Columns
    named: Named
    read_label: Callable[[Cells], LabelT | None]
    needs_label: bool
    doubts: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should look at although the table can be read."""
        return self.source.warnings + self.doubts

    @property
    def form(self) -> str:
        """The format, and which columns are read, guesses marked as such."""
        columns, named = self.columns, self.named
        guessed = "" if named.text or len(self.source.columns) == 1 else " (guessed)"
        parts = [f"text {shown(columns.text)}{guessed}"]
        if columns.pair:
            parts.append(f"text pair {shown(columns.pair)}{guessed}")
        if columns.labels:
            what = "label" if len(columns.labels) == 1 else "labels"
            parts.append(f"{what} {all_shown(columns.labels)}{'' if named.labels else ' (guessed)'}")
        return f"{self.source.form}; {', '.join(parts)}"

    def rows(self) -> Iterator[Row[LabelT] | BadRow]:
        """Yield every row in the order of the file, from its beginning."""
        for record in self.source.records(self.columns.names):
            try:
                yield self._row(record)
            except UnusableCellError as reason:
                raw = repr(record.values) if record.raw is None else record.raw
                yield BadRow(record.line, str(reason), raw)

    def _row(self, record: Record) -> Row[LabelT]:
        if record.problem:
            raise UnusableCellError(record.problem)
        values = dict(zip(self.columns.names, record.values, strict=True))
        may_be_empty = not self.needs_label  # a prediction has a row for every row that it was given
        text = text_of(values[self.columns.text], "text", may_be_empty=may_be_empty)
        pair = label = None
        if self.columns.pair:
            pair = text_of(values[self.columns.pair], "text pair", may_be_empty=may_be_empty)
        if self.columns.labels:
            label = self.read_label({name: values[name] for name in self.columns.labels})
        if self.needs_label and label is None:
            raise UnusableCellError("empty label")
        return Row(text, pair, label, record.line)


def open_table(
    path: Path,
    *,
    columns: Sequence[str] | None = None,
    text_column: str | None = None,
    text_pair_column: str | None = None,
    label_column: str | None = None,
    label_columns: Sequence[str] = (),
    read_label: Callable[[Cells], Any] = one_label,
    needs_label: bool = True,
    quoting: bool | None = None,
) -> Table[Row[Any]]:
    """Open a .csv, .tsv, .jsonl, .ndjson, .json or .txt file, each also as .gz, or a .parquet file.

    Args:
        path: The file; the ending of its name says the format.
        columns: The names of the columns, for .csv and .tsv files without a header; `_` for one to leave out.
        text_column: The column of the text; None guesses from well-known names, as for the next two.
        text_pair_column: The column of the second text; no pair is guessed when `text_column` is given.
        label_column: The column of the label.
        label_columns: Several columns that make up the label, instead of one.
        read_label: Cells of the label columns → the label, or None where there is none.
        needs_label: Whether a row must have a label and a text that is not empty. If not, as for prediction, a
            label is read only when its column is given, an empty text stays `""`, and .txt is read, too.
        quoting: Whether cells may be in quotes; None means yes for .csv and finds it out for .tsv.

    Raises:
        UsageError: No such file, an unknown ending, or columns that cannot be told: the text lists them.
        DataError: The file is empty, damaged or not UTF-8.
    """
    with open_bytes(path):  # a missing file or a folder is the first thing to say
        pass
    labels = tuple(label_columns) if label_column is None else (label_column,)
    named = Named(text_column, text_pair_column, labels, several=bool(label_columns))
    source = open_source(path, columns, named, has_labels=needs_label, quoting=quoting)
    form = _form(path, source, named, read_label, needs_label=needs_label)
    if columns is not None:  # whoever calls a column text or label has said what it is
        known = Named(form.columns.text, form.columns.pair, form.columns.labels)
        form = replace(form, named=known, doubts=_doubts(path, unread(columns, form.columns)))
    return Table(path, form)


def read_stream(
    stream: BinaryIO,
    *,
    name: str = "standard input",
    text_column: str | None = None,
    text_pair_column: str | None = None,
) -> Table[Row[str]]:
    """Open a stream of texts without labels: JSON lines when its first line is an object, else one text a line.

    The table can be read once. No more than the first line is taken before that, so it may come from a terminal.

    Raises:
        DataError: The stream is empty or not UTF-8.
        UsageError: The column of the text cannot be told.
    """
    path = Path(name)
    lines = decoded_lines(stream, path)
    first = next(lines, None)
    if first is None:
        raise DataError(f"{place(path)}: there are no texts in it")
    keys = json_columns([first])
    rest = chain([first], lines)
    source = JsonLines(rest, keys) if keys else PlainText(rest)
    form = _form(path, source, Named(text_column, text_pair_column), one_label, needs_label=False)
    return Table(path, form)


def _form(
    path: Path, source: Source, named: Named, read_label: Callable[[Cells], LabelT | None], *, needs_label: bool
) -> TextRows[LabelT]:
    if not source.columns:
        raise DataError(_why_no_columns(path, source))
    try:
        columns = choose_columns(source.columns, named, path, needs_label=needs_label)
    except NoLabelError as error:
        raise UsageError(f"{error}{_one_for_each_label(source)}") from error
    return TextRows(source, columns, named, read_label, needs_label)


def _doubts(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    """A column that was given a name may have been meant to be read."""
    if not names:
        return ()
    return (
        f"{place(path)}: of --columns neither text nor label: {all_shown(names)}; a second text is called text_pair "
        f"(with a first one called text), and what is to be left out `{IGNORED}`",
    )


def _one_for_each_label(source: Source) -> str:
    """What to try where several columns hold 1 or 0, by their first rows."""
    records = [record for record in islice(source.records(source.columns), HEAD) if not record.problem]
    columns = zip(source.columns, zip(*(record.values for record in records), strict=True), strict=False)
    names = [name for name, cells in columns if name not in {"", IGNORED} and _say_yes_or_no(cells)]
    if len(names) < 2:
        return ""
    return (
        f"; {len(names)} of them hold nothing but 1 and 0: if each is a label, set --label-columns {shlex.join(names)}"
    )


def _say_yes_or_no(cells: Sequence[object]) -> bool:
    try:
        return bool([is_yes(cell, "") for cell in cells if label_of(cell) is not None])
    except UnusableCellError:
        return False


def open_source(
    path: Path, columns: Sequence[str] | None, named: Named, *, has_labels: bool, quoting: bool | None
) -> Source:
    """The records of a file, by the ending of its name; see `open_table`."""
    lines = Lines(path)
    unpacked = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    match unpacked.suffix.lower():
        case ".csv":
            return open_delimited(path, lines, ",;\t", columns=columns, named=named, quoting=quoting)
        case ".tsv":
            return open_delimited(path, lines, "\t", columns=columns, named=named, quoting=quoting)
        case _ if columns is not None:
            raise UsageError(f"{place(path)}: --columns is for .csv and .tsv files, whose header may be missing")
        case ".jsonl" | ".ndjson":
            return JsonLines(lines, json_columns(lines))
        case ".json":
            return open_json(path, lines)
        case ".parquet" if unpacked == path:
            return open_parquet(path)
        case ".txt" if not has_labels:
            return PlainText(lines)
        case ending:
            raise NoTableError(_unknown_format(path, ending))


def _why_no_columns(path: Path, source: Source) -> str:
    first = next(source.records(()), None)
    if first is None:
        return f"{place(path)}: there are no rows in it"
    problem = first.problem or "it is empty"
    return f"{place(path, first.line)}: no JSON object with keys among the first {HEAD} rows; this one: {problem}"


def _unknown_format(path: Path, ending: str) -> str:
    if ending == ".txt":
        advice = "name it .tsv if there is a tab between them; for tagged words --task tagging"
        return f"{place(path)}: a .txt file holds texts without labels; {advice}"
    read = ".csv, .tsv, .jsonl, .ndjson, .json and .txt (also with .gz) and .parquet are read"
    advice = f"{read}; for tagged words --task tagging"
    return f"{place(path)}: the ending {shown(ending)} says no format that is known; {advice}"
