"""Plain charts as SVG: curves, bars or dots on axes with units, lines for reference; light and dark by CSS alone.

Knows no file and no metric.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from unicodedata import east_asian_width

from bertwright.evaluation.html import Html, tag, together

WIDTH, HEIGHT = 640, 280
LEFT, RIGHT, TOP, BOTTOM = 68, 16, 52, 46  # margins around the plot
_TICK_WIDTH, _TICK_HEIGHT = 64, 24  # pixels that a tick needs
_FEW = 40  # points of a curve that are marked one by one

STYLE = """
.chart { --ink: #1b1f24; --paper: #ffffff; --line: #d8dee4; --c0: #0969da; --c1: #bc4c00;
  --reference: #6e7781; font: 13px system-ui, sans-serif; }
@media (prefers-color-scheme: dark) {
  .chart { --ink: #e6edf3; --paper: #0d1117; --line: #30363d; --c0: #58a6ff; --c1: #f0883e;
    --reference: #9198a1; }
}
.chart text { fill: var(--ink); } .chart .title { font-weight: 600; font-size: 15px; }
.chart .paper { fill: var(--paper); } .chart .grid { stroke: var(--line); stroke-width: 1; }
.chart .curve { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.chart .c0 { stroke: var(--c0); } .chart .c1 { stroke: var(--c1); }
.chart .mark { stroke-width: 2; fill: var(--paper); } .chart .dot { fill: var(--c0); fill-opacity: .35; }
.chart .bar { fill: var(--c0); } .chart .reference { stroke: var(--reference); stroke-width: 2; stroke-dasharray: 6 4; }
.chart .middle { text-anchor: middle; } .chart .end { text-anchor: end; }
"""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Curve:
    """Points in the order of x, their name for the legend, and the number of their colour."""

    name: str
    points: Sequence[Point]
    color: int = 0


@dataclass(frozen=True, slots=True)
class Bar:
    """How much there is between two values."""

    left: float
    right: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """What one chart shows: curves, bars or dots, with horizontal lines for reference by their names.

    Attributes:
        title, x_label, y_label: For people.
        curves, bars, dots: What is drawn.
        references: Heights of horizontal lines by name.
        diagonal: The name of the line on which y is x; none without.
        x_ends, y_ends: What the axes reach at least; else just what is drawn.
        size: Width and height in pixels.
        x_names: Names of places on the x axis, instead of round numbers.
    """

    title: str
    x_label: str
    y_label: str
    curves: Sequence[Curve] = ()
    bars: Sequence[Bar] = ()
    references: Mapping[str, float] = field(default_factory=dict)
    dots: Sequence[Point] = ()
    diagonal: str = ""
    x_ends: tuple[float, ...] = ()
    y_ends: tuple[float, ...] = ()
    size: tuple[int, int] = (WIDTH, HEIGHT)
    x_names: Mapping[float, str] = field(default_factory=dict)


def document(charts: Sequence[Chart]) -> str:
    """A file with charts, one below the other."""
    bodies = [tag("g", _body(chart), transform=f"translate(0 {HEIGHT * n})") for n, chart in enumerate(charts)]
    style = Html(f"<style>{STYLE}</style>\n")
    box = f"0 0 {WIDTH} {HEIGHT * len(charts)}"
    return tag("svg", style, bodies, xmlns="http://www.w3.org/2000/svg", class_="chart", viewBox=box, role="img") + "\n"


def inline(chart: Chart) -> Html:
    """A chart as part of a page that has `STYLE`."""
    return tag("svg", _body(chart), class_="chart", viewBox="0 0 {} {}".format(*chart.size), role="img")


@dataclass(frozen=True, slots=True)
class _Axis:
    """Values from `low` to `high` onto pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 2)

    def ticks(self, pixels: int) -> list[float]:
        """Round values between the ends, at least so many pixels apart."""
        rough = (self.high - self.low) / max(abs(self.end - self.start) // pixels, 1)
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def _body(chart: Chart) -> Html:
    x, y = _axes(chart)
    width, height = chart.size
    middle, half = (LEFT + width - RIGHT) / 2, height / 2
    ends = (x.start, x.end)
    return together(
        tag("title", chart.title),
        tag("rect", class_="paper", width=width, height=height),
        _grid(x, y, chart.x_names),
        [_bar(bar, x, y) for bar in chart.bars],
        [tag("circle", class_="dot", cx=x.at(across), cy=y.at(up), r=3) for across, up in chart.dots],
        [_curve(curve, x, y) for curve in chart.curves],
        [_line("reference", ends[0], y.at(value), ends[1], y.at(value)) for value in chart.references.values()],
        _diagonal(x, y) if chart.diagonal else None,
        _text(LEFT, 20, chart.title, "title"),
        _legend(chart),
        _text(middle, height - 8, chart.x_label, "middle"),
        tag("g", _text(16, half, chart.y_label, "middle"), transform=f"rotate(-90 16 {half})"),
    )


def _axes(chart: Chart) -> tuple[_Axis, _Axis]:
    """Axes that hold all that is drawn."""
    points = [*(point for curve in chart.curves for point in curve.points), *chart.dots]
    xs = [x for x, _ in points] + [edge for bar in chart.bars for edge in (bar.left, bar.right)]
    ys = [y for _, y in points] + [bar.height for bar in chart.bars] + list(chart.references.values())
    if chart.bars:
        ys.append(0.0)
    low, high = _widened(min([*ys, *chart.y_ends]), max([*ys, *chart.y_ends]))
    margin = 0.0 if chart.y_ends else 0.05 * (high - low)
    bottom = 0.0 if low == 0 else low - margin
    width, height = chart.size
    return (
        _Axis(*_widened(min([*xs, *chart.x_ends]), max([*xs, *chart.x_ends])), LEFT, width - RIGHT),
        _Axis(bottom, high + margin, height - BOTTOM, TOP),
    )


def _widened(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low, low + (abs(low) or 1.0))


def _grid(x: _Axis, y: _Axis, names: Mapping[float, str]) -> Iterable[Html]:
    for value in y.ticks(_TICK_HEIGHT):
        yield _line("grid", x.start, y.at(value), x.end, y.at(value))
        yield _text(LEFT - 8, y.at(value) + 4, _number(value), "end")
    for value, name in (names or {value: _number(value) for value in x.ticks(_TICK_WIDTH)}).items():
        yield _line("grid", x.at(value), y.end, x.at(value), y.start)
        yield _text(x.at(value), y.start + 18, name, "middle")


def _legend(chart: Chart) -> Iterable[Html]:
    names = [(curve.name, f"curve c{curve.color}") for curve in chart.curves]
    dashed = [*chart.references, *([chart.diagonal] if chart.diagonal else [])]
    at = LEFT
    for name, kind in [*names, *((name, "reference") for name in dashed)]:
        yield _line(kind, at, 38, at + 22, 38)
        yield _text(at + 28, 42, name, "name")
        at += 52 + sum(13 if east_asian_width(sign) in "WF" else 7 for sign in name)


def _curve(curve: Curve, x: _Axis, y: _Axis) -> Html:
    places = [(x.at(place), y.at(value)) for place, value in curve.points]
    drawn = places * 2 if len(places) == 1 else places  # twice, it is a dot
    line = tag("polyline", class_=f"curve c{curve.color}", points=" ".join(f"{across},{up}" for across, up in drawn))
    marked = places if len(places) <= _FEW and curve.color else ()
    return together(line, [tag("circle", class_=f"mark c{curve.color}", cx=cx, cy=cy, r=3) for cx, cy in marked])


def _diagonal(x: _Axis, y: _Axis) -> Html:
    low, high = max(x.low, y.low), min(x.high, y.high)
    return _line("reference", x.at(low), y.at(low), x.at(high), y.at(high))


def _bar(bar: Bar, x: _Axis, y: _Axis) -> Html:
    left, top = x.at(bar.left), y.at(bar.height)
    width, height = max(x.at(bar.right) - left - 1, 1), y.at(0.0) - top
    return tag("rect", class_="bar", x=left, y=top, width=f"{width:.2f}", height=f"{height:.2f}")


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Html:
    return tag("line", class_=kind, x1=x1, y1=y1, x2=x2, y2=y2)


def _text(x: float, y: float, text: str, kind: str) -> Html:
    return tag("text", text, class_=kind, x=x, y=y)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{round(value, 12):g}"
