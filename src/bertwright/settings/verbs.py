"""The settings of fine-tuning and what follows: their types, ranges and defaults; their docstrings are the help text.

Knows nothing of what the settings are used for.
"""

import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from bertwright.settings.base import Free, Grows, Leading, Settings, Spelled
from bertwright.settings.shared import (
    DeviceSettings,
    Fraction,
    Language,
    LearningSettings,
    MaxLength,
    Positive,
    RunSettings,
    Seed,
    TableSettings,
)

LongWay = Literal["head", "head+tail", "window"]
Pooling = Literal["mean", "max"]
TaskName = Literal["classification", "multilabel", "regression", "tagging", "qa", "choice"]


class TrainingSettings(LearningSettings):
    """How the model learns."""

    epochs: Annotated[Positive, Spelled("num_train_epochs")] = 3
    """Passes over the training set."""
    max_steps: Positive | None = None
    """Optimizer steps to train for, instead of --epochs."""
    batch_size: Annotated[Positive, Spelled("per_device_train_batch_size", "train_batch_size")] = 32
    """Texts per optimizer step."""
    group_by_length: bool = True
    """Texts of like length share batches, which is faster; without, batches are drawn from all texts alike."""
    learning_rate: Annotated[float, Field(gt=0.0), Spelled("lr")] = 5e-5
    """Peak learning rate."""
    schedule: Annotated[Literal["linear", "cosine", "constant"], Spelled("lr_scheduler_type")] = "linear"
    """How the learning rate falls after warm-up."""
    warmup_ratio: Annotated[Fraction, Spelled("warmup_proportion")] = 0.1
    """Share of the steps in which the learning rate rises from 0."""
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Each layer's learning rate as a share of that of the layer above it (1 = all the same)."""
    freeze_layers: Annotated[int | None, Field(ge=0)] = None
    """Keep the embeddings and this many of the lowest layers as they are (0 = the embeddings alone)."""
    label_smoothing: Annotated[Fraction, Spelled("label_smoothing_factor")] = 0.0
    """Share of each target that is spread evenly over all labels."""
    long: LongWay = "head"
    """What is read of a text that is too long: its head; head+tail; or window, overlapping ones over all of it."""
    window_pooling: Pooling = "mean"
    """What becomes of the logits of a text's windows (--long window)."""
    stride: Annotated[Positive | None, Spelled("doc_stride")] = None
    """Tokens from one window to the next; not given: 128, at most half of --max-length (qa); 3/4 of a window (long)."""
    max_question_length: Annotated[Positive, Spelled("max_query_length")] = 64
    """Tokens that are read of a question, at most half of --max-length (qa)."""
    max_answer_length: Positive = 30
    """Tokens of the longest answer (qa)."""
    crf: bool = False
    """Learn and find whole paths of tags, by what follows what (a CRF layer; tagging)."""
    focal_gamma: Annotated[float, Field(ge=0.0)] = 0.0
    """Focal loss: how little counts what the model is sure of (classification, multilabel); 0 = as much as the rest."""
    adversarial_epsilon: Annotated[float, Field(ge=0.0)] = 0.0
    """Learn each batch a second time with word embeddings moved so far (L2 norm) against the model (FGM); 0 = not."""
    ema_decay: Fraction = 0.0
    """Evaluate and keep an average of the weights that looks back over about 1 / (1 - decay) steps; 0 = the weights."""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced = every label weighs the same in the loss, however rare it is."""

    @model_validator(mode="after")
    def _options_go_together(self) -> Self:
        if self.focal_gamma and self.label_smoothing:
            raise ValueError("focal_gamma and label_smoothing want opposite things of what is sure: give one of them")
        if self.crf and (self.label_smoothing or self.class_weights != "none"):
            raise ValueError(
                "crf is for whole paths of tags: label_smoothing and class_weights are for tags one by one"
            )
        if self.adversarial_epsilon and self.freeze_layers is not None:
            raise ValueError("adversarial_epsilon needs the gradient of the word embeddings, which freeze_layers stops")
        return self

    @model_validator(mode="after")
    def _windows_leave_nothing_out(self) -> Self:
        room = self.max_length - 2  # [CLS] and [SEP]
        if self.stride is not None and self.stride > room:
            raise ValueError(
                f"stride = {self.stride} is more than a window holds ({room} with max_length = {self.max_length}): "
                "what stands between two windows would be read in none"
            )
        return self

    @model_validator(mode="after")
    def _batch_can_be_cut(self) -> Self:
        if self.gradient_accumulation > self.batch_size:
            raise ValueError(
                f"gradient_accumulation = {self.gradient_accumulation} is more than batch_size = {self.batch_size}: "
                "a batch cannot be cut into more parts than it has texts"
            )
        return self


class MeasureSettings(RunSettings):
    """When to evaluate, and by what."""

    positive_label: str | None = None
    """With two labels, the one whose precision, recall and F1 are given; the second in order when not given."""
    eval_steps: Positive | None = None
    """Evaluate on the validation set every N steps; after each epoch when not given."""
    best_metric: Annotated[str | None, Spelled("metric_for_best_model")] = None
    """The validation figure by which the best model is kept; the task's usual one when not given."""
    tune_thresholds: bool = True
    """Choose thresholds on the validation set: from when on a label is given (multilabel), or no answer (qa)."""
    calibrate: bool = False
    """Choose a temperature on the validation set, so that scores are as high as answers are right (classification)."""
    early_stopping_patience: Positive | None = None
    """Stop after this many evaluations in a row without a better --best-metric."""
    slice_columns: Annotated[tuple[str, ...] | None, Free, Spelled("slice_column")] = None
    """Columns of the test file by whose values the figures are given as well, beside label and length."""
    lang: Annotated[Language, Free] = "en"
    """Language of the report: English or Chinese."""

    @field_validator("best_metric")
    @classmethod
    def _without_the_trainers_prefix(cls, name: str | None) -> str | None:
        return name and name.removeprefix("eval_")


class FinetuneSettings(TrainingSettings, MeasureSettings, TableSettings, DeviceSettings):
    """Fine-tune a BERT on a labelled file and write a model folder."""

    verb: ClassVar[str] = "finetune"

    model: Annotated[str, Spelled("model_name_or_path")]
    """A BERT folder, a hub name, or a size preset (tiny, mini, small, medium, base, large)."""
    train: Annotated[Path, Spelled("train_file")]
    """Labelled file to learn from: .csv .tsv .jsonl .parquet, or .gz of these."""
    output_dir: Annotated[Path, Free]
    """Folder for the model; run/ inside it tells how it came about."""
    task: TaskName | None = None
    """What the model is to learn; guessed from the data, and printed, when not given."""
    validation: Annotated[Path | None, Spelled("validation_file", "dev")] = None
    """Labelled file to choose the best model by; split off --train when not given."""
    test: Annotated[Path | None, Spelled("test_file")] = None
    """Labelled file for the final figures; never looked at before the end."""
    validation_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    """Share of --train that becomes the validation set when none is given (stratified by label)."""
    split_seed: Seed | None = None
    """Decides which rows of --train become the validation set; --seed when not given."""
    seeds: Annotated[Positive, Grows] = 1
    """Train with so many seeds, --seed the first; keep the best model by validation, print mean and deviation."""
    folds: Annotated[int | None, Field(ge=2)] = None
    """First cross-validate --train in so many folds: figures on rows that a model has not seen, likely label errors."""
    fold: str | None = None
    """Leave out one fold, as --folds does for each in turn: 2/5 learns from all rows but the second fifth."""
    vocab: Path | None = None
    """Tokenizer folder or vocab.txt for a model made from a size preset."""

    @property
    def left_out(self) -> tuple[int, int] | None:
        """The number of the fold that is left out, from 1, and of how many."""
        if self.fold is None:
            return None
        number, _, count = self.fold.partition("/")
        return int(number), int(count)

    @model_validator(mode="after")
    def _fold_is_there(self) -> Self:
        if self.fold is not None:
            known = re.fullmatch(r"[0-9]{1,6}/[0-9]{1,6}", self.fold) and self.left_out
            if not (known and 1 <= known[0] <= known[1] and known[1] >= 2):
                raise ValueError(f"fold = {self.fold!r}: should be as 2/5, the second of five folds")
            if self.folds is not None:
                raise ValueError("folds and fold: --folds leaves out each fold in turn; give one of them")
        return self


class ApplySettings(TableSettings, DeviceSettings):
    """How a fine-tuned model is applied."""

    model: Annotated[str, Spelled("model_name_or_path")]
    """A fine-tuned model folder, or a hub name."""
    max_length: Annotated[MaxLength | None, Spelled("max_seq_length")] = None
    """Longest sequence in tokens; as in training when not given."""
    batch_tokens: Positive = 4096
    """Tokens computed at a time; changes speed and memory, never a result."""


class EvaluateSettings(ApplySettings):
    """Measure a fine-tuned model on a labelled file."""

    verb: ClassVar[str] = "evaluate"

    test: Annotated[Path, Spelled("test_file")]
    """Labelled file to measure on."""
    positive_label: str | None = None
    """With two labels, the one whose precision, recall and F1 are given; the second in order when not given."""
    against: str | None = None
    """Another fine-tuned model for the same task, to be compared on the same rows."""
    bootstrap_draws: Annotated[int, Field(ge=0)] = 1000
    """Draws behind each 95 % interval; fewer beyond 100,000 rows. 0 = none, but for --against."""
    output_dir: Path | None = None
    """Folder for metrics.json, predictions.test.jsonl and report.html; printed alone when not given."""
    slice_columns: Annotated[tuple[str, ...] | None, Spelled("slice_column")] = None
    """Columns of the file by whose values the figures are given as well, beside label and length."""
    lang: Language = "en"
    """Language of the report: English or Chinese."""
    quiet: bool = False
    """Print only warnings and the result."""


class ReportSettings(Settings):
    """Make the report of a run anew, from its own files alone."""

    verb: ClassVar[str] = "report"

    folder: Annotated[Path, Leading]
    """The model folder that finetune wrote, or the folder of evaluate --output-dir."""
    lang: Language | None = None
    """Language of the report: English or Chinese; as the run was told when not given."""
    output: Path | None = None
    """HTML file to write; report.html among the run's files when not given."""


class PredictSettings(ApplySettings):
    """Label the texts of a file or of stdin, or fill their [MASK]s."""

    verb: ClassVar[str] = "predict"

    input: str
    """File of texts (.txt .csv .tsv .jsonl .parquet, or .gz of these), or - for standard input."""
    output: str = "-"
    """JSON Lines file to write, or - for standard output; for qa a .json file is in the official scripts' form."""
    top_k: Positive = 5
    """How many tokens a pre-trained model names for each [MASK]."""
    quiet: bool = False
    """Print only warnings."""


class DemoSettings(DeviceSettings):
    """Pre-train and fine-tune a small BERT on text that ships with Python."""

    verb: ClassVar[str] = "demo"

    output_dir: Path = Path("demo")
    """Folder for the texts, the vocabulary, the shards, the models and the page (index.html)."""
    seed: Seed = 0
    """Decides the split, the pre-training and the first fine-tuning; the other two take the seeds after it."""
    overwrite: bool = False
    """Start anew where --output-dir already holds a demo."""
    quiet: bool = False
    """Print only warnings and the result."""
