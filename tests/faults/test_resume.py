"""A run that is stopped and started again ends bit for bit like one that never stopped, wherever it was stopped."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import small_run
from small_run import Differing, Finetune, stop_after

from bertwright.batches.order import BatchOrder, Rows, stream
from bertwright.errors import SnapshotError
from bertwright.files import read_json, write_json, write_manifest
from bertwright.training import loop, run
from bertwright.training.log import Window
from bertwright.training.loop import Step
from bertwright.training.optimizer import Optimizer
from bertwright.training.progress import Silent

EVERY_STEP = range(1, small_run.STEPS + 1)
FILES_OF_A_SNAPSHOT = [
    "state.json",
    "manifest.json",
    "model.safetensors",
    "optimizer.safetensors",
    "log.jsonl",
    "best.safetensors",
]


def snapshots(output: Path) -> list[str]:
    return sorted(path.name for path in (output / "run" / "snapshots").iterdir())


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("step", EVERY_STEP)
def test_stopped_after_any_step(finetune: Finetune, differing: Differing, tmp_path: Path, step: int):
    with stop_after(step):
        stopped = finetune()
    assert (stopped.stopped_by, stopped.exit_code, stopped.metrics) == ("SIGTERM", 143, {})
    assert snapshots(tmp_path / "out") == [f"step-{step:08d}"]
    finished = finetune()
    assert (finished.stopped_by, finished.exit_code) == (None, 0)
    assert differing() == set()
    assert not (tmp_path / "out" / "run" / "snapshots").exists()


def test_stopped_after_every_step(finetune: Finetune, differing: Differing, tmp_path: Path):
    for step in EVERY_STEP:
        with stop_after(step):
            assert finetune(save_steps=2).stopped_by == "SIGTERM"
    finetune(save_steps=2)
    assert differing() == set()


# A learning rate that moves not one bit: the first evaluation stays the best one, and patience ends at the fourth.
IMPATIENT = {"learning_rate": 1e-30, "early_stopping_patience": 3}


@pytest.fixture(scope="module")
def impatient(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    output = tmp_path_factory.mktemp("impatient") / "out"
    small_run.finetune(inputs, output, **IMPATIENT)
    outcome = small_run.outcome(output)
    assert [line["step"] for line in outcome["log"] if "split" in line] == [2, 4, 6, 8]
    return outcome


@pytest.mark.parametrize("step", [4, 7, 8])
def test_patience_is_remembered(
    finetune: Finetune, differing: Differing, impatient: dict[str, Any], tmp_path: Path, step: int
):
    with stop_after(step):
        assert finetune(**IMPATIENT).stopped_by == "SIGTERM"
    (tmp_path / "out" / "run" / "best.safetensors").unlink()  # the snapshot has it
    assert finetune(**IMPATIENT).best_step == 2
    assert differing(expected=impatient) == set()


@pytest.mark.parametrize(
    "changed",
    [
        {"freeze_layers": 1, "layer_decay": 0.8, "label_smoothing": 0.1, "class_weights": "balanced"},
        {"adversarial_epsilon": 0.7, "ema_decay": 0.8, "focal_gamma": 2.0, "save_steps": 3},
        {"schedule": "cosine", "max_steps": 9, "best_metric": "accuracy", "max_grad_norm": 0, "precision": "bf16"},
    ],
)
def test_other_ways_to_train(finetune: Finetune, differing: Differing, tmp_path: Path, changed: dict[str, Any]):
    finetune(**changed, output_dir=tmp_path / "whole")
    with stop_after(6):
        finetune(**changed)
    finetune(**changed)
    assert differing(expected=small_run.outcome(tmp_path / "whole")) == set()


# ---- the comparison can fail: each of these forgets one thing on the way


def other_dropout(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(loop, "stream", lambda *key: stream(*key, 1))


def other_order(patch: pytest.MonkeyPatch) -> None:
    rows = BatchOrder.rows

    def one_later(self: BatchOrder, step: int) -> Rows:
        return rows(self, step + 1)

    patch.setattr(BatchOrder, "rows", one_later)


def no_moments(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Optimizer, "load_state", lambda *_: None)


def first_step_again(patch: pytest.MonkeyPatch) -> None:
    load = Optimizer.load_state
    patch.setattr(Optimizer, "load_state", lambda self, state, _: load(self, state, 0))


def empty_window(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(run, "Window", lambda **_: Window())


@pytest.mark.parametrize(
    ("forget", "noticed"),
    [
        (other_dropout, {"weights", "log"}),
        (other_order, {"weights", "log"}),
        (no_moments, {"weights", "log"}),
        (first_step_again, {"weights", "log"}),
        (empty_window, {"log"}),
    ],
)
@pytest.mark.usefixtures("stopped")
def test_what_is_forgotten_is_noticed(
    finetune: Finetune,
    differing: Differing,
    monkeypatch: pytest.MonkeyPatch,
    forget: Callable[[pytest.MonkeyPatch], None],
    noticed: set[str],
):
    forget(monkeypatch)
    finetune()
    assert differing() >= noticed


# ---- damage between two processes


@pytest.mark.parametrize("name", FILES_OF_A_SNAPSHOT)
def test_a_flipped_bit_costs_one_snapshot(
    stopped: Path, finetune: Finetune, differing: Differing, capsys: pytest.CaptureFixture[str], name: str
):
    damaged = stopped / "run" / "snapshots" / "step-00000007"
    assert sorted(path.name for path in damaged.iterdir()) == sorted(FILES_OF_A_SNAPSHOT)
    flip(damaged / name, 100)
    finetune(quiet=False)
    told = capsys.readouterr().err
    assert f"warning: snapshot step-00000007 is damaged and not used: {damaged / name}" in told
    assert "going on from the snapshot of step 6" in told
    assert "newly initialised" not in told
    assert differing() == set()


def test_with_no_whole_snapshot_the_run_starts_from_its_beginning(
    stopped: Path, finetune: Finetune, differing: Differing, capsys: pytest.CaptureFixture[str]
):
    flip(stopped / "run" / "snapshots" / "step-00000006" / "model.safetensors", 999)
    (stopped / "run" / "snapshots" / "step-00000007" / "optimizer.safetensors").unlink()
    finetune()
    assert "warning: no snapshot is whole: the run starts from its beginning" in capsys.readouterr().err
    assert differing() == set()


def lose_everything_else(run_folder: Path) -> None:
    for name in ("log.jsonl", "best.safetensors"):
        (run_folder / name).unlink()


def cut_everything_else(run_folder: Path) -> None:
    for name in ("log.jsonl", "best.safetensors"):
        (run_folder / name).write_bytes((run_folder / name).read_bytes()[:100])


def add_to_the_log(run_folder: Path) -> None:
    with (run_folder / "log.jsonl").open("a") as log:
        log.write('{"step": 8, "epoch": 1.6, "lo')


@pytest.mark.parametrize("harm", [lose_everything_else, cut_everything_else, add_to_the_log])
def test_only_the_snapshot_counts(
    stopped: Path, finetune: Finetune, differing: Differing, harm: Callable[[Path], None]
):
    harm(stopped / "run")
    finetune()
    assert differing() == set()


def test_a_run_that_moved_goes_on(stopped: Path, finetune: Finetune, differing: Differing, tmp_path: Path):
    shutil.move(stopped, tmp_path / "elsewhere")
    finetune(output_dir=tmp_path / "elsewhere")
    assert differing(tmp_path / "elsewhere") == set()


@pytest.mark.parametrize("content", [None, b"something else"])
def test_best_weights_that_are_not_as_they_were_written_are_never_used(
    finetune: Finetune, impatient: dict[str, Any], differing: Differing, tmp_path: Path, content: bytes | None
):
    best = tmp_path / "out" / "run" / "best.safetensors"

    def harm(_: object, step: Step) -> None:
        if step.step == 5:
            best.unlink() if content is None else best.write_bytes(content)

    told = f"^{best} is not as it was written after step 2: run the same command again to go on from the newest whole"
    with patch.object(Silent, "step", harm), pytest.raises(SnapshotError, match=told):
        finetune(**IMPATIENT, save_steps=4)
    assert snapshots(tmp_path / "out") == ["step-00000004"]
    assert not (tmp_path / "out" / "config.json").exists()
    finetune(**IMPATIENT)
    assert differing(expected=impatient) == set()


def test_a_snapshot_of_another_version_is_refused(finetune: Finetune, tmp_path: Path):
    """Whole, but in another form: said so in one line, and left where it is."""
    with stop_after(4):
        finetune()
    (folder,) = (tmp_path / "out" / "run" / "snapshots").iterdir()
    state = read_json(folder / "state.json")
    assert isinstance(state, dict)
    del state["course"]
    (folder / "manifest.json").unlink()
    write_json(folder / "state.json", state)
    write_manifest(folder, {"step": 4})
    with pytest.raises(SnapshotError) as caught:
        finetune()
    assert str(caught.value) == (
        f"{folder} was written by another version of bertwright: go on with that one, or start anew with --overwrite"
    )
