"""The settings of each verb: what can be set, its type, its range, its default, and its docstring as help text.

Knows nothing of what the settings are used for.
"""

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from bertwright.settings.base import Free, Settings, Spelled

Precision = Literal["auto", "fp32", "bf16"]
Metric = Literal["accuracy", "f1_macro", "f1_weighted", "f1", "matthews_correlation", "loss"]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[int, Field(ge=1)]
MaxLength = Annotated[int, Field(ge=3)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class TableSettings(Settings):
    """How a labelled file is read."""

    columns: tuple[str, ...] | None = None
    """Names of the columns of files that have no header, in order; `_` for one to ignore."""
    text_column: str | None = None
    """The column of the text (guessed from well-known names, and printed)."""
    text_pair_column: str | None = None
    """The column of the second text, for pairs."""
    label_column: str | None = None
    """The column of the label."""
    quoting: bool | None = None
    """Whether `"` quotes a field; decided from the file itself when not given."""
    skip_bad_rows: bool = False
    """Go on without the rows that cannot be read; they are written to a quarantine file."""


class DeviceSettings(Settings):
    """Where and how precisely to compute."""

    device: Annotated[str, Free] = "auto"
    """auto (CUDA where there is a device), cpu, cuda, or cuda:N."""
    precision: Precision = "auto"
    """auto = bf16 where the hardware multiplies it fast (CUDA; a CPU with AMX or AVX512-BF16), else fp32."""


class TrainingSettings(Settings):
    """How the model learns."""

    max_length: Annotated[MaxLength, Spelled("max_seq_length")] = 128
    """Longest sequence in tokens, special tokens included; longer texts are cut, counted and reported."""
    epochs: Annotated[Positive, Spelled("num_train_epochs")] = 3
    """Passes over the training set."""
    max_steps: Positive | None = None
    """Optimizer steps to train for, instead of --epochs."""
    batch_size: Annotated[Positive, Spelled("per_device_train_batch_size", "train_batch_size")] = 32
    """Texts per optimizer step."""
    gradient_accumulation: Annotated[Positive, Spelled("gradient_accumulation_steps")] = 1
    """Parts in which a batch is computed, to save memory; the result is that of the whole batch."""
    learning_rate: Annotated[float, Field(gt=0.0), Spelled("lr")] = 5e-5
    """Peak learning rate."""
    schedule: Annotated[Literal["linear", "cosine", "constant"], Spelled("lr_scheduler_type")] = "linear"
    """How the learning rate falls after warm-up."""
    warmup_ratio: Annotated[Fraction, Spelled("warmup_proportion")] = 0.1
    """Share of the steps in which the learning rate rises from 0."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.01
    """AdamW's decay; biases and layer norms are spared."""
    max_grad_norm: Annotated[float, Field(ge=0.0)] = 1.0
    """Longest gradient (global L2 norm); longer ones are scaled down. 0 switches clipping off."""
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Each layer's learning rate as a share of that of the layer above it (1 = all the same)."""
    freeze_layers: Annotated[int | None, Field(ge=0)] = None
    """Keep the embeddings and this many of the lowest layers as they are (0 = the embeddings alone)."""
    dropout: Fraction | None = None
    """Dropout everywhere, instead of what the model's config says."""
    label_smoothing: Annotated[Fraction, Spelled("label_smoothing_factor")] = 0.0
    """Share of each target that is spread evenly over all labels."""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced = every label weighs the same in the loss, however rare it is."""
    seed: Seed = 0
    """Decides the split, the order of the texts, a new head's weights and dropout."""

    @model_validator(mode="after")
    def _batch_can_be_cut(self) -> Self:
        if self.gradient_accumulation > self.batch_size:
            raise ValueError(
                f"gradient_accumulation = {self.gradient_accumulation} is more than batch_size = {self.batch_size}: "
                "a batch cannot be cut into more parts than it has texts"
            )
        return self


class RecordSettings(Settings):
    """When to evaluate, what to keep and what to tell."""

    positive_label: str | None = None
    """With two labels, the one whose precision, recall and F1 are given; the second in order when not given."""
    eval_steps: Positive | None = None
    """Evaluate on the validation set every N steps; after each epoch when not given."""
    best_metric: Annotated[Metric, Spelled("metric_for_best_model")] = "accuracy"
    """The validation figure by which the best model is kept."""
    early_stopping_patience: Positive | None = None
    """Stop after this many evaluations in a row without a better --best-metric."""
    save_steps: Annotated[Positive | None, Free] = None
    """Write a snapshot every N steps; after each epoch when not given."""
    keep_snapshots: Annotated[Positive, Free, Spelled("save_total_limit")] = 2
    """How many of the newest snapshots to keep."""
    log_steps: Annotated[Positive, Spelled("logging_steps")] = 10
    """Write a line to log.jsonl every N steps."""
    overwrite: Annotated[bool, Free, Spelled("overwrite_output_dir")] = False
    """Start anew where --output-dir already holds a run."""
    weights_format: Annotated[Literal["safetensors", "bin"], Free] = "safetensors"
    """bin = also write pytorch_model.bin for older tools."""
    tensorboard: Annotated[bool, Free] = False
    """Also write TensorBoard events to run/tensorboard."""
    quiet: Annotated[bool, Free] = False
    """Print only warnings and the result."""


class FinetuneSettings(TrainingSettings, RecordSettings, TableSettings, DeviceSettings):
    """Fine-tune a BERT on a labelled file and write a model folder."""

    verb: ClassVar[str] = "finetune"

    model: Annotated[str, Spelled("model_name_or_path")]
    """A BERT folder, a hub name, or a size preset (tiny, mini, small, medium, base, large)."""
    train: Annotated[Path, Spelled("train_file")]
    """Labelled file to learn from: .csv .tsv .jsonl .parquet, or .gz of these."""
    output_dir: Annotated[Path, Free]
    """Folder for the model; run/ inside it tells how it came about."""
    validation: Annotated[Path | None, Spelled("validation_file", "dev")] = None
    """Labelled file to choose the best model by; split off --train when not given."""
    test: Annotated[Path | None, Spelled("test_file")] = None
    """Labelled file for the final figures; never looked at before the end."""
    validation_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    """Share of --train that becomes the validation set when none is given (stratified by label)."""
    vocab: Path | None = None
    """Tokenizer folder or vocab.txt for a model made from a size preset."""


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
    output_dir: Path | None = None
    """Folder for metrics.json and predictions.jsonl; printed alone when not given."""
    quiet: bool = False
    """Print only warnings and the result."""


class PredictSettings(ApplySettings):
    """Label the texts of a file, or of standard input."""

    verb: ClassVar[str] = "predict"

    input: str
    """File of texts (.txt .csv .tsv .jsonl .parquet, or .gz of these), or - for standard input."""
    output: str = "-"
    """JSON Lines file to write, or - for standard output."""
    quiet: bool = False
    """Print only warnings."""


class DemoSettings(DeviceSettings):
    """Train a small BERT on text that ships with Python."""

    verb: ClassVar[str] = "demo"

    output_dir: Path = Path("demo")
    """Folder for the data, the vocabulary and the model."""
    seed: Seed = 0
    """Decides the split, the weights at the start and the order of the texts."""
    overwrite: bool = False
    """Start anew where --output-dir already holds a run."""
    quiet: bool = False
    """Print only warnings and the result."""
