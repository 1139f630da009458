"""Documents of a shard folder, and the passages that they are cut into: which tokens make up example i of epoch e.

A document of n tokens is ceil(n / room) passages in every epoch, so that an example is found by its number alone. Where
one passage ends and the next begins is drawn anew for each epoch and moved on to where a sentence begins; every
sentence is in one passage of an epoch. Knows nothing of pairs or masks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64, UInt

from bertwright.batches.draws import permuted, uniform
from bertwright.text.shards import Shard

_FEWEST = 10  # documents: of fewer, two are too many to do without
_SHIFT, _HELD_OUT = 11, 12  # set these draws apart from others


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive tokens of one document: from `start` to before `end`, counted from the document's first."""

    document: int
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


class Documents:
    """All documents of some shards, numbered through; their tokens are read where they lie.

    Attributes:
        lengths: Tokens of each document.
        sentences: Sentences of each document.
        texts: Number of the text that each document is of: parts of one long text share it.
    """

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = tuple(shards)
        self.lengths: Int64[np.ndarray, " D"] = np.concatenate([np.diff(s.sentences[s.documents]) for s in shards])
        self.sentences: Int64[np.ndarray, " D"] = np.concatenate([np.diff(s.documents) for s in shards])
        begins = np.ones(len(self.lengths), bool)
        self._first = np.cumsum([0, *(len(shard) for shard in shards)])
        for shard, first in zip(shards, self._first, strict=False):
            begins[first + shard.continued] = False
        self.texts: Int64[np.ndarray, " D"] = np.cumsum(begins) - 1

    def __len__(self) -> int:
        """Number of documents, D."""
        return len(self.lengths)

    def boundaries(self, document: int) -> Int64[np.ndarray, " boundaries"]:
        """Where each sentence of a document begins among its tokens, and its length at the end."""
        shard, place = self._find(document)
        first, last = shard.documents[place : place + 2]
        sentences = shard.sentences[first : last + 1]
        boundaries: Int64[np.ndarray, " boundaries"] = sentences - sentences[0]
        return boundaries

    def read(self, piece: Piece) -> tuple[UInt[np.ndarray, " tokens"], Bool[np.ndarray, " tokens"]]:
        """Ids of a piece, and whether a word begins with each."""
        shard, place = self._find(piece.document)
        begin = int(shard.sentences[shard.documents[place]])
        start, end = begin + piece.start, begin + piece.end
        return shard.tokens[start:end], shard.word_starts(start, end)

    def name(self, document: int) -> str:
        """Where a document comes from."""
        shard, place = self._find(document)
        return shard.names[place]

    def _find(self, document: int) -> tuple[Shard, int]:
        number = int(np.searchsorted(self._first, document, side="right")) - 1
        return self.shards[number], document - int(self._first[number])


def hold_out(
    documents: Documents, fraction: float, seed: int, *, pairs: bool
) -> tuple[Int64[np.ndarray, " train"], Int64[np.ndarray, " held"]]:
    """Numbers of the documents to learn from, and of those to be measured on: whole texts, two or more.

    Args:
        documents: All of them; where there are few, none is held out.
        fraction: Share of the texts that is held out, at most half.
        seed: Decides which.
        pairs: Whether only texts that pairs can be made of are worth measuring on: those of two sentences or more.
    """
    texts = documents.texts[documents.sentences > 1] if pairs else documents.texts
    eligible = np.unique(texts)
    wanted = 0
    if fraction and len(eligible) >= _FEWEST:
        wanted = min(max(2, round(len(np.unique(documents.texts)) * fraction)), len(eligible) // 2)
    held = np.zeros(len(documents), bool)
    if wanted:
        chosen = eligible[permuted(np.arange(wanted), len(eligible), seed, _HELD_OUT)]
        held = np.isin(documents.texts, chosen)
    return np.flatnonzero(~held), np.flatnonzero(held)


class Passages:
    """The passages of some documents, by number.

    Args:
        documents: All documents.
        numbers: Those that are cut into passages.
        room: Tokens of a passage, on average over a long document.
        seed: Decides where passages begin.
    """

    def __init__(self, documents: Documents, numbers: Int64[np.ndarray, " D"], room: int, seed: int) -> None:
        self.documents, self.numbers, self.room, self.seed = documents, numbers, room, seed
        counts = -(-documents.lengths[numbers] // room)
        self._ends = np.cumsum(counts)

    def __len__(self) -> int:
        """Number of passages in an epoch."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def find(self, epoch: Int64[np.ndarray, " B"], index: Int64[np.ndarray, " B"]) -> list[Piece]:
        """The passages of these numbers, each in its epoch."""
        place = np.searchsorted(self._ends, index, side="right")
        document = self.numbers[place]
        length = self.documents.lengths[document]
        count = -(-length // self.room)
        last = length - (count - 1) * self.room
        nth = index - (self._ends[place] - count)
        # The first passage has from `last` to `room` tokens, the last one what is left: never more, nor fewer, of them.
        drawn = uniform(self.seed, _SHIFT, epoch, document)
        first = last + (drawn * (self.room - last + 1)).astype(np.int64)
        start = np.where(nth == 0, 0, first + (nth - 1) * self.room)
        end = np.minimum(first + nth * self.room, length)
        return [self._snapped(*edges) for edges in zip(document.tolist(), start.tolist(), end.tolist(), strict=True)]

    def _snapped(self, document: int, start: int, end: int) -> Piece:
        boundaries = self.documents.boundaries(document)
        piece = Piece(document, self._snap(boundaries, start), self._snap(boundaries, end))
        return piece if len(piece) else Piece(document, start, end)  # no sentence begins here: the end of one

    def _snap(self, boundaries: Int64[np.ndarray, " boundaries"], place: int) -> int:
        """The first sentence from here on; right here in the middle of a sentence as long as a passage."""
        begins = int(boundaries[np.searchsorted(boundaries, place)])
        return begins if begins - place < self.room else place
