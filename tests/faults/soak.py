"""Kill a run at random instants, start the same command again until it ends, and compare with a run left in peace.

    PYTHONPATH=tests python tests/faults/soak.py --kills 50 --verb pretrain
    PYTHONPATH=tests python tests/faults/soak.py --kills 10 --verb tune

`kill -9` strikes while a process starts, reads, trains, saves or publishes, and every run has to end bit for bit like
the undisturbed one. `soak` takes any command that writes a run folder and logs and saves after every step.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import small_pretraining
import small_run
import small_tuning

PHASES = ("starting", "reading", "training", "saving", "publishing")
STARTING = 0.2  # share of the kills before a process has touched its folder: most of its life goes into imports

Command = Callable[[Path], list[str]]
Outcome = Callable[[Path], Mapping[str, object]]


class Victim:
    """A run folder, and the process that writes into it."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.command, self.folder = command, folder
        self._said = folder.with_suffix(".stderr")
        self.start()

    def start(self) -> None:
        """Start the command, again or for the first time."""
        self._logged_before = self.logged()
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with self._said.open("w") as stderr:
            self.process = subprocess.Popen(self.command, stderr=stderr, env=environment)

    def wait_until_it_works(self) -> None:
        """Return when the process has taken the folder, or has ended."""
        while not self._works() and self.process.poll() is None:
            time.sleep(0.002)

    def killed_after(self, seconds: float) -> bool:
        """Kill the process in a while; tells whether it was still there."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
        return self.process.wait() < 0

    def end(self) -> None:
        """Wait for the end, which has to be a good one."""
        if code := self.process.wait():
            sys.exit(f"{' '.join(self.command)}\nended with {code}: {self._said.read_text()}")

    def phase(self, last_step: int) -> str:
        """What the process was doing when it died."""
        if not self._works():
            return "starting"
        if list(self.folder.glob("run/snapshots/.tmp-*")):
            return "saving"
        if self.logged() >= last_step:
            return "publishing"
        return "training" if self.logged() > self._logged_before else "reading"

    def logged(self) -> int:
        """The last step in the log; a line that was not finished does not count."""
        log = self.folder / "run" / "log.jsonl"
        lines = log.read_text().splitlines(keepends=True) if log.exists() else []
        return max((json.loads(line)["step"] for line in lines if line.endswith("\n")), default=0)

    def lost(self) -> int:
        """Steps that were done and have to be done again."""
        saved = max((int(path.name[5:]) for path in self.folder.glob("run/snapshots/step-*")), default=0)
        return 0 if (self.folder / "run" / "finished.json").exists() else self.logged() - saved

    def leftovers(self) -> list[str]:
        """Names of files that nobody finished."""
        return [path.name for path in self.folder.rglob(".tmp-*")]

    def _works(self) -> bool:
        lock = self.folder / "run" / "lock"
        return lock.exists() and lock.read_text() == str(self.process.pid)


@dataclass(slots=True)
class Tally:
    """What happened.

    Attributes:
        weights: Their hash in the undisturbed run.
        kills: How many by what the process was doing.
        lost: Steps that each kill cost.
        runs: Runs that came to their end.
        wrong: What was not as in the undisturbed run.
    """

    weights: str
    kills: Counter[str] = field(default_factory=Counter)
    lost: list[int] = field(default_factory=list)
    runs: int = 0
    wrong: list[str] = field(default_factory=list)

    def table(self) -> str:
        """A line for each phase, and one for all."""
        phases = [f"{phase:<12}{self.kills[phase]:4}" for phase in PHASES]
        lost = f"{sum(self.lost)} steps done again, at most {max(self.lost, default=0)} for a kill"
        verdict = f"WRONG: {'; '.join(self.wrong)}" if self.wrong else f"all ended in the weights {self.weights[:16]}"
        total = f"{self.kills.total()} kills, each followed by the same command; {self.runs} runs; {lost}; {verdict}"
        return "\n".join(["killed while", *phases, total])


def soak(command: Command, outcome: Outcome, folder: Path, *, kills: int, seed: int = 0) -> Tally:
    """Kill runs in folders below `folder` until there were enough kills, and let each come to its end.

    Args:
        command: The command line for an output folder.
        outcome: What a finished folder holds that no kill may change, the hash `weights` among it.
        folder: An empty folder.
        kills: How many.
        seed: Decides the instants, as far as a clock lets it.
    """
    draw = random.Random(seed)
    began = time.monotonic()
    calm = Victim(command(folder / "undisturbed"), folder / "undisturbed")
    calm.wait_until_it_works()
    starting = time.monotonic() - began
    calm.end()
    working = time.monotonic() - began - starting
    expected, last_step = outcome(calm.folder), calm.logged()
    tally = Tally(str(expected["weights"]))
    while tally.kills.total() < kills:
        output = folder / f"run-{tally.runs}"
        victim = Victim(command(output), output)
        while tally.kills.total() < kills and _strike(victim, draw, starting, working):
            tally.kills[victim.phase(last_step)] += 1
            tally.lost.append(victim.lost())
            victim.start()
        victim.end()
        tally.runs += 1
        found = outcome(output)
        tally.wrong += [f"{output.name}: {name}" for name in expected if found[name] != expected[name]]
        tally.wrong += [f"{output.name}: {name} was left behind" for name in victim.leftovers()]
    return tally


def _strike(victim: Victim, draw: random.Random, starting: float, working: float) -> bool:
    """Kill at a random instant of the process's life; False if it had ended by then."""
    if draw.random() < STARTING:
        return victim.killed_after(draw.uniform(0, starting))
    victim.wait_until_it_works()
    return victim.killed_after(draw.uniform(0, working))


SMALL = {"finetune": small_run, "pretrain": small_pretraining, "tune": small_tuning}


def main() -> int:
    """Soak the small fine-tuning, pre-training or search."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verb", choices=tuple(SMALL), default="finetune")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = SMALL[arguments.verb]
        small.write_inputs(folder / "inputs")
        tally = soak(
            lambda output: small.command(folder / "inputs", output, save_steps=1, log_steps=1),
            small.outcome,
            folder,
            kills=arguments.kills,
            seed=arguments.seed,
        )
    print(tally.table())
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
