"""What a task over texts reads of a row: one text or two, and of long ones their head, head and tail, or windows.

What a model was trained with stands in its config, so that it is read again in the same way wherever it is applied.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bertwright.batches.groups import side_by_side
from bertwright.errors import DataError, ModelFolderError
from bertwright.settings import FinetuneSettings, LongWay, Pooling

LONG, PAIRS = "long", "pairs"


@dataclass(frozen=True, slots=True)
class TextReading:
    """What is read of a row.

    Attributes:
        way: Of what is too long its head; its head and tail; or windows over all of it (single texts alone).
        stride: Tokens between the beginnings of two windows; three quarters of a window when None.
        pooling: What becomes of the windows' logits: their mean, or of each label the highest.
        pairs: Whether a row has two texts; None where nobody knows, as of a model of another program.
    """

    way: LongWay = "head"
    stride: int | None = None
    pooling: Pooling = "mean"
    pairs: bool | None = None

    @classmethod
    def wanted(cls, settings: FinetuneSettings, *, pairs: bool) -> Self:
        """As a user wants it of long texts, and as it is of rows."""
        if settings.long != "window":
            return cls(settings.long, pairs=pairs)
        return cls(settings.long, settings.stride, settings.window_pooling, pairs)

    @classmethod
    def of(cls, task: Mapping[str, Any]) -> Self:
        """As a model was trained.

        Raises:
            ModelFolderError: That is not known here.
        """
        pairs = task.get(PAIRS)
        if not (pairs is None or isinstance(pairs, bool)):
            raise ModelFolderError(f"config.json: pairs should be true or false, not {pairs!r}")
        match task.get(LONG, {}):
            case {} as found if not found:
                return cls(pairs=pairs)
            case {"way": "window"} if pairs:
                raise ModelFolderError("config.json: pairs is true, and windows over long texts are for single ones")
            case {"way": way, "stride": None | int() as stride, "pooling": pooling} if (
                way in get_args(LongWay) and pooling in get_args(Pooling) and (stride is None or stride > 0)
            ):
                return cls(way, stride, pooling, pairs)
        raise ModelFolderError(f"config.json: how long texts are read is not known here: {task[LONG]!r}")

    def to_dict(self) -> dict[str, Any]:
        """What stands in the config: of long texts nothing where they lose their end."""
        long = {"way": self.way, "stride": self.stride, "pooling": self.pooling}
        return ({} if self.pairs is None else {PAIRS: self.pairs}) | ({} if self.way == "head" else {LONG: long})

    def check(self, path: Path, source: str, *, pairs: bool) -> None:
        """See that rows have as many texts as those of which the model learned.

        Args:
            path: The file of the rows.
            source: What has the others: the model, or its training set.
            pairs: Whether each row has two.

        Raises:
            DataError: They do not: the answers would mean nothing.
        """
        if self.pairs in (None, pairs):
            return
        if pairs:
            raise DataError(f"{path}: pairs of texts, but {source} is of single ones: name its column (--text-column)")
        raise DataError(
            f"{path}: single texts, but {source} is of pairs: give the second ones as well (columns by --text-column "
            "and --text-pair-column, JSON lines with text and text_pair, or predict(texts, pairs))"
        )

    @property
    def windows(self) -> bool:
        """Whether texts go through windows."""
        return self.way == "window"

    @property
    def lost(self) -> str:
        """What a text loses that is cut."""
        return "end" if self.way == "head" else "middle"

    def pooled(self, found: Float[Tensor, "W C"], windows: Int[Tensor, " B"]) -> Float[Tensor, "B C"]:
        """The logits of texts from those of their windows, of which each text has so many."""
        if self.pooling == "max":
            return side_by_side(found, windows, -torch.inf).amax(1)
        return side_by_side(found, windows, 0.0).sum(1) / windows.unsqueeze(1)
