"""Which figures are better: high ones, but for losses and errors."""

import pytest

from bertwright.tasks.kinds import TASKS
from bertwright.tasks.metrics import rank


@pytest.mark.parametrize(("metric", "best"), [("pearson", 0.9), ("mse", 0.1), ("mae", 0.1), ("loss", 0.1)])
def test_the_direction_comes_from_the_metric(metric: str, best: float) -> None:
    found = [{"loss": 0.5, metric: value} for value in (0.1, 0.5, 0.9)]
    assert max(found, key=lambda metrics: rank(metrics, metric))[metric] == best


def test_the_loss_decides_ties() -> None:
    worse, better = {"accuracy": 0.5, "loss": 0.9}, {"accuracy": 0.5, "loss": 0.8}
    assert rank(better, "accuracy") > rank(worse, "accuracy")


def test_no_task_has_an_error_whose_direction_is_unknown() -> None:
    """A figure that is new needs a thought: does a high one mean good?"""
    names = {name for task in TASKS.values() if isinstance(task.metrics, tuple) for name in task.metrics}
    assert names == {
        *("accuracy", "exact_match", "f1", "f1_macro", "f1_micro", "f1_weighted", "precision", "recall"),
        *("loss", "mae", "mse", "pearson", "spearman"),
    }
