"""Masking: the share, 80/10/10, whole words and spans, what is never touched; measured over 100,000 tokens and more."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import small_corpus
from bertwright.batches.draws import below
from bertwright.batches.masking import LONGEST_SPAN, Masked, Masking, Places, Unit

TOKENIZER = small_corpus.TOKENIZER_OF_ALL
SPECIAL = [TOKENIZER.pad_id, TOKENIZER.unk_id, TOKENIZER.cls_id, TOKENIZER.sep_id, TOKENIZER.mask_id]
UNITS: tuple[Unit, ...] = ("token", "word", "span")


class Text:
    """Sequences of random words of one to five tokens, some of them [UNK], between [CLS] and [SEP]."""

    def __init__(self, lengths: list[int], seed: int = 0) -> None:
        self.lengths = np.array(lengths)
        self.places = Places.of(self.lengths, seed, np.arange(len(lengths)))
        count = int(self.lengths.sum())
        self.ids = small_corpus.tokens(seed, count)
        ends = np.cumsum(self.lengths)
        self.ids[ends - self.lengths], self.ids[ends - 1] = TOKENIZER.cls_id, TOKENIZER.sep_id
        self.word_starts = below(3, 9, seed, np.arange(count)) == 0
        self.open = ~np.isin(self.ids, SPECIAL)

    def mask(self, **settings: object) -> Masked:
        return Masking(TOKENIZER, **settings).apply(self.ids, self.word_starts, self.places)  # type: ignore[arg-type]

    def chosen(self, masked: Masked) -> np.ndarray:
        chosen = np.zeros(len(self.ids), bool)
        chosen[masked.positions] = True
        return chosen


TEXT = Text([128] * 1500 + [40, 7, 64] * 300)  # 225,000 tokens


@pytest.mark.parametrize("ratio", [0.15, 0.3, 0.5])
@pytest.mark.parametrize("unit", UNITS)
def test_shares(unit: Unit, ratio: float):
    masked = TEXT.mask(unit=unit, ratio=ratio)
    assert abs(len(masked.positions) / TEXT.open.sum() - ratio) < 0.002
    seen = masked.ids[masked.positions]
    hidden, kept = seen == TOKENIZER.mask_id, seen == masked.labels
    tolerance = 0.035 if unit == "span" else 0.01  # a span of nine tokens has one fate: as many fewer draws
    assert abs(hidden.mean() - 0.8) < tolerance
    assert abs(kept.mean() - 0.1) < tolerance  # a random token is sometimes the same: one in 90 of a tenth
    assert abs((~hidden & ~kept).mean() - 0.1) < tolerance


@pytest.mark.parametrize("fates", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.5, 0.25, 0.25)])
def test_other_fates(fates: tuple[float, float, float]):
    masked = TEXT.mask(fates=fates)
    hidden = masked.ids[masked.positions] == TOKENIZER.mask_id
    assert abs(hidden.mean() - fates[0]) < 0.01
    if fates[2] == 1.0:
        assert np.array_equal(masked.ids, TEXT.ids)


@pytest.mark.parametrize("unit", UNITS)
def test_labels_give_the_text_back_and_nothing_special_is_touched(unit: Unit):
    masked = TEXT.mask(unit=unit)
    restored = masked.ids.copy()
    restored[masked.positions] = masked.labels
    assert np.array_equal(restored, TEXT.ids)
    assert np.all(np.diff(masked.positions) > 0)
    assert TEXT.open[masked.positions].all()
    replaced = masked.ids[masked.positions]
    strange = np.isin(replaced, [*SPECIAL[:4], TOKENIZER.tokens.index("[unused0]")])
    assert not strange.any()


def test_random_tokens_are_even():
    masked = TEXT.mask(fates=(0.0, 1.0, 0.0), ratio=0.5)
    counts = np.bincount(masked.ids[masked.positions], minlength=TOKENIZER.vocab_size)[small_corpus.FIRST :]
    expected = counts.sum() / len(counts)
    assert ((counts - expected) ** 2 / expected).sum() < 150  # 89 degrees of freedom


def test_every_place_is_chosen_as_often():
    """No favour for the front: the share of each place of 1,500 sequences of 128."""
    chosen = TEXT.chosen(TEXT.mask())[: 1500 * 128].reshape(1500, 128)
    open_ = TEXT.open[: 1500 * 128].reshape(1500, 128)
    shares = chosen.sum(0)[1:-1] / open_.sum(0)[1:-1]
    assert abs(shares - 0.15).max() < 0.045  # 4.8 deviations
    assert abs(shares[:63].mean() - shares[63:].mean()) < 0.005


def test_tokens_are_as_many_in_each_sequence():
    """Rounded up or down, never further."""
    chosen = TEXT.chosen(TEXT.mask())
    ends = np.cumsum(TEXT.lengths)
    for start, end in pairwise([0, *ends[:1500]]):
        assert abs(chosen[start:end].sum() - 0.15 * TEXT.open[start:end].sum()) < 1


def words(text: Text) -> list[list[int]]:
    """Flat places of each word: a run between starts, [UNK]s and special tokens apart."""
    found: list[list[int]] = []
    for place in np.flatnonzero(text.open).tolist():
        if text.word_starts[place] or not text.open[place - 1]:
            found.append([])
        found[-1].append(place)
    return found


@given(st.lists(st.integers(2, 60), min_size=1, max_size=8), st.integers(0, 99), st.sampled_from(UNITS[1:]))
def test_no_part_of_a_word(lengths: list[int], seed: int, unit: Unit):
    text = Text(lengths, seed)
    chosen = text.chosen(text.mask(unit=unit, ratio=0.4))
    for word in words(text):
        assert chosen[word].all() or not chosen[word].any()


def test_words_are_chosen_whatever_their_length():
    """A long word is as likely as a short one."""
    chosen = TEXT.chosen(TEXT.mask(unit="word"))
    by_length: dict[int, list[bool]] = {}
    for word in words(TEXT):
        by_length.setdefault(len(word), []).append(bool(chosen[word[0]]))
    for length in (1, 2, 3, 5):
        assert abs(np.mean(by_length[length]) - 0.15) < 0.012, length


def test_spans_are_geometric_and_share_a_fate():
    """Runs of chosen words: their mean length is SpanBERT's 3.8 but for the sequences' ends, none above ten."""
    text = Text([3000] * 40)
    masked = text.mask(unit="span", ratio=0.05, fates=(0.5, 0.0, 0.5))
    chosen, hidden = text.chosen(masked), masked.ids == TOKENIZER.mask_id
    runs, mixed = [0], 0
    before = None
    for word in words(text):
        if chosen[word[0]]:
            follows = before is not None and before == word[0] - 1
            runs = [*runs[:-1], runs[-1] + 1] if follows else [*runs, 1]
            mixed += follows and bool(hidden[word[0]] != hidden[before])
        before = word[-1] if chosen[word[0]] else None
    lengths = np.array(runs[1:])
    assert abs(lengths[lengths <= LONGEST_SPAN].mean() - 3.6) < 0.5
    assert mixed < 0.1 * len(lengths)  # two spans may touch
    assert (lengths > 2 * LONGEST_SPAN).sum() == 0


def test_a_mask_is_a_function_of_its_key_alone():
    """The same in any batch; another for another key."""
    text = Text([30, 50, 20])
    masking = Masking(TOKENIZER)
    together = masking.apply(text.ids, text.word_starts, text.places)
    alone = masking.apply(text.ids[30:80], text.word_starts[30:80], Places.of(np.array([50]), 0, np.array([1])))
    assert np.array_equal(together.ids[30:80], alone.ids)
    other = masking.apply(text.ids[30:80], text.word_starts[30:80], Places.of(np.array([50]), 0, np.array([2])))
    assert not np.array_equal(other.positions, alone.positions)


def test_nothing_to_choose():
    """Of sequences of special tokens alone nothing is hidden."""
    text = Text([2, 2])
    for unit in UNITS:
        assert text.mask(unit=unit).positions.tolist() == []
