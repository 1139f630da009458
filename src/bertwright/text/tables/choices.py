"""Files of multiple-choice questions → rows: a context, choices, and which of them is right.

Read are tables, JSON lines and JSON lists whose columns have well-known names (SWAG, RACE, CommonsenseQA, COPA and
the like), and the dialogues of DREAM, whose form C3 has, too. Rows may have different numbers of choices. Knows
nothing of how context and choice are put together for a model.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from bertwright.errors import DataError, UsageError
from bertwright.text.complaints import place
from bertwright.text.corpus.containers import suffix_of
from bertwright.text.lines import Lines
from bertwright.text.tables.bad_rows import BadRow
from bertwright.text.tables.cells import UnusableCellError, label_of, text_of
from bertwright.text.tables.choice_cells import (
    Choices,
    choices_in_columns,
    choices_in_list,
    number_given,
    right_choice,
)
from bertwright.text.tables.choice_columns import ChoiceColumns, choose_choice_columns, is_known, unknown_columns
from bertwright.text.tables.columns import Named
from bertwright.text.tables.delimited import open_delimited
from bertwright.text.tables.items import (
    Item,
    header_cells,
    keys_at_head,
    keys_of,
    open_items,
    record_items,
    stream_items,
)
from bertwright.text.tables.records import HEAD

_DIALOGUES = ChoiceColumns("context", "question", ("choice",), "answer", "id")
_DELIMITERS = {".csv": ",;\t", ".tsv": "\t"}


@dataclass(frozen=True, slots=True)
class ChoiceRow:
    """One usable question."""

    id: str
    """What the file calls it, not always the only one of that name; without an id its number in the file, from 1."""
    context: str
    """A passage, a dialogue with its turns on lines, or, in a file without any of these, the question itself."""
    question: str | None
    """What stands between the context and each choice; in SWAG the beginning that each choice goes on with."""
    choices: tuple[str, ...]
    answer: int | None
    """The number of the right choice, from 0; None if answers are not read."""
    line: int
    """The line on which the row begins, from 1; in Parquet the number of the row, in DREAM the line of the dialogue."""


@dataclass(frozen=True, slots=True)
class ChoiceFile:
    """A file of multiple-choice questions whose form is known.

    Attributes:
        form: The form in a few words, and what is read as what.
        warnings: What the user should look at although the file can be read.
        items: One a question.
        columns: Which of an item's keys is what.
        first: What number the answers have for the first choice.
    """

    form: str
    warnings: tuple[str, ...]
    items: Iterable[Item]
    columns: ChoiceColumns
    first: int = 0

    def rows(self) -> Iterator[ChoiceRow | BadRow]:
        """Yield every question in the order of the file, from its beginning."""
        for number, item in enumerate(self.items, 1):
            try:
                yield self._row(item, number)
            except UnusableCellError as reason:
                yield item.bad_row(reason)

    def _row(self, item: Item, number: int) -> ChoiceRow:
        fields, columns = item.fields(), self.columns
        may_be_empty = columns.answer is None  # a prediction has a row for every row that it was given
        context = text_of(fields.get(columns.context), "context", may_be_empty=may_be_empty)
        question = text_of(fields.get(columns.question), "question", may_be_empty=True) if columns.question else ""
        choices = _choices(fields, columns.choices)
        answer = None
        if columns.answer:
            answer = right_choice(fields.get(columns.answer), choices, is_key=columns.answer_is_key, first=self.first)
        own_id = label_of(fields.get(columns.id)) if columns.id else None
        return ChoiceRow(own_id or str(number), context, question or None, choices.texts, answer, item.line)


def _choices(fields: Mapping[str, Any], names: Sequence[str]) -> Choices:
    if len(names) == 1:
        return choices_in_list(fields.get(names[0]))
    return choices_in_columns([fields.get(name) for name in names], names)


def open_choices(path: Path, *, needs_answer: bool = True) -> ChoiceFile:
    """Open a .csv, .tsv, .json, .jsonl or .ndjson file, each also as .gz, or a .parquet file.

    Args:
        path: The file. Context, question, choices and answer are found by the names of columns or keys.
        needs_answer: Whether a question must say which choice is right. If not, as for prediction, answers are not
            looked at, and an empty context is none the worse.

    Raises:
        UsageError: No such file, an ending that is not known, or columns that cannot be told: the text lists them.
        DataError: The file is empty, damaged, not UTF-8 or not JSON.
    """
    form, warnings, items = _open(path)
    first = next(iter(items), None)
    if first is None:
        raise DataError(f"{place(path)}: there are no rows in it")
    if isinstance(first.value, list):
        columns = _DIALOGUES if needs_answer else replace(_DIALOGUES, answer=None)
        return ChoiceFile(f"{form}, dialogues with their questions (as DREAM)", warnings, _Dialogues(items), columns)
    columns = _columns(items, path, first.line, needs_answer=needs_answer)
    number, doubts = _first_number(path, items, columns)
    counted = f", answers counted from {number}" if number else ""
    return ChoiceFile(f"{form}; {columns.describe()}{counted}", warnings + doubts, items, columns, number)


def _first_number(path: Path, items: Iterable[Item], columns: ChoiceColumns) -> tuple[int, tuple[str, ...]]:
    """Return what number the answers of a whole file have for the first choice, and why that is not sure."""
    if columns.answer is None:
        return 0, ()
    lines: dict[str, int] = {}  # the first ones on which answers of each kind stand
    for item in items:
        try:
            choices = _choices(item.fields(), columns.choices)
            number = number_given(item.fields().get(columns.answer), choices, is_key=columns.answer_is_key)
        except UnusableCellError:  # whoever reads the rows will hear of it
            continue
        if number is not None and number <= len(choices.texts):
            kind = "zero" if number == 0 else "last" if number == len(choices.texts) else "between"
            lines.setdefault(kind, item.line)
    return _judged(path, lines)


def _judged(path: Path, lines: Mapping[str, int]) -> tuple[int, tuple[str, ...]]:
    """From 1 are counted answers that are never 0 and somewhere the number of the choices."""
    match lines:
        case {"zero": zero, "last": last}:
            return 0, (
                f"{place(path, last)}: an answer that is the number of its choices, as if they were counted from 1, "
                f"and on line {zero} one that is 0: they are read as counted from 0, and such as on line {last} "
                "cannot be used; count all of them from 0, or write letters from A",
            )
        case {"zero": _} | {"last": _}:
            return int("last" in lines), ()
        case {"between": line}:
            return 0, (
                f"{place(path, line)}: answers that are numbers, none of them 0 and none the number of its choices: "
                "they are read as counted from 0, so that 1 is the second choice; where that is wrong, count them "
                "from 0, or write letters from A",
            )
    return 0, ()


def read_choices(stream: BinaryIO, path: Path) -> ChoiceFile:
    """Read a stream of JSON lines, questions without answers, once; `path` is its name in errors.

    Raises:
        DataError: It is empty or not UTF-8, or the first line is no JSON object.
        UsageError: Its keys cannot be told: the text lists them.
    """
    first, items = stream_items(stream, path)
    columns = _columns([first], path, first.line, needs_answer=False)
    return ChoiceFile(f"JSON lines; {columns.describe()}", (), items, columns)


def _columns(items: Iterable[Item], path: Path, line: int, *, needs_answer: bool) -> ChoiceColumns:
    keys = keys_of(items)
    if not keys:
        raise DataError(f"{place(path, line)}: no object with keys among the first {HEAD} rows")
    return choose_choice_columns(keys, path, needs_answer=needs_answer)


def looks_like_choices(path: Path) -> bool:
    """Whether the beginning of a file shows the columns or keys of multiple choice, the answer included."""
    try:
        choose_choice_columns(keys_at_head(path), path, needs_answer=True)
    except UsageError:
        return False
    return True


def _open(path: Path) -> tuple[str, tuple[str, ...], Iterable[Item]]:
    """Return the format of a file, what is to be said of it, and its items."""
    delimiters = _DELIMITERS.get(suffix_of(path))
    if delimiters is None:
        form, items = open_items(path, what="choices", also=tuple(_DELIMITERS))
        return form, (), items
    header = header_cells(path)
    known = next((name for name in header if is_known(name)), None)
    if known is None:
        raise unknown_columns(header, path)
    source = open_delimited(path, Lines(path), delimiters, columns=None, named=Named(text=known), quoting=None)
    return source.form, source.warnings, record_items(path, source)


@dataclass(frozen=True, slots=True)
class _Dialogues:
    """Questions out of `[turns, questions, id]`; each is called by the id of the dialogue and its number in it."""

    dialogues: Iterable[Item]

    def __iter__(self) -> Iterator[Item]:
        for dialogue in self.dialogues:
            match dialogue.value:
                case [list(turns), list(questions), own_id] if all(isinstance(turn, str) for turn in turns):
                    context = "\n".join(turns)
                    for number, question in enumerate(questions, 1):
                        yield Item(dialogue.line, _question(question, context, f"{own_id}-{number}"))
                case _:
                    problem = UnusableCellError("not a dialogue: [list of turns, list of questions, id]")
                    yield Item(dialogue.line, problem, dialogue.text())


def _question(question: object, context: str, own_id: str) -> object:
    """Return a dialogue's question as a row; its answer, always the text of a choice here, becomes a number."""
    if not isinstance(question, dict):
        return question
    choices, answer = question.get("choice"), question.get("answer")
    number = choices.index(answer) if isinstance(choices, list) and answer in choices else answer
    return {**question, "context": context, "id": own_id, "answer": number}
