"""What a file says of a question's answers → answers, each made sure to stand in the context where it is said to.

Knows nothing of files; a reason why answers cannot be used comes without its place.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bertwright.text.complaints import shown
from bertwright.text.tables.cells import UnusableCellError, text_of

NEARBY = 10
"""An answer that stands at most so many characters beside its `answer_start` is taken from there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A part of the context."""

    text: str
    start: int
    """The place of its first character in the context."""


@dataclass(slots=True)
class AnswerReader:
    """Reads the answers of one question after the other, and counts those that are not simply where they should be."""

    moved: int = 0
    guessed: int = 0

    def read(self, fields: Mapping[str, Any], context: str) -> tuple[Answer, ...]:
        """Return the answers that an object with `answers`, and perhaps `is_impossible`, gives; () if there is none.

        Raises:
            UnusableCellError: They are missing, malformed, or do not stand in the context.
        """
        impossible = fields.get("is_impossible")
        if impossible not in (None, True, False):
            raise UnusableCellError(f"is_impossible is {shown(str(impossible))}, neither true nor false")
        answers = fields.get("answers")
        given = list(_texts_and_starts([] if impossible and answers is None else answers))
        if impossible:
            if any(text for text, _ in given):
                raise UnusableCellError("is_impossible is true, yet there are answers")
            return ()
        if not given and impossible is False:
            raise UnusableCellError("is_impossible is false, yet there are no answers")
        return tuple(self._answer(text, start, context) for text, start in given)

    def warnings(self) -> tuple[str, ...]:
        """Return what the user should know of the answers read so far."""
        said = []
        if self.moved:
            said.append(
                f"answers that stand up to {NEARBY} characters beside their answer_start, and are taken from there: "
                f"{self.moved}; was it counted in other units, or before the context was changed?"
            )
        if self.guessed:
            said.append(
                "answers without answer_start that stand more than once in their contexts, and are taken from the "
                f"first place: {self.guessed}; give the right place with answer_start"
            )
        return tuple(said)

    def _answer(self, given_text: object, given_start: object, context: str) -> Answer:
        text = text_of(given_text, "answer", may_be_empty=False)
        if given_start is None or given_start == -1:
            return Answer(text, self._first_place(text, context))
        if not isinstance(given_start, int) or isinstance(given_start, bool):
            raise UnusableCellError(f"answer_start is {shown(str(given_start))}, not a whole number")
        return Answer(text, self._near_place(text, given_start, context))

    def _first_place(self, text: str, context: str) -> int:
        start = context.find(text)
        if start < 0:
            raise UnusableCellError(f"the answer {shown(text)} does not stand in the context")
        self.guessed += context.find(text, start + 1) >= 0
        return start

    def _near_place(self, text: str, given: int, context: str) -> int:
        if given >= 0 and context.startswith(text, given):
            return given
        around = range(max(given - NEARBY, 0), given + NEARBY + 1)
        near = [start for start in around if context.startswith(text, start)]
        if not near:
            there = shown(context[max(given, 0) :][: len(text)])
            raise UnusableCellError(f"the answer {shown(text)} does not stand at {given} in the context, but {there}")
        self.moved += 1
        return min(near, key=lambda start: abs(start - given))


def _texts_and_starts(given: object) -> Iterable[tuple[object, object]]:
    """Return text and `answer_start` of each answer, None where the form has no place for it."""
    match given:
        case None:
            raise UnusableCellError("no answers are given, not even an empty list")
        case {"text": list(texts), **rest}:
            starts = rest.get("answer_start") or [None] * len(texts)
            if not isinstance(starts, list) or len(starts) != len(texts):
                raise UnusableCellError(f"there is not one answer_start for each of the {len(texts)} answers")
            return zip(texts, starts, strict=True)
        case list():
            return map(_text_and_start, given)
        case _:
            raise UnusableCellError(f"the answers are {shown(str(given))}, not a list")


def _text_and_start(answer: object) -> tuple[object, object]:
    return (answer.get("text"), answer.get("answer_start")) if isinstance(answer, dict) else (answer, None)
