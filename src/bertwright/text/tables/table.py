"""A file's rows, whatever their form: read lazily, in bounded memory, counted, and none dropped in silence.

A pass over unusable rows ends in an error that names them, or, where the user asked for that, they are skipped,
counted and written to a quarantine file. What a row is, and how it stands in the file, only its form knows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from bertwright.errors import DataError, UsageError
from bertwright.text.complaints import place
from bertwright.text.tables.bad_rows import STRICT, BadRow, BadRowPolicy, BadRows

RowT = TypeVar("RowT")
OtherT = TypeVar("OtherT")
RowT_co = TypeVar("RowT_co", covariant=True)


class Form(Protocol[RowT_co]):
    """A file whose form is known."""

    @property
    def form(self) -> str:
        """The form in a few words, for the user."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should look at although the file can be read."""

    def rows(self) -> Iterator[RowT_co | BadRow]:
        """Yield every row in the order of the file, from its beginning."""


@dataclass(frozen=True, slots=True)
class ReadCounts:
    """What became of the rows of one whole pass; `read` is `kept + skipped`."""

    read: int = 0
    kept: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class _Over(Generic[RowT, OtherT]):
    """A form whose rows are made of those of another one."""

    inner: Form[RowT]
    make: Callable[[RowT], OtherT]

    @property
    def form(self) -> str:
        return self.inner.form

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.inner.warnings

    def rows(self) -> Iterator[OtherT | BadRow]:
        return (row if isinstance(row, BadRow) else self.make(row) for row in self.inner.rows())


class Table(Generic[RowT]):
    """A file of rows.

    Attributes:
        path: The file, as errors name it.
        policy: What becomes of its unusable rows.
        counts: The counts of the last whole pass.
        bad_rows: The first few unusable rows of that pass.

    Raises:
        UsageError: The unusable rows would be written over the file itself.
    """

    def __init__(self, path: Path, form: Form[RowT], policy: BadRowPolicy = STRICT) -> None:
        if policy.quarantine and policy.quarantine.resolve() == path.resolve():
            raise UsageError(f"{place(path)}: the quarantine file cannot be the table itself; choose another name")
        self.path, self.policy = path, policy
        self.counts = ReadCounts()
        self.bad_rows: tuple[BadRow, ...] = ()
        self._form = form
        self._known_at_once = form.warnings

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should look at although the file can be read; some forms know all of it after a whole pass."""
        return self._form.warnings

    @property
    def late_warnings(self) -> tuple[str, ...]:
        """Those that only a whole pass brought to light."""
        return tuple(warning for warning in self._form.warnings if warning not in self._known_at_once)

    def describe(self) -> str:
        """Return one line for the user: the format, and what is read as what."""
        return f"{place(self.path)}: {self._form.form}"

    def over(self, make: Callable[[RowT], OtherT]) -> "Table[OtherT]":
        """The same file, with other rows made of these."""
        return Table(self.path, _Over(self._form, make), self.policy)

    def under(self, policy: BadRowPolicy) -> "Table[RowT]":
        """The same file and rows, under another policy.

        Raises:
            UsageError: The unusable rows would be written over the file itself.
        """
        return Table(self.path, self._form, policy)

    def rows(self) -> Iterator[RowT | BadRow]:
        """Yield every row as it comes, the unusable ones too; nothing is counted."""
        return self._form.rows()

    def read(self) -> Iterator[RowT]:
        """Yield the usable rows in the order of the file; each call begins anew.

        Raises:
            DataError: After the last row: there were unusable ones and they are not to be skipped, or none is
                usable. At once: the file is damaged or not UTF-8.
        """
        read = 0
        with BadRows(self.path, self.policy.quarantine) as bad:
            for row in self.rows():
                read += 1
                if isinstance(row, BadRow):
                    bad.add(row)
                else:
                    yield row
        self.counts = ReadCounts(read, read - bad.count, bad.count)
        self.bad_rows = tuple(bad.first)
        self._check(bad)

    def _check(self, bad: BadRows) -> None:
        read, kept = self.counts.read, self.counts.kept
        if not read:
            raise DataError(f"{place(self.path)}: there are no rows in it")
        unusable = f"{place(self.path)}: {bad.count} of {read} rows cannot be used: {bad.summary()}"
        if not kept:
            raise DataError(f"{unusable}; no row is left: are these the right file and the right columns?")
        if bad.count and not self.policy.skip:
            raise DataError(f"{unusable}; correct them, or go on without them: --skip-bad-rows")
