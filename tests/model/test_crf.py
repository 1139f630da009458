"""The CRF is what counting all paths gives: their sum, the share of each tag, and the best one."""

from collections.abc import Sequence
from itertools import pairwise, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

import tiny
from bertwright.model.crf import Crf

TAGS = 3


def layer(seed: int = 0) -> Crf:
    crf = Crf(TAGS).double()
    tiny.shake(crf, seed, size=2.0)
    return crf


def scores(crf: Crf, emissions: Tensor) -> dict[tuple[int, ...], Tensor]:
    """The score of every path through one chain."""
    found = {}
    for path in product(range(TAGS), repeat=len(emissions)):
        score = crf.starts[path[0]] + crf.ends[path[-1]]
        for place, tag in enumerate(path):
            score = score + emissions[place, tag]
        for one, other in pairwise(path):
            score = score + crf.transitions[one, other]
        found[path] = score
    return found


def chains(lengths: Sequence[int], seed: int) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    emissions = 2 * torch.randn((sum(lengths), TAGS), generator=draw, dtype=torch.float64)
    return emissions, torch.randint(0, TAGS, (sum(lengths),), generator=draw), torch.tensor(lengths)


@settings(max_examples=12)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=3), st.integers(0, 99))
def test_all_paths_counted_one_by_one(lengths: list[int], seed: int):
    crf, (emissions, tags, counts) = layer(seed), chains(lengths, seed)
    losses, marginals, best = [], [], []
    for mine, truth in zip(emissions.split(lengths), tags.split(lengths), strict=True):
        if not len(mine):
            continue
        paths = scores(crf, mine)
        total = torch.stack([*paths.values()]).logsumexp(0)
        losses.append(total - paths[tuple(truth.tolist())])
        for place, tag in product(range(len(mine)), range(TAGS)):
            through = [score for path, score in paths.items() if path[place] == tag]
            marginals.append(torch.stack(through).logsumexp(0) - total)
        best += max(paths, key=lambda path: float(paths[path].detach()))
    found = crf.losses(emissions, tags, counts)
    assert len(found) == len(losses)
    for one, other in zip(found, losses, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-11)
    wanted = torch.stack(marginals).view(-1, TAGS) if marginals else emissions
    torch.testing.assert_close(crf.marginals(emissions, counts), wanted, rtol=1e-9, atol=1e-11)
    assert crf.best(emissions, counts).tolist() == best


def test_the_gradient_is_that_of_counting():
    crf, (emissions, tags, counts) = layer(), chains([4, 1, 3], 5)
    emissions.requires_grad_()
    values = (emissions, crf.starts, crf.ends, crf.transitions)
    found = torch.autograd.grad(crf.losses(emissions, tags, counts).sum(), values)
    by_hand = torch.zeros((), dtype=torch.float64)
    for mine, truth in zip(emissions.split([4, 1, 3]), tags.split([4, 1, 3]), strict=True):
        paths = scores(crf, mine)
        by_hand = by_hand + torch.stack([*paths.values()]).logsumexp(0) - paths[tuple(truth.tolist())]
    for one, other in zip(found, torch.autograd.grad(by_hand, values), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_a_new_one_is_a_softmax_a_word():
    """It favours no path: losses, shares and tags are those of each word by itself."""
    crf, (emissions, tags, counts) = Crf(TAGS).double(), chains([5, 2, 7], 1)
    wanted = functional.cross_entropy(emissions, tags, reduction="sum")
    torch.testing.assert_close(crf.losses(emissions, tags, counts).sum(), wanted, rtol=1e-12, atol=0)
    torch.testing.assert_close(crf.marginals(emissions, counts), emissions.log_softmax(1), rtol=1e-10, atol=1e-12)
    assert crf.best(emissions, counts).tolist() == emissions.argmax(1).tolist()


def test_neighbours_do_not_matter():
    crf, (emissions, _, counts) = layer(), chains([3, 9, 1], 2)
    whole = crf.marginals(emissions, counts)
    for mine, part in zip(emissions.split([3, 9, 1]), whole.split([3, 9, 1]), strict=True):
        torch.testing.assert_close(crf.marginals(mine, torch.tensor([len(mine)])), part, rtol=1e-11, atol=1e-12)


def test_what_may_not_follow_does_not():
    """A transition that is worth minus a thousand is never taken, whatever the words say."""
    crf = Crf(TAGS)
    crf.transitions.data[0, 2] = -1000.0
    emissions = torch.tensor([[3.0, 0.0, 0.0], [0.0, 0.0, 2.0], [0.0, 1.0, 0.0]])
    assert crf.best(emissions, torch.tensor([3])).tolist() == [0, 0, 1]
    assert crf.marginals(emissions, torch.tensor([3])).exp().sum(1).tolist() == pytest.approx([1.0] * 3, abs=1e-6)
