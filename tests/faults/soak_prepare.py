"""Kill `prepare` at random instants, start the same command again until it ends, and compare the bytes.

    python tests/faults/soak_prepare.py --kills 20 --input CORPUS --vocab FOLDER

With one process, with two, and killed with two: all three folders of shards have to be the same, file by file.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path


@dataclass(slots=True)
class Outcome:
    """What happened.

    Attributes:
        files: In the undisturbed folder.
        kills: How many struck.
        runs: How many runs came to their end.
        wrong: What was not as in the undisturbed folder.
    """

    files: int
    kills: int = 0
    runs: int = 0
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """All of it."""
        verdict = f"WRONG: {'; '.join(self.wrong)}" if self.wrong else "all byte-identical"
        return f"{self.kills} kills in {self.runs} runs, {self.files} files, with one process and with two: {verdict}"


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a folder, by its path."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


def soak(command: Sequence[str], folder: Path, *, kills: int, seed: int = 0) -> Outcome:
    """Prepare a corpus undisturbed with one and with two processes, then kill it until there were enough kills.

    Args:
        command: `prepare` without the number of processes and the output folder.
        folder: An empty folder.
        kills: How many.
        seed: Decides the instants, as far as a clock lets it.
    """
    draw = random.Random(seed)
    subprocess.run(_with(command, 1, folder / "one"), check=True, capture_output=True)
    began = time.monotonic()
    subprocess.run(_with(command, 2, folder / "two"), check=True, capture_output=True)
    took = time.monotonic() - began
    expected = hashes(folder / "one")
    outcome = Outcome(len(expected), wrong=[] if hashes(folder / "two") == expected else ["with two processes"])
    while outcome.kills < kills:
        output = folder / f"killed-{outcome.runs}"
        while outcome.kills < kills and _struck(_with(command, 2, output), draw.uniform(0, took)):
            outcome.kills += 1
        subprocess.run(_with(command, 2, output), check=True, capture_output=True)
        outcome.runs += 1
        if hashes(output) != expected:
            outcome.wrong.append(output.name)
    return outcome


def _with(command: Sequence[str], processes: int, output: Path) -> list[str]:
    return [*command, "--processes", str(processes), "--output-dir", str(output)]


def _struck(command: Sequence[str], seconds: float) -> bool:
    """Kill the command and its workers in a while; False if it had ended by then, which has to be a good end."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait() < 0
    if code:
        sys.exit(f"{' '.join(command)}\nended with {code}")
    return False


def main() -> int:
    """Soak `prepare` on a corpus of the user's."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--input", required=True)
    parser.add_argument("--vocab", required=True)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    command = [sys.executable, "-m", "bertwright", "prepare", "--input", given.input, "--vocab", given.vocab, "--quiet"]
    with tempfile.TemporaryDirectory() as name:
        outcome = soak(command, Path(name), kills=given.kills, seed=given.seed)
    print(outcome.line())
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
