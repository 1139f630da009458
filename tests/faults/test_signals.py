"""SIGTERM and Ctrl-C to a real process: it finishes its step, saves, says so, and the same command goes on."""

import re
import signal
import subprocess
from pathlib import Path

import pytest
from small_run import HELD, Finetune, untimed_log

from bertwright.training.signals import stop_wishes

STEPS = list(range(1, 61))


def logged(output: Path) -> list[object]:
    return [line["step"] for line in untimed_log(output) if "split" not in line]


def goes_on(finetune: Finetune, capsys: pytest.CaptureFixture[str]) -> int:
    """Run the same command; returns the step that it goes on from."""
    assert finetune(**{**HELD, "save_steps": 99}).exit_code == 0
    found = re.search("going on from the snapshot of step ([0-9]+)", capsys.readouterr().err)
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_obeyed_at_the_end_of_the_step(
    held: subprocess.Popen[bytes],
    finetune: Finetune,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    number: signal.Signals,
):
    held.send_signal(number)
    *_, last = held.communicate()[1].decode().splitlines()
    assert held.returncode == 128 + number
    told = re.fullmatch(
        rf"stopped by {number.name} after step ([0-9]+); a snapshot is saved: the same command goes on from it", last
    )
    assert told is not None, last
    done = int(told[1])
    assert logged(tmp_path / "out") == STEPS[:done]
    assert goes_on(finetune, capsys) == done
    assert logged(tmp_path / "out") == STEPS


def test_asked_twice_it_ends_at_once_and_nothing_is_broken(
    held: subprocess.Popen[bytes], finetune: Finetune, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    held.send_signal(signal.SIGTERM)
    held.send_signal(signal.SIGINT)  # two of one kind could arrive as one
    *_, last = held.communicate()[1].decode().splitlines()
    assert held.returncode == 130
    assert last.startswith("stopped by SIGINT: the same command goes on from what is saved")
    assert goes_on(finetune, capsys) in (2, 4)
    assert logged(tmp_path / "out") == STEPS


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with stop_wishes() as wish:
        assert wish.signal is None
        signal.raise_signal(signal.SIGINT)
        assert wish.signal is signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before
