"""The model card: README.md of a model folder, with the metadata that Hugging Face reads."""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from bertwright.evaluation.card_metadata import metadata
from bertwright.evaluation.report.record import RunRecord
from bertwright.model.config import BertConfig
from bertwright.settings import PretrainSettings
from bertwright.tasks.classification import TEMPERATURE
from bertwright.tasks.figures import is_count
from bertwright.tasks.multilabel import THRESHOLDS
from bertwright.tasks.text_reading import TextReading
from bertwright.text.complaints import printable

_MOST_LABELS = 50


class _Kind(NamedTuple):
    """What a card says of a task."""

    title: str
    purpose: str
    pipeline: str
    ours: str
    """What `predict` is given."""
    theirs: str | None
    """How transformers' pipeline is called; None where there is none for it."""
    remark: str | None = None
    """What makes the pipeline's answers others than those of the figures."""


_THRESHOLDS = (
    "Labels are given from thresholds on that were chosen on the validation set. transformers knows none: it gives "
    "every label a score."
)
_TEMPERATURE = (
    "Scores are calibrated with a temperature. transformers knows none: its labels are the same, its scores are not."
)
_LONG = "Of a longer text transformers reads the beginning alone: its answers are others than those of the figures."


_TEXT = _Kind(
    "A text classifier",
    "tell apart {count} labels: {labels}",
    "text-classification",
    '["a text"]',
    'pipeline("text-classification", "this-folder", truncation=True)("a text")',
)
_KINDS: Mapping[str, _Kind] = MappingProxyType(
    {
        "classification": _TEXT,
        "multilabel": _TEXT._replace(
            title="A multi-label text classifier",
            purpose="give a text any of {count} labels: {labels}",
            theirs='pipeline("text-classification", "this-folder", truncation=True, top_k=None)("a text")',
        ),
        "regression": _TEXT._replace(title="A text scorer", purpose="give a text a number"),
        "tagging": _Kind(
            "A tagger of entities",
            "tag words with {count} tags: {labels}",
            "token-classification",
            '["a text"]',
            'pipeline("token-classification", "this-folder", aggregation_strategy="first")("a text")',
            "The figures are of what bertwright answers, the likeliest sequence of tags. transformers takes the "
            "likeliest tag of each word, and passes over a CRF layer: its entities are often worse.",
        ),
        "qa": _Kind(
            "A model that answers questions",
            "find the part of a context that answers a question",
            "question-answering",
            '["a question?"], ["a context"]',
            None,
        ),
        "choice": _Kind(
            "A model that chooses",
            "choose which of several texts fits a context best",
            "multiple-choice",
            '["a context"], [["one choice", "another"]]',
            None,
        ),
    }
)


def _of_pairs(kind: _Kind) -> _Kind:
    """What a card says of the same task over pairs of texts."""
    return kind._replace(
        title=kind.title.replace("text", "text pair"),
        purpose=kind.purpose.replace("a text", "a pair of texts"),
        ours='["a text"], ["another text"]',
        theirs=(kind.theirs or "").replace('("a text")', '({"text": "a text", "text_pair": "another text"})'),
    )


def model_card(record: RunRecord, config: BertConfig) -> str:
    """What the model is, how well it does, how it was made, and how to use it.

    Args:
        record: The files of its run.
        config: Its own.
    """
    reading = TextReading.of(config.task)
    kind = _of_pairs(_KINDS[record.task]) if reading.pairs else _KINDS[record.task]
    example = ["import bertwright", "", f'print(bertwright.load("this-folder").predict({kind.ours}))']
    if kind.theirs:
        example += ["", "from transformers import pipeline", "", f"print({kind.theirs})"]
    windows = reading.windows or record.task in ("tagging", "qa")
    longer = "longer ones go through overlapping windows" if windows else f"longer ones lose their {reading.lost}"
    return "\n".join(
        [
            metadata(kind.pipeline, record),
            "",
            f"# {kind.title}",
            "",
            f"BERT ({config.num_hidden_layers} layers, hidden size {config.hidden_size}) {_origin(record)} to "
            f"{_purpose(kind, config)}. "
            f"It reads texts of {record.settings['max_length']} tokens; {longer}.",
            "",
            *_began(record),
            *_figures(record),
            "How it was made: `run/report.html` shows all of it, `run/settings.yaml` has every setting, "
            "`run/log.jsonl` the curves, `run/data.json` the hashes of the data.",
            "",
            "```python",
            *example,
            "```",
            "",
            *_remarks(kind, config),
        ]
    )


def pretraining_card(settings: PretrainSettings, config: BertConfig, metrics: Mapping[str, Mapping[str, float]]) -> str:
    """What the model is, what it was trained for, how well it guesses held-out text, and how to use it."""
    longest = max(length for length, _ in settings.lengths())
    of_what = " The figures are of documents that it never learned from." if metrics else ""
    return "\n".join(
        [
            metadata("fill-mask"),
            "",
            "# A pre-trained BERT",
            "",
            f"BERT ({config.num_hidden_layers} layers, hidden size {config.hidden_size}, {config.vocab_size} tokens) "
            f"pre-trained with `{settings.objective}` from {_code(settings.model)}. "
            f"It reads {longest} tokens.{of_what}",
            "",
            *_table(metrics),
            "How it was made: `run/settings.yaml` has every setting, `run/log.jsonl` the curves, `run/data.json` the "
            "hashes of the corpus.",
            "",
            "```",
            "bertwright finetune --model this-folder --train YOUR.csv --output-dir out",
            "echo 'The capital of France is [MASK].' | bertwright predict --model this-folder --input -",
            "```",
            "",
        ]
    )


def _remarks(kind: _Kind, config: BertConfig) -> list[str]:
    """What makes the answers of transformers' pipeline others than those that the figures are of."""
    tuned = any(threshold != 0.5 for threshold in config.task.get(THRESHOLDS, ()))
    remarks = [
        kind.remark,
        _THRESHOLDS if tuned else None,
        _TEMPERATURE if TEMPERATURE in config.task else None,
        _LONG if TextReading.of(config.task).way != "head" else None,
    ]
    return [line for remark in remarks if remark for line in (remark, "")]


def _origin(record: RunRecord) -> str:
    model = _code(str(record.settings["model"]))
    return f"trained from random weights, of the size {model}," if record.from_scratch else f"fine-tuned from {model}"


def _began(record: RunRecord) -> list[str]:
    """What of the model was random, or of its folder not used; of random weights all is said elsewhere."""
    began = record.metrics.get("began")
    return [] if began is None or record.from_scratch else [f"When training began: {_code(began)}.", ""]


def _purpose(kind: _Kind, config: BertConfig) -> str:
    """What the model is for; of very many labels the first."""
    named = [_code(label) for label in config.labels[:_MOST_LABELS]]
    if len(config.labels) > _MOST_LABELS:
        named.append(f"and {len(config.labels) - _MOST_LABELS} more")
    return kind.purpose.format(count=len(config.labels), labels=", ".join(named))


def _code(text: str) -> str:
    """A text as code, whatever is in it: between more backticks than it has in a row."""
    shown = printable(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    return f"{fence} {shown} {fence}" if len(fence) > 1 else f"`{shown}`"


def _figures(record: RunRecord) -> list[str]:
    """A row for each figure: of either split, its interval, and over several seeds."""
    seeds = record.metrics.get("seeds")
    splits = [split for split in ("validation", "test") if split in record.metrics]
    head = ["metric", *splits, *(["95 % interval (test)"] if record.intervals else [])]
    head += [f"{split}, {len(seeds['runs'])} seeds" for split in splits] if seeds else []
    names = sorted({name for split in splits for name in record.metrics[split] if not is_count(name)})
    rows = [f"| {' | '.join([name, *_cells(record, splits, name, seeds)])} |" for name in names]
    said = ["Intervals: bootstrap over the rows of the test file.", ""] if record.intervals else []
    if record.positive is not None:
        said += [f"`precision`, `recall` and `f1` are those of {_code(record.positive)}.", ""]
    return [f"| {' | '.join(head)} |", "| --- |" + " --- |" * (len(head) - 1), *rows, "", *said]


def _cells(record: RunRecord, splits: Sequence[str], name: str, seeds: Mapping[str, Any] | None) -> Iterator[str]:
    for split in splits:
        value = record.metrics[split].get(name)
        yield "" if value is None else f"{value:.4f}"
    if record.intervals:
        yield "{:.4f} to {:.4f}".format(*record.intervals[name]) if name in record.intervals else ""
    for split in splits if seeds else ():
        mean, std = ((seeds or {})[kind].get(split, {}).get(name) for kind in ("mean", "std"))
        yield "" if mean is None else f"{mean:.4f} ± {std:.4f}"


def _table(metrics: Mapping[str, Mapping[str, float]]) -> list[str]:
    if not metrics:
        return []
    names = sorted({name for figures in metrics.values() for name in figures})
    rows = ([f"{figures[name]:.4f}" if name in figures else "" for figures in metrics.values()] for name in names)
    return [
        "| metric | " + " | ".join(metrics) + " |",
        "| --- |" + " --- |" * len(metrics),
        *(f"| {name} | " + " | ".join(row) + " |" for name, row in zip(names, rows, strict=True)),
        "",
    ]
