"""Multiple choice: how often each place is right, and how often it was chosen."""

from bertwright.evaluation.html import Html, together
from bertwright.evaluation.report.numbers import share, whole
from bertwright.evaluation.report.parts import note, table
from bertwright.evaluation.report.record import RunRecord
from bertwright.evaluation.report.words import Words


def places(record: RunRecord, words: Words) -> Html | None:
    """The table; who knows nothing but likes one place shows here."""
    found = record.details.get("places")
    if not found:
        return None
    questions = max(sum(place["right"] for place in found.values()), 1)
    head = [words("place"), words("is_right"), words("share"), words("was_chosen"), words("share")]
    rows = (
        [
            number,
            whole(place["right"]),
            share(place["right"] / questions),
            whole(place["chosen"]),
            share(place["chosen"] / questions),
        ]
        for number, place in found.items()
    )
    return together(table(words("title_places"), head, rows, numbers=range(1, 5)), note(words("places_from_zero")))
