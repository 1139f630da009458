"""The bench beside transformers.Trainer: both sides do the same work, and a reader is told what was measured."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest
import torch

from bertwright import BertwrightError
from bertwright.model.config import BertConfig
from bertwright.model.folder import write_model_folder
from bertwright.model.heads import SequenceClassifier
from bertwright.text.wordpiece import WordPiece

pytestmark = pytest.mark.filterwarnings("ignore")  # what a Trainer warns of is not ours

BENCH = Path(__file__).resolve().parent.parent / "bench"
MODULES = ("finetune", "finetune_ours", "finetune_peer", "job")
TEXTS = [f"{'good ' * (n % 5)}{'bad ' * (n % 3)}film number {n}" for n in range(60)]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """`bench/finetune.py`, imported as it is when it is run."""
    monkeypatch.syspath_prepend(str(BENCH))
    yield importlib.import_module("finetune")
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def in_this_process(bench: ModuleType) -> Callable[..., dict[str, float]]:
    """Does what `in_fresh_process` does without a new interpreter, which costs far more than a tiny model's turn."""
    job = importlib.import_module("job")

    def measured(asked: Any) -> dict[str, float]:
        turn = job.Job(**json.loads(json.dumps(asdict(asked))))
        side = importlib.import_module(bench.SCRIPTS[turn.side].removesuffix(".py"))
        figures: dict[str, float] = getattr(side, turn.phase)(turn)
        return figures

    return measured


@pytest.fixture
def flags(tmp_path: Path) -> list[str]:
    """A tiny classifier and a labelled file, as flags."""
    tokenizer = WordPiece.train(TEXTS, size=60)
    config = BertConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=36,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=40,
        max_position_embeddings=33,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        labels=("bad", "good"),
    )
    torch.manual_seed(4)
    model = SequenceClassifier(config)
    for parameter in model.parameters():
        parameter.data *= 3  # far from 0, so that it tells texts apart without having learned anything
    write_model_folder(tmp_path / "model", model, config, tokenizer)
    table = tmp_path / "texts.tsv"
    table.write_text("".join(f"{text}\t{'good' if n % 7 > 2 else 'bad'}\n" for n, text in enumerate(TEXTS)))
    files = ["--model", str(tmp_path / "model"), "--train", str(table), "--test", str(table)]
    sizes = ["--batch-size", "13", "--max-length", "21", "--warmup-steps", "2", "--steps", "6", "--profiled-steps", "2"]
    return [*files, "--columns", "text", "label", *sizes]


def job_of(bench: ModuleType, flags: list[str], folder: Path, side: str, phase: str = "training") -> Any:
    options = bench._parser().parse_args(flags)
    job = bench._job(options, bench.Compute.create("cpu"), folder)
    return replace(job, side=side, phase=phase)


def test_both_sides_do_the_same_work(
    bench: ModuleType,
    in_this_process: Callable[..., dict[str, float]],
    flags: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    report, profile = tmp_path / "report.json", tmp_path / "operators"
    flags += ["--repeats", "2", "--output-json", str(report), "--profile", str(profile)]
    flags += ["--batch-size", str(len(TEXTS)), "--peer-eval-batch-size", "13"]  # whole batches: no order to differ in
    with patch.object(bench, "in_fresh_process", in_this_process):
        assert bench.main(flags) == 0
    results = json.loads(report.read_text())["results"]
    assert [[len(turns) for turns in results[phase].values()] for phase in results] == [[2, 2, 2], [2, 2, 2]]

    for ours, plain, best in zip(*results["training"].values(), strict=True):
        assert ours["tokens_per_example"] == plain["tokens_per_example"] == best["tokens_per_example"]
        assert ours["final_loss"] == pytest.approx(plain["final_loss"], abs=1e-4)
        assert ours["final_loss"] == pytest.approx(best["final_loss"], abs=1e-4)
        assert plain["ratio"] == ours["examples_per_second"] / plain["examples_per_second"]
        for figures in (ours, plain, best):
            assert 0.01 < figures["matrix_products_of_step"] < figures["matrix_products_of_operators"] < 0.9
    predictions = [turn for turns in results["prediction"].values() for turn in turns]
    (accuracy,) = {turn["accuracy"] for turn in predictions}
    assert accuracy not in {27 / 60, 33 / 60}, "one label alone would not show that answers keep their order"
    assert {turn["agreement"] for turn in predictions} == {1.0}

    assert all("aten::addmm" in (profile / f"{side}.txt").read_text() for side in bench.SIDES)
    out, err = capsys.readouterr()
    assert out.count("| bertwright |") == out.count("| Trainer, best flags |") == 2
    turns = [line.split(": ")[1] for line in err.splitlines() if line.startswith("training, repeat")]
    assert turns == list(bench.SIDES.values()) * 2, "the sides take turns"


def test_a_process_of_its_own_gives_the_same_figures(
    bench: ModuleType, in_this_process: Callable[..., dict[str, float]], flags: list[str], tmp_path: Path
) -> None:
    job = job_of(bench, flags, tmp_path / "here", "ours")
    here = in_this_process(job)
    there = bench.in_fresh_process(job)
    assert there["final_loss"] == pytest.approx(here["final_loss"], abs=1e-5)
    assert there["tokens_per_example"] == here["tokens_per_example"]


def test_the_best_flags_are_in_force(bench: ModuleType, flags: list[str], tmp_path: Path) -> None:
    peer = importlib.import_module("finetune_peer")
    job = job_of(bench, [*flags, "--peer-bf16", "on", "--peer-eval-batch-size", "99"], tmp_path, "peer-best")
    arguments = peer._arguments(job, **peer._best_training(job))
    assert (arguments.bf16, arguments.optim) == (True, "adamw_torch_fused")
    lengths = [3, 90, 4, 80] * 52
    data = [{"input_ids": [0] * length} for length in lengths]
    sampler = peer.Trainer(model=peer._model(job), args=arguments)._get_train_sampler(data)
    order = [lengths[row] for row in sampler]
    batches = [order[start : start + 13] for start in range(0, len(order), 13)]
    alike = sum(max(batch) - min(batch) <= 10 for batch in batches)
    assert alike >= len(batches) / 2, "a random batch has short and long texts"
    predicting = peer._arguments(job, **peer._best_prediction(job))
    assert (predicting.bf16_full_eval, predicting.eval_batch_size) == (True, 99)


def test_a_side_that_fails_is_named_with_its_reason(bench: ModuleType, flags: list[str], tmp_path: Path) -> None:
    (tmp_path / "model" / "config.json").unlink()
    with pytest.raises(BertwrightError) as caught:
        bench.in_fresh_process(job_of(bench, flags, tmp_path, "ours", "prediction"))
    assert str(caught.value) == (
        "prediction of bertwright failed: bertwright.errors.ModelFolderError: "
        f"{tmp_path / 'model'} is not a model folder: it has no config.json"
    )


def test_without_transformers_one_line_says_what_to_install(
    bench: ModuleType, flags: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "find_spec", lambda _name: None)
    assert bench.main(flags) == 2
    assert capsys.readouterr().err == (
        "error: the bench runs beside transformers and accelerate, not installed here: pip install '.[bench]'\n"
    )


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (["--model", "none"], "--model none: no such folder; the bench downloads nothing"),
        (["--train", "none.tsv"], "--train none.tsv: no such file"),
        (["--test", "none.tsv"], "--test none.tsv: no such file"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_measured(
    bench: ModuleType, flags: list[str], wrong: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.main([*flags, *wrong]) == 2
    assert capsys.readouterr().err == f"error: {text}\n"


def test_training_needs_a_training_file(
    bench: ModuleType, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.main([*flags[:2], *flags[4:]]) == 2
    assert capsys.readouterr().err == "error: --train is missing: only --only-prediction goes without it\n"


def test_a_range_is_shown_where_there_is_one(bench: ModuleType) -> None:
    assert bench.spread([2.0, 3.0, 1.0], "{:.1f}×") == "2.0× (1.0×–3.0×)"
    assert bench.spread([0.501, 0.499], "{:.0%}") == "50%"
