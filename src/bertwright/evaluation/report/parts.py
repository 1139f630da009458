"""What many sections are built of: tables, facts, charts, a figure's place between its ends. Knows no run."""

from collections.abc import Iterable, Sequence

from bertwright.evaluation.html import Content, Html, lines, tag
from bertwright.evaluation.svg import Chart, inline
from bertwright.evaluation.uncertainty import Interval

CHART = (360, 240)
"""Width and height of a chart in pixels: as wide as a telephone."""
_LONGEST_NAME = 80
_ROOM, _MIDDLE = 120, 8  # of a whisker


def table(
    caption: str, head: Sequence[Content], rows: Iterable[Iterable[Content]], *, numbers: Iterable[int] = ()
) -> Html:
    """A table that scrolls by itself where it is too wide.

    Args:
        caption: What it shows, for who does not see it.
        head: The names of the columns.
        rows: Their cells; the first of each row names it.
        numbers: Columns that hold figures, counted from 0.
    """
    aligned = ["n" if place in set(numbers) else None for place in range(len(head))]
    top = [tag("th", cell, scope="col", class_=kind) for cell, kind in zip(head, aligned, strict=True)]
    body = [
        tag(
            "tr",
            tag("th", first, scope="row"),
            [tag("td", cell, class_=kind) for cell, kind in zip(rest, aligned[1:], strict=True)],
        )
        for first, *rest in rows
    ]
    parts = (tag("caption", caption), tag("thead", tag("tr", top)), tag("tbody", body))
    return scrolling(caption, tag("table", parts))


def scrolling(what: str, *content: Content) -> Html:
    """What may be wider than the page; it can be scrolled by keys, too."""
    return tag("div", content, class_="scroll", tabindex="0", role="region", aria_label=what)


def facts(pairs: Iterable[tuple[Content, Content]]) -> Html:
    """Names and what they are."""
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs], class_="facts")


def charts(drawn: Iterable[Chart]) -> Html:
    """Charts beside each other where there is room."""
    return tag("div", [tag("figure", inline(chart)) for chart in drawn], class_="charts")


def more(summary: str, *content: Content) -> Html:
    """What is shown when it is asked for."""
    return tag("details", tag("summary", summary), content)


def note(text: str) -> Html:
    """A remark."""
    return tag("p", text, class_="soft")


def own(text: object, most: int = _LONGEST_NAME) -> Html:
    """A word of the user's, such as a label or a file name: in its own direction, cut where it is very long."""
    whole = str(text)
    cut = whole if len(whole) <= most else whole[: most - 1] + "…"
    return tag("bdi", cut, title=whole[:1000] if cut != whole else None)


def prose(text: str) -> Html:
    """A text of the user's with its line breaks, in its own direction."""
    return tag("p", lines(text), class_="text", dir="auto")


def figure_name(name: str) -> Html:
    """The name of a figure, which may be broken behind a `_` alone."""
    first, *rest = name.split("_")
    return tag("bdi", first, (("_", tag("wbr"), part) for part in rest), class_="figure")


def badge(text: str, kind: str) -> Html:
    """A word or two that stand out."""
    return tag("span", text, class_=f"badge {kind}")


def whisker(
    value: float, ends: tuple[float, float], interval: Interval | None = None, reference: float | None = None
) -> Html:
    """Where a figure stands between its ends, with its interval; `reference` is a line to compare with."""
    low, high = ends

    def at(figure: float) -> float:
        return round(4 + min(max((figure - low) / (high - low), 0.0), 1.0) * (_ROOM - 8), 1)

    drawn: list[Html] = [tag("line", class_="axis", x1=4, x2=_ROOM - 4, y1=_MIDDLE, y2=_MIDDLE)]
    if reference is not None:
        drawn.append(tag("line", class_="mean", x1=at(reference), x2=at(reference), y1=1, y2=15))
    if interval is not None:
        drawn.append(tag("line", class_="spread", x1=at(interval[0]), x2=at(interval[1]), y1=_MIDDLE, y2=_MIDDLE))
    drawn.append(tag("circle", class_="value", cx=at(value), cy=_MIDDLE, r=4))
    return tag(
        "svg", drawn, class_="whisker", viewBox=f"0 0 {_ROOM} 16", preserveAspectRatio="xMinYMid", aria_hidden="true"
    )
