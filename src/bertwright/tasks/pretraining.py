"""BERT's pre-training: the masked language model, and what holds between the two segments of a pair.

The loss is the sum of two means: over the masked tokens, and over the pairs (Devlin et al. 2019, A.2). What a batch
holds is a pure function of (seed, row), row r being example r mod n of epoch r div n. Knows no files, no optimizer.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self, cast

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bertwright.batches.batch import flat_tokens
from bertwright.batches.draws import permuted
from bertwright.batches.masking import Masked, Masking, Places
from bertwright.batches.pairs import Instance, Instances, Objective
from bertwright.batches.passages import Documents
from bertwright.batches.sequences import Sequences, lay_out
from bertwright.model.flat import FlatTokens
from bertwright.tasks.task import Batch
from bertwright.text.wordpiece import WordPiece

_ORDER, _MASKS = 41, 42  # set these draws apart from others


@dataclass(frozen=True, slots=True)
class PretrainingBatch:
    """B sequences with M masked tokens.

    Attributes:
        tokens: What the model sees.
        masked_positions: Flat places of the masked tokens, ascending.
        masked_labels: What stood there.
        pair_labels: 0 where the second segment is what follows (or the two are in order), 1 where not.
    """

    tokens: FlatTokens
    masked_positions: Int[Tensor, " M"]
    masked_labels: Int[Tensor, " M"]
    pair_labels: Int[Tensor, " B"]

    def to(self, device: torch.device) -> Self:
        """The same batch on a device."""
        names = ("masked_positions", "masked_labels", "pair_labels")
        moved = {name: getattr(self, name).to(device, non_blocking=True) for name in names}
        return replace(self, tokens=self.tokens.to(device), **moved)


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Some examples before they are tensors: what a person is shown.

    Attributes:
        instances: The pieces of text.
        sequences: Their tokens as they are in the text.
        masked: The tokens that the model sees, and what is to be guessed.
    """

    instances: list[Instance]
    sequences: Sequences
    masked: Masked


@dataclass(frozen=True)
class PretrainingExamples:
    """Examples without end: row r is example r mod n of epoch r div n, in an order that the seed decides.

    Attributes:
        documents: Where the text is.
        instances: Which pieces make up an example.
        masking: How tokens are hidden.
        tokenizer: Knows the special tokens.
        max_length: Tokens of an example at most.
        seed: Decides order and masks.
    """

    documents: Documents
    instances: Instances
    masking: Masking
    tokenizer: WordPiece
    max_length: int
    seed: int

    def __len__(self) -> int:
        """Number of examples in an epoch."""
        return len(self.instances)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The most that each of an epoch's examples may have: how many tokens it has is known when it is drawn."""
        return np.full(len(self), self.max_length)

    def batch(self, rows: NDArray[np.integer[Any]]) -> PretrainingBatch:
        """The examples at `rows`, in that order."""
        drawn = self.draw(rows)
        sequences, masked = drawn.sequences, drawn.masked
        return PretrainingBatch(
            tokens=flat_tokens(masked.ids, sequences.segments, sequences.lengths),
            masked_positions=torch.from_numpy(masked.positions),
            masked_labels=torch.from_numpy(masked.labels),
            pair_labels=torch.from_numpy(sequences.labels),
        )

    def draw(self, rows: NDArray[np.integer[Any]]) -> Drawn:
        """The examples at `rows`, with everything about them."""
        epoch, index = self._numbers(rows)
        instances = self.instances.find(epoch, index)
        sequences = lay_out(self.documents, instances, self.tokenizer)
        places = Places.of(sequences.lengths, self.seed, _MASKS, epoch, index)
        return Drawn(instances, sequences, self.masking.apply(sequences.ids, sequences.word_starts, places))

    def where(self, rows: NDArray[np.integer[Any]]) -> str:
        """Names of the documents that these examples are from."""
        instances = self.instances.find(*self._numbers(rows))
        names = {self.documents.name(piece.document) for instance in instances for piece in instance.pieces}
        shown = sorted(names)
        return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more documents" if len(shown) > 5 else "")

    def _numbers(self, rows: NDArray[np.integer[Any]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Epoch and number of each row's example."""
        epoch, place = np.divmod(rows.astype(np.int64), len(self))
        index = np.empty_like(place)
        for one in np.unique(epoch).tolist():
            there = epoch == one
            index[there] = permuted(place[there], len(self), self.seed, _ORDER, one)
        return epoch, index


@dataclass(frozen=True)
class FirstExamples:
    """The first examples of a set: enough to measure on.

    Attributes:
        examples: All of them.
        most: How many at most.
    """

    examples: PretrainingExamples
    most: int

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The most that each example may have."""
        return self.examples.lengths[: self.most]

    @property
    def things(self) -> int:
        """How many examples there are."""
        return len(self.lengths)

    def places(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """One output an example."""
        return rows.astype(np.int64)

    def batch(self, rows: NDArray[np.integer[Any]]) -> PretrainingBatch:
        """The examples at `rows`, in that order."""
        return self.examples.batch(rows)

    def where(self, rows: NDArray[np.integer[Any]]) -> str:
        """Names of the documents that these examples are from."""
        return self.examples.where(rows)


class Pretraining:
    """The task.

    Args:
        objective: `mlm`, `mlm+nsp` or `mlm+sop`.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective
        self.pairs = objective.partition("+")[2]  # nsp, sop, or nothing

    def losses(self, model: nn.Module, batch: PretrainingBatch) -> Mapping[str, Tensor]:
        """Sum of the cross-entropies of the masked tokens, and of the pairs."""
        vocabulary, relationship = self._logits(model, batch)
        losses = {"mlm_loss": functional.cross_entropy(vocabulary, batch.masked_labels, reduction="sum")}
        if relationship is not None:
            losses[f"{self.pairs}_loss"] = functional.cross_entropy(relationship, batch.pair_labels, reduction="sum")
        return losses

    def counts(self, batch: PretrainingBatch) -> Mapping[str, float]:
        """Masked tokens and pairs."""
        counts = {"mlm_loss": float(len(batch.masked_labels))}
        return counts | ({f"{self.pairs}_loss": float(len(batch.pair_labels))} if self.pairs else {})

    def outputs(self, model: nn.Module, batch: Batch) -> Float[Tensor, "B 5"]:
        """For each sequence: masked tokens, their losses' sum, how many were right; the pair's loss, and if right."""
        batch = cast(PretrainingBatch, batch)
        vocabulary, relationship = self._logits(model, batch)
        found = torch.zeros(len(batch.tokens), 5, device=vocabulary.device)
        masked = torch.stack(
            [
                torch.ones_like(batch.masked_labels, dtype=torch.float32),
                functional.cross_entropy(vocabulary, batch.masked_labels, reduction="none"),
                (vocabulary.argmax(1) == batch.masked_labels).float(),
            ],
            dim=1,
        )
        sequences = torch.searchsorted(batch.tokens.cu_seqlens, batch.masked_positions, right=True) - 1
        found[:, :3].index_add_(0, sequences, masked)
        if relationship is not None:
            found[:, 3] = functional.cross_entropy(relationship, batch.pair_labels, reduction="none")
            found[:, 4] = (relationship.argmax(1) == batch.pair_labels).float()
        return found

    def tally(self) -> "PretrainingTally":
        """An empty tally."""
        return PretrainingTally(self.pairs)

    def _logits(self, model: nn.Module, batch: PretrainingBatch) -> tuple[Tensor, Tensor | None]:
        """Logits, in fp32 at least, whatever the precision of the model."""
        logits = model(batch.tokens, batch.masked_positions)
        vocabulary, relationship = (
            None if x is None else x.to(torch.promote_types(x.dtype, torch.float32)) for x in logits
        )
        assert vocabulary is not None
        return vocabulary, relationship


class PretrainingTally:
    """Sums of what `Pretraining.outputs` gives."""

    def __init__(self, pairs: str) -> None:
        self.pairs = pairs
        self._sums = np.zeros(5)
        self._sequences = 0

    def add(self, outputs: Float32[np.ndarray, "N 5"], examples: FirstExamples) -> None:
        """Count N sequences."""
        del examples  # their outputs say all
        self._sums += outputs.astype(np.float64).sum(axis=0)
        self._sequences += len(outputs)

    def metrics(self) -> dict[str, float]:
        """Loss, and of the masked language model and of the pairs: loss and accuracy; perplexity of the first."""
        masked, mlm_loss, mlm_right, pair_loss, pair_right = self._sums.tolist()
        mlm_loss /= max(masked, 1)
        figures = {"loss": mlm_loss, "mlm_loss": mlm_loss, "mlm_accuracy": mlm_right / max(masked, 1)}
        figures["perplexity"] = math.exp(min(mlm_loss, 700.0))
        if self.pairs:
            figures[f"{self.pairs}_loss"] = pair_loss / max(self._sequences, 1)
            figures[f"{self.pairs}_accuracy"] = pair_right / max(self._sequences, 1)
            figures["loss"] += figures[f"{self.pairs}_loss"]
        return figures
