"""Random numbers by key: even, independent of each other, the same for ever; permutations that are permutations."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bertwright.batches.draws import below, bits, permuted, uniform


def test_the_numbers_never_change():
    """They decide masks and pairs: a run that goes on must draw what it drew before. The first is SplitMix64's own."""
    assert [int(bits(0)), int(bits(1, 2)), int(bits(2, 1))] == [
        16294208416658607535,
        13608149317741381227,
        16171810823986729605,
    ]
    assert permuted(np.arange(7), 7, 5).tolist() == [2, 5, 4, 6, 1, 0, 3]


def test_arrays_broadcast_and_equal_single_draws():
    found = uniform(3, np.arange(4)[:, None], np.arange(5))
    assert found.shape == (4, 5)
    assert found[2, 3] == uniform(3, 2, 3)
    assert len(np.unique(found)) == 20


def test_evenly_spread_and_unrelated():
    """A million draws: 100 cells by chi-square, neighbours by correlation, for each part of the key."""
    for key in ((7, np.arange(1_000_000)), (np.arange(1_000_000), 7), (1, np.arange(1000)[:, None], np.arange(1000))):
        found = uniform(*key).ravel()
        counts = np.bincount((found * 100).astype(int), minlength=100)
        assert ((counts - 10_000) ** 2 / 10_000).sum() < 160  # 99 degrees of freedom: above 160 once in 10,000
        assert abs(np.corrcoef(found[:-1], found[1:])[0, 1]) < 0.005


@given(st.integers(1, 2**32 - 1), st.integers(0, 2**63))
def test_below_stays_below(limit: int, key: int):
    assert 0 <= below(limit, key) < limit


@given(st.integers(1, 3_000), st.integers(0, 1000))
def test_a_permutation_has_every_number_once(count: int, key: int):
    assert np.array_equal(np.sort(permuted(np.arange(count), count, key)), np.arange(count))


def test_a_few_places_of_a_huge_permutation_cost_little():
    count = 10**12
    found = permuted(np.array([0, 1, count - 1]), count, 4)
    assert len(set(found.tolist())) == 3
    assert found.max() < count


def test_permutations_are_fair():
    """All 24 orders of four numbers, over 480 keys: 20 times each, give or take."""
    orders = Counter(tuple(permuted(np.arange(4), 4, key).tolist()) for key in range(480))
    assert len(orders) == 24
    assert sum((count - 20) ** 2 / 20 for count in orders.values()) < 60  # 23 degrees of freedom
