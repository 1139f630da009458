"""The table of several trainings, and of one."""

from bertwright.evaluation.repeats import Repeats, Repetition

FIGURES = {"validation": {"accuracy": 0.5}}


def test_one_training_has_no_deviation() -> None:
    one, another = Repetition(3, 4, FIGURES), Repetition(4, 4, FIGURES)
    assert Repeats("seed", "accuracy", [one]).table(starred=3) == [
        "                     seed 3*",
        "validation accuracy   0.5000",
    ]
    assert Repeats("seed", "accuracy", [one, another]).table() == [
        "                      seed 3   seed 4  mean ± std",
        "validation accuracy   0.5000   0.5000  0.5000 ± 0.0000",
    ]
