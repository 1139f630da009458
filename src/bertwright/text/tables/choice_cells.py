"""Cells of a multiple-choice question → its choices, and the number of the right one.

Knows nothing of rows or files; a reason why cells cannot be used comes without its place.
"""

import json
from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any, NamedTuple

from bertwright.text.complaints import shown
from bertwright.text.tables.cells import UnusableCellError, label_of, text_of


class Choices(NamedTuple):
    """The choices of one question."""

    texts: tuple[str, ...]
    names: tuple[str, ...] = ()
    """What an answer may call them, where the file has names for them."""


def choices_in_list(cell: object) -> Choices:
    """Return the choices in a list of texts or of `{text, label}`, in `{text: [...], label: [...]}`, or in JSON of one.

    Raises:
        UnusableCellError: It is none of these, or a choice is no text, or there are fewer than two.
    """
    names: list[object] = []
    match _parsed(cell):
        case {"text": list(texts), "label": list(names)}:
            pass
        case [dict(), *_] as pairs if all(isinstance(pair, dict) for pair in pairs):
            texts = [pair.get("text") for pair in pairs]
            names = [pair["label"] for pair in pairs if "label" in pair]
        case list(texts) | {"text": list(texts)}:
            pass
        case None:
            raise UnusableCellError("no choices are given")
        case _:
            raise UnusableCellError(f"the choices are {shown(str(cell))}, not a list")
    if names and len(names) != len(texts):
        raise UnusableCellError(f"there are {len(texts)} choices and {len(names)} labels of choices")
    return _checked(texts, [label_of(name) or "" for name in names])


def choices_in_columns(cells: Sequence[object], columns: Sequence[str]) -> Choices:
    """Return the choices that stand in a column each; a row may have fewer: its last cells are empty.

    Raises:
        UnusableCellError: A choice is no text, or there are fewer than two.
    """
    texts = list(cells)
    while texts and texts[-1] in (None, ""):
        texts.pop()
    return _checked(texts, columns[: len(texts)])


def right_choice(cell: object, choices: Choices, *, is_key: bool, first: int = 0) -> int:
    """Return which choice, counted from 0, an answer means: its name, number, letter from A, or text.

    Args:
        cell: The answer.
        choices: What can be meant.
        is_key: Whether what can be a name, number or letter is never a text; if not, an answer that one choice has
            for its number or letter and another one for its text is refused.
        first: What number an answer has for the first choice.

    Raises:
        UnusableCellError: It means none, or more than one.
    """
    key = label_of(cell)
    if key is None:
        raise UnusableCellError("no answer")
    by_key = _by_key(key, choices, first)
    if by_key is not None and (is_key or not isinstance(cell, str)):
        return by_key
    meant = {number for number, text in enumerate(choices.texts) if text.strip() == key}
    if by_key is not None:
        meant.add(by_key)
    if not meant:
        last = len(choices.texts) - 1
        numbers, letters = f"{first} to {first + last}", f"A to {ascii_uppercase[: last + 1][-1]}"
        ways = f"a number from {numbers}, a letter from {letters} or the text of a choice"
        raise UnusableCellError(f"the answer {shown(key)} is not {ways}")
    if len(meant) > 1:
        listed = " or ".join(str(number) for number in sorted(meant))
        raise UnusableCellError(f"the answer {shown(key)} could mean choice {listed}, counted from 0")
    return meant.pop()


def number_given(cell: object, choices: Choices, *, is_key: bool) -> int | None:
    """Return the number that an answer is; None where it says otherwise what is right: by a name, letter or text.

    Raises:
        UnusableCellError: It is no answer at all.
    """
    key = label_of(cell)
    said_otherwise = {name.strip() for name in choices.names}
    if isinstance(cell, str) and not is_key:
        said_otherwise |= {text.strip() for text in choices.texts}
    return None if key is None or key in said_otherwise else _number(key)


def _parsed(cell: object) -> Any:
    if isinstance(cell, str) and cell.lstrip().startswith(("[", "{")):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError) as error:
            raise UnusableCellError(f"the choices are not JSON: {error}") from error
    return cell


def _checked(cells: Sequence[object], names: Sequence[str]) -> Choices:
    if len(cells) < 2:
        raise UnusableCellError(f"two choices at least are needed, and there are {len(cells)}")
    texts = (text_of(cell, f"choice {number}", may_be_empty=False) for number, cell in enumerate(cells))
    return Choices(tuple(texts), tuple(names))


def _number(key: str) -> int | None:
    return int(key) if key.isdecimal() and key.isascii() and len(key) < 10 else None


def _by_key(key: str, choices: Choices, first: int) -> int | None:
    folded = [name.strip().casefold() for name in choices.names]
    if key.casefold() in folded:
        return folded.index(key.casefold())
    number = _number(key)
    if number is not None:
        number -= first
    elif len(key) == 1 and key.upper() in ascii_uppercase:
        number = ascii_uppercase.index(key.upper())
    return number if number in range(len(choices.texts)) else None
