"""What was trained and how good it is, in a sentence and a few large figures."""

from pathlib import Path

from bertwright.evaluation.html import Html, tag
from bertwright.evaluation.report.numbers import between, scale, share, shown, whole
from bertwright.evaluation.report.parts import figure_name, whisker
from bertwright.evaluation.report.record import RunRecord
from bertwright.evaluation.report.words import Words

_TILES = 4


def headline(record: RunRecord, words: Words) -> Html:
    """The head of the page; the name of the task and of the run stand above it."""
    return tag(
        "header",
        tag("p", _origin(record, words), class_="soft"),
        tag("div", [_tile(record, words, name) for name in record.main_figures[:_TILES]], class_="tiles"),
        tag("p", _how_sure(record, words)),
        None if record.split == "test" else tag("p", words("not_tested"), class_="warned"),
    )


def title(record: RunRecord, words: Words) -> str:
    """What the page is about."""
    return words("page_title", task=words.known(f"task_{record.task}") or words("a_model"), name=record.name)


def _origin(record: RunRecord, words: Words) -> Html | str:
    if record.verb == "evaluate":
        return words("was_measured", model=_short(record.settings.get("model")), file=_short(_file(record)))
    key = "was_trained_anew" if record.from_scratch else "was_trained"
    return words(key, model=_short(record.settings.get("model")), file=_short(record.settings.get("train")))


def _tile(record: RunRecord, words: Words, name: str) -> Html:
    value, interval, ends = record.figures[name], record.intervals.get(name), scale(name, record.task)
    return tag(
        "div",
        tag("span", figure_name(name), class_="soft", title=words.known(f"metric_{name}")),
        tag("strong", shown(value, name)),
        tag("span", between(interval), class_="soft") if interval else None,
        whisker(value, ends, interval) if ends else None,
        class_="tile",
    )


def _how_sure(record: RunRecord, words: Words) -> str:
    """The sentence that says of what the figures are, and what they have to beat."""
    parts = []
    if record.rows is not None:
        split = words(f"split_{record.split}")
        parts.append(words("measured_on", rows=whole(record.rows), split=split, file=_short(_file(record))))
    if record.intervals:
        parts.append(words("intervals_mean"))
    if beaten := _baseline(record, words):
        parts.append(beaten)
    return words("sentence_gap").join(parts)


def _baseline(record: RunRecord, words: Words) -> str:
    """How good a model is that always says the same."""
    details = record.details
    if matrix := details.get("confusion_matrix"):
        counts = [sum(row) for row in matrix]
        label = details["labels"][counts.index(max(counts))]
        return words("always_label", label=_cut(label), share=share(max(counts) / max(sum(counts), 1)))
    if places := details.get("places"):
        right = {place: found["right"] for place, found in places.items()}
        best = max(right, key=right.__getitem__)
        return words("always_place", place=best, share=share(right[best] / max(sum(right.values()), 1)))
    if total := record.figures.get("no_answer_total"):
        return words("always_silent", share=share(total / record.figures["total"]))
    return ""


def _file(record: RunRecord) -> object:
    return record.settings.get(record.split) or record.settings.get("train")


def _short(path: object) -> str:
    return _cut(Path(str(path)).name or str(path))


def _cut(text: object) -> str:
    return str(text) if len(str(text)) <= 60 else f"{str(text)[:59]}…"
