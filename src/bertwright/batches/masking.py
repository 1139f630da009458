"""Masking for the masked language model: which tokens are to be guessed, and what stands in their place.

Of the tokens of a sequence a share (15 %) is chosen; 80 % of these become [MASK], 10 % a random token, 10 % stay
(Devlin et al. 2019, 3.1). They are chosen one by one, by whole words, or by spans of words whose number is geometric
(SpanBERT: Joshi et al. 2020, 3.1). Special tokens and [UNK] are never chosen, and nothing is replaced by one. Knows
nothing of where the tokens come from; T tokens of B sequences, U units, M chosen tokens.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64

from bertwright.batches.draws import below, bits, uniform
from bertwright.text.wordpiece import WordPiece, ranges

Unit = Literal["token", "word", "span"]

LONGEST_SPAN = 10  # words; SpanBERT's
SPAN_ENDS = 0.2  # probability that a span ends after a word; SpanBERT's
_COUNT, _ORDER, _LAST, _SPAN, _FATE, _TOKEN = range(31, 37)  # set these draws apart from others

Ids = Int64[np.ndarray, " T"]


@dataclass(frozen=True, slots=True, eq=False)
class Masked:
    """Tokens with some of them hidden.

    Attributes:
        ids: What the model sees.
        positions: Flat places of the chosen tokens, ascending.
        labels: What stood there.
    """

    ids: Ids
    positions: Int64[np.ndarray, " M"]
    labels: Int64[np.ndarray, " M"]


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where each of T tokens is: what its draws are a function of.

    Attributes:
        sequence: Number of its sequence in the batch, ascending.
        key: Random bits of its sequence, that decide all its draws.
        place: Its place in its sequence, from 0.
    """

    sequence: Int64[np.ndarray, " T"]
    key: np.ndarray
    place: Int64[np.ndarray, " T"]

    @classmethod
    def of(cls, lengths: Int64[np.ndarray, " B"], *key: int | np.ndarray) -> "Places":
        """The places of sequences of these lengths; `key` (numbers, or one for each sequence) decides all draws."""
        sequence = np.repeat(np.arange(len(lengths)), lengths)
        keys = np.broadcast_to(bits(*key), lengths.shape)
        return cls(sequence, keys[sequence], ranges(np.zeros_like(lengths), lengths))

    def take(self, chosen: np.ndarray) -> "Places":
        """The places of some of the tokens."""
        return Places(self.sequence[chosen], self.key[chosen], self.place[chosen])

    def uniform(self, purpose: int) -> Float64[np.ndarray, " T"]:
        """A number in [0, 1) for each token."""
        return uniform(self.key, purpose, self.place)


class Masking:
    """How tokens are hidden.

    Args:
        tokenizer: Says which tokens are special, and what [MASK] is.
        ratio: Share of the tokens that is chosen, on average exactly; [CLS], [SEP] and [UNK] do not count.
        fates: Shares of the chosen that become [MASK], a random token, and that stay.
        unit: What is chosen whole.
    """

    def __init__(
        self,
        tokenizer: WordPiece,
        *,
        ratio: float = 0.15,
        fates: tuple[float, float, float] = (0.8, 0.1, 0.1),
        unit: Unit = "token",
    ) -> None:
        self.ratio, self.unit = ratio, unit
        self._masks, self._replaces = fates[0], fates[0] + fates[1]
        self._mask_id = tokenizer.mask_id
        self._ordinary = tokenizer.ordinary_ids
        self._is_ordinary = np.zeros(tokenizer.vocab_size, dtype=bool)
        self._is_ordinary[self._ordinary] = True

    def apply(self, ids: Ids, word_starts: Bool[np.ndarray, " T"], places: Places) -> Masked:
        """Hide some of the tokens.

        Args:
            ids: T tokens of B sequences.
            word_starts: Whether a word begins with each.
            places: Where they are.
        """
        open_ = np.flatnonzero(self._is_ordinary[ids])  # those that may be chosen
        inside = places.take(open_)
        starts = self._unit_starts(open_, word_starts[open_], inside)
        chosen = self._chosen(starts, inside)
        positions, fate_starts = open_[chosen], starts if self.unit == "span" else np.ones_like(starts)
        fates = _spread(inside.uniform(_FATE), fate_starts)[chosen]
        drawn = below(len(self._ordinary), inside.key[chosen], _TOKEN, inside.place[chosen])
        replaced = np.where(fates < self._replaces, self._ordinary[drawn], ids[positions])
        hidden = ids.copy()
        hidden[positions] = np.where(fates < self._masks, self._mask_id, replaced)
        return Masked(hidden, positions, ids[positions])

    def _unit_starts(
        self, open_: Int64[np.ndarray, " O"], word_starts: Bool[np.ndarray, " O"], places: Places
    ) -> Bool[np.ndarray, " O"]:
        """Whether a unit begins with each of the O tokens that may be chosen."""
        if self.unit == "token" or not len(open_):
            return np.ones(len(open_), dtype=bool)
        apart = np.diff(open_, prepend=-2) > 1  # a special token lies between, or another sequence begins
        words = word_starts | apart
        if self.unit == "word":
            return words
        starts: Bool[np.ndarray, " O"] = apart | (words & (places.uniform(_SPAN) < SPAN_ENDS))
        # A span that grows too long ends all the same: every tenth word after its beginning begins another.
        word = np.cumsum(words)
        since = word - _spread(word, starts)
        starts |= words & (since % LONGEST_SPAN == 0)
        return starts

    def _chosen(self, starts: Bool[np.ndarray, " O"], places: Places) -> Bool[np.ndarray, " O"]:
        """Whether each token is chosen: units in a random order, until a sequence has its share.

        The unit that would go beyond the share is taken with the probability that makes the share right on average.
        """
        unit = np.cumsum(starts) - 1  # [O]
        first = places.take(starts)  # [U]
        length = np.bincount(unit, minlength=len(first.place))
        count = np.bincount(first.sequence, weights=length)  # tokens that may be chosen, by sequence
        wanted = (count * self.ratio)[first.sequence]
        goal = np.floor(wanted + uniform(first.key, _COUNT))
        order = np.lexsort((first.uniform(_ORDER), first.sequence))
        ahead = np.cumsum(length[order]) - length[order]
        ahead -= _spread(ahead, np.diff(first.sequence[order], prepend=-1) > 0)
        room = (goal[order] - ahead) / length[order]
        taken = np.zeros(len(first.place), dtype=bool)
        taken[order] = uniform(first.key[order], _LAST, first.place[order]) < room
        chosen: Bool[np.ndarray, " O"] = taken[unit]
        return chosen


def _spread(values: np.ndarray, starts: Bool[np.ndarray, " T"]) -> np.ndarray:
    """To each place the value at the last start before it, or at it; the first place is a start."""
    spread: np.ndarray = values[starts][np.cumsum(starts) - 1] if len(values) else values
    return spread
