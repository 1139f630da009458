"""Training instances of BERT's pre-training: which pieces of text make up example i of epoch e.

`NextSentences` is the original's: two segments of whole sentences, and half of the time the second one comes from
another document (Devlin et al. 2019, 3.1 and A.2). `SentenceOrders` swaps the two instead (Lan et al. 2020, 3.1);
`Passages` alone gives single segments for the masked language model. Knows nothing of tensors or masks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from jaxtyping import Float64, Int64

from bertwright.batches.draws import bits, uniform
from bertwright.batches.passages import Documents, Passages, Piece
from bertwright.errors import DataError, UsageError

Objective = Literal["mlm", "mlm+nsp", "mlm+sop"]

SHORT = 0.1  # share of the pairs that are shorter than they could be, as the texts of fine-tuning are
_DRAWS, _CUTS = 21, 22  # set these draws apart from others
_COUNT = 5  # numbers drawn for a pair: for its kind, length and split, and for the partner's document and place


@dataclass(frozen=True, slots=True)
class Instance:
    """One example: a segment, or two and what holds between them.

    Attributes:
        label: 0: the second segment is what follows the first (is next), or the two are in order. 1: it is from
            another document (not next), or the two are swapped. As in the original code and in transformers.
    """

    first: Piece
    second: Piece | None = None
    label: int = 0

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """Its one or two segments."""
        return (self.first,) if self.second is None else (self.first, self.second)


class Instances(Protocol):
    """Examples of one objective, by epoch and number."""

    def __len__(self) -> int:
        """Number of examples in an epoch."""
        ...

    def find(self, epoch: Int64[np.ndarray, " B"], index: Int64[np.ndarray, " B"]) -> list[Instance]:
        """The examples of these numbers, each in its epoch."""
        ...


def make_instances(
    objective: Objective, documents: Documents, numbers: Int64[np.ndarray, " D"], max_length: int, seed: int
) -> Instances:
    """The examples of an objective.

    Args:
        objective: What the model is to learn.
        documents: All documents.
        numbers: Those that the examples are made of.
        max_length: Tokens of an example at most, [CLS] and [SEP] included.
        seed: Decides every draw.

    Raises:
        UsageError: There is no room for text.
        DataError: There is no document, no pair from two documents, or no document with two sentences.
    """
    if max_length < (shortest := 3 if objective == "mlm" else 5):
        raise UsageError(f"max_length = {max_length} leaves no room for {objective}: at least {shortest} tokens")
    if not len(numbers):
        raise DataError("there is no document to learn from: hold fewer out, or add more to the corpus")
    if objective == "mlm":
        return Singles(Passages(documents, numbers, max_length - 2, seed))
    with_pairs = numbers[documents.sentences[numbers] > 1]
    if not len(with_pairs):
        raise DataError(
            f"none of {len(numbers)} documents has two sentences, as --objective {objective} needs: use --objective "
            "mlm, or prepare the corpus so that sentences are told apart"
        )
    passages = Passages(documents, with_pairs, max_length - 3, seed)
    if objective == "mlm+sop":
        return SentenceOrders(passages, seed)
    if len(np.unique(documents.texts[numbers])) < 2:
        raise DataError(
            "next sentence prediction needs two documents or more, and the corpus has 1: separate its documents with "
            "blank lines and prepare it again, or use --objective mlm or mlm+sop"
        )
    return NextSentences(passages, numbers, seed)


@dataclass(frozen=True)
class Singles:
    """Single segments: passages, cut at their end where they are too long."""

    passages: Passages

    def __len__(self) -> int:
        return len(self.passages)

    def find(self, epoch: Int64[np.ndarray, " B"], index: Int64[np.ndarray, " B"]) -> list[Instance]:
        """See `Instances`."""
        room = self.passages.room
        pieces = self.passages.find(epoch, index)
        return [Instance(Piece(piece.document, piece.start, min(piece.end, piece.start + room))) for piece in pieces]


@dataclass(frozen=True)
class SentenceOrders:
    """Two segments that follow each other; half of the time they are swapped."""

    passages: Passages
    seed: int

    def __len__(self) -> int:
        return len(self.passages)

    def find(self, epoch: Int64[np.ndarray, " B"], index: Int64[np.ndarray, " B"]) -> list[Instance]:
        """See `Instances`."""
        return [self._instance(split) for split in _splits(self.passages, self.seed, epoch, index)]

    def _instance(self, split: "_Split") -> Instance:
        first, second = _cut(split.first, split.second, self.passages.room, split.key)
        return Instance(second, first, 1) if split.draws[0] < 0.5 else Instance(first, second, 0)


@dataclass(frozen=True)
class NextSentences:
    """Two segments: what follows, or, half of the time, something out of another document."""

    passages: Passages
    numbers: Int64[np.ndarray, " D"]  # documents that a partner may be from, in ascending order
    seed: int

    def __len__(self) -> int:
        return len(self.passages)

    @cached_property
    def _texts(self) -> Int64[np.ndarray, " D"]:
        """The text of each of `numbers`, ascending as well."""
        texts: Int64[np.ndarray, " D"] = self.passages.documents.texts[self.numbers]
        return texts

    def find(self, epoch: Int64[np.ndarray, " B"], index: Int64[np.ndarray, " B"]) -> list[Instance]:
        """See `Instances`."""
        return [self._instance(split) for split in _splits(self.passages, self.seed, epoch, index)]

    def _instance(self, split: "_Split") -> Instance:
        random_next = split.draws[0] < 0.5
        second = self._partner(split) if random_next else split.second
        first, second = _cut(split.first, second, self.passages.room, split.key)
        return Instance(first, second, int(random_next))

    def _partner(self, split: "_Split") -> Piece:
        """Sentences from a random place of a document of another text, about as many tokens as there is room for."""
        own = self._texts[np.searchsorted(self.numbers, split.first.document)]
        first, end = np.searchsorted(self._texts, [own, own + 1]).tolist()  # the parts of the same text
        other = int(split.draws[3] * (len(self.numbers) - (end - first)))
        document = int(self.numbers[other + (end - first) * (other >= first)])
        boundaries = self.passages.documents.boundaries(document)
        start = int(boundaries[int(split.draws[4] * (len(boundaries) - 1))])
        wanted = max(1, split.target - len(split.first))
        return Piece(document, start, int(boundaries[np.searchsorted(boundaries[:-1], start + wanted)]))


@dataclass(frozen=True, slots=True)
class _Split:
    """A passage in two, with the random numbers that are left to use."""

    first: Piece
    second: Piece
    target: int
    draws: Float64[np.ndarray, " numbers"]
    key: tuple[int, ...]


def _splits(
    passages: Passages, seed: int, epoch: Int64[np.ndarray, " B"], index: Int64[np.ndarray, " B"]
) -> Iterator[_Split]:
    """Each passage, cut short now and then, split where a sentence begins."""
    draws = uniform(seed, _DRAWS, epoch[:, None], index[:, None], np.arange(_COUNT))
    numbers = zip(epoch.tolist(), index.tolist(), strict=True)
    for piece, drawn, number in zip(passages.find(epoch, index), draws, numbers, strict=True):
        yield _split(passages, piece, drawn, (seed, _CUTS, *number))


def _split(passages: Passages, piece: Piece, draws: Float64[np.ndarray, " numbers"], key: tuple[int, ...]) -> _Split:
    target = passages.room
    if draws[1] < SHORT:
        target = 2 + int(draws[1] / SHORT * (passages.room - 1))
    boundaries = passages.documents.boundaries(piece.document)
    low = int(np.searchsorted(boundaries, piece.start, side="right"))  # the first boundary after the start
    high = int(np.searchsorted(boundaries, min(piece.end, piece.start + target)))
    inner = boundaries[low:high]  # where the second segment may begin
    end = min(piece.end, int(boundaries[high]))
    start = piece.start
    if not len(inner):
        start, inner, end = _widened(boundaries, piece, low)
    middle = int(inner[int(draws[2] * len(inner))])
    return _Split(Piece(piece.document, start, middle), Piece(piece.document, middle, end), target, draws, key)


def _widened(
    boundaries: Int64[np.ndarray, " boundaries"], piece: Piece, low: int
) -> tuple[int, Int64[np.ndarray, " 1"], int]:
    """A passage of one sentence, with the one after it, or at a document's end the one before it."""
    if low + 1 < len(boundaries):
        return piece.start, boundaries[low : low + 1], int(boundaries[low + 1])
    return int(boundaries[low - 2]), boundaries[low - 1 : low], int(boundaries[low])


def _cut(first: Piece, second: Piece, room: int, key: tuple[int, ...]) -> tuple[Piece, Piece]:
    """Take tokens from the longer segment until both fit, each from its front or its back at random."""
    kept_second = max(min(len(second), room // 2), room - len(first))
    kept_first = min(len(first), room - min(len(second), kept_second))
    return _trimmed(first, kept_first, (*key, 0)), _trimmed(second, min(len(second), kept_second), (*key, 1))


def _trimmed(piece: Piece, kept: int, key: tuple[int, ...]) -> Piece:
    surplus = len(piece) - kept
    if surplus <= 0:
        return piece
    coins = bits(*key, np.arange(-(-surplus // 64)))
    heads = int.from_bytes(coins.astype("<u8").tobytes(), "little") & ((1 << surplus) - 1)
    front = heads.bit_count()
    return Piece(piece.document, piece.start + front, piece.start + front + kept)
