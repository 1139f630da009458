"""What a file says of a question's answers → answers, each made sure to stand in the context where it is said to.

Knows nothing of files; a reason why answers cannot be used comes without its place.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bertwright.text.complaints import all_shown, shown
from bertwright.text.tables.cells import UnusableCellError, text_of

NEARBY = 10
"""An answer that stands at most so many characters beside its `answer_start` is taken from there."""
_NO_PLACE = (None, -1)
_FEW = 5  # questions that a warning names


@dataclass(frozen=True, slots=True)
class Answer:
    """A part of the context."""

    text: str
    start: int
    """The place of its first character in the context."""


@dataclass(slots=True)
class AnswerReader:
    """Reads the answers of one question after the other, and notes those that are not simply where they should be."""

    moved: list[str] = field(default_factory=list)
    """The question of each answer that was found beside its `answer_start`."""
    guessed: list[str] = field(default_factory=list)
    """The question of each answer that was taken from the first of several places."""

    def read(self, fields: Mapping[str, Any], context: str, question: str) -> tuple[Answer, ...]:
        """Return the answers that an object with `answers`, and perhaps `is_impossible`, gives; () if there is none.

        Args:
            fields: The object.
            context: What the answers are parts of.
            question: The id of the question, for warnings.

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
        found = tuple(_answer(text, start, context) for text, start in given)
        for (_, start), answer in zip(given, found, strict=True):
            if start not in _NO_PLACE:
                self.moved += [question] * (answer.start != start)
            elif context.find(answer.text, answer.start + 1) >= 0:
                self.guessed.append(question)
        return found

    def warnings(self) -> tuple[str, ...]:
        """Return what the user should know of the answers read so far."""
        said = []
        if self.moved:
            said.append(
                f"answers that stand up to {NEARBY} characters beside their answer_start, and are taken from there: "
                f"{_counted(self.moved)}; was it counted in other units, or before the context was changed?"
            )
        if self.guessed:
            said.append(
                "answers without answer_start that stand more than once in their contexts, and are taken from the "
                f"first place: {_counted(self.guessed)}; give the right place with answer_start"
            )
        return tuple(said)


def _answer(given_text: object, given_start: object, context: str) -> Answer:
    text = text_of(given_text, "answer", may_be_empty=False)
    if given_start in _NO_PLACE:
        return Answer(text, _first_place(text, context))
    if not isinstance(given_start, int) or isinstance(given_start, bool):
        raise UnusableCellError(f"answer_start is {shown(str(given_start))}, not a whole number")
    return Answer(text, _near_place(text, given_start, context))


def _first_place(text: str, context: str) -> int:
    start = context.find(text)
    if start < 0:
        raise UnusableCellError(f"the answer {shown(text)} does not stand in the context")
    return start


def _near_place(text: str, given: int, context: str) -> int:
    if given >= 0 and context.startswith(text, given):
        return given
    around = range(max(given - NEARBY, 0), given + NEARBY + 1)
    near = [start for start in around if context.startswith(text, start)]
    if not near:
        there = shown(context[max(given, 0) :][: len(text)])
        raise UnusableCellError(f"the answer {shown(text)} does not stand at {given} in the context, but {there}")
    return min(near, key=lambda start: abs(start - given))


def _counted(questions: Sequence[str]) -> str:
    """How many answers they are, and to which questions."""
    distinct = list(dict.fromkeys(questions))
    more = ", …" if len(distinct) > _FEW else ""
    return f"{len(questions)} (question{'s' * (len(distinct) > 1)} {all_shown(distinct[:_FEW])}{more})"


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
