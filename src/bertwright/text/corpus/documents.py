"""The corpus: everything that `--input` names, as one stream of documents in an order that never changes.

Memory is bounded by one document: what is longer than `LONGEST` characters is cut, and each part is a document of its
own. Every document that is read is counted as kept, or as dropped with the reason.
Knows nothing of sentences and of ids.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from bertwright.errors import DataError, UsageError
from bertwright.text.complaints import place
from bertwright.text.corpus import forms
from bertwright.text.corpus.document import Document
from bertwright.text.corpus.forms import Marks, Start
from bertwright.text.corpus.inputs import find
from bertwright.text.corpus.readings import LONGEST, Reader

_HEAD = 200  # documents of the first file that are looked at before anything is said of the corpus
_LONG_SENTENCE = 400  # characters; sentences have 100 to 150 on average, in English, and fewer in Chinese


def open_corpus(
    inputs: Sequence[str],
    *,
    one_document_per_line: bool = False,
    document_per_file: bool = False,
    text_column: str | None = None,
) -> "Corpus":
    """Find the files of a corpus; none is read yet.

    Args:
        inputs: Files, folders, patterns, or names of data sets on the hub (`owner/name`, or `owner/name:PATTERN` for
            some of its files). Read are .txt, .md, .jsonl, .parquet, WikiExtractor's output, and .gz, .zip and .tar of
            these. Of folders and archives only files with such an ending are taken, of files that are named all.
        one_document_per_line: Each line of a text file is a document, and not a sentence.
        document_per_file: Each text file is a document, and its lines are paragraphs; .md always is.
        text_column: The key or column of .jsonl and .parquet; `text` or `content` when not given.

    Raises:
        UsageError: An input leads nowhere, or both forms are wanted at once.
        HubError: A data set cannot be fetched.
    """
    if one_document_per_line and document_per_file:
        raise UsageError("--one-document-per-line and --document-per-file contradict each other: choose one")
    found = find(inputs)
    plain = forms.LINES if one_document_per_line else forms.FILES if document_per_file else forms.SENTENCES
    return Corpus(found.files, Reader(plain, text_column), found.left_out)


@dataclass(frozen=True, eq=False)
class Corpus:
    """Documents of one or many files; each iteration reads them anew.

    Attributes:
        files: In the order in which they are read.
        reader: How each is read.
        left_out: Files of folders that are taken for no text, by their endings.
        counts: Filled while documents are read: `read` = `kept` + all the others, which are reasons to drop.
        packed_left_out: Filled likewise: those of archives.
        cut: Filled likewise: names of the documents that were too long; in `counts`, each part is a document.
    """

    files: tuple[Path, ...]
    reader: Reader
    left_out: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    packed_left_out: Counter[str] = field(default_factory=Counter)
    cut: list[str] = field(default_factory=list)

    def documents(self) -> Iterator[Document]:
        """Yield all documents that have text.

        Raises:
            UsageError: A file is gone, or a table has no such column.
            DataError: There is no text at all, a file is damaged or not UTF-8, or a row cannot be read.
        """
        for record in (self.counts, self.packed_left_out, self.cut):
            record.clear()
        for path in self.files:
            for part in self._parts(path, self.packed_left_out):
                self.counts.update(("read", part.flaw or "kept"))
                if part.number == 2:
                    self.cut.append(part.start.name)
                if part.flaw is None:
                    yield part.document()
        if not self.counts["kept"]:
            raise DataError(f"the corpus has no text: {self.counted()} in {_files(len(self.files))}; check --input")

    def describe(self) -> str:
        """How many files there are, and what the first one looks like."""
        size = sum(path.stat().st_size for path in self.files) / 1e6
        label = next((reading.label for reading in self.reader.read(self.files[0], Counter())), "nothing")
        others = f"; {self.left_out.total()} others are left out" if self.left_out else ""
        return f"corpus: {_files(len(self.files))} ({size:,.1f} MB) from {place(self.files[0])}: {label}{others}"

    def counted(self, later: Counter[str] | None = None) -> str:
        """What became of the documents that were read so far.

        Args:
            later: Those of the kept ones that were dropped afterwards, by reason.
        """
        later = later or Counter()
        dropped = Counter({reason: n for reason, n in self.counts.items() if reason not in ("read", "kept")}) + later
        kept = self.counts["kept"] - later.total()
        parts = [f"{kept:,} kept", *(f"{count:,} dropped ({reason})" for reason, count in dropped.items())]
        cut = f"; {len(self.cut):,} of more than {LONGEST:,} characters came in parts" if self.cut else ""
        others = self.packed_left_out.total()
        packed = f"; {others:,} files in archives are no text" if others else ""
        return f"{self.counts['read']:,} documents read = {' + '.join(parts)}{cut}{packed}"

    def doubt(self) -> str | None:
        """What makes the first file look like another form than sentences line by line, if anything does."""
        found = lines = characters = 0
        for part in islice(self._parts(self.files[0], Counter()), _HEAD):
            found += part.known and part.flaw is None
            lines += len(part.lines) * part.known
            characters += sum(map(len, part.lines)) * part.known
        if lines < 2 * found:
            why = f"its documents have {lines / found:.1f} lines on average"
        elif characters > _LONG_SENTENCE * lines:
            why = f"its lines have {characters / lines:,.0f} characters on average"
        else:
            return None
        return (
            f"{place(self.files[0])} is read as {forms.SENTENCES.label}, but {why}: if it is not so, "
            "set --one-document-per-line or --document-per-file"
        )

    def _parts(self, path: Path, left_out: Counter[str]) -> Iterator["_Part"]:
        for reading in self.reader.read(path, left_out):
            yield from _parts_of(reading.marks, known=reading.sentences_known)


class _Part(NamedTuple):
    """A document, or one of the parts of a long one, with or without lines."""

    start: Start
    number: int
    lines: tuple[str, ...]
    known: bool

    @property
    def flaw(self) -> str | None:
        """Why it is dropped."""
        return self.start.flaw or (None if self.lines else "empty")

    def document(self) -> Document:
        name = self.start.name.encode(errors="backslashreplace").decode()  # a file's name may be no Unicode
        shown = f"{name} (part {self.number})" if self.number > 1 else name
        return Document(shown, self.lines, self.known, self.number)


def _parts_of(marks: Marks, *, known: bool) -> Iterator[_Part]:
    """Gather the lines between two starts, as long as they are not too many."""
    start: Start | None = None
    number, lines, size = 1, list[str](), 0
    for mark in marks:
        if isinstance(mark, Start):
            if start:
                yield _Part(start, number, tuple(lines), known)
            start, number, lines, size = mark, 1, [], 0
            continue
        assert start, "a form begins with a Start"
        for line in _cut(mark.strip()):
            if size + len(line) > LONGEST:
                yield _Part(start, number, tuple(lines), known)
                number, lines, size = number + 1, [], 0
            lines.append(line)
            size += len(line)
    if start:
        yield _Part(start, number, tuple(lines), known)


def _cut(line: str) -> Sequence[str]:
    """The line, if it is not empty; of one that is too long, the parts."""
    if len(line) <= LONGEST:
        return (line,) if line else ()
    return [line[at : at + LONGEST] for at in range(0, len(line), LONGEST)]


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"
