"""The model card: README.md of a model folder, with the metadata that Hugging Face reads."""

import json
from collections.abc import Mapping

from bertwright.model.config import BertConfig
from bertwright.settings import FinetuneSettings, PretrainSettings


def model_card(settings: FinetuneSettings, config: BertConfig, metrics: Mapping[str, Mapping[str, float]]) -> str:
    """What the model is, how well it does, how it was made, and how to use it."""
    labels = ", ".join(f"`{json.dumps(label, ensure_ascii=False)[1:-1]}`" for label in config.labels)
    front = [
        "library_name: transformers",
        "pipeline_tag: text-classification",
        "tags: [bert, text-classification, bertwright]",
    ]
    return "\n".join(
        [
            "---",
            *front,
            "---",
            "",
            "# A text classifier",
            "",
            f"BERT ({config.num_hidden_layers} layers, hidden size {config.hidden_size}) fine-tuned from "
            f"`{settings.model}` to tell apart {len(config.labels)} labels: {labels}. It reads "
            f"{settings.max_length} tokens; longer texts lose their end.",
            "",
            *_table(metrics),
            "How it was made: `run/settings.yaml` has every setting, `run/log.jsonl` the curves, `run/data.json` the "
            "hashes of the data.",
            "",
            "```python",
            "import bertwright",
            "",
            'print(bertwright.load("this-folder").predict(["a text"]))',
            "",
            "from transformers import pipeline",
            "",
            'print(pipeline("text-classification", "this-folder", truncation=True)("a text"))',
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
