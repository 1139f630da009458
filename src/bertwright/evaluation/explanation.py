"""One batch's life, as text for a terminal: numbered sections from top to bottom, tokens in columns.

What comes from data is made printable; nothing is wider than the terminal. Knows no model and no task.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bertwright.text.complaints import printable

if TYPE_CHECKING:
    from rich.text import Text

MOST_TOKENS = 48  # of one sequence that are shown
_GAP = 2


@dataclass(frozen=True, slots=True)
class Section:
    """A title, and lines of text below it."""

    title: str
    lines: tuple[str, ...]


def described(title: str, sections: Iterable[Section], width: int) -> "Text":
    """All sections as styled text of `width` columns; without styles it says the same."""
    from rich.text import Text

    text = Text(_shortened(title, width), style="")
    text.stylize("bold")
    for number, section in enumerate(sections, 1):
        text.append("\n\n")
        text.append(_shortened(f"{number}. {section.title}", width), style="bold cyan")
        text.append("\n")
        text.append("\n".join(_shortened(f"   {line}", width) for line in section.lines))
    return text


def columns(rows: Mapping[str, Sequence[str]], width: int, left: int | None = None) -> Iterator[str]:
    """Rows of equally many cells, one below the other, wrapped to `width`; cells of one column are aligned.

    Args:
        rows: Cells by the name of their row.
        width: Columns of the terminal that there are.
        left: How many cells more there are that are not given.
    """
    from rich.cells import cell_len, set_cell_size

    cells = [[printable(cell) for cell in row] for row in rows.values()]
    head = max(map(len, rows)) + _GAP
    widths = [max(map(cell_len, column)) + _GAP for column in zip(*cells, strict=True)]
    for block, (start, end) in enumerate(_blocks(widths, width - head)):
        if block:
            yield ""
        for name, row in zip(rows, cells, strict=True):
            line = "".join(set_cell_size(cell, w) for cell, w in zip(row[start:end], widths[start:end], strict=True))
            yield f"{name:<{head}}{line}".rstrip()
    if left:
        yield f"... and {left} more tokens"


def _blocks(widths: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    """From where to where cells of these widths fit into a line."""
    start = used = 0
    for place, width in enumerate(widths):
        if place > start and used + width > room:
            yield start, place
            start, used = place, 0
        used += width
    yield start, len(widths)


def _shortened(line: str, width: int) -> str:
    from rich.text import Text

    text = Text(printable(line))
    text.truncate(width, overflow="ellipsis")
    return text.plain.rstrip()
