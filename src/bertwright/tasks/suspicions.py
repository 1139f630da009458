"""What is so odd about a model's answers as a whole that the user should know: most often it has learned nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "one_label": "the model gives all {count} texts the label {label!r}: it tells nothing apart",
        "no_label": "the model gives no text a label (texts: {count}): its thresholds are never reached",
        "one_number": "the model gives all {count} texts the same number, {number:g}",
        "no_correlation": "the model's numbers do not rise with the true ones in {count} texts: Pearson's correlation "
        "is {pearson:.3f}",
        "no_entity": "the model finds no entity: every word has the tag {tag} (sentences: {count})",
        "one_place": "the model always chooses place {place}, counted from 0, in {count} questions",
        "always_silent": "the model says of all {count} questions that they have no answer",
        "never_silent": "the model answers all {count} questions, also those without an answer ({bare})",
    }
)
"""What is said of each kind of oddity."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """An oddity.

    Attributes:
        kind: A key of `SENTENCES`.
        values: What stands in its sentence.
    """

    kind: str
    values: Mapping[str, str | int | float]

    def __str__(self) -> str:
        """As the user is told."""
        return SENTENCES[self.kind].format(**self.values)

    def to_dict(self) -> dict[str, Any]:
        """JSON values, the sentence among them."""
        return {"kind": self.kind, "values": dict(self.values), "text": str(self)}
