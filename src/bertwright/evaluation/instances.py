"""What pre-training reads, for people: some training instances token by token, and figures of many.

Everything comes out of `PretrainingExamples.draw`, as a batch does. Knows no terminal, no page and no file.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from bertwright.batches.pairs import Instance
from bertwright.batches.passages import Documents, Piece
from bertwright.tasks.pretraining import Drawn, PretrainingExamples
from bertwright.text.wordpiece import WordPiece

Fate = Literal["plain", "special", "masked", "replaced", "kept"]

RELATIONS = {"nsp": ("IsNext", "NotNext"), "sop": ("InOrder", "Swapped")}
"""What the labels 0 and 1 of a pair mean, by objective."""

BINS = 16  # of the histogram of lengths
_AT_ONCE = 256  # sequences drawn together


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Attributes:
        text: What the model sees, as it is in the vocabulary.
        original: What stands in the text.
        fate: What became of it; all but `plain` and `special` ones are to be guessed.
        begins_word: Whether a word begins with it.
    """

    text: str
    original: str
    fate: Fate
    begins_word: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """One training instance.

    Attributes:
        segments: Tokens of the first segment, and of the second if there is one, with [CLS] and [SEP].
        documents: The name of the document that each segment is from.
        relation: What holds between the two, by its name.
    """

    segments: tuple[tuple[Token, ...], ...]
    documents: tuple[str, ...]
    relation: str | None


def sequences(examples: PretrainingExamples, pairs: str, rows: NDArray[np.integer[Any]]) -> Iterator[Shown]:
    """The instances at `rows`.

    Args:
        examples: What pre-training reads.
        pairs: `nsp`, `sop` or nothing.
        rows: Their numbers.
    """
    if not len(rows):
        return
    drawn = examples.draw(rows)
    tokens = _tokens(drawn, examples.tokenizer)
    ends = np.cumsum(drawn.sequences.lengths)
    for place, instance in enumerate(drawn.instances):
        own = slice(ends[place] - drawn.sequences.lengths[place], ends[place])
        segment_of = drawn.sequences.segments[own]
        segments = (
            tuple(token for token, segment in zip(tokens[own], segment_of, strict=True) if segment == number)
            for number in range(len(instance.pieces))
        )
        documents = tuple(examples.documents.name(piece.document) for piece in instance.pieces)
        yield Shown(tuple(segments), documents, RELATIONS[pairs][instance.label] if pairs else None)


def _tokens(drawn: Drawn, tokenizer: WordPiece) -> list[Token]:
    seen, originals = tokenizer.decode(drawn.masked.ids), tokenizer.decode(drawn.sequences.ids)
    fates: list[Fate] = ["special" if special else "plain" for special in _special(drawn.sequences.ids, tokenizer)]
    for position in drawn.masked.positions:
        fates[position] = _fate(drawn.masked.ids[position], drawn.sequences.ids[position], tokenizer.mask_id)
    starts = drawn.sequences.word_starts.tolist()
    return [Token(*each) for each in zip(seen, originals, fates, starts, strict=True)]


def _special(ids: NDArray[np.integer[Any]], tokenizer: WordPiece) -> NDArray[np.bool_]:
    """Which tokens are no text; [UNK] is text that has no other token."""
    return np.isin(ids, [tokenizer.cls_id, tokenizer.sep_id])


def _fate(seen: int, original: int, mask_id: int) -> Fate:
    if seen == mask_id:
        return "masked"
    return "kept" if seen == original else "replaced"


@dataclass(frozen=True, slots=True)
class Figures:
    """What was counted in a sample of sequences.

    Attributes:
        sequences: How many there were.
        tokens: All their tokens.
        padding: Tokens of the first batch that are of none of its sequences.
        text_tokens: Those that are text: neither [CLS] nor [SEP].
        unknown: Of these, [UNK].
        masked, replaced, kept: Of these, the ones to be guessed, by what the model sees there.
        unrelated: Sequences with the label 1: not next, or swapped.
        repeated_sequences: Sequences with the very tokens of an earlier one.
        sentences: Different places of sentences that were read whole.
        repeated_sentences: Of these, those with the very tokens of one at another place.
        bins: Lengths between which the sequences were counted.
        lengths: How many were there.
    """

    sequences: int
    tokens: int
    padding: int
    text_tokens: int
    unknown: int
    masked: int
    replaced: int
    kept: int
    unrelated: int
    repeated_sequences: int
    sentences: int
    repeated_sentences: int
    bins: tuple[int, ...]
    lengths: tuple[int, ...]

    @property
    def chosen(self) -> int:
        """Tokens to be guessed."""
        return self.masked + self.replaced + self.kept

    @property
    def mask_share(self) -> float:
        """Share of the tokens to be guessed among those that may be: [CLS], [SEP] and [UNK] are never."""
        return self.chosen / max(self.text_tokens - self.unknown, 1)

    @property
    def fate_shares(self) -> tuple[float, float, float]:
        """Of the tokens to be guessed, the shares of [MASK], of random tokens, and of those left as they are."""
        masked, replaced, kept = (count / max(self.chosen, 1) for count in (self.masked, self.replaced, self.kept))
        return masked, replaced, kept

    @property
    def unknown_rate(self) -> float:
        """Share of [UNK] in the text."""
        return self.unknown / max(self.text_tokens, 1)

    @property
    def related_share(self) -> float:
        """Share of the pairs with the label 0: is next, or in order."""
        return 1 - self.unrelated / max(self.sequences, 1)

    @property
    def repeated_sentence_rate(self) -> float:
        """Share of the sentences that stand at another place as well."""
        return self.repeated_sentences / max(self.sentences, 1)

    @property
    def repeated_sequence_rate(self) -> float:
        """Share of the sequences that repeat an earlier one."""
        return self.repeated_sequences / max(self.sequences, 1)


def measure_instances(examples: PretrainingExamples, samples: int) -> Figures:
    """Count in the first `samples` sequences of the first epoch, which is in a random order."""
    count = min(samples, len(examples))
    rows, repeats = np.arange(count), _Repeats(examples.documents)
    width = -(-(examples.max_length - 2) // BINS)
    bins = np.append(np.arange(3, examples.max_length + 1, width), examples.max_length + 1)
    totals, lengths = np.zeros(7, np.int64), np.zeros(len(bins) - 1, np.int64)
    for part in np.array_split(rows, -(-count // _AT_ONCE)):
        drawn = examples.draw(part)
        totals += _counts(drawn, examples.tokenizer)
        lengths += np.histogram(drawn.sequences.lengths, bins)[0]
        repeats.add(drawn)
    tokens, text_tokens, unknown, masked, replaced, kept, unrelated = totals.tolist()
    return Figures(
        sequences=count,
        tokens=tokens,
        padding=_padding(examples, rows[:_AT_ONCE]),
        text_tokens=text_tokens,
        unknown=unknown,
        masked=masked,
        replaced=replaced,
        kept=kept,
        unrelated=unrelated,
        repeated_sequences=repeats.sequences,
        sentences=len(repeats.places),
        repeated_sentences=repeats.sentences,
        bins=tuple(bins.tolist()),
        lengths=tuple(lengths.tolist()),
    )


def _padding(examples: PretrainingExamples, rows: NDArray[np.integer[Any]]) -> int:
    tokens = examples.batch(rows).tokens
    return len(tokens.ids) - int(tokens.cu_seqlens[-1])


def _counts(drawn: Drawn, tokenizer: WordPiece) -> Int64[np.ndarray, "7"]:
    """Tokens, those of text, the unknown, masked, replaced and kept ones, and pairs with the label 1."""
    ids, seen, labels = drawn.sequences.ids, drawn.masked.ids[drawn.masked.positions], drawn.masked.labels
    masked, kept = seen == tokenizer.mask_id, seen == labels
    text = ~_special(ids, tokenizer)
    flags = [np.ones_like(text), text, ids == tokenizer.unk_id, masked, ~masked & ~kept, kept]
    return np.array([*map(np.count_nonzero, flags), np.count_nonzero(drawn.sequences.labels)])


@dataclass(slots=True)
class _Repeats:
    """Sentences and sequences that were seen before; equal tokens have equal hashes."""

    documents: Documents
    places: set[tuple[int, int]] = field(default_factory=set)
    sequences: int = 0
    _sentences: set[int] = field(default_factory=set)
    _sequences: set[int] = field(default_factory=set)

    @property
    def sentences(self) -> int:
        """How many sentences stand at another place as well, all but one of each kind."""
        return len(self.places) - len(self._sentences)

    def add(self, drawn: Drawn) -> None:
        """Take in some sequences."""
        ends = np.cumsum(drawn.sequences.lengths)
        for ids, instance in zip(np.split(drawn.sequences.ids, ends[:-1]), drawn.instances, strict=True):
            self.sequences += (key := hash(ids.tobytes())) in self._sequences
            self._sequences.add(key)
            self._add_sentences(instance)

    def _add_sentences(self, instance: Instance) -> None:
        for piece in instance.pieces:
            boundaries = self.documents.boundaries(piece.document)
            first = int(np.searchsorted(boundaries, piece.start))
            last = int(np.searchsorted(boundaries, piece.end, side="right")) - 1
            for number in range(first, last):
                ids, _ = self.documents.read(Piece(piece.document, *boundaries[number : number + 2].tolist()))
                self.places.add((piece.document, number))
                self._sentences.add(hash(ids.tobytes()))


def table(figures: Figures, documents: Documents, pairs: str) -> list[tuple[str, str, str]]:
    """The figures as rows for people: name, value, and what to make of it."""
    masked, replaced, kept = figures.fate_shares
    rows = [
        ("documents", f"{len(documents):,}", "in the whole shard folder"),
        ("sentences", f"{int(documents.sentences.sum()):,}", ""),
        ("tokens", f"{int(documents.lengths.sum()):,}", ""),
        ("sequences measured", f"{figures.sequences:,}", f"{figures.tokens:,} tokens"),
        ("to be guessed", f"{figures.mask_share:.4f}", "of all tokens but [CLS], [SEP] and [UNK]"),
        ("of these: [MASK]", f"{masked:.4f}", ""),
        ("of these: random", f"{replaced:.4f}", ""),
        ("of these: as they are", f"{kept:.4f}", ""),
        ("tokens a sequence", f"{figures.tokens / max(figures.sequences, 1):.1f}", ""),
        ("padding", f"{figures.padding:,}", "tokens of a batch that are of no sequence: these lie end to end"),
        ("[UNK]", f"{figures.unknown_rate:.4%}", "of the text's tokens"),
        ("repeated sentences", f"{figures.repeated_sentence_rate:.2%}", f"of {figures.sentences:,} in the sample"),
        ("repeated sequences", f"{figures.repeated_sequence_rate:.2%}", "in the sample"),
    ]
    if pairs:
        rows.insert(8, (RELATIONS[pairs][0], f"{figures.related_share:.4f}", "of the pairs"))
    return rows
