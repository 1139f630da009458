"""`predict`: texts of a file or a stream in, JSON lines with label names out."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from bertwright.api.common import say, settled, table_of, warn
from bertwright.files import replacing
from bertwright.serving.predictor import load
from bertwright.settings import PredictSettings
from bertwright.text.tables import Table, read_stream


@dataclass(frozen=True, slots=True)
class Predicted:
    """How many texts were labelled, and how many of them were longer than the model reads."""

    texts: int
    truncated: int


def predict(settings: PredictSettings | None = None, /, **options: object) -> Predicted:
    """Label the texts of a file or of standard input, in their order and in bounded memory.

    Args:
        settings: A settings object, instead of or before keyword arguments.
        **options: The fields of `PredictSettings`; `model` and `input` are required. `output` is `-` for standard
            output. For texts in memory use `bertwright.load(folder).predict(texts)`.

    Raises:
        BertwrightError: The model or the file is not what it should be; no output file is left behind then.
    """
    settings = settled(PredictSettings, settings, options)
    predictor = load(
        settings.model,
        device=settings.device,
        precision=settings.precision,
        max_length=settings.max_length,
        batch_tokens=settings.batch_tokens,
    )
    table = _texts(settings)
    texts = truncated = 0
    with _output(settings.output) as out:
        for prediction in predictor.stream(table.read()):
            out.write(json.dumps(prediction.to_dict(), ensure_ascii=False) + "\n")
            texts += 1
            truncated += prediction.truncated
    if truncated:
        warn(f"{truncated} of {texts} texts are longer than {predictor.max_length} tokens and lost their end")
    say(f"{texts} texts labelled", quiet=settings.quiet)
    return Predicted(texts, truncated)


def _texts(settings: PredictSettings) -> Table:
    folder = Path(settings.output).parent if settings.output != "-" else Path()
    quarantine = folder / "bad_rows.jsonl"
    if settings.input != "-":
        return table_of(Path(settings.input), settings, quarantine=quarantine, needs_label=False, quiet=settings.quiet)
    return read_stream(
        sys.stdin.buffer,
        text_column=settings.text_column,
        text_pair_column=settings.text_pair_column,
        skip_bad_rows=settings.skip_bad_rows,
        quarantine=quarantine if settings.skip_bad_rows else None,
    )


@contextmanager
def _output(name: str) -> Iterator[TextIO]:
    """Standard output, or a file that is published whole."""
    if name == "-":
        yield sys.stdout
        return
    with replacing(Path(name)) as temporary, temporary.open("w", encoding="utf-8") as file:
        yield file
