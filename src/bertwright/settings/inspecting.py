"""The settings of looking at what pre-training will read. Knows nothing of what they are used for."""

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from bertwright.settings.base import Leading, Spelled
from bertwright.settings.pretraining import MaskSettings
from bertwright.settings.shared import Fraction, MaxLength, Positive, Seed


class InspectSettings(MaskSettings):
    """Show and measure what pre-training will read of a shard folder."""

    verb: ClassVar[str] = "inspect"

    shards: Annotated[Path, Leading]
    """Shard folder that `bertwright prepare` made; the flag's name may be left out."""
    vocab: Path | None = None
    """Tokenizer or model folder that the shards should fit: another vocabulary is an error."""
    max_length: Annotated[MaxLength, Spelled("max_seq_length")] = 128
    """Longest sequence in tokens, special tokens included."""
    held_out: Fraction = 0.01
    """Share of the documents that pre-training never learns from; they are not shown either."""
    seed: Seed = 0
    """Decides everything that is drawn, as in pre-training."""
    examples: Annotated[int, Field(ge=0)] = 8
    """How many sequences to show: the first that pre-training would read."""
    samples: Positive = 10_000
    """How many sequences to measure, at most one epoch's."""
    output: Path = Path("inspect.html")
    """Page to write; it needs nothing but itself."""
    quiet: bool = False
    """Print only warnings and the figures."""
