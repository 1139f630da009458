"""Checks of single rows, some of them for one task alone: texts without content, tags, answers, numbers."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bertwright.tasks.checks.files import LabelledFiles, label_names, where
from bertwright.tasks.checks.finding import Finding, by_share, counted_of, first, rows_have
from bertwright.tasks.checks.labels import ONE_SIDED
from bertwright.tasks.finetuning import Rows
from bertwright.tasks.tagging import Sentence
from bertwright.tasks.texts import texts_of
from bertwright.text.complaints import all_shown, shown
from bertwright.text.corpus.words import has_chinese
from bertwright.text.tables.choices import ChoiceRow
from bertwright.text.tables.texts import Row

_ONE_PLACE = 0.9  # share of right choices
_FEWEST = 20  # rows before the places of answers, or the mean of numbers, tell anything
_FAR = 5.0  # times the distance between the quartiles
_LONGEST_SENTENCE = 1_000  # words
_MISSING = frozenset({"nan", "null", "n/a", "#n/a", "<na>", "nat"})
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_LOST = "\ufffd"
_MANY_BROKEN = 0.01  # share of rows
_SIGNS_SHOWN = 5


def tiny_texts(files: LabelledFiles) -> Iterator[Finding]:
    """Texts of no more than one character; a Chinese one may be a word."""
    yield from _warnings(
        files.rows,
        lambda row: any(map(_is_tiny, _own_texts(files, row))),
        "tiny-texts",
        "a text of no more than one character",
        "nothing can be told from them: take them out, or look whether it is the right column",
    )


def missing_values(files: LabelledFiles) -> Iterator[Finding]:
    """Texts and labels that are no more than what a table writes where there is no value."""
    for role, rows in files.rows.items():
        if found := _numbers(rows, lambda row: isinstance(row, Row) and any(map(_is_missing, _cells(row)))):
            written = next(cell for cell in _cells(rows.items[found[0]]) if _is_missing(cell))
            yield Finding(
                "warning",
                "missing-values",
                f"{role}: {rows_have(len(found), len(rows))} {shown(written)} or the like for a text or a label",
                "a program wrote that where there was none: take these rows out",
                _places(rows, found),
                role=role,
            )


def wrong_encoding(files: LabelledFiles) -> Iterator[Finding]:
    """Texts that were once read in another encoding than their own: `Ã¶` is an `ö`."""
    for role, rows in files.rows.items():
        broken = {number: sign for number, row in enumerate(rows) if (sign := _broken(files.task.shown(row)))}
        if broken:
            signs = dict.fromkeys(broken.values())
            yield Finding(
                by_share(len(broken) / len(rows), warning=_MANY_BROKEN),
                "wrong-encoding",
                f"{role}: {rows_have(len(broken), len(rows))} signs of a wrong encoding, such as "
                f"{all_shown(list(signs)[:_SIGNS_SHOWN])}",
                "the text was decoded wrongly before it was written here: get it anew from its source",
                _places(rows, list(broken)),
                role=role,
            )


def impossible_tags(files: LabelledFiles) -> Iterator[Finding]:
    """Tags that cannot stand where they do in the scheme of their file."""
    for role, rows in files.rows.items():
        if found := _numbers(rows, lambda row: isinstance(row, Sentence) and bool(row.impossible)):
            tags = sum(len(rows.items[number].impossible) for number in found)
            yield Finding(
                by_share(len(found) / len(rows), error=0.05, warning=0.0),
                "impossible-tags",
                f"{role}: {rows_have(len(found), len(rows))} tags that cannot stand where they do: {tags} in all",
                "they are read as conlleval would: correct them, or look whether the file mixes two schemes",
                _places(rows, found),
                role=role,
            )


def endless_sentences(files: LabelledFiles) -> Iterator[Finding]:
    """Sentences of more words than a sentence has."""
    yield from _warnings(
        files.rows,
        lambda row: isinstance(row, Sentence) and len(row.words) > _LONGEST_SENTENCE,
        "endless-sentences",
        f"more than {_LONGEST_SENTENCE} words",
        "is the blank line missing that ends a sentence?",
    )


def never_unanswered(files: LabelledFiles) -> Iterator[Finding]:
    """Questions without an answer in a held-out file, while each in train has one."""
    if all(row.answers for row in files.train):
        yield from _warnings(
            files.held_out,
            lambda row: not row.answers,
            "never-unanswered",
            "no answer, and in train each has one",
            "the model will always give one, and be wrong there: add such questions to train, or take these out",
        )


def answers_in_one_place(files: LabelledFiles) -> Iterator[Finding]:
    """Right choices that are nearly always the same one by number."""
    for role, rows in files.rows.items():
        counts = Counter(row.answer for row in rows if isinstance(row, ChoiceRow) and row.answer is not None)
        if counts.total() < _FEWEST:
            continue
        ((number, count),) = counts.most_common(1)
        if count / counts.total() >= _ONE_PLACE:
            yield Finding(
                "warning",
                "answers-in-one-place",
                f"{role}: in {counted_of(count, counts.total())} the right choice is number {number + 1}",
                "was the column of the answers read rightly? If so, shuffle the choices",
                role=role,
            )


def equal_choices(files: LabelledFiles) -> Iterator[Finding]:
    """Questions with the same choice twice."""
    yield from _warnings(
        files.rows,
        lambda row: len(set(row.choices)) < len(row.choices),
        "equal-choices",
        "the same choice twice",
        "which of the two is right cannot be told: correct them",
    )


def far_numbers(files: LabelledFiles) -> Iterator[Finding]:
    """Numbers far away from all others: in squared errors a single one can outweigh the rest."""
    low, middle, high = np.quantile([row.label for row in files.train], (0.25, 0.5, 0.75))
    width = _FAR * (high - low)
    for role, rows in files.rows.items():
        if width and (found := _numbers(rows, lambda row: not low - width <= row.label <= high + width)):
            farthest = max((rows.items[number].label for number in found), key=lambda value: abs(value - middle))
            yield Finding(
                "warning",
                "far-numbers",
                f"{role}: {rows_have(len(found), len(rows))} a number far away from the others (half of those in "
                f"train are from {low:g} to {high:g}), such as {farthest:g}",
                "errors are squared, and such rows outweigh all others: correct them, or take the logarithm",
                _places(rows, found),
                role=role,
            )


def numbers_elsewhere(files: LabelledFiles) -> Iterator[Finding]:
    """Numbers of a held-out file that are, on the whole, not where those of train are."""
    learned = np.array([row.label for row in files.train])
    for role, rows in files.held_out.items():
        mean = float(np.mean([row.label for row in rows]))
        if len(rows) >= _FEWEST and abs(mean - learned.mean()) > learned.std():
            yield Finding(
                "warning",
                "numbers-elsewhere",
                f"{role}: the numbers have a mean of {mean:.3g}, those of train one of {learned.mean():.3g} (standard "
                f"deviation {learned.std():.3g})",
                "are both files on the same scale?",
                role=role,
            )


def one_sided_numbers(files: LabelledFiles) -> Iterator[Finding]:
    """One number that nearly all rows have."""
    ((number, count),) = Counter(row.label for row in files.train).most_common(1)
    if ONE_SIDED * len(files.train) <= count < len(files.train):
        error = np.mean([abs(row.label - number) for row in files.train])
        yield Finding(
            "warning",
            "one-sided-numbers",
            f"train: {rows_have(count, len(files.train))} the number {number:g}: to say it always has a mean "
            f"absolute error of {error:.3g}",
            "correlations are of the few others: does it stand where a number is missing? Then take these rows out",
            role="train",
        )


def equal_numbers(files: LabelledFiles) -> Iterator[Finding]:
    """A held-out file with the same number in all rows: no correlation can be computed."""
    for role, rows in files.held_out.items():
        if len({row.label for row in rows}) == 1:
            yield Finding(
                "error",
                "equal-numbers",
                f"{role}: all {len(rows)} rows have the number {rows.items[0].label:g}, to which nothing correlates",
                "is it the right --label-column?",
                role=role,
            )


def _warnings(
    rows_of: Mapping[str, Rows[Any]], has: Callable[[Any], bool], check: str, what: str, advice: str
) -> Iterator[Finding]:
    """A warning for each file some of whose rows have what they should not."""
    for role, rows in rows_of.items():
        if found := _numbers(rows, has):
            text = f"{role}: {rows_have(len(found), len(rows))} {what}"
            yield Finding("warning", check, text, advice, _places(rows, found), role=role)


def _own_texts(files: LabelledFiles, row: Any) -> tuple[str, ...]:
    """Those that should say something by themselves: of a choice `7` may be all of it."""
    if isinstance(row, Sentence):  # a single sign may be all of it, too
        return ()
    return (row.context,) if isinstance(row, ChoiceRow) else files.task.shown(row)


def _cells(row: Row[Any]) -> Iterator[str]:
    yield from texts_of(row)
    yield from label_names(row)


def _is_missing(cell: str) -> bool:
    return cell.strip().casefold() in _MISSING


def _broken(texts: Sequence[str]) -> str | None:
    """The first signs that were decoded wrongly: UTF-8 as Windows-1252, or what no decoder could read."""
    runs = (run for text in texts for run in _NOT_ASCII.findall(text))
    return next((run for run in runs if _LOST in run or _is_utf8_of_windows(run)), None)


def _is_utf8_of_windows(run: str) -> bool:
    try:
        run.encode("cp1252").decode()
    except UnicodeError:
        return False
    return True


def _is_tiny(text: str) -> bool:
    bare = text.strip()
    return len(bare) <= 1 and not has_chinese(bare)


def _numbers(rows: Rows[Any], has: Callable[[Any], bool]) -> list[int]:
    return [number for number, row in enumerate(rows) if has(row)]


def _places(rows: Rows[Any], numbers: list[int]) -> tuple[str, ...]:
    return first(where(rows, number) for number in numbers)
