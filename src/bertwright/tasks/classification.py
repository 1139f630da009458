"""Classification of a text, or of a pair of texts, into one of C labels.

Labels are names here; their order in the logits is that of `labels`. Knows no files and no optimizer.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bertwright.batches.batch import collate
from bertwright.model.flat import FlatTokens
from bertwright.tasks.metrics import Matrix, classification_metrics, confusion_matrix, per_class
from bertwright.tasks.task import Batch
from bertwright.text.wordpiece import Encoded


@dataclass(frozen=True, slots=True)
class LabelledBatch:
    """B sequences and the number of each one's label."""

    tokens: FlatTokens
    labels: Int[Tensor, " B"]

    def to(self, device: torch.device) -> Self:
        """The same batch on a device."""
        return replace(self, tokens=self.tokens.to(device), labels=self.labels.to(device))


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """A labelled data set: encoded texts, label numbers, and the line of each in its file."""

    encoded: Encoded
    labels: NDArray[np.int64]
    lines: NDArray[np.int64]
    path: Path

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Length of each text, in tokens."""
        return self.encoded.lengths

    def batch(self, rows: NDArray[np.integer[Any]]) -> LabelledBatch:
        """The texts at `rows`, in that order."""
        return LabelledBatch(collate(self.encoded, rows), torch.from_numpy(self.labels[rows]))

    def where(self, rows: NDArray[np.integer[Any]]) -> str:
        """File and lines of these texts."""
        return f"{self.path}: lines " + ", ".join(map(str, sorted(self.lines[rows].tolist())))


class Classification:
    """The task: cross-entropy over the labels.

    Args:
        labels: Names in the order of the logits.
        weights: Weight of each label in the training loss; all 1 when None.
        smoothing: Share of each target that is spread evenly over all labels (Szegedy et al. 2016, section 7).
        positive: With two labels, the one whose precision, recall and F1 are given without a suffix.
    """

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

    def losses(self, model: nn.Module, batch: LabelledBatch) -> Mapping[str, Tensor]:
        """Sum of the weighted, smoothed cross-entropies of the batch."""
        logits = self.outputs(model, batch)
        weights = None if self.weights is None else self.weights.to(logits)
        return {
            "loss": functional.cross_entropy(
                logits, batch.labels, weights, reduction="sum", label_smoothing=self.smoothing
            )
        }

    def counts(self, batch: LabelledBatch) -> Mapping[str, float]:
        """Sum of the weights of the batch's labels: the number of texts when all weigh 1."""
        if self.weights is None:
            return {"loss": float(len(batch.labels))}
        return {"loss": float(self.weights[batch.labels.cpu()].sum())}

    def outputs(self, model: nn.Module, batch: Batch) -> Float[Tensor, "B C"]:
        """Logits, in fp32 at least, whatever the precision of the model."""
        logits: Tensor = model(batch.tokens)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def tally(self) -> "ClassificationTally":
        """An empty tally."""
        return ClassificationTally(self)


class ClassificationTally:
    """Confusion counts and the plain (unweighted, unsmoothed) cross-entropy, batch by batch."""

    def __init__(self, task: Classification) -> None:
        self.task = task
        classes = len(task.labels)
        self.matrix: Matrix = np.zeros((classes, classes), dtype=np.int64)
        self.loss_sum = 0.0

    def add(self, outputs: Float[Tensor, "B C"], batch: LabelledBatch) -> None:
        """Count one batch."""
        self.count(outputs, batch.labels)

    def count(self, logits: Float[Tensor, "B C"], labels: Int[Tensor, " B"]) -> None:
        """Count B texts."""
        predicted = logits.argmax(dim=1).cpu().numpy()
        self.matrix += confusion_matrix(labels.cpu().numpy(), predicted, len(self.task.labels))
        self.loss_sum += float(functional.cross_entropy(logits, labels, reduction="sum"))

    def metrics(self) -> dict[str, float]:
        """Loss and the figures of `classification_metrics`."""
        count = int(self.matrix.sum())
        positive = self.task.labels.index(self.task.positive) if self.task.positive is not None else None
        return {"loss": self.loss_sum / max(count, 1), **classification_metrics(self.matrix, positive=positive)}

    def details(self) -> dict[str, object]:
        """What a report shows beside the figures: labels, per class, confusion matrix (rows are the truth)."""
        return {
            "labels": list(self.task.labels),
            "per_class": per_class(self.matrix, self.task.labels),
            "confusion_matrix": self.matrix.tolist(),
        }


def label_order(labels: Sequence[str]) -> tuple[str, ...]:
    """The distinct labels in the order of the logits: by number where all are whole numbers, else by name."""
    distinct = set(labels)
    if all(label.removeprefix("-").isdecimal() for label in distinct):
        return tuple(sorted(distinct, key=lambda label: (int(label), label)))
    return tuple(sorted(distinct))


def balanced_weights(labels: Sequence[str], order: Sequence[str]) -> NDArray[np.float64]:
    """Weights that are inverse to how often a label occurs, 1 on average over the rows (scikit-learn's "balanced")."""
    counts = Counter(labels)
    return np.array([len(labels) / (len(order) * counts[label]) for label in order])


def positive_label(labels: Sequence[str], wanted: str | None = None) -> str | None:
    """With two labels the second one in order, as in scikit-learn, unless another is wanted; else None."""
    if wanted is not None:
        return wanted
    return labels[1] if len(labels) == 2 else None
