"""What several verbs can set alike. Knows nothing of what the settings are used for."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bertwright.settings.base import Free, Settings, Spelled

Precision = Literal["auto", "fp32", "bf16"]
Language = Literal["en", "zh"]
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
    label_columns: tuple[str, ...] | None = None
    """Several columns of 1 and 0, each the name of a label that a text has or has not (multilabel)."""
    label_separator: str | None = None
    """What stands between several labels in one cell (multilabel; | ; or , when not given)."""
    null_labels: tuple[str, ...] = ()
    """Labels that say that a row has none, as - and -1 where annotators did not agree: such rows are unusable ones."""
    quoting: bool | None = None
    """Whether `"` quotes a field; decided from the file itself when not given."""
    skip_bad_rows: bool = False
    """Go on without the rows that cannot be read; they are written to a quarantine file."""


class DeviceSettings(Settings):
    """Where and how precisely to compute."""

    elsewhere: ClassVar[Mapping[str, str]] = {
        "bf16": "write --precision bf16",
        "fp16": "there is bf16 instead: --precision bf16",
    }

    device: Annotated[str, Free] = "auto"
    """auto (CUDA where there is a device), cpu, cuda, or cuda:N."""
    precision: Precision = "auto"
    """auto = bf16 where the hardware multiplies it fast (CUDA; a CPU with AMX or AVX512-BF16), else fp32."""


class LearningSettings(Settings):
    """What fine-tuning and pre-training have in common."""

    elsewhere: ClassVar[Mapping[str, str]] = {
        "gradient_accumulation_steps": "--batch-size is that of a whole step, in transformers that of one "
        "of its parts: give the whole, and --gradient-accumulation N to compute it in N parts",
        **dict.fromkeys(
            ("do_train", "do_eval", "do_predict"), "leave it out: the files that are given say what is done"
        ),
        **dict.fromkeys(("eval_strategy", "evaluation_strategy"), "leave it out, or give --eval-steps N"),
        "load_best_model_at_end": "leave it out: the best model is kept",
        "push_to_hub": "upload the finished folder: hf upload USER/NAME OUTPUT_DIR",
        "save_strategy": "leave it out, or give --save-steps N",
        "warmup_steps": "--warmup-ratio is a share of the steps: 0.1 for the first tenth",
    }

    max_length: Annotated[MaxLength, Spelled("max_seq_length")] = 128
    """Longest sequence in tokens, special tokens included; longer texts are cut, counted and reported."""
    gradient_accumulation: Positive = 1
    """Parts in which a batch is computed, to save memory; the result is that of the whole batch."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.01
    """Decay of the weights; biases and layer norms are spared."""
    max_grad_norm: Annotated[float, Field(ge=0.0)] = 1.0
    """Longest gradient (global L2 norm); longer ones are scaled down. 0 switches clipping off."""
    dropout: Fraction | None = None
    """Dropout everywhere in this training, instead of what the model's config says."""
    seed: Seed = 0
    """Decides everything that is drawn: splits, orders, masks, new weights and dropout."""


class RunSettings(Settings):
    """What to keep and what to tell."""

    save_steps: Annotated[Positive | None, Free] = None
    """Write a snapshot every N steps; when not given, after each epoch or evaluation, and every 15 minutes."""
    keep_snapshots: Annotated[Positive, Free, Spelled("save_total_limit")] = 2
    """How many of the newest snapshots to keep."""
    log_steps: Annotated[Positive, Spelled("logging_steps")] = 10
    """Write a line to log.jsonl every N steps."""
    overwrite: Annotated[bool, Free, Spelled("overwrite_output_dir")] = False
    """Start anew where --output-dir already holds a run."""
    weights_format: Annotated[Literal["safetensors", "bin"], Free] = "safetensors"
    """bin = also write pytorch_model.bin for older tools."""
    explain: Annotated[bool, Free] = False
    """Show one batch's whole way, from text to gradient, before the training; changes nothing about it."""
    tensorboard: Annotated[bool, Free] = False
    """Also write TensorBoard events to run/tensorboard."""
    wandb: Annotated[bool, Free] = False
    """Also tell Weights & Biases: in run/wandb, for `wandb sync`; at once with WANDB_MODE=online."""
    mlflow: Annotated[bool, Free] = False
    """Also tell MLflow: in run/mlruns, or where MLFLOW_TRACKING_URI says."""
    quiet: Annotated[bool, Free] = False
    """Print only warnings and the result."""
