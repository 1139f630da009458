"""The short form of `make soak`; and that it would notice a run that does not go on as it should."""

import sys
from pathlib import Path

import pytest
import small_run
from soak import Tally, soak

from bertwright.files import sha256_file

pytestmark = pytest.mark.soak

# Twelve steps, a snapshot after each, and weights that tell, where it is forgetful, that it was killed on the way.
TOY = """
import os, sys, time
from pathlib import Path
forgetful, folder = sys.argv[1] == "forgetful", Path(sys.argv[2])
run = folder / "run"
(run / "snapshots").mkdir(parents=True, exist_ok=True)
(run / "lock").write_text(str(os.getpid()))
done = max((int(path.name[5:]) for path in run.glob("snapshots/step-*")), default=0)
log = [f'{{"step": {step}}}\\n' for step in range(1, done + 1)]
for step in range(done + 1, 13):
    time.sleep(0.03)
    log.append(f'{{"step": {step}}}\\n')
    (run / "log.jsonl").write_text("".join(log))
    (run / "snapshots" / f"step-{step}").mkdir()
(folder / "weights").write_text("12" if not forgetful else f"12 in a process that began at {done}")
(run / "finished.json").touch()
"""


def soak_toy(tmp_path: Path, kind: str) -> Tally:
    return soak(
        lambda output: [sys.executable, "-c", TOY, kind, str(output)],
        lambda output: {"weights": sha256_file(output / "weights")},
        tmp_path,
        kills=8,
    )


def test_a_run_that_goes_on_as_it_should_passes(tmp_path: Path):
    tally = soak_toy(tmp_path, "faithful")
    assert (tally.kills.total(), tally.wrong) == (8, [])
    assert "8 kills" in tally.table()


def test_a_run_that_does_not_is_noticed(tmp_path: Path):
    tally = soak_toy(tmp_path, "forgetful")
    assert "run-0: weights" in tally.wrong or "run-1: weights" in tally.wrong
    assert "WRONG: " in tally.table()


def test_killed_at_random_instants(inputs: Path, tmp_path: Path):
    tally = soak(
        lambda output: small_run.command(inputs, output, save_steps=1, log_steps=1),
        small_run.outcome,
        tmp_path,
        kills=4,
        seed=1,
    )
    print(tally.table())
    assert tally.kills.total() == 4
    assert tally.wrong == []
    assert max(tally.lost) <= 1
