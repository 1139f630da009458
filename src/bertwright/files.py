"""Files and folders that are either whole or not there: published by rename, hashed, locked to one process.

The recipe is the portable one of "All File Systems Are Not Created Equal" (Pillai et al., OSDI 2014): write
under a temporary name in the same folder, fsync, rename, fsync the folder. A process killed at any instant
leaves the old content or the new, and at most an entry named `.tmp-*`, which `remove_leftovers` clears.
Knows nothing of what the files mean.
"""

import errno
import hashlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NoReturn

from bertwright.errors import BertwrightError, DataError, UsageError

if sys.platform != "win32":
    import fcntl

MANIFEST = "manifest.json"
LOCK = "lock"
TEMPORARY = ".tmp-"


def write_file(path: Path, data: bytes | str) -> None:
    """Publish `data` (text as UTF-8) at `path`, replacing what was there in one step.

    Raises:
        BertwrightError: The disk is full, or the folder cannot be written; an older file is unchanged.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def write_json(path: Path, content: object) -> None:
    """Publish `content` as indented JSON; NaN and infinity are a ValueError, as JSON has none."""
    write_file(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path; what the block writes there is published at `path` when the block ends well.

    A device or a pipe is yielded itself: renaming onto /dev/stdout would take it away from everyone.

    Raises:
        BertwrightError: The block or the publishing met an OSError; an older file is unchanged.
    """
    if _is_stream(path):
        yield path
        return
    temporary = _temporary_beside(path)
    try:
        yield temporary
        _fsync(temporary)
        temporary.replace(path)
    except OSError as error:
        kept = "the file that was there is unchanged" if path.exists() else "none of it was left behind"
        raise BertwrightError(f"cannot write {path}: {_reason(error)}; {kept}") from error
    finally:
        temporary.unlink(missing_ok=True)
    _fsync_names(path.parent)


@contextmanager
def publish_folder(final: Path) -> Iterator[Path]:
    """Yield an empty temporary folder, which becomes `final` when the block ends well.

    Raises:
        BertwrightError: `final` exists, or the block or the publishing met an OSError; nothing is published.
    """
    if final.exists():  # a rename would replace an empty folder without a word
        raise BertwrightError(f"cannot write {final}: it exists; remove it or choose another name")
    temporary = _temporary_beside(final)
    try:
        temporary.mkdir()
        yield temporary
        for entry in (*temporary.rglob("*"), temporary):
            _fsync(entry)
        temporary.rename(final)
    except OSError as error:
        raise BertwrightError(f"cannot write {final}: {_reason(error)}; none of it was left behind") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _fsync_names(final.parent)


def _reason(error: OSError) -> str:
    """Why something could not be written; a full disk is the user's to mend, and nothing is lost by then."""
    again = " (make room, then give the same command again)" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return f"{error.strerror or error}{again}"


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are missing, so that a power cut does not take them away again.

    Raises:
        BertwrightError: It cannot be made.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        file = next((there for there in (path, *path.parents) if there.is_file()), None)
        reason = f"{file} is a file" if file else error.strerror or error
        raise BertwrightError(f"cannot make the folder {path}: {reason}") from error
    for folder in reversed(missing):
        _fsync_names(folder.parent)


def remove_leftovers(parent: Path) -> None:
    """Remove from `parent` what killed processes did not finish; call it while holding the folder's lock."""
    for entry in parent.glob(f"{TEMPORARY}*"):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, extra: Mapping[str, object] | None = None) -> None:
    """Write `manifest.json`: size and SHA-256 of every file below `folder`, `extra`, and its own SHA-256."""
    files = {name: _fingerprint(path) for name, path in _files_below(folder).items()}
    as_read = json.loads(json.dumps({**(extra or {}), "files": files}))  # tuples and int keys do not come back
    write_json(folder / MANIFEST, {**as_read, "sha256": _own_hash(as_read)})


def read_manifest(folder: Path, error: type[BertwrightError] = DataError) -> dict[str, Any]:
    """Read `manifest.json`, `extra` keys included; whether the files match it is for `damage` to say.

    Raises:
        BertwrightError: It cannot be read or does not match its own hash; `error` picks the class.
    """
    path = folder / MANIFEST
    manifest = read_json(path, error)
    if not isinstance(manifest, dict) or manifest.get("sha256") != _own_hash(manifest):
        raise error(f"{path} does not match its own hash")
    return manifest


def damage(folder: Path) -> str | None:
    """Compare a folder with its manifest: None when all is whole, else the first difference in one line."""
    try:
        listed = read_manifest(folder)["files"]
    except DataError as error:
        return str(error)
    present = _files_below(folder)
    if missing := sorted(listed.keys() - present.keys()):
        return f"{folder / missing[0]} is missing"
    if strange := sorted(present.keys() - listed.keys()):
        return f"{folder / strange[0]} is not in the manifest"
    differences = (_difference(path, listed[name]) for name, path in present.items())
    return next((difference for difference in differences if difference), None)


def _difference(path: Path, listed: Mapping[str, object]) -> str | None:
    """Compare a file with what the manifest says of it."""
    try:
        if path.stat().st_size != listed["size"]:
            return f"{path} has {path.stat().st_size} bytes, not the {listed['size']} of the manifest"
        if _fingerprint(path) != listed:
            return f"{path} does not match its SHA-256 in the manifest"
    except OSError as error:  # a bad sector is damage like any other
        return f"cannot read {path}: {error.strerror or error}"
    return None


def read_json(path: Path, error: type[BertwrightError] = DataError) -> object:
    """Read strict JSON: UTF-8, no NaN, no infinity, no key twice.

    Raises:
        BertwrightError: The file cannot be read or is not such JSON; `error` picks the class.
    """
    try:
        text = path.read_text("utf-8-sig")
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_refuse_key_twice)
    except OSError as reason:
        raise error(f"cannot read {path}: {reason.strerror or reason}") from reason
    except (ValueError, RecursionError) as reason:  # RecursionError: thousands of nested brackets
        raise error(f"{path} is not valid JSON: {reason}") from reason


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; the kernel lets go when the process ends, however it ends.

    Does nothing where the platform or the file system has no locks.

    Raises:
        UsageError: Another process holds the folder; the text names it.
        BertwrightError: The folder cannot be written.
    """
    path = folder / LOCK
    try:
        file = path.open("ab+", buffering=0)
    except OSError as error:
        raise BertwrightError(f"cannot write {path}: {error.strerror or error}") from error
    with file:
        if not _try_lock(file):
            file.seek(0)
            holder = file.read().decode() or "of unknown number"
            text = f"{folder} is in use by process {holder}: wait for it to end, or choose another folder"
            raise UsageError(text)
        with suppress(OSError):  # the number is for the text above alone: a full disk is for others to complain of
            file.truncate(0)
            file.write(str(os.getpid()).encode())
        yield


def _try_lock(file: IO[bytes]) -> bool:
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some cluster file systems have no locks: no reason to refuse the run
        return True
    return True


def _is_stream(path: Path) -> bool:
    if path.parent in {Path("/dev"), Path("/dev/fd")}:  # /dev/stdout may be a link to a file
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


def _temporary_beside(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY}{path.name}-{os.getpid()}-{secrets.token_hex(4)}")


def _fsync(path: Path) -> None:
    """Wait until the disk holds a file's content, or a folder's names."""
    is_folder = path.is_dir()
    if is_folder and sys.platform == "win32":  # folders cannot be opened there
        return
    descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some network file systems cannot fsync a folder; PostgreSQL lets that pass too
        if not is_folder or error.errno not in {errno.EBADF, errno.EINVAL}:
            raise
    finally:
        os.close(descriptor)


def _fsync_names(folder: Path) -> None:
    """Make a rename in `folder` durable; it has happened, so an error must not say that it has not."""
    try:
        _fsync(folder)
    except OSError as error:
        reason = error.strerror or error
        raise BertwrightError(f"{folder}: written, but it may not survive a power cut: {reason}") from error


def _files_below(folder: Path) -> dict[str, Path]:
    """Return every file but the manifest and the lock by its path relative to `folder`."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    own = {folder / MANIFEST, folder / LOCK}
    return {path.relative_to(folder).as_posix(): path for path in files if path not in own}


def _fingerprint(path: Path) -> dict[str, object]:
    return {"size": path.stat().st_size, "sha256": sha256_file(path)}


def _own_hash(manifest: Mapping[str, object]) -> str:
    content = {key: value for key, value in manifest.items() if key != "sha256"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _refuse_key_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in content if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} occurs twice")
    return content
