"""The bench beside transformers.Trainer: both sides do the same work, and a reader is told what was measured."""

import importlib
import json
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest
import torch

import small_corpus
from bertwright import BertwrightError
from bertwright.model.config import BertConfig
from bertwright.model.folder import write_model_folder
from bertwright.model.heads import SequenceClassifier
from bertwright.text.shards import ShardFolder
from bertwright.text.wordpiece import WordPiece

pytestmark = pytest.mark.filterwarnings("ignore")  # what a Trainer warns of is not ours

BENCH = Path(__file__).resolve().parent.parent / "bench"
MODULES = tuple(path.stem for path in BENCH.glob("*.py"))
TEXTS = [f"{'good ' * (n % 5)}{'bad ' * (n % 3)}film number {n}" for n in range(60)]


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """`bench/turns.py`, imported as it is when a bench is run."""
    monkeypatch.syspath_prepend(str(BENCH))
    yield importlib.import_module("turns")
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def bench(turns: ModuleType) -> ModuleType:
    """`bench/finetune.py`."""
    return importlib.import_module("finetune")


@pytest.fixture
def in_this_process(turns: ModuleType) -> Callable[..., dict[str, float]]:
    """Does what `in_fresh_process` does without a new interpreter, which costs far more than a tiny model's turn."""

    def measured(asked: Any) -> dict[str, float]:
        turn = type(asked)(**json.loads(json.dumps(asdict(asked))))
        figures: dict[str, float] = getattr(importlib.import_module(turn.script), turn.phase)(turn)
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
    turns: ModuleType,
    in_this_process: Callable[..., dict[str, float]],
    flags: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    report, profile = tmp_path / "report.json", tmp_path / "operators"
    flags += ["--repeats", "2", "--output-json", str(report), "--profile", str(profile)]
    flags += ["--batch-size", str(len(TEXTS)), "--peer-eval-batch-size", "13"]  # whole batches: no order to differ in
    with patch.object(turns, "in_fresh_process", in_this_process):
        assert importlib.import_module("finetune").main(flags) == 0
    results = json.loads(report.read_text())["results"]
    assert [[len(side) for side in results[phase].values()] for phase in results] == [[2, 2, 2], [2, 2, 2]]

    for ours, plain, best in zip(*results["training"].values(), strict=True):
        assert ours["tokens_per_example"] == plain["tokens_per_example"] == best["tokens_per_example"]
        assert ours["final_loss"] == pytest.approx(plain["final_loss"], abs=1e-4)
        assert ours["final_loss"] == pytest.approx(best["final_loss"], abs=1e-4)
        assert plain["ratio"] == ours["examples_per_second"] / plain["examples_per_second"]
        for figures in (ours, plain, best):
            assert 0.01 < figures["matrix_products_of_step"] < figures["matrix_products_of_operators"] < 0.9
    predictions = [turn for side in results["prediction"].values() for turn in side]
    (accuracy,) = {turn["accuracy"] for turn in predictions}
    assert accuracy not in {27 / 60, 33 / 60}, "one label alone would not show that answers keep their order"
    assert {turn["agreement"] for turn in predictions} == {1.0}

    assert all("aten::addmm" in (profile / f"{side}.txt").read_text() for side in turns.SIDES)
    out, err = capsys.readouterr()
    assert out.count("| bertwright |") == out.count("| Trainer, best flags |") == 2
    order = [line.split(": ")[1] for line in err.splitlines() if line.startswith("training, repeat")]
    assert order == list(turns.SIDES.values()) * 2, "the sides take turns"


@pytest.mark.usefixtures("auto_by_this_cpu")
def test_a_process_of_its_own_gives_the_same_figures(
    bench: ModuleType,
    turns: ModuleType,
    in_this_process: Callable[..., dict[str, float]],
    flags: list[str],
    tmp_path: Path,
) -> None:
    job = job_of(bench, flags, tmp_path / "here", "ours")
    here = in_this_process(job)
    there = turns.in_fresh_process(job)
    assert there["final_loss"] == pytest.approx(here["final_loss"], abs=1e-5)
    assert there["tokens_per_example"] == here["tokens_per_example"]


def test_the_best_flags_are_in_force(bench: ModuleType, flags: list[str], tmp_path: Path) -> None:
    peer = importlib.import_module("finetune_peer")
    job = job_of(bench, [*flags, "--peer-bf16", "on", "--peer-eval-batch-size", "99"], tmp_path, "peer-best")
    arguments = peer.arguments(job, **peer._best_training(job))
    assert (arguments.bf16, arguments.optim) == (True, "adamw_torch_fused")
    lengths = [3, 90, 4, 80] * 52
    data = [{"input_ids": [0] * length} for length in lengths]
    sampler = peer.Trainer(model=peer._model(job), args=arguments)._get_train_sampler(data)
    order = [lengths[row] for row in sampler]
    batches = [order[start : start + 13] for start in range(0, len(order), 13)]
    alike = sum(max(batch) - min(batch) <= 10 for batch in batches)
    assert alike >= len(batches) / 2, "a random batch has short and long texts"
    predicting = peer.arguments(job, **peer._best_prediction(job))
    assert (predicting.bf16_full_eval, predicting.eval_batch_size) == (True, 99)


def test_a_side_that_fails_is_named_with_its_reason(
    bench: ModuleType, turns: ModuleType, flags: list[str], tmp_path: Path
) -> None:
    (tmp_path / "model" / "config.json").unlink()
    with pytest.raises(BertwrightError) as caught:
        turns.in_fresh_process(job_of(bench, flags, tmp_path, "ours", "prediction"))
    assert str(caught.value) == (
        "prediction of bertwright failed: bertwright.errors.ModelFolderError: "
        f"{tmp_path / 'model'} is not a model folder: it has no config.json"
    )


def test_without_transformers_one_line_says_what_to_install(
    bench: ModuleType,
    turns: ModuleType,
    flags: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(turns, "find_spec", lambda _name: None)
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


def test_a_range_is_shown_where_there_is_one(turns: ModuleType) -> None:
    assert turns.spread([2.0, 3.0, 1.0], "{:.1f}×") == "2.0× (1.0×–3.0×)"
    assert turns.spread([0.501, 0.499], "{:.0%}") == "50%"


# ---- pre-training


@pytest.fixture
def pretraining_flags(tmp_path: Path) -> list[str]:
    """A corpus of a few random documents, as flags."""
    small_corpus.write(tmp_path / "shards", small_corpus.various(30))
    sizes = ["--batch-size", "5", "--max-length", "22", "--warmup-steps", "1", "--steps", "3", "--profiled-steps", "1"]
    return ["--shards", str(tmp_path / "shards"), "--model", "tiny", *sizes]


def test_pretraining_runs_beside_the_peer(
    turns: ModuleType,
    in_this_process: Callable[..., dict[str, float]],
    pretraining_flags: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    report, profile = tmp_path / "report.json", tmp_path / "operators"
    asked = ["--repeats", "1", "--output-json", str(report), "--profile", str(profile)]
    with patch.object(turns, "in_fresh_process", in_this_process):
        assert importlib.import_module("pretrain").main([*pretraining_flags, *asked]) == 0
    (results,) = json.loads(report.read_text())["results"].values()
    assert {side: len(figures) for side, figures in results.items()} == dict.fromkeys(turns.SIDES, 1)
    guessing = math.log(small_corpus.TOKENIZER_OF_ALL.vocab_size)
    for ours, plain, best in zip(*results.values(), strict=True):
        assert plain["ratio"] == ours["tokens_per_second"] / plain["tokens_per_second"]
        assert plain["tokens_per_example"] == best["tokens_per_example"] == 22
        assert 10 < ours["tokens_per_example"] <= 22
        assert plain["final_loss"] == pytest.approx(best["final_loss"], abs=1e-3)
        for figures in (ours, plain, best):
            assert figures["final_loss"] == pytest.approx(guessing, abs=0.3), "of masked words, at the beginning"
            assert 0.01 < figures["matrix_products_of_step"] < 0.9
    assert all("aten::addmm" in (profile / f"{side}.txt").read_text() for side in turns.SIDES)
    assert capsys.readouterr().out.count("| Trainer, best flags |") == 1


def test_the_peer_has_every_token_once(turns: ModuleType, pretraining_flags: list[str]) -> None:
    shards = ShardFolder.open(Path(pretraining_flags[1]))
    blocks = importlib.import_module("pretrain_peer").Blocks.of(shards, 22)
    rows = [blocks[place]["input_ids"] for place in range(len(blocks))]
    assert {(len(row), row[0], row[-1]) for row in rows} == {(22, shards.tokenizer.cls_id, shards.tokenizer.sep_id)}
    assert blocks[0]["special_tokens_mask"] == [1, *[0] * 20, 1]
    tokens = [token for shard in shards.shards for token in shard.tokens.tolist()]
    inner = [token for row in rows for token in row[1:-1]]
    assert inner == tokens[: len(inner)]
    assert len(tokens) - len(inner) < 20


def test_pretraining_needs_shards(turns: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert importlib.import_module("pretrain").main(["--shards", "none"]) == 1
    told = "error: none is not a shard folder: make one with `bertwright prepare`\n"
    assert capsys.readouterr().err == told


# ---- preparing


def test_preparing_runs_beside_encode_batch(
    turns: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus, vocab, report = tmp_path / "corpus.txt", tmp_path / "vocab", tmp_path / "report.json"
    corpus.write_text("".join(f"{text}\n\n" for text in TEXTS))
    vocab.mkdir()
    WordPiece.train(TEXTS, size=60).save(vocab)
    prepare = importlib.import_module("prepare")
    flags = ["--input", str(corpus), "--vocab", str(vocab), "--processes", "1", "--repeats", "2"]

    def turn(side: str, words: list[str]) -> Any:
        return prepare.SIDES[side](prepare._parser().parse_args(words))

    with patch.object(prepare, "_turn", turn):
        assert prepare.main([*flags, "--output-json", str(report)]) == 0
    told = json.loads(report.read_text())
    ours, peer = told["results"].values()
    assert [len(ours), len(peer)] == [2, 2]
    assert len({turn["tokens"] for turn in [*ours, *peer]}) == 1, "both make the same tokens"
    ratios = [a["tokens_per_second"] / b["tokens_per_second"] for a, b in zip(ours, peer, strict=True)]
    assert told["ratios"] == ratios
    assert f"bertwright / encode_batch: {sum(ratios) / 2:.2f} (" in capsys.readouterr().out
