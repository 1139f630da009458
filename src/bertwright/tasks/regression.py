"""Regression: a number for a text, or for a pair of texts. Knows no optimizer and no command line."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from bertwright.errors import DataError
from bertwright.model.config import BertConfig
from bertwright.settings import FinetuneSettings, TableSettings
from bertwright.tasks.finetuning import Rows
from bertwright.tasks.metrics import regression_metrics
from bertwright.tasks.row_counts import Column, RowTally, Weights
from bertwright.tasks.suspicions import Suspicion
from bertwright.tasks.task import Batch, Outputs
from bertwright.tasks.text_reading import TextReading
from bertwright.tasks.texts import LabelledBatch, LabelledTexts, TextAnswer, TextTask, paired
from bertwright.text.tables.texts import Cells, Row, number

SCORE = "score"
"""What the only output is called, where classes have their names."""
_FEWEST = 20  # rows: of a model whose true correlation is 0.5, 1 in 100 has none in these by chance, and 1 in 4 in 3
_RANGES = 10  # of the numbers, in a split: each of so many rows at least


@dataclass(frozen=True, slots=True)
class Estimate(TextAnswer):
    """The answer for one text.

    Attributes:
        score: The number.
        truncated: Whether the text was longer than the model reads, so that its end did not count.
    """

    score: float
    truncated: bool


class Regression(TextTask[float]):
    """The task: squared error, on the labels' own scale."""

    name: ClassVar[str] = "regression"
    problem: ClassVar[str] = "regression"
    labels = (SCORE,)
    metrics = ("pearson", "spearman", "mse", "mae", "loss")

    @staticmethod
    def label_reader(settings: TableSettings) -> Callable[[Cells], float | None]:
        """A column of numbers."""
        del settings
        return number

    @staticmethod
    def check_training(rows: Rows[Row[float]]) -> None:
        """See `FinetuneTask`."""
        if len({row.label for row in rows}) < 2:
            raise DataError(
                f"{rows.path}: all {len(rows)} rows have the same number: there is nothing to learn; "
                "is it the right --label-column?"
            )

    @classmethod
    def learn(cls, rows: Rows[Row[float]], settings: FinetuneSettings) -> Self:
        """See `FinetuneTask`."""
        return cls(TextReading.wanted(settings, pairs=paired(rows)))

    @classmethod
    def of(cls, config: BertConfig) -> Self:
        """See `FinetuneTask`."""
        return cls(TextReading.of(config.task))

    def configure(self, config: BertConfig) -> BertConfig:
        """See `FinetuneTask`."""
        chosen = self.reading.to_dict()
        task = {"name": self.name, **chosen} if chosen else {}
        return replace(config, labels=self.labels, problem_type=self.problem, task=task)

    def check_labels(self, rows: Rows[Row[float]], source: str) -> None:
        """Any number may be."""

    @staticmethod
    def told(rows: Rows[Row[float]]) -> str:
        """How the numbers are spread."""
        found = _numbers(rows)
        return f"from {found.min():g} to {found.max():g}, mean {found.mean():.3f}"

    @staticmethod
    def strata(rows: Rows[Row[float]]) -> Sequence[str]:
        """Ranges of about equally many numbers each: a part of a split has low ones and high ones."""
        found = _numbers(rows)
        ranges = max(1, min(_RANGES, len(rows) // _RANGES))
        edges = np.sort(found)[len(rows) * np.arange(1, ranges) // ranges]
        return [str(place) for place in np.searchsorted(edges, found, side="right").tolist()]

    def truth(self, row: Row[float]) -> dict[str, Any]:
        """Its number."""
        return {"true_score": row.label}

    def numbers(self, rows: Rows[Row[float]]) -> Float[np.ndarray, " N"]:
        """The numbers; NaN where there is none."""
        return _numbers(rows).astype(np.float32)

    def losses(self, model: nn.Module, batch: LabelledBatch) -> Mapping[str, Tensor]:
        """Sum of the squared errors."""
        found = self.outputs(model, batch)
        return {"loss": functional.mse_loss(found, batch.labels.to(found), reduction="sum")}

    def outputs(self, model: nn.Module, batch: Batch) -> Float[Tensor, " B"]:
        """Numbers, in fp32 at least, whatever the precision of the model."""
        return super().outputs(model, batch).squeeze(1)

    def tally(self) -> "RegressionTally":
        """An empty tally."""
        return RegressionTally()

    def answers(self, rows: Rows[Row[float]], examples: LabelledTexts, outputs: Outputs) -> Iterator[Estimate]:
        """The numbers as they are."""
        for row, score, cut in zip(rows, outputs.tolist(), examples.cut.tolist(), strict=True):
            yield Estimate(row.text, row.pair, score, cut)


class RegressionTally(RowTally):
    """All true and estimated numbers: ranks need them together, and they are eight bytes a text."""

    def __init__(self) -> None:
        super().__init__()
        self.truth, self.found = Column(), Column()

    def add(self, outputs: Outputs, examples: LabelledTexts) -> None:
        """Count some texts."""
        self.truth.add(examples.labels)
        self.found.add(outputs)
        self._losses.add(np.square(outputs.astype(np.float64) - examples.labels))

    def metrics(self, weights: Weights = None) -> dict[str, float]:
        """The mean squared error as `loss`, and the figures of `regression_metrics`."""
        figures = regression_metrics(self.truth, self.found, weights)
        return {"loss": figures["mse"], **figures}

    def details(self) -> dict[str, Any]:
        """How the true and the estimated numbers are spread."""
        both = {"true": self.truth.values, "estimated": self.found.values}
        return {
            "spread": {
                name: {"mean": float(v.mean()), "std": float(v.std()), "min": float(v.min()), "max": float(v.max())}
                for name, v in both.items()
                if len(v)
            }
        }

    def suspicions(self) -> list[Suspicion]:
        """Whether all texts get the same number, or such as do not rise with the true ones."""
        found = self.found.values
        if len(found) > 1 and np.ptp(found) == 0:
            return [Suspicion("one_number", {"count": len(found), "number": float(found[0])})]
        if len(found) < _FEWEST or np.ptp(self.truth.values) == 0:
            return []
        pearson = self.metrics()["pearson"]
        return [Suspicion("no_correlation", {"count": len(found), "pearson": pearson})] if pearson <= 0 else []


def _numbers(rows: Rows[Row[float]]) -> Float[np.ndarray, " N"]:
    return np.array([math.nan if row.label is None else row.label for row in rows])
