"""A pre-training that is stopped or killed ends bit for bit like one that never was; all of its state counts."""

import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import small_pretraining
from small_run import stop_after
from soak import soak

from bertwright.api.training_run import Trained
from bertwright.batches import draws
from bertwright.errors import UsageError
from bertwright.tasks import pretraining
from bertwright.training.optimizer import Optimizer
from bertwright.training.phases import Phases


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    small_pretraining.write_inputs(folder)
    return folder


@pytest.fixture(scope="module")
def expected(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    output = tmp_path_factory.mktemp("whole") / "out"
    finished = small_pretraining.pretrain(inputs, output)
    assert finished.exit_code == 0
    outcome = small_pretraining.outcome(output)
    losses = [line["loss"] for line in outcome["log"] if "split" in line]
    assert len(losses) == 3
    assert losses[-1] == min(losses), "the best model is the last: whatever goes wrong shows in it"
    return outcome


def differing(expected: dict[str, Any], output: Path) -> set[str]:
    found = small_pretraining.outcome(output)
    return {name for name in expected if found[name] != expected[name]}


@pytest.mark.parametrize("step", [1, 4, 7, 8, 11])
def test_stopped_after_a_step(inputs: Path, expected: dict[str, Any], tmp_path: Path, step: int):
    """In the ramp, at the edge of a phase, between log lines, before the end."""
    with stop_after(step):
        stopped = small_pretraining.pretrain(inputs, tmp_path / "out")
    assert (stopped.stopped_by, stopped.exit_code) == ("SIGTERM", 128 + signal.SIGTERM)
    assert small_pretraining.pretrain(inputs, tmp_path / "out").exit_code == 0
    assert differing(expected, tmp_path / "out") == set()


def test_threads_change_nothing(inputs: Path, expected: dict[str, Any], tmp_path: Path):
    small_pretraining.pretrain(inputs, tmp_path / "out", loader_workers=0)
    assert differing(expected, tmp_path / "out") == set()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("loader")], "they end with the run"


def test_a_finished_run_is_not_repeated(inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    first = small_pretraining.pretrain(inputs, tmp_path / "out")
    again = small_pretraining.pretrain(inputs, tmp_path / "out")
    assert again == Trained(first.folder, first.metrics, first.best_step)
    first_said, _, said_again = capsys.readouterr().err.partition("is finished already: nothing to do (--overwrite ")
    assert first_said.endswith(f"{said_again.partition(chr(10))[2]}{first.folder} ")


@pytest.mark.soak
def test_killed_at_random_instants(inputs: Path, tmp_path: Path):
    tally = soak(
        lambda output: small_pretraining.command(inputs, output, save_steps=1, log_steps=1),
        small_pretraining.outcome,
        tmp_path,
        kills=3,
        seed=1,
    )
    print(tally.table())
    assert tally.kills.total() == 3
    assert tally.wrong == []
    assert max(tally.lost) <= 1


# ---- the comparison can fail: each of these forgets one thing on the way


def other_masks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(pretraining, "_MASKS", 77)


def other_order(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(pretraining, "permuted", lambda places, count, *key: draws.permuted(places, count, *key, 1))


def no_moments(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Optimizer, "load_state", lambda *_: None)


def from_the_first_example(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Phases, "load_state", lambda *_: None)


@pytest.mark.parametrize("forget", [other_masks, other_order, no_moments, from_the_first_example])
def test_what_is_forgotten_is_noticed(
    inputs: Path, expected: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forget: Any
):
    with stop_after(5):
        small_pretraining.pretrain(inputs, tmp_path / "out")
    forget(monkeypatch)
    small_pretraining.pretrain(inputs, tmp_path / "out")
    assert {"weights", "log"} <= differing(expected, tmp_path / "out")


# ---- pretrain --verify-resume


def test_verify_resume_tells_no_tracker(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # opening it would fail
    assert small_pretraining.pretrain(inputs, tmp_path / "out", verify_resume=2, tensorboard=True).exit_code == 0


@pytest.mark.parametrize("length", [{"max_steps": 12}, {"max_steps": None, "max_hours": 0.01}], ids=["steps", "hours"])
def test_verify_resume(inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], length: dict[str, Any]):
    found = small_pretraining.pretrain(inputs, tmp_path / "out", verify_resume=8, **length)
    assert found.exit_code == 0
    told = capsys.readouterr().err
    assert "8 steps, and 4 + a new start + 4: all 138 tensors of model and optimizer, and the logs, are equal" in told
    assert not (tmp_path / "out").exists()


def test_verify_resume_notices(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    from_the_first_example(monkeypatch)
    found = small_pretraining.pretrain(inputs, tmp_path / "out", verify_resume=8)
    assert found.exit_code == 1
    assert "NOT equal" in capsys.readouterr().err


def test_verify_more_steps_than_there_are(inputs: Path, tmp_path: Path):
    with pytest.raises(UsageError, match=r"^verify_resume = 40: the run has 12 steps alone$"):
        small_pretraining.pretrain(inputs, tmp_path / "out", verify_resume=40)
