"""The peer's side of `finetune.py`: `transformers.Trainer`, as a user first writes it or with its best flags."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    set_seed,
)

from bertwright.tasks.texts import label_order
from bertwright.text.tables.texts import Row
from finetune_job import FinetuneJob, accuracy
from job import Figures, Laps, Watch, answer
from peer import Listener, Seen, arguments, best_flags

Example = dict[str, Any]


def training(job: FinetuneJob) -> Figures:
    """`Trainer.train`, with its default settings or its best ones."""
    watch = Watch(job)
    train, test = job.read(job.train), job.read(job.test)
    labels = label_order([row.label or "" for row in train])
    tokenizer = AutoTokenizer.from_pretrained(job.model)
    set_seed(job.seed)
    model = _model(job, num_labels=len(labels), id2label=dict(enumerate(labels)))
    seen = Seen(model)
    trainer = Trainer(
        model=model,
        args=arguments(job, **(_best_training(job) if job.side == "peer-best" else {})),
        train_dataset=_examples(tokenizer, train, job.max_length, labels),
        eval_dataset=_examples(tokenizer, test, job.max_length, labels),  # bertwright's start-up tokenises it, too
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
        callbacks=[Listener(watch)],
    )
    trainer.train()
    return seen.figures(watch)


def prediction(job: FinetuneJob) -> Figures:
    """`Trainer.predict`, in the file's order, or sorted by length for its best."""
    rows, laps, best = job.read(job.test), Laps(), job.side == "peer-best"
    with laps("loading_seconds"):
        tokenizer = AutoTokenizer.from_pretrained(job.model)
        model = _model(job)
    with laps("tokenising_seconds"):
        examples = _examples(tokenizer, rows, job.max_length)
    trainer: Any = Trainer(
        model=model,
        args=arguments(job, **(_best_prediction(job) if best else {})),
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
    )
    trainer.predict(examples[: job.batch_size])  # the first batch is a warm-up, on both sides
    with laps("predicting_seconds"):
        lengths = np.array([-len(example["input_ids"]) for example in examples])
        order = np.argsort(lengths, kind="stable") if best else np.arange(len(examples))
        logits = trainer.predict([examples[place] for place in order]).predictions
        numbers = logits.argmax(axis=1)[np.argsort(order)]
        labels = [model.config.id2label[number] for number in numbers.tolist()]
    return {
        **laps,
        "examples_per_second": len(rows) / laps["predicting_seconds"],
        "accuracy": accuracy(labels, rows),
        "labels": labels,
    }


def _model(job: FinetuneJob, **options: Any) -> Any:
    if job.side == "peer-best":
        options["attn_implementation"] = job.peer_attention
    return AutoModelForSequenceClassification.from_pretrained(job.model, dtype=torch.float32, **options)


def _examples(tokenizer: Any, rows: Sequence[Row], max_length: int, labels: Sequence[str] = ()) -> list[Example]:
    """Rows as a data set for a Trainer, which takes any sequence; a list is the fastest."""
    pairs = [row.pair for row in rows] if rows[0].pair is not None else None
    columns = dict(tokenizer([row.text for row in rows], pairs, truncation=True, max_length=max_length))
    if labels:
        columns["labels"] = [labels.index(row.label or "") for row in rows]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _best_training(job: FinetuneJob) -> dict[str, Any]:
    grouped: dict[str, Any] = {"train_sampling_strategy": "group_by_length"}
    if not hasattr(TrainingArguments, "train_sampling_strategy"):  # as it was called before transformers 5
        grouped = {"group_by_length": True}
    return {**best_flags(job), **grouped}


def _best_prediction(job: FinetuneJob) -> dict[str, Any]:
    """Weights turned to bf16 once; sorting is left to the caller: the Trainer's own would not give the order back."""
    return {"bf16_full_eval": job.peer_bf16, "per_device_eval_batch_size": job.peer_eval_batch_size or job.batch_size}


if __name__ == "__main__":
    answer(FinetuneJob, training, prediction)
