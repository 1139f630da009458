"""A shard folder as pre-training reads it: which documents are learned from, and which examples they make."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from bertwright.batches.masking import Masking
from bertwright.batches.pairs import make_instances
from bertwright.batches.passages import Documents, hold_out
from bertwright.settings import InspectSettings, PretrainSettings
from bertwright.tasks.pretraining import PretrainingExamples
from bertwright.text.shards import ShardFolder


@dataclass(frozen=True)
class PretrainingCorpus:
    """The documents of a shard folder, those to learn from and those to be measured on."""

    shards: ShardFolder
    documents: Documents
    train: Int64[np.ndarray, " train"]
    held_out: Int64[np.ndarray, " held"]
    settings: PretrainSettings | InspectSettings

    @classmethod
    def open(cls, settings: PretrainSettings | InspectSettings) -> "PretrainingCorpus":
        """Check and map the shards, and hold documents out.

        Raises:
            DataError: The folder is not whole, or has too few documents for the objective.
        """
        shards = ShardFolder.open(settings.shards)
        documents = Documents(shards.shards)
        train, held_out = hold_out(documents, settings.held_out, settings.seed, pairs=settings.objective != "mlm")
        return cls(shards, documents, train, held_out, settings)

    def examples(self, numbers: Int64[np.ndarray, " D"], max_length: int) -> PretrainingExamples:
        """Examples of some of the documents."""
        settings, tokenizer = self.settings, self.shards.tokenizer
        instances = make_instances(settings.objective, self.documents, numbers, max_length, settings.seed)
        masking = Masking(tokenizer, ratio=settings.mask_ratio, fates=settings.mask_shares, unit=settings.mask_unit)
        return PretrainingExamples(self.documents, instances, masking, tokenizer, max_length, settings.seed)

    def describe(self) -> str:
        """What there is to read, on one line."""
        tokens = int(self.documents.lengths[self.train].sum())
        held = f"; {len(self.held_out)} more are held out" if len(self.held_out) else "; none are held out"
        return f"{self.settings.shards}: {len(self.train)} documents of {tokens:,} tokens to learn from{held}"
