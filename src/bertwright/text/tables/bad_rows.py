"""Rows that cannot be used: the first few are kept for the error, all of them go to a quarantine file if there is one.

Memory is bounded whatever the number. Knows nothing of why a row is bad.
"""

import json
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TextIO

from bertwright.files import replacing
from bertwright.text.complaints import place, shown

KEPT = 3


class BadRowPolicy(NamedTuple):
    """What becomes of rows that cannot be used."""

    skip: bool = False
    """Whether a pass goes on without them rather than end in an error."""
    quarantine: Path | None = None
    """Where they are written to, skipped or not."""


STRICT = BadRowPolicy()


class BadRow(NamedTuple):
    """A row that cannot be used."""

    line: int
    reason: str
    raw: str
    """The row as it stands in the file."""


class BadRows:
    """Collects the bad rows of one pass over the table at `table`.

    As a context manager it publishes the quarantine file, JSON lines of `file, line, reason, row`, when the pass has
    come to its end. A pass without bad rows leaves none, and removes that of an earlier pass over the same table.
    """

    def __init__(self, table: Path, quarantine: Path | None) -> None:
        self.first: list[BadRow] = []
        self.count = 0
        self._table = table
        self._path = quarantine
        self._open_files = ExitStack()
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open_files.__exit__(kind, error, trace)
        if kind is None and self._path and not self.count and self._is_of_this_table(self._path):
            self._path.unlink()

    def add(self, row: BadRow) -> None:
        """Take note of one more bad row."""
        self.count += 1
        if len(self.first) < KEPT:
            self.first.append(row)
        if self._path:
            self._write(self._path, row)

    def summary(self) -> str:
        """Return place, reason and beginning of the first rows, in one line."""
        rows = [f"{place(self._table, row.line)}: {row.reason} in {shown(row.raw)}" for row in self.first]
        more = [f"and {self.count - len(rows)} more"] if self.count > len(rows) else []
        return "; ".join(rows + more)

    def _is_of_this_table(self, path: Path) -> bool:
        """Whether a file is there and was written here, to judge by its first line."""
        try:
            with path.open("rb") as file:
                content = json.loads(file.readline())
            return isinstance(content, dict) and Path(content["file"]).resolve() == self._table.resolve()
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _write(self, path: Path, row: BadRow) -> None:
        if self._file is None:
            temporary = self._open_files.enter_context(replacing(path))
            opened = temporary.open("w", encoding="utf-8", errors="backslashreplace")  # also in a file's name
            self._file = self._open_files.enter_context(opened)
        content = {"file": str(self._table), "line": row.line, "reason": row.reason, "row": row.raw}
        self._file.write(json.dumps(content, ensure_ascii=False) + "\n")
