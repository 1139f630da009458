"""Two labels: what follows from each threshold, as ROC and precision-recall curves."""

from bertwright.evaluation.html import Html, tag, together
from bertwright.evaluation.report.numbers import shown
from bertwright.evaluation.report.parts import CHART, charts
from bertwright.evaluation.report.record import RunRecord
from bertwright.evaluation.report.words import Words
from bertwright.evaluation.svg import Chart, Curve, Point

_ENDS = (0.0, 1.0)


def ranking(record: RunRecord, words: Words) -> Html | None:
    """The curves and the areas under them."""
    curve = record.details.get("threshold_curve")
    if not curve:
        return None
    by_recall = [(point["recall"], point["precision"]) for point in curve]
    roc = [(0.0, 0.0), *((point["false_positive_rate"], point["recall"]) for point in curve), (1.0, 1.0)]
    upwards = sorted(curve, key=lambda point: point["threshold"])
    drawn = [
        _chart("ROC", words("false_positive_rate"), words("recall"), Curve("ROC", roc), words("chance")),
        _chart(words("precision_recall"), words("recall"), words("precision"), Curve("PR", by_recall)),
        _chart(
            words("by_threshold"),
            words("threshold"),
            words("share"),
            Curve(words("precision"), _points(upwards, "precision")),
            second=Curve(words("recall"), _points(upwards, "recall"), 1),
        ),
    ]
    areas = {name: shown(record.figures[name]) for name in ("roc_auc", "average_precision") if name in record.figures}
    named = words("areas", **areas) if len(areas) == 2 else ""
    return together(tag("p", named) if named else None, charts(drawn))


def _points(curve: list[dict[str, float]], figure: str) -> list[Point]:
    return [(point["threshold"], point[figure]) for point in curve]


def _chart(title: str, x: str, y: str, curve: Curve, diagonal: str = "", *, second: Curve | None = None) -> Chart:
    curves = [curve] if second is None else [curve, second]
    return Chart(title, x, y, curves=curves, diagonal=diagonal, x_ends=_ENDS, y_ends=_ENDS, size=CHART)
