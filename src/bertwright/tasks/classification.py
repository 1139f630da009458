"""Classification of a text, or of a pair of texts, into one of C labels.

Labels are names here; their order in the logits is that of `labels`. Knows no optimizer and no command line.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bertwright.errors import DataError, UsageError
from bertwright.model.config import BertConfig
from bertwright.model.heads import Headed, SequenceClassifier
from bertwright.settings import FinetuneSettings, TableSettings
from bertwright.tasks.finetuning import Rows, counted
from bertwright.tasks.metrics import Matrix, classification_metrics, confusion_matrix, per_class
from bertwright.tasks.task import Batch, Outputs
from bertwright.tasks.texts import (
    LabelledBatch,
    LabelledTexts,
    check_known,
    encode_texts,
    label_order,
    logits,
    no_groups,
    open_texts,
    text_rows,
    texts_of,
)
from bertwright.text.tables.table import Table
from bertwright.text.tables.texts import Row, one_label
from bertwright.text.wordpiece import WordPiece

UNLABELLED = -1


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one text.

    Attributes:
        text: As it was given.
        text_pair: The second text of a pair.
        label: Name of the likeliest label.
        score: Its probability.
        scores: Probability of each label by name.
        truncated: Whether the text was longer than the model reads, so that its end did not count.
    """

    text: str
    text_pair: str | None
    label: str
    score: float
    scores: dict[str, float]
    truncated: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON values; `text_pair` only for pairs."""
        values = asdict(self)
        if self.text_pair is None:
            del values["text_pair"]
        return values


class Classification:
    """The task: cross-entropy over the labels.

    Args:
        labels: Names in the order of the logits.
        weights: Weight of each label in the training loss; all 1 when None.
        smoothing: Share of each target that is spread evenly over all labels (Szegedy et al. 2016, section 7).
        positive: With two labels, the one whose precision, recall and F1 are given without a suffix.
    """

    name: ClassVar[str] = "classification"
    head: ClassVar[type[Headed]] = SequenceClassifier
    asked = staticmethod(text_rows)
    shown = staticmethod(texts_of)
    groups = staticmethod(no_groups)

    def __init__(
        self,
        labels: Sequence[str],
        *,
        weights: NDArray[np.float64] | None = None,
        smoothing: float = 0.0,
        positive: str | None = None,
    ) -> None:
        self.labels = tuple(labels)
        self.weights = None if weights is None else torch.tensor(weights, dtype=torch.float64)
        self.smoothing = smoothing
        self.positive = positive

    @classmethod
    def table(
        cls, path: Path, settings: TableSettings, *, labelled: bool, quarantine: Path | None = None
    ) -> Table[Row[str]]:
        """Open a table with one label column; see `FinetuneTask`."""
        return open_texts(path, settings, one_label, labelled=labelled, quarantine=quarantine)

    @classmethod
    def learn(cls, rows: Rows[Row[str]], settings: FinetuneSettings) -> Self:
        """See `FinetuneTask`."""
        names = _names(rows)
        check_classes(names, rows.path)
        labels = label_order(names)
        check_positive(settings.positive_label, labels)
        return cls(
            labels,
            weights=balanced_weights(names, labels) if settings.class_weights == "balanced" else None,
            smoothing=settings.label_smoothing,
            positive=positive_label(labels, settings.positive_label),
        )

    @classmethod
    def of(cls, config: BertConfig) -> Self:
        """See `FinetuneTask`."""
        return cls(config.labels, positive=positive_label(config.labels))

    def judging(self, positive: str) -> "Classification":
        """The same task, with another label as the positive one.

        Raises:
            UsageError: It is not one of two labels.
        """
        check_positive(positive, self.labels)
        return Classification(self.labels, positive=positive)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Figures by which the best model can be chosen; F1 of one label only where there are two."""
        one = () if self.positive is None else ("f1",)
        return ("accuracy", "f1_macro", "f1_weighted", *one, "matthews_correlation", "loss")

    def configure(self, config: BertConfig) -> BertConfig:
        """See `FinetuneTask`."""
        return replace(config, labels=self.labels, problem_type="single_label_classification")

    def check(self, rows: Rows[Row[str]], source: str) -> None:
        """See `FinetuneTask`."""
        check_known([(row.label or "", row.line) for row in rows], self.labels, rows.path, source)

    def describe(self, rows: Rows[Row[str]]) -> str:
        """Number of rows, and of each label."""
        return f"{len(rows)} texts ({counted(_names(rows))})"

    def stratum(self, row: Row[str]) -> str:
        """Its label."""
        return row.label or ""

    def truth(self, row: Row[str]) -> dict[str, Any]:
        """Its label."""
        return {"true_label": row.label}

    def encode(self, rows: Rows[Row[str]], tokenizer: WordPiece, max_length: int) -> LabelledTexts:
        """Token ids and label numbers; a row without a label has -1."""
        number = {label: place for place, label in enumerate(self.labels)}
        numbers = [UNLABELLED if row.label is None else number[row.label] for row in rows]
        return encode_texts(rows, np.array(numbers, dtype=np.int64), tokenizer, max_length)

    def losses(self, model: nn.Module, batch: LabelledBatch) -> Mapping[str, Tensor]:
        """Sum of the weighted, smoothed cross-entropies of the batch."""
        found = self.outputs(model, batch)
        weights = None if self.weights is None else self.weights.to(found)
        loss = functional.cross_entropy(found, batch.labels, weights, reduction="sum", label_smoothing=self.smoothing)
        return {"loss": loss}

    def counts(self, batch: LabelledBatch) -> Mapping[str, float]:
        """Sum of the weights of the batch's labels: the number of texts when all weigh 1."""
        if self.weights is None:
            return {"loss": float(len(batch.labels))}
        return {"loss": float(self.weights[batch.labels.cpu()].sum())}

    def outputs(self, model: nn.Module, batch: Batch) -> Float[Tensor, "B C"]:
        """Logits, in fp32 at least, whatever the precision of the model."""
        return logits(model, batch)

    def tally(self) -> "ClassificationTally":
        """An empty tally."""
        return ClassificationTally(self)

    def tuned(self, outputs: Outputs, examples: LabelledTexts) -> Self:
        """Nothing is tuned: the likeliest label is the answer."""
        del outputs, examples
        return self

    def answers(self, rows: Rows[Row[str]], examples: LabelledTexts, outputs: Outputs) -> Iterator[Prediction]:
        """Logits as label names and probabilities."""
        for row, scores, cut in zip(rows, softmax(outputs).tolist(), examples.cut.tolist(), strict=True):
            best = max(range(len(scores)), key=scores.__getitem__)
            named = dict(zip(self.labels, scores, strict=True))
            yield Prediction(row.text, row.pair, self.labels[best], scores[best], named, cut)


class ClassificationTally:
    """Confusion counts and the plain (unweighted, unsmoothed) cross-entropy."""

    def __init__(self, task: Classification) -> None:
        self.task = task
        classes = len(task.labels)
        self.matrix: Matrix = np.zeros((classes, classes), dtype=np.int64)
        self.loss_sum = 0.0

    def add(self, outputs: Outputs, examples: LabelledTexts) -> None:
        """Count some texts."""
        self.count(outputs, examples.labels)

    def count(self, found: Float[np.ndarray, "N C"], labels: Int[np.ndarray, " N"]) -> None:
        """Count N texts by their logits."""
        self.matrix += confusion_matrix(labels, found.argmax(axis=1), len(self.task.labels))
        loss = functional.cross_entropy(torch.from_numpy(found), torch.from_numpy(labels), reduction="none")
        self.loss_sum += float(loss.double().sum())

    def metrics(self) -> dict[str, float]:
        """Loss and the figures of `classification_metrics`."""
        count = int(self.matrix.sum())
        positive = self.task.labels.index(self.task.positive) if self.task.positive is not None else None
        return {"loss": self.loss_sum / max(count, 1), **classification_metrics(self.matrix, positive=positive)}

    def details(self) -> dict[str, Any]:
        """What a report shows beside the figures: labels, per class, confusion matrix (rows are the truth)."""
        return {
            "labels": list(self.task.labels),
            "per_class": per_class(self.matrix, self.task.labels),
            "confusion_matrix": self.matrix.tolist(),
        }


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
        DataError: There is one, or nearly every row has another one.
    """
    distinct = sorted(set(labels))
    if len(distinct) < 2:
        raise DataError(
            f"{path}: all {len(labels)} rows have the label {distinct[0]!r}: there is nothing to tell apart; "
            "is it the right --label-column?"
        )
    if len(distinct) > 2 and len(distinct) > len(labels) // 2:
        raise DataError(
            f"{path}: {len(labels)} rows have {len(distinct)} different labels, among them {distinct[0]!r}: "
            "this looks like an id, a number or a text; is it the right --label-column?"
        )


def _names(rows: Rows[Row[str]]) -> list[str]:
    return [row.label or "" for row in rows]
