"""What the figures were computed with, and on."""

from bertwright.evaluation.html import Html
from bertwright.evaluation.report.parts import facts, own
from bertwright.evaluation.report.record import RunRecord
from bertwright.evaluation.report.words import Words

_NAMED = ("device", "precision", "processor", "system", "threads")


def environment(record: RunRecord, words: Words) -> Html | None:
    """Versions and device."""
    if not record.environment:
        return None
    return facts(
        (words(f"environment_{name}") if name in _NAMED else own(name), own(value, 300))
        for name, value in record.environment.items()
    )
