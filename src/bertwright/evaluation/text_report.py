"""Figures of a model as text for a terminal: overall, by label, and the confusion matrix, as far as there are any."""

from collections.abc import Mapping
from typing import Any

_WIDEST_MATRIX = 12
_CORNER = "true \\ predicted"


def text_report(metrics: Mapping[str, float], details: Mapping[str, Any]) -> str:
    """A few aligned lines; the confusion matrix is left out beyond `_WIDEST_MATRIX` labels."""
    lines = ["  ".join(f"{name} {value:.4f}" for name, value in metrics.items())]
    if "per_class" not in details:
        return lines[0]
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
