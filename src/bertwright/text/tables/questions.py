"""Files of questions whose answers are spans of a context → rows, each with the line where the question begins.

Read are SQuAD 1.1 and 2.0, CMRC 2018 in both of its forms, and flat rows (JSON lines, a JSON list, Parquet) as the
hub has them. Every answer is made sure to stand where it is said to. Knows nothing of tokens or windows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from bertwright.errors import DataError
from bertwright.text.complaints import all_shown, place, shown
from bertwright.text.corpus.containers import suffix_of
from bertwright.text.tables.answers import Answer, AnswerReader
from bertwright.text.tables.bad_rows import BadRow
from bertwright.text.tables.cells import UnusableCellError, text_of
from bertwright.text.tables.items import Item, keys_at_head, keys_of, open_items, stream_items
from bertwright.text.tables.records import HEAD

_LEVELS = ("data", "paragraphs", "qas")
_SHARED = ("title", "context", "context_text")
_IDS = ("id", "query_id", "qid")
_QUESTIONS = ("question", "query_text")
_CONTEXTS = ("context", "context_text")


@dataclass(frozen=True, slots=True)
class QuestionRow:
    """One usable question."""

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...] | None
    """Each of them is right; none at all means that the context has no answer, None that answers are not given."""
    line: int
    """The line on which the question's object begins, from 1; in Parquet the number of the row."""
    title: str | None = None


class QuestionFile:
    """A file of questions whose form is known.

    Attributes:
        form: The form in a few words.
        warnings: What the user should look at although the file can be read; known after a whole pass.
    """

    def __init__(self, path: Path, form: str, items: Iterable[Item], *, needs_answers: bool) -> None:
        self.form = form
        self.warnings: tuple[str, ...] = ()
        self._path = path
        self._items = items
        self._needs_answers = needs_answers

    def rows(self) -> Iterator[QuestionRow | BadRow]:
        """Yield every question in the order of the file, from its beginning."""
        reader = _Reader(self._needs_answers)
        for question in _all_questions(self._items):
            try:
                yield reader.row(question)
            except UnusableCellError as reason:
                yield question.bad_row(reason)
        self.warnings = tuple(f"{place(self._path)}: {warning}" for warning in reader.answers.warnings())


def open_questions(path: Path, *, needs_answers: bool = True) -> QuestionFile:
    """Open a .json, .jsonl or .ndjson file, each also as .gz, or a .parquet file.

    Args:
        path: The file.
        needs_answers: Whether a question must say its answers, or that it has none. If not, as for prediction,
            answers are not looked at, and an empty question or context is none the worse.

    Raises:
        UsageError: No such file, or an ending that is not known.
        DataError: The file is damaged, not UTF-8 or not JSON, or there are no questions in it.
    """
    form, items = open_items(path, what="questions (SQuAD's form)", lists=_LEVELS)
    keys = _known_keys(items, path)
    if form == "JSON":
        form = _document_form(keys_of(items), keys)
    return QuestionFile(path, form, items, needs_answers=needs_answers)


def read_questions(stream: BinaryIO, path: Path) -> QuestionFile:
    """Read a stream of JSON lines, questions without answers, once; `path` is its name in errors.

    Raises:
        DataError: It is empty or not UTF-8, or the first line is no question.
    """
    first, items = stream_items(stream, path)
    _known_keys([first], path)
    return QuestionFile(path, "JSON lines", items, needs_answers=False)


def _known_keys(items: Iterable[Item], path: Path) -> Sequence[str]:
    """The keys of the first questions, among which those must be that are needed."""
    keys = keys_of(list(islice(_all_questions(items), HEAD)))
    if not (set(keys) & set(_QUESTIONS) and set(keys) & set(_CONTEXTS)):
        found = f"keys found: {all_shown(keys)}" if keys else "no objects with keys are in it"
        raise DataError(f"{place(path)}: questions have the keys 'question' and 'context', as in SQuAD; {found}")
    return keys


def looks_like_questions(path: Path) -> bool:
    """Whether the beginning of a file shows the keys of questions with answers."""
    if suffix_of(path) in {".csv", ".tsv"}:
        return False
    keys = keys_at_head(path)
    return "qas" in keys or ({"question", "context", "answers"} <= keys and "label" not in keys)


def _document_form(outermost: Sequence[str], innermost: Sequence[str]) -> str:
    if "data" in outermost:
        return f"SQuAD {'2.0' if 'is_impossible' in innermost else '1.1'} JSON"
    return "JSON list of contexts (as CMRC 2018)" if "qas" in outermost else "JSON list of questions"


def _all_questions(items: Iterable[Item]) -> Iterator[Item]:
    for item in items:
        yield from _questions(item, {}, _LEVELS)


def _questions(item: Item, around: Mapping[str, Any], levels: Sequence[str]) -> Iterator[Item]:
    """Yield the questions in a document, an article, a paragraph or a question, with title and context around them."""
    if not isinstance(item.value, dict):
        yield item
        return
    shared = {**around, **{key: item.value[key] for key in _SHARED if key in item.value}}
    level = next((name for name in levels if name in item.value), None)
    if level is None:
        yield item._replace(value={**item.value, **shared})
    elif not isinstance(inner := item.value[level], list):
        yield Item(item.line, UnusableCellError(f"{level!r} is not a list"), item.text())
    else:
        for part in inner:
            placed = part if isinstance(part, Item) else Item(item.line, part)
            yield from _questions(placed, shared, levels[levels.index(level) + 1 :])


@dataclass(slots=True)
class _Reader:
    """Objects → rows, in one pass over a file."""

    needs_answers: bool
    answers: AnswerReader = field(default_factory=AnswerReader)
    _lines: dict[str, int] = field(default_factory=dict)
    _count: int = 0

    def row(self, item: Item) -> QuestionRow:
        """Return the row of a question.

        Raises:
            UnusableCellError: It cannot be used.
        """
        self._count += 1
        fields = item.fields()
        own_id = _id_of(fields, self._count)
        try:
            return self._row(item.line, own_id, fields)
        except UnusableCellError as reason:
            raise UnusableCellError(f"question {shown(own_id)}: {reason}") from reason

    def _row(self, line: int, own_id: str, fields: Mapping[str, Any]) -> QuestionRow:
        if own_id in self._lines:
            raise UnusableCellError(f"the one on line {self._lines[own_id]} has the same id")
        self._lines[own_id] = line
        may_be_empty = not self.needs_answers
        question = text_of(_named(fields, _QUESTIONS), "question", may_be_empty=may_be_empty)
        context = text_of(_named(fields, _CONTEXTS), "context", may_be_empty=may_be_empty)
        answers = self.answers.read(fields, context, own_id) if self.needs_answers else None
        title = fields.get("title")
        return QuestionRow(own_id, question, context, answers, line, title if isinstance(title, str) else None)


def _id_of(fields: Mapping[str, Any], number: int) -> str:
    """Return the id of a question; without one it is called by its number in the file, from 1."""
    given = _first(fields, _IDS)
    if given is None:
        return str(number)
    is_number = isinstance(given, int) and not isinstance(given, bool)
    return text_of(str(given) if is_number else given, "id", may_be_empty=False)


def _named(fields: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Return the value of the first of these keys that is there; an empty value is something else than none.

    Raises:
        UnusableCellError: None of them is there.
    """
    if fields.keys().isdisjoint(names):
        raise UnusableCellError(f"the key {names[0]!r} is missing")
    return _first(fields, names)


def _first(fields: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((fields[name] for name in names if name in fields), None)
