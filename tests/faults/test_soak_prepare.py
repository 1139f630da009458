"""The soak of `prepare` counts its kills, and notices a folder that is not like the others."""

import sys
from pathlib import Path

import pytest
from soak_prepare import Outcome, soak

pytestmark = pytest.mark.soak

# Eight files, one after the other; where it is forgetful, each tells by which process it was begun.
TOY = """
import sys, time
from pathlib import Path
kind, processes, folder = sys.argv[1], sys.argv[3], Path(sys.argv[5])
folder.mkdir(exist_ok=True)
there = sorted(folder.iterdir())
for number in range(len(there), 8):
    time.sleep(0.03)
    told = {"faithful": number, "forgetful": len(there), "uneven": processes}[kind]
    (folder / f".{number}").write_text(str(told))
    (folder / f".{number}").rename(folder / str(number))
"""


def soaked(tmp_path: Path, kind: str) -> Outcome:
    return soak([sys.executable, "-c", TOY, kind], tmp_path, kills=4)


def test_the_same_bytes_pass(tmp_path: Path):
    outcome = soaked(tmp_path, "faithful")
    assert (outcome.kills, outcome.wrong, outcome.files) == (4, [], 8)
    assert outcome.line().endswith("all byte-identical")


def test_other_bytes_after_a_kill_are_noticed(tmp_path: Path):
    assert "killed-0" in soaked(tmp_path, "forgetful").wrong


def test_other_bytes_with_two_processes_are_noticed(tmp_path: Path):
    outcome = soaked(tmp_path, "uneven")
    assert "with two processes" in outcome.wrong
    assert "WRONG: with two processes" in outcome.line()
