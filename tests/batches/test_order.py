"""The order of rows: each comes once, nothing but (seed, epoch) decides where, and it is as random as it looks."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bertwright.batches.order import BatchOrder, epoch_batches, parts, shuffled, stream, token_batches

LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=200).map(np.array)
SEEDS = st.integers(0, 2**32)
ROWS, BATCH = 4_000, 25


@pytest.fixture(scope="module")
def lengths() -> NDArray[np.int64]:
    """Lengths as texts have them: most short, some very long."""
    return np.exp(np.random.default_rng(0).normal(3, 0.8, ROWS)).astype(np.int64) + 2


def as_lists(batches: list[NDArray[np.int64]]) -> list[list[int]]:
    return [batch.tolist() for batch in batches]


@given(LENGTHS, st.integers(1, 20), SEEDS, st.integers(0, 5))
def test_every_row_comes_once_in_an_epoch(lengths: NDArray[np.int64], size: int, seed: int, epoch: int):
    batches = epoch_batches(lengths, size, seed=seed, epoch=epoch)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert sorted(map(len, batches), reverse=True)[:-1] == [size] * (len(batches) - 1)


def test_the_order_never_changes():
    """Literals: a run must go on from a snapshot of years ago, with any numpy, on any machine."""
    assert stream(5, 1, 0).random_raw(2).tolist() == [6706450742247290492, 9000525422765648629]
    assert shuffled(7, 3).tolist() == [0, 1, 2, 5, 6, 4, 3]
    lengths = np.arange(37) * 7 % 20 + 1
    first, second = (as_lists(epoch_batches(lengths, 2, seed=0, epoch=epoch)) for epoch in (0, 1))
    # fmt: off
    assert first == [
        [21, 27], [1, 5], [23, 6], [33, 22], [16, 36], [12, 13], [20, 15], [4], [8, 31], [32, 2],
        [30, 25], [29, 10], [35, 24], [11, 34], [3, 26], [28, 17], [0, 19], [7, 14], [9, 18],
    ]
    # fmt: on
    assert second[:5] == [[32, 1], [22, 34], [21], [3, 15], [6, 29]]


@given(LENGTHS, st.integers(1, 20), SEEDS)
def test_only_seed_and_epoch_decide(lengths: NDArray[np.int64], size: int, seed: int):
    first, second = (epoch_batches(lengths, size, seed=seed, epoch=3) for _ in range(2))
    assert as_lists(first) == as_lists(second)


def pairs(batches: list[NDArray[np.int64]]) -> set[tuple[int, int]]:
    """Rows that share a batch."""
    return {pair for batch in batches for pair in combinations(sorted(batch.tolist()), 2)}


@pytest.mark.parametrize("other", [{"seed": 1, "epoch": 0}, {"seed": 0, "epoch": 1}], ids=str)
@pytest.mark.parametrize("rows", [250, 500, ROWS])
def test_other_seeds_and_epochs_mix_the_rows_anew(lengths: NDArray[np.int64], rows: int, other: dict[str, int]):
    """Not just other places for the same batches: few rows that shared one share one again, in small data too."""
    one, another = (epoch_batches(lengths[:rows], BATCH, **key) for key in ({"seed": 0, "epoch": 0}, other))
    assert len(pairs(one) & pairs(another)) < 0.15 * len(pairs(one))


def padding(batches: list[NDArray[np.int64]], lengths: NDArray[np.int64]) -> float:
    """Padded places for each token."""
    return sum(len(batch) * lengths[batch].max() for batch in batches) / lengths.sum() - 1


def test_like_lengths_share_a_batch(lengths: NDArray[np.int64]):
    random = np.array_split(shuffled(ROWS, 0), ROWS // BATCH)
    assert padding(random, lengths) > 1.0
    assert padding(epoch_batches(lengths, BATCH, seed=0, epoch=0), lengths) < 0.3


def correlation(x: NDArray[np.number], y: NDArray[np.number]) -> float:
    """Spearman's, in deviations from none."""
    ranks = [np.argsort(np.argsort(values)) for values in (x, y)]
    return float(np.corrcoef(*ranks)[0, 1]) * len(x) ** 0.5


def test_the_order_is_random(lengths: NDArray[np.int64]):
    """Neither the place in the file nor the length tells when a row comes, nor what comes next."""
    batches = epoch_batches(lengths, BATCH, seed=0, epoch=0)
    first, mean_length = (np.array([f(batch) for batch in batches]) for f in (min, lambda b: lengths[b].mean()))
    when = np.arange(len(batches))
    assert abs(correlation(when, first)) < 4
    assert abs(correlation(when, mean_length)) < 4
    assert abs(correlation(mean_length[1:], mean_length[:-1])) < 4
    rows = np.concatenate(batches)
    assert abs(correlation(np.arange(ROWS), rows)) < 4
    assert abs(correlation(rows[1:], rows[:-1])) < 4


def test_a_sorted_file_gives_mixed_batches():
    """The first half of the file is one label: a batch holds as many of it as a fair draw does."""
    batches = epoch_batches(np.full(ROWS, 7), BATCH, seed=0, epoch=0)
    counts = np.array([(batch < ROWS // 2).sum() for batch in batches])
    fair = BATCH / 4 * (ROWS - BATCH) / (ROWS - 1)  # variance of the hypergeometric distribution
    assert counts.mean() == BATCH / 2
    assert abs(counts.var() / fair - 1) < 4 * (2 / len(batches)) ** 0.5


def test_all_permutations_are_as_likely():
    counts = Counter(tuple(shuffled(3, seed).tolist()) for seed in range(3_000))
    chi_squared = sum((count - 500) ** 2 / 500 for count in counts.values())
    assert len(counts) == 6
    assert chi_squared < 25  # 5 degrees of freedom: p = 0.0001


# ---- a run's batches by step


@given(LENGTHS, st.integers(1, 20), SEEDS, st.data())
def test_any_step_can_be_asked_for(lengths: NDArray[np.int64], size: int, seed: int, data: st.DataObject):
    order = BatchOrder(lengths, size, seed=seed)
    through = [batch for epoch in range(3) for batch in epoch_batches(lengths, size, seed=seed, epoch=epoch)]
    assert len(through) == 3 * order.steps_per_epoch
    for step in data.draw(st.lists(st.integers(0, len(through) - 1), max_size=9)):
        assert order.rows(step).tolist() == through[step].tolist()


# ---- evaluation


@given(LENGTHS, st.integers(1, 1_000))
def test_token_batches_hold_every_row_within_the_budget(lengths: NDArray[np.int64], budget: int):
    batches = token_batches(lengths, budget)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= budget
    flat = lengths[np.concatenate(batches)].tolist()
    assert flat == sorted(flat, reverse=True)


def test_token_batches_fill_the_budget():
    """A batch takes as many rows as fit: never half a budget is left where rows are short."""
    lengths = np.random.default_rng(0).integers(1, 50, 1_000)
    sizes = [len(batch) * lengths[batch].max() for batch in token_batches(lengths, 512)]
    assert min(sizes[:-1]) > 512 - 50
    assert token_batches(np.array([], dtype=np.int64), 512) == []


# ---- accumulation


@given(st.integers(1, 50), st.integers(1, 60))
def test_parts_are_the_batch_in_nearly_equal_pieces(size: int, count: int):
    rows = np.arange(100, 100 + size)
    pieces = parts(rows, count)
    assert np.concatenate(pieces).tolist() == rows.tolist()
    assert len(pieces) == min(count, size)
    assert max(map(len, pieces)) - min(map(len, pieces)) <= 1


def test_without_lengths_who_shares_a_batch_is_drawn_alone():
    """The batches are the shuffled rows cut into pieces, whatever their lengths."""
    lengths = np.arange(ROWS) % 41 + 2
    one, other = (BatchOrder(given, BATCH, seed=3, by_length=False) for given in (lengths, lengths[::-1].copy()))
    steps = range(one.steps_per_epoch)
    assert [set(one.rows(step).tolist()) for step in steps] == [set(other.rows(step).tolist()) for step in steps]
    grouped = BatchOrder(lengths, BATCH, seed=3)
    assert {frozenset(one.rows(step).tolist()) for step in steps} != {
        frozenset(grouped.rows(step).tolist()) for step in steps
    }
    assert sorted(row for step in steps for row in one.rows(step).tolist()) == list(range(ROWS))
