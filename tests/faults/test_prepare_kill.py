"""`kill -9` while shards are made: no worker is left, and the same command ends as if nothing had happened."""

import os
import random
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

import bertwright
from bertwright.api import preparing
from bertwright.errors import BertwrightError
from bertwright.text.preparing.shard_maker import make_shards
from bertwright.text.shards import ShardFolder
from bertwright.text.wordpiece import WordPiece

Prepare = Callable[..., object]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus that is some 40 small shards, and a vocabulary."""
    folder = tmp_path_factory.mktemp("inputs")
    draw = random.Random(3)
    words = [f"w{number}" for number in range(300)]
    lines = (" ".join(draw.choices(words, k=12)) + "\n" * draw.randint(1, 2) for _ in range(6_000))
    (folder / "corpus.txt").write_text("".join(lines))
    (folder / "vocab").mkdir()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    WordPiece.from_tokens([*special, "w", *(f"##{n}" for n in range(300))]).save(folder / "vocab")
    return folder


def prepare(inputs: Path, output: Path, **changed: object) -> None:
    """The verb, in small shards; they do not depend on each other, so that size has no part in what can go wrong."""
    given = {"input": str(inputs / "corpus.txt"), "vocab": str(inputs / "vocab"), "output_dir": output, "quiet": True}
    with patch.object(preparing, "make_shards", partial(make_shards, chunk_bytes=8_000)):
        bertwright.prepare(**given | {"processes": 2} | changed)


@pytest.fixture(scope="module")
def undisturbed(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    prepare(inputs, output, processes=1)
    assert len(ShardFolder.open(output).shards) > 30
    return content_of(output)


def content_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@contextmanager
def in_a_child(work: Callable[[], None]) -> Iterator[int]:
    """Do the work in a process of its own, which has torch already; the block gets its number and has to end it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    yield child
    os.waitpid(child, 0)


def workers_of(pid: int) -> list[int]:
    """The worker processes of a process."""
    paths = Path(f"/proc/{pid}/task").glob("*/children")
    found = [int(child) for path in paths for child in path.read_text().split()]
    return [child for child in found if b"spawn_main" in command_of(child)]


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def wait_until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_killed_at_random_instants(inputs: Path, undisturbed: dict[str, bytes], tmp_path: Path):
    draw, output = random.Random(5), tmp_path / "out"
    there = 0
    for processes in (2, 1, 2, 1, 2):
        with in_a_child(partial(prepare, inputs, output, processes=processes)) as child:
            goal = there + draw.randint(1, 12)
            wait_until(lambda: whole_shards(output) >= goal)  # noqa: B023  # called in this turn alone
            time.sleep(draw.uniform(0, 0.03))
            os.kill(child, signal.SIGKILL)
        there = whole_shards(output)
    assert not (output / "manifest.json").exists()
    prepare(inputs, output)
    assert content_of(output) == undisturbed


def whole_shards(output: Path) -> int:
    return len(list(output.glob("[0-9]*/manifest.json")))


def test_no_worker_outlives_its_parent(inputs: Path, tmp_path: Path):
    output = tmp_path / "out"
    with in_a_child(partial(prepare, inputs, output)) as child:
        wait_until((output / "00000").exists)
        workers = workers_of(child)
        os.kill(child, signal.SIGKILL)
    assert len(workers) == 2
    wait_until(lambda: not any(map(command_of, workers)))


def test_killed_while_it_starts_anew(inputs: Path, undisturbed: dict[str, bytes], tmp_path: Path):
    output = tmp_path / "out"
    prepare(inputs, output, segmenter="none", processes=1)
    with in_a_child(partial(prepare, inputs, output, overwrite=True, processes=1)) as child:
        wait_until(lambda: not (output / "manifest.json").exists())
        os.kill(child, signal.SIGKILL)
    prepare(inputs, output, overwrite=True, processes=1)
    assert content_of(output) == undisturbed


@pytest.mark.parametrize("name", ["begun.json", "lock", "tokenizer"])
def test_killed_between_two_files(inputs: Path, undisturbed: dict[str, bytes], tmp_path: Path, name: str):
    """What is removed last, or published last, may be there or not."""
    output = tmp_path / "out"
    prepare(inputs, output, processes=1)
    if name == "tokenizer":
        (output / "manifest.json").unlink()
        (output / "tokenizer" / "vocab.txt").unlink()
    else:
        (output / name).write_text("{}")
    ShardFolder.open(output) if name == "lock" else None
    prepare(inputs, output, processes=1)
    assert content_of(output) == undisturbed


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may grow beyond this many bytes: writing more is an error, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_clear_line(inputs: Path, undisturbed: dict[str, bytes], tmp_path: Path):
    output = tmp_path / "out"
    told = f"^cannot write {output}/00000: .*; none of it was left behind$"
    with largest_file(2_000), pytest.raises(BertwrightError, match=told):
        prepare(inputs, output, processes=1)
    assert not list(output.rglob(".tmp-*"))
    prepare(inputs, output, processes=1)
    assert content_of(output) == undisturbed
