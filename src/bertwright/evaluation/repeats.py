"""Figures of several trainings that differ in one thing, such as the seed: each, their mean, and how far they spread.

Knows no file and no model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any, Self

from bertwright.tasks.metrics import rank

Figures = Mapping[str, Mapping[str, float]]
"""By split, by name."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """One training.

    Attributes:
        number: Its seed, or the number of its fold.
        best_step: The step that its model is from.
        metrics: Its figures by split.
    """

    number: int
    best_step: int
    metrics: Figures


@dataclass(frozen=True, slots=True)
class Repeats:
    """Several trainings, at least one.

    Attributes:
        kind: What they differ in: `seed` or `fold`.
        metric: The figure by which models are chosen.
        runs: In the order of their numbers.
    """

    kind: str
    metric: str
    runs: Sequence[Repetition]

    @property
    def best(self) -> Repetition:
        """That with the best validation figure; the test set has no say."""
        return max(self.runs, key=lambda run: rank(run.metrics["validation"], self.metric))

    @property
    def mean(self) -> dict[str, dict[str, float]]:
        """The mean of each figure, by split."""
        return self._each(mean)

    @property
    def std(self) -> dict[str, dict[str, float]]:
        """The standard deviation of each figure (n - 1 in the denominator), by split; 0 of a single training."""
        return self._each(lambda values: stdev(values) if len(values) > 1 else 0.0)

    def to_dict(self) -> dict[str, Any]:
        """JSON values: `metric`, `best` (a number), `runs` (number, best_step and figures of each), `mean`, `std`."""
        runs = [{self.kind: run.number, "best_step": run.best_step, **run.metrics} for run in self.runs]
        return {"metric": self.metric, "best": self.best.number, "runs": runs, "mean": self.mean, "std": self.std}

    @classmethod
    def of_dict(cls, kind: str, values: Mapping[str, Any]) -> Self:
        """What `to_dict` gave."""
        runs = []
        for entry in values["runs"]:
            metrics = {name: found for name, found in entry.items() if isinstance(found, dict)}
            runs.append(Repetition(entry[kind], entry["best_step"], metrics))
        return cls(kind, values["metric"], runs)

    def table(self, starred: int | None = None, *, names: Sequence[str] | None = None) -> list[str]:
        """A line for each figure, or each of these names: of each training, then of several mean ± deviation.

        A star marks this number.
        """
        heads = [f"{self.kind} {run.number}{'*' if run.number == starred else ''}" for run in self.runs]
        shown = [(split, name) for split, of in self.mean.items() for name in names or of if name in of]
        side = max(len(f"{split} {name}") for split, name in shown)
        widths = [max(len(head), 7) for head in heads]
        means, stds = self.mean, self.std
        lines = ["  ".join([" " * side, *(f"{head:>{width}}" for head, width in zip(heads, widths, strict=True))])]
        several = len(self.runs) > 1
        lines[0] += "  mean ± std" if several else ""
        for split, name in shown:
            cells = [f"{run.metrics[split][name]:{width}.4f}" for run, width in zip(self.runs, widths, strict=True)]
            spread = [f"{means[split][name]:.4f} ± {stds[split][name]:.4f}"] if several else []
            lines.append("  ".join([f"{f'{split} {name}':<{side}}", *cells, *spread]))
        return lines

    def _each(self, of: Any) -> dict[str, dict[str, float]]:
        """This of each figure that all trainings have."""
        first, *others = (run.metrics for run in self.runs)
        return {
            split: {
                name: float(of([run.metrics[split][name] for run in self.runs]))
                for name in figures
                if all(name in other.get(split, {}) for other in others)
            }
            for split, figures in first.items()
        }
