"""Bootstrap intervals: they hold the truth as often as they say, and are scipy's but for the draw."""

import numpy as np
import pytest
import scipy.stats

from bertwright.evaluation.uncertainty import affordable, draws_of, intervals
from bertwright.tasks.regression import RegressionTally


def correlated(rows: int, seed: int) -> RegressionTally:
    draw = np.random.default_rng(seed)
    tally = RegressionTally()
    truth = draw.normal(size=rows)
    tally.truth.add(truth)
    tally.found.add(0.6 * truth + 0.8 * draw.normal(size=rows))  # the correlation is 0.6
    return tally


def test_the_interval_holds_the_truth_95_times_in_100():
    """Of 400 test sets of 300 rows, drawn from a world whose figures are known: a share and a ratio of two sums."""
    held = {"accuracy": 0, "ratio": 0}
    for simulation in range(400):
        draw = np.random.default_rng(simulation)
        right, sizes = draw.random(300) < 0.8, draw.integers(1, 10, 300)
        parts = draw.binomial(sizes, 0.4)

        def measure(weights: np.ndarray, *, rows: tuple[np.ndarray, ...] = (right, sizes, parts)) -> dict[str, float]:
            is_right, whole, part = (float(weights @ row) for row in rows)
            return {"accuracy": is_right / weights.sum(), "ratio": part / whole}

        found = intervals(measure, draws_of(np.arange(300), 300, 200, seed=simulation))
        for name, true in (("accuracy", 0.8), ("ratio", 0.4)):
            low, high = found[name]
            held[name] += low <= true <= high
    assert all(0.92 * 400 <= count <= 0.98 * 400 for count in held.values()), held


def test_an_interval_is_scipys():
    tally = correlated(400, seed=7)
    ours = intervals(tally.metrics, draws_of(np.arange(400), 400, 1_000))
    values = (tally.truth.values, tally.found.values)
    theirs = scipy.stats.bootstrap(
        values,
        lambda x, y: scipy.stats.pearsonr(x, y).statistic,
        paired=True,
        vectorized=False,
        n_resamples=1_000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert ours["pearson"] == pytest.approx(tuple(theirs), abs=0.012)
    assert ours["mse"] == ours["loss"]


def test_every_draw_has_as_many_rows_and_the_seed_decides_them():
    places = np.array([1, 4, 5])
    one, again, other = (list(draws_of(places, 7, 50, seed=seed)) for seed in (0, 0, 1))
    assert [weights.tolist() for weights in one] == [weights.tolist() for weights in again]
    assert [weights.tolist() for weights in one] != [weights.tolist() for weights in other]
    assert all(weights.sum() == 3 and set(np.flatnonzero(weights)) <= set(places) for weights in one)
    assert np.mean(one, axis=0)[places] == pytest.approx(1.0, abs=0.4)


def test_figures_that_are_none_have_no_interval_and_missing_ones_do_not_count():
    def measure(weights: np.ndarray) -> dict[str, float]:
        often = {"f1": float(weights[0]), "has_answer_total": 3.0, "best_f1_threshold": 0.5}
        return often | ({"rare": 2.0} if weights[0] > 2 else {})

    found = intervals(measure, draws_of(np.arange(6), 6, 400))
    assert found.keys() == {"f1", "rare"}
    assert found["rare"] == (2.0, 2.0)
    assert intervals(measure, ()) == {}


@pytest.mark.parametrize(
    ("draws", "rows", "made"),
    [(1000, 0, 1000), (1000, 100_000, 1000), (1000, 250_000, 400), (1000, 10**8, 200), (0, 9, 0)],
)
def test_fewer_draws_of_very_many_rows(draws: int, rows: int, made: int):
    assert affordable(draws, rows) == made
