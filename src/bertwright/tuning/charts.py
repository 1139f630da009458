"""A study as pictures: how the best figure grew, what mattered, and each parameter beside the figure."""

import math
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from bertwright.evaluation.svg import Bar, Chart, Curve, Point, document

Record = Mapping[str, Any]


def history_chart(record: Record) -> Chart:
    """The figure of each trial that came to its end, and the best so far."""
    points = [(float(place), trial["value"]) for place, trial in enumerate(record["trials"], 1) if _complete(trial)]
    better = max if record["direction"] == "maximize" else min
    best = list(zip([x for x, _ in points], accumulate((y for _, y in points), better), strict=True))
    title = f"{record['metric']} on the validation set, trial by trial"
    return Chart(title, "trial", record["metric"], curves=[Curve("best so far", best)], dots=points)


def importance_chart(record: Record) -> Chart | None:
    """How much each parameter mattered; None where too few trials tell."""
    found = record["importances"]
    if not found:
        return None
    bars = [Bar(place - 0.4, place + 0.4, value) for place, value in enumerate(found.values())]
    names = {float(place): name for place, name in enumerate(found)}
    return Chart("What mattered for being among the best", "", "importance (PED-ANOVA)", bars=bars, x_names=names)


def slice_charts(record: Record) -> list[Chart]:
    """Each parameter beside the figure."""
    return [_slice(record, name) for name in record["space"]]


def history(record: Record) -> str:
    """`history_chart` as a file."""
    return document([history_chart(record)])


def importance(record: Record) -> str:
    """`importance_chart` as a file; an empty chart where too few trials tell."""
    empty = Chart("Too few trials to tell what mattered", "", "importance", bars=[Bar(0, 1, 0)])
    return document([importance_chart(record) or empty])


def slices(record: Record) -> str:
    """`slice_charts` as a file."""
    return document(slice_charts(record))


def _slice(record: Record, name: str) -> Chart:
    choice = record["space"][name]
    points = [(trial["parameters"][name], trial["value"]) for trial in record["trials"] if _complete(trial)]
    title = f"{name} and {record['metric']}"
    if "values" in choice:
        values = choice["values"]
        dots: list[Point] = [(float(values.index(value)), figure) for value, figure in points]
        names = {float(place): str(value) for place, value in enumerate(values)}
        return Chart(title, name, record["metric"], dots=dots, x_names=names, x_ends=(-0.5, len(values) - 0.5))
    if not choice["log"]:
        return Chart(title, name, record["metric"], dots=points, x_ends=(choice["low"], choice["high"]))
    low, high = math.log10(choice["low"]), math.log10(choice["high"])
    ticks = {low + part / 4 * (high - low): f"{10 ** (low + part / 4 * (high - low)):.1e}" for part in range(5)}
    dots = [(math.log10(value), figure) for value, figure in points]
    return Chart(title, f"{name} (log)", record["metric"], dots=dots, x_names=ticks, x_ends=(low, high))


def _complete(trial: Mapping[str, Any]) -> bool:
    return bool(trial["state"] == "complete")
