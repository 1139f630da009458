"""The labelled files of a training as the checks see them: rows by role, and what is alike in rows of every task.

Two texts are the same if they differ in nothing but case and white space. Knows no check, and nothing of tokens.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations
from pathlib import Path
from typing import Any

from bertwright.tasks.finetuning import Key, Rows, key_of
from bertwright.tasks.kinds import AnyTask
from bertwright.tasks.tag_schemes import entities
from bertwright.tasks.tagging import INSIDE, Sentence
from bertwright.text.complaints import place, shown
from bertwright.text.tables.choices import ChoiceRow
from bertwright.text.tables.questions import QuestionRow
from bertwright.text.tables.texts import Row

TRAIN = "train"
FEW_WORDS = 5


@dataclass(frozen=True)
class LabelledFiles:
    """The files of a training.

    Attributes:
        task: The task that the training rows set.
        rows: Those of each file that is given, by its role: `train`, `validation`, `test`.
    """

    task: AnyTask
    rows: Mapping[str, Rows[Any]]

    @property
    def train(self) -> Rows[Any]:
        """What is learned from."""
        return self.rows[TRAIN]

    @property
    def held_out(self) -> dict[str, Rows[Any]]:
        """What the model is measured on, by role."""
        return {role: rows for role, rows in self.rows.items() if role != TRAIN}

    @property
    def pairs(self) -> Iterator[tuple[str, str]]:
        """Each two roles of different files, the one that comes earlier in a training first."""
        return (pair for pair in combinations(self.rows, 2) if pair not in self.same)

    @cached_property
    def same(self) -> tuple[tuple[str, str], ...]:
        """Each two roles where the later one's rows are all in the earlier one's file, line for line, or in a copy.

        Two roles may have a part of one file each: it is both parts.
        """
        found: list[tuple[str, str]] = []
        files: dict[Path, set[Any]] = {}
        for number, (other, rows) in enumerate(self.rows.items()):
            own = set(rows)
            found += [(one, other) for one in list(self.rows)[:number] if own <= files[self.rows[one].path]]
            files.setdefault(rows.path, set()).update(own)
        return tuple(found)

    @cached_property
    def keys(self) -> Mapping[str, list[Key]]:
        """A key for the texts of each row, by role."""
        return {role: [self._key(role, row) for row in rows] for role, rows in self.rows.items()}

    def _key(self, role: str, row: Any) -> Key:
        """A sentence of a few tagged words, such as a line of scores, comes again by itself: it is like no other."""
        short = isinstance(row, Sentence) and len(row.words) < FEW_WORDS
        return key_of(role, str(row.line)) if short else key_of(*self.task.shown(row))


def where(rows: Rows[Any], number: int) -> str:
    """The place of a row, as `file:line`, and its name where it has one, which is all where the file is one line."""
    row = rows.items[number]
    own_id = getattr(row, "id", None)
    if own_id is None:
        return place(rows.path, row.line)
    if rows.items[0].line == rows.items[-1].line:
        return f"{place(rows.path)}: question {shown(own_id)}"
    return f"{place(rows.path, row.line)} {shown(own_id)}"


def label_names(row: object) -> Sequence[str]:
    """The names that a row is labelled with; those of the entities in tagged words; none where labels are no names."""
    match row:
        case Row(label=str(name)):
            return (name,)
        case Row(label=tuple(names)):
            return names
        case Sentence(tags=tuple(tags)):
            return [entity.type for entity in entities(tags, INSIDE)]
    return ()


def named(rows: Rows[Any]) -> list[str]:
    """All names of all rows."""
    return list(chain.from_iterable(map(label_names, rows)))


def context_of(row: object) -> str | None:
    """The text that several rows may ask about; None where every row has its own."""
    return row.context if isinstance(row, QuestionRow | ChoiceRow) else None
