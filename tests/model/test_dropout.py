"""Dropout: the statistics of its masks, and that seeds alone decide them."""

import pytest
import torch
from torch import Tensor

from bertwright.model.dropout import Dropout

CPU = torch.device("cpu")
RATES = (0.1, 0.5, 0.9)
COUNT = 200_003  # no multiple of the four elements that share a draw


def seeded(seed: int = 0) -> Dropout:
    torch.manual_seed(seed)
    return Dropout(CPU, training=True)


def mask(dropout: Dropout, p: float, count: int = COUNT) -> Tensor:
    return dropout(torch.ones(count, dtype=torch.float64), p)


@pytest.mark.parametrize("p", RATES)
def test_share_scale_and_mean(p: float):
    """Within 4 deviations of a binomial count; the grain of the probability (1/65,536) lies far below them."""
    kept = mask(seeded(), p)
    sigma = (p * (1 - p) / COUNT) ** 0.5
    assert abs(kept.count_nonzero() / COUNT - (1 - p)) < 4 * sigma
    assert kept.unique().tolist() == [0.0, pytest.approx(1 / (1 - p), rel=1e-4)]
    assert abs(kept.mean() - 1) < 4 * sigma / (1 - p)


@pytest.mark.parametrize("p", RATES)
def test_elements_fall_independently(p: float):
    """Neighbours share a draw of 64 bits, and yet know nothing of each other; nor does each of its four places."""
    gone = (mask(seeded(), p) == 0).double()
    sigma = ((p**2 * (1 - p**2) + 2 * p**3 * (1 - p)) / COUNT) ** 0.5  # of pairs, each overlapping two others
    for distance in (1, 2, 3, 4, 24):
        both = (gone[distance:] * gone[:-distance]).mean()
        assert abs(both - p**2) < 4 * sigma
    for place in range(4):
        assert abs(gone[place::4].mean() - p) < 4 * (p * (1 - p) / (COUNT // 4)) ** 0.5


def test_every_call_and_every_pass_draws_anew():
    dropout = seeded()
    masks = [mask(dropout, 0.5), mask(dropout, 0.5), mask(Dropout(CPU, training=True), 0.5), mask(seeded(1), 0.5)]
    for place, one in enumerate(masks):
        for other in masks[:place]:
            assert abs((one == other).double().mean() - 0.5) < 4 * (0.25 / COUNT) ** 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_seed_decides_all(dtype: torch.dtype):
    x = torch.arange(1, 36, dtype=dtype).view(5, 7)
    first, second = ([dropout(x, 0.3), dropout(x, 0.3)] for dropout in (seeded(7), seeded(7)))
    assert all(map(torch.equal, first, second))
    assert first[0].dtype == dtype


@pytest.mark.parametrize("p", RATES)
def test_add_is_the_residual_and_the_masked(p: float):
    torch.manual_seed(3)
    residual, x = torch.randn(2, 11, 13)
    torch.testing.assert_close(seeded().add(residual, x, p), residual + seeded()(x, p), rtol=1e-6, atol=1e-6)
    assert not torch.equal(seeded()(x, p), x)


@pytest.mark.parametrize("p", RATES)
def test_gradients_flow_through_what_stays(p: float):
    x = torch.randn(11, 13, requires_grad=True)
    residual = torch.randn(11, 13, requires_grad=True)
    scale = mask(seeded(), p, x.numel()).view(11, 13).float()
    (through_call,) = torch.autograd.grad(seeded()(x, p).sum(), x)
    through_add, past = torch.autograd.grad(seeded().add(residual, x, p).sum(), (x, residual))
    torch.testing.assert_close(through_call, scale)
    torch.testing.assert_close(through_add, scale)
    assert torch.equal(past, torch.ones_like(residual))


def test_nothing_happens_in_evaluation_or_without_a_rate():
    residual, x = torch.randn(2, 11, 13)
    state = torch.get_rng_state()
    evaluating = Dropout(CPU, training=False)
    assert evaluating(x, 0.5) is x
    assert torch.equal(evaluating.add(residual, x, 0.5), residual + x)
    assert torch.equal(torch.get_rng_state(), state)
    assert seeded()(x, 0.0) is x
    assert torch.equal(seeded().add(residual, x, 0.0), residual + x)


def test_any_shape_and_no_element_at_all():
    dropout = seeded()
    for shape in [(), (1,), (0,), (3, 0, 5), (2, 3, 5, 7)]:
        assert dropout(torch.ones(shape), 0.5).shape == shape


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="NOT TESTED: no CUDA device")
def test_on_cuda():
    cuda = torch.device("cuda")
    x, residual = torch.randn(2, 311, 313, device=cuda)
    results = []
    for _ in range(2):
        torch.manual_seed(5)
        dropout = Dropout(cuda, training=True)
        results.append((dropout(x, 0.1), dropout.add(residual, x, 0.1)))
    assert all(map(torch.equal, *results))
    kept, added = results[0]
    assert abs((kept != 0).double().mean() - 0.9) < 4 * (0.09 / x.numel()) ** 0.5
    assert abs((added != residual).double().mean() - 0.9) < 4 * (0.09 / x.numel()) ** 0.5
    assert Dropout(cuda, training=False)(x, 0.1) is x
