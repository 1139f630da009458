"""The peer's side of `quality.py`: `transformers.Trainer` on one data set, with transformers' heads and losses.

Nothing of bertwright is used, from the files to the figures, so that the two sides can disagree: rows are read with
the standard library, entities are counted by seqeval, the rest by scikit-learn, SciPy and, for answers, as the
official SQuAD scripts do.
"""

import argparse
import csv
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch.utils.data import SequentialSampler
from transformers import (
    AutoModelForMultipleChoice,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForMultipleChoice,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    set_seed,
)

from quality_answers import Answers
from quality_sets import ROLES, SETS, QualitySet

Example = dict[str, Any]
THRESHOLDS = np.arange(1, 20) / 20
Figures = dict[str, float]
Metrics = dict[str, Callable[[Any], Figures]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a Trainer is given.

    Attributes:
        model: With a new head of the right size.
        examples: Of each role.
        collator: Makes batches of them.
        metrics: Of each role, from a Trainer's predictions.
    """

    model: Any
    examples: dict[str, list[Example]]
    collator: Any
    metrics: Metrics


class Kind(ABC):
    """How a data set of one kind of task is prepared."""

    def __init__(self, chosen: QualitySet, tokenizer: Any) -> None:
        self.chosen, self.tokenizer = chosen, tokenizer

    @abstractmethod
    def prepared(self, files: dict[str, Path], model: str) -> Prepared:
        """Model, examples and metrics for the files."""


def table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Rows of a tab-separated file in which a quotation mark is a character like any other."""
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, columns or None, delimiter="\t", quoting=csv.QUOTE_NONE))


class Texts(Kind):
    """What classification, regression and several labels have in common."""

    def _examples(self, rows: Sequence[dict[str, str]], labels: Sequence[Any]) -> list[Example]:
        texts = [[row[column] for row in rows] for column in self.chosen.text_columns]
        encoded = self.tokenizer(*texts, truncation=True, max_length=self.chosen.max_length)
        return [
            {**dict(zip(encoded, values, strict=True)), "labels": label}
            for values, label in zip(zip(*encoded.values(), strict=True), labels, strict=True)
        ]

    def prepared(self, files: dict[str, Path], model: str) -> Prepared:
        """See `Kind`."""
        rows = {role: table(path, self.chosen.columns) for role, path in files.items()}
        cells = {role: [row[self.chosen.label_column] for row in of_role] for role, of_role in rows.items()}
        numbers, options, metrics = self._labels(cells)
        return Prepared(
            AutoModelForSequenceClassification.from_pretrained(model, dtype=torch.float32, **options),
            {role: self._examples(rows[role], numbers[role]) for role in ROLES},
            DataCollatorWithPadding(self.tokenizer),
            metrics,
        )

    def _labels(self, cells: dict[str, list[str]]) -> tuple[dict[str, list[Any]], dict[str, Any], Metrics]:
        """Numbers for the cells, options of the model, and its metrics for each role."""
        if self.chosen.task == "regression":
            numbers = {role: [float(cell) for cell in of_role] for role, of_role in cells.items()}
            return numbers, {"num_labels": 1, "problem_type": "regression"}, dict.fromkeys(ROLES, of_numbers)
        if self.chosen.task == "multilabel":
            names = sorted({name for cell in cells["train"] for name in cell.split(",")})
            hot = {
                role: [[float(name in cell.split(",")) for name in names] for cell in of_role]
                for role, of_role in cells.items()
            }
            return hot, {"num_labels": len(names), "problem_type": "multi_label_classification"}, label_sets()
        names = sorted(set(cells["train"]))
        places = {role: [names.index(cell) for cell in of_role] for role, of_role in cells.items()}
        return places, {"num_labels": len(names)}, dict.fromkeys(ROLES, of_classes)


def of_classes(predicted: Any) -> Figures:
    """Of one label a text; the second of two is the positive one."""
    from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

    found, truth = predicted.predictions.argmax(axis=1), predicted.label_ids
    return {
        "accuracy": accuracy_score(truth, found),
        "f1": f1_score(truth, found),
        "matthews_correlation": matthews_corrcoef(truth, found),
    }


def of_numbers(predicted: Any) -> Figures:
    """Of a number a text."""
    from scipy.stats import pearsonr, spearmanr

    found, truth = predicted.predictions.squeeze(), predicted.label_ids
    return {"pearson": pearsonr(found, truth).statistic, "spearman": spearmanr(found, truth).statistic}


def label_sets() -> Metrics:
    """Of any number of labels a text, each given from a probability on that is chosen on the validation set."""
    threshold = [0.5]

    def validation(predicted: Any) -> Figures:
        threshold[0] = max(THRESHOLDS, key=lambda tried: of_label_sets(predicted, tried)["f1_micro"])
        return of_label_sets(predicted, threshold[0])

    return {"validation": validation, "test": lambda predicted: of_label_sets(predicted, threshold[0])}


def of_label_sets(predicted: Any, threshold: float) -> Figures:
    """Of the labels that are at least so probable."""
    from sklearn.metrics import f1_score

    found, truth = predicted.predictions >= np.log(threshold / (1 - threshold)), predicted.label_ids
    return {f"f1_{kind}": f1_score(truth, found, average=kind, zero_division=0) for kind in ("micro", "macro")}


class Tags(Kind):
    """A tag a word, read from its first piece."""

    def prepared(self, files: dict[str, Path], model: str) -> Prepared:
        """See `Kind`."""
        sentences = {role: list(self._sentences(path)) for role, path in files.items()}
        names = sorted({tag for words in sentences["train"] for _, tag in words})
        examples = {role: [self._example(words, names) for words in of_role] for role, of_role in sentences.items()}
        head = {"num_labels": len(names), "id2label": dict(enumerate(names))}
        return Prepared(
            AutoModelForTokenClassification.from_pretrained(model, dtype=torch.float32, **head),
            examples,
            DataCollatorForTokenClassification(self.tokenizer),
            dict.fromkeys(ROLES, lambda predicted: self._metrics(predicted, names)),
        )

    @staticmethod
    def _sentences(path: Path) -> Iterator[list[tuple[str, str]]]:
        """CoNLL's columns: the first is the word, the last the tag, a blank line ends a sentence."""
        for block in path.read_text(encoding="utf-8").split("\n\n"):
            columns = [line.split() for line in block.splitlines() if line and not line.startswith("-DOCSTART-")]
            if columns:
                yield [(line[0], line[-1]) for line in columns]

    def _example(self, words: Sequence[tuple[str, str]], names: Sequence[str]) -> Example:
        texts = [word for word, _ in words]
        encoded = self.tokenizer(texts, is_split_into_words=True, truncation=True, max_length=self.chosen.max_length)
        places = encoded.word_ids()
        first = [place is not None and place != before for before, place in zip([None, *places], places, strict=False)]
        labels = [names.index(words[place][1]) if new else -100 for place, new in zip(places, first, strict=True)]
        return {**encoded, "labels": labels}

    @staticmethod
    def _metrics(predicted: Any, names: Sequence[str]) -> Figures:
        from seqeval.metrics import f1_score

        pairs = [
            [(names[tag], names[best]) for tag, best in zip(tags, found, strict=True) if tag != -100]
            for tags, found in zip(predicted.label_ids, predicted.predictions.argmax(axis=2), strict=True)
        ]
        truth, found = ([[pair[side] for pair in sentence] for sentence in pairs] for side in (0, 1))
        return {"f1": f1_score(truth, found)}


class Choices(Kind):
    """DREAM's questions: a dialogue, and a question with its choices."""

    def prepared(self, files: dict[str, Path], model: str) -> Prepared:
        """See `Kind`."""
        return Prepared(
            AutoModelForMultipleChoice.from_pretrained(model, dtype=torch.float32),
            {role: list(self._examples(path)) for role, path in files.items()},
            DataCollatorForMultipleChoice(self.tokenizer),
            dict.fromkeys(ROLES, of_choices),
        )

    def _examples(self, path: Path) -> Iterator[Example]:
        for turns, questions, _ in json.loads(path.read_text(encoding="utf-8")):
            for question in questions:
                choices = question["choice"]
                seconds = [f"{question['question']} {choice}" for choice in choices]
                encoded = self.tokenizer(
                    ["\n".join(turns)] * len(choices), seconds, truncation=True, max_length=self.chosen.max_length
                )
                yield {**encoded, "labels": choices.index(question["answer"])}


def of_choices(predicted: Any) -> Figures:
    """Share of the questions whose best choice is the right one."""
    return {"accuracy": float((predicted.predictions.argmax(axis=1) == predicted.label_ids).mean())}


class Spans(Kind):
    """Answers as parts of a context, which is read in overlapping windows."""

    def prepared(self, files: dict[str, Path], model: str) -> Prepared:
        """See `Kind`."""
        answers = {role: Answers.read(path, self.tokenizer, self.chosen.max_length) for role, path in files.items()}
        threshold = [0.0]  # what a score of no answer must be above; chosen on the validation set, last of all there

        def validation(predicted: Any) -> Figures:
            threshold[0], figures = answers["validation"].best_threshold(predicted.predictions)
            return figures

        return Prepared(
            AutoModelForQuestionAnswering.from_pretrained(model, dtype=torch.float32),
            {role: of_role.examples for role, of_role in answers.items()},
            DataCollatorWithPadding(self.tokenizer),
            {
                "validation": validation,
                "test": lambda predicted: answers["test"].figures(predicted.predictions, threshold[0]),
            },
        )


KINDS: dict[str, type[Kind]] = {
    "classification": Texts,
    "multilabel": Texts,
    "regression": Texts,
    "tagging": Tags,
    "choice": Choices,
    "qa": Spans,
}


def arguments(chosen: QualitySet, seed: int, folder: Path, steps: int, *, bf16: bool = False) -> TrainingArguments:
    """The settings that bertwright has, in the peer's words; batches of like length are its fast way."""
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=chosen.epochs,
        max_steps=steps or -1,
        per_device_train_batch_size=chosen.batch_size,
        per_device_eval_batch_size=chosen.batch_size,
        learning_rate=chosen.learning_rate,
        weight_decay=0.01,
        warmup_steps=0.1,
        train_sampling_strategy="group_by_length",
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model=chosen.best,
        greater_is_better=True,
        seed=seed,
        bf16=bf16,
        use_cpu=not torch.cuda.is_available(),
        report_to="none",
        disable_tqdm=True,
    )


class InOrder(Trainer):  # type: ignore[misc]
    """A Trainer that predicts row after row: grouped by length, its predictions would come in an order of their own."""

    def _get_eval_sampler(self, eval_dataset: Sized) -> SequentialSampler:
        return SequentialSampler(eval_dataset)


def train(prepared: Prepared, settings: TrainingArguments, tokenizer: Any) -> dict[str, Figures]:
    """Fine-tune, keep the best epoch, and measure it on both other files."""
    trainer = InOrder(
        model=prepared.model,
        args=settings,
        train_dataset=prepared.examples["train"],
        eval_dataset=prepared.examples["validation"],
        data_collator=prepared.collator,
        processing_class=tokenizer,
        compute_metrics=prepared.metrics["validation"],
    )
    trainer.train()
    measured = {}
    for role in ROLES[1:]:
        trainer.compute_metrics = prepared.metrics[role]
        found = trainer.predict(prepared.examples[role], metric_key_prefix=role).metrics
        measured[role] = {name.removeprefix(f"{role}_"): value for name, value in found.items()}
    return measured


def main() -> None:
    """One training of the peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", choices=SETS, required=True)
    parser.add_argument("--files", type=Path, required=True, help="folder of the set's three files")
    parser.add_argument("--model", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--max-steps", type=int, default=0, help="for a try; 0 = all epochs")
    parser.add_argument("--output-dir", type=Path, required=True)
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    chosen = SETS[options.set]
    files = {role: options.files / f"{role}{chosen.suffix}" for role in ROLES}
    set_seed(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    prepared = KINDS[chosen.task](chosen, tokenizer).prepared(files, options.model)
    bf16 = options.precision == "bf16"
    settings = arguments(chosen, options.seed, options.output_dir, options.max_steps, bf16=bf16)
    metrics = train(prepared, settings, tokenizer)
    (options.output_dir / "metrics.json").write_text(json.dumps(metrics, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
