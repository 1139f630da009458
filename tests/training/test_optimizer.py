"""The optimizer: torch's AdamW on dense gradients, step by step; its groups, rates, state and refusals."""

import math
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from itertools import product

import pytest
import torch
from tiny_training import WITH_DROPOUT, labelled, training, weights
from torch import Tensor, nn

import tiny
from bertwright.model.heads import SequenceClassifier, TokenClassifier
from bertwright.training.optimizer import Optimizer, freeze

SPARED = ("bias", "LayerNorm.weight")


def backward(model: nn.Module, seed: int) -> None:
    """Gradients of a batch of its own, longer each time: some words come twice, most of the vocabulary not at all."""
    tokens = tiny.flat((3, 5, 2), seed)
    tokens.ids[:2] = tokens.ids[4]
    logits = model(tokens)
    weight = torch.linspace(-2, 1, logits.numel(), dtype=logits.dtype).view_as(logits)
    (logits * weight * 10**seed).sum().backward()


def train(model: nn.Module, optimizer: Optimizer, seeds: Iterable[int]) -> None:
    for seed in seeds:
        backward(model, seed)
        optimizer.step(1e-2)


def ones(model: nn.Module) -> None:
    """A gradient of 1 everywhere: AdamW's first step is then the learning rate itself."""
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter) if parameter.requires_grad else None


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


# ---- the numbers


@pytest.mark.parametrize("longest", [0.0, 0.05, 1e9], ids=["no clipping", "always clipped", "never clipped"])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_steps_are_torchs_adamw_on_dense_gradients(longest: float, decay: float):
    """Words that a batch lacks move too, by momentum and decay."""
    ours, theirs = tiny.classifier(dtype=torch.float64), tiny.classifier(dtype=torch.float64)
    optimizer = Optimizer(ours, weight_decay=decay, max_grad_norm=longest)
    spared, decayed = [], []
    for name, parameter in theirs.named_parameters():
        (spared if name.endswith(SPARED) else decayed).append(parameter)
    groups = [{"params": spared, "weight_decay": 0.0}, {"params": decayed, "weight_decay": decay}]
    reference = torch.optim.AdamW(groups, foreach=False, fused=False)
    for seed, rate in enumerate([1e-3, 2e-3, 5e-4, 1e-2, 1e-3]):
        backward(ours, seed)
        for parameter, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            other.grad = parameter.grad.to_dense().clone()
        norm = optimizer.step(rate)
        expected = nn.utils.clip_grad_norm_(theirs.parameters(), longest or math.inf)
        for group in reference.param_groups:
            group["lr"] = rate
        reference.step()
        assert norm == pytest.approx(float(expected), rel=1e-12)
        assert all(parameter.grad is None for parameter in ours.parameters())
        tolerance = 1e-12 if longest != 0.05 else 1e-6 * rate  # torch's clipping divides by norm + 1e-6
        torch.testing.assert_close(weights(ours), weights(theirs), rtol=0, atol=tolerance)


def test_the_norm_is_that_before_clipping():
    model = tiny.classifier()
    ones(model)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert Optimizer(model, weight_decay=0.0, max_grad_norm=0.5).step(1e-3) == pytest.approx(count**0.5, rel=1e-6)


def test_gradients_that_are_discarded_are_measured_and_move_nothing():
    model = tiny.classifier()
    before, optimizer = weights(model), Optimizer(model, weight_decay=0.1)
    ones(model)
    norms = optimizer.discard()
    assert norms == {name: pytest.approx(p.numel() ** 0.5, rel=1e-6) for name, p in model.named_parameters()}
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not optimizer.state()
    assert all(torch.equal(weight, before[name]) for name, weight in weights(model).items())


def test_parameters_without_a_gradient_stay():
    model = tiny.classifier()
    before = weights(model)
    optimizer = Optimizer(model, weight_decay=0.1)
    model.classifier.weight.grad = torch.ones_like(model.classifier.weight)
    optimizer.step(1e-2)
    moved = {name for name, weight in weights(model).items() if not torch.equal(weight, before[name])}
    assert moved == {"classifier.weight"}
    assert optimizer.state().keys() == {"exp_avg.classifier.weight", "exp_avg_sq.classifier.weight"}


def test_a_step_does_not_import_torchs_compiler():
    """Which takes seconds, and what makes a `torch.optim.Optimizer` imports it."""
    script = (
        "import sys, torch; from bertwright.training.optimizer import Optimizer; model = torch.nn.Linear(2, 2)\n"
        "optimizer = Optimizer(model, weight_decay=0.1)\n"
        "model(torch.ones(1, 2)).sum().backward(); optimizer.step(0.1); print('torch._dynamo' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "False\n"


# ---- groups


def test_biases_and_norms_do_not_decay():
    model = tiny.classifier(dtype=torch.float64)
    before = weights(model)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    Optimizer(model, weight_decay=0.5).step(0.1)
    for name, weight in weights(model).items():
        share = 1.0 if name.endswith(SPARED) else 1 - 0.1 * 0.5
        torch.testing.assert_close(weight, share * before[name], rtol=1e-14, atol=0, msg=name)


EMBEDDINGS = (
    *(f"bert.embeddings.{kind}_embeddings.weight" for kind in ("word", "position", "token_type")),
    *(f"bert.embeddings.LayerNorm.{kind}" for kind in ("weight", "bias")),
)
MODULES = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
MODULES += ("attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm")


def layer(number: int) -> tuple[str, ...]:
    return tuple(f"bert.encoder.layer.{number}.{name}.{kind}" for name, kind in product(MODULES, ("weight", "bias")))


def first_moves(model: SequenceClassifier, layer_decay: float) -> dict[str, float]:
    """By how much the first step moves each parameter, in learning rates."""
    before = weights(model)
    ones(model)
    Optimizer(model, weight_decay=0.0, max_grad_norm=0.0, layer_decay=layer_decay).step(1.0)
    return {name: float((before[name] - weight).mean()) for name, weight in weights(model).items()}


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_rates_fall_from_layer_to_layer(decay: float):
    moves = first_moves(tiny.classifier(dtype=torch.float64), decay)
    expected = dict.fromkeys(EMBEDDINGS, decay**3) | dict.fromkeys(layer(0), decay**2) | dict.fromkeys(layer(1), decay)
    expected |= {f"{head}.{kind}": 1.0 for head in ("bert.pooler.dense", "classifier") for kind in ("weight", "bias")}
    assert moves == pytest.approx(expected, rel=1e-6)


def test_steps_between_tags_learn_faster_and_do_not_decay():
    """They begin at 0 and have to become as large as logits."""
    model = TokenClassifier(replace(tiny.CONFIG, labels=("O", "B-A", "I-A"), task={"name": "tagging", "crf": True}))
    assert model.crf is not None
    model.crf.transitions.data.fill_(7.0)
    ones(model)
    Optimizer(model, weight_decay=0.5, max_grad_norm=0.0, layer_decay=0.5).step(1e-3)
    assert (7.0 - model.crf.transitions).flatten().tolist() == pytest.approx([0.1] * 9, rel=1e-4)
    assert model.crf.starts.tolist() == pytest.approx([-0.1] * 3, rel=1e-4)


@pytest.mark.parametrize(
    ("layers", "frozen"), [(0, EMBEDDINGS), (1, EMBEDDINGS + layer(0)), (2, EMBEDDINGS + layer(0) + layer(1))]
)
def test_frozen_parameters_stay(layers: int, frozen: tuple[str, ...]):
    model = tiny.classifier(WITH_DROPOUT)
    assert set(freeze(model, layers)) == set(frozen)
    before = weights(model)
    run = training(model, layer_decay=0.5)
    list(run.steps())
    stayed = {name for name, weight in weights(model).items() if torch.equal(weight, before[name])}
    assert stayed == set(frozen)
    assert not any(name.split(".", 1)[1] in frozen for name in run.optimizer.state())


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_freezing_leaves_the_rates_of_the_others(layers: int):
    free, held = tiny.classifier(dtype=torch.float64), tiny.classifier(dtype=torch.float64)
    frozen = freeze(held, layers)
    expected = {name: 0.0 if name in frozen else move for name, move in first_moves(free, 0.5).items()}
    assert first_moves(held, 0.5) == pytest.approx(expected, rel=1e-9)


# ---- state


def test_its_state_is_all_there_is():
    """Bit for bit: four steps are two steps, a state as named tensors, and two more by another optimizer."""
    through, begun, resumed = (tiny.classifier(seed=seed) for seed in (0, 0, 1))
    whole, first, second = (Optimizer(model, weight_decay=0.1) for model in (through, begun, resumed))
    train(through, whole, range(4))
    train(begun, first, range(2))
    assert second.state() == {}
    state = {name: tensor.clone() for name, tensor in first.state().items()}
    names = {f"{moment}.{name}" for moment, name in product(("exp_avg", "exp_avg_sq"), weights(begun))}
    assert state.keys() == names
    resumed.load_state_dict(begun.state_dict())
    second.load_state(state, 2)
    assert same(second.state(), first.state())
    train(resumed, second, range(2, 4))
    assert same(weights(resumed), weights(through))
    assert same(second.state(), whole.state())


@pytest.mark.parametrize("value", [math.inf, math.nan])
@pytest.mark.parametrize("name", ["classifier.bias", "bert.embeddings.word_embeddings.weight"])
def test_a_gradient_that_is_not_finite_updates_nothing(value: float, name: str):
    """Be it dense or sparse; and the next step is as if there had been none between."""
    model, untouched = tiny.classifier(), tiny.classifier()
    optimizer, other = (Optimizer(m, weight_decay=0.1) for m in (model, untouched))
    train(model, optimizer, [0])
    train(untouched, other, [0])
    backward(model, 1)
    model.get_parameter(name).grad *= value
    assert not math.isfinite(optimizer.step(1e-2))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert same(weights(model), weights(untouched))
    assert same(optimizer.state(), other.state())
    train(model, optimizer, [2])
    train(untouched, other, [2])
    assert same(weights(model), weights(untouched))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="NOT TESTED: no CUDA device")
def test_state_moves_between_devices():
    on_cpu, on_cuda = tiny.classifier(), tiny.classifier().to("cuda")
    first = training(on_cpu, data=labelled(8), steps=2)
    list(first.steps())
    optimizer = Optimizer(on_cuda, weight_decay=0.01)
    optimizer.load_state(first.optimizer.state(), 2)
    assert {tensor.device.type for tensor in optimizer.state().values()} == {"cuda"}
