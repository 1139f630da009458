"""`pretrain` from end to end: what it writes, what it goes on from, and what it refuses before any training."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

import bertwright
import small_corpus
import tiny  # noqa: F401 - one thread
from bertwright.api.training_run import Trained
from bertwright.errors import BertwrightError, DataError, UsageError
from bertwright.files import read_json
from bertwright.text.wordpiece import WordPiece

QUICK: dict[str, Any] = {
    "batch_size": 8,
    "max_steps": 4,
    "max_length": 32,
    "learning_rate": 0.01,
    "held_out": 0.1,
    "eval_sequences": 16,
    "log_steps": 2,
    "precision": "fp32",
    "device": "cpu",
    "quiet": True,
}
CONFIG = {
    "model_type": "bert",
    "vocab_size": small_corpus.TOKENIZER_OF_ALL.vocab_size,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 37,
    "max_position_embeddings": 50,
}
Pretrain = Callable[..., Trained]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "shards"
    small_corpus.write(folder, small_corpus.various(30))
    return folder


@pytest.fixture
def pretrain(shards: Path, tmp_path: Path) -> Pretrain:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))

    def run(**changed: Any) -> Trained:
        settings = {"model": str(tmp_path / "config.json"), "shards": shards, "output_dir": tmp_path / "out"}
        return bertwright.pretrain(**{**settings, **QUICK, **changed})

    return run


def log(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "run" / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("objective", "architecture", "figures"),
    [
        ("mlm", "BertForMaskedLM", set()),
        ("mlm+nsp", "BertForPreTraining", {"nsp_loss", "nsp_accuracy"}),
        ("mlm+sop", "BertForPreTraining", {"sop_loss", "sop_accuracy"}),
    ],
)
def test_what_it_writes(pretrain: Pretrain, tmp_path: Path, objective: str, architecture: str, figures: set[str]):
    found = pretrain(objective=objective)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == [architecture]
    assert set(found.metrics["validation"]) == {"loss", "mlm_loss", "mlm_accuracy", "perplexity"} | figures
    first, last = (line for line in log(tmp_path / "out") if "split" not in line)
    assert (first["step"], last["step"]) == (2, 4)
    pair = objective.partition("+")[2]
    losses = {"mlm_loss"} | ({f"{pair}_loss"} if pair else set())
    if pair:
        assert first["loss"] == pytest.approx(sum(first[name] for name in losses))
    tensors = safetensors.torch.load_file(tmp_path / "out" / "model.safetensors")
    assert ("bert.pooler.dense.weight" in tensors) == bool(pair)
    assert not any("decoder" in name for name in tensors)
    for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "README.md"):
        assert (tmp_path / "out" / name).stat().st_size > 0
    assert json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())["model_max_length"] == 32
    assert (tmp_path / "out" / "run" / "curves.svg").exists()


def test_domain_adaptation_goes_on_from_all_weights(pretrain: Pretrain, tmp_path: Path):
    """With a rate that moves not one bit, the heads of pre-training included."""
    pretrain()
    pretrain(model=str(tmp_path / "out"), output_dir=tmp_path / "again", learning_rate=1e-30)
    before, after = (safetensors.torch.load_file(tmp_path / name / "model.safetensors") for name in ("out", "again"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_masked_language_model_gets_a_new_head_for_pairs(
    pretrain: Pretrain, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    pretrain(objective="mlm")
    pretrain(model=str(tmp_path / "out"), output_dir=tmp_path / "again", quiet=False)
    told = capsys.readouterr().err
    assert "newly initialised: pooler.dense (weight, bias), cls.seq_relationship (weight, bias)" in told


def test_fine_tuning_starts_from_it(pretrain: Pretrain, tmp_path: Path):
    pretrain()
    rows = [f"w{row % 60} w{row * 7 % 60},{'even' if row % 2 else 'odd'}" for row in range(60)]
    (tmp_path / "train.csv").write_text("text,label\n" + "\n".join(rows))
    found = bertwright.finetune(
        model=str(tmp_path / "out"), train=tmp_path / "train.csv", output_dir=tmp_path / "tuned",
        max_steps=2, max_length=16, device="cpu", precision="fp32", quiet=True,
    )  # fmt: skip
    assert found.metrics["validation"]["accuracy"] >= 0
    settings = read_json(tmp_path / "tuned" / "config.json")
    assert isinstance(settings, dict)
    assert settings["vocab_size"] == CONFIG["vocab_size"]


def test_the_last_model_is_kept_where_the_best_is_another(pretrain: Pretrain, tmp_path: Path):
    """A rate far too high at the end: the best is an early one."""
    found = pretrain(max_steps=12, eval_steps=2, learning_rate=0.3, warmup_ratio=0.9, max_grad_norm=0)
    assert found.best_step < 12
    best, last = (
        safetensors.torch.load_file(folder / "model.safetensors")
        for folder in (tmp_path / "out", tmp_path / "out" / "last")
    )
    assert best.keys() == last.keys()
    assert not torch.equal(best["bert.pooler.dense.weight"], last["bert.pooler.dense.weight"])


def test_without_held_out_documents_nothing_is_measured(pretrain: Pretrain, tmp_path: Path):
    found = pretrain(held_out=0)
    assert (found.metrics, found.best_step) == ({}, 4)
    assert not [line for line in log(tmp_path / "out") if "split" in line]


@pytest.mark.parametrize("accumulation", [2, 3, 8])
def test_parts_of_a_batch_are_the_batch(pretrain: Pretrain, tmp_path: Path, accumulation: int):
    """8 x 1 = 1 x 8, masked tokens and pairs each counted over the whole batch: losses to a hundred-thousandth."""
    still: dict[str, Any] = {"dropout": 0.0, "learning_rate": 1e-3}
    pretrain(**still)
    pretrain(**still, gradient_accumulation=accumulation, output_dir=tmp_path / "parts")
    for one, other in zip(log(tmp_path / "out"), log(tmp_path / "parts"), strict=True):
        for name in {"loss", "mlm_loss", "nsp_loss", "grad_norm"} & one.keys():
            assert one[name] == pytest.approx(other[name], rel=1e-5), name


def test_a_part_without_a_masked_token_counts_nothing(pretrain: Pretrain, tmp_path: Path):
    """One sequence a part and a small share: some have nothing to guess, and the whole batch is the same."""
    still: dict[str, Any] = {"dropout": 0.0, "learning_rate": 1e-3, "mask_ratio": 0.02}
    pretrain(**still)
    pretrain(**still, gradient_accumulation=8, output_dir=tmp_path / "parts")
    for one, other in zip(log(tmp_path / "out"), log(tmp_path / "parts"), strict=True):
        assert one.get("mlm_loss") == pytest.approx(other.get("mlm_loss"), rel=1e-5)


def test_the_former_runs_last_model_goes_with_it(pretrain: Pretrain, tmp_path: Path):
    (tmp_path / "out" / "last").mkdir(parents=True)
    (tmp_path / "out" / "run").mkdir()
    (tmp_path / "out" / "run" / "lock").touch()
    pretrain(held_out=0, overwrite=True)
    assert not (tmp_path / "out" / "last").exists()


# ---- what is refused, in one line, before any training


def told(pretrain: Pretrain, error: type[BertwrightError], **changed: Any) -> str:
    with pytest.raises(error) as caught:
        pretrain(**changed)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_another_vocabulary(pretrain: Pretrain, tmp_path: Path):
    pretrain()
    other = WordPiece.from_tokens([*small_corpus.SPECIALS, "cat"])
    other.save(tmp_path / "out")
    text = told(pretrain, UsageError, model=str(tmp_path / "out"), output_dir=tmp_path / "again")
    assert text == (
        f"the vocabulary of {tmp_path / 'out'} (6 tokens) is not that of the shards (96 tokens): prepare the corpus "
        f"with --vocab {tmp_path / 'out'}"
    )


def test_a_config_with_too_small_a_vocabulary(pretrain: Pretrain, tmp_path: Path):
    (tmp_path / "small.json").write_text(json.dumps({**CONFIG, "vocab_size": 50}))
    text = told(pretrain, UsageError, model=str(tmp_path / "small.json"))
    assert text.endswith("small.json: vocab_size is 50, and the vocabulary of the shards has 96 tokens")


def test_more_tokens_than_positions(pretrain: Pretrain):
    text = told(pretrain, UsageError, phases=("20:0.5", "51:0.5"))
    assert text == "max_length = 51 is more than the model reads: it has 50 positions"


def test_one_document(pretrain: Pretrain, tmp_path: Path):
    small_corpus.write(tmp_path / "one", [(5, 6, 7)], shards=1)
    assert "next sentence prediction needs two documents or more" in told(pretrain, DataError, shards=tmp_path / "one")


def damaged(shards: Path, tmp_path: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(shards, copy)
    (copy / name).write_bytes(change((copy / name).read_bytes()))
    return copy


@pytest.mark.parametrize("name", ["tokens.npy", "word_starts.npy", "sentences.npy", "documents.npy", "names.json"])
@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_a_damaged_shard_is_named(pretrain: Pretrain, shards: Path, tmp_path: Path, name: str, how: str):
    change = {"cut": lambda data: data[:-1], "flipped": lambda data: data[:-1] + bytes([data[-1] ^ 4])}[how]
    copy = damaged(shards, tmp_path, f"00001/{name}", change)
    text = told(pretrain, DataError, shards=copy)
    assert text.startswith(str(copy / "00001" / name))
    assert text.endswith("prepare the corpus again, or copy it anew")


def test_a_half_written_folder(pretrain: Pretrain, shards: Path, tmp_path: Path):
    shutil.copytree(shards, tmp_path / "half")
    (tmp_path / "half" / "manifest.json").unlink()
    assert told(pretrain, DataError, shards=tmp_path / "half").endswith(
        "half is not finished: run the same `bertwright prepare` again, it goes on where it stopped"
    )
    assert told(pretrain, DataError, shards=tmp_path / "nowhere").endswith(
        "nowhere is not a shard folder: make one with `bertwright prepare`"
    )


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"max_steps": None}, "none is given: say how long to train with one of --max-steps, --epochs and --max-hours"),
        ({"epochs": 2}, "max_steps and epochs are given: say how long to train with one of --max-steps"),
        ({"phases": ("32",)}, "phases: '32' should be a length and a share of the training, as in 128:0.9"),
        ({"phases": ("32:0.5", "48:0.4")}, "phases = 32:0.5 48:0.4: their shares should add up to 1"),
        ({"mask_shares": (0.8, 0.1, 0.2)}, "mask_shares = (0.8, 0.1, 0.2): should add up to 1"),
        ({"batch_tokens": 16}, "batch_tokens = 16 makes batches of 0 sequences of 32 tokens: at least 1 are needed"),
        ({"gradient_accumulation": 9}, "gradient_accumulation = 9 is more than batch_size = 8"),
        ({"verify_resume": 1}, "verify_resume = 1: at least 2 steps are needed to stop between them"),
    ],
)
def test_settings_that_contradict(pretrain: Pretrain, changed: dict[str, Any], text: str):
    assert text in told(pretrain, UsageError, **changed)


def test_another_config_than_before(pretrain: Pretrain, tmp_path: Path):
    pretrain()
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, "hidden_act": "relu"}))
    assert "model (random weights) has other content now" in told(pretrain, UsageError)


def test_other_shards_than_before(pretrain: Pretrain, shards: Path, tmp_path: Path):
    """A run that began on one corpus does not go on with another."""
    pretrain()
    small_corpus.write(tmp_path / "other", small_corpus.various(31))
    text = told(pretrain, UsageError, shards=tmp_path / "other", max_steps=4)
    assert "shards was" in text
    assert text.endswith("choose another --output-dir, or start anew with --overwrite")


def test_epochs_are_passes_over_the_corpus(pretrain: Pretrain, tmp_path: Path):
    pretrain(max_steps=None, epochs=2, max_length=50, batch_size=16)
    assert log(tmp_path / "out")[-1]["epoch"] == pytest.approx(2, rel=0.1)


def test_dropout_is_an_affair_of_the_training_alone(pretrain: Pretrain, tmp_path: Path) -> None:
    """Else who fine-tunes a model that was pre-trained without any would train without, and not know it."""
    losses = []
    for dropout in (0.0, 0.5):
        pretrain(dropout=dropout, overwrite=True)
        losses.append([line["loss"] for line in log(tmp_path / "out") if "split" not in line])
        config = json.loads((tmp_path / "out" / "config.json").read_text())
        assert (config["hidden_dropout_prob"], config["attention_probs_dropout_prob"]) == (0.1, 0.1)
    assert losses[0] != losses[1]
