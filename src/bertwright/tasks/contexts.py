"""Rows that ask about a context, which several of them may share: what the tasks over such rows have in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Generic, Protocol, TypeVar

from bertwright.settings import TableSettings
from bertwright.tasks.finetuning import HasLine, PlainTask, Rows
from bertwright.text.tables.table import Form, Table

_STREAM = Path("standard input")


class AsksOfContext(HasLine, Protocol):
    """A row of a file that has a context."""

    @property
    def context(self) -> str:
        """What is asked about."""


RowT = TypeVar("RowT", bound=AsksOfContext)


class ContextTask(PlainTask, ABC, Generic[RowT]):
    """How such files are opened, and that rows which share a context stay together in a split."""

    @staticmethod
    @abstractmethod
    def open(path: Path, *, labelled: bool) -> Form[RowT]:
        """Find out the form of a file."""

    @classmethod
    def table(cls, path: Path, settings: TableSettings, *, labelled: bool) -> Table[RowT]:
        """See `FinetuneTask`."""
        del settings  # columns have well-known names
        return Table(path, cls.open(path, labelled=labelled))

    @staticmethod
    @abstractmethod
    def hear(stream: BinaryIO, path: Path) -> Form[RowT]:
        """Find out the form of a stream without labels; `path` is its name in errors."""

    @classmethod
    def listen(cls, stream: BinaryIO, settings: TableSettings) -> Table[RowT]:
        """See `FinetuneTask`."""
        del settings
        return Table(_STREAM, cls.hear(stream, _STREAM))

    @staticmethod
    def groups(rows: Rows[RowT]) -> Sequence[object]:
        """Rows to one context."""
        return [row.context for row in rows]

    @staticmethod
    def check_training(rows: Rows[RowT]) -> None:
        """There is always something to learn."""

    def check(self, rows: Rows[RowT], source: str) -> None:
        """What is right is a part of its own row: there is nothing to know."""
