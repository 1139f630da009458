"""A pre-trained model that is asked what it was trained for: to fill [MASK]s, and to tell whether a text comes next.

The sibling of `predictor`. Knows no command line and no output format.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bertwright.batches.batch import collate
from bertwright.batches.order import token_batches
from bertwright.errors import DataError, ModelFolderError
from bertwright.evaluation.inference import chunks
from bertwright.model.folder import ModelFolder
from bertwright.model.heads import PreTraining
from bertwright.serving.inputs import longest
from bertwright.tasks.finetuning import MEMORY, Limit
from bertwright.tasks.texts import text_rows
from bertwright.text.complaints import place, shown
from bertwright.text.tables.texts import Row
from bertwright.text.wordpiece import Encoded
from bertwright.training.device import Compute

MASK = "[MASK]"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token that may stand in the place of a [MASK], and its probability."""

    token: str
    score: float


@dataclass(frozen=True, slots=True)
class Filled:
    """The answer for one text.

    Attributes:
        text: As it was given.
        text_pair: The second text of a pair.
        filled: The likeliest tokens for each [MASK], those of the text first; a [MASK] that was cut off has none.
        best: The text with the likeliest token in each place.
        best_pair: The second text with them.
        is_next: Probability that the second text is what follows the first (for a model trained on sentence orders,
            that the two are in order); None for a single text, or a model that was not trained on pairs.
        truncated: Whether the text was longer than the model reads, so that its end did not count.
    """

    text: str
    text_pair: str | None
    filled: tuple[tuple[Candidate, ...], ...]
    best: str
    best_pair: str | None
    is_next: float | None
    truncated: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON values; without those that a single text, or a model without pairs, does not have."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class _Answer:
    """Candidates for the [MASK]s of each side that the model saw, and the probability of label 0."""

    candidates: list[list[tuple[Candidate, ...]]]
    is_next: float


class MaskedPredictor:
    """A pre-trained model in memory; `bertwright.load(folder)` makes one."""

    def __init__(
        self,
        folder: ModelFolder,
        compute: Compute,
        *,
        max_length: int | None = None,
        batch_tokens: int = 4096,
        top_k: int = 5,
    ) -> None:
        self.compute, self.batch_tokens = compute, batch_tokens
        self.config, self.tokenizer = folder.config, folder.tokenizer
        self.top_k = min(top_k, folder.tokenizer.vocab_size)
        self.max_length = longest(folder, max_length)
        self.model = PreTraining(folder.config)
        missing = folder.load_into(self.model).missing
        if any(name.startswith("cls.predictions.") for name in missing):
            said = folder.config.architecture or "no class under architectures, and no labels"
            raise ModelFolderError(
                f"{folder.path} is no fine-tuned model (its config.json says {said}), nor has it the head of a "
                "pre-trained one: make one with bertwright finetune or bertwright pretrain"
            )
        self.judges_pairs = not missing  # a `BertForMaskedLM` has no head for them
        self.model.to(compute.device).eval()

    @property
    def limit(self) -> Limit:
        """What is cut of rows."""
        return Limit(self.max_length)

    def predict(self, texts: Sequence[str] | str, pairs: Sequence[str] | str | None = None) -> list[Filled]:
        """Fill the [MASK]s of texts, or of pairs of texts, and judge the pairs; in the order given.

        Raises:
            UsageError: `pairs` is not as long as `texts`.
            DataError: A text asks nothing: see `stream`.
        """
        return list(self.stream(text_rows(texts, pairs)))

    def stream(self, rows: Iterable[Row[str]]) -> Iterator[Filled]:
        """Answers for rows, in their order, in memory that does not grow with their number.

        Raises:
            DataError: A row has no [MASK], and is no pair that the model could judge.
        """
        return (answer for _, answer in self.answered(rows, MEMORY))

    def answered(self, rows: Iterable[Row[str]], path: Path) -> Iterator[tuple[Row[str], Filled]]:
        """The same, each beside its row; `path` is the file that they are in, as errors name it."""
        for chunk in chunks(rows):
            for row in chunk:
                self._check(row, path)
            texts, pairs = [row.text for row in chunk], [row.pair or "" for row in chunk]
            encoded = self.tokenizer.encode(
                texts, pairs if chunk[0].pair is not None else None, max_length=self.max_length, masks=True
            )
            for row, answer, cut in zip(chunk, self._answers(encoded), encoded.truncated.tolist(), strict=True):
                yield row, self._filled(row, answer, cut)

    def _check(self, row: Row[str], path: Path) -> None:
        if MASK in row.text or MASK in (row.pair or "") or (row.pair is not None and self.judges_pairs):
            return
        asks = "no [MASK] in it" + (" and no second text" if self.judges_pairs else "")
        raise DataError(
            f"{place(path, row.line)}: {shown(row.text)} has {asks}, and a pre-trained model can do nothing "
            "else; labels come from a model that was fine-tuned on them"
        )

    def _answers(self, encoded: Encoded) -> list[_Answer]:
        """The model's answers to B texts, in their order."""
        answers: dict[int, _Answer] = {}
        for rows in token_batches(encoded.lengths, self.batch_tokens):
            tokens = collate(encoded, rows).to(self.compute.device)
            places = (tokens.ids == self.tokenizer.mask_id).nonzero().flatten()
            with torch.inference_mode(), self.compute.autocast():
                vocabulary, relationship = self.model(tokens, places)
            assert relationship is not None
            candidates = iter(self._candidates(vocabulary))
            sequences = torch.bucketize(places, tokens.starts, right=True) - 1
            counts = torch.bincount(2 * sequences + tokens.segments[places], minlength=2 * len(rows)).view(-1, 2)
            is_next = relationship.double().softmax(1)[:, 0]
            for row, masks, probability in zip(rows.tolist(), counts.tolist(), is_next.tolist(), strict=True):
                answers[row] = _Answer([list(islice(candidates, count)) for count in masks], probability)
        return [answers[row] for row in range(len(encoded))]

    def _candidates(self, logits: Tensor) -> list[tuple[Candidate, ...]]:
        """The likeliest tokens at each place; a config may count more of them than the tokenizer has."""
        scores, ids = logits.float().softmax(1)[:, : self.tokenizer.vocab_size].topk(self.top_k)
        return [
            tuple(map(Candidate, self.tokenizer.decode(each), found))
            for each, found in zip(ids.tolist(), scores.tolist(), strict=True)
        ]

    def _filled(self, row: Row[str], answer: _Answer, cut: bool) -> Filled:
        sides = [row.text] if row.pair is None else [row.text, row.pair]
        filled = list[tuple[Candidate, ...]]()
        best = list[str]()
        for side, found in zip(sides, answer.candidates, strict=False):
            best.append(_with_tokens(side, [each[0].token for each in found]))
            filled += found + [()] * (side.count(MASK) - len(found))
        judged = self.judges_pairs and row.pair is not None
        is_next = answer.is_next if judged else None
        return Filled(row.text, row.pair, tuple(filled), best[0], (*best, None)[1], is_next, cut)


def _with_tokens(text: str, tokens: Sequence[str]) -> str:
    """The text with these tokens for its first [MASK]s; one that continues a word is joined to what is before it."""
    filled, *rest = text.split(MASK)
    for part, token in zip_longest(rest, tokens, fillvalue=MASK):
        filled = filled.rstrip() + token[2:] if token.startswith("##") and filled.strip() else filled + token
        filled += part
    return filled
