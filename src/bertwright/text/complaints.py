"""How a file, a line and a user's own text are shown in an error: escaped, cut, on one line.

File names and cells can hold control characters, line breaks or a megabyte of text; a terminal must survive them.
Knows nothing of formats, and raises nothing.
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from unicodedata import category

LONGEST_SHOWN = 60
MOST_SHOWN = 30
_INSIDE = re.compile("(?<=[^-_])[-_]+(?=[^-_])")


def shown(text: str) -> str:
    """Return `text` in quotes, with what is not printable escaped, cut at 60 characters."""
    return repr(text) if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]!r}…"


def counted(number: int, name: str) -> str:
    """Return `1 column`, `3 columns`."""
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


def counted_are(number: int, name: str) -> str:
    """Return `1 column is`, `3 columns are`."""
    return f"{counted(number, name)} {agreeing(number, 'is', 'are')}"


def agreeing(number: int, one: str, several: str) -> str:
    """Return the verb that goes with a number: `1 row is`, `3 rows are`."""
    return one if number == 1 else several


def all_shown(texts: Iterable[str]) -> str:
    """Return the texts with commas between them, cut at 30."""
    listed = list(texts)
    ending = f", … ({len(listed)} in all)" if len(listed) > MOST_SHOWN else ""
    return ", ".join(map(shown, listed[:MOST_SHOWN])) + ending


def printable(text: str) -> str:
    """Return `text` as it is, but for what is not printable: escaped, it cannot drive a terminal or hide in a page."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def place(path: Path, line: int | None = None) -> str:
    """Return `file:line`, or the file alone; a name with control characters is escaped."""
    name = str(path) if str(path).isprintable() else repr(str(path))
    return name if line is None else f"{name}:{line}"


def one_line(error: Exception) -> str:
    """Return the text of another library's error on one line, escaped when it holds bytes of the file."""
    text = " ".join(str(error).split())
    return text if text.isprintable() else repr(text)


def bare(label: str) -> str:
    """Return what is left of a label without case, blanks, and hyphens and underscores inside; of a number, its value.

    At an end they mean something: `A-` is another grade than `A`. Signs without width, as U+200B, are never seen.
    """
    seen = "".join(sign for sign in label if category(sign) != "Cf")
    try:
        return str(float(seen))  # -1 is not 1, either
    except ValueError:
        return _INSIDE.sub("", "".join(seen.casefold().split()))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'label'?`, or nothing when no known name is close; case does not count."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    close = get_close_matches(name.casefold(), by_folded, n=1)
    return f"; did you mean {shown(by_folded[close[0]])}?" if close else ""
