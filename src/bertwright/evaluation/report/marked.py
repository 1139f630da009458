"""Texts with parts of them marked: entities, and answers in their context. Knows no run."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bertwright.evaluation.html import Content, Html, lines, tag
from bertwright.evaluation.report.parts import own

_AROUND = 240  # characters that are shown on either side of what is marked
_MOST = 1_600
_WORD = 20  # characters within which a word is hoped to end


@dataclass(frozen=True, slots=True)
class Mark:
    """A part of a text: from `start` up to `stop`, marked as `kind`; `label` stands behind it."""

    start: int
    stop: int
    kind: str
    label: str = ""


def marked(text: str, marks: Sequence[Mark]) -> Html:
    """The text, or the part of a long one around the marks; where several marks overlap, a part has all their kinds."""
    low, high = _excerpt(text, marks)
    inside = [mark for mark in marks if mark.start < high and mark.stop > low and mark.start < mark.stop]
    edges = {min(max(edge, low), high) for mark in inside for edge in (mark.start, mark.stop)}
    pieces = [_piece(text, inside, *pair) for pair in pairwise(sorted({low, high} | edges))]
    return tag("p", "… " if low else "", pieces, " …" if high < len(text) else "", class_="text", dir="auto")


def _piece(text: str, marks: Iterable[Mark], start: int, stop: int) -> Content:
    over = [mark for mark in marks if mark.start <= start and stop <= mark.stop]
    if not over:
        return lines(text[start:stop])
    ending = [tag("small", own(mark.label, 30)) for mark in over if mark.label and mark.stop == stop]
    return tag("mark", lines(text[start:stop]), ending, class_=" ".join(sorted({mark.kind for mark in over})))


def _excerpt(text: str, marks: Sequence[Mark]) -> tuple[int, int]:
    if len(text) <= 2 * _AROUND or not marks:
        return 0, min(len(text), _MOST)
    low = max(min(mark.start for mark in marks) - _AROUND, 0)
    high = min(max(mark.stop for mark in marks) + _AROUND, low + _MOST, len(text))
    blank = text.find(" ", low, low + _WORD) + 1 if low else 0
    return blank or low, high


def joined(parts: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Parts of a text, those that touch as one."""
    found: list[tuple[int, int]] = []
    for start, stop in sorted(parts):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], stop))
        else:
            found.append((start, stop))
    return found


def word_places(text: str, words: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Where in a text its words stand, one after the other; those that a cut text has lost stand at its end."""
    at = 0
    for word in words:
        found = text.find(word, at)
        start, at = (found, found + len(word)) if found >= 0 else (len(text), len(text))
        yield start, at
