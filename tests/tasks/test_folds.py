"""Folds: every row in one, each stratum even among them, what belongs together never apart."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertwright.errors import DataError
from bertwright.tasks.folds import folds

PATH = Path("train.csv")
STRATA = st.lists(st.sampled_from("abc"), min_size=7, max_size=80)


@given(strata=STRATA, count=st.integers(2, 7), seed=st.integers(0, 2**32 - 1))
def test_each_stratum_is_even_and_so_is_the_whole(strata: list[str], count: int, seed: int) -> None:
    found = folds(PATH, strata, count, seed=seed).tolist()
    assert set(found) <= set(range(1, count + 1))
    for name in set(strata):
        sizes = Counter(dict.fromkeys(range(1, count + 1), 0))
        sizes.update(fold for fold, stratum in zip(found, strata, strict=True) if stratum == name)
        assert max(sizes.values()) - min(sizes.values()) <= 1
    whole = Counter(found)
    assert max(whole.values()) - min(whole.values()) <= 1
    assert folds(PATH, strata, count, seed=seed).tolist() == found


@given(groups=st.lists(st.integers(0, 9), min_size=1, max_size=80), count=st.integers(2, 5))
def test_groups_stay_together(groups: list[int], count: int) -> None:
    strata = [str(group % 2) for group in groups]
    if len(set(groups)) < count:
        found = "1 different row is" if len(set(groups)) == 1 else f"{len(set(groups))} different rows are"
        with pytest.raises(DataError, match=f"^train.csv: {found} too few for {count} folds$"):
            folds(PATH, strata, count, seed=0, groups=groups)
        return
    places = defaultdict(set)
    for group, fold in zip(groups, folds(PATH, strata, count, seed=0, groups=groups).tolist(), strict=True):
        places[group].add(fold)
    assert all(len(where) == 1 for where in places.values())


def test_the_seed_decides() -> None:
    strata = ["a", "b"] * 20
    assert folds(PATH, strata, 4, seed=0).tolist() != folds(PATH, strata, 4, seed=1).tolist()
