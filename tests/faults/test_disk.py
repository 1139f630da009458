"""A disk that takes no more: one clear line, nothing half-written, and with space again the same command goes on."""

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import small_run
from small_run import Differing, stop_after

from bertwright.errors import BertwrightError, ModelFolderError
from bertwright.files import damage
from bertwright.model.folder import ModelFolder, write_model_folder
from bertwright.model.heads import SequenceClassifier
from bertwright.training.log import Log
from bertwright.training.loop import Step

Fails = Callable[[Path], str]
Again = Callable[[], None]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond this many bytes: writing more is an error, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Mount something at `folder`; where that is not allowed the test is skipped."""
    _mount(*options, str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"NOT TESTED: mounting is not allowed here ({done.stderr.strip()})")


@contextmanager
def read_only(folder: Path) -> Iterator[str]:
    """Nothing can be written below `folder`; yields what the system says to it."""
    if os.geteuid():
        folder.chmod(0o555)
        yield "Permission denied"
        folder.chmod(0o755)
        return
    with mounted(folder, "--bind", str(folder)):
        _mount("-o", "remount,bind,ro", str(folder))
        yield "Read-only file system"


@pytest.fixture
def fails(inputs: Path, capsys: pytest.CaptureFixture[str]) -> Fails:
    """Run the command, which has to fail; returns the line that says why, after those on the data."""

    def said(output: Path) -> str:
        capsys.readouterr()  # of what came before
        assert small_run.exit_code(inputs, output, save_steps=2) == 1
        *warnings, line = capsys.readouterr().err.splitlines()
        assert all(each.startswith("warning: ") for each in warnings)
        return line

    return said


def snapshots(output: Path) -> dict[str, bool]:
    """Names of the snapshots, and whether they are whole; there is nothing else beside them."""
    return {path.name: damage(path) is None for path in (output / "run" / "snapshots").iterdir()}


@pytest.fixture
def again(inputs: Path, differing: Differing, tmp_path: Path) -> Again:
    """Run the command once more: it ends as if nothing had happened."""

    def ends_well() -> None:
        assert small_run.exit_code(inputs, tmp_path / "out") == 0
        assert differing() == set()

    return ends_well


STOPPED = {"step-00000006": True, "step-00000007": True}


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (70_000, "snapshots/step-00000008: File too large; none of it was left behind"),
        (30_000, "best.safetensors: File too large; the file that was there is unchanged"),
        (0, "best.safetensors: File too large; the file that was there is unchanged"),  # nor the lock's number
    ],
)
def test_a_file_that_grows_too_large(stopped: Path, fails: Fails, again: Again, size: int, told: str):
    with largest_file(size):
        assert fails(stopped) == f"error: cannot write {stopped}/run/{told}"
    assert snapshots(stopped) == STOPPED
    again()


def test_a_full_disk(inputs: Path, fails: Fails, again: Again, tmp_path: Path):
    output = tmp_path / "out"
    output.mkdir()
    with mounted(output, "-t", "tmpfs", "-o", "size=4m", "tmpfs"):
        with stop_after(7):
            small_run.finetune(inputs, output, save_steps=2, overwrite=True)
        for free in (0, 30_000, 150_000):
            space = os.statvfs(output)
            (output / "ballast").write_bytes(bytes(space.f_bavail * space.f_bsize - free))
            told = fails(output)
            assert told.startswith(f"error: cannot write {output}/run/"), free
            assert ": No space left on device (make room, then give the same command again); " in told
            assert snapshots(output) == STOPPED
            assert not list(output.rglob(".tmp-*"))
            (output / "ballast").unlink()
        again()


def test_a_log_that_cannot_grow(tmp_path: Path):
    log = Log(tmp_path / "log.jsonl", b"{}\n")
    with largest_file(50), pytest.raises(BertwrightError, match=f"^cannot write {tmp_path}/log.jsonl: File too large$"):
        log.evaluation(Step(1, 0.1, 0.0, {}, 0.0, 0.0, 1, 1, last=False), "validation", {"loss": 1.0})
    with largest_file(50):
        log.close()  # must not complain a second time, and hide the first


def test_a_model_folder_that_is_half_overwritten_is_none(inputs: Path, tmp_path: Path):
    folder = ModelFolder.open(Path(shutil.copytree(inputs / "model", tmp_path / "model")))
    with largest_file(10_000), pytest.raises(BertwrightError, match=r"model\.safetensors: File too large"):
        write_model_folder(folder.path, SequenceClassifier(folder.config), folder.config, folder.tokenizer)
    with pytest.raises(ModelFolderError, match=r"is not a model folder: it has no config\.json$"):
        ModelFolder.open(folder.path)


def test_a_folder_that_is_read_only(stopped: Path, fails: Fails, again: Again):
    with read_only(stopped) as reason:
        assert fails(stopped) == f"error: cannot write {stopped}/run/lock: {reason}"
    again()


def test_a_folder_that_cannot_be_made(tmp_path: Path, fails: Fails):
    (tmp_path / "full").mkdir()
    with read_only(tmp_path / "full") as reason:
        told = f"error: cannot make the folder {tmp_path}/full/out/run: {reason}"
        assert fails(tmp_path / "full" / "out") == told
