"""Training rows whose labels are likely wrong, by the answers of models that have not seen them."""

from itertools import islice

from bertwright.evaluation.html import Html, tag, together
from bertwright.evaluation.report.numbers import shown
from bertwright.evaluation.report.parts import badge, note, own, prose
from bertwright.evaluation.report.record import RunRecord, Values
from bertwright.evaluation.report.words import Words

_MOST, _LONGEST = 20, 400


def suspects(record: RunRecord, words: Words) -> Html | None:
    """The likeliest first; nothing where nobody looked."""
    if record.folds is None:
        return None
    found = list(islice(record.label_errors(), _MOST))
    if not found:
        return None
    return together(note(words("how_suspects")), tag("ol", [_item(words, row) for row in found], class_="worst"))


def _item(words: Words, row: Values) -> Html:
    given = badge(f"{row['given'][:100]} {shown(row['given_probability'])}", "gold")
    model = badge(f"{row['model'][:100]} {shown(row['probability'])}", "said")
    texts = (text for text in (row["text"], row.get("text_pair")) if text)
    return tag(
        "li",
        tag("p", own(row["place"], 200), class_="soft"),
        tag("p", words("label"), " ", given, " ", words("answer"), " ", model),
        [prose(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…") for text in texts],
    )
