"""What several verbs do alike: settings from a call, tables from settings, lines for the user."""

import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bertwright.settings import Settings, TableSettings
from bertwright.text.complaints import counted, printable
from bertwright.text.tables.bad_rows import BadRowPolicy
from bertwright.text.tables.columns import Named
from bertwright.text.tables.extra_columns import ExtraColumns
from bertwright.text.tables.table import RowT, Table

if TYPE_CHECKING:
    from bertwright.tasks.finetuning import Limit  # imports torch

_said: ContextVar[set[str] | None] = ContextVar("_said", default=None)

SettingsT = TypeVar("SettingsT", bound=Settings)


def settled(kind: type[SettingsT], settings: SettingsT | None, options: dict[str, object]) -> SettingsT:
    """The settings of a call: an object, or keyword arguments, or an object with some replaced."""
    if settings is None:
        return kind.create(options)
    named = {kind.name_of(key): value for key, value in options.items()}
    return kind.create({**settings.model_dump(), **named}) if named else settings


def say(text: str, *, quiet: bool = False) -> None:
    """One line for the user, on standard error: standard output is for results."""
    if not quiet:  # a label or a file name must not drive the terminal
        sys.stderr.write(printable(text) + "\n")
        sys.stderr.flush()


def warn(text: str) -> None:
    """A line that is worth reading even when quiet."""
    if _is_new(text):
        say(f"warning: {text}")


def say_of_files(text: str, *, quiet: bool = False) -> None:
    """A line that another training on the same files would only repeat: it is given once, as warnings are."""
    if _is_new(text):
        say(text, quiet=quiet)


def _is_new(text: str) -> bool:
    """Whether it was not yet said within `saying_once`."""
    said = _said.get()
    new = said is None or text not in said
    if said is not None:
        said.add(text)
    return new


@contextmanager
def saying_once(before: Collection[str] = ()) -> Iterator[None]:
    """While the block runs no warning is repeated, and nothing of files: for each of several trainings it is the same.

    Args:
        before: Those that were given earlier, as by a process that was stopped.
    """
    known = _said.get()
    known = set() if known is None else known
    known.update(before)
    token = _said.set(known)
    try:
        yield
    finally:
        _said.reset(token)


def warn_of_cuts(name: str, cut: int, rows: int, limit: "Limit") -> None:
    """Tell how many rows had something that was longer than the model reads, if any, and what it lost."""
    if cut:
        warn(f"{name}: {cut} of {rows} {limit.what} {limit.said_of(cut)}")


def show(result: str) -> None:
    """The result, on standard output; characters that it cannot take are escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(result.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def patient(table: Table[RowT], settings: TableSettings, quarantine: Path | None = None) -> Table[RowT]:
    """A table that was opened just now; where the user wants that, its unusable rows are skipped, into `quarantine`.

    Raises:
        UsageError: They would be written over the file itself.
    """
    return table.under(BadRowPolicy(skip=True, quarantine=quarantine)) if settings.skip_bad_rows else table


def quarantine_here(name: str) -> Path:
    """Where the unusable rows of a file go when no folder is written: here, under its name, as others go here, too."""
    return Path(f"{name}.bad_rows.jsonl")


def told(table: Table[RowT], *, quiet: bool = False) -> Table[RowT]:
    """A table that was opened just now; the user is told how it was understood."""
    for warning in table.warnings:
        warn(warning)
    say_of_files(table.describe(), quiet=quiet)
    return table


def extra_columns(settings: TableSettings, names: Sequence[str] | None, path: Path) -> ExtraColumns | None:
    """The columns of a file by which its figures are cut into parts, if any are wanted.

    Raises:
        UsageError: The file has not all of them.
    """
    if not names:
        return None
    labels = settings.label_columns or ((settings.label_column,) if settings.label_column else ())
    named = Named(settings.text_column, settings.text_pair_column, tuple(labels))
    return ExtraColumns.open(path, names, columns=settings.columns, named=named, quoting=settings.quoting)


def say_counts(table: Table[Any], *, quiet: bool = False) -> None:
    """Tell how many rows were read, kept and skipped, once a table was read to its end."""
    for warning in table.late_warnings:
        warn(warning)
    counts = table.counts
    if counts.skipped:
        kept = f"{counts.kept} kept + {counts.skipped} skipped (in {table.policy.quarantine})"
        warn(f"{table.path}: {counts.read} rows read = {kept}")
    else:
        say_of_files(f"{table.path}: {counted(counts.read, 'row')}", quiet=quiet)
