"""The settings of the verbs that run a named suite of tasks. Knows nothing of what is in a suite."""

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from bertwright.settings.base import Free, Spelled
from bertwright.settings.shared import DeviceSettings, MaxLength, Positive, Seed


class SuiteSettings(DeviceSettings):
    """Fine-tune on each task of a suite with several seeds, and print the table that papers print."""

    model: Annotated[str, Spelled("model_name_or_path")]
    """A BERT folder, a hub name, or a size preset (tiny, mini, small, medium, base, large)."""
    data: str | None = None
    """Folder with a folder for each task, or a data set on the hub; the suite's own on the hub when not given."""
    output_dir: Annotated[Path, Free]
    """Folder for results.json, results.md and a model folder for each task."""
    tasks: Annotated[tuple[str, ...] | None, Spelled("task")] = None
    """Which tasks to run; those that --data holds when not given."""
    seeds: Positive = 3
    """Trainings of each task, each with a seed of its own."""
    seed: Seed = 0
    """The first of them; it decides the split of a task without a validation file, too."""
    epochs: Annotated[Positive | None, Spelled("num_train_epochs")] = None
    """Passes over the training sets; the published number of each task when not given."""
    batch_size: Annotated[Positive | None, Spelled("per_device_train_batch_size")] = None
    """Texts per optimizer step; as published when not given."""
    learning_rate: Annotated[float | None, Field(gt=0.0), Spelled("lr")] = None
    """Peak learning rate; as published when not given."""
    max_length: Annotated[MaxLength | None, Spelled("max_seq_length")] = None
    """Longest sequence in tokens; as published when not given."""
    max_steps: Positive | None = None
    """Optimizer steps to train for, instead of epochs; for a try."""
    vocab: Path | None = None
    """Tokenizer folder or vocab.txt for a model made from a size preset."""
    overwrite: Annotated[bool, Free, Spelled("overwrite_output_dir")] = False
    """Start the tasks anew that --output-dir already holds."""
    quiet: Annotated[bool, Free] = False
    """Print only warnings and the result."""


class GlueSettings(SuiteSettings):
    """Fine-tune on the tasks of GLUE with several seeds."""

    verb: ClassVar[str] = "glue"


class ClueSettings(SuiteSettings):
    """Fine-tune on tasks of CLUE (Chinese) with several seeds."""

    verb: ClassVar[str] = "clue"


class SquadSettings(SuiteSettings):
    """Fine-tune on SQuAD 1.1 and 2.0 with several seeds."""

    verb: ClassVar[str] = "squad"
