"""Questions: the official figures of those that have an answer and of those that have none, and the threshold."""

from bertwright.evaluation.html import Html, tag, together
from bertwright.evaluation.report.numbers import between, scale, shown, small, whole
from bertwright.evaluation.report.parts import figure_name, table, whisker
from bertwright.evaluation.report.record import RunRecord
from bertwright.evaluation.report.words import Words

_KINDS = ("", "has_answer_", "no_answer_")
_FIGURES = ("exact_match", "f1")


def answers(record: RunRecord, words: Words) -> Html | None:
    """Exact match and F1 of each kind of questions."""
    if "no_answer_total" not in record.figures and "has_answer_total" not in record.figures:
        return None
    head = [words("questions"), words("rows"), words("metric"), words(f"split_{record.split}"), words("interval"), ""]
    rows = []
    for kind in _KINDS:
        for figure in _FIGURES:
            name = kind + figure
            value = record.figures.get(name)
            if value is None:
                continue
            interval, ends = record.intervals.get(name), scale(name, record.task)
            rows.append(
                [
                    words(f"questions_{kind.strip('_') or 'all'}"),
                    whole(record.figures.get(f"{kind}total", 0)),
                    figure_name(figure),
                    shown(value, name),
                    between(interval) if interval else "",
                    whisker(value, ends, interval) if ends else "",
                ]
            )
    threshold = record.details.get("no_answer_threshold")
    said = None if threshold is None else tag("p", words("silent_from", threshold=small(threshold)))
    return together(said, table(words("title_answers"), head, rows, numbers=(1, 3, 4)))
