"""Files and streams of bytes → lines of text: UTF-8 with or without byte-order mark, plain or gzip, nothing else.

What is not UTF-8 is refused with file, line and the likely encoding; nothing is replaced by U+FFFD. Lines end
at a line feed alone and keep their ending, so that counting them gives the numbers that an editor shows. Memory is
bounded by the longest line. Knows nothing of tables.
"""

import codecs
import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from bertwright.errors import DataError, UsageError
from bertwright.text.complaints import place
from bertwright.text.encoding import guess_encoding, guess_wide_encoding

LONGEST_LINE = 50_000_000
"""Bytes; a longer line is refused, so that a file without line ends cannot fill the memory."""

_OTHER_FILES = {
    b"\x1f\x8b": "gzip data: give the file a name that ends in .gz",
    b"PK\x03\x04": "a zip or Excel file: export the table as CSV",
    b"PAR1": "a Parquet file: give it a name that ends in .parquet",
}


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a file, gzip when its name ends in `.gz`; each iteration reads them anew.

    Raises:
        UsageError: On iteration: the file is not there or cannot be read.
        DataError: On iteration: it is not UTF-8, damaged, or has a line beyond `LONGEST_LINE`.
    """

    path: Path

    def __iter__(self) -> Iterator[str]:
        with open_bytes(self.path) as stream:
            yield from decoded_lines(stream, self.path)


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading bytes, unpacked when its name ends in `.gz`.

    Raises:
        UsageError: There is no such file, it is a folder, or it cannot be opened.
    """
    try:
        return cast(BinaryIO, gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")
    except FileNotFoundError as error:
        raise UsageError(f"{place(path)}: no such file; check the path") from error
    except IsADirectoryError as error:
        raise UsageError(f"{place(path)}: this is a folder; name one file in it") from error
    except OSError as error:
        raise UsageError(f"{place(path)}: cannot be read: {error.strerror or error}") from error


def decoded_lines(stream: BinaryIO, path: Path) -> Iterator[str]:
    """Yield the lines of `stream` with their endings; `path` is its name in errors."""
    number = 0
    while line := _next_line(stream, path, number + 1):
        number += 1
        if number == 1:
            if wide := guess_wide_encoding(line):
                raise DataError(f"{place(path, 1)}: {_not_utf8(wide)}")
            line = line.removeprefix(codecs.BOM_UTF8)
        try:
            yield line.decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{place(path, number)}: {_refusal(line, error.start)}") from None


def cut_lines(stream: BinaryIO, path: Path, longest: int) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line without its ending; one longer than `longest` characters comes in parts.

    The parts bear the number of their line. Unlike `decoded_lines`, no line is refused for its length.

    Raises:
        DataError: What the stream holds is not UTF-8, or damaged; `path` is its name in errors.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    number, data = 1, _read_line(stream, path, 1, 4 * longest)
    if wide := guess_wide_encoding(data):
        raise DataError(f"{place(path, 1)}: {_not_utf8(wide)}")
    data = data.removeprefix(codecs.BOM_UTF8)
    while data:
        try:
            text = decoder.decode(data)
        except UnicodeDecodeError as error:
            raise DataError(f"{place(path, number)}: {_refusal(data, error.start)}") from None
        whole = text.endswith("\n")
        if whole:
            text = without_ending(text)
        for start in range(0, max(len(text), 1), longest):
            yield number, text[start : start + longest]
        number += whole
        data = _read_line(stream, path, number, 4 * longest)
    if decoder.getstate()[0]:
        raise DataError(f"{place(path, number)}: broken UTF-8 at the end of the file; was it cut inside a character?")


def without_ending(line: str) -> str:
    """Return a line without its line feed, and the carriage return before it."""
    return line.removesuffix("\n").removesuffix("\r")


def _next_line(stream: BinaryIO, path: Path, number: int) -> bytes:
    line = _read_line(stream, path, number, LONGEST_LINE + 1)
    if len(line) > LONGEST_LINE:
        limit = f"{LONGEST_LINE:,} bytes"
        raise DataError(f"{place(path, number)}: a line longer than {limit}; is this a file with one row a line?")
    return line


def _read_line(stream: BinaryIO, path: Path, number: int, most: int) -> bytes:
    """Read to the next line feed, but `most` bytes at most; damage to what the stream is unpacked from is named."""
    try:
        return stream.readline(most)
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, tarfile.TarError) as error:
        kind = {zipfile.BadZipFile: "zip", tarfile.ReadError: "tar"}.get(type(error), "gzip")
        text = f"{place(path, number)}: damaged {kind} data ({error}); unpack the file anew or fetch it again"
        raise DataError(text) from error
    except OSError as error:
        raise DataError(f"{place(path, number)}: cannot be read: {error.strerror or error}") from error


def _refusal(line: bytes, at: int) -> str:
    for magic, advice in _OTHER_FILES.items():
        if line.startswith(magic):
            return advice
    encoding = guess_encoding(line)
    if encoding == "utf-8":
        return f"broken UTF-8 at byte {at + 1} of the line (0x{line[at]:02x}); was the file cut inside a character?"
    return _not_utf8(encoding)


def _not_utf8(encoding: str | None) -> str:
    if encoding is None:
        return "not UTF-8, and the encoding could not be guessed; convert the file to UTF-8"
    return f"not UTF-8 but likely {encoding}; convert the file: iconv -f {encoding} -t utf-8 OLD > NEW"
