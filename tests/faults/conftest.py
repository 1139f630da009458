"""What the tests of faults share: the small run, how it ends when nobody disturbs it, and ways to disturb it."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import small_run
import torch
from small_run import Differing, Finetune, StopAfter

import bertwright
from bertwright.api.finetuning import Finetuned
from bertwright.training.loop import Step
from bertwright.training.progress import Silent


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Runs in this process compute with as many threads as those in others."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder and the labelled files that the small run begins with."""
    folder = tmp_path_factory.mktemp("inputs")
    small_run.write_inputs(folder)
    return folder


@pytest.fixture(scope="session")
def undisturbed(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The outcome of the small run when nobody disturbs it."""
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    bertwright.finetune(**small_run.options(inputs, output))
    outcome = small_run.outcome(output)
    assert [line["step"] for line in outcome["log"] if "split" not in line][-1] == small_run.STEPS
    return outcome


@pytest.fixture
def finetune(inputs: Path, tmp_path: Path) -> Finetune:
    """The small run in this process, with its output in `tmp_path / "out"`; takes settings to change."""

    def run(**changed: object) -> Finetuned:
        return bertwright.finetune(**small_run.options(inputs, tmp_path / "out", **changed))

    return run


@pytest.fixture
def differing(undisturbed: dict[str, Any], tmp_path: Path) -> Differing:
    """What of the outcome in `tmp_path / "out"` is not as in the undisturbed run."""

    def names(output: Path = tmp_path / "out", expected: dict[str, Any] = undisturbed) -> set[str]:
        found = small_run.outcome(output)
        return {name for name in expected if found[name] != expected[name]}

    return names


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> StopAfter:
    """A context in which the run of this process gets a real signal while it is at a step."""

    @contextmanager
    def stopping(step: int, number: signal.Signals = signal.SIGTERM) -> Iterator[None]:
        def step_done(_: Silent, done: Step) -> None:
            if done.step == step:
                signal.raise_signal(number)

        with monkeypatch.context() as patch:
            patch.setattr(Silent, "step", step_done)
            yield

    return stopping


@pytest.fixture
def start(inputs: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the small run as a process of its own; what still runs at the end of the test is killed."""
    processes: list[subprocess.Popen[str]] = []

    def started(**changed: object) -> subprocess.Popen[str]:
        command = small_run.command(inputs, tmp_path / "out", **changed)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        processes.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment))
        return processes[-1]

    yield started
    for process in processes:
        process.kill()
        process.communicate()
