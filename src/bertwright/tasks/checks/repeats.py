"""Checks for texts that occur more than once: in two files, in one, with different labels, or nearly the same.

A text that is in the training file and in the one that measures is remembered, not understood, and the figure is too
good. Knows nothing of tokens.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bertwright.tasks.checks.files import FEW_WORDS, TRAIN, LabelledFiles, context_of, where
from bertwright.tasks.checks.finding import Finding, Severity, by_share, counted_of, first, rows_have
from bertwright.tasks.finetuning import Key, Rows, key_of
from bertwright.tasks.kinds import AnyTask
from bertwright.tasks.regression import Regression
from bertwright.tasks.tagging import Sentence
from bertwright.tasks.texts import texts_of
from bertwright.text.complaints import agreeing, place
from bertwright.text.corpus.document import Document
from bertwright.text.corpus.duplicates import SHINGLE, near_keys_of_each
from bertwright.text.tables.choices import ChoiceRow
from bertwright.text.tables.questions import QuestionRow
from bertwright.text.tables.texts import Row

WRONG, WORTH_SAYING = 0.01, 0.002
"""Shares of a held-out file that training has seen: from where on its figures are wrong, and from where on doubtful."""
_MANY = 0.01  # share of rows that repeat others, or contradict them
_MOST_COMPARED = 20_000  # rows of a file that are looked at for near repeats, evenly taken
_FAR = 0.25  # of the range of all numbers: one of four steps between five stars, by which two who judge may differ
_LONG = 60  # words from which on shingles tell texts apart better than words

Near = dict[int, tuple[Key, frozenset[int]]]
"""By the numbers of rows, in ascending order: the exact key of each, and the keys of its MinHash bands."""


def same_files(files: LabelledFiles) -> Iterator[Finding]:
    """One file, or copies of it, in two roles; of each role it is said once."""
    for other, rows in files.held_out.items():
        one = next((earlier for earlier, later in files.same if later == other), None)
        if one is not None:
            yield Finding(
                severity := _leak(1.0, one),
                "same-file",
                f"{other}: {place(rows.path)} is the file of {one}, or a copy of it or of some of its rows"
                + _harm(severity, one, other),
                f"give a file of other rows with --{other}, or leave it out",
                role=other,
            )


def shared_texts(files: LabelledFiles) -> Iterator[Finding]:
    """The same text in two files."""
    for one, other in files.pairs:
        seen = {key: number for number, key in reversed(list(enumerate(files.keys[one])))}
        found = [(number, seen[key]) for number, key in enumerate(files.keys[other]) if key in seen]
        if found:
            rows, earlier = files.rows[other], files.rows[one]
            yield Finding(
                severity := _leak(len(found) / len(rows), one),
                "shared-texts",
                f"{other}: {rows_have(len(found), len(rows))} a text that {one} has, too" + _harm(severity, one, other),
                f"take them out of one of the two files, best of {one}",
                first(f"{where(rows, number)} = {where(earlier, before)}" for number, before in found),
                role=other,
            )


def shared_contexts(files: LabelledFiles) -> Iterator[Finding]:
    """The same context, with other questions, in two files."""
    for one, other in files.pairs:
        first_of = _contexts(files.rows[one])
        rows, texts = files.rows[other], set(files.keys[one])
        found = [
            (number, first_of[key])
            for number, row in enumerate(rows)
            if (key := key_of(context_of(row) or "")) in first_of and files.keys[other][number] not in texts
        ]
        if found:
            yield Finding(
                severity := _leak(len(found) / len(rows), one),
                "shared-contexts",
                f"{other}: {counted_of(len(found), len(rows))} {agreeing(len(found), 'asks', 'ask')} "
                f"about a context that {one} asks about, too" + _harm(severity, one, other),
                "keep all questions to one context in one file",
                first(f"{where(rows, number)} = {where(files.rows[one], before)}" for number, before in found),
                role=other,
            )


def repeated_texts(files: LabelledFiles) -> Iterator[Finding]:
    """The same text more than once in one file."""
    for role, rows in files.rows.items():
        firsts: dict[Key, int] = {}
        found = [number for number, key in enumerate(files.keys[role]) if firsts.setdefault(key, number) != number]
        if found:
            yield Finding(
                by_share(len(found) / len(rows), warning=_MANY),
                "repeated-texts",
                f"{role}: {counted_of(len(found), len(rows))} {agreeing(len(found), 'repeats', 'repeat')} "
                "a text of an earlier row",
                "each counts again: keep one of each, unless that is meant",
                first(where(rows, number) for number in found),
                role=role,
            )


def contradictions(files: LabelledFiles) -> Iterator[Finding]:
    """The same text with other labels: sets of them, or of answers, have none in common; numbers are far apart."""
    firsts: dict[Key, tuple[Any, str]] = {}
    found, total, far = list[str](), 0, _far_apart(files)
    for role, rows in files.rows.items():
        total += len(rows)
        for number, (row, key) in enumerate(zip(rows, files.keys[role], strict=True)):
            before, at = firsts.setdefault(key, (row, where(rows, number)))
            if before is not row and _contradict(before, row, files.task, far):
                found.append(f"{where(rows, number)} ≠ {at}")
    if found:
        other = "another label" if far is None else f"a number that is more than {far:g} away"
        yield Finding(
            by_share(len(found) / total, warning=_MANY / 2),
            "contradictions",
            f"{rows_have(len(found), total)} the text of an earlier row and {other}",
            "one of the two is wrong, or the label cannot be told from the text: correct them, or drop both",
            first(found),
        )


def near_repeats(files: LabelledFiles) -> Iterator[Finding]:
    """Texts that are nearly the same, but not quite: in two files, or in one."""
    near = {role: _near_keys(rows, files.keys[role]) for role, rows in files.rows.items()}
    yield from _nearly_shared(files, near)
    yield from _nearly_repeated(files, near)


def _nearly_shared(files: LabelledFiles, near: Mapping[str, Near]) -> Iterator[Finding]:
    """In two files."""
    for one, other in files.pairs:
        first_of = _first_of(near[one])
        exact = {own for own, _ in near[one].values()}
        rows, earlier = files.rows[other], files.rows[one]
        found = [
            (number, next(first_of[key] for key in keys if key in first_of))
            for number, (own, keys) in near[other].items()
            if own not in exact and not first_of.keys().isdisjoint(keys)
        ]
        if found:
            yield Finding(
                by_share(len(found) / len(near[other]), warning=WORTH_SAYING),
                "nearly-shared-texts",
                f"{other}: {rows_have(len(found), len(near[other]))} nearly the text of one in {one}"
                + _looked_at(files, one, other),
                "look at them: if the one tells the answer to the other, keep both in one file",
                first(f"{where(rows, number)} ~ {where(earlier, before)}" for number, before in found),
                role=other,
            )


def _nearly_repeated(files: LabelledFiles, near: Mapping[str, Near]) -> Iterator[Finding]:
    """In one file."""
    for role, rows in files.rows.items():
        first_of = _first_of(near[role])
        pairs = ((number, min(first_of[key] for key in keys)) for number, (_, keys) in near[role].items() if keys)
        again = [(number, before) for number, before in pairs if before < number]
        if again:
            yield Finding(
                by_share(len(again) / len(near[role]), warning=_MANY),
                "nearly-repeated-texts",
                f"{role}: {rows_have(len(again), len(near[role]))} nearly the text of an earlier row"
                + _looked_at(files, role),
                "look at them: a split, or folds, of this file would put the one here and the other there",
                first(f"{where(rows, number)} ~ {where(rows, before)}" for number, before in again),
                role=role,
            )


def _first_of(near: Near) -> dict[int, int]:
    """The first row with each key."""
    return {key: number for number, (_, keys) in reversed(near.items()) for key in keys}


def _looked_at(files: LabelledFiles, *roles: str) -> str:
    """Which part of large files was compared."""
    steps = {role: _step(files.rows[role]) for role in roles}
    return "".join(f"; of {role} one row in {step} was looked at" for role, step in steps.items() if step > 1)


def _leak(share: float, earlier: str) -> Severity:
    """Between validation and test it is less bad: nothing was learned from either."""
    return by_share(share, error=WRONG if earlier == TRAIN else 2.0, warning=WORTH_SAYING)


def _harm(severity: Severity, earlier: str, later: str) -> str:
    if severity == "note":
        return ", too few to matter"
    too_good = f": the {later} figures would be {'' if severity == 'error' else 'a little '}too good"
    return too_good if earlier == TRAIN else ": the best model is chosen by them"


def _contexts(rows: Rows[Any]) -> dict[Key, int]:
    """The first row that asks about each context."""
    found: dict[Key, int] = {}
    for number, row in enumerate(rows):
        if (context := context_of(row)) is not None:
            found.setdefault(key_of(context), number)
    return found


def _far_apart(files: LabelledFiles) -> float | None:
    """By how much two numbers may differ that are given to one text; None where labels are no numbers."""
    if not isinstance(files.task, Regression):
        return None
    numbers: list[float] = [row.label for rows in files.rows.values() for row in rows]
    return _FAR * (max(numbers) - min(numbers))


def _contradict(one: Any, other: Any, task: AnyTask, far: float | None) -> bool:
    if far is not None:
        return bool(abs(one.label - other.label) > far)
    return _said_of(one, task).isdisjoint(_said_of(other, task))


def _said_of(row: Any, task: AnyTask) -> frozenset[str]:
    """What is right for a row: one of the answers to a question, or of several labels, is no other than all of them."""
    match row:
        case QuestionRow():
            return frozenset(answer.text for answer in row.answers or ()) or frozenset({""})
        case Row(label=tuple(names)):
            return frozenset(names) or frozenset({""})
    return frozenset({json.dumps(task.truth(row), sort_keys=True)})


def _step(rows: Rows[Any]) -> int:
    return -(-len(rows) // _MOST_COMPARED)


def _near_keys(rows: Rows[Any], keys: list[Key]) -> Near:
    """The rows' keys; what stands there twice comes once."""
    firsts: dict[Key, int] = {}
    for number in range(0, len(rows), _step(rows)):
        context = context_of(rows.items[number])
        firsts.setdefault(keys[number] if context is None else key_of(context), number)
    found: Near = {}
    texts = {number: _substance(rows.items[number]) for number in firsts.values()}
    long = {number for number, parts in texts.items() if sum(part.count(" ") for part in parts) >= _LONG}
    own = {number: key for key, number in firsts.items()}
    for numbers, width in ((texts.keys() - long, 1), (long, SHINGLE)):
        documents = (Document("", texts[number], sentences_known=False) for number in sorted(numbers))
        for number, bands in zip(sorted(numbers), near_keys_of_each(documents, width), strict=True):
            found[number] = own[number], frozenset(bands.tolist())
    return dict(sorted(found.items()))


def _substance(row: Any) -> tuple[str, ...]:
    """What tells rows apart: their contexts where they have such, else their texts."""
    match row:
        case QuestionRow() | ChoiceRow():
            return (row.context,)
        case Sentence():
            return (row.text,) if len(row.words) >= FEW_WORDS else ()
    return texts_of(row)
