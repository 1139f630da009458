"""One cell's value → the text or the label that it stands for, or the reason why it stands for none.

Values come as CSV, JSON and Parquet give them. Text stays as it is written; a number or a truth value of JSON and
Parquet becomes the text that it is mostly written as: 1, 0.5, true.
Knows nothing of rows or files.
"""

import ast
import json
import math
import re

LONGEST_CELL = 10_000_000  # characters
SEPARATORS = ("|", ";", ",")
"""What may stand between several labels in one cell, the surest sign first."""
_LARGEST = 1e18  # of numbers to learn: the square of an error must fit 32 bits
_YES, _NO = frozenset({"1", "1.0", "true", "yes", "x"}), frozenset({"0", "0.0", "false", "no"})
_NUL_OR_SURROGATE = re.compile("[\0\ud800-\udfff]")
_KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}


class UnusableCellError(ValueError):
    """A cell that cannot be used; the text is the reason, without its place."""


def text_of(value: object, role: str, *, may_be_empty: bool) -> str:
    """Return the text of a cell; a null is an empty text.

    Args:
        value: The cell.
        role: `text` or `text pair`, for the reason.
        may_be_empty: Whether a text without any visible character is accepted.

    Raises:
        UnusableCellError: It is no string, is empty, or holds what is no character.
    """
    text = _checked("" if value is None else value, role)
    if not may_be_empty and not text.strip():
        raise UnusableCellError(f"empty {role}")
    return text


def label_of(value: object) -> str | None:
    """Return the label of a cell: the numbers 1 and 1.0 and " 1" are all `1`; true is `true`; null and blank are None.

    Raises:
        UnusableCellError: It is neither a string nor one number nor a truth value.
    """
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float() if math.isnan(value):  # how a float column of Parquet often spells null
            return None
        case float():
            return str(int(value)) if value.is_integer() else repr(value)
        case _:
            return _checked(value, "label").strip() or None


def labels_of(value: object, separator: str | None = None) -> tuple[str, ...]:
    """Return all labels of a cell, each once, in their order: a list, JSON text of one, or names with separators.

    Args:
        value: The cell; null and blank are no labels.
        separator: What stands between names; None for `SEPARATORS`, whichever comes first in that list.

    Raises:
        UnusableCellError: An element is no label.
    """
    if isinstance(value, str):
        value = _listed(value, separator)
    elif value is None or not isinstance(value, list | tuple):
        value = [value]
    found = (label_of(element) for element in value)
    return tuple(dict.fromkeys(label for label in found if label is not None))


def _listed(text: str, separator: str | None) -> list[object]:
    if separator is None and text.lstrip().startswith("["):
        listed = _json_or_python(text)
        if isinstance(listed, list):
            return listed
    used = separator or next((sign for sign in SEPARATORS if sign in text), None)
    return [text] if used is None else list(text.split(used))


def _json_or_python(text: str) -> object:
    """What a cell holds as JSON, or as Python writes it, as pandas does with lists in a .csv."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        problem = error
    try:
        found = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        found = None
    if repr(found) != text.strip():  # ['a' 'b'], as NumPy writes it, would be one label to Python
        raise UnusableCellError(
            f'the labels begin with [ but are no list as JSON or Python writes it, such as ["a", "b"]: {problem}'
        )
    return found


def number_of(value: object) -> float | None:
    """Return the number of a cell; null and blank are None.

    Raises:
        UnusableCellError: It is no number, not a finite one, or one whose square is too large for 32 bits.
    """
    text = label_of(value)
    if text is None:
        return None
    try:
        found = float(text)
    except ValueError as error:
        raise UnusableCellError(f"the label {text[:60]!r} is no number{_with_a_point(text)}") from error
    if not math.isfinite(found):
        raise UnusableCellError(f"the label {text!r} is not a finite number")
    if abs(found) > _LARGEST:
        raise UnusableCellError(f"the label {text!r} is too large a number: {_LARGEST:g} at most")
    return found


def _with_a_point(text: str) -> str:
    """What to write for a number with a decimal comma."""
    try:
        float(pointed := text.replace(",", ".", 1))
    except ValueError:
        return ""
    return f": write {pointed!r}"


def is_yes(value: object, column: str) -> bool:
    """Whether a cell says that the label of its column is given: 1, true, yes; not: 0, false, no, null and blank.

    Raises:
        UnusableCellError: It says something else.
    """
    text = label_of(value)
    if text is None or text.casefold() in _NO:
        return False
    if text.casefold() in _YES:
        return True
    raise UnusableCellError(f"the label column {column!r} holds {text[:60]!r}, neither 1 nor 0")


def _checked(value: object, role: str) -> str:
    if not isinstance(value, str):
        kind = _KINDS.get(type(value), f"of type {type(value).__name__}")
        raise UnusableCellError(f"the {role} is {kind}, not a string")
    if len(value) > LONGEST_CELL:
        raise UnusableCellError(f"the {role} is longer than {LONGEST_CELL:,} characters")
    if found := _NUL_OR_SURROGATE.search(value):
        what = "a NUL character" if found[0] == "\0" else f"half of a surrogate pair ({found[0]!a})"
        raise UnusableCellError(f"{what} in the {role}")
    return value
