"""What every reader of raw text gives and everything after it takes. Knows no file format."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """One text whose sentences belong together.

    Attributes:
        name: Where it comes from, for people: file, and place or title inside it.
        lines: Its lines, without line ends and without empty ones.
        sentences_known: Whether each line is one sentence (BERT's form), or a paragraph still to be split.
        part: Of a document that is too long to be one: which of its parts, from 1.
    """

    name: str
    lines: tuple[str, ...]
    sentences_known: bool
    part: int = 1
