"""The curves of a log: well-formed, complete, at the right places, whatever the log holds."""

import json
import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bertwright.errors import BertwrightError
from bertwright.evaluation.curves import CurveDrawer, draw_curves
from bertwright.evaluation.svg import Bar, Chart, Curve, document

SVG = "{http://www.w3.org/2000/svg}"


def line(step: int, **figures: float) -> dict[str, Any]:
    return {"step": step, "loss": 8.0 - step / 100, "learning_rate": step / 1000, "grad_norm": 1.0} | figures


def drawn(folder: Path, lines: list[dict[str, Any]], **references: float) -> list[ElementTree.Element]:
    """The charts that come of a log."""
    log, svg = folder / "log.jsonl", folder / "curves.svg"
    log.write_text("".join(json.dumps(each) + "\n" for each in lines))
    draw_curves(log, svg, references)
    assert "prefers-color-scheme: dark" in svg.read_text()
    return [child for child in ElementTree.parse(svg).getroot() if child.tag == f"{SVG}g"]


def texts(chart: ElementTree.Element, kind: str) -> list[str]:
    return [str(text.text) for text in chart.iter(f"{SVG}text") if text.get("class") == kind]


def points(chart: ElementTree.Element) -> list[list[tuple[float, float]]]:
    return [
        [tuple(map(float, pair.split(","))) for pair in str(curve.get("points")).split()]  # type: ignore[misc]
        for curve in chart.iter(f"{SVG}polyline")
    ]


NSP = [line(step, mlm_loss=7 - step / 200, nsp_loss=0.7) for step in (10, 20, 30, 40)]
HELD_OUT = {"step": 40, "split": "validation", "loss": 7.5, "mlm_loss": 6.9, "nsp_loss": 0.6, "nsp_accuracy": 0.75}


def test_losses_accuracy_and_rate_with_what_they_have_to_beat(tmp_path: Path) -> None:
    charts = drawn(tmp_path, [*NSP, HELD_OUT, {"step": 40, "warning": "stuck"}], **{"unigram entropy": 6.95})
    titles = [texts(chart, "title") for chart in charts]
    assert titles == [[name] for name in ("Masked language model", *["Next sentence prediction"] * 2, "Learning rate")]
    assert [texts(chart, "name") for chart in charts] == [
        ["training", "held-out", "unigram entropy"],
        ["training", "held-out", "chance (ln 2)"],
        ["held-out", "chance (0.5)"],
        ["training"],
    ]
    units = [texts(chart, "middle")[-2:] for chart in charts]
    assert units[0] == ["steps", "loss (nats a token)"]
    assert units[2] == ["steps", "accuracy (share)"]
    assert [len(curve) for curve in points(charts[0])] == [4, 2], "a single point is drawn twice, to be a dot"


def test_lines_lie_where_their_values_are(tmp_path: Path) -> None:
    """The entropy halfway between two losses is halfway between their pixels; a lower loss is lower on the page."""
    chart = drawn(tmp_path, [line(10, mlm_loss=8.0), line(20, mlm_loss=6.0)], entropy=7.0)[0]
    ((first, last),) = points(chart)
    (reference,) = [each for each in chart.iter(f"{SVG}line") if each.get("class") == "reference"][:1]
    assert first[1] < float(str(reference.get("y1"))) < last[1]
    assert float(str(reference.get("y1"))) == pytest.approx((first[1] + last[1]) / 2, abs=0.02)
    assert first[0] < last[0]


def test_a_masked_language_model_alone_has_no_pairs(tmp_path: Path) -> None:
    charts = drawn(tmp_path, [line(10), line(20)])
    assert [texts(chart, "title") for chart in charts] == [["Masked language model"], ["Learning rate"]]
    sop = drawn(tmp_path, [line(10, mlm_loss=7.0, sop_loss=0.7)])
    assert texts(sop[1], "title") == ["Sentence order"]


def test_a_long_log_makes_a_small_file_of_means(tmp_path: Path) -> None:
    charts = drawn(tmp_path, [line(step, mlm_loss=7 + (-1) ** step * 0.5) for step in range(1, 10_001)])
    ((*curve,),) = points(charts[0])
    assert len(curve) == 500
    assert len({y for _, y in curve}) == 1
    assert (tmp_path / "curves.svg").stat().st_size < 50_000


def test_nothing_is_drawn_of_an_empty_log(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("")
    draw_curves(tmp_path / "log.jsonl", tmp_path / "curves.svg", {})
    assert not (tmp_path / "curves.svg").exists()


def test_curves_that_cannot_be_written_do_not_end_the_run(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(json.dumps(line(10)) + "\n")
    said: list[str] = []
    CurveDrawer(tmp_path / "log.jsonl", tmp_path / "none" / "curves.svg", {}, said.append).draw()
    assert said[0].startswith("the curves were not drawn: ")
    with pytest.raises(BertwrightError):
        draw_curves(tmp_path / "log.jsonl", tmp_path / "none" / "curves.svg", {})


@pytest.mark.parametrize("values", [(0.0, 0.0), (5.0, 5.0), (-3.0, 4.0), (1e-9, 2e-9), (0.0, 1e9)])
def test_ticks_are_round_and_inside(values: tuple[float, float]) -> None:
    chart = ElementTree.fromstring(document([Chart("<&>", "x", "y", [Curve("c", list(enumerate(values)))])]))
    pixels = [float(pixel) for curve in points(chart) for point in curve for pixel in point]
    assert all(math.isfinite(pixel) and 0 <= pixel <= 640 for pixel in pixels)
    labels = texts(chart, "end")
    assert 2 <= len(labels) <= 10
    assert all(re.fullmatch(r"-?[\d,]+(\.\d)?(e-\d+)?|-?0\.\d+", label) for label in labels), labels


def test_there_is_some_room_above_and_below() -> None:
    """A twentieth of what is drawn, within a plot from 52 to 234; none where the ends are given."""
    ends: dict[tuple[float, ...], tuple[float, float]] = {(): (225.73, 60.27), (1.0, 3.0): (234.0, 52.0)}
    for y_ends, (low, high) in ends.items():
        (curve,) = points(
            ElementTree.fromstring(document([Chart("t", "x", "y", [Curve("c", ((0, 1), (1, 3)))], y_ends=y_ends)]))
        )
        assert [y for _, y in curve] == [low, high]


def test_bars_stand_on_zero() -> None:
    chart = ElementTree.fromstring(document([Chart("t", "x", "y", bars=[Bar(0, 1, 3), Bar(1, 2, 6)])]))
    low, high = [each for each in chart.iter(f"{SVG}rect") if each.get("class") == "bar"]
    bottoms = [float(str(bar.get("y"))) + float(str(bar.get("height"))) for bar in (low, high)]
    assert bottoms[0] == pytest.approx(bottoms[1])
    assert float(str(high.get("height"))) == pytest.approx(2 * float(str(low.get("height"))), abs=0.02)
