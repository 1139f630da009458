"""Classification of a text, or of a pair of texts, into one of C labels.

Labels are names here; their order in the logits is that of `labels`. Knows no optimizer and no command line.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bertwright.errors import DataError, ModelFolderError, UsageError
from bertwright.model.config import BertConfig
from bertwright.settings import FinetuneSettings, TableSettings
from bertwright.tasks.calibration import Reliability, best_temperature
from bertwright.tasks.finetuning import Rows, counted
from bertwright.tasks.focal import focal_cross_entropy
from bertwright.tasks.metrics import Matrix, classification_metrics, per_class
from bertwright.tasks.ranking import Ranking
from bertwright.tasks.row_counts import Column, RowCounts, RowTally, Weights, rows_of
from bertwright.tasks.suspicions import Suspicion
from bertwright.tasks.task import Outputs
from bertwright.tasks.text_reading import TextReading
from bertwright.tasks.texts import LabelledBatch, LabelledTexts, TextAnswer, TextTask, check_known, label_order, paired
from bertwright.text.tables.texts import Cells, Row, one_label

UNLABELLED = -1
TEMPERATURE, POSITIVE = "temperature", "positive_label"


@dataclass(frozen=True, slots=True)
class Prediction(TextAnswer):
    """The answer for one text.

    Attributes:
        label: Name of the likeliest label.
        score: Its probability, calibrated if the model is.
        scores: Probability of each label by name.
        truncated: Whether the text was longer than the model reads, so that its end did not count.
    """

    label: str
    score: float
    scores: dict[str, float]
    truncated: bool


class Classification(TextTask[str]):
    """The task: cross-entropy over the labels.

    Args:
        labels: Names in the order of the logits.
        weights: Weight of each label in the training loss; all 1 when None.
        smoothing: Share of each target that is spread evenly over all labels (Szegedy et al. 2016, section 7).
        focal_gamma: How little counts in the training loss what the model is sure of; not together with smoothing.
        positive: With two labels, the one whose precision, recall and F1 are given without a suffix.
        calibrate: Whether a temperature is to be chosen on the validation set.
        temperature: What logits are divided by before they become probabilities; None where none was chosen.
        reading: What is read of rows.
    """

    name: ClassVar[str] = "classification"
    problem: ClassVar[str] = "single_label_classification"

    def __init__(
        self,
        labels: Sequence[str],
        *,
        weights: NDArray[np.float64] | None = None,
        smoothing: float = 0.0,
        focal_gamma: float = 0.0,
        positive: str | None = None,
        calibrate: bool = False,
        temperature: float | None = None,
        reading: TextReading | None = None,
    ) -> None:
        super().__init__(reading)
        self.labels = tuple(labels)
        self.weights = None if weights is None else torch.tensor(weights, dtype=torch.float64)
        self.smoothing, self.focal_gamma = smoothing, focal_gamma
        self.positive = positive
        self.calibrate, self.temperature = calibrate, temperature

    @staticmethod
    def label_reader(settings: TableSettings) -> Callable[[Cells], str | None]:
        """One label column."""
        return partial(one_label, null=settings.null_labels)

    @staticmethod
    def check_training(rows: Rows[Row[str]]) -> None:
        """See `FinetuneTask`."""
        check_classes(_names(rows), rows.path)

    @classmethod
    def learn(cls, rows: Rows[Row[str]], settings: FinetuneSettings) -> Self:
        """See `FinetuneTask`."""
        names = _names(rows)
        labels = label_order(names)
        check_positive(settings.positive_label, labels)
        return cls(
            labels,
            weights=balanced_weights(names, labels) if settings.class_weights == "balanced" else None,
            smoothing=settings.label_smoothing,
            focal_gamma=settings.focal_gamma,
            positive=positive_label(labels, settings.positive_label),
            calibrate=settings.calibrate,
            reading=TextReading.wanted(settings, pairs=paired(rows)),
        )

    @classmethod
    def of(cls, config: BertConfig) -> Self:
        """See `FinetuneTask`."""
        found = config.task.get(TEMPERATURE)
        if found is not None and not (isinstance(found, float | int) and found > 0):
            raise ModelFolderError(f"config.json: the temperature should be a number above 0, not {found!r}")
        wanted = config.task.get(POSITIVE)
        if wanted is not None and (wanted not in config.labels or len(config.labels) != 2):
            raise ModelFolderError(f"config.json: the positive label should be one of two labels, not {wanted!r}")
        positive = positive_label(config.labels, wanted)
        return cls(config.labels, positive=positive, temperature=found, reading=TextReading.of(config.task))

    def judging(self, positive: str) -> "Classification":
        """The same task, with another label as the positive one.

        Raises:
            UsageError: It is not one of two labels.
        """
        check_positive(positive, self.labels)
        other = copy(self)
        other.positive = positive
        return other

    @property
    def metrics(self) -> tuple[str, ...]:
        """Figures by which the best model can be chosen; F1 of one label only where there are two."""
        one = () if self.positive is None else ("f1",)
        return ("accuracy", "f1_macro", "f1_weighted", *one, "matthews_correlation", "loss")

    def configure(self, config: BertConfig) -> BertConfig:
        """See `FinetuneTask`."""
        chosen = self.reading.to_dict() | ({} if self.temperature is None else {TEMPERATURE: self.temperature})
        if self.positive != positive_label(self.labels):
            chosen[POSITIVE] = self.positive
        task = {"name": self.name, **chosen} if chosen else {}
        return replace(config, labels=self.labels, problem_type=self.problem, task=task)

    def check_labels(self, rows: Rows[Row[str]], source: str) -> None:
        """See `TextTask`."""
        check_known([(row.label or "", row.line) for row in rows], self.labels, rows.path, source)

    @staticmethod
    def told(rows: Rows[Row[str]]) -> str:
        """How many there are of each label."""
        return counted(_names(rows))

    @staticmethod
    def strata(rows: Rows[Row[str]]) -> Sequence[str]:
        """Their labels."""
        return [row.label or "" for row in rows]

    def truth(self, row: Row[str]) -> dict[str, Any]:
        """Its label."""
        return {"true_label": row.label}

    def numbers(self, rows: Rows[Row[str]]) -> Int[np.ndarray, " N"]:
        """The place of each label in the logits; -1 where there is none."""
        number = {label: place for place, label in enumerate(self.labels)}
        return np.array([UNLABELLED if row.label is None else number[row.label] for row in rows], dtype=np.int64)

    def losses(self, model: nn.Module, batch: LabelledBatch) -> Mapping[str, Tensor]:
        """Sum of the weighted, smoothed or focal cross-entropies of the batch."""
        found = self.outputs(model, batch)
        weights = None if self.weights is None else self.weights.to(found)
        if self.focal_gamma:
            return {"loss": focal_cross_entropy(found, batch.labels, self.focal_gamma, weights)}
        loss = functional.cross_entropy(found, batch.labels, weights, reduction="sum", label_smoothing=self.smoothing)
        return {"loss": loss}

    def counts(self, batch: LabelledBatch) -> Mapping[str, float]:
        """Sum of the weights of the batch's labels: the number of texts when all weigh 1."""
        if self.weights is None:
            return super().counts(batch)
        return {"loss": float(self.weights[batch.labels.cpu()].sum())}

    def tally(self) -> "ClassificationTally":
        """An empty tally."""
        return ClassificationTally(self)

    @property
    def tunes(self) -> bool:
        """The temperature, if it is to be calibrated."""
        return self.calibrate

    def tuned(self, outputs: Outputs, examples: LabelledTexts) -> "Classification":
        """The same task with the temperature that fits these texts best, if it is to be calibrated.

        Itself where all texts are right: the colder the better, these say, and of new ones nothing is known.
        """
        if not self.calibrate or (outputs.argmax(axis=1) == examples.labels).all():
            return self
        other = copy(self)
        other.temperature = best_temperature(outputs, examples.labels)
        return other

    def probabilities(self, found: Float[np.ndarray, "N C"]) -> Float[np.ndarray, "N C"]:
        """Logits as probabilities, in float64, calibrated if the model is."""
        return softmax(found if self.temperature is None else found.astype(np.float64) / self.temperature)

    def answers(self, rows: Rows[Row[str]], examples: LabelledTexts, outputs: Outputs) -> Iterator[Prediction]:
        """Logits as label names and probabilities."""
        probabilities, places = self.probabilities(outputs).tolist(), outputs.argmax(axis=1).tolist()
        for row, scores, best, cut in zip(rows, probabilities, places, examples.cut.tolist(), strict=True):
            named = dict(zip(self.labels, scores, strict=True))
            yield Prediction(row.text, row.pair, self.labels[best], scores[best], named, cut)


class ClassificationTally(RowTally):
    """Of each text the true and the given label, how sure the model is, and the plain cross-entropy."""

    def __init__(self, task: Classification) -> None:
        super().__init__()
        self.task = task
        self._cells = RowCounts()  # of the confusion matrix
        self._reliability = Reliability()
        self._scores, self._positive = Column(), Column(dtype=np.bool_)  # with two labels

    @property
    def matrix(self) -> Matrix:
        """Counts by true label (row) and given label (column)."""
        return self._matrix(None)

    @property
    def right(self) -> Bool[np.ndarray, " N"]:
        """Of each text, whether it was given its label."""
        truth, found = np.divmod(self._cells.kinds.values, len(self.task.labels))
        return np.asarray(truth == found)

    def add(self, outputs: Outputs, examples: LabelledTexts) -> None:
        """Count some texts."""
        self.count(outputs, examples.labels)

    def count(self, found: Float[np.ndarray, "N C"], labels: Int[np.ndarray, " N"]) -> None:
        """Count N texts by their logits."""
        given = found.argmax(axis=1)
        cells = labels * len(self.task.labels) + given
        self._cells.add(np.arange(len(cells)), cells, len(cells))
        loss = functional.cross_entropy(torch.from_numpy(found), torch.from_numpy(labels), reduction="none")
        self._losses.add(loss.double().numpy())
        probabilities = self.task.probabilities(found)
        self._reliability.add(probabilities.max(axis=1), given == labels)
        if self.task.positive is not None:
            positive = self.task.labels.index(self.task.positive)
            self._scores.add(probabilities[:, positive])
            self._positive.add(labels == positive)

    def metrics(self, weights: Weights = None) -> dict[str, float]:
        """Loss, the figures of `classification_metrics`, and with two labels those of `Ranking`."""
        matrix = self._matrix(weights)
        positive = self.task.labels.index(self.task.positive) if self.task.positive is not None else None
        figures = {"loss": self.mean_loss(rows_of(self._cells.rows, weights), weights)}
        figures |= classification_metrics(matrix, positive=positive)
        return figures if positive is None else figures | self._ranking.metrics(weights)

    def details(self) -> dict[str, Any]:
        """What a report shows beside the figures.

        Returns:
            Labels, figures by label, confusion matrix (rows are the truth), calibration; with two labels the curve.
        """
        found = {
            "labels": list(self.task.labels),
            "per_class": per_class(self.matrix, self.task.labels),
            "confusion_matrix": self.matrix.tolist(),
            "calibration": {"temperature": self.task.temperature or 1.0, **self._reliability.to_dict()},
        }
        return found if self.task.positive is None else found | {"threshold_curve": self._ranking.curve()}

    def suspicions(self) -> list[Suspicion]:
        """Whether only one label is ever given."""
        true, given = np.count_nonzero(self.matrix.sum(axis=1)), self.matrix.sum(axis=0)
        if np.count_nonzero(given) != 1 or true < 2:
            return []
        only = self.task.labels[int(given.argmax())]
        return [Suspicion("one_label", {"count": int(given.sum()), "label": only})]

    @property
    def _ranking(self) -> Ranking:
        return Ranking(self._scores, self._positive)

    def _matrix(self, weights: Weights) -> Matrix:
        classes = len(self.task.labels)
        return self._cells.totals(classes * classes, weights).reshape(classes, classes)


def softmax(found: Float[np.ndarray, "N C"]) -> Float[np.ndarray, "N C"]:
    """Logits as probabilities, in float64."""
    exponents = np.exp(found.astype(np.float64) - found.max(axis=1, keepdims=True))
    return np.asarray(exponents / exponents.sum(axis=1, keepdims=True))


def balanced_weights(labels: Sequence[str], order: Sequence[str]) -> NDArray[np.float64]:
    """Weights that are inverse to how often a label occurs, 1 on average over the rows (scikit-learn's "balanced")."""
    counts = Counter(labels)
    return np.array([len(labels) / (len(order) * counts[label]) for label in order])


def positive_label(labels: Sequence[str], wanted: str | None = None) -> str | None:
    """With two labels the second one in order, as in scikit-learn, unless another is wanted; else None."""
    if wanted is not None:
        return wanted
    return labels[1] if len(labels) == 2 else None


def check_positive(wanted: str | None, labels: Sequence[str]) -> None:
    """Only one of two labels can be the positive one.

    Raises:
        UsageError: It is another one, or there are more labels than two.
    """
    if wanted is not None and (wanted not in labels or len(labels) != 2):
        raise UsageError(
            f"positive_label = {wanted!r}: should be one of two labels; the labels are {', '.join(labels)}"
        )


def check_classes(labels: Sequence[str], path: Path) -> None:
    """Training needs two labels at least.

    Raises:
        DataError: There is one.
    """
    if len(set(labels)) < 2:
        raise DataError(
            f"{path}: all {len(labels)} rows have the label {labels[0]!r}: there is nothing to tell apart; "
            "is it the right --label-column?"
        )


def check_repeated(labels: Sequence[str], path: Path) -> None:
    """Labels of which some are to be held out must come again.

    A validation file needs no such check: it has labels of the training file, so that these are no ids.

    Raises:
        DataError: There are more labels than two, and than half the rows.
    """
    distinct = sorted(set(labels))
    if len(distinct) > 2 and len(distinct) > len(labels) // 2:
        raise DataError(
            f"{path}: {len(labels)} rows have {len(distinct)} different labels, among them {distinct[0]!r}: "
            "this looks like an id, a number or a text; is it the right --label-column? If it is, give a file with the "
            "same labels with --validation"
        )


def _names(rows: Rows[Row[str]]) -> list[str]:
    return [row.label or "" for row in rows]
