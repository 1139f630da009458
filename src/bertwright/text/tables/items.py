"""Files of nested or irregular objects → items, each with the line on which it begins.

The records of `records.py` all have the same columns and come one after another; an item has whatever keys it has, and
in a JSON document the elements of chosen lists inside it are items again. Knows nothing of what the keys mean.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from json import JSONDecoder
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from bertwright.errors import DataError, UsageError
from bertwright.text.complaints import place, shown
from bertwright.text.corpus.containers import suffix_of
from bertwright.text.lines import Lines, cut_lines, decoded_lines, open_bytes, without_ending
from bertwright.text.tables.bad_rows import BadRow
from bertwright.text.tables.cells import UnusableCellError
from bertwright.text.tables.columns import check_distinct
from bertwright.text.tables.records import HEAD, Source, json_document, json_value, open_parquet

_READ = (".json", ".jsonl", ".ndjson", ".parquet")
_HEAD_CHARACTERS = 65_536
_BETWEEN = re.compile(r"[\s,:]*")
_KEY = re.compile(r'"(\w+)"\s*:')  # inside a JSON string the quotes have backslashes
_CELL_END = re.compile(r"[,;\t]")


class Item(NamedTuple):
    """An object of a file, or what stands in its place."""

    line: int
    """The line on which it begins, from 1; in Parquet the number of the row."""
    value: Any
    """The object; an UnusableCellError says why there is none."""
    raw: str | None = None
    """How it stands in the file, where that is at hand."""

    def fields(self) -> dict[str, Any]:
        """Return the object's values by their keys.

        Raises:
            UnusableCellError: It is no object.
        """
        if isinstance(self.value, UnusableCellError):
            raise self.value
        if not isinstance(self.value, dict):
            raise UnusableCellError("not a JSON object in braces")
        return self.value

    def bad_row(self, reason: object) -> BadRow:
        """Return the row that says that this item cannot be used."""
        return BadRow(self.line, str(reason), self.text())

    def text(self) -> str:
        """Return how it stands in the file, or what would mean the same."""
        return json.dumps(self.value, ensure_ascii=False, default=repr) if self.raw is None else self.raw


@dataclass(frozen=True, slots=True)
class LineItems:
    """JSON lines; a blank line is no item."""

    lines: Iterable[str]

    def __iter__(self) -> Iterator[Item]:
        for number, line in enumerate(self.lines, 1):
            if line.strip():
                raw = without_ending(line)
                value = json_value(raw)
                if isinstance(value, ValueError):
                    value = UnusableCellError(f"not JSON: {value}")
                yield Item(number, value, raw)


@dataclass(frozen=True, slots=True)
class RecordItems:
    """The rows of a table, as objects with the columns for keys."""

    source: Source

    def __iter__(self) -> Iterator[Item]:
        for record in self.source.records(self.source.columns):
            if record.problem:
                yield Item(record.line, UnusableCellError(record.problem), record.raw)
            else:
                yield Item(record.line, dict(zip(self.source.columns, record.values, strict=True)), record.raw)


def record_items(path: Path, source: Source) -> RecordItems:
    """The rows of the table at `path`.

    Raises:
        UsageError: Two of its columns have one name: an object can have one of them.
    """
    check_distinct(source.columns, path)
    return RecordItems(source)


def open_items(
    path: Path, *, what: str, lists: Sequence[str] = (), also: Sequence[str] = ()
) -> tuple[str, Iterable[Item]]:
    """Open a .json, .jsonl or .ndjson file, each also as .gz, or a .parquet file.

    A JSON document that is a list gives its elements, another one itself.

    Args:
        path: The file.
        what: What is in such a file, for the error.
        lists: Keys of lists in a JSON document whose elements are items, too, from the outermost to the innermost.
        also: Endings that the caller reads, for the error.

    Returns:
        The format in a few words, and the items, to be gone through again and again.

    Raises:
        UsageError: No such file, an ending that is not known, or two columns of one name.
        DataError: The file is damaged, not UTF-8 or not JSON.
    """
    with open_bytes(path):  # a missing file or a folder is the first thing to say
        pass
    lines = Lines(path)
    match suffix_of(path):
        case ".json" if not _is_json_lines(lines):
            return "JSON", _document_items(json_document(path, lines), lists)
        case ".json" | ".jsonl" | ".ndjson":
            return "JSON lines", LineItems(lines)
        case ".parquet" if path.suffix.lower() != ".gz":
            return "Parquet", record_items(path, open_parquet(path))
        case ending:
            read = ", ".join([*also, *_READ])
            raise UsageError(
                f"{place(path)}: the ending {shown(ending)} says no format in which {what} are read: {read}"
            )


def stream_items(stream: BinaryIO, path: Path) -> tuple[Item, Iterable[Item]]:
    """Return the first item of a stream of JSON lines, and all items, to be gone through once.

    Args:
        stream: UTF-8, such as standard input.
        path: Its name in errors.

    Raises:
        DataError: There is none, or the first line is not UTF-8.
    """
    items = iter(LineItems(decoded_lines(stream, path)))
    first = next(items, None)
    if first is None:
        raise DataError(f"{place(path)}: there are no rows in it")
    return first, chain([first], items)


def keys_of(items: Iterable[Item]) -> tuple[str, ...]:
    """Return the keys that occur in the first items, in the order of their coming."""
    objects = (item.value for item in islice(items, HEAD) if isinstance(item.value, dict))
    return tuple(dict.fromkeys(key for value in objects for key in value))


def keys_at_head(path: Path) -> frozenset[str]:
    """Return, in lower case, the keys at any depth or the column names that the beginning of a file shows.

    For a guess only: no more than the beginning is read, and nothing of it is checked.
    """
    match suffix_of(path):
        case ".parquet":
            keys = list(open_parquet(path).columns)
        case ".csv" | ".tsv":
            keys = header_cells(path)
        case _:
            keys = _KEY.findall(head_of(path))
    return frozenset(key.casefold() for key in keys)


def header_cells(path: Path) -> list[str]:
    """Return the cells of a delimited file's first line, whatever separates them."""
    first = head_of(path).lstrip().partition("\n")[0]
    return [cell.strip().strip('"') for cell in _CELL_END.split(first)]


def head_of(path: Path) -> str:
    """Return the first some ten thousand characters of a text file.

    Raises:
        DataError: They are not UTF-8, or damaged.
    """
    parts: list[str] = []
    length = 0
    with open_bytes(path) as stream:
        for _, part in cut_lines(stream, path, _HEAD_CHARACTERS):
            parts.append(part)
            length += len(part) + 1
            if length > _HEAD_CHARACTERS:
                break
    return "\n".join(parts)


def _is_json_lines(lines: Lines) -> bool:
    """Whether a `.json` file holds one whole object a line, and more than one."""
    first = list(islice((line for line in lines if line.strip()), 2))
    return len(first) == 2 and isinstance(json_value(first[0]), dict)


def _document_items(text: str, lists: Sequence[str]) -> list[Item]:
    decoder = _PlacingDecoder(text)
    start = decoder.skip(0)
    if text[start] == "[":
        return decoder.items(start, lists)[0]
    line = decoder.line_at(start)
    return [Item(line, decoder.value(start, lists)[0])]


class _PlacingDecoder:
    """Decodes a text that is known to be well-formed JSON; elements of chosen lists become items.

    Only the way down to those lists is walked here; all else is left to the decoder of the standard library, which
    is fast and tells no places.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._decode = JSONDecoder().raw_decode
        self._line, self._counted = 1, 0

    def value(self, at: int, lists: Sequence[str]) -> tuple[Any, int]:
        """Return the value that begins at a place, and the place behind it."""
        if not lists or self._text[at] != "{":
            return self._decode(self._text, at)
        members: dict[str, Any] = {}
        at = self.skip(at + 1)
        while self._text[at] != "}":
            key, at = self._decode(self._text, at)
            at = self.skip(at)
            if key in lists and self._text[at] == "[":
                members[key], at = self.items(at, lists[lists.index(key) + 1 :])
            else:
                members[key], at = self._decode(self._text, at)
            at = self.skip(at)
        return members, at + 1

    def items(self, at: int, lists: Sequence[str]) -> tuple[list[Item], int]:
        """Return the elements of the list that begins at a place, and the place behind it."""
        found: list[Item] = []
        at = self.skip(at + 1)
        while self._text[at] != "]":
            line = self.line_at(at)
            value, at = self.value(at, lists)
            found.append(Item(line, value))
            at = self.skip(at)
        return found, at + 1

    def skip(self, at: int) -> int:
        """Return the place of the first token at or behind a place."""
        return _BETWEEN.match(self._text, at).end()  # type: ignore[union-attr]  # it matches nothing, too

    def line_at(self, at: int) -> int:
        """Return the line of a place that is not before the last one asked for."""
        self._line += self._text.count("\n", self._counted, at)
        self._counted = at
        return self._line
