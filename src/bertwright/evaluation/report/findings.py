"""What is wrong with the data, and odd about the training and its answers: what `finetune` warned of."""

from collections.abc import Iterator, Mapping
from typing import Any

from bertwright.evaluation.html import Html, tag
from bertwright.evaluation.report.parts import badge, note, own
from bertwright.evaluation.report.record import RunRecord
from bertwright.evaluation.report.words import Words

_MOST = 50
_SEVERITIES = ("error", "warning", "note")


def findings(record: RunRecord, words: Words) -> Html | None:
    """All of them, or that there are none; nothing where nobody looked."""
    told = list(_told(record, words))
    if not told and "findings" not in record.found:
        return None
    if not told:
        return note(words("no_findings"))
    left = [note(words("and_more", count=len(told) - _MOST))] if len(told) > _MOST else []
    return tag("ul", told[:_MOST], left, class_="findings")


def _told(record: RunRecord, words: Words) -> Iterator[Html]:
    for odd in record.metrics.get("suspicions", {}).get(record.split, ()):
        yield _item(words, "warning", tag("strong", own(words(f"odd_{odd['kind']}", **odd["values"]), 500)))
    for found in record.found.get("findings", ()):
        yield _finding(words, found)
    for line in record.log:
        if "warning" in line:
            yield _item(words, "warning", own(words("at_step", step=line["step"], text=line["warning"]), 500))
    if cut := record.metrics.get("truncated", {}).get(record.split):
        yield _item(words, "note", words("were_cut", count=cut, rows=record.rows))


def _finding(words: Words, found: Mapping[str, Any]) -> Html:
    places = ", ".join(str(place) for place in found.get("rows", ()))
    return _item(
        words,
        str(found.get("severity")),
        tag("strong", own(found["text"], 1000), lang="en"),
        tag("span", own(places, 1000), class_="soft places") if places else None,
        tag("span", "→ ", own(found["advice"], 500), lang="en"),
    )


def _item(words: Words, severity: str, *content: Html | str | None) -> Html:
    kind = severity if severity in _SEVERITIES else "note"
    return tag("li", badge(words(f"severity_{kind}"), kind), tag("div", content))
