"""Every figure of the task, with its interval, beside that of the validation set; and beside another model."""

from collections.abc import Iterable, Iterator

from bertwright.evaluation.html import Content, Html, tag, together
from bertwright.evaluation.report.numbers import between, scale, shown
from bertwright.evaluation.report.parts import figure_name, more, note, own, table, whisker
from bertwright.evaluation.report.record import RunRecord
from bertwright.evaluation.report.words import Words
from bertwright.tasks.figures import OF_POSITIVE


def metrics(record: RunRecord, words: Words) -> Html | None:
    """The table of figures."""
    if not record.figures:
        return None
    both = record.split == "test" and bool(record.validation)
    head = [words("metric"), words(f"split_{record.split}"), words("interval"), ""]
    head += [words("split_validation")] if both else []
    known = [name for name in record.figures if words.known(f"metric_{name}")]
    first = known or list(record.figures)
    others = [name for name in record.figures if name not in first]

    def drawn(names: Iterable[str]) -> Html:
        rows = (_row(record, words, name, both=both) for name in names)
        return table(words("title_metrics"), head, rows, numbers=(1, 2, 4))

    return together(
        drawn(first),
        more(words("other_figures"), drawn(others)) if others else None,
        note(words("how_intervals")) if record.intervals else None,
    )


def against(record: RunRecord, words: Words) -> Html | None:
    """Each figure beside that of another model on the same rows."""
    other = record.metrics.get("against")
    if not other:
        return None
    head = [words("metric"), words("this_model"), words("other_model"), words("difference"), words("interval"), "p"]
    rows = (
        [
            figure_name(name),
            shown(record.figures.get(name, float("nan")), name),
            shown(found["other"], name),
            f"{found['difference']:+.4f}",
            between(found["interval"]),
            f"{found['p']:.4f} ({found['test']})",
        ]
        for name, found in other["differences"].items()
    )
    return together(
        tag("p", words("compared_with"), " ", own(other["model"], 300)),
        table(words("title_against"), head, rows, numbers=range(1, 6)),
        note(words("how_p")),
    )


def _row(record: RunRecord, words: Words, name: str, *, both: bool) -> Iterator[Content]:
    value, interval, ends = record.figures[name], record.intervals.get(name), scale(name, record.task)
    explained = words.known(f"metric_{name}")
    if record.positive is not None and name in OF_POSITIVE:
        explained = words("of_label", figure=explained, label=record.positive)
    yield tag("span", figure_name(name), tag("span", explained, class_="soft below") if explained else None)
    yield shown(value, name)
    yield between(interval) if interval else ""
    yield whisker(value, ends, interval) if ends else ""
    if both:
        known = record.validation.get(name)
        yield "" if known is None else shown(known, name)
