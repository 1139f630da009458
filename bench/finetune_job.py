"""What one process of `finetune.py` has to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import ClassVar

from bertwright.text.tables.texts import Row, open_table
from job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneJob(Job):
    """`training` or `prediction` of one side, once.

    Attributes:
        model: Folder to start from; for prediction, of a classifier.
        train: Labelled file to learn from.
        test: Labelled file to predict, and to hold as a validation set while training.
        columns: Names of the columns of files that have no header.
        peer_eval_batch_size: Texts in a batch of the peer's prediction, among its best flags; `batch_size` when None.
    """

    verb: ClassVar[str] = "finetune"
    speed: ClassVar[str] = "examples_per_second"

    model: str
    train: str
    test: str
    columns: Sequence[str] | None
    peer_eval_batch_size: int | None = None

    def read(self, path: str) -> list[Row[str]]:
        """The rows of a labelled file."""
        return list(open_table(Path(path), columns=self.columns).read())


def accuracy(labels: Sequence[str], rows: Sequence[Row[str]]) -> float:
    """Share of the rows whose label is the one that was predicted."""
    return fmean(label == row.label for label, row in zip(labels, rows, strict=True))
