"""A search that is killed and started again, or that loses a worker, ends with each trial done once, and a model."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
import small_run
import small_tuning
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

import bertwright
from bertwright.tuning.study import is_settled
from postgres import postgres

pytestmark = pytest.mark.soak
TRIALS = 3
QUICK: dict[str, object] = {"trials": TRIALS, "seeds": 1, "test": None}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    small_tuning.write_inputs(folder)
    return folder


def options(inputs: Path, output: Path, **changed: object) -> dict[str, object]:
    found = small_tuning.options(inputs, output, **QUICK | changed)
    return {name: value for name, value in found.items() if value is not None}


def started(inputs: Path, output: Path, **changed: object) -> "subprocess.Popen[bytes]":
    words = small_run.words_of("tune", options(inputs, output, **changed))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-m", "bertwright", *words], stderr=subprocess.DEVNULL, env=environment)


def wait_for(process: "subprocess.Popen[bytes]", output: Path, pattern: str) -> None:
    """Return when there is such a file."""
    while not list(output.glob(f"run/trials/{pattern}")):
        assert process.poll() is None, "ended before it was killed"
        time.sleep(0.005)


def test_killed_and_started_again_it_ends_as_if_nobody_had(inputs: Path, tmp_path: Path) -> None:
    """Once soon after a trial has begun, and once after some time of the next one."""
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    with small_run.plainly():
        bertwright.tune(**options(inputs, calm))
    draw = random.Random(time.time_ns())
    for pattern in ("0/run/snapshots/step-*", "1/run/lock"):
        process = started(inputs, killed)
        wait_for(process, killed, pattern)
        time.sleep(draw.uniform(0, 0.5))
        process.kill()
        process.wait()
    with small_run.plainly():
        bertwright.tune(**options(inputs, killed))
    assert small_tuning.outcome(killed) == small_tuning.outcome(calm)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with postgres() as url:
        yield url


def trials_of(database: str) -> list[FrozenTrial]:
    storage = RDBStorage(database)
    try:
        return optuna.load_study(storage=storage, study_name="shared").trials
    finally:
        storage.remove_session()
        storage.engine.dispose()


def test_two_workers_share_a_study_and_one_is_killed(inputs: Path, tmp_path: Path, database: str) -> None:
    shared: dict[str, object] = {"storage": database, "study_name": "shared", "stale_seconds": 2, "trials": 3}
    one, other = tmp_path / "one", tmp_path / "other"
    dying = started(inputs, one, **shared)
    wait_for(dying, one, "*/run/lock")
    dying.send_signal(signal.SIGSTOP)  # as a machine that hangs; then it is gone
    with small_run.plainly():
        surviving = bertwright.tune(**options(inputs, other, **shared))
    dying.kill()
    dying.wait()
    trials = trials_of(database)
    settled = [trial for trial in trials if is_settled(trial)]
    assert sorted(trial.user_attrs["slot"] for trial in settled) == [0, 1, 2], "none lost, none doubled"
    record = json.loads((surviving.folder / "run" / "study.json").read_text())
    assert (len(record["trials"]), record["lost"]) == (3, 1)
    (lost,) = (trial for trial in trials if not is_settled(trial))
    (instead,) = (trial for trial in settled if trial.user_attrs["slot"] == lost.user_attrs["slot"])
    assert instead.params == lost.params
    assert bertwright.load(surviving.folder).labels == ("animal", "plant", "tool")
    # The dead one is started again: it has nothing left to do but its own model, which is the same.
    with small_run.plainly():
        again = bertwright.tune(**options(inputs, one, **shared))
    assert len(trials_of(database)) == len(trials)
    assert again.metrics == surviving.metrics
