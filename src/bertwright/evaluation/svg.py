"""Plain charts as SVG: curves or bars on axes with units, and lines for reference; light and dark by CSS alone.

Knows no file and no metric.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 280
LEFT, RIGHT, TOP, BOTTOM = 68, 16, 52, 46  # margins around the plot
_TICKS = 8

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
.chart .bar { fill: var(--c0); } .chart .reference { stroke: var(--reference); stroke-width: 2; stroke-dasharray: 6 4; }
.chart .middle { text-anchor: middle; } .chart .end { text-anchor: end; }
"""


@dataclass(frozen=True, slots=True)
class Curve:
    """Points in the order of x, their name for the legend, and the number of their colour."""

    name: str
    points: Sequence[tuple[float, float]]
    color: int = 0


@dataclass(frozen=True, slots=True)
class Bar:
    """How much there is between two values."""

    left: float
    right: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """What one chart shows: curves or bars, with horizontal lines for reference by their names."""

    title: str
    x_label: str
    y_label: str
    curves: Sequence[Curve] = ()
    bars: Sequence[Bar] = ()
    references: Mapping[str, float] = field(default_factory=dict)


def document(charts: Sequence[Chart]) -> str:
    """A file with charts, one below the other."""
    height = HEIGHT * len(charts)
    bodies = (f'<g transform="translate(0 {HEIGHT * n})">{_body(chart)}</g>' for n, chart in enumerate(charts))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {WIDTH} {height}" role="img">\n'
        f"<style>{STYLE}</style>\n" + "\n".join(bodies) + "\n</svg>\n"
    )


def inline(chart: Chart) -> str:
    """A chart as part of a page that has `STYLE`."""
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{_body(chart)}</svg>'


@dataclass(frozen=True, slots=True)
class _Axis:
    """Values from `low` to `high` onto pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 2)

    def ticks(self) -> list[float]:
        """Round values between the ends."""
        rough = (self.high - self.low) / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [number * step for number in range(first, last + 1)]


def _body(chart: Chart) -> str:
    x, y = _axes(chart)
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts = [
        f"<title>{escape(chart.title)}</title>",
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
        *_grid(x, y),
        *(_bar(bar, x, y) for bar in chart.bars),
        *(_curve(curve, x, y) for curve in chart.curves),
        *(_line("reference", LEFT, y.at(value), WIDTH - RIGHT, y.at(value)) for value in chart.references.values()),
        _text(LEFT, 20, chart.title, "title"),
        *_legend(chart),
        _text(middle, HEIGHT - 8, chart.x_label, "middle"),
        f'<g transform="rotate(-90 16 {HEIGHT / 2})">{_text(16, HEIGHT / 2, chart.y_label, "middle")}</g>',
    ]
    return "\n".join(parts)


def _axes(chart: Chart) -> tuple[_Axis, _Axis]:
    """Axes that hold all that is drawn."""
    points = [point for curve in chart.curves for point in curve.points]
    xs = [x for x, _ in points] + [edge for bar in chart.bars for edge in (bar.left, bar.right)]
    ys = [y for _, y in points] + [bar.height for bar in chart.bars] + list(chart.references.values())
    if chart.bars:
        ys.append(0.0)
    low, high = _widened(min(ys), max(ys))
    margin = 0.05 * (high - low)
    bottom = 0.0 if low == 0 else low - margin
    return (
        _Axis(*_widened(min(xs), max(xs)), LEFT, WIDTH - RIGHT),
        _Axis(bottom, high + margin, HEIGHT - BOTTOM, TOP),
    )


def _widened(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low, low + (abs(low) or 1.0))


def _grid(x: _Axis, y: _Axis) -> Iterable[str]:
    for value in y.ticks():
        yield _line("grid", LEFT, y.at(value), WIDTH - RIGHT, y.at(value))
        yield _text(LEFT - 8, y.at(value) + 4, _number(value), "end")
    for value in x.ticks():
        yield _line("grid", x.at(value), TOP, x.at(value), HEIGHT - BOTTOM)
        yield _text(x.at(value), HEIGHT - BOTTOM + 18, _number(value), "middle")


def _legend(chart: Chart) -> Iterable[str]:
    names = [(curve.name, f"curve c{curve.color}") for curve in chart.curves]
    at = LEFT
    for name, kind in [*names, *((name, "reference") for name in chart.references)]:
        yield _line(kind, at, 38, at + 22, 38)
        yield _text(at + 28, 42, name, "name")
        at += 52 + 7 * len(name)


def _curve(curve: Curve, x: _Axis, y: _Axis) -> str:
    points = [f"{x.at(place)},{y.at(value)}" for place, value in curve.points]
    if len(points) == 1:  # twice, it is a dot
        points *= 2
    return f'<polyline class="curve c{curve.color}" points="{" ".join(points)}"/>'


def _bar(bar: Bar, x: _Axis, y: _Axis) -> str:
    left, top = x.at(bar.left), y.at(bar.height)
    width, height = max(x.at(bar.right) - left - 1, 1), y.at(0.0) - top
    return f'<rect class="bar" x="{left}" y="{top}" width="{width:.2f}" height="{height:.2f}"/>'


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{round(value, 12):g}"
