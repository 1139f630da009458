"""Sentences whose words are tagged: in columns as CoNLL has them, or lists of words and of tags in JSON or Parquet.

Every word of the file is a word of its row, also one that no vocabulary knows or that looks empty, so that there is a
tag for each. Knows nothing of what tags mean, of tokens, or of which rows are for training.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from unicodedata import category, east_asian_width

from bertwright.errors import BertwrightError, DataError, UsageError
from bertwright.text.complaints import all_shown, did_you_mean, place, shown
from bertwright.text.corpus.containers import suffix_of
from bertwright.text.corpus.words import has_chinese
from bertwright.text.lines import Lines, open_bytes
from bertwright.text.tables.bad_rows import BadRow
from bertwright.text.tables.cells import UnusableCellError, text_of
from bertwright.text.tables.conll import TAGS, WORDS, Conll, in_columns, open_conll
from bertwright.text.tables.records import (
    HEAD,
    JsonLines,
    JsonList,
    Parquet,
    Record,
    Source,
    json_columns,
    open_json,
    open_parquet,
)

# names as the hub's data sets and people's own files have them, in lower case
_WORD_LISTS = ("tokens", "words")
_TAG_LISTS = ("tags", "ner_tags", "labels", "ner")
_OF_LISTS = (".jsonl", ".ndjson", ".json", ".parquet")


@dataclass(frozen=True, slots=True)
class TaggedRow:
    """One sentence; its tags are None where none were asked for."""

    words: tuple[str, ...]
    tags: tuple[str, ...] | None
    line: int
    """The line on which the sentence begins, from 1; in Parquet the number of the row."""

    @property
    def text(self) -> str:
        """The text that the words make."""
        return joined(self.words)[0]

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """Where in the text each word begins, and where it ends."""
        return joined(self.words)[1]


@dataclass(frozen=True, slots=True)
class TaggedFile:
    """A file of tagged sentences whose form is known.

    Attributes:
        source: Its records.
        form: The format, and what is read as what.
        words: The column of the words.
        tags: That of the tags; None where they are not read.
    """

    source: Source
    form: str
    words: str
    tags: str | None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should look at although the file can be read."""
        return self.source.warnings

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read."""
        return (self.words,) if self.tags is None else (self.words, self.tags)

    def rows(self) -> Iterator[TaggedRow | BadRow]:
        """Yield every sentence in the order of the file, from its beginning."""
        for record in self.source.records(self.columns):
            try:
                yield self._row(record)
            except UnusableCellError as reason:
                raw = repr(record.values) if record.raw is None else record.raw
                yield BadRow(record.line, str(reason), raw)

    def _row(self, record: Record) -> TaggedRow:
        if record.problem:
            raise UnusableCellError(record.problem)
        words = _strings(record.values[0], "word")
        if self.tags is None:
            return TaggedRow(words, None, record.line)
        tags = tuple(tag.strip() for tag in _strings(_named(record.values[1]), "tag"))
        if len(tags) != len(words):
            raise UnusableCellError(f"{len(words)} words but {len(tags)} tags")
        if not all(tags):
            raise UnusableCellError("empty tag")
        if not words:
            raise UnusableCellError("no words")
        return TaggedRow(words, tags, record.line)


def open_tagged(
    path: Path, *, needs_tags: bool = True, tokens_column: str | None = None, tags_column: str | None = None
) -> TaggedFile:
    """Open a file of tagged sentences: .jsonl, .ndjson, .json, each also as .gz, .parquet; any other is in columns.

    Args:
        path: The file; columns of words and tags may be in one of any name, also as .gz.
        needs_tags: Whether there must be tags. If not, as for prediction, they are read only where `tags_column` is
            given; without them a sentence may have no words.
        tokens_column: The name of the column of words in JSON and Parquet, guessed from well-known ones if None; the
            number, from 1, of a column without a name, of which it is the first if None.
        tags_column: That of the tags, alike; the last column if None.

    Raises:
        UsageError: No such file, or columns that are not there or cannot be told.
        DataError: The file is empty, damaged, not UTF-8, or not in columns.
    """
    with open_bytes(path):  # a missing file or a folder is the first thing to say
        pass
    source = _open_lists(path)
    if source is None:
        lines = Lines(path)
        conll = open_conll(path, lines, word_column=tokens_column, tag_column=tags_column, needs_tags=needs_tags)
        return TaggedFile(conll, conll.form, WORDS, TAGS if TAGS in conll.columns else None)
    if not source.columns:
        raise DataError(f"{place(path)}: no JSON object with keys among the first {HEAD} rows")
    words = _choose(source.columns, tokens_column, _WORD_LISTS, "--text-column", path)
    form = f"{source.form}; words {shown(words)}{'' if tokens_column else ' (guessed)'}"
    if not needs_tags and tags_column is None:
        return TaggedFile(source, form, words, None)
    tags = _choose(source.columns, tags_column, _TAG_LISTS, "--label-column", path)
    form = f"{form}, tags {shown(tags)}{'' if tags_column else ' (guessed)'}"
    return TaggedFile(source, form, words, tags)


def looks_tagged(
    path: Path, *, needs_tags: bool = True, tokens_column: str | None = None, tags_column: str | None = None
) -> bool:
    """Whether the first lines of a file are tagged words; see `open_tagged` for the columns.

    Without `needs_tags` lists of words are enough; in columns, words alone cannot be told from short texts.

    Raises:
        UsageError: There is no such file.
    """
    with open_bytes(path):
        pass
    try:
        file = open_tagged(path, needs_tags=needs_tags, tokens_column=tokens_column, tags_column=tags_column)
    except BertwrightError:
        return False
    if isinstance(file.source, Conll):
        return file.source.looks_tagged
    for record in islice(file.source.records(file.columns), HEAD):
        if not record.problem:
            return all(isinstance(value, list) for value in record.values)
    return False


def looks_like_columns(path: Path) -> bool:
    """Whether the first lines of a file are words in columns, though what is beside them may be no tags of entities."""
    return suffix_of(path) not in _OF_LISTS and in_columns(Lines(path))


def joined(words: Iterable[str]) -> tuple[str, list[tuple[int, int]]]:
    """Write words as one text, and say where in it each begins and ends.

    A blank stands between two words, unless both are Chinese there or signs: BERT tells such apart by itself.
    """
    parts: list[str] = []
    offsets: list[tuple[int, int]] = []
    end, before = 0, ""
    for word in words:
        gap = "" if not offsets or (_stands_alone(before[-1:]) and _stands_alone(word[:1])) else " "
        start, end = end + len(gap), end + len(gap) + len(word)
        parts += gap, word
        offsets.append((start, end))
        before = word
    return "".join(parts), offsets


@lru_cache(maxsize=100_000)
def _stands_alone(character: str) -> bool:
    """Whether BERT takes a character for a word whatever is beside it, and Chinese is written without blanks there."""
    if not character:
        return False
    return has_chinese(character) or (category(character)[0] == "P" and east_asian_width(character) in "WFA")


def _named(tags: object) -> object:
    if isinstance(tags, list) and tags and all(type(tag) is int for tag in tags):
        raise UnusableCellError("the tags are numbers without names; write names in their place, such as B-PER")
    return tags


def _strings(value: object, role: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise UnusableCellError(f"the {role}s are not a list")
    for element in value:
        if not isinstance(element, str):
            raise UnusableCellError(f"a {role} is not a string: {shown(repr(element))}")
    text_of(" ".join(value), f"list of {role}s", may_be_empty=True)
    return tuple(value)


def _open_lists(path: Path) -> JsonLines | JsonList | Parquet | None:
    """Open a file whose name says that lists are in it."""
    lines = Lines(path)
    match suffix_of(path):
        case ".jsonl" | ".ndjson":
            return JsonLines(lines, json_columns(lines))
        case ".json":
            return open_json(path, lines)
        case ".parquet" if path.suffix.lower() == ".parquet":
            return open_parquet(path)
    return None


def _choose(columns: Sequence[str], wanted: str | None, known: Sequence[str], flag: str, path: Path) -> str:
    """Return the column that was asked for, else the only one with a known name."""
    listed = f"; the columns are {all_shown(columns)}"
    if wanted is not None:
        if wanted not in columns:
            hint = did_you_mean(wanted, columns)
            raise UsageError(f"{place(path)}: no column {shown(wanted)} ({flag}){listed}{hint}")
        return wanted
    guesses = [column for column in columns if column.casefold() in known]
    if len(guesses) != 1:
        found = f"it could be {all_shown(guesses)}" if guesses else f"no column is called {' or '.join(known)}"
        raise UsageError(f"{place(path)}: {found}; set {flag}{listed}")
    return guesses[0]
