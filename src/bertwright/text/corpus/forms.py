"""The forms of raw text: how lines, rows and articles become documents, one generator a form.

A form yields a `Start` where a document begins and then its lines, so that none has to hold a document in memory.
Knows nothing of files, archives and limits, nor of sentences.
"""

import html
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from bertwright.errors import DataError
from bertwright.text.complaints import place
from bertwright.text.tables.records import Record


class Start(NamedTuple):
    """A document begins."""

    name: str
    flaw: str | None = None
    """Why it cannot be used."""


Marks = Iterator[Start | str]
NumberedLines = Iterable[tuple[int, str]]


class Form(NamedTuple):
    """What a text file looks like."""

    label: str
    sentences_known: bool
    read: Callable[[NumberedLines, Path], Marks]


def _blank_lines_between(lines: NumberedLines, path: Path) -> Marks:
    between = True
    for number, line in lines:
        if not line or line.isspace():
            between = True
            continue
        if between:
            yield Start(place(path, number))
            between = False
        yield line


def _document_a_line(lines: NumberedLines, path: Path) -> Marks:
    last = 0
    for number, line in lines:
        if number > last:  # a long line comes in parts
            yield Start(place(path, number))
            last = number
        yield line


def _document_a_file(lines: NumberedLines, path: Path) -> Marks:
    yield Start(place(path))
    yield from _unwrapped(line.strip() for _, line in lines)


# A line of this length with blanks in it that ends no sentence, directly before a line that begins no item of a list
_WRAPPED = re.compile(r"(?=\S+ ).{40,100}(?<![.!?:;…。！？；：\"”|])")
_GOES_ON = re.compile(r"[\w\"'“‘(]")
_LONGEST_PARAGRAPH = 100_000  # characters; a file in which every line goes on is no prose


def _unwrapped(lines: Iterable[str]) -> Iterator[str]:
    """Join the lines of hard-wrapped paragraphs, as old novels and Markdown have them."""
    paragraph, goes_on = "", False
    for line in lines:
        if goes_on and _GOES_ON.match(line) and len(paragraph) < _LONGEST_PARAGRAPH:
            paragraph = f"{paragraph} {line}"
        else:
            yield paragraph
            paragraph = line
        goes_on = _WRAPPED.fullmatch(line) is not None
    yield paragraph


_ARTICLE = re.compile(r"<doc\b[^>]*>")
_TITLE = re.compile(r'\btitle="([^"]*)"')


def _articles(lines: NumberedLines, path: Path) -> Marks:
    """WikiExtractor's articles; the title is the document's name, and the line that repeats it is left out."""
    inside, title = False, None
    for number, line in lines:
        if line.startswith("<doc ") and _ARTICLE.match(line):
            found = _TITLE.search(line)
            title = html.unescape(found[1]) if found else place(path, number)
            inside = True
            yield Start(title)
        elif line.startswith("</doc>"):
            inside = False
        elif line and not line.isspace():
            if not inside:
                raise DataError(f"{place(path, number)}: text outside <doc ...> and </doc>; is the file whole?")
            if line.strip() != title:
                yield line
            title = None


SENTENCES = Form("one sentence a line, a blank line between documents", True, _blank_lines_between)
LINES = Form("one document a line", False, _document_a_line)
FILES = Form("one document a file, a paragraph a line", False, _document_a_file)
ARTICLES = Form("WikiExtractor articles", False, _articles)


def is_article(line: str) -> bool:
    """Whether the first line of a file is one of WikiExtractor's."""
    return _ARTICLE.match(line) is not None


def rows(records: Iterable[Record], path: Path) -> Marks:
    """Each record's first value is a document, its line breaks end paragraphs.

    Raises:
        DataError: A record cannot be read, or its text is no string.
    """
    for record in records:
        at = place(path, record.line)
        if record.problem:
            raise DataError(f"{at}: {record.problem}")
        (text,) = record.values
        if text is None:
            yield Start(at, "no text")
        elif not isinstance(text, str):
            raise DataError(f"{at}: the text is no string but {type(text).__name__}; set --text-column")
        elif not _is_unicode(text):
            yield Start(at, "broken Unicode")
        else:
            yield Start(at)
            yield from text.split("\n")


def _is_unicode(text: str) -> bool:
    """Whether a text can be written: JSON may escape one half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
