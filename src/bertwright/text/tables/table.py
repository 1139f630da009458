"""Labelled tables → rows of text, pair and label, each with the line of the file where it begins.

`open_table` reads the form of a file off its name, its first rows and, for the quoting of .tsv, the whole of it; it
fails at once where no single row is to blame. `Table.read` gives the rows lazily, in bounded memory. No row is
dropped in silence: a pass over unusable ones ends in an error that names them, or, where the user asked for that,
they are skipped, counted and written to a quarantine file.
Knows nothing of tokens, of classes, or of which rows are for training.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from bertwright.errors import DataError, UsageError
from bertwright.text.complaints import place, shown
from bertwright.text.lines import Lines, decoded_lines, open_bytes
from bertwright.text.tables.bad_rows import BadRow, BadRows
from bertwright.text.tables.cells import UnusableCellError, label_of, text_of
from bertwright.text.tables.columns import Named, choose_columns
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


@dataclass(frozen=True, slots=True)
class Row:
    """One usable row."""

    text: str
    pair: str | None
    label: str | None
    line: int
    """The line on which the row begins, from 1; in Parquet the number of the row."""


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What became of the rows of one whole pass; `read` is `kept + skipped`."""

    read: int = 0
    kept: int = 0
    skipped: int = 0


class Table:
    """A table whose form and columns are known; `open_table` and `read_stream` make it.

    Attributes:
        path: The file, as errors name it.
        warnings: What the user should look at although the table can be read.
        counts: The counts of the last whole pass.
        bad_rows: The first few unusable rows of that pass.
    """

    def __init__(
        self,
        path: Path,
        source: Source,
        named: Named,
        *,
        needs_label: bool,
        skip_bad_rows: bool,
        quarantine: Path | None,
    ) -> None:
        if not source.columns:
            raise DataError(_why_no_columns(path, source))
        self.path = path
        self.warnings = source.warnings
        self.counts = RowCounts()
        self.bad_rows: tuple[BadRow, ...] = ()
        self._source = source
        self._named = named
        self._columns = choose_columns(source.columns, named, path, needs_label=needs_label)
        self._needs_label = needs_label
        self._skip_bad_rows = skip_bad_rows
        self._quarantine = quarantine

    def describe(self) -> str:
        """Return one line for the user: the format, and which columns are read, guesses marked as such."""
        columns, named = self._columns, self._named
        guessed = "" if named.text or len(self._source.columns) == 1 else " (guessed)"
        parts = [f"text {shown(columns.text)}{guessed}"]
        if columns.pair:
            parts.append(f"text pair {shown(columns.pair)}{guessed}")
        if columns.label:
            parts.append(f"label {shown(columns.label)}{'' if named.label else ' (guessed)'}")
        return f"{place(self.path)}: {self._source.form}; {', '.join(parts)}"

    def read(self) -> Iterator[Row]:
        """Yield the usable rows in the order of the file; each call begins anew.

        Raises:
            DataError: After the last row: there were unusable ones and they are not to be skipped, or none is
                usable. At once: the file is damaged or not UTF-8.
        """
        read = 0
        with BadRows(self.path, self._quarantine) as bad:
            for record in self._source.records(self._columns.names):
                read += 1
                try:
                    row = self._row(record)
                except UnusableCellError as reason:
                    raw = repr(record.values) if record.raw is None else record.raw
                    bad.add(BadRow(record.line, str(reason), raw))
                else:
                    yield row
        self.counts = RowCounts(read, read - bad.count, bad.count)
        self.bad_rows = tuple(bad.first)
        self._check(bad)

    def _row(self, record: Record) -> Row:
        if record.problem:
            raise UnusableCellError(record.problem)
        values = dict(zip(self._columns.names, record.values, strict=True))
        may_be_empty = not self._needs_label  # a prediction has a row for every row that it was given
        text = text_of(values[self._columns.text], "text", may_be_empty=may_be_empty)
        pair = label = None
        if self._columns.pair:
            pair = text_of(values[self._columns.pair], "text pair", may_be_empty=may_be_empty)
        if self._columns.label:
            label = label_of(values[self._columns.label])
        if self._needs_label and label is None:
            raise UnusableCellError("empty label")
        return Row(text, pair, label, record.line)

    def _check(self, bad: BadRows) -> None:
        read, kept = self.counts.read, self.counts.kept
        if not read:
            raise DataError(f"{place(self.path)}: there are no rows in it")
        unusable = f"{place(self.path)}: {bad.count} of {read} rows cannot be used: {bad.summary()}"
        if not kept:
            raise DataError(f"{unusable}; no row is left: are these the right file and the right columns?")
        if bad.count and not self._skip_bad_rows:
            raise DataError(f"{unusable}; correct them, or go on without them: --skip-bad-rows")


def open_table(
    path: Path,
    *,
    columns: Sequence[str] | None = None,
    text_column: str | None = None,
    text_pair_column: str | None = None,
    label_column: str | None = None,
    needs_label: bool = True,
    skip_bad_rows: bool = False,
    quarantine: Path | None = None,
    quoting: bool | None = None,
) -> Table:
    """Open a .csv, .tsv, .jsonl, .ndjson, .json or .txt file, each also as .gz, or a .parquet file.

    Args:
        path: The file; the ending of its name says the format.
        columns: The names of the columns, for .csv and .tsv files without a header; `_` for one to leave out.
        text_column: The column of the text; None guesses from well-known names, as for the next two.
        text_pair_column: The column of the second text; no pair is guessed when `text_column` is given.
        label_column: The column of the label.
        needs_label: Whether a row must have a label and a text that is not empty. If not, as for prediction, a
            label is read only when `label_column` is given, an empty text stays `""`, and .txt is read, too.
        skip_bad_rows: Whether `Table.read` goes on without unusable rows rather than end in an error.
        quarantine: Where to write unusable rows as JSON lines, skipped or not.
        quoting: Whether cells may be in quotes; None means yes for .csv and finds it out for .tsv.

    Raises:
        UsageError: No such file, an unknown ending, or columns that cannot be told: the text lists them.
        DataError: The file is empty, damaged or not UTF-8.
    """
    with open_bytes(path):  # a missing file or a folder is the first thing to say
        pass
    if quarantine and quarantine.resolve() == path.resolve():
        raise UsageError(f"{place(path)}: the quarantine file cannot be the table itself; choose another name")
    named = Named(text_column, text_pair_column, label_column)
    source = _open_source(path, columns, named, has_labels=needs_label, quoting=quoting)
    return Table(path, source, named, needs_label=needs_label, skip_bad_rows=skip_bad_rows, quarantine=quarantine)


def read_stream(
    stream: BinaryIO,
    *,
    name: str = "standard input",
    text_column: str | None = None,
    text_pair_column: str | None = None,
    skip_bad_rows: bool = False,
    quarantine: Path | None = None,
) -> Table:
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
    return Table(
        path,
        JsonLines(rest, keys) if keys else PlainText(rest),
        Named(text_column, text_pair_column),
        needs_label=False,
        skip_bad_rows=skip_bad_rows,
        quarantine=quarantine,
    )


def _open_source(
    path: Path, columns: Sequence[str] | None, named: Named, *, has_labels: bool, quoting: bool | None
) -> Source:
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
            raise UsageError(_unknown_format(path, ending))


def _why_no_columns(path: Path, source: Source) -> str:
    first = next(source.records(()), None)
    if first is None:
        return f"{place(path)}: there are no rows in it"
    problem = first.problem or "it is empty"
    return f"{place(path, first.line)}: no JSON object with keys among the first {HEAD} rows; this one: {problem}"


def _unknown_format(path: Path, ending: str) -> str:
    if ending == ".txt":
        return f"{place(path)}: a .txt file holds texts without labels; name it .tsv if there is a tab between them"
    read = ".csv, .tsv, .jsonl, .ndjson, .json and .txt (also with .gz) and .parquet are read"
    return f"{place(path)}: the ending {shown(ending)} says no format that is known; {read}"
