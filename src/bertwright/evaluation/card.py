"""The model card: README.md of a model folder, with the metadata that Hugging Face reads."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from bertwright.model.config import BertConfig
from bertwright.settings import FinetuneSettings, PretrainSettings
from bertwright.tasks.long_texts import LongTexts


class _Kind(NamedTuple):
    """What a card says of a task."""

    title: str
    purpose: str
    pipeline: str
    ours: str
    """What `predict` is given."""
    theirs: str | None
    """How transformers' pipeline is called; None where there is none for it."""


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


def model_card(
    settings: FinetuneSettings, task: str, config: BertConfig, metrics: Mapping[str, Mapping[str, float]]
) -> str:
    """What the model is, how well it does, how it was made, and how to use it."""
    kind = _KINDS[task]
    labels = ", ".join(f"`{json.dumps(label, ensure_ascii=False)[1:-1]}`" for label in config.labels)
    purpose = kind.purpose.format(count=len(config.labels), labels=labels)
    example = ["import bertwright", "", f'print(bertwright.load("this-folder").predict({kind.ours}))']
    if kind.theirs:
        example += ["", "from transformers import pipeline", "", f"print({kind.theirs})"]
    long = LongTexts.of(config.task)
    windows = long.windows or task in ("tagging", "qa")
    longer = "longer ones go through overlapping windows" if windows else f"longer ones lose {long.lost}"
    return "\n".join(
        [
            "---",
            "library_name: transformers",
            f"pipeline_tag: {kind.pipeline}",
            f"tags: [bert, {kind.pipeline}, bertwright]",
            "---",
            "",
            f"# {kind.title}",
            "",
            f"BERT ({config.num_hidden_layers} layers, hidden size {config.hidden_size}) fine-tuned from "
            f"`{settings.model}` to {purpose}. It reads texts of {settings.max_length} tokens; {longer}.",
            "",
            *_table(metrics),
            "How it was made: `run/settings.yaml` has every setting, `run/log.jsonl` the curves, `run/data.json` the "
            "hashes of the data.",
            "",
            "```python",
            *example,
            "```",
            "",
        ]
    )


def pretraining_card(settings: PretrainSettings, config: BertConfig, metrics: Mapping[str, Mapping[str, float]]) -> str:
    """What the model is, what it was trained for, how well it guesses held-out text, and how to use it."""
    longest = max(length for length, _ in settings.lengths())
    of_what = " The figures are of documents that it never learned from." if metrics else ""
    return "\n".join(
        [
            "---",
            "library_name: transformers",
            "pipeline_tag: fill-mask",
            "tags: [bert, fill-mask, bertwright]",
            "---",
            "",
            "# A pre-trained BERT",
            "",
            f"BERT ({config.num_hidden_layers} layers, hidden size {config.hidden_size}, {config.vocab_size} tokens) "
            f"pre-trained with `{settings.objective}` from `{settings.model}`. It reads {longest} tokens.{of_what}",
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
