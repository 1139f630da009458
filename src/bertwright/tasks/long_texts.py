"""How a task over texts reads those that are longer than the model: by their head, head and tail, or in windows.

What a model was trained with stands in its config, so that it is read again in the same way wherever it is applied.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from bertwright.batches.groups import side_by_side
from bertwright.errors import ModelFolderError
from bertwright.settings import FinetuneSettings, LongWay, Pooling

LONG = "long"


@dataclass(frozen=True, slots=True)
class LongTexts:
    """What is read of a text, or of a pair of texts, that is too long.

    Attributes:
        way: Its head; its head and tail; or windows over all of it (single texts alone).
        stride: Tokens between the beginnings of two windows; three quarters of a window when None.
        pooling: What becomes of the windows' logits: their mean, or of each label the highest.
    """

    way: LongWay = "head"
    stride: int | None = None
    pooling: Pooling = "mean"

    @classmethod
    def wanted(cls, settings: FinetuneSettings) -> Self:
        """As a user wants it."""
        if settings.long != "window":
            return cls(settings.long)
        return cls(settings.long, settings.stride, settings.window_pooling)

    @classmethod
    def of(cls, task: Mapping[str, Any]) -> Self:
        """As a model was trained.

        Raises:
            ModelFolderError: That is not known here.
        """
        match task.get(LONG, {}):
            case {} as found if not found:
                return cls()
            case {"way": way, "stride": None | int() as stride, "pooling": pooling} if (
                way in get_args(LongWay) and pooling in get_args(Pooling) and (stride is None or stride > 0)
            ):
                return cls(way, stride, pooling)
        raise ModelFolderError(f"config.json: how long texts are read is not known here: {task[LONG]!r}")

    def to_dict(self) -> dict[str, Any]:
        """What stands in the config: nothing where long texts lose their end."""
        return {} if self.way == "head" else {LONG: asdict(self)}

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
