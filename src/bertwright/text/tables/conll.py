"""Words and tags in columns, one word a line and a blank line between sentences → records, one a sentence.

The form of CoNLL's shared tasks. Whether tabs or blanks stand between the columns, and how many there are, is read off
the first lines. A cell may look empty and is a word all the same: a no-break space, or nothing in front of a blank and
a tag, which is what becomes of a tagged blank. Knows nothing of what tags mean.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import NamedTuple

from bertwright.errors import DataError, UsageError
from bertwright.text.complaints import all_shown, counted, place, shown
from bertwright.text.tables.records import Record

WORDS, TAGS = "words", "tags"
LONGEST_SENTENCE = 100_000
"""Words; a file without a blank line for so long has another form."""
_HEAD = 100  # words
_BETWEEN_DOCUMENTS = "-DOCSTART-"
_COMMENT = "#"  # in front of a sentence, where it is no word by its columns
_TAG = re.compile("O|[BIESMLUW][-_].+")
_SEPARATORS = {"\t": "tab", " ": "blank"}


class _Line(NamedTuple):
    number: int
    text: str
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Conll:
    """A file of columns whose form is known.

    Attributes:
        path: The file, as errors name it.
        lines: Its lines, which can be read again and again.
        separator: What stands between columns: a tab, or one or more blanks.
        width: How many columns there are.
        places: Where those stand that are read, from 0: `WORDS`, and `TAGS` if they are wanted.
        looks_tagged: Whether most of the first tags are such as entities have: `O`, `B-PER`.
    """

    path: Path
    lines: Iterable[str]
    separator: str
    width: int
    places: Mapping[str, int]
    looks_tagged: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """What a record can give."""
        return tuple(self.places)

    @property
    def form(self) -> str:
        """Separator and columns in a few words."""
        columns = ", ".join(f"{name} in column {place + 1}" for name, place in self.places.items())
        return f"one word a line, {_SEPARATORS[self.separator]}-separated, {columns} of {self.width}"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should look at."""
        if self.looks_tagged or TAGS not in self.places:
            return ()
        column = f"column {self.places[TAGS] + 1}"
        advice = "if the tags are in another column, set --label-column (and --text-column) to its number"
        return (f"{place(self.path)}: most of the first tags, in {column}, are not such as O or B-PER; {advice}",)

    def records(self, names: Sequence[str]) -> Iterator[Record]:
        """Yield one record a sentence, with a list of strings for each name; its line is that of the first word."""
        for sentence in self._sentences():
            if bad := next((line for line in sentence if len(line.cells) != self.width), None):
                problem = f"{counted(len(bad.cells), 'column')} where {self.width} are expected"
                yield Record(bad.number, bad.text, problem=problem)
            else:
                columns = [self.places[name] for name in names]
                values = tuple([line.cells[column] for line in sentence] for column in columns)
                yield Record(sentence[0].number, None, values)

    def _sentences(self) -> Iterator[list[_Line]]:
        sentence = list[_Line]()
        for line in _read(self.lines, self.separator):
            if line is None:
                if sentence:
                    yield sentence
                    sentence = []
            elif sentence or len(line.cells) == self.width or not line.text.startswith(_COMMENT):
                sentence.append(line)
                if len(sentence) > LONGEST_SENTENCE:
                    where = place(self.path, line.number)
                    raise DataError(f"{where}: no blank line for {LONGEST_SENTENCE:,} words; put one between sentences")
        if sentence:
            yield sentence


def open_conll(
    path: Path, lines: Iterable[str], *, word_column: str | None, tag_column: str | None, needs_tags: bool
) -> Conll:
    """Read the form of a file of columns off its first lines.

    Args:
        path: The file's name in errors.
        lines: The lines with their endings, which can be read again and again.
        word_column: The number of the column of words, from 1; None for the first.
        tag_column: That of the tags; None for the last.
        needs_tags: Whether there must be tags; if not, they are read only when `tag_column` is given.

    Raises:
        DataError: There are no words, no tags, or no constant number of columns.
        UsageError: There is no column of that number.
    """
    separator = _separator(lines)
    head = _head(lines, separator)
    usual = _usual(path, head)
    width = len(usual.cells)
    word = _column(path, usual, word_column or "1", "--text-column")
    tag = _column(path, usual, tag_column or str(width), "--label-column")
    places = {WORDS: word, TAGS: tag} if needs_tags or tag_column else {WORDS: word}
    if word == tag and TAGS in places:
        raise DataError(_no_tags(path, usual))
    tagged = [_TAG.fullmatch(line.cells[tag]) is not None for line in head if len(line.cells) == width]
    looks_tagged = 2 * sum(tagged) > len(tagged)
    return Conll(path, lines, separator, width, places, looks_tagged)


def in_columns(lines: Iterable[str]) -> bool:
    """Whether the first lines are several sentences in columns, whatever stands beside the words.

    As many columns in each, no blank in a cell and a blank line here and there: so a table of texts does not look.
    """
    head = islice(_without_comments(lines, _separator(lines)), _HEAD)
    sentences = [list(group) for is_word, group in groupby(head, key=lambda line: line is not None) if is_word]
    rows = [line.cells for sentence in sentences for line in sentence if line]
    widths = set(map(len, rows))
    return (
        len(sentences) > 1 and len(widths) == 1 < min(widths) and not any(" " in cell for row in rows for cell in row)
    )


def _separator(lines: Iterable[str]) -> str:
    head = _head(lines, "\t")
    return "\t" if 2 * sum("\t" in line.text for line in head) > len(head) else " "


def _head(lines: Iterable[str], separator: str) -> list[_Line]:
    """Return the first words; what may be a comment is none of them."""
    return list(islice(filter(None, _without_comments(lines, separator)), _HEAD))


def _without_comments(lines: Iterable[str], separator: str) -> Iterator[_Line | None]:
    return (line for line in _read(lines, separator) if line is None or not line.text.startswith(_COMMENT))


def _read(lines: Iterable[str], separator: str) -> Iterator[_Line | None]:
    """Yield each line, or None where a sentence ends."""
    for number, line in enumerate(lines, 1):
        text = line.rstrip("\t\r\n ")
        if not text or text.isspace() or text.startswith(_BETWEEN_DOCUMENTS):
            yield None
        else:
            yield _Line(number, text, _cells(text, separator))


def _cells(text: str, separator: str) -> list[str]:
    cells = text.split(separator)
    if separator == "\t":
        return [cell.strip(" ") for cell in cells]
    return [cell for place, cell in enumerate(cells) if cell or not place] if "" in cells else cells


def _usual(path: Path, head: Sequence[_Line]) -> _Line:
    """Return the first line that has as many columns as most have."""
    if not head:
        raise DataError(f"{place(path)}: there are no words in it")
    widths = Counter(len(line.cells) for line in head)
    width, count = widths.most_common(1)[0]
    if 2 * count <= len(head):
        found = f"{min(widths)} to {max(widths)} columns in the first lines"
        wanted = "one word a line, its tag behind a tab or a blank, a blank line between sentences"
        raise DataError(f"{place(path)}: {found}; write {wanted}")
    return next(line for line in head if len(line.cells) == width)


def _column(path: Path, line: _Line, number: str, flag: str) -> int:
    if not number.isdecimal() or not 0 < int(number) <= len(line.cells):
        listed = f"the columns have numbers for names, 1 to {len(line.cells)}: {all_shown(line.cells)}"
        raise UsageError(f"{place(path, line.number)}: no column {shown(number)} ({flag}); {listed}")
    return int(number) - 1


def _no_tags(path: Path, line: _Line) -> str:
    where = place(path, line.number)
    if len(line.cells) > 1:
        return f"{where}: one column cannot be both the words and the tags; the columns are {all_shown(line.cells)}"
    return f"{where}: a word without a tag: {shown(line.text)}; write the tag behind it, with a tab or a blank between"
