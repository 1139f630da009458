"""Several trainings, seed by seed or fold by fold: each one's main figures, their mean, and how far they spread."""

from collections.abc import Iterator, Mapping
from typing import Any

from bertwright.evaluation.html import Content, Html, tag, together
from bertwright.evaluation.report.numbers import between, shown, whole
from bertwright.evaluation.report.parts import badge, note, table
from bertwright.evaluation.report.record import RunRecord, Values
from bertwright.evaluation.report.words import Words

_SPLITS = ("validation", "held_out", "test")


def seeds(record: RunRecord, words: Words) -> Html | None:
    """A row for each seed; nothing where there was one."""
    found = record.metrics.get("seeds")
    if not found or len(found["runs"]) < 2:
        return None
    return together(note(words("how_seeds")), _table(record, words, found, "seed"))


def folds(record: RunRecord, words: Words) -> Html | None:
    """A row for each fold of a cross-validation, and the figures of all rows together."""
    found = record.folds
    if not found:
        return None
    intervals = found["intervals"]["pooled"]
    pooled = [
        f"{name} {shown(found['pooled'][name], name)}" + (f" ({between(intervals[name])})" if name in intervals else "")
        for name in _names(record, found)
        if name in found["pooled"]
    ]
    return together(
        note(words("how_folds")),
        _table(record, words, found, "fold"),
        tag("p", words("all_folds", rows=whole(found["rows"]), figures=", ".join(pooled))),
    )


def _names(record: RunRecord, found: Values) -> list[str]:
    return list(dict.fromkeys([found["metric"], *record.main_figures]))


def _table(record: RunRecord, words: Words, found: Values, kind: str) -> Html:
    named = [
        (split, name) for split in _SPLITS for name in _names(record, found) if name in found["mean"].get(split, {})
    ]
    head = [words(kind), *(words("of_split", name=name, split=words(f"split_{split}")) for split, name in named)]
    rows = [_row(words, run, kind, found.get("best"), named) for run in found["runs"]]
    last = [f"{shown(found['mean'][split][name])} ± {shown(found['std'][split][name])}" for split, name in named]
    rows.append(iter([tag("strong", words("mean_and_std")), *last]))
    return table(words(f"title_{kind}s"), head, rows, numbers=range(1, len(head)))


def _row(
    words: Words, run: Mapping[str, Any], kind: str, best: int | None, named: list[tuple[str, str]]
) -> Iterator[Content]:
    chosen = run[kind] == best
    yield together(str(run[kind]), (" ", badge(words("best_run"), "said")) if chosen else None)
    yield from (shown(run[split][name]) for split, name in named)
