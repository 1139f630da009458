"""`evaluate`: a fine-tuned model measured on a labelled file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from bertwright.api.common import say_counts, settled, show, told, warn_of_cuts
from bertwright.errors import ModelFolderError
from bertwright.evaluation.inference import windows
from bertwright.evaluation.text_report import text_report
from bertwright.files import make_folder, replacing, write_json
from bertwright.serving.loading import load
from bertwright.serving.predictor import Predictor
from bertwright.settings import EvaluateSettings
from bertwright.tasks.finetuning import Rows
from bertwright.tasks.kinds import judging
from bertwright.tasks.questions import official_answers
from bertwright.text.tables.table import Table


@dataclass(frozen=True, slots=True)
class Measured:
    """Figures of a model on a file.

    Attributes:
        metrics: Loss, accuracy, precision, recall, F1, Matthews' coefficient.
        details: Label names, figures of each label, confusion matrix (rows are the truth).
        truncated: Texts that were longer than the model reads.
    """

    metrics: dict[str, float]
    details: dict[str, Any]
    truncated: int


def evaluate(settings: EvaluateSettings | None = None, /, **options: object) -> Measured:
    """Measure a fine-tuned model on a labelled file, in memory that does not grow with it.

    Args:
        settings: A settings object, instead of or before keyword arguments.
        **options: The fields of `EvaluateSettings`; `model` and `test` are required.

    Raises:
        BertwrightError: The model or the file is not what it should be.
    """
    settings = settled(EvaluateSettings, settings, options)
    folder = settings.output_dir
    predictor = load(
        settings.model,
        device=settings.device,
        precision=settings.precision,
        max_length=settings.max_length,
        batch_tokens=settings.batch_tokens,
    )
    if not isinstance(predictor, Predictor):
        raise ModelFolderError(f"{settings.model} has no label names: make a classifier of it with bertwright finetune")
    if settings.positive_label is not None:
        predictor.task = judging(predictor.task, settings.positive_label)
    quarantine = (folder or Path()) / "bad_rows.jsonl"
    opened = predictor.task.table(settings.test, settings, labelled=True, quarantine=quarantine)
    table = told(opened, quiet=settings.quiet)
    if folder is not None:
        make_folder(folder)
    predictions = folder / "predictions.test.jsonl" if folder else None
    measured = measure_file(predictor, table, predictions=predictions)
    say_counts(table, quarantine, quiet=settings.quiet)
    warn_of_cuts(str(settings.test), measured.truncated, table.counts.kept, predictor.max_length)
    if folder is not None:
        write_json(folder / "metrics.json", {"test": measured.metrics, "details": {"test": measured.details}})
    show(text_report(measured.metrics, measured.details))
    return measured


def measure_file(predictor: Predictor, table: Table[Any], *, predictions: Path | None = None) -> Measured:
    """Measure window by window; optionally write each row's answer beside its label, in the file's order."""
    task, tally = predictor.task, predictor.task.tally()
    truncated = 0
    official: dict[str, str] = {}
    with _lines(predictions) as out:
        for window in windows(table.read()):
            rows = Rows(table.path, window)
            task.check(rows, "the model")
            examples = predictor.encode(rows)
            outputs = predictor.outputs(examples)
            tally.add(outputs, examples)
            truncated += int(examples.cut.sum())
            if out is not None:
                answers = list(task.answers(rows, examples, outputs))
                for row, answer in zip(window, answers, strict=True):
                    values = {"line": row.line, **task.truth(row), **answer.to_dict()}
                    out.write(json.dumps(values, ensure_ascii=False) + "\n")
                official |= official_answers(answers)
    if predictions is not None and official:
        write_json(predictions.with_suffix(".json"), official)
    return Measured(tally.metrics(), tally.details(), truncated)


@contextmanager
def _lines(path: Path | None) -> Iterator[TextIO | None]:
    """A text file that is published whole, or nothing."""
    with replacing(path) if path else nullcontext() as temporary:
        if temporary is None:
            yield None
            return
        with temporary.open("w", encoding="utf-8") as file:
            yield file
