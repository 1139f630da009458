"""The shapes of what goes through a BERT, layer by layer, with the letters of their axes, as they really were.

Forward hooks look on and change nothing. Knows no task and no terminal.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

LEGEND = (
    "T tokens, Q of them that somebody reads; B sequences; H hidden size;",
    "N heads of size D; F feed-forward size; V vocabulary; M masked tokens;",
    "C classes. The last layer is computed for the Q tokens alone.",
)
# What comes out of a module, by the end of its name: its meaning, and its axes. The names are Hugging Face's.
_STAGES = {
    "bert.embeddings": ("word + position + segment embeddings, normalised", "T H"),
    "attention.self.query": ("queries, in heads", "Q N D"),
    "attention.self.key": ("keys, in heads", "T N D"),
    "attention.self.value": ("values, in heads", "T N D"),
    "attention.self": ("what each token gathered from its sequence", "Q H"),
    "attention.output": ("mixed, added to what came in, normalised", "Q H"),
    "intermediate": ("feed-forward: wide", "Q F"),
    "output": ("back to H, added to what came in, normalised", "Q H"),
    "bert.pooler": ("pooler: tanh of a dense layer on each [CLS]", "B H"),
    "cls.predictions.transform": ("masked tokens on their way back to words", "M H"),
    "cls.predictions": ("logits of the masked tokens", "M V"),
    "cls.seq_relationship": ("logits of the pairs", "B 2"),
    "classifier": ("logits of the labels", "B C"),
}
_LAYER = re.compile(r"^bert\.encoder\.layer\.(\d+)\.(.+)$")


@dataclass(frozen=True, slots=True)
class Passed:
    """What came out of one module.

    Attributes:
        layer: Number of the layer, from 1; None outside the layers.
        meaning: What it is.
        axes: Letters of its axes.
        shape: Their sizes.
    """

    layer: int | None
    meaning: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]

    def __str__(self) -> str:
        """As `[T H] = 1852 x 128`."""
        return f"[{' '.join(self.axes)}] = {' x '.join(map(str, self.shape))}"


@contextmanager
def watched(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """What comes out of the modules of `_STAGES`, by their names in their order: of the first forward pass inside."""
    found: dict[str, Tensor] = {}

    def keep(name: str, module: nn.Module, args: object, output: Any) -> None:  # noqa: ARG001 - torch's signature
        found.setdefault(name, output.detach())

    with ExitStack() as stack:
        for name, module in model.named_modules():
            if _stage(name) is not None:
                stack.callback(module.register_forward_hook(partial(keep, name)).remove)
        yield found


def passed(found: dict[str, Tensor], *, tokens: int, heads: int) -> list[Passed]:
    """What `watched` found, for people.

    Args:
        found: Tensors by the names of their modules.
        tokens: T.
        heads: N.
    """
    rows = []
    for name, tensor in found.items():
        stage = _stage(name)
        assert stage is not None
        meaning, letters = stage
        layer = _LAYER.match(name)
        axes = tuple(letters.split())
        if len(axes) == 3:
            tensor = tensor.view(len(tensor), heads, -1)  # noqa: PLW2901 - the same numbers
        if len(tensor) == tokens:
            axes = ("T", *axes[1:])  # all tokens are read
        rows.append(Passed(int(layer[1]) + 1 if layer else None, meaning, axes, tuple(tensor.shape)))
    return rows


def lines(rows: Sequence[Passed]) -> Iterator[str]:
    """A line for each, but layers that are like the one before them share one."""
    layers = {row.layer: [str(each) for each in rows if each.layer == row.layer] for row in rows if row.layer}
    like = {layer for before, layer in pairwise(layers) if layers[before] == layers[layer]}
    at: int | None = None
    for row in rows:
        if row.layer != at and row.layer is not None:
            yield f"layer {row.layer}" + (": as the one before" if row.layer in like else "")
        at = row.layer
        if row.layer not in like:
            yield f"{'  ' if row.layer else ''}{row.meaning:<{46 if row.layer else 48}}  {row}"


def _stage(name: str) -> tuple[str, str] | None:
    layer = _LAYER.match(name)
    return _STAGES.get(layer[2] if layer else name)
