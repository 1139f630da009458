"""Numbers: the true ones beside those that the model says, and by how much it is off."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from bertwright.evaluation.html import Html, together
from bertwright.evaluation.report.parts import CHART, charts, note
from bertwright.evaluation.report.record import RunRecord
from bertwright.evaluation.report.words import Words
from bertwright.evaluation.svg import Bar, Chart, Point

_MOST, _BARS = 1_000, 24


def scatter(record: RunRecord, words: Words) -> Html | None:
    """True and estimated numbers, and how the differences are spread; of very many rows some, evenly."""
    if record.task != "regression":
        return None
    points, rows = _thinned((line["true_score"], line["score"]) for line in record.predictions())
    if not points:
        return None
    ends = (min(map(min, points)), max(map(max, points)))
    counts, edges = np.histogram([estimated - true for true, estimated in points], bins=_BARS)
    bars = [Bar(*pair, count) for pair, count in zip(pairwise(edges.tolist()), counts.tolist(), strict=True)]
    drawn = [
        Chart(
            words("true_and_estimated"),
            words("true_number"),
            words("estimated"),
            dots=points,
            diagonal=words("equal"),
            x_ends=ends,
            y_ends=ends,
            size=CHART,
        ),
        Chart(words("residuals"), words("estimated_less_true"), words("rows"), bars=bars, size=CHART),
    ]
    left = note(words("rows_drawn", shown=len(points), rows=rows)) if len(points) < rows else None
    return together(charts(drawn), left)


def _thinned(points: Iterable[Point]) -> tuple[list[Point], int]:
    """Each so-many-th point, so that there are enough and never too many, and how many there were."""
    kept: list[Point] = []
    step, rows = 1, 0
    for rows, point in enumerate(points, 1):
        if (rows - 1) % step == 0:
            kept.append(point)
        if len(kept) > _MOST:
            kept, step = kept[::2], step * 2
    return kept, rows
