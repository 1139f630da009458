"""Figures of a model as text for a terminal: overall, by label, the confusion matrix, and beside another model."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from bertwright.evaluation.comparison import Difference
from bertwright.evaluation.uncertainty import Interval
from bertwright.tasks.figures import OF_POSITIVE, is_count

_WIDEST_MATRIX = 12
_CORNER = "true \\ predicted"
_NONE: Mapping[str, Interval] = MappingProxyType({})


def figures(metrics: Mapping[str, float], intervals: Mapping[str, Interval], positive: str | None = None) -> list[str]:
    """`accuracy 0.8841 [0.869, 0.899]`, `f1 0.8 of 'positive'`, and so on."""
    return [
        f"{name} {value:.{0 if is_count(name) else 4}f}"
        + (" [{:.3f}, {:.3f}]".format(*intervals[name]) if name in intervals else "")
        + (f" of {positive!r}" if positive is not None and name in OF_POSITIVE else "")
        for name, value in metrics.items()
    ]


def text_report(
    metrics: Mapping[str, float],
    details: Mapping[str, Any],
    intervals: Mapping[str, Interval] = _NONE,
    positive: str | None = None,
) -> str:
    """A few aligned lines, with the positive label's name where there is one.

    The confusion matrix is left out beyond `_WIDEST_MATRIX` labels.
    """
    lines = ["\n".join(figures(metrics, intervals, positive))]
    if intervals:
        lines.append("(in brackets: 95 % intervals, bootstrap over the rows)")
    if "per_class" not in details:
        return "\n".join(lines)
    labels = [_printable(label) for label in details["per_class"]]
    width = max(len(label) for label in [*labels, "label"])
    lines += ["", f"{'label':<{width}}  precision  recall      f1  support"]
    lines += [
        f"{label:<{width}}  {row['precision']:9.4f}  {row['recall']:6.4f}  {row['f1']:6.4f}  {row['support']:7d}"
        for label, row in zip(labels, details["per_class"].values(), strict=True)
    ]
    if "confusion_matrix" in details and len(labels) <= _WIDEST_MATRIX:
        lines += ["", *_matrix(labels, details["confusion_matrix"])]
    return "\n".join(lines)


def comparison_report(other: str, against: Mapping[str, Difference]) -> str:
    """A line for each figure: the other model's, how far this one's is above it, and what that is worth."""
    width = max(map(len, against), default=0)
    return "\n".join(
        [
            f"against {_printable(other)}: its figure, the difference to it with a 95 % interval, and p",
            *(
                f"{name:<{width}}  {found.other:.4f}  {found.difference:+.4f} "
                f"[{found.interval[0]:+.3f}, {found.interval[1]:+.3f}]  p {found.p:.4f} ({found.test})"
                for name, found in against.items()
            ),
        ]
    )


def _printable(label: str) -> str:
    return repr(label)[1:-1]  # a label may hold a line break, or what drives a terminal


def _matrix(labels: list[str], counts: list[list[int]]) -> list[str]:
    widths = [max(len(label), *(len(str(row[place])) for row in counts)) for place, label in enumerate(labels)]
    side = max(len(label) for label in [*labels, _CORNER])
    head = "  ".join(f"{label:>{width}}" for label, width in zip(labels, widths, strict=True))
    rows = (
        f"{label:<{side}}  " + "  ".join(f"{count:>{width}}" for count, width in zip(row, widths, strict=True))
        for label, row in zip(labels, counts, strict=True)
    )
    return [f"{_CORNER:<{side}}  {head}", *rows]
