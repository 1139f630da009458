"""Attention: every kernel gives the numbers of the slow reference, and no sequence sees another."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

import tiny
from bertwright.model.attention import Kernel, Padded, Reference, Spans, Varlen, plan
from bertwright.model.dropout import Dropout

HEADS, WIDTH = 3, 5
CPU = torch.device("cpu")
NO_DROPOUT = Dropout(CPU, training=False)

KINDS = {"Padded": lambda s: Padded(s, s, HEADS), "Reference": lambda s: Reference(s, s)}

# Length of each sequence, and how many of its tokens ask.
BATCHES = st.lists(
    st.integers(1, 9).flatmap(lambda length: st.tuples(st.just(length), st.integers(0, length))), min_size=1, max_size=6
)


def spans(lengths: Sequence[int], device: torch.device = CPU) -> Spans:
    return Spans(torch.tensor([0, *accumulate(lengths)], dtype=torch.int32, device=device), max(lengths))


def drawn(rows: int, dtype: torch.dtype, width: int = WIDTH) -> Tensor:
    return torch.randn(rows, HEADS, width, dtype=torch.float64).to(dtype).requires_grad_()


def output_and_gradients(kernel: Kernel, inputs: Sequence[Tensor], grad: Tensor) -> tuple[Tensor, ...]:
    output = kernel(*inputs, NO_DROPOUT, 0.0)
    return (output, *torch.autograd.grad(output, inputs, grad))


def assert_same(asking: Spans, keys: Spans, dtype: torch.dtype, **tolerance: Any) -> None:
    torch.manual_seed(0)
    inputs = [drawn(int(s.cu_seqlens[-1]), dtype) for s in (asking, keys, keys)]
    grad = torch.randn_like(inputs[0])
    padded = output_and_gradients(Padded(asking, keys, HEADS), inputs, grad)
    reference = output_and_gradients(Reference(asking, keys), inputs, grad)
    torch.testing.assert_close(padded, reference, **tolerance)


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 2e-6), (torch.float64, 1e-14)])
@settings(max_examples=50)
@given(batch=BATCHES)
@example(batch=[(1, 1)])
@example(batch=[(1, 1), (1, 1), (1, 0)])
@example(batch=[(length, 1) for length in tiny.LENGTHS])  # [CLS] alone is read
@example(batch=[(7, 0), (3, 0)])  # nothing is
def test_padded_equals_the_reference(dtype: torch.dtype, atol: float, batch: list[tuple[int, int]]):
    lengths, asking = zip(*batch, strict=True)
    assert_same(spans(asking), spans(lengths), dtype, atol=atol, rtol=0)
    all_ask = spans(lengths)
    assert_same(all_ask, all_ask, dtype, atol=atol, rtol=0)


def test_equal_lengths_need_no_bias():
    even, uneven = spans([4, 4, 4]), spans([4, 1, 4])
    assert Padded(even, even, HEADS).bias is None
    assert Padded(uneven, uneven, HEADS).bias is not None
    assert_same(even, even, torch.float64, atol=1e-14, rtol=0)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_no_sequence_sees_another(kind: Any):
    """Bit for bit, whatever finite numbers the neighbours hold, and no gradient flows between sequences."""
    kernel = kind(spans([2, 5, 3]))
    torch.manual_seed(0)
    inputs = [drawn(10, torch.float32) for _ in range(3)]
    mine = slice(2, 7)
    before = kernel(*inputs, NO_DROPOUT, 0.0)[mine]
    for gradient in torch.autograd.grad(before.sum(), inputs):
        assert gradient[:2].count_nonzero() == gradient[7:].count_nonzero() == 0
    with torch.no_grad():
        for tensor in inputs:
            tensor[:2] = 1e18
            tensor[7:] = -1e18
        after = kernel(*inputs, NO_DROPOUT, 0.0)[mine]
    assert torch.equal(after, before)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_dropout_falls_on_the_weights(kind: Any):
    """Values of 1 come out as the sum of the kept weights: each is 1/50 / (1 - p) or gone."""
    query, key = torch.zeros(2, 100, HEADS, WIDTH)
    torch.manual_seed(0)
    output = kind(spans([50, 50]))(query, key, torch.ones_like(query), Dropout(CPU, training=True), 0.25)
    kept = output * 50 * 0.75
    torch.testing.assert_close(kept, kept.round(), atol=1e-4, rtol=0)
    assert torch.equal(kept.round().amin(-1), kept.round().amax(-1))  # a weight that went is gone for the whole value
    one_each = kept[..., 0]
    sigma = (50 * 0.25 * 0.75 / one_each.numel()) ** 0.5
    assert abs(one_each.mean() - 50 * 0.75) < 4 * sigma
    assert one_each.unique().numel() > 10


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_plan_for_a_cpu(dtype: torch.dtype):
    lengths = spans([2, 3])
    assert isinstance(plan(lengths, lengths, HEADS, dtype), Padded)


def test_bf16_stays_near_fp32():
    torch.manual_seed(0)
    keys, asking = spans([7, 1, 4]), spans([1, 1, 1])
    inputs = [drawn(rows, torch.bfloat16) for rows in (3, 12, 12)]
    output = Padded(asking, keys, HEADS)(*inputs, NO_DROPOUT, 0.0)
    reference = Reference(asking, keys)(*(x.float() for x in inputs), NO_DROPOUT, 0.0)
    assert output.dtype == torch.bfloat16
    torch.testing.assert_close(output.float(), reference, atol=0.02, rtol=0.02)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="NOT TESTED: no CUDA device")
@pytest.mark.parametrize("asking", [[7, 1, 300, 64], [1, 1, 1, 1], [3, 1, 17, 2]], ids=["all", "cls", "some"])
def test_varlen_equals_the_reference(asking: list[int]):
    """Forward and gradients, within the 8 bits of bf16."""
    cuda, width = torch.device("cuda"), 16
    keys = spans([7, 1, 300, 64], cuda)
    queries = keys if asking[0] == 7 else spans(asking, cuda)
    kernel = plan(queries, keys, HEADS, torch.bfloat16)
    assert isinstance(kernel, Varlen)
    torch.manual_seed(0)
    inputs = [drawn(rows, torch.bfloat16, width).detach().to(cuda) for rows in (sum(asking), 372, 372)]
    low, high = ([x.to(dtype).requires_grad_() for x in inputs] for dtype in (torch.bfloat16, torch.float32))
    grad = torch.randn(sum(asking), HEADS, width, device=cuda).bfloat16()
    found = output_and_gradients(kernel, low, grad)
    wanted = output_and_gradients(Reference(queries, keys), high, grad.float())
    torch.testing.assert_close([x.float() for x in found], list(wanted), atol=0.03, rtol=0.03)
