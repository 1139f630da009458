"""Documents in chunks: what one worker does at a time, what a shard is made of, what resuming starts from.

Where a chunk ends is decided by the documents alone, so every run over a corpus cuts it alike. A chunk is kept as
bytes: a few megabytes whatever the script, in one piece for another process, with a hash that says what it holds.
Knows nothing of tokens.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from bertwright.text.corpus.document import Document

CHUNK_BYTES = 4 << 20  # of UTF-8: a million tokens or so, a second or two of work


@dataclass(frozen=True)
class Chunk:
    """Whole documents, one after the other.

    Attributes:
        data: A line of JSON for each document.
    """

    data: bytes

    @cached_property
    def sha256(self) -> str:
        """The hash of all that the documents hold, their names included."""
        return hashlib.sha256(self.data).hexdigest()

    def documents(self) -> Iterator[Document]:
        """Take the documents out again."""
        for line in self.data.splitlines():
            name, sentences_known, part, *lines = json.loads(line)
            yield Document(name, tuple(lines), sentences_known, part)


def in_chunks(documents: Iterable[Document], size: int) -> Iterator[Chunk]:
    """Cut a stream of documents after each one with which at least `size` bytes have come together."""
    lines, held = list[bytes](), 0
    for document in documents:
        line = _line(document)
        lines.append(line)
        held += len(line)
        if held >= size:
            yield Chunk(b"".join(lines))
            lines, held = [], 0
    if lines:
        yield Chunk(b"".join(lines))


def _line(document: Document) -> bytes:
    values = [document.name, document.sentences_known, document.part, *document.lines]
    return json.dumps(values, ensure_ascii=False).encode() + b"\n"
