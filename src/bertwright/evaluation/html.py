"""HTML and SVG as nested calls: whatever is not made here is text, and comes out escaped.

`tag("p", "a < b", class_="soft")` is `<p class="soft">a &lt; b</p>`. Knows nothing of what a page shows.
"""

import re
from collections.abc import Iterable
from html import escape
from typing import TypeAlias
from unicodedata import category

_VOID = frozenset({"br", "meta", "wbr"})
_BREAK = re.compile(r"\r\n|\r|\n")
_JOINERS = frozenset("\u200c\u200d")  # without them words of some scripts, and some emoji, fall apart


class Html(str):
    """Markup. Whatever a `str` can do gives a plain `str` again, which would be escaped: nothing slips through."""

    __slots__ = ()


Content: TypeAlias = "str | int | Iterable[Content] | None"
"""What stands in an element: markup, text, nothing, or several of these."""


def tag(name: str, *content: Content, **attributes: str | float | bool | None) -> Html:
    """An element.

    Args:
        name: As in HTML.
        content: What it holds.
        attributes: By name; `class_` is `class`, `aria_label` is `aria-label`. True is a bare one, None and False none.
    """
    given = "".join(_attribute(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    return Html(f"<{name}{given}>" if name in _VOID else f"<{name}{given}>{together(*content)}</{name}>")


def together(*content: Content) -> Html:
    """Several things, one after the other."""
    return Html("".join(map(_markup, content)))


def plain(text: str) -> str:
    """Any text as plain text of a page: no markup, no control characters, no change of direction."""
    return escape("".join(map(_visible, text)))


def lines(text: str) -> Html:
    """A text whose line breaks are seen."""
    first, *rest = _BREAK.split(text)
    return together(first, *((tag("br"), line) for line in rest))


def _markup(content: Content) -> str:
    if content is None:
        return ""
    if isinstance(content, Html):
        return content
    if isinstance(content, str | int):
        return plain(str(content))
    return "".join(map(_markup, content))


def _attribute(name: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{plain(str(value))}"'


def _visible(sign: str) -> str:
    """A character as it is, or its name in ASCII where it would be a blank, a command or a change of direction."""
    if sign.isprintable() or sign in _JOINERS or category(sign) == "Zs":
        return sign
    return ascii(sign)[1:-1]
