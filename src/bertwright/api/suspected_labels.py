"""Training rows whose labels are likely wrong, by the answers of models that have not seen them.

For classification, and for each label of multi-label classification by itself; other tasks have no such rule here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bertwright.api.common import say, warn
from bertwright.evaluation.label_errors import likely_errors, tells_apart
from bertwright.tasks.classification import Classification
from bertwright.tasks.finetuning import Rows
from bertwright.tasks.kinds import AnyTask
from bertwright.tasks.multilabel import MultiLabel
from bertwright.text.complaints import agreeing, counted, place, shown

_SHOWN = 3


class _Question(NamedTuple):
    """What one label is chosen by: N rows, the probabilities of each name, and the given one's number."""

    probabilities: Any
    given: Any
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Suspected:
    """A label that is likely wrong.

    Attributes:
        place: `file:line`.
        text: The row's text.
        text_pair: The second text of a pair.
        given: The label in the file; of several labels `joy`, or `not joy`.
        model: The label that the model would give.
        probability: Of the model's label.
        given_probability: Of the given one.
    """

    place: str
    text: str
    text_pair: str | None
    given: str
    model: str
    probability: float
    given_probability: float


def suspected(task: AnyTask, rows: Rows[Any], answers: Sequence[Mapping[str, Any]]) -> list[Suspected] | None:
    """The likeliest first; None where there is no rule for the task, or the models tell no label from another.

    Args:
        task: What the rows are labelled for.
        rows: The labelled rows.
        answers: What a model that has not seen it says to each, as in predictions.jsonl.
    """
    if isinstance(task, Classification):
        given = np.array([task.labels.index(row.label) for row in rows])
        questions = [_Question(_scores(answers, task.labels), given, task.labels)]
    elif isinstance(task, MultiLabel):
        scores, truths = _scores(answers, task.labels), task.numbers(rows).astype(np.int64)
        questions = [
            _Question(np.stack([1 - own, own], axis=1), truth, (f"not {label}", label))
            for label, own, truth in zip(task.labels, scores.T, truths.T, strict=True)
        ]
    else:
        return None
    known = [question for question in questions if tells_apart(question.probabilities, question.given)]
    if not known:
        warn(
            f"{rows.path}: no label is called wrong, as the models of the folds know no more of them than how frequent "
            "each is: train longer, with --epochs or a higher --learning-rate"
        )
        return None
    found = [suspect for question in known for suspect in _among(rows, question)]
    return sorted(found, key=lambda suspect: suspect.given_probability - suspect.probability)


def say_suspected(suspects: Sequence[Suspected], path: Path, listed: Path) -> None:
    """How many there are, the first few, and what to do."""
    if not suspects:
        say(f"{path}: no label looks wrong")
        return
    number = len(suspects)
    say(
        f"{path}: {counted(number, 'label')} {agreeing(number, 'looks', 'look')} wrong, listed in {listed}, the "
        "likeliest first: read these rows, correct what is wrong, and train again"
    )
    for one in suspects[:_SHOWN]:
        likelier = f"likelier {shown(one.model)} ({one.probability:.2f})"
        say(f"    {one.place} {shown(one.text)} has {shown(one.given)}, {likelier}")


def _scores(answers: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> Any:
    return np.array([[answer["scores"][label] for label in labels] for answer in answers])


def _among(rows: Rows[Any], question: _Question) -> Iterator[Suspected]:
    probabilities, given, names = question
    for row, other, _ in likely_errors(probabilities, given):
        item, own = rows.items[row], given[row]
        yield Suspected(
            place=place(rows.path, item.line),
            text=item.text,
            text_pair=item.pair,
            given=names[own],
            model=names[other],
            probability=float(probabilities[row, other]),
            given_probability=float(probabilities[row, own]),
        )
