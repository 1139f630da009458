"""Attention over flat tokens: the only place that sees where one sequence ends and the next begins.

Three kernels give the same numbers. `plan` picks one for a whole forward pass:

* `Varlen`: torch's flash attention for flat tokens; CUDA with bf16 or fp16. It has no dropout of the attention
  weights (nor does any other flat kernel of torch), so training on CUDA goes without it: docs/ARCHITECTURE.md.
* `Padded`: the heads of each sequence side by side in a padded block, with plain matrix products. The fastest
  measured on a CPU at BERT's lengths (docs/log.md); also for fp32 on CUDA.
* `Reference`: one sequence after the other; slow, for tests.

Axes: T flat tokens, Q flat queries (T, or fewer: see `Spans`), B sequences, S longest sequence, N heads, D per head.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from bertwright.model.dropout import Dropout


@dataclass(frozen=True, slots=True)
class Spans:
    """Where the sequences lie in a flat tensor: `cu_seqlens` (int32) and the longest length."""

    cu_seqlens: Int[Tensor, " boundaries"]
    longest: int

    @property
    def lengths(self) -> Int[Tensor, " B"]:
        """Length of each sequence, in tokens."""
        return self.cu_seqlens.diff()

    def __len__(self) -> int:
        """Number of sequences, B."""
        return len(self.cu_seqlens) - 1


class Kernel(Protocol):
    """Attention of queries to the keys of their own sequence, planned for the spans of one forward pass."""

    def __call__(
        self,
        query: Float[Tensor, "Q N D"],
        key: Float[Tensor, "T N D"],
        value: Float[Tensor, "T N D"],
        dropout: Dropout,
        p: float,
    ) -> Float[Tensor, "Q N D"]:
        """Softmax(query key' / sqrt(D)) value, with dropout p on the softmax (Vaswani et al. 2017, 3.2.1)."""
        ...


def plan(queries: Spans, keys: Spans, heads: int, dtype: torch.dtype) -> Kernel:
    """The fastest kernel for this device and type; `queries` and `keys` span the same B sequences."""
    if keys.cu_seqlens.is_cuda and dtype in (torch.bfloat16, torch.float16):
        return Varlen(queries, keys)
    return Padded(queries, keys, heads)


class Varlen:
    """torch.nn.attention.varlen: flash attention on flat tokens (CUDA, bf16 or fp16)."""

    def __init__(self, queries: Spans, keys: Spans) -> None:
        self.queries, self.keys = queries, keys

    def __call__(
        self,
        query: Float[Tensor, "Q N D"],
        key: Float[Tensor, "T N D"],
        value: Float[Tensor, "T N D"],
        dropout: Dropout,  # noqa: ARG002 - the kernel has none
        p: float,  # noqa: ARG002
    ) -> Float[Tensor, "Q N D"]:
        """See `Kernel`; without dropout."""
        from torch.nn.attention.varlen import varlen_attn

        attended = varlen_attn(
            query,
            key,
            value,
            self.queries.cu_seqlens,
            self.keys.cu_seqlens,
            self.queries.longest,
            self.keys.longest,
        )
        assert isinstance(attended, Tensor)
        return attended


class Padded:
    """Plain matrix products over a padded block of (sequence, head) pairs."""

    def __init__(self, queries: Spans, keys: Spans, heads: int) -> None:
        self.keys = _Block(keys, heads)
        self.queries = self.keys if queries is keys else _Block(queries, heads)
        self.heads = heads
        # Padded keys get weight 0 exactly, so that what lies there never matters: a copy of the batch's first
        # token, as finite as that is.
        self.bias = None if self.keys.filled.all() else self._bias()

    def _bias(self) -> Float[Tensor, "BN 1 S"]:
        bias = torch.zeros(self.keys.filled.shape, device=self.keys.filled.device)
        bias.masked_fill_(~self.keys.filled, float("-inf"))
        return bias.repeat_interleave(self.heads, dim=0).unsqueeze(1)

    def __call__(
        self,
        query: Float[Tensor, "Q N D"],
        key: Float[Tensor, "T N D"],
        value: Float[Tensor, "T N D"],
        dropout: Dropout,
        p: float,
    ) -> Float[Tensor, "Q N D"]:
        """See `Kernel`."""
        q, k, v = self.queries.pad(query), self.keys.pad(key), self.keys.pad(value)  # [BN, S, D]
        scale = query.shape[-1] ** -0.5
        if self.bias is None:
            scores = torch.bmm(q * scale, k.transpose(1, 2))
        else:
            scores = torch.baddbmm(self.bias.to(q.dtype), q, k.transpose(1, 2), alpha=scale)
        weights = dropout(torch.softmax(scores, dim=-1), p)
        return self.queries.unpad(torch.bmm(weights, v))


class _Block:
    """The rows of a flat [T, N, D] tensor as a padded [B*N, S, D] block, and back: two gathers."""

    def __init__(self, spans: Spans, heads: int) -> None:
        device = spans.cu_seqlens.device
        self.shape = (len(spans) * heads, spans.longest)
        place = torch.arange(spans.longest, device=device)
        self.filled: Bool[Tensor, "B S"] = place < spans.lengths[:, None]
        flat = (spans.cu_seqlens[:-1, None] + place).masked_fill_(~self.filled, 0)  # [B, S]
        head = torch.arange(heads, device=device)
        # Where each padded row comes from, and where each flat row went.
        self.source = (flat[:, None, :] * heads + head[None, :, None]).flatten()
        sequence, place = self.filled.nonzero(as_tuple=True)
        self.target = ((sequence[:, None] * heads + head) * spans.longest + place[:, None]).flatten()
        empty = ~self.filled[:, None, :].expand(-1, heads, -1).flatten()
        self.empty = empty.nonzero().squeeze(1)

    def pad(self, x: Float[Tensor, "T N D"]) -> Float[Tensor, "BN S D"]:
        block: Tensor = _Pad.apply(x, self)  # type: ignore[no-untyped-call]
        return block

    def unpad(self, x: Float[Tensor, "BN S D"]) -> Float[Tensor, "T N D"]:
        flat: Tensor = _Unpad.apply(x, self)  # type: ignore[no-untyped-call]
        return flat


class _Pad(torch.autograd.Function):
    """Gathering forth is gathering back in the gradient: no slow scatter-add, as each row goes to one place."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, block: _Block) -> Tensor:
        ctx.block = block
        ctx.heads = x.shape[1]
        return x.reshape(-1, x.shape[-1]).index_select(0, block.source).view(*block.shape, x.shape[-1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        rows = grad.reshape(-1, grad.shape[-1]).index_select(0, ctx.block.target)
        return rows.view(-1, ctx.heads, grad.shape[-1]), None


class _Unpad(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, block: _Block) -> Tensor:
        ctx.block = block
        heads = block.shape[0] // len(block.filled)
        return x.reshape(-1, x.shape[-1]).index_select(0, block.target).view(-1, heads, x.shape[-1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        block = ctx.block
        rows = grad.reshape(-1, grad.shape[-1]).index_select(0, block.source)
        rows.index_fill_(0, block.empty, 0.0)
        return rows.view(*block.shape, grad.shape[-1]), None


class Reference:
    """One sequence after the other, as the formula is written; for tests."""

    def __init__(self, queries: Spans, keys: Spans) -> None:
        self.queries, self.keys = queries, keys

    def __call__(
        self,
        query: Float[Tensor, "Q N D"],
        key: Float[Tensor, "T N D"],
        value: Float[Tensor, "T N D"],
        dropout: Dropout,
        p: float,
    ) -> Float[Tensor, "Q N D"]:
        """See `Kernel`."""
        asked = torch.split(query, self.queries.lengths.tolist())
        keys, values = (torch.split(x, self.keys.lengths.tolist()) for x in (key, value))
        parts = zip(asked, keys, values, strict=True)
        return torch.cat([self._one(q, k, v, dropout, p) for q, k, v in parts])

    @staticmethod
    def _one(q: Tensor, k: Tensor, v: Tensor, dropout: Dropout, p: float) -> Tensor:
        scores = torch.einsum("qnd,knd->nqk", q, k) / q.shape[-1] ** 0.5
        return torch.einsum("nqk,knd->qnd", dropout(scores.softmax(-1), p), v)
