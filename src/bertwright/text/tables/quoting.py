"""Whether a tab-separated file quotes its cells as CSV does, or has `"` as a plain character, as GLUE's files do.

Neither the name nor the first rows of a file tell; the whole of it does. Knows nothing of columns.
"""

import re
from collections.abc import Iterable, Iterator

_QUOTED = r'"(?:[^"]++|"")*+"'
_QUOTED_CELL = re.compile(_QUOTED)
_CELL = rf'(?:{_QUOTED}|[^"\t\r\n]*+)'
_RECORD = re.compile(rf"{_CELL}(?:\t{_CELL})*+\r?\n?")
_REASON_TO_QUOTE = re.compile(r'[,\t\r\n]|""')  # the comma is Excel's: it quotes such cells among tabs, too
_LONGEST_RECORD = 1_000_000


def uses_quotes(lines: Iterable[str]) -> bool:
    """Read all `lines` (with endings) of a tab-separated file: do quotes enclose cells?

    They do when every `"` belongs to a well-formed quoted cell, and either some cell needs its quotes or every row
    has some. One `"` elsewhere (a sentence that begins with a quotation and goes on after it) and they do not.
    """
    rows = rows_with_quotes = 0
    reason_seen = False
    for record in _records(lines):
        rows += not record.isspace()
        if '"' not in record:
            continue
        if not _RECORD.fullmatch(record):
            return False
        rows_with_quotes += 1
        reason_seen = reason_seen or any(map(_needs_quotes, _QUOTED_CELL.findall(record)))
    return rows_with_quotes > 0 and (reason_seen or rows_with_quotes == rows)


def _records(lines: Iterable[str]) -> Iterator[str]:
    """Join lines while a quote is open; one that nothing closes comes out as a record that is not well-formed."""
    parts: list[str] = []
    length = 0
    is_open = False
    for line in lines:
        parts.append(line)
        length += len(line)
        is_open ^= line.count('"') % 2 == 1
        if not is_open or length > _LONGEST_RECORD:
            yield "".join(parts)
            parts.clear()
            length = 0
            is_open = False
    if parts:
        yield "".join(parts)


def _needs_quotes(cell: str) -> bool:
    return _REASON_TO_QUOTE.search(cell, 1, len(cell) - 1) is not None
