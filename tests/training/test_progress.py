"""A run as a person sees it: a bar in a terminal, plain lines elsewhere, nothing when quiet."""

import io
import os
import re
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from bertwright.batches.order import BatchOrder
from bertwright.training.course import Epochs
from bertwright.training.loop import Step
from bertwright.training.progress import Bar, Plain, Silent, watching
from bertwright.training.schedule import Schedule

LINE = {
    "step": 6,
    "epoch": 0.5,
    "loss": 0.43215,
    "learning_rate": 2.5e-5,
    "grad_norm": 1.0,
    "tokens_per_second": 4321.4,
    "examples_per_second": 98.7,
    "seconds": 3.0,
}
METRICS = {"loss": 0.5, "accuracy": 0.875}


def step(number: int) -> Step:
    return Step(number, number / 12, 0.4, {"loss": 0.4}, 2.5e-5, 1.0, 100, 8, last=False)


def course(total: int) -> Epochs[Any]:
    """A course of so many steps, to be looked at alone."""
    nothing = np.ones(total, dtype=np.int64)
    return Epochs(cast(Any, None), BatchOrder(nothing, 1, seed=0), Schedule(1.0, total, 0))


def show(total: int = 12, metric: str = "accuracy") -> None:
    """What a run of a few steps makes of its watcher."""
    with watching(course(total), metric, 0, quiet=False) as watcher:
        for number in range(1, 7):
            watcher.step(step(number))
        watcher.line(LINE)
        watcher.evaluated(step(6), METRICS, best=True)
        watcher.evaluated(step(6), METRICS, best=False)


def test_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show()
    out, err = capsys.readouterr()
    assert out == ""
    line, best, worse = err.splitlines()
    assert re.fullmatch(
        r"step 6/12  loss 0\.4321  learning rate 2\.50e-05  4321 tokens/s  99 texts/s  \d+:\d\d:\d\d left", line
    )
    assert best == "step 6/12  validation: loss 0.5000  accuracy 0.8750  (best so far)"
    assert worse == "step 6/12  validation: loss 0.5000  accuracy 0.8750"


def test_the_loss_is_not_told_twice(capsys: pytest.CaptureFixture[str]) -> None:
    show(metric="loss")
    assert capsys.readouterr().err.splitlines()[1] == "step 6/12  validation: loss 0.5000  (best so far)"


def test_the_time_left_counts_only_steps_of_this_process() -> None:
    out = io.StringIO()
    watcher = Plain(course(30), metric="loss", start=20, out=out)
    watcher._began -= 50  # 50 seconds for the 5 steps since: 10 seconds each
    watcher.line({**LINE, "step": 25})
    assert out.getvalue().endswith("  0:00:50 left\n")


def test_quiet_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with watching(course(12), "loss", 0, quiet=True) as watcher:
        assert isinstance(watcher, Silent)
        watcher.line(LINE)
        watcher.evaluated(step(6), METRICS, best=True)
    assert capsys.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
@pytest.mark.parametrize("columns", [80, 120])
def test_a_bar_in_a_terminal(columns: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import pty

    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with watching(course(12), "accuracy", 0, quiet=False) as watcher:
            assert isinstance(watcher, Bar)
            watcher.step(step(6))
            watcher.line(LINE)
            watcher.evaluated(step(6), METRICS, best=True)
        shown = ""
        while "\x1b[?25h" not in shown:  # the cursor is shown again at the very end
            shown += os.read(leader, 4096).decode()
    os.close(leader)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert "step 6/12  validation: loss 0.5000  accuracy 0.8750  (best so far)\r\n" in plain
    last = [part for part in re.split(r"[\r\n]+", plain) if "━" in part][-1]
    for figure in ("6/12", "loss 0.4321", "learning rate 2.50e-05", "4321 tokens/s"):
        assert figure in last
    assert re.search(r"(\d+:\d\d:\d\d|-:--:--)", last), "the time that is left"
    assert len(last.rstrip()) <= columns
