"""A stream of documents → the shards of a folder, in order: those that are there already stay, the others are made.

Which shard a document comes to, and every byte of a shard, depend on the documents and the encoder alone: not on the
number of processes, nor on how often the work was interrupted. This process alone writes. Knows nothing of settings.
"""

from collections import Counter, deque
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from typing import Self

import numpy as np
from jaxtyping import Int64

from bertwright.errors import DataError
from bertwright.files import damage, read_manifest
from bertwright.text.corpus.document import Document
from bertwright.text.preparing.chunks import CHUNK_BYTES, in_chunks
from bertwright.text.preparing.encoding import EncodedChunk, Encoder
from bertwright.text.preparing.workers import start_workers
from bertwright.text.shards import Shard, shard_folders, write_shard


@dataclass(slots=True)
class Tally:
    """What the shards hold so far.

    Attributes:
        unigrams: How often each id occurs.
        counts: See `Encoder.encode`.
        shards: Their names.
        kept: How many of them were there already.
    """

    unigrams: Int64[np.ndarray, " V"]
    counts: Counter[str] = field(default_factory=Counter)
    shards: list[str] = field(default_factory=list)
    kept: int = 0

    @classmethod
    def empty(cls, encoder: Encoder) -> Self:
        """Of no shard."""
        return cls(np.zeros(encoder.tokenizer.vocab_size, np.int64))

    @property
    def unigram_entropy(self) -> float:
        """In nats a token: the loss of a model that knows how frequent tokens are, and nothing else."""
        shares = self.unigrams[self.unigrams > 0] / self.unigrams.sum()
        return float(-(shares * np.log(shares)).sum())


def make_shards(
    documents: Iterable[Document], folder: Path, encoder: Encoder, *, processes: int, chunk_bytes: int = CHUNK_BYTES
) -> Generator[Tally]:
    """Make the shards of `folder`; yield, after each, what there is.

    Raises:
        BertwrightError: A document cannot be read, the disk is full, or a worker was killed.
    """
    tally = Tally.empty(encoder)
    with start_workers(encoder, processes) as workers:
        under_way = deque[_Order]()
        for number, chunk in enumerate(in_chunks(documents, chunk_bytes)):
            path, facts = folder / f"{number:05}", {"chunk": chunk.sha256, **encoder.facts}
            encoded = None if _holds(path, facts) else workers.encode(chunk)
            under_way.append(_Order(path, facts, encoded))
            if len(under_way) == workers.places:
                yield under_way.popleft().fill(tally)
        while under_way:
            yield under_way.popleft().fill(tally)
    for path in shard_folders(folder):
        if path.name not in tally.shards:  # of a corpus that was longer
            rmtree(path)


@dataclass(frozen=True, slots=True)
class _Order:
    """A shard that is wanted: what it comes from, and what will be in it unless it is there already."""

    path: Path
    facts: Mapping[str, object]
    encoded: Future[EncodedChunk] | None

    def fill(self, tally: Tally) -> Tally:
        """See that the shard is there, and count it."""
        if self.encoded is not None:
            content, counts = self.encoded.result()
            if self.path.exists():  # damaged, or of something else
                rmtree(self.path)
            write_shard(self.path, content, {**self.facts, "counts": counts})
        tally.kept += self.encoded is None
        tally.shards.append(self.path.name)
        tally.counts.update(read_manifest(self.path)["counts"])
        tally.unigrams += np.bincount(Shard.open(self.path).tokens, minlength=len(tally.unigrams))
        return tally


def _holds(path: Path, facts: Mapping[str, object]) -> bool:
    """Whether a shard is there, undamaged, and of just this chunk, vocabulary and segmenter."""
    try:
        manifest = read_manifest(path)
    except DataError:
        return False
    return facts.items() <= manifest.items() and damage(path) is None
