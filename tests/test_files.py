"""Whole or not there: kills at every line, full disks, every flipped bit, two processes in one folder."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertwright import files
from bertwright.errors import BertwrightError, DataError, SnapshotError, UsageError

OLD, NEW = b"old" * 1000, b"new" * 2000


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `code` in a process of its own."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


# Forks a child for N = 1, 2, ... that kills itself before the N-th line executed in files.py, until one ends.
KILLED_AT_EVERY_LINE = """
import os, shutil, signal, sys
from pathlib import Path
from bertwright import files

root, kind = Path(sys.argv[1]), sys.argv[2]
OLD, NEW = b"old" * 1000, b"new" * 2000

def publish(folder):
    if kind == "file":
        files.write_file(folder / "model", NEW)
    else:
        with files.publish_folder(folder / "step-2") as temporary:
            files.write_file(temporary / "model", NEW)
            files.write_manifest(temporary)

def run_and_die_at(line, folder):
    left = line
    def trace(frame, event, argument):
        nonlocal left
        if frame.f_code.co_filename != files.__file__:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)
    publish(folder)
    os._exit(0)

for line in range(1, 10_000):
    folder = root / f"{line:04d}"
    folder.mkdir()
    (folder / "model").write_bytes(OLD)
    child = os.fork()
    if child == 0:
        run_and_die_at(line, folder)
    if os.waitpid(child, 0)[1] == 0:
        break
print(line)
"""


def killed_at_every_line(root: Path, kind: str) -> list[Path]:
    done = python(KILLED_AT_EVERY_LINE, root, kind)
    assert done.returncode == 0, done.stderr
    folders = sorted(root.iterdir())
    assert len(folders) == int(done.stdout) > 10
    return folders


def test_a_file_killed_at_any_line_is_old_or_new(tmp_path: Path):
    contents = []
    for folder in killed_at_every_line(tmp_path, "file"):
        files.remove_leftovers(folder)
        assert [path.name for path in folder.iterdir()] == ["model"]
        contents.append((folder / "model").read_bytes())
    assert set(contents) == {OLD, NEW}
    assert contents == sorted(contents, reverse=True)  # "old" before "new", and never back


def test_a_folder_killed_at_any_line_is_whole_or_not_there(tmp_path: Path):
    published = []
    for folder in killed_at_every_line(tmp_path, "folder"):
        files.remove_leftovers(folder)
        assert {path.name for path in folder.iterdir()} <= {"model", "step-2"}
        published.append((folder / "step-2").exists())
        if published[-1]:
            assert files.damage(folder / "step-2") is None
            assert (folder / "step-2" / "model").read_bytes() == NEW
    assert not published[0]
    assert published[-1]


def test_content_reaches_the_disk_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path, seen, fsync = tmp_path / "model", [], os.fsync

    def watched(descriptor: int) -> None:
        inode = os.fstat(descriptor).st_ino
        seen.append("folder" if inode == tmp_path.stat().st_ino else "file")
        seen.append("named" if path.exists() else "not named")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    files.write_file(path, NEW)
    assert seen == ["file", "not named", "folder", "named"]


def test_write_file_replaces_bytes_and_text(tmp_path: Path):
    path = tmp_path / "note.txt"
    files.write_file(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    files.write_file(path, "多語\n")
    assert path.read_bytes() == "多語\n".encode()
    assert [entry.name for entry in tmp_path.iterdir()] == ["note.txt"]


def test_published_files_have_the_rights_of_any_new_file(tmp_path: Path):
    files.write_file(tmp_path / "ours", "x")
    (tmp_path / "plain").write_text("x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


FULL_DISK = """
import resource, sys
from pathlib import Path
from bertwright import errors, files
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    files.write_file(Path(sys.argv[1]), b"x" * 100_000)
except errors.BertwrightError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("old", "told"), [(OLD, "the file that was there is unchanged"), (None, "none of it was left behind")]
)
def test_a_disk_that_takes_no_more_keeps_the_old_file(tmp_path: Path, old: bytes | None, told: str):
    path = tmp_path / "model"
    if old:
        path.write_bytes(old)
    done = python(FULL_DISK, path)
    assert done.stdout == f"cannot write {path}: File too large; {told}\n", done.stderr
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == ({"model": old} if old else {})


def test_a_full_disk_is_the_users_to_mend(tmp_path: Path):
    told = r"No space left on device \(make room, then give the same command again\); none of it was left behind$"
    for publish, name in ((files.replacing, "model"), (files.publish_folder, "step")):
        with pytest.raises(BertwrightError, match=told), publish(tmp_path / name), Path("/dev/full").open("wb") as full:
            full.write(b"x" * 100_000)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_block_publishes_nothing(tmp_path: Path):
    path = tmp_path / "model"
    path.write_bytes(OLD)

    def interrupted(temporary: Path) -> None:
        temporary.write_bytes(NEW)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), files.replacing(path) as temporary:
        interrupted(temporary)
    with pytest.raises(KeyboardInterrupt), files.publish_folder(tmp_path / "step-1") as temporary:
        interrupted(temporary / "model")
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]
    assert path.read_bytes() == OLD


def test_pipes_and_devices_are_written_and_not_replaced(tmp_path: Path):
    pipe, plain = tmp_path / "pipe", tmp_path / "plain"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR)
    files.write_file(pipe, b"piped")
    assert os.read(reader, 99) == b"piped"
    os.close(reader)
    assert pipe.is_fifo()
    with plain.open("w") as file:
        files.write_file(Path(f"/dev/fd/{file.fileno()}"), b"redirected")
    assert plain.read_bytes() == b"redirected"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_is_published_once(tmp_path: Path):
    final = tmp_path / "step-1"
    with files.publish_folder(final) as temporary:
        assert temporary.name.startswith(files.TEMPORARY)
        (temporary / "inner").mkdir()
        (temporary / "inner" / "model").write_bytes(NEW)
        assert not final.exists()
    assert (final / "inner" / "model").read_bytes() == NEW
    with (
        pytest.raises(BertwrightError, match=rf"^cannot write {final}: it exists; remove it or choose another"),
        files.publish_folder(final),
    ):
        pass


def test_a_missing_parent_is_one_clear_line(tmp_path: Path):
    nowhere = tmp_path / "nowhere" / "model"
    told = rf"^cannot write {nowhere}: No such file or directory; none of it was left behind$"
    with pytest.raises(BertwrightError, match=told):
        files.write_file(nowhere, b"x")
    with pytest.raises(BertwrightError, match=told), files.publish_folder(nowhere):
        pass


def test_new_folders_reach_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    synced: list[Path] = []
    monkeypatch.setattr(files, "_fsync", synced.append)
    files.make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert synced == [tmp_path, tmp_path / "a"]
    files.make_folder(tmp_path / "a" / "b")
    assert len(synced) == 2
    (tmp_path / "file").touch()
    with pytest.raises(BertwrightError, match=f"^cannot make the folder {tmp_path}/file/x: {tmp_path}/file is a file$"):
        files.make_folder(tmp_path / "file" / "x")


def test_leftovers_are_removed_and_nothing_else(tmp_path: Path):
    (tmp_path / ".tmp-step-2-77-abcd").mkdir()
    (tmp_path / ".tmp-step-2-77-abcd" / "model").write_bytes(NEW)
    (tmp_path / ".tmp-model-77-abcd").write_bytes(NEW)
    (tmp_path / "model").write_bytes(OLD)
    (tmp_path / "step-1").mkdir()
    (tmp_path / ".tmp-link").symlink_to(tmp_path / "step-1")
    files.remove_leftovers(tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"model", "step-1"}
    assert (tmp_path / "model").read_bytes() == OLD


# ---- manifests


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "model").write_bytes(bytes(range(40)))
    (tmp_path / "state.json").write_text('{"step": 3}')
    files.write_manifest(tmp_path, {"step": 3, "rows": {2: 1, 10: (1, 2)}, "rate": 0.1})
    return tmp_path


def test_a_manifest_carries_what_the_caller_adds(whole: Path):
    assert files.damage(whole) is None
    manifest = files.read_manifest(whole)
    assert manifest["step"] == 3
    assert manifest["rows"] == {"2": 1, "10": [1, 2]}
    assert manifest["files"].keys() == {"data/model", "state.json"}
    assert manifest["files"]["data/model"]["size"] == 40
    assert manifest["files"]["data/model"]["sha256"] == files.sha256_file(whole / "data" / "model")


def test_every_flipped_bit_and_every_truncation_is_found(whole: Path):
    for name in ("data/model", "state.json", "manifest.json"):
        path = whole / name
        content = path.read_bytes()
        damaged = [content[:length] for length in range(len(content))]
        for place in range(len(content)):
            flipped = bytearray(content)
            flipped[place] ^= 1 << place % 8
            damaged.append(bytes(flipped))
        for wrong in damaged:
            path.write_bytes(wrong)
            reason = files.damage(whole)
            same = name == "manifest.json" and is_same_json(wrong, content)  # a space became another blank
            assert same or (reason and str(path) in reason), wrong
        path.write_bytes(content)
    assert files.damage(whole) is None


def is_same_json(one: bytes, other: bytes) -> bool:
    try:
        return json.loads(one) == json.loads(other)
    except ValueError:
        return False


def remove_state(folder: Path) -> None:
    (folder / "state.json").unlink()


def add_stranger(folder: Path) -> None:
    (folder / "data" / "stranger").write_text("?")


def lengthen(folder: Path) -> None:
    (folder / "state.json").write_text('{"step": 33}')


def swap(folder: Path) -> None:
    (folder / "state.json").write_text('{"step": 4}')


def remove_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def edit_manifest(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('"step": 3', '"step": 4'))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (remove_state, "{}/state.json is missing"),
        (add_stranger, "{}/data/stranger is not in the manifest"),
        (lengthen, "{}/state.json has 12 bytes, not the 11 of the manifest"),
        (swap, "{}/state.json does not match its SHA-256 in the manifest"),
        (remove_manifest, "cannot read {}/manifest.json: No such file or directory"),
        (edit_manifest, "{}/manifest.json does not match its own hash"),
    ],
)
def test_damage_is_named(whole: Path, harm: Callable[[Path], None], told: str):
    harm(whole)
    assert files.damage(whole) == told.format(whole)


def test_a_damaged_manifest_is_refused_with_the_callers_error(whole: Path):
    edit_manifest(whole)
    with pytest.raises(SnapshotError, match=r"manifest\.json does not match its own hash$"):
        files.read_manifest(whole, SnapshotError)


# ---- JSON


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40)
@given(content=JSON_VALUES)
def test_json_comes_back_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, content: object):
    path = tmp_path_factory.getbasetemp() / "content.json"
    files.write_json(path, content)
    assert files.read_json(path) == content


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b"[-Infinity]", "-Infinity is not a JSON number"),
        (b'{"a": {"b": 1, "c": 2, "b": 3}}', "the key 'b' occurs twice"),
        (b'{"a": 1', "Expecting ',' delimiter"),
        (b"", "Expecting value"),
        (b"\xff\xfe{\x00}\x00", "'utf-8' codec can't decode"),
        (b"[" * 100_000, "recursion"),
        (b"1" * 5_000, "Exceeds the limit"),
    ],
)
def test_json_that_is_not_strict_is_refused(tmp_path: Path, text: bytes, told: str):
    path = tmp_path / "config.json"
    path.write_bytes(text)
    with pytest.raises(DataError, match=re.escape(f"{path} is not valid JSON: ") + ".*" + re.escape(told)):
        files.read_json(path)


def test_json_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(SnapshotError, match=r"^cannot read .*state\.json: No such file or directory$"):
        files.read_json(tmp_path / "state.json", SnapshotError)


def test_not_a_number_is_never_written(tmp_path: Path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "metrics.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


# ---- locks


HOLDER = """
import sys, time
from pathlib import Path
from bertwright.files import lock_folder
with lock_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_process_at_a_time_and_a_dead_one_holds_nothing(tmp_path: Path):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        told = rf"^{tmp_path} is in use by process {holder.pid}: wait for it to end, or choose another folder$"
        with pytest.raises(UsageError, match=told), files.lock_folder(tmp_path):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with files.lock_folder(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_a_lock_ends_with_its_block(tmp_path: Path):
    for _ in range(2):
        told = f"in use by process {os.getpid()}:"
        with files.lock_folder(tmp_path), pytest.raises(UsageError, match=told), files.lock_folder(tmp_path):
            pass


def test_a_folder_that_cannot_be_locked_is_one_clear_line(tmp_path: Path):
    (tmp_path / "lock").mkdir()
    told = rf"^cannot write {tmp_path}/lock: Is a directory$"
    with pytest.raises(BertwrightError, match=told), files.lock_folder(tmp_path):
        pass
