"""Several trainings that differ in their seed alone: each one's main figures, their mean, and how far they spread."""

from collections.abc import Iterator, Mapping
from typing import Any

from bertwright.evaluation.html import Content, Html, tag, together
from bertwright.evaluation.report.numbers import shown
from bertwright.evaluation.report.parts import badge, note, table
from bertwright.evaluation.report.record import RunRecord
from bertwright.evaluation.report.words import Words

_SPLITS = ("validation", "test")


def seeds(record: RunRecord, words: Words) -> Html | None:
    """A row for each training; nothing where there was one."""
    found = record.metrics.get("seeds")
    if not found:
        return None
    named = [
        (split, name)
        for split in _SPLITS
        for name in dict.fromkeys([found["metric"], *record.main_figures])
        if name in found["mean"].get(split, {})
    ]
    head = [words("seed"), *(words("of_split", name=name, split=words(f"split_{split}")) for split, name in named)]
    rows = [_row(words, run, found["best"], named) for run in found["runs"]]
    last = [f"{shown(found['mean'][split][name])} ± {shown(found['std'][split][name])}" for split, name in named]
    rows.append(iter([tag("strong", words("mean_and_std")), *last]))
    drawn = table(words("title_seeds"), head, rows, numbers=range(1, len(head)))
    return together(note(words("how_seeds")), drawn)


def _row(words: Words, run: Mapping[str, Any], best: int, named: list[tuple[str, str]]) -> Iterator[Content]:
    yield together(str(run["seed"]), (" ", badge(words("best_run"), "said")) if run["seed"] == best else None)
    yield from (shown(run[split][name]) for split, name in named)
