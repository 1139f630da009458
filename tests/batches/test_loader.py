"""Threads change no batch: what is prepared ahead is what would have been built."""

import threading

import numpy as np
import pytest

from bertwright.batches.loader import Loader
from bertwright.batches.order import Rows


class Source:
    """Gives its rows back, and remembers what it was asked for and by whom."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[int], bool]] = []

    def batch(self, rows: Rows) -> list[int]:
        self.asked.append((rows.tolist(), threading.current_thread() is threading.main_thread()))
        if rows[0] == 13:
            raise ValueError("a bad row")
        return [int(row) for row in rows]


def rows(step: int) -> Rows:
    return np.arange(8) + 8 * step


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_parts_of_each_step_in_order(workers: int):
    source, loader = Source(), Loader[list[int]](accumulation=3, workers=workers)
    for step in range(5):
        found = loader.load(source, rows(step), (rows(step + 1), rows(step + 2)))
        assert found == [part.tolist() for part in np.array_split(rows(step), 3)]
    assert all(main == (workers == 0) for _, main in source.asked)
    wanted = 15 if workers == 0 else 21  # two steps were prepared that nobody asked for
    assert len(source.asked) <= wanted


def test_a_wrong_guess_costs_nothing_but_time():
    source, loader = Source(), Loader[list[int]](workers=1)
    loader.load(source, rows(0), (rows(1),))
    other = Source()
    assert loader.load(other, rows(1), ()) == [rows(1).tolist()]
    assert loader.load(source, rows(7), ()) == [rows(7).tolist()]


def test_an_error_in_a_thread_is_raised_where_the_batch_is_wanted():
    loader = Loader[list[int]](workers=1)
    loader.load(Source(), rows(0), (np.array([13]),))
    with pytest.raises(ValueError, match="a bad row"):
        loader.load(Source(), np.array([13]), ())
