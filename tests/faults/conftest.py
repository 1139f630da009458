"""What the tests of faults share: the small run, how it ends when nobody disturbs it, and ways to disturb it."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import small_run
from small_run import HELD, Differing, Finetune, stop_after

from bertwright.api.training_run import Trained


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
    small_run.finetune(inputs, output)
    outcome = small_run.outcome(output)
    assert outcome["metrics"]["best_step"] == small_run.STEPS  # or mistakes in late steps would not show in the weights
    return outcome


@pytest.fixture
def finetune(inputs: Path, tmp_path: Path) -> Finetune:
    """The small run in this process, with its output in `tmp_path / "out"`; takes settings to change."""

    def run(**changed: object) -> Trained:
        return small_run.finetune(inputs, tmp_path / "out", **changed)

    return run


@pytest.fixture
def differing(undisturbed: dict[str, Any], tmp_path: Path) -> Differing:
    """What of the outcome in `tmp_path / "out"` is not as in the undisturbed run."""

    def names(output: Path = tmp_path / "out", expected: dict[str, Any] = undisturbed) -> set[str]:
        found = small_run.outcome(output)
        return {name for name in expected if found[name] != expected[name]}

    return names


@pytest.fixture(scope="session")
def stopped_once(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a run that was stopped after step 7."""
    output = tmp_path_factory.mktemp("stopped") / "out"
    with stop_after(7):
        small_run.finetune(inputs, output, save_steps=2)
    return output


@pytest.fixture
def stopped(stopped_once: Path, tmp_path: Path) -> Path:
    """`tmp_path / "out"` with a run that was stopped after step 7; it has snapshots of its steps 6 and 7."""
    return Path(shutil.copytree(stopped_once, tmp_path / "out"))


@pytest.fixture
def held(inputs: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run in a process of its own that is at its first steps: it cannot end, as nobody reads what it says."""
    if not hasattr(fcntl, "F_SETPIPE_SZ"):
        pytest.skip("NOT TESTED: only Linux has pipes of a chosen size")
    command = small_run.command(inputs, tmp_path / "out", **HELD)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, bufsize=0, env=environment) as process:
        assert process.stderr is not None
        fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)  # it says three times as much
        while not process.stderr.readline().startswith(b"step 3/"):
            assert process.poll() is None
        yield process
        process.kill()
