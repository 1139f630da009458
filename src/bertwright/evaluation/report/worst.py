"""The rows that the model is most wrong about: what is true, what it said, and where in the text."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from bertwright.evaluation.html import Html, tag, together
from bertwright.evaluation.report.marked import Mark, joined, marked, word_places
from bertwright.evaluation.report.numbers import shown
from bertwright.evaluation.report.parts import badge, note, own, prose
from bertwright.evaluation.report.record import RunRecord
from bertwright.evaluation.report.words import Words
from bertwright.tasks.tag_schemes import entities

_OPEN = 5  # the first few are seen at once
_LONGEST = 600  # characters of a text without marks
Row = Mapping[str, Any]
Drawn = Callable[[Words, Row], Html]


def worst(record: RunRecord, words: Words) -> Html | None:
    """At most as many rows as metrics.json keeps."""
    rows = record.details.get("worst")
    if not rows:
        return None
    draw = _DRAWN.get(record.task, _texts)
    items = [_item(words, row, draw) for row in rows]
    rest = tag("details", tag("summary", words("show_more", count=len(items) - _OPEN)), _listed(items[_OPEN:], _OPEN))
    return together(note(words("how_worst")), _listed(items[:_OPEN], 0), rest if len(items) > _OPEN else None)


def _listed(items: Sequence[Html], before: int) -> Html:
    return tag("ol", items, class_="worst", start=before + 1)


def _item(words: Words, row: Row, draw: Drawn) -> Html:
    head = tag("p", words("row_loss", line=row["line"], loss=shown(row["loss"])), class_="soft")
    return tag("li", head, draw(words, row))


def _texts(words: Words, row: Row) -> Html:
    """One label, or a number, for a text or a pair."""
    said = row["predicted"]
    score = said.get("score")
    if "true_label" in row:
        sure = "" if score is None else f" {shown(score)}"
        verdict = _verdict(
            words, badge(_label(row["true_label"]), "gold"), badge(_label(said.get("label")) + sure, "said")
        )
    else:
        true = row.get("true_score")
        verdict = _verdict(words, badge(_number(true), "gold"), badge(_number(score), "said"))
    return together(verdict, _plain(row["texts"]))


def _labels(words: Words, row: Row) -> Html:
    """Any number of labels: those that are right, missed, or wrong."""
    true, said = row["true_labels"], row["predicted"].get("labels", ())
    kinds = [("right", name) for name in true if name in said]
    kinds += [("missed", name) for name in true if name not in said]
    kinds += [("wrong", name) for name in said if name not in true]
    names = [(badge(f"{words(f'was_{kind}')}: {_label(name)}", kind), " ") for kind, name in kinds]
    return together(tag("p", names or words("no_labels")), _plain(row["texts"]))


def _tagged(words: Words, row: Row) -> Html:
    """The text twice: with its true entities, and with those that were found; a mark for what only one has."""
    text, said = row["texts"][0], row["predicted"]
    places = list(word_places(text, said.get("words", ())))
    true, found = (_entities(tags, places) for tags in (row["true_tags"], said.get("tags", ())))
    lines = []
    for name, own_ones, others, kind in (("truth", true, found, "missed"), ("answer", found, true, "wrong")):
        marks = [Mark(*span, "right" if (span, label) in others else kind, label) for span, label in own_ones]
        lines.append(tag("div", tag("span", words(name), class_="soft"), marked(text, marks), class_="line"))
    return together(lines)


def _answered(words: Words, row: Row) -> Html:
    """The question, and the context with the right answers and the one that was given."""
    question, context = row["texts"]
    said = row["predicted"]
    true = zip(row["true_answers"], row.get("true_starts", ()), strict=False)
    marks = [Mark(*part, "gold") for part in joined((start, start + len(text)) for text, start in true)]
    if said.get("start") is not None:
        marks.append(Mark(said["start"], said["stop"], "said"))
    gold = [badge(_label(text), "gold") for text in dict.fromkeys(row["true_answers"])][:3]
    given = badge(_label(said.get("answer") or words("no_answer")), "said")
    verdict = _verdict(words, together([(each, " ") for each in gold] or badge(words("no_answer"), "gold")), given)
    return together(tag("p", own(question, _LONGEST), class_="question"), verdict, marked(context, marks))


def _chosen(words: Words, row: Row) -> Html:
    """The context, and the choices with the right one and the one that was chosen."""
    right, said = row["true_choice"], row["predicted"]["choice"]
    before, choices = _parted(row)
    listed = [
        tag(
            "li",
            own(choice, _LONGEST),
            (" ", badge(words("truth"), "gold")) if place == right else None,
            (" ", badge(words("answer"), "said")) if place == said else None,
        )
        for place, choice in enumerate(choices)
    ]
    return together(_plain(before), tag("ol", listed, class_="choices", start=0))


def _parted(row: Row) -> tuple[Sequence[str], Sequence[str]]:
    """The context, with the question where there is one, and the choices behind it."""
    texts, right = row["texts"], row["true_choice"]
    first = 2 if texts[1 + right] != row["true_answer"] else 1
    return texts[:first], texts[first:]


def _entities(tags: Sequence[str], places: Sequence[tuple[int, int]]) -> list[tuple[tuple[int, int], str]]:
    """Range of characters and type of each entity."""
    found = entities(tags, "IOB2")
    return [
        ((places[each.start][0], places[each.stop - 1][1]), each.type) for each in found if each.stop <= len(places)
    ]


def _verdict(words: Words, truth: Html, answer: Html) -> Html:
    return tag("p", words("truth"), " ", truth, " ", words("answer"), " ", answer, class_="verdict")


def _plain(texts: Sequence[str]) -> list[Html]:
    return [prose(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…") for text in texts]


def _label(name: object) -> str:
    return str(name) if len(str(name)) <= 120 else f"{str(name)[:119]}…"


def _number(value: object) -> str:
    return shown(value) if isinstance(value, int | float) else "–"


_DRAWN: Mapping[str, Drawn] = MappingProxyType(
    {
        "classification": _texts,
        "multilabel": _labels,
        "regression": _texts,
        "tagging": _tagged,
        "qa": _answered,
        "choice": _chosen,
    }
)
