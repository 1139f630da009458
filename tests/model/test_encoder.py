"""The encoder: `read` and neighbours change no number, dropout lies where BERT has it, weights begin as BERT's do."""

import math
from dataclasses import replace
from itertools import product

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import tiny
from bertwright.model.encoder import Bert, initialise
from bertwright.model.flat import FlatTokens
from bertwright.model.heads import SequenceClassifier

CLS = [0, 3, 4, 11, 13, 20, 25, 26, 30, 36, 38, 41, 48]
READS = {"[CLS]": CLS, "some": [0, 1, 5, 6, 10, 24, 52], "one": [17], "all": list(range(53)), "none": []}


def gradients(model: nn.Module, output: Tensor) -> dict[str, Tensor]:
    weight = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    model.zero_grad()
    (output * weight).sum().backward()
    return {name: p.grad.to_dense().clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_read_changes_no_number(read: list[int]):
    """The states of the places read, and every gradient, are those of a pass over all tokens."""
    model = tiny.bert(dtype=torch.float64)
    tokens, places = tiny.flat(tiny.LENGTHS), torch.tensor(read, dtype=torch.int64)
    full, part = model(tokens)[places], model(tokens, places)
    assert part.shape == (len(read), tiny.CONFIG.hidden_size)
    torch.testing.assert_close(part, full, rtol=0, atol=1e-13)
    if read:
        torch.testing.assert_close(gradients(model, part), gradients(model, model(tokens)[places]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("lengths", [[1], [1, 1, 1], [5, 5, 5]])
def test_read_of_even_batches(lengths: list[int]):
    model, tokens = tiny.bert(dtype=torch.float64), tiny.flat(lengths)
    torch.testing.assert_close(model(tokens, tokens.starts), model(tokens)[tokens.starts], rtol=0, atol=1e-13)


# ---- neighbours


@settings(max_examples=25)
@given(st.lists(st.integers(1, 12), min_size=2, max_size=9), st.integers(0, 99))
def test_logits_are_the_same_alone_and_in_any_batch(lengths: list[int], seed: int):
    model, tokens = tiny.classifier(), tiny.flat(lengths, seed)
    with torch.no_grad():
        alone = torch.cat([model(text) for text in tiny.each_alone(tokens)])
        torch.testing.assert_close(model(tokens), alone, rtol=0, atol=1e-5)


def test_a_neighbours_words_never_matter():
    """Bit for bit: other words and other segments next to a text of the same batch."""
    model, tokens = tiny.classifier(), tiny.flat(tiny.LENGTHS)
    mine = 4
    start, end = tokens.cu_seqlens[mine : mine + 2].tolist()
    other = tiny.flat(tiny.LENGTHS, seed=1)
    other.ids[start:end], other.segments[start:end] = tokens.ids[start:end], tokens.segments[start:end]
    with torch.no_grad():
        before, after = model(tokens), model(other)
    same = [place for place in range(len(tokens)) if torch.equal(before[place], after[place])]
    assert same == [mine]


# ---- dropout

IN_LAYERS = [f"{layer}.{part}" for layer, part in product((0, 1), ("attention.self", "attention.output", "output"))]
SITES = {"bert.embeddings", *(f"bert.encoder.layer.{site}" for site in IN_LAYERS), ""}  # "": before the classifier


def sites(model: nn.Module) -> dict[str, nn.Module]:
    return {name: module for name, module in model.named_modules() if hasattr(module, "dropout")}


def test_dropout_lies_where_transformers_has_it():
    config = transformers.BertConfig(**tiny.CONFIG.to_dict("BertForSequenceClassification"))
    peer = transformers.BertForSequenceClassification(config)
    theirs = {name for name, module in peer.named_modules() if isinstance(module, nn.Dropout)}
    assert {f"{site}.dropout".lstrip(".") for site in SITES} == theirs
    assert sites(tiny.classifier()).keys() == SITES


@pytest.mark.parametrize("site", sorted(SITES))
def test_each_dropout_works_alone(site: str):
    model, tokens = tiny.classifier().train(), tiny.flat(tiny.LENGTHS)
    without = model(tokens)
    sites(model)[site].dropout = 0.5
    torch.manual_seed(0)
    first, second = model(tokens), model(tokens)
    assert not torch.allclose(first, without)
    assert not torch.allclose(first, second)
    torch.manual_seed(0)
    assert torch.equal(model(tokens), first)
    assert torch.equal(model.eval()(tokens), without)


def test_rates_come_from_the_config():
    config = replace(tiny.CONFIG, hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.2)
    rates = {site: module.dropout for site, module in sites(SequenceClassifier(config)).items()}
    assert rates == {site: 0.2 if site.endswith("self") else 0.3 for site in SITES}
    assert SequenceClassifier(replace(config, classifier_dropout=0.0)).dropout == 0.0


# ---- initialisation


@pytest.mark.parametrize("std", [0.02, 0.05])
def test_weights_begin_as_in_the_original(std: float):
    """A normal cut off at two deviations: its own deviation is 0.8796 of the uncut one's."""
    model = SequenceClassifier(replace(tiny.CONFIG, vocab_size=997, hidden_size=96, intermediate_size=331))
    torch.manual_seed(0)
    for module in model.modules():
        initialise(module, std)
    norms = {id(p) for module in model.modules() if isinstance(module, nn.LayerNorm) for p in module.parameters()}
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            expected = float(id(parameter) in norms and name.endswith("weight"))
            assert parameter.unique().tolist() == [expected], name
            continue
        assert parameter.abs().max() <= 2 * std, name
        count = parameter.numel()
        assert abs(parameter.mean()) < 4 * 0.88 * std / count**0.5, name
        # the kurtosis of the cut normal is 2.37: the spread of a squared deviation is sqrt(1.37) of its mean
        assert abs(parameter.var() / (0.8796 * std) ** 2 - 1) < 4 * (1.37 / count) ** 0.5, name
    everything = torch.cat([p.detach().flatten() for p in model.parameters() if p.ndim > 1])
    within_one = (everything.abs() < std).double().mean()
    share = math.erf(2**-0.5) / math.erf(2**0.5)
    assert abs(within_one - share) < 4 * (share * (1 - share) / everything.numel()) ** 0.5


# ---- what else the others rely on


def test_embeddings_have_sparse_gradients_on_a_cpu():
    """Of the words alone: the rows of the batch, not V x H numbers."""
    model, tokens = Bert(tiny.CONFIG), tiny.flat([4, 2])
    model(tokens).sum().backward()
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None and p.grad.is_sparse}
    assert grads.keys() == {"embeddings.word_embeddings.weight"}
    (grad,) = grads.values()
    assert set(grad.coalesce().indices()[0].tolist()) == set(tokens.ids.tolist())


def test_flat_tokens_know_their_starts_and_move_whole():
    tokens = tiny.flat([4, 2, 1])
    assert isinstance(tokens, FlatTokens)
    assert (len(tokens), tokens.starts.tolist(), tokens.max_seqlen) == (3, [0, 4, 6], 4)
    moved = tokens.to(torch.device("meta"))
    assert {getattr(moved, name).device.type for name in ("ids", "segments", "positions", "cu_seqlens")} == {"meta"}
