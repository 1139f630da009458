"""A search for the best settings: how the best figure grew, what mattered, each parameter, and all trials.

The charts are files of the run as well.
"""

import math
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from bertwright.evaluation.html import Content, Html, tag, together
from bertwright.evaluation.report.numbers import shown
from bertwright.evaluation.report.parts import CHART, badge, charts, more, note, own, table
from bertwright.evaluation.report.record import RunRecord, Values
from bertwright.evaluation.report.words import Words
from bertwright.evaluation.svg import HEIGHT, WIDTH, Bar, Chart, Curve, Point

_MOST = 200
Size = tuple[int, int]
_FILE = (WIDTH, HEIGHT)


def study(record: RunRecord, words: Words) -> Html | None:
    """The charts, and a row for each trial; nothing where nothing was searched."""
    found = record.study
    if found is None or found["best"] is None:
        return None
    best = next(trial for trial in found["trials"] if trial["number"] == found["best"])
    drawn = [history(found, words, CHART), *importance(found, words, CHART), *slices(found, words, CHART)]
    head = [words("trial"), words("state"), found["metric"], *map(own, found["space"])]
    rows = (_row(words, trial, found) for trial in found["trials"][:_MOST])
    return together(
        note(words("how_study", trials=len(found["trials"]), metric=found["metric"])),
        charts(drawn),
        tag("pre", tag("code", best["command"])),
        more(words("all_trials"), table(words("all_trials"), head, rows, numbers=range(2, len(head)))),
    )


def history(found: Values, words: Words, size: Size = _FILE) -> Chart:
    """The figure of each trial that came to its end, and the best so far."""
    points = [(float(trial["number"]), trial["value"]) for trial in found["trials"] if _complete(trial)]
    better = max if found["direction"] == "maximize" else min
    best = list(zip([x for x, _ in points], accumulate((y for _, y in points), better), strict=True))
    curves = [Curve(words("best_so_far"), best)]
    return Chart(words("study_history"), words("trial"), found["metric"], curves=curves, dots=points, size=size)


def importance(found: Values, words: Words, size: Size = _FILE) -> list[Chart]:
    """How much each parameter mattered; nothing where too few trials tell."""
    shares = found["importances"]
    if not shares:
        return []
    bars = [Bar(place - 0.4, place + 0.4, share) for place, share in enumerate(shares.values())]
    names = {float(place): str(place + 1) for place in range(len(shares))}
    numbered = "  ".join(f"{place} {name}" for place, name in enumerate(shares, 1))
    return [Chart(words("study_importance"), numbered, words("importance"), bars=bars, x_names=names, size=size)]


def slices(found: Values, words: Words, size: Size = _FILE) -> list[Chart]:
    """Each parameter beside the figure."""
    return [_slice(found, name, words, size) for name in found["space"]]


def _slice(found: Values, name: str, words: Words, size: Size) -> Chart:
    choice = found["space"][name]
    points = [(trial["parameters"][name], trial["value"]) for trial in found["trials"] if _complete(trial)]
    title = words("study_slice", name=name, metric=found["metric"])
    given: dict[str, Any] = {"title": title, "x_label": name, "y_label": found["metric"], "size": size}
    if "values" in choice:
        values = choice["values"]
        dots: list[Point] = [(float(values.index(value)), figure) for value, figure in points]
        names = {float(place): str(value) for place, value in enumerate(values)}
        return Chart(**given, dots=dots, x_names=names, x_ends=(-0.5, len(values) - 0.5))
    if not choice["log"]:
        return Chart(**given, dots=points, x_ends=(choice["low"], choice["high"]))
    low, high = math.log10(choice["low"]), math.log10(choice["high"])
    places = [low + part / 2 * (high - low) for part in range(3)]
    ticks = {place: f"{10**place:.1e}" for place in places}
    return Chart(
        **given, dots=[(math.log10(value), figure) for value, figure in points], x_names=ticks, x_ends=(low, high)
    )


def _row(words: Words, trial: Values, found: Values) -> Iterator[Content]:
    chosen = trial["number"] == found["best"]
    yield together(str(trial["number"]), (" ", badge(words("best_run"), "said")) if chosen else None)
    yield words(f"state_{trial['state']}")
    yield "" if trial["value"] is None else shown(trial["value"])
    yield from (own(_text(trial["parameters"].get(name))) for name in found["space"])


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _complete(trial: Values) -> bool:
    return bool(trial["state"] == "complete")
