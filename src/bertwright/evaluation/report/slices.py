"""The task's first figure in parts of the test set, each beside that of the whole."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bertwright.evaluation.html import Content, Html, tag, together
from bertwright.evaluation.report.numbers import between, scale, shown, whole
from bertwright.evaluation.report.parts import figure_name, note, own, table, whisker
from bertwright.evaluation.report.record import RunRecord
from bertwright.evaluation.report.words import Words
from bertwright.evaluation.slices import COLUMN

_FEW = 30  # rows, below which percentile intervals are too narrow


def slices(record: RunRecord, words: Words) -> Html | None:
    """A table for each way to cut the rows into parts."""
    found = record.details.get("slices")
    if not found or not record.main_figures:
        return None
    kinds = [(kind, parts) for kind, parts in found.items() if parts]
    return together(note(words("how_slices")), [_kind(record, words, kind, parts) for kind, parts in kinds])


def _kind(record: RunRecord, words: Words, kind: str, parts: list[Mapping[str, Any]]) -> Html:
    name = _figure(record, parts)
    column = kind.removeprefix(COLUMN)
    named = words(f"slices_by_{kind}") if column == kind else words("slices_by_column", column=column[:60])
    head = [words(f"part_{kind}") if column == kind else own(column, 40), words("rows")]
    head += [figure_name(name), words("interval"), ""]
    rows = (_row(record, words, name, part) for part in (_by_length(parts) if kind == "length" else parts))
    return together(tag("h3", named), table(named, head, rows, numbers=(1, 2, 3)))


def _figure(record: RunRecord, parts: list[Mapping[str, Any]]) -> str:
    """The first of the main figures that the parts have."""
    known = parts[0]["metrics"]
    return next((name for name in record.main_figures if name in known), next(iter(known), "loss"))


def _by_length(parts: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The shortest first."""
    return sorted(parts, key=lambda part: int(part["value"].partition("-")[0]))


def _row(record: RunRecord, words: Words, name: str, part: Mapping[str, Any]) -> Iterator[Content]:
    value, interval, ends = part["metrics"].get(name), part["intervals"].get(name), scale(name, record.task)
    few = tag("span", words("few_rows"), class_="soft below") if part["rows"] < _FEW else None
    yield tag("span", own(str(part["value"]).removesuffix(" tokens")), few)
    yield whole(part["rows"])
    yield "" if value is None else shown(value, name)
    yield between(interval) if interval else ""
    yield "" if value is None or ends is None else whisker(value, ends, interval, record.figures.get(name))
