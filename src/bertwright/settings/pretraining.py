"""The settings of pre-training. Knows nothing of what they are used for."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from bertwright.settings.base import Free, Settings, Spelled
from bertwright.settings.shared import DeviceSettings, Fraction, LearningSettings, Positive, RunSettings

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class MaskSettings(Settings):
    """What the model is to guess."""

    objective: Literal["mlm", "mlm+nsp", "mlm+sop"] = "mlm+nsp"
    """Masked language model, alone or with next sentence prediction (BERT) or sentence order (ALBERT)."""
    mask_ratio: Annotated[float, Field(gt=0.0, lt=1.0), Spelled("mlm_probability", "masked_lm_prob")] = 0.15
    """Share of the tokens that is to be guessed."""
    mask_shares: tuple[Share, Share, Share] = (0.8, 0.1, 0.1)
    """Of these, the shares that become [MASK], become a random token, and stay."""
    mask_unit: Literal["token", "word", "span"] = "token"
    """What is hidden whole: pieces, words (whole-word masking, Chinese words too), or spans of words (SpanBERT)."""

    @model_validator(mode="after")
    def _shares_are_all(self) -> Self:
        if abs(sum(self.mask_shares) - 1.0) > 1e-6:
            raise ValueError(f"mask_shares = {self.mask_shares}: should add up to 1")
        return self


class LengthSettings(MaskSettings, LearningSettings):
    """How long, how much at a time, how fast."""

    max_steps: Positive | None = None
    """Optimizer steps to train for."""
    epochs: Annotated[Positive | None, Spelled("num_train_epochs")] = None
    """Passes over the corpus to train for, instead of --max-steps."""
    max_hours: Annotated[float | None, Field(gt=0.0)] = None
    """Hours to train for, instead of --max-steps: the learning rate reaches its end on time."""
    phases: tuple[str, ...] | None = None
    """Lengths in their order, each with its share of the training, instead of --max-length: 128:0.9 512:0.1."""
    batch_size: Annotated[Positive, Spelled("per_device_train_batch_size", "train_batch_size")] = 256
    """Sequences per optimizer step."""
    batch_tokens: Positive | None = None
    """Tokens per optimizer step, instead of --batch-size; longer sequences make smaller batches."""
    batch_ramp: Fraction = 0.0
    """Share of the training in which the batch grows from an eighth to its full size."""
    optimizer: Annotated[Literal["adamw", "lamb"], Spelled("optim")] = "adamw"
    """lamb is for batches of thousands of sequences."""
    learning_rate: Annotated[float, Field(gt=0.0), Spelled("lr")] = 1e-4
    """Peak learning rate."""
    schedule: Annotated[Literal["linear", "cosine", "constant", "constant-decay"], Spelled("lr_scheduler_type")] = (
        "linear"
    )
    """How the learning rate falls after warm-up; constant-decay falls in the last fifth alone."""
    warmup_ratio: Annotated[Fraction, Spelled("warmup_proportion")] = 0.06
    """Share of the training in which the learning rate rises from 0."""

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        given = [name for name in ("max_steps", "epochs", "max_hours") if getattr(self, name) is not None]
        if len(given) != 1:
            found = f"{' and '.join(given)} are given" if given else "none is given"
            raise ValueError(f"{found}: say how long to train with one of --max-steps, --epochs and --max-hours")
        if self.gradient_accumulation > self.batch_size and self.batch_tokens is None:
            raise ValueError(
                f"gradient_accumulation = {self.gradient_accumulation} is more than batch_size = {self.batch_size}: "
                "a batch cannot be cut into more parts than it has sequences"
            )
        return self

    @model_validator(mode="after")
    def _phases_are_all(self) -> Self:
        shares = [share for _, share in self.lengths()]
        if abs(sum(shares) - 1.0) > 1e-6:
            raise ValueError(f"phases = {' '.join(self.phases or ())}: their shares should add up to 1")
        return self

    def lengths(self) -> list[tuple[int, float]]:
        """Each phase's longest sequence, and its share of the training."""
        if self.phases is None:
            return [(self.max_length, 1.0)]
        return [_phase(text) for text in self.phases]


class PretrainSettings(LengthSettings, RunSettings, DeviceSettings):
    """Pre-train a BERT on a shard folder and write a model folder."""

    verb: ClassVar[str] = "pretrain"

    model: Annotated[str, Spelled("model_name_or_path", "config_name")]
    """A size preset (tiny, mini, small, medium, base, large), a config.json, a BERT folder, or a hub name."""
    shards: Path
    """Shard folder that `bertwright prepare` made."""
    output_dir: Annotated[Path, Free]
    """Folder for the model; run/ inside it tells how it came about."""
    held_out: Fraction = 0.01
    """Share of the documents that is measured on and never learned from; 0 measures nothing."""
    eval_sequences: Positive = 1024
    """Sequences of the held-out documents that are measured on at most."""
    eval_steps: Positive | None = None
    """Measure every N steps; ten times in all when not given (with --max-hours: every 200 steps)."""
    loader_workers: Annotated[int, Field(ge=0), Free, Spelled("dataloader_num_workers")] = 0
    """Threads that prepare batches while a step is computed; changes no number."""
    verify_resume: Annotated[Positive | None, Free] = None
    """Train nothing: check that N steps equal N/2 steps, a new start from the snapshot, and N/2 more, bit for bit."""


def _phase(text: str) -> tuple[int, float]:
    length, colon, share = text.partition(":")
    try:
        found = int(length), float(share)
    except ValueError:
        found = (0, 0.0)
    if not colon or found[0] < 3 or not 0 < found[1] <= 1:
        raise ValueError(f"phases: {text!r} should be a length and a share of the training, as in 128:0.9")
    return found
