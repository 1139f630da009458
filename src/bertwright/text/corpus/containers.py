"""A file → the texts in it: itself, what gzip unpacks it to, or the members of a zip or tar archive, as streams.

Nothing is unpacked to the disk, and no more of it into memory than is being read. Knows nothing of what the texts mean.
"""

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import IO, BinaryIO, cast

from bertwright.errors import DataError
from bertwright.text.complaints import one_line, place
from bertwright.text.lines import open_bytes

_TAR = (".tar", ".tar.gz", ".tgz")
_BUFFER = 1 << 18  # bytes; members of archives are slow to read in small steps


def texts_in(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Yield name and content of each text in a file; a stream is to be read before the next one is asked for.

    Raises:
        UsageError: There is no such file.
        DataError: An archive is damaged or encrypted.
    """
    name = path.name.lower()
    if name.endswith(_TAR):
        yield from _tar_members(path)
    elif name.endswith(".zip"):
        yield from _zip_members(path)
    else:
        with open_bytes(path) as stream:
            yield path, stream


def is_archive(path: PurePath) -> bool:
    """Whether a file holds others."""
    return path.name.lower().endswith((*_TAR, ".zip"))


def suffix_of(path: PurePath) -> str:
    """The ending of a name that says what is in the file, in lower case: `.jsonl` of `a.jsonl.gz`."""
    name = PurePath(path.name.lower())
    return PurePath(name.stem).suffix if name.suffix == ".gz" else name.suffix


def _tar_members(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    with open_bytes(path) as file, _intact(path), tarfile.open(fileobj=file, mode="r|*") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            if content is not None:
                yield path / member.name, _unpacked(member.name, content)


def _zip_members(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    with open_bytes(path) as file, _intact(path), zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            if member.flag_bits & 1:
                raise DataError(f"{place(path / member.filename)}: encrypted; unpack the archive with its password")
            with archive.open(member) as content:
                yield path / member.filename, _unpacked(member.filename, content)


def _unpacked(name: str, content: IO[bytes]) -> BinaryIO:
    stream = cast(BinaryIO, gzip.GzipFile(fileobj=content)) if name.lower().endswith(".gz") else content
    return cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, stream), _BUFFER))


@contextmanager
def _intact(path: Path) -> Iterator[None]:
    """What an archive's own structure has wrong is a DataError; damage inside a member shows where it is read."""
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error, OSError) as error:
        raise DataError(f"{place(path)}: a damaged archive ({one_line(error)}); fetch it again") from error
