"""A model and a labelled file → figures with intervals, and what stands behind them. Knows no settings."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from bertwright.evaluation.comparison import Difference
from bertwright.evaluation.inference import chunks
from bertwright.evaluation.slices import COLUMN, by_quarter, commonest, sliced
from bertwright.evaluation.uncertainty import DRAWS, Interval, affordable, draws_of, intervals
from bertwright.evaluation.worst import Worst
from bertwright.files import replacing, write_json
from bertwright.serving.predictor import Predictor
from bertwright.tasks.finetuning import Rows, TaskTally
from bertwright.tasks.kinds import AnyTask
from bertwright.tasks.questions import official_answers
from bertwright.tasks.suspicions import Suspicion
from bertwright.text.tables.extra_columns import ExtraColumns
from bertwright.text.tables.table import Table


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of a model on a file.

    Attributes:
        metrics: The figures of the task by name, loss among them.
        intervals: Between which two values each lies with 95 % confidence, as far as the choice of rows goes.
        details: Label names, figures of each label, confusion matrix (rows are the truth), slices, worst rows.
        truncated: Texts that were longer than the model reads.
        suspicions: What is so odd about the answers that the user should know.
        tally: A few numbers of each row, from which all figures come.
        against: Each figure beside that of another model, if one was named.
    """

    metrics: dict[str, float]
    intervals: dict[str, Interval]
    details: dict[str, Any]
    truncated: int
    suspicions: tuple[Suspicion, ...]
    tally: TaskTally[Any] = field(repr=False, compare=False)
    against: dict[str, Difference] | None = None

    def to_dict(self, split: str) -> dict[str, Any]:
        """What metrics.json holds of them, as figures of `split`."""
        return {
            split: self.metrics,
            "intervals": {split: self.intervals},
            "rows": {split: len(self.tally.losses)},
            "truncated": {split: self.truncated},
            "suspicions": {split: [each.to_dict() for each in self.suspicions]},
            "details": {split: self.details},
        }


def measure_file(
    predictor: Predictor,
    table: Table[Any],
    *,
    predictions: Path | None = None,
    draws: int = DRAWS,
    columns: ExtraColumns | None = None,
) -> Measured:
    """Measure on a file; see `measure_rows`."""
    read = table.read()
    return measure_rows(predictor, table.path, read, predictions=predictions, draws=draws, columns=columns)


def measure_rows(
    predictor: Predictor,
    path: Path,
    read: Iterable[Any],
    *,
    predictions: Path | None = None,
    draws: int = DRAWS,
    columns: ExtraColumns | None = None,
) -> Measured:
    """Measure chunk by chunk; optionally write each row's answer beside its label, in the order of the rows.

    Args:
        predictor: The model.
        path: Where the rows are from.
        read: The rows.
        predictions: Where answers go.
        draws: For the intervals; none without.
        columns: By whose values there are slices, too.
    """
    task, tally, worst, slices = predictor.task, predictor.task.tally(), Worst(), _SliceNames(columns)
    truncated = 0
    official: dict[str, str] = {}
    with _lines(predictions) as out:
        for chunk in chunks(read):
            rows = Rows(path, chunk)
            task.check(rows, "the model")
            examples = predictor.encode(rows)
            outputs = predictor.outputs(examples)
            tally.add(outputs, examples)
            truncated += int(examples.cut.sum())
            answers = list(task.answers(rows, examples, outputs))
            right = tally.faultless
            worst.add(
                task, chunk, answers, tally.losses[-len(chunk) :], None if right is None else right[-len(chunk) :]
            )
            slices.add(task, chunk, examples.full_lengths.tolist())
            official |= official_answers(answers)
            if out is not None:
                for row, answer in zip(chunk, answers, strict=True):
                    values = {"line": row.line, **task.truth(row), **answer.to_dict()}
                    out.write(json.dumps(values, ensure_ascii=False) + "\n")
    if predictions is not None and official:
        write_json(predictions.with_suffix(".json"), official)
    parts = sliced(tally, task.metrics, slices.kinds(), draws=draws // 5)
    details = {**tally.details(), "slices": parts, "worst": worst.listed()}
    return Measured(tally.metrics(), spread(tally, draws), details, truncated, tuple(tally.suspicions()), tally=tally)


class _SliceNames:
    """In which slices each row is."""

    def __init__(self, columns: ExtraColumns | None) -> None:
        self._columns = columns
        self._labels: list[str] = []
        self._lengths: list[int] = []
        self._lines: list[int] = []

    def add(self, task: AnyTask, rows: Sequence[Any], lengths: Sequence[int]) -> None:
        """Look at some rows, each so many tokens long."""
        self._labels += [truth["true_label"] for truth in map(task.truth, rows) if "true_label" in truth]
        self._lengths += lengths
        self._lines += [row.line for row in rows]

    def kinds(self) -> dict[str, Sequence[str]]:
        """The slice of each row: by label where each row has one, by length, and by the columns that are wanted."""
        if not self._lengths:
            return {}
        kinds: dict[str, Sequence[str]] = {"label": self._labels} if self._labels else {}
        kinds["length"] = by_quarter(np.array(self._lengths, dtype=np.int64))
        if self._columns is not None:
            found = self._columns.of(np.array(self._lines, dtype=np.int64))
            kinds |= {f"{COLUMN}{name}": commonest(values) for name, values in found.items()}
        return kinds


def spread(tally: TaskTally[Any], draws: int = DRAWS) -> dict[str, Interval]:
    """Between which two values each figure lies with 95 % confidence; nothing without draws."""
    rows = len(tally.losses)
    return intervals(tally.metrics, draws_of(np.arange(rows), rows, affordable(draws, rows)))


@contextmanager
def _lines(path: Path | None) -> Iterator[TextIO | None]:
    """A text file that is published whole, or nothing."""
    with replacing(path) if path else nullcontext() as temporary:
        if temporary is None:
            yield None
            return
        with temporary.open("w", encoding="utf-8") as file:
            yield file
