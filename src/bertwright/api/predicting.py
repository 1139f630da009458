"""`predict`: texts of a file or a stream in, JSON lines with label names, or with [MASK]s filled, out."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from bertwright.api.common import patient, quarantine_here, say, say_counts, settled, told, warn, warn_of_cuts
from bertwright.errors import UsageError
from bertwright.files import replacing
from bertwright.serving.loading import load
from bertwright.serving.masked_predictor import MASK, MaskedPredictor
from bertwright.serving.predictor import Predictor
from bertwright.settings import PredictSettings
from bertwright.tasks.checks.reading import UNKNOWN
from bertwright.tasks.choice import Choice
from bertwright.tasks.classification import Classification
from bertwright.tasks.finetuning import Answer, HasLine
from bertwright.tasks.kinds import AnyTask, check_columns
from bertwright.tasks.questions import Questions, official_answers
from bertwright.tasks.texts import texts_of
from bertwright.text.complaints import agreeing, counted
from bertwright.text.tables.table import Table

_LOOKED_AT = 1_000  # rows, for words that the model does not know
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
    heard = Heard(predictor.task.shown if isinstance(predictor, Predictor) else texts_of)
    official = _asked(predictor) is Questions and settings.output.endswith(".json")
    with _output(settings.output) as out:
        answered = predictor.answered(table.read(), table.path)
        write = _written_officially if official else _written_by_line
        for row, prediction in write(answered, out):
            heard.add(row, prediction)
    if table.counts.skipped:
        say_counts(table)
    heard.warn(str(table.path), predictor)
    asked = _asked(predictor) in (Questions, Choice)
    say(f"{counted(heard.texts, 'question' if asked else 'text')} answered", quiet=settings.quiet)
    return Predicted(heard.texts, heard.truncated)


class Heard:
    """What of the rows that were answered is worth a word at the end.

    Args:
        shown: The texts of a row.
    """

    def __init__(self, shown: Callable[[Any], Sequence[str]]) -> None:
        self._shown = shown
        self.texts = self.truncated = self._empty = self._half = 0
        self._first: list[str] = []

    def add(self, row: HasLine, answer: Answer) -> None:
        """Hear one more row, and what was said to it."""
        own = self._shown(row)
        self.texts += 1
        self.truncated += answer.truncated
        said = [bool(text.strip()) for text in own]
        self._empty += not any(said)
        self._half += any(said) and not all(said)
        if self.texts <= _LOOKED_AT:
            self._first += own

    def warn(self, name: str, predictor: Predictor | MaskedPredictor) -> None:
        """Tell of texts that were cut, that have nothing in them, and that the model has no words for."""
        warn_of_cuts(name, self.truncated, self.texts, predictor.limit)
        if self._empty:
            verb = agreeing(self._empty, "is", "are")
            warn(f"{name}: {self._empty} of {self.texts} texts {verb} empty; what is answered to nothing means nothing")
        if self._half:
            verb = agreeing(self._half, "lacks", "lack")
            warn(f"{name}: {self._half} of {self.texts} rows {verb} a text of theirs: what is answered is to the rest")
        masks = isinstance(predictor, MaskedPredictor)
        texts = (text.replace(MASK, " ") for text in self._first) if masks else self._first
        share = predictor.tokenizer.unknown_share(texts)
        if share > UNKNOWN:
            where = f" of the first {_LOOKED_AT} texts" if self.texts > _LOOKED_AT else ""
            warn(
                f"{name}: {share:.0%} of the tokens{where} are [UNK], which all look the same to the model: is its "
                "vocabulary of the language of these texts?"
            )


def _check_ending(output: str) -> None:
    """A table is not what comes out: an answer may be a list, or hold one."""
    if output.lower().endswith((".csv", ".tsv", ".parquet", ".xlsx", ".gz")):
        raise UsageError(
            f"--output {output}: predictions are JSON lines: name it .jsonl, for pandas.read_json(FILE, lines=True)"
        )


def _written_by_line(answered: Iterable[AnsweredRow], out: TextIO) -> Iterator[AnsweredRow]:
    """Each as a line of JSON, with the line on which its row begins: some rows may have been skipped."""
    escaped = (out.encoding or "utf-8").lower() not in ("utf-8", "utf8")  # JSON can say all in ASCII
    for row, prediction in answered:
        out.write(json.dumps({"line": row.line, **prediction.to_dict()}, ensure_ascii=escaped) + "\n")
        yield row, prediction


def _written_officially(answered: Iterable[AnsweredRow], out: TextIO) -> Iterator[AnsweredRow]:
    """Answers to questions by their ids in one object, as SQuAD's and CMRC's scripts read them."""
    official: dict[str, str] = {}
    for row, prediction in answered:
        official |= official_answers([prediction])
        yield row, prediction
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
