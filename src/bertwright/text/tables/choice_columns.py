"""Which columns hold the context, the question, the choices and the answer: a guess from well-known names.

Knows nothing of files but the name that its errors show.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bertwright.errors import UsageError
from bertwright.text.complaints import all_shown, place, shown

# in lower case; where several are there, the first one listed here counts
_CONTEXTS = ("context", "passage", "article", "prompt", "premise", "paragraph", "story", "ctx", "sent1", "goal", "text")
_QUESTIONS = ("question", "query", "question_stem", "stem", "sent2")
_LISTS = ("choices", "options", "endings", "candidates", "choice", "answers")
_SURE_ANSWERS = ("answer", "answerkey", "answer_key", "correct_option", "gold")
_ANSWERS = ("label", *_SURE_ANSWERS)
_IDS = ("id", "question_id", "qid")
_KNOWN = {*_CONTEXTS, *_QUESTIONS, *_LISTS, *_ANSWERS}
_CHOICE = re.compile(r"((?:ending|choice|option|answer|sol)[ _-]?)([0-9]+|[a-h])|()([a-h])")


@dataclass(frozen=True, slots=True)
class ChoiceColumns:
    """The columns that a row is made of."""

    context: str
    """Where no column is one of contexts, that of the question, and `question` is None."""
    question: str | None
    choices: tuple[str, ...]
    """One column that holds lists, or a column for each choice."""
    answer: str | None
    """None where it is not to be read."""
    id: str | None

    @property
    def answer_is_key(self) -> bool:
        """Whether an answer that can be a number or a letter is one: a `label` is; an `answer` may be a text."""
        return self.answer is not None and _folded(self.answer) == "label"

    def describe(self) -> str:
        """Return what is read as what."""
        roles = {"context": self.context, "question": self.question, "answer": self.answer}
        parts = [f"{role} {shown(name)}" for role, name in roles.items() if name]
        return ", ".join([*parts, f"choices {all_shown(self.choices)}"])


def is_known(name: str) -> bool:
    """Whether a cell is one that the header of a multiple-choice table may have."""
    folded = _folded(name)
    return folded in _KNOWN or _CHOICE.fullmatch(folded) is not None


def choose_choice_columns(found: Iterable[str], path: Path, *, needs_answer: bool) -> ChoiceColumns:
    """Choose among the columns `found` in the file at `path`; without `needs_answer`, none for the answer.

    Raises:
        UsageError: One that is needed is not there.
    """
    by_folded = {_folded(name): name for name in found}
    context, question = _first(by_folded, _CONTEXTS), _first(by_folded, _QUESTIONS)
    if context is None:
        context, question = question, None
    choices = _choices(by_folded)
    answer = _first(by_folded, _ANSWERS) if needs_answer else None
    if context is None or not choices or (needs_answer and answer is None):
        raise unknown_columns(found, path)
    return ChoiceColumns(context, question, choices, answer, _first(by_folded, _IDS))


def unknown_columns(found: Iterable[str], path: Path) -> UsageError:
    """Return the error for a file whose columns are not those of multiple choice; it says what they may be called."""
    needed = "context or question, choices (a list) or choice0, choice1, …, and label or answer"
    return UsageError(f"{place(path)}: multiple choice needs columns such as {needed}; there are {all_shown(found)}")


def _choices(by_folded: Mapping[str, str]) -> tuple[str, ...]:
    """Return the column of lists, or the columns of the first prefix that has two and more, in order.

    Mere letters are choices only beside what is called a question or its answer: a `label` may be that of a text.
    """
    if listed := _first(by_folded, _LISTS):
        return (listed,)
    families: dict[str, dict[int, str]] = {}
    for folded, name in by_folded.items():
        if found := _CHOICE.fullmatch(folded):
            prefix, mark = (part for part in found.groups() if part is not None)
            families.setdefault(prefix, {})[int(mark) if mark.isdigit() else ord(mark)] = name
    if _first(by_folded, (*_QUESTIONS, *_SURE_ANSWERS)) is None:
        families.pop("", None)
    family: dict[int, str] = next((family for family in families.values() if len(family) > 1), {})
    return tuple(family[mark] for mark in sorted(family))


def _first(by_folded: Mapping[str, str], names: Iterable[str]) -> str | None:
    return next((by_folded[name] for name in names if name in by_folded), None)


def _folded(name: str) -> str:
    return name.strip().casefold()
