"""A fine-tuned model that answers with label names: texts in, predictions out, in the same order.

What `predict`, `evaluate` and a server share. Knows no command line and no output format.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from bertwright.batches.batch import Texts
from bertwright.errors import ModelFolderError
from bertwright.evaluation.inference import outputs, windows
from bertwright.model.folder import ModelFolder
from bertwright.model.heads import SequenceClassifier
from bertwright.serving.inputs import longest, rows_of
from bertwright.tasks.classification import Classification
from bertwright.text.tables.table import Row
from bertwright.text.wordpiece import Encoded
from bertwright.training.device import Compute


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one text.

    Attributes:
        text: As it was given.
        text_pair: The second text of a pair.
        label: Name of the likeliest label.
        score: Its probability.
        scores: Probability of each label by name.
        truncated: Whether the text was longer than the model reads, so that its end did not count.
    """

    text: str
    text_pair: str | None
    label: str
    score: float
    scores: dict[str, float]
    truncated: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON values; `text_pair` only for pairs."""
        values = asdict(self)
        if self.text_pair is None:
            del values["text_pair"]
        return values


class Predictor:
    """A classifier in memory; `bertwright.load(folder)` makes one."""

    def __init__(
        self, folder: ModelFolder, compute: Compute, *, max_length: int | None = None, batch_tokens: int = 4096
    ) -> None:
        if not folder.config.labels:
            raise ModelFolderError(
                f"{folder.path} has no label names in config.json: it is not a fine-tuned classifier; "
                "make one with bertwright finetune"
            )
        self.compute, self.batch_tokens = compute, batch_tokens
        self.config, self.tokenizer = folder.config, folder.tokenizer
        self.max_length = longest(folder, max_length)
        self.task = Classification(folder.config.labels)
        self.model = SequenceClassifier(folder.config)
        found = folder.load_into(self.model)
        if found.missing:
            raise ModelFolderError(
                f"{folder.path} lacks {found.missing[0]}: it is not a fine-tuned classifier; "
                "make one with bertwright finetune"
            )
        self.model.to(compute.device).eval()

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the logits."""
        return self.config.labels

    def predict(self, texts: Sequence[str] | str, pairs: Sequence[str] | str | None = None) -> list[Prediction]:
        """Predictions for texts, or for pairs of texts, in the order given.

        Raises:
            UsageError: `pairs` is not as long as `texts`.
        """
        return list(self.stream(rows_of(texts, pairs)))

    def stream(self, rows: Iterable[Row]) -> Iterator[Prediction]:
        """Predictions for rows of a table, in their order, in memory that does not grow with their number."""
        for window in windows(rows):
            encoded = self.encode(window)
            yield from self.decode(window, self.logits(encoded), encoded.truncated)

    def encode(self, rows: Sequence[Row]) -> Encoded:
        """Token ids of some rows."""
        pairs = [row.pair or "" for row in rows] if rows[0].pair is not None else None
        return self.tokenizer.encode([row.text for row in rows], pairs, max_length=self.max_length)

    def logits(self, encoded: Encoded) -> Float[NDArray[np.float32], "B C"]:
        """Logits of encoded texts, in their order."""
        logits = np.empty((len(encoded), len(self.labels)), dtype=np.float32)
        for rows, output, _ in outputs(self.model, self.task, Texts(encoded), self.compute, self.batch_tokens):
            logits[rows] = output.cpu().numpy()
        return logits

    def decode(
        self,
        rows: Sequence[Row],
        logits: Float[NDArray[np.float32], "B C"],
        truncated: Bool[NDArray[np.bool_], " B"],
    ) -> Iterator[Prediction]:
        """Logits as label names and probabilities."""
        exponents = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
        probabilities = exponents / exponents.sum(axis=1, keepdims=True)
        for row, scores, cut in zip(rows, probabilities.tolist(), truncated.tolist(), strict=True):
            best = max(range(len(scores)), key=scores.__getitem__)
            named = dict(zip(self.labels, scores, strict=True))
            yield Prediction(row.text, row.pair, self.labels[best], scores[best], named, cut)
