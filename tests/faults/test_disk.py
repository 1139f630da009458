"""A disk that takes no more: one clear line, nothing half-written, and with space again the same command goes on."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import small_run
from small_run import Differing, Finetune, stop_after

from bertwright.cli import main
from bertwright.files import damage


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond this many bytes: writing more is an error as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def mount(folder: Path, *options: str) -> None:
    command = ["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"NOT TESTED: no file system could be mounted ({done.stderr.strip()}); run as root")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB at `tmp_path / "out"`."""
    folder = tmp_path / "out"
    folder.mkdir()
    try:
        mount(folder, "-o", "size=4m")
    except FileNotFoundError:
        pytest.skip("NOT TESTED: there is no `mount` here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def complaint(inputs: Path, output: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that the command says before it fails."""
    assert main(small_run.arguments(inputs, output)) == 1
    line, end = capsys.readouterr().err.split("\n")
    assert not end
    return line


def whole_snapshots(output: Path) -> dict[str, bool]:
    return {path.name: damage(path) is None for path in (output / "run" / "snapshots").iterdir()}


WHOLE = {"step-00000006": True, "step-00000007": True}


@pytest.mark.parametrize(
    ("size", "name", "kept"),
    [
        (40_000, "snapshots/step-00000008", "nothing was left behind"),
        (15_000, "best.safetensors", "the file that was there is unchanged"),
        (500, "log.jsonl", "the file that was there is unchanged"),
    ],
)
def test_a_file_that_cannot_be_written(
    stopped: Path,
    inputs: Path,
    differing: Differing,
    capsys: pytest.CaptureFixture[str],
    size: int,
    name: str,
    kept: str,
):
    with largest_file(size):
        told = complaint(inputs, stopped, capsys)
    assert told == f"error: cannot write {stopped}/run/{name}: File too large; {kept}"
    assert whole_snapshots(stopped) == WHOLE
    assert main(small_run.arguments(inputs, stopped)) == 0
    assert differing() == set()
