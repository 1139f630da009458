"""A file → what is in it: its texts, each with the form that its name or its first line shows.

Knows nothing of the corpus as a whole, and of no limit but that of a line.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from bertwright.errors import DataError, UsageError
from bertwright.text.complaints import all_shown, did_you_mean, place, shown
from bertwright.text.corpus import forms
from bertwright.text.corpus.containers import is_archive, suffix_of, texts_in
from bertwright.text.corpus.forms import Form, Marks
from bertwright.text.corpus.inputs import JSON, is_text
from bertwright.text.lines import cut_lines, decoded_lines
from bertwright.text.tables.records import JsonLines, json_columns, open_parquet

LONGEST = 4_000_000
"""Characters of a line and of a document; what is longer is cut."""
_COLUMNS = ("text", "content")
Line = TypeVar("Line")
_ROWS_AT_ONCE = 16  # of a Parquet file: a row may be a book


class Reading(NamedTuple):
    """One text file, open: what it looks like, and its documents as marks."""

    label: str
    sentences_known: bool
    marks: Marks


@dataclass(frozen=True, slots=True)
class Reader:
    """How files are read.

    Attributes:
        plain: The form of text files that do not show another one by themselves.
        column: The key or column of rows, if one was asked for.
    """

    plain: Form
    column: str | None = None

    def read(self, path: Path, left_out: Counter[str]) -> Iterator[Reading]:
        """Yield the texts of a file; each is to be read before the next one is asked for.

        Raises:
            UsageError: The file is gone, or a table has no such column.
            DataError: It is damaged, or not what its name says.
        """
        if path.suffix.lower() == ".parquet":
            yield self._parquet(path)
            return
        for name, stream in texts_in(path):
            if name == path or (is_text(name.relative_to(path)) and not is_archive(name)):
                yield self._json(stream, name) if suffix_of(name) in JSON else self._text(stream, name)
            else:
                left_out[suffix_of(name) or name.name] += 1

    def _text(self, stream: BinaryIO, path: Path) -> Reading:
        if suffix_of(path) == ".parquet":
            raise DataError(f"{place(path)}: a packed Parquet file cannot be read as a stream; unpack it")
        lines = cut_lines(stream, path, LONGEST)
        head = _to_first_text(lines, lambda line: line[1])
        first_line = head[-1][1] if head else ""
        form = forms.ARTICLES if forms.is_article(first_line) else self.plain
        if form is not forms.ARTICLES and suffix_of(path) == ".md":
            form = forms.FILES
        return Reading(form.label, form.sentences_known, form.read(chain(head, lines), path))

    def _json(self, stream: BinaryIO, path: Path) -> Reading:
        lines = decoded_lines(stream, path)
        head = _to_first_text(lines, str)
        columns = json_columns(head[-1:])
        column = self._choose(columns, path) if columns else _COLUMNS[0]  # else its rows will say what they are
        records = JsonLines(chain(head, lines), columns).records([column])
        return Reading(f"JSON lines, text in {shown(column)}", False, forms.rows(records, path))

    def _parquet(self, path: Path) -> Reading:
        table = open_parquet(path, rows_at_once=_ROWS_AT_ONCE)
        column = self._choose(table.columns, path)
        return Reading(f"Parquet, text in {shown(column)}", False, forms.rows(table.records([column]), path))

    def _choose(self, columns: Sequence[str], path: Path) -> str:
        """The column of the text: the one that was asked for, else `text` or `content`."""
        listed = f"; the columns are {all_shown(columns)}"
        if self.column is None:
            by_folded = {column.casefold(): column for column in columns}
            if guess := next((by_folded[name] for name in _COLUMNS if name in by_folded), None):
                return guess
            raise UsageError(f"{place(path)}: no column is called {' or '.join(_COLUMNS)}; set --text-column{listed}")
        if self.column not in columns:
            hint = did_you_mean(self.column, columns)
            raise UsageError(f"{place(path)}: no column {shown(self.column)} (--text-column){listed}{hint}")
        return self.column


def _to_first_text(lines: Iterator[Line], text_of: Callable[[Line], str]) -> list[Line]:
    """Take lines up to the first one with text."""
    head = []
    for line in islice(lines, 1_000):
        head.append(line)
        if text_of(line).strip():
            break
    return head
