"""Kill a run at each line of the code that writes its folder, run the same command again, and compare.

    PYTHONPATH=tests python tests/faults/crash_points.py --every 1

Where `soak.py` kills at random instants, this leaves out no place between two states of the folder. Two runs are
killed: one that goes on (evaluates, saves, removes an old snapshot, publishes), and one that overwrites another run.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import small_run

from bertwright import files
from bertwright.api import finetuning, run_folder
from bertwright.model import folder as model_folder
from bertwright.model import weights
from bertwright.training import log, run, snapshot

WRITERS = {module.__file__ for module in (files, finetuning, run_folder, model_folder, weights, log, run, snapshot)}
SETTINGS = {"max_steps": 8, "save_steps": 2, "keep_snapshots": 1}
MODEL = ("config.json", "model.safetensors", "vocab.txt")

Work = Callable[[], object]


def in_a_child(work: Work) -> int:
    """Do the work in a process of its own, which has torch already; returns how it ended, as `os.waitpid` says it."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]


def traced(work: Work, at_line: Callable[[str, int], None]) -> None:
    """Do the work, and call back before each line of the code that writes."""

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename not in WRITERS:
            return None
        if event == "line":
            at_line(frame.f_code.co_filename, frame.f_lineno)
        return trace

    sys.settrace(trace)
    work()
    sys.settrace(None)


def lines_of(work: Work, note: Path) -> list[str]:
    """The lines that the work runs through, in their order."""

    def write_down() -> None:
        seen: list[str] = []
        traced(work, lambda name, line: seen.append(f"{Path(name).name}:{line}"))
        note.write_text("\n".join(seen))

    assert in_a_child(write_down) == 0
    return note.read_text().split("\n")


def killed_at(work: Work, number: int) -> bool:
    """Do the work until just before the line of this number, counted from 1; tells whether it came that far."""
    left = number

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return in_a_child(partial(traced, work, count)) == signal.SIGKILL


def first_and_last(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Of each line the first and the last time that it is run."""
    first = {line: number for number, line in reversed(list(enumerate(lines, 1)))}
    last = {line: number for number, line in enumerate(lines, 1)}
    numbers = sorted({*first.values(), *last.values()})
    yield from ((number, lines[number - 1]) for number in numbers)


def model_in(output: Path) -> tuple[bytes, ...] | None:
    """The files that make a folder a model; None where it cannot pass for one."""
    return tuple((output / name).read_bytes() for name in MODEL) if (output / MODEL[0]).exists() else None


def saved(output: Path) -> int:
    """The step that the same command goes on from."""
    if (output / "run" / "finished.json").exists():
        return SETTINGS["max_steps"]
    whole = (path for path in output.glob("run/snapshots/step-*") if files.damage(path) is None)
    return max((int(path.name[5:]) for path in whole), default=0)


def crash(begun: Path, inputs: Path, folder: Path, every: int, **changed: object) -> tuple[int, list[str]]:
    """Start on copies of `begun`, killed at every `every`-th point; returns how many, and what went wrong where."""
    output, whole = folder / "out", folder / "whole"
    work = partial(small_run.finetune, inputs, output, **changed)
    shutil.copytree(begun, whole)
    assert in_a_child(partial(small_run.finetune, inputs, whole, **changed)) == 0
    expected, models = small_run.outcome(whole), {model_in(begun), model_in(whole), None}
    shutil.copytree(begun, output)
    points = list(first_and_last(lines_of(work, folder / "lines")))[::every]
    wrong = []
    for number, line in points:
        shutil.rmtree(output)
        shutil.copytree(begun, output)
        if not killed_at(work, number):
            wrong.append(f"{line}: not reached")
        if model_in(output) not in models:
            wrong.append(f"{line}: the model folder was neither old nor new")
        if saved(output) < saved(begun) and "overwrite" not in changed:
            wrong.append(f"{line}: what was saved was lost")
        if in_a_child(work):
            wrong.append(f"{line}: the same command failed")
            continue
        found = small_run.outcome(output)
        wrong += [f"{line}: {name}" for name in expected if found[name] != expected[name]]
        wrong += [f"{line}: {path.name} was left behind" for path in output.rglob(".tmp-*")]
    shutil.rmtree(output)
    shutil.rmtree(whole)
    return len(points), wrong


def begin(inputs: Path, output: Path) -> None:
    """Stop a run after six of its eight steps."""
    with small_run.stop_after(6):
        small_run.finetune(inputs, output, **SETTINGS)


def main() -> int:
    """Kill both runs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--every", type=int, default=1)
    every = parser.parse_args().every
    with tempfile.TemporaryDirectory() as name:
        folder, inputs = Path(name), Path(name) / "inputs"
        small_run.write_inputs(inputs)
        small_run.finetune(inputs, folder / "first", max_steps=1)  # what torch imports late, children need not import
        assert in_a_child(partial(begin, inputs, folder / "stopped")) == 0
        assert in_a_child(partial(small_run.finetune, inputs, folder / "other", **SETTINGS, seed=9)) == 0
        going_on, wrong = crash(folder / "stopped", inputs, folder, every, **SETTINGS)
        anew, wrong_anew = crash(folder / "other", inputs, folder, every, **SETTINGS, overwrite=True)
    for text in (*wrong, *wrong_anew):
        print(f"WRONG {text}")
    print(f"killed at {going_on} points of a run that went on and at {anew} of one that began anew: ", end="")
    print("not every one ended" if wrong or wrong_anew else "all ended", "like an undisturbed one")
    return 1 if wrong or wrong_anew else 0


if __name__ == "__main__":
    sys.exit(main())
