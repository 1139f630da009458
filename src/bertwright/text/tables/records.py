"""JSON lines, JSON lists, Parquet and plain text → records: the values of the asked columns, with their line.

A record that cannot be read is still a record: it carries the reason, so that read = kept + skipped holds. Delimited
files are in `delimited.py`. Knows nothing of what the columns mean: texts, labels and defaults are for its readers.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from bertwright.errors import DataError
from bertwright.text.complaints import all_shown, one_line, place
from bertwright.text.lines import Lines, without_ending
from bertwright.text.tables.cells import UnusableCellError

HEAD = 100
"""How many rows are looked at for the names of the columns."""
LONGEST_DOCUMENT = 200_000_000
"""Characters of a JSON document, which is read as a whole: SQuAD 2.0 has 42 million, and more when it is indented."""
_GAP = re.compile(r"[\s,]*")


class Record(NamedTuple):
    """One row as its format gives it."""

    line: int
    raw: str | None
    """The row as it stands in the file; None where the format has no text."""
    values: tuple[object, ...] = ()
    problem: str | None = None
    """Why there are no values, in the place of which of them there is None, or which of them means nothing."""


class Source(Protocol):
    """A table whose form is known: what its columns are called, and its records in order."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in the order of the file."""

    @property
    def form(self) -> str:
        """The format in a few words, for the user."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should look at."""

    def records(self, names: Sequence[str]) -> Iterator[Record]:
        """Yield every row, with the values of the columns `names`."""


@dataclass(frozen=True, slots=True)
class PlainText:
    """One text a line; an empty line is an empty text."""

    lines: Iterable[str]
    columns: tuple[str, ...] = ("text",)
    form: str = "one text a line"
    warnings: tuple[str, ...] = ()

    def records(self, names: Sequence[str]) -> Iterator[Record]:
        """Yield one record a line."""
        for number, line in enumerate(self.lines, 1):
            text = without_ending(line)
            yield Record(number, text, (text,) * len(names))


@dataclass(frozen=True, slots=True)
class JsonLines:
    """One JSON object a line; blank lines are no rows."""

    lines: Iterable[str]
    columns: tuple[str, ...]
    form: str = "JSON lines"
    warnings: tuple[str, ...] = ()

    def records(self, names: Sequence[str]) -> Iterator[Record]:
        """Yield one record for every line that is not blank."""
        for number, line in enumerate(self.lines, 1):
            if line.strip():
                yield _json_record(number, without_ending(line), names)


@dataclass(frozen=True, slots=True)
class JsonList:
    """A file that holds one JSON list of objects, held as a whole; an element is parsed when it is asked for."""

    path: Path
    text: str
    columns: tuple[str, ...]
    form: str = "JSON list"
    warnings: tuple[str, ...] = ()

    def records(self, names: Sequence[str]) -> Iterator[Record]:
        """Yield one record an element; its line is the one where the element begins.

        Raises:
            DataError: After the elements before it, there is something that is not JSON.
        """
        for line, raw in _list_elements(self.path, self.text):
            yield _json_record(line, raw, names)


@dataclass(frozen=True, slots=True)
class Parquet:
    """A Parquet file, read batch by batch, the asked columns alone; the line of a record is its row number."""

    path: Path
    columns: tuple[str, ...]
    form: str = "Parquet"
    warnings: tuple[str, ...] = ()
    rows_at_once: int = 1_024
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What the numbers in a column stand for, where the `datasets` library wrote that down; they are read as that."""

    def records(self, names: Sequence[str]) -> Iterator[Record]:
        """Yield one record a row, counted from 1."""
        number = 0
        with _parquet_file(self.path) as file:
            for batch in file.iter_batches(batch_size=self.rows_at_once, columns=list(names)):
                columns = [batch.column(batch.schema.get_field_index(name)) for name in names]
                classes = [self.class_names.get(name, ()) for name in names]
                for row in range(batch.num_rows):
                    number += 1
                    yield _named(number, tuple(_parquet_value(column[row]) for column in columns), classes)


def open_json(path: Path, lines: Lines) -> JsonList | JsonLines:
    """Open a `.json` file: a list of objects, or JSON lines under the wrong name."""
    first = next((line for line in lines if line.strip()), "")
    if not first.lstrip().startswith("["):
        return JsonLines(lines, json_columns(lines))
    text = _whole_text(path, lines)
    return JsonList(path, text, json_columns(raw for _, raw in _list_elements(path, text)))


def json_document(path: Path, lines: Iterable[str]) -> str:
    """Return the text of a file that holds one JSON value; it is known to be well-formed then.

    Raises:
        DataError: It is not JSON, or longer than `LONGEST_DOCUMENT`.
    """
    text = _whole_text(path, lines)
    _check_json(path, text)
    return text


def _check_json(path: Path, text: str) -> None:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{place(path, error.lineno)}: not JSON: {error.msg} (column {error.colno})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place(path)}: not JSON that can be read: {error}") from error


def json_columns(rows: Iterable[str]) -> tuple[str, ...]:
    """Return the keys that occur in the first rows, in the order of their coming."""
    records = (json_value(row) for row in islice(rows, HEAD))
    return tuple(dict.fromkeys(key for record in records if isinstance(record, dict) for key in record))


def json_value(raw: str) -> object:
    """Return the parsed value, or the ValueError that says why there is none."""
    try:
        return json.loads(raw)
    except json.JSONDecodeError as error:
        return ValueError(f"{error.msg} at column {error.colno}")
    except ValueError as error:  # an integer of thousands of digits
        return error
    except RecursionError:
        return ValueError("brackets nested too deeply")


def open_parquet(path: Path, *, rows_at_once: int = 1_024) -> Parquet:
    """Read the names of a Parquet file's columns; so many of its rows will be in memory at a time.

    Raises:
        DataError: It is not a Parquet file, or a damaged one.
    """
    with _parquet_file(path) as file:
        schema = file.schema_arrow
    names = _class_names((schema.metadata or {}).get(b"huggingface", b"{}"))
    return Parquet(path, tuple(schema.names), rows_at_once=rows_at_once, class_names=names)


@contextmanager
def _parquet_file(path: Path) -> Iterator[Any]:
    """Open a Parquet file; damage is a DataError, whether it shows now or while the file is read."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path, buffer_size=1 << 20) as file:
            yield file
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = one_line(error)
        raise DataError(f"{place(path)}: not a whole Parquet file ({reason}); fetch or write it again") from error


def _class_names(noted: bytes) -> dict[str, tuple[str, ...]]:
    """Read the names of classes by column, in the form in which `datasets` notes the types of columns."""
    match json_value(noted.decode(errors="replace")):
        case {"info": {"features": dict(features)}}:
            return {column: names for column, feature in features.items() if (names := _names_in(feature))}
    return {}


def _names_in(feature: object) -> tuple[str, ...]:
    match feature:
        case {"_type": "ClassLabel", "names": [*names]}:
            return tuple(map(str, names))
        case {"feature": inner} | [inner]:  # a list of them, as it is written today and as it once was
            return _names_in(inner)
    return ()


def _parquet_value(cell: Any) -> object:
    """Return the Python value; what a writer declared to be a string but is not UTF-8 stays bytes."""
    try:
        return cell.as_py()
    except UnicodeDecodeError:
        return cell.cast("binary").as_py()


def _named(number: int, values: tuple[object, ...], classes: Iterable[Sequence[str]]) -> Record:
    try:
        return Record(number, None, tuple(map(_in_words, values, classes)))
    except UnusableCellError as reason:
        return Record(number, None, values, str(reason))


def _in_words(value: object, classes: Sequence[str]) -> object:
    """Put names in the place of the numbers of classes; -1, as the hub writes it, says that there is no label."""
    match value:
        case _ if not classes:
            return value
        case list():
            return [_in_words(element, classes) for element in value]
        case int() if 0 <= value < len(classes):
            return classes[value]
        case -1:
            return None
        case int():
            raise UnusableCellError(f"{value} is the number of no class; counted from 0 they are {all_shown(classes)}")
    return value


def _json_record(line: int, raw: str, names: Sequence[str]) -> Record:
    value = json_value(raw)
    if isinstance(value, ValueError):
        return Record(line, raw, problem=f"not JSON: {value}")
    if not isinstance(value, dict):
        return Record(line, raw, problem="not a JSON object in braces")
    missing = next((name for name in names if name not in value), None)
    problem = None if missing is None else f"no key {missing!r}"
    return Record(line, raw, tuple(value.get(name) for name in names), problem)


def _whole_text(path: Path, lines: Iterable[str]) -> str:
    parts: list[str] = []
    length = 0
    for line in lines:
        parts.append(line)
        length += len(line)
        if length > LONGEST_DOCUMENT:
            limit = f"{LONGEST_DOCUMENT:,} characters"
            raise DataError(f"{place(path)}: a JSON document longer than {limit}; write .jsonl, one object a line")
    return "".join(parts)


def _list_elements(path: Path, text: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of every element of a JSON list; whatever is odd is for `_check_json` to complain of."""
    decoder = json.JSONDecoder()
    at = text.index("[") + 1
    line = 1 + text.count("\n", 0, at)
    commas = 0  # that belong in front of the next element
    while True:
        start = _GAP.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing, too
        ends = text[start : start + 1] == "]"
        if text.count(",", at, start) != (0 if ends else commas) or (ends and text[start + 1 :].strip()):
            _check_json(path, text)
        if ends:
            return
        line += text.count("\n", at, start)
        try:
            _, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            _check_json(path, text)
            raise
        yield line, text[start:at]
        line += text.count("\n", start, at)
        commas = 1
