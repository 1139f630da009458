"""Columns of a table beyond texts and labels: what each row has in them, by which a test set is cut into parts.

Read apart from the rows, which know nothing of them, and brought together by the lines of the file.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bertwright.errors import UsageError
from bertwright.text.complaints import all_shown, did_you_mean, place, shown
from bertwright.text.tables.columns import Named
from bertwright.text.tables.records import Record, Source
from bertwright.text.tables.texts import NoTableError, open_source

UNKNOWN = ""
"""What a row has where nothing stands, or where it cannot be told which record of a line the row is."""
_LONGEST = 200  # characters of a value


@dataclass(frozen=True, slots=True)
class ExtraColumns:
    """Some columns of a file that has them."""

    source: Source
    names: tuple[str, ...]

    @classmethod
    def open(
        cls, path: Path, names: Sequence[str], *, columns: Sequence[str] | None, named: Named, quoting: bool | None
    ) -> "ExtraColumns":
        """See that the file has the columns.

        Args:
            path: The file.
            names: The columns.
            columns: Names of all columns, where the file has no header.
            named: The columns of the rows themselves.
            quoting: As `open_table` has it.

        Raises:
            UsageError: It has not, or is no table, or its columns cannot be told.
        """
        found = Named(named.text, named.pair, (*named.labels, *names))
        try:
            source = open_source(path, columns, found, has_labels=True, quoting=quoting)
        except NoTableError as error:
            raise UsageError(f"{place(path)}: --slice-columns is for tables, and it has no columns") from error
        for name in names:
            if name not in source.columns:
                listed = f"; the columns are {all_shown(source.columns)}" if source.columns else "; it has no columns"
                hint = did_you_mean(name, source.columns)
                raise UsageError(f"{place(path)}: no column {shown(name)} (--slice-columns){listed}{hint}")
        return cls(source, tuple(dict.fromkeys(names)))

    def of(self, lines: NDArray[np.int64]) -> dict[str, list[str]]:
        """The value of each row in each column.

        Args:
            lines: The line on which each row begins, in the order of the file.
        """
        numbers: dict[tuple[str, ...], int] = {(UNKNOWN,) * len(self.names): 0}
        found = [
            (record.line, numbers.setdefault(self._values(record), len(numbers)))
            for record in self.source.records(self.names)
        ]
        where, value = np.array(found, dtype=np.int64).T
        first, after = (np.searchsorted(where, lines, side) for side in ("left", "right"))
        start, stop = (np.searchsorted(lines, lines, side) for side in ("left", "right"))
        alone, paired = after - first == 1, after - first == stop - start
        at = np.where(alone, first, first + np.arange(len(lines)) - start)
        chosen = np.where(alone | paired, value[np.minimum(at, len(value) - 1)], 0)
        known = list(numbers)
        return {name: [known[number][place] for number in chosen.tolist()] for place, name in enumerate(self.names)}

    def _values(self, record: Record) -> tuple[str, ...]:
        return tuple(map(_text, record.values)) or (UNKNOWN,) * len(self.names)


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):  # as a float column often spells null
        return UNKNOWN
    is_json = isinstance(value, bool | list | dict)
    text = json.dumps(value, default=str, ensure_ascii=False) if is_json else str(value)  # such as a date
    return text.strip()[:_LONGEST]
