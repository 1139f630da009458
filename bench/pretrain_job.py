"""What one process of `pretrain.py` has to do."""

from dataclasses import dataclass
from typing import ClassVar

from job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainJob(Job):
    """The training of one side, once.

    Attributes:
        config: `config.json` of the model that starts from random weights.
        shards: Shard folder to learn from.
    """

    verb: ClassVar[str] = "pretrain"
    speed: ClassVar[str] = "tokens_per_second"

    config: str
    shards: str
