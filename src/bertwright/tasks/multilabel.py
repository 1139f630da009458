"""Multi-label classification: any number of C labels for a text, each decided by itself.

A label is given where its probability reaches its threshold: 0.5, or what was best on the validation set, which the
model folder then carries. Knows no optimizer and no command line.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bertwright.errors import DataError, ModelFolderError
from bertwright.model.config import BertConfig
from bertwright.settings import FinetuneSettings, TableSettings
from bertwright.tasks.calibration import Reliability
from bertwright.tasks.finetuning import Rows, counted
from bertwright.tasks.focal import focal_binary_cross_entropy
from bertwright.tasks.metrics import LabelCounts, best_threshold, rank
from bertwright.tasks.row_counts import RowTally, Weights, rows_of
from bertwright.tasks.suspicions import Suspicion
from bertwright.tasks.task import Outputs
from bertwright.tasks.text_reading import TextReading
from bertwright.tasks.texts import LabelledBatch, LabelledTexts, TextAnswer, TextTask, check_known, label_order, paired
from bertwright.text.tables.texts import Cells, Row, several_labels

Names = tuple[str, ...]
THRESHOLDS = "thresholds"
_ENOUGH = 10  # texts of the validation set that must have a label before it gets a threshold of its own


@dataclass(frozen=True, slots=True)
class Labelled(TextAnswer):
    """The answer for one text.

    Attributes:
        labels: Names of the labels that reach their thresholds, the likeliest first.
        scores: Probability of each label by name.
        truncated: Whether the text was longer than the model reads, so that its end did not count.
    """

    labels: Names
    scores: dict[str, float]
    truncated: bool


class MultiLabel(TextTask[Names]):
    """The task: binary cross-entropy for each label.

    Args:
        labels: Names in the order of the logits.
        thresholds: From which probability on each is given; 0.5 when None.
        positive_weights: Weight of each label's positive texts in the training loss; all 1 when None.
        focal_gamma: How little counts in the training loss what the model is sure of.
        best_metric: The figure for which thresholds are tuned; F1 micro when None.
        reading: What is read of rows.
    """

    name: ClassVar[str] = "multilabel"
    problem: ClassVar[str] = "multi_label_classification"
    metrics = ("f1_micro", "f1_macro", "f1_weighted", "accuracy", "loss")

    def __init__(
        self,
        labels: Sequence[str],
        thresholds: NDArray[np.float64] | None = None,
        *,
        positive_weights: NDArray[np.float64] | None = None,
        focal_gamma: float = 0.0,
        best_metric: str | None = None,
        reading: TextReading | None = None,
    ) -> None:
        super().__init__(reading)
        self.best_metric = best_metric or self.metrics[0]
        self.focal_gamma = focal_gamma
        self.labels = tuple(labels)
        self.thresholds = np.full(len(self.labels), 0.5) if thresholds is None else thresholds
        self.positive_weights = None if positive_weights is None else torch.tensor(positive_weights)

    @staticmethod
    def label_reader(settings: TableSettings) -> Callable[[Cells], Names]:
        """A list of labels, or a column for each."""
        return partial(several_labels, separator=settings.label_separator, named=settings.label_columns is not None)

    @staticmethod
    def check_training(rows: Rows[Row[Names]]) -> None:
        """See `FinetuneTask`."""
        if not any(row.label for row in rows):
            raise DataError(f"{rows.path}: not one of {len(rows)} rows has a label: is it the right --label-column?")

    @classmethod
    def learn(cls, rows: Rows[Row[Names]], settings: FinetuneSettings) -> Self:
        """See `FinetuneTask`."""
        given = [name for row in rows for name in row.label or ()]
        labels = label_order([*given, *(settings.label_columns or ())])
        reading = TextReading.wanted(settings, pairs=paired(rows))
        task = cls(labels, focal_gamma=settings.focal_gamma, best_metric=settings.best_metric, reading=reading)
        if settings.class_weights == "balanced":
            positives = task.numbers(rows).sum(axis=0, dtype=np.float64)
            others = np.maximum(len(rows) - positives, 1)  # what all texts have is to be learned, too
            task.positive_weights = torch.from_numpy(others / np.maximum(positives, 1))
        return task

    @classmethod
    def of(cls, config: BertConfig) -> Self:
        """See `FinetuneTask`."""
        found, reading = config.task.get(THRESHOLDS), TextReading.of(config.task)
        if found is None:
            return cls(config.labels, reading=reading)
        numbers = isinstance(found, list) and all(isinstance(threshold, float | int) for threshold in found)
        if not numbers or len(found) != len(config.labels):
            needed = f"{len(config.labels)} labels need as many thresholds, which are numbers"
            raise ModelFolderError(f"config.json: {needed}, not {found!r}")
        return cls(config.labels, np.array(found, dtype=np.float64), reading=reading)

    def configure(self, config: BertConfig) -> BertConfig:
        """See `FinetuneTask`."""
        task = {"name": self.name, THRESHOLDS: self.thresholds.tolist(), **self.reading.to_dict()}
        return replace(config, labels=self.labels, problem_type=self.problem, task=task)

    def check_labels(self, rows: Rows[Row[Names]], source: str) -> None:
        """See `TextTask`."""
        named = [(name, row.line) for row in rows for name in row.label or ()]
        check_known(named, self.labels, rows.path, source)

    @staticmethod
    def told(rows: Rows[Row[Names]]) -> str:
        """How many there are of each label, and of rows without one."""
        bare = sum(not row.label for row in rows)
        each = counted([name for row in rows for name in row.label or ()])
        return each + (f"; {bare} without a label" if bare else "")

    @staticmethod
    def strata(rows: Rows[Row[Names]]) -> Sequence[str]:
        """The rarest label of each would be best; its first one is cheap and nearly as good."""
        return [(row.label or ("",))[0] for row in rows]

    def truth(self, row: Row[Names]) -> dict[str, Any]:
        """Its labels."""
        return {"true_labels": list(row.label or ())}

    def numbers(self, rows: Rows[Row[Names]]) -> Float[np.ndarray, "N C"]:
        """1 for each label that a row has, else 0."""
        number = {label: place for place, label in enumerate(self.labels)}
        found = np.zeros((len(rows), len(self.labels)), dtype=np.float32)
        for place, row in enumerate(rows):
            found[place, [number[name] for name in row.label or ()]] = 1
        return found

    def losses(self, model: nn.Module, batch: LabelledBatch) -> Mapping[str, Tensor]:
        """Sum of the binary cross-entropies over texts and labels."""
        found = self.outputs(model, batch)
        weights = None if self.positive_weights is None else self.positive_weights.to(found)
        truth = batch.labels.to(found)
        if self.focal_gamma:
            return {"loss": focal_binary_cross_entropy(found, truth, self.focal_gamma, weights)}
        loss = functional.binary_cross_entropy_with_logits(found, truth, reduction="sum", pos_weight=weights)
        return {"loss": loss}

    def counts(self, batch: LabelledBatch) -> Mapping[str, float]:
        """Texts times labels."""
        return {"loss": float(batch.labels.numel())}

    def tally(self) -> "MultiLabelTally":
        """An empty tally."""
        return MultiLabelTally(self)

    @property
    def tunes(self) -> bool:
        """The thresholds."""
        return True

    def tuned(self, outputs: Outputs, examples: LabelledTexts) -> "MultiLabel":
        """The same task with the thresholds that are best on these texts by the figure that counts.

        One for all labels, or of each label the one that gives it the best F1, where it is not too rare here to tell.
        The latter helps F1 macro; with a weak model it also gives rare labels to too many texts.
        """
        scores, truth = sigmoid(outputs), examples.labels > 0
        common = np.full(len(self.labels), best_threshold(scores.ravel(), truth.ravel()))
        own = common.copy()
        for place in np.flatnonzero(truth.sum(axis=0) >= _ENOUGH):
            own[place] = best_threshold(scores[:, place], truth[:, place])
        candidates = [self._from(thresholds) for thresholds in (common, own, self.thresholds)]
        return max(candidates, key=lambda task: rank(task._measured(outputs, examples), self.best_metric))

    def _from(self, thresholds: NDArray[np.float64]) -> "MultiLabel":
        """The same task with other thresholds."""
        other = copy(self)
        other.thresholds = thresholds
        return other

    def _measured(self, outputs: Outputs, examples: LabelledTexts) -> dict[str, float]:
        tally = self.tally()
        tally.add(outputs, examples)
        return tally.metrics()

    def answers(self, rows: Rows[Row[Names]], examples: LabelledTexts, outputs: Outputs) -> Iterator[Labelled]:
        """Logits as the names of the labels that reach their thresholds."""
        for row, scores, cut in zip(rows, sigmoid(outputs), examples.cut.tolist(), strict=True):
            given = [place for place in np.argsort(-scores, kind="stable") if scores[place] >= self.thresholds[place]]
            named = dict(zip(self.labels, scores.tolist(), strict=True))
            yield Labelled(row.text, row.pair, tuple(self.labels[place] for place in given), named, cut)


class MultiLabelTally(RowTally):
    """Hits and misses of each label, and the plain loss."""

    def __init__(self, task: MultiLabel) -> None:
        super().__init__()
        self.task = task
        self.counts = LabelCounts(len(task.labels))
        self._reliability = Reliability()

    @property
    def right(self) -> Bool[np.ndarray, " N"]:
        """Of each text, whether its labels are all right."""
        return self.counts.all_right.values

    def add(self, outputs: Outputs, examples: LabelledTexts) -> None:
        """Count some texts."""
        probabilities, truth = sigmoid(outputs), examples.labels > 0
        given = probabilities >= self.task.thresholds
        self.counts.add(truth, given)
        likelier = probabilities >= 0.5
        self._reliability.add(np.where(likelier, probabilities, 1 - probabilities).ravel(), (likelier == truth).ravel())
        found, wanted = torch.from_numpy(outputs).double(), torch.from_numpy(examples.labels).double()
        self._losses.add(functional.binary_cross_entropy_with_logits(found, wanted, reduction="none").sum(1).numpy())

    def metrics(self, weights: Weights = None) -> dict[str, float]:
        """Loss, share of texts whose labels are all right, and precision, recall, F1 in each way of averaging."""
        decisions = rows_of(self.counts.texts, weights) * len(self.task.labels)
        return {"loss": self.mean_loss(decisions, weights), **self.counts.metrics(weights)}

    def details(self) -> dict[str, Any]:
        """Labels, thresholds, the figures of each label, and the calibration of what is said of each text and label."""
        return {
            "labels": list(self.task.labels),
            "thresholds": dict(zip(self.task.labels, self.task.thresholds.tolist(), strict=True)),
            "per_class": self.counts.per_class(self.task.labels),
            "calibration": self._reliability.to_dict(),
        }

    def suspicions(self) -> list[Suspicion]:
        """Whether no text gets a label, though some have one."""
        if self.counts.true and not self.counts.given:
            return [Suspicion("no_label", {"count": self.counts.texts})]
        return []


def sigmoid(found: Float[np.ndarray, "*N"]) -> Float[np.ndarray, "*N"]:
    """Logits as probabilities, in float64; as torch computes it."""
    return torch.from_numpy(found).double().sigmoid().numpy()
