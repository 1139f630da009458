"""AdamW or LAMB over the parameters of a model: decay groups, layer-wise rates, clipping, state as named tensors.

Knows nothing of schedules, losses or files, and of a rule only its form.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from bertwright.training.adamw import adamw
from bertwright.training.lamb import lamb
from bertwright.training.moments import Moments, Moving, Update

Rule = Literal["adamw", "lamb"]

_RULES: Mapping[Rule, Update] = {"adamw": adamw, "lamb": lamb}
_PATHS = "crf."
_FASTER = 100.0  # of the schedule's rate: what steps between tags are worth begins at 0 and ends far from it
_LAYER = re.compile(r"\bencoder\.layer\.(\d+)\.")


@dataclass(slots=True)
class _Group:
    """Parameters that share a decay and a learning rate."""

    weight_decay: float
    rate: float  # share of the schedule's learning rate
    parameters: dict[str, nn.Parameter] = field(default_factory=dict)


class Optimizer:
    """Clip, step, clear.

    Args:
        model: The parameters that require a gradient are trained.
        weight_decay: Decay of matrices and embeddings; vectors (biases, layer norms) are spared, as in BERT, and so is
            a CRF layer, which learns at 100 times the schedule's rate.
        max_grad_norm: Longest global gradient; 0 switches clipping off.
        layer_decay: Each layer's rate as a share of the one above it; the embeddings count as the lowest layer,
            pooler and heads as above the highest (ULMFiT's discriminative rates; Clark et al. 2020, ELECTRA).
        rule: How the moments become a step.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        weight_decay: float,
        max_grad_norm: float = 1.0,
        layer_decay: float = 1.0,
        rule: Rule = "adamw",
    ) -> None:
        self.named = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.max_grad_norm = max_grad_norm
        self._groups = _groups(self.named, weight_decay, layer_decay)
        self._update = _RULES[rule]
        self._moments: dict[str, Moments] = {}
        self._dense: dict[nn.Parameter, Tensor] = {}

    @torch.no_grad()
    def step(self, learning_rate: float) -> float:
        """Clip the gradients, update the parameters, clear the gradients.

        Returns:
            The global L2 norm of the gradients before clipping. Where it is not finite nothing was updated.
        """
        grads = self._grads()
        norm = float(get_total_norm(grads.values()))
        if not math.isfinite(norm):
            self._clear()
            return norm
        if 0.0 < self.max_grad_norm < norm:
            for grad in grads.values():
                grad.mul_(self.max_grad_norm / norm)
        touched = self._densify(grads)
        for group in self._groups:
            self._move(group, learning_rate * group.rate)
        for parameter, rows in touched.items():
            self._dense[parameter].index_fill_(0, rows, 0.0)
        self._clear()
        return norm

    def _move(self, group: _Group, learning_rate: float) -> None:
        """Those of a group that have a gradient."""
        moving = [
            Moving(parameter, parameter.grad, self._moments_of(name, parameter))
            for name, parameter in group.parameters.items()
            if parameter.grad is not None
        ]
        if moving:
            self._update(moving, learning_rate=learning_rate, weight_decay=group.weight_decay)

    def _moments_of(self, name: str, parameter: Tensor) -> Moments:
        if name not in self._moments:
            self._moments[name] = Moments.none(parameter)
        return self._moments[name]

    def _clear(self) -> None:
        for parameter in self.named.values():
            parameter.grad = None

    def discard(self) -> dict[str, float]:
        """Clear the gradients without a step; returns the L2 norm that each parameter's had."""
        grads = self._grads()
        norms = {name: float(grads[p].norm()) for name, p in self.named.items() if p in grads}
        self._clear()
        return norms

    def _grads(self) -> dict[nn.Parameter, Tensor]:
        """The gradient of each parameter that has one; of a sparse one, the rows that it holds."""
        grads = {}
        for parameter in self.named.values():
            if parameter.grad is None:
                continue
            if parameter.grad.is_sparse:
                parameter.grad = parameter.grad.coalesce()
                grads[parameter] = parameter.grad.values()
            else:
                grads[parameter] = parameter.grad
        return grads

    def _densify(self, grads: Mapping[nn.Parameter, Tensor]) -> dict[nn.Parameter, Tensor]:
        """Spread sparse gradients into dense buffers that are kept, zero but for the batch's rows.

        AdamW moves every row at every step, by its momentum and its decay, so it needs a dense gradient; filling a
        new one with zeros at each step is what costs.
        """
        touched = {}
        for parameter, values in grads.items():
            sparse = parameter.grad
            if sparse is None or not sparse.is_sparse:
                continue
            rows = sparse.indices()[0]
            if parameter not in self._dense:
                self._dense[parameter] = torch.zeros_like(parameter)
            dense = self._dense[parameter]
            parameter.grad = None
            parameter.grad = dense.index_copy_(0, rows, values)
            touched[parameter] = rows
        return touched

    def state(self) -> dict[str, Tensor]:
        """Both moments of every parameter that was ever updated, as `exp_avg.NAME` and `exp_avg_sq.NAME`."""
        return {
            f"{moment}.{name}": getattr(self._moments[name], moment)
            for name in self.named
            if name in self._moments
            for moment in ("exp_avg", "exp_avg_sq")
        }

    def load_state(self, state: Mapping[str, Tensor], steps: int) -> None:
        """Take over what `state` gave after `steps` steps."""
        for name, parameter in self.named.items():
            if f"exp_avg.{name}" in state:
                kept = Moments.none(parameter)
                kept.exp_avg.copy_(state[f"exp_avg.{name}"])
                kept.exp_avg_sq.copy_(state[f"exp_avg_sq.{name}"])
                kept.step.fill_(steps)
                self._moments[name] = kept


def freeze(model: nn.Module, layers: int) -> tuple[str, ...]:
    """Keep the embeddings and the lowest `layers` layers as they are; returns the frozen parameters' names."""
    frozen = []
    for name, parameter in model.named_parameters():
        layer = _LAYER.search(name)
        if "embeddings." in name or (layer and int(layer[1]) < layers):
            parameter.requires_grad_(False)
            frozen.append(name)
    return tuple(frozen)


def _groups(named: Mapping[str, nn.Parameter], weight_decay: float, layer_decay: float) -> list[_Group]:
    depths = {name: _depth(name) for name in named}
    top = _top(named)
    groups: dict[tuple[float, float], _Group] = {}
    for name, parameter in named.items():
        of_paths = name.startswith(_PATHS)
        decay = weight_decay if parameter.ndim > 1 and not of_paths else 0.0
        rate = _FASTER if of_paths else layer_decay ** (top - min(depths[name], top))
        groups.setdefault((decay, rate), _Group(decay, rate)).parameters[name] = parameter
    return list(groups.values())


def _top(names: Iterable[str]) -> int:
    """Depth of pooler and heads: one above the highest layer."""
    layers = [int(found[1]) for name in names if (found := _LAYER.search(name))]
    return max(layers, default=-1) + 2


def _depth(name: str) -> float:
    """0 for the embeddings, layer number + 1, infinity for what lies above the layers."""
    if layer := _LAYER.search(name):
        return int(layer[1]) + 1
    return 0 if "embeddings." in name else math.inf
