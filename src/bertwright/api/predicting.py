"""`predict`: texts of a file or a stream in, JSON lines with label names, or with [MASK]s filled, out."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from bertwright.api.common import patient, quarantine_here, say, say_counts, settled, told, warn_of_cuts
from bertwright.errors import UsageError
from bertwright.files import replacing
from bertwright.serving.loading import load
from bertwright.serving.masked_predictor import MaskedPredictor
from bertwright.serving.predictor import Predictor
from bertwright.settings import PredictSettings
from bertwright.tasks.choice import Choice
from bertwright.tasks.classification import Classification
from bertwright.tasks.finetuning import Answer, HasLine
from bertwright.tasks.kinds import AnyTask, check_columns
from bertwright.tasks.questions import Questions, official_answers
from bertwright.text.complaints import counted
from bertwright.text.tables.table import Table

AnsweredRow = tuple[HasLine, Answer]
"""A row, and what the model says to it."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """How many texts were answered, and how many of them were longer than the model reads."""

    texts: int
    truncated: int


def predict(settings: PredictSettings | None = None, /, **options: object) -> Predicted:
    """Label the texts of a file or of standard input, in their order and in bounded memory.

    A pre-trained model fills their [MASK]s instead, and tells of a pair whether its second text comes next.

    Args:
        settings: A settings object, instead of or before keyword arguments.
        **options: The fields of `PredictSettings`; `model` and `input` are required. `output` is `-` for standard
            output. For texts in memory use `bertwright.load(folder).predict(texts)`.

    Raises:
        BertwrightError: The model or the file is not what it should be; no output file is left behind then.
    """
    settings = settled(PredictSettings, settings, options)
    if Path(settings.output).exists() and Path(settings.output).resolve() == Path(settings.input).resolve():
        raise UsageError(f"--output {settings.output} is the file of --input: choose another name")
    _check_ending(settings.output)
    predictor = load(
        settings.model,
        device=settings.device,
        precision=settings.precision,
        max_length=settings.max_length,
        batch_tokens=settings.batch_tokens,
        top_k=settings.top_k,
    )
    table = patient(_texts(predictor, settings), settings, _quarantine(settings))
    texts = truncated = 0
    official = _asked(predictor) is Questions and settings.output.endswith(".json")
    with _output(settings.output) as out:
        answered = predictor.answered(table.read(), table.path)
        write = _written_officially if official else _written_by_line
        for prediction in write(answered, out):
            texts += 1
            truncated += prediction.truncated
    if table.counts.skipped:
        say_counts(table)
    warn_of_cuts(str(table.path), truncated, texts, predictor.limit)
    asked = _asked(predictor) in (Questions, Choice)
    say(f"{counted(texts, 'question' if asked else 'text')} answered", quiet=settings.quiet)
    return Predicted(texts, truncated)


def _check_ending(output: str) -> None:
    """A table is not what comes out: an answer may be a list, or hold one."""
    if output.lower().endswith((".csv", ".tsv")):
        raise UsageError(
            f"--output {output}: predictions are JSON lines: name it .jsonl, for pandas.read_json(FILE, lines=True)"
        )


def _written_by_line(answered: Iterable[AnsweredRow], out: TextIO) -> Iterator[Answer]:
    """Each as a line of JSON, with the line on which its row begins: some rows may have been skipped."""
    escaped = (out.encoding or "utf-8").lower() not in ("utf-8", "utf8")  # JSON can say all in ASCII
    for row, prediction in answered:
        out.write(json.dumps({"line": row.line, **prediction.to_dict()}, ensure_ascii=escaped) + "\n")
        yield prediction


def _written_officially(answered: Iterable[AnsweredRow], out: TextIO) -> Iterator[Answer]:
    """Answers to questions by their ids in one object, as SQuAD's and CMRC's scripts read them."""
    official: dict[str, str] = {}
    for _, prediction in answered:
        official |= official_answers([prediction])
        yield prediction
    out.write(json.dumps(official, ensure_ascii=False, indent=2) + "\n")


def _quarantine(settings: PredictSettings) -> Path:
    """Where unusable rows go: beside the output and under its name, as a folder may hold several."""
    if settings.output != "-":
        return Path(settings.output).with_suffix(".bad_rows.jsonl")
    return quarantine_here("stdin" if settings.input == "-" else Path(settings.input).name)


def _asked(predictor: Predictor | MaskedPredictor) -> type[AnyTask]:
    """The task in whose form the rows come; [MASK]s stand in single texts or in pairs."""
    return type(predictor.task) if isinstance(predictor, Predictor) else Classification


def _texts(predictor: Predictor | MaskedPredictor, settings: PredictSettings) -> Table[Any]:
    task = _asked(predictor)
    check_columns(task, settings)
    if settings.input == "-":
        return task.listen(sys.stdin.buffer, settings)
    table: Table[Any] = task.table(Path(settings.input), settings, labelled=False)
    return told(table, quiet=settings.quiet)


@contextmanager
def _output(name: str) -> Iterator[TextIO]:
    """Standard output, or a file that is published whole."""
    if name == "-":
        yield sys.stdout
        return
    with replacing(Path(name)) as temporary, temporary.open("w", encoding="utf-8") as file:
        yield file
