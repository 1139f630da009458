"""The figures of each label, or of each type of entity."""

from collections.abc import Iterator, Mapping

from bertwright.evaluation.html import Content, Html, together
from bertwright.evaluation.report.numbers import shown, whole
from bertwright.evaluation.report.parts import note, own, table, whisker
from bertwright.evaluation.report.record import RunRecord
from bertwright.evaluation.report.words import Words

_MOST = 100


def classes(record: RunRecord, words: Words) -> Html | None:
    """Precision, recall and F1 of each; the commonest where there are very many."""
    found = record.details.get("per_class")
    if not found:
        return None
    thresholds = record.details.get("thresholds", {})
    names = list(found)
    if len(names) > _MOST:
        names = sorted(names, key=lambda name: -found[name]["support"])[:_MOST]
    first = words("entity_type" if record.task == "tagging" else "label")
    head = [first, words("precision"), words("recall"), "F1", "", words("rows")]
    head += [words("threshold")] if thresholds else []
    rows = (_row(name, found[name], thresholds) for name in names)
    return together(
        table(words("title_classes"), head, rows, numbers=(1, 2, 3, 5, 6)),
        note(words("labels_left_out", shown=len(names), labels=len(found))) if len(names) < len(found) else None,
        note(words("how_thresholds")) if thresholds else None,
    )


def _row(name: str, figures: Mapping[str, float], thresholds: Mapping[str, float]) -> Iterator[Content]:
    yield own(name)
    yield from (shown(figures[figure]) for figure in ("precision", "recall", "f1"))
    yield whisker(figures["f1"], (0.0, 1.0))
    yield whole(figures["support"])
    if thresholds:
        yield shown(thresholds[name])
