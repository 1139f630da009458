"""Delimited text (CSV, TSV) → records: the delimiter, the quoting and the header are read off the file itself.

Python's `csv` does the quoted splitting and not a faster parser, because the line on which every row begins must be
exact, also after quoted line breaks and bad rows. Without quotes a row is a line, split. Knows nothing of what the
columns mean.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from bertwright.errors import DataError, UsageError
from bertwright.text.complaints import all_shown, counted, place, shown
from bertwright.text.lines import without_ending
from bertwright.text.tables.cells import LONGEST_CELL
from bertwright.text.tables.columns import IGNORED, Named, is_header
from bertwright.text.tables.quoting import uses_quotes
from bertwright.text.tables.records import Record

_HEAD = 20
_DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab"}
_CSV_ERRORS = {  # part of the module's own text → what a user can look for
    "expected after": "text follows a closing quote",
    "unexpected end of data": "a quote is opened and never closed",
    "new-line character": "a bare carriage return outside quotes",
    "field larger": f"a cell longer than {LONGEST_CELL:,} characters: is a quote never closed?",
}
_OLD_LINE_ENDS = (
    "carriage returns stand alone where lines should end, as on old Macs; convert the file: tr '\\r' '\\n' < OLD > NEW"
)


class _Cells(NamedTuple):
    line: int
    raw: str
    cells: list[str]
    problem: str | None = None

    @property
    def is_blank(self) -> bool:
        return self.problem is None and self.cells in ([], [""])


@dataclass(frozen=True, slots=True)
class Delimited:
    """A delimited table whose form is known. A blank line is no row, unless there is one column only."""

    lines: Iterable[str]
    columns: tuple[str, ...]
    delimiter: str
    quoted: bool
    header_line: int = 0
    """0 where the file has no header."""
    warnings: tuple[str, ...] = ()

    @property
    def form(self) -> str:
        """Delimiter, header and quoting in a few words."""
        header = "header" if self.header_line else "no header"
        quotes = "cells may be in quotes" if self.quoted else 'no quoting: a " is a plain character'
        return f"{_DELIMITER_NAMES[self.delimiter]}-separated, {header}, {quotes}"

    def records(self, names: Sequence[str]) -> Iterator[Record]:
        """Yield one record a row; a row with too many or too few cells is a problem."""
        width = len(self.columns)
        positions = [self.columns.index(name) for name in names]
        for row in _rows(self.lines, self.delimiter, quoted=self.quoted):
            if row.line <= self.header_line or (row.is_blank and width > 1):
                continue
            cells = row.cells or [""]
            if row.problem:
                yield Record(row.line, row.raw, problem=row.problem)
            elif len(cells) != width:
                yield Record(row.line, row.raw, problem=f"{counted(len(cells), 'column')} where {width} are expected")
            else:
                yield Record(row.line, row.raw, tuple(cells[position] for position in positions))


def open_delimited(
    path: Path,
    lines: Iterable[str],
    delimiters: str,
    *,
    columns: Sequence[str] | None,
    named: Named,
    quoting: bool | None,
) -> Delimited:
    """Read the form of a table off its lines.

    Args:
        path: The file's name in errors.
        lines: The lines with their endings, which can be read again and again.
        delimiters: The delimiters that may be, the likeliest first.
        columns: The names of the columns of a file that has no header.
        named: The columns that the user named; one of them in the first row makes it a header.
        quoting: Whether cells may be in quotes; None finds it out for tabs, and is yes for others.

    Raises:
        UsageError: No header is recognised and `columns` is None, or `columns` has another length than the row.
        DataError: The file is empty, or its first row is broken.
    """
    width = len(columns) if columns is not None else None
    delimiter = max(delimiters, key=lambda one: _agreement(lines, one, width, quoted=quoting is not False))
    quoted = quoting if quoting is not None else delimiter != "\t" or uses_quotes(lines)
    first = next((row for row in _rows(lines, delimiter, quoted=quoted) if not row.is_blank), None)
    if first is None:
        raise DataError(f"{place(path)}: the file is empty")
    if "\r" in first.raw and len(list(islice(lines, 2))) == 1:
        raise DataError(f"{place(path, first.line)}: {_OLD_LINE_ENDS}")
    if first.problem:
        raise DataError(f"{place(path, first.line)}: the first row cannot be read: {first.problem}")
    has_header = is_header(first.cells, named)
    if columns is None:
        if not has_header:
            raise UsageError(_no_header(path, first, delimiter))
        names = tuple(cell.strip() for cell in first.cells)
        return Delimited(lines, names, delimiter, quoted, header_line=first.line)
    if len(columns) != len(first.cells):
        raise UsageError(_wrong_width(path, first, len(columns)))
    looks = f"{place(path, first.line)}: the first row looks like a header and is read as data, as --columns is given"
    warnings = (f"{looks}: {all_shown(first.cells)}",) if has_header else ()
    return Delimited(lines, tuple(columns), delimiter, quoted, warnings=warnings)


def _agreement(lines: Iterable[str], delimiter: str, width: int | None, *, quoted: bool) -> int:
    """Count the first rows that have as many cells as the first one; 0 where that is one cell, or not `width`."""
    head = islice(_rows(lines, delimiter, quoted=quoted), _HEAD)
    widths = [len(row.cells) for row in head if not row.is_blank]
    if not widths or widths[0] < 2 or width not in {None, widths[0]}:
        return 0
    return widths.count(widths[0])


def _rows(lines: Iterable[str], delimiter: str, *, quoted: bool) -> Iterator[_Cells]:
    return _quoted_rows(lines, delimiter) if quoted else _plain_rows(lines, delimiter)


def _plain_rows(lines: Iterable[str], delimiter: str) -> Iterator[_Cells]:
    for number, line in enumerate(lines, 1):
        raw = without_ending(line)
        yield _Cells(number, raw, raw.split(delimiter))


def _quoted_rows(lines: Iterable[str], delimiter: str) -> Iterator[_Cells]:
    taken: list[str] = []

    def taking() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    reader = csv.reader(taking(), delimiter=delimiter, strict=True)
    while True:
        begin = reader.line_num + 1
        taken.clear()
        try:
            with _long_cells():
                cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:  # the reader goes on with the line after the one that it stopped at
            yield _Cells(begin, without_ending("".join(taken)), [], _csv_problem(error, len(taken)))
        else:
            yield _Cells(begin, without_ending("".join(taken)), cells)


def _csv_problem(error: csv.Error, lines: int) -> str:
    """The reason, and of how many lines the row is: a quote that is not closed in time takes all that follow."""
    reason = next((reason for part, reason in _CSV_ERRORS.items() if part in str(error)), f"not CSV: {error}")
    return reason if lines == 1 else f"{reason} ({lines:,} lines)"


@contextmanager
def _long_cells() -> Iterator[None]:
    """Raise the limit of the `csv` module (131,072), global to the process, for as long as one row takes."""
    limit = csv.field_size_limit(LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _no_header(path: Path, first: _Cells, delimiter: str) -> str:
    where = place(path, first.line)
    if delimiter == "\t" and len(first.cells) == 1 and "," in first.raw:
        return f"{where}: no tab in {shown(first.raw)}; if commas separate the columns, give the file a name in .csv"
    return (
        f"{where}: the first row has no column name that is known: {all_shown(first.cells)}; if it is data, name the "
        f"{counted(len(first.cells), 'column')} (such as --columns text label, `{IGNORED}` for one to leave out); if "
        "it is a header, set --text-column (for pairs --text-pair-column, too) and --label-column"
    )


def _wrong_width(path: Path, first: _Cells, given: int) -> str:
    return (
        f"{place(path, first.line)}: --columns gives {given} names and the file has {len(first.cells)} columns: "
        f"{all_shown(first.cells)}; name each of them, `{IGNORED}` for one to leave out"
    )
