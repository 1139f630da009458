"""The figures of a suite of tasks in the form that papers print: a column a task, in percent, and their average.

Knows no file and no model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any


@dataclass(frozen=True, slots=True)
class TaskScore:
    """What came of one task.

    Attributes:
        title: As papers write it.
        figures: By name, one value for each seed, as a share of 1 or, where `percent`, of 100.
        percent: Whether these are percentages already, as the official figures of SQuAD are.
    """

    title: str
    figures: Mapping[str, Sequence[float]]
    percent: bool

    def values(self, figure: str) -> list[float]:
        """A figure of each seed, in percent."""
        return [value if self.percent else 100 * value for value in self.figures[figure]]

    @property
    def mean(self) -> float:
        """Over its figures and seeds, in percent: what it adds to the average of its suite."""
        return fmean(fmean(self.values(figure)) for figure in self.figures)

    def cell(self) -> str:
        """`88.9 ± 0.3 / 84.1 ± 0.5`."""
        return " / ".join(_spread(self.values(figure)) for figure in self.figures)

    def to_dict(self) -> dict[str, Any]:
        """JSON values: of each figure `mean`, `std` (n - 1; 0 of one seed) and `values`, in percent."""
        return {
            "title": self.title,
            "figures": {name: _summary(self.values(name)) for name in self.figures},
            "mean": self.mean,
        }


def average(scores: Mapping[str, TaskScore]) -> float:
    """Every task counts once, however many figures it has: as GLUE does."""
    return fmean(score.mean for score in scores.values())


def suite_table(title: str, model: str, scores: Mapping[str, TaskScore], of: int) -> str:
    """A Markdown table: the figures' names below the tasks', then the model's row; `of` so many tasks in the suite."""
    names = [score.title for score in scores.values()]
    figures = [" / ".join(score.figures) for score in scores.values()]
    rows = [
        [title, *names, "average" if len(names) == of else f"average of {len(names)} of {of} tasks"],
        ["---", *["---:"] * (len(names) + 1)],
        ["", *figures, ""],
        [model.replace("|", "\\|"), *(score.cell() for score in scores.values()), f"{average(scores):.1f}"],
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _spread(values: Sequence[float]) -> str:
    mean = f"{fmean(values):.1f}"
    return f"{mean} ± {stdev(values):.1f}" if len(values) > 1 else mean


def _summary(values: Sequence[float]) -> dict[str, Any]:
    std = stdev(values) if len(values) > 1 else 0.0
    return {"mean": fmean(values), "std": std, "values": list(values)}
