"""What fine-tuning, evaluation and prediction ask of a task beyond what the loop asks; knows none of the tasks.

The same object trains a model, measures it, and makes its answers: it is *learned* from labelled rows, or read back
*of* a model folder. `kinds.py` lists them.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Generic, Protocol, Self, TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from bertwright.batches.order import shuffled
from bertwright.errors import DataError
from bertwright.model.config import BertConfig
from bertwright.model.heads import Headed
from bertwright.settings import FinetuneSettings, TableSettings
from bertwright.tasks.row_counts import Weights
from bertwright.tasks.suspicions import Suspicion
from bertwright.tasks.task import Batch, BatchT_co, BatchT_contra, Measurable, Outputs, Tally, Task
from bertwright.text import complaints
from bertwright.text.tables.table import Table
from bertwright.text.wordpiece import WordPiece

Key = bytes
MEMORY = Path("memory")
"""Where rows are that are in no file."""
_SPLIT = 3  # sets this random stream apart from those of order and dropout


class HasLine(Protocol):
    """A row of a file."""

    @property
    def line(self) -> int:
        """The line on which it begins, from 1."""


RowT = TypeVar("RowT", bound=HasLine)


@dataclass(frozen=True, slots=True)
class Rows(Generic[RowT]):
    """Rows, at least one, of the file at `path`."""

    path: Path
    items: Sequence[RowT]

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[RowT]:
        return iter(self.items)

    @property
    def lines(self) -> NDArray[np.int64]:
        """The line of each."""
        return np.array([row.line for row in self.items], dtype=np.int64)

    def take(self, places: NDArray[np.integer[Any]]) -> "Rows[RowT]":
        """The rows at these places, in that order."""
        return Rows(self.path, [self.items[place] for place in places.tolist()])


@dataclass(frozen=True, slots=True)
class Limit:
    """How much a model reads at once of what is cut where it is longer.

    Attributes:
        tokens: The most.
        lost: What is cut off.
        what: What is cut: the texts of a row, or some of them.
        reason: Why it is no more, where more was asked for.
    """

    tokens: int
    lost: str = "end"
    what: str = "texts"
    reason: str = ""

    def said_of(self, count: int) -> str:
        """What is said of so many that are cut."""
        reason = f" ({self.reason})" if self.reason else ""
        are, lose = complaints.agreeing(count, "is", "are"), complaints.agreeing(count, "loses its", "lose their")
        return f"{are} longer than {self.tokens} tokens{reason} and {lose} {self.lost}"


class Answer(Protocol):
    """What a model says to one row."""

    @property
    def truncated(self) -> bool:
        """Whether the model saw only a part of the text."""

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""


class TaskExamples(Measurable[BatchT_co], Protocol[BatchT_co]):
    """Rows of a task as token sequences."""

    def row_of(self, example: int) -> int:
        """The number of the row that an example is of."""
        ...

    @property
    def cut(self) -> NDArray[np.bool_]:
        """Of each row, whether something of it is in no sequence."""
        ...

    @property
    def full_lengths(self) -> NDArray[np.integer[Any]]:
        """Tokens of each row, before anything was cut off."""
        ...


ExamplesT = TypeVar("ExamplesT", bound=TaskExamples[Any])
ExamplesT_contra = TypeVar("ExamplesT_contra", bound=TaskExamples[Any], contravariant=True)


class TaskTally(Tally[ExamplesT_contra], Protocol[ExamplesT_contra]):
    """Figures of a task, and what stands behind them; keeps a few numbers of each row."""

    @property
    def losses(self) -> NDArray[np.float64]:
        """How wrong the model is about each row."""
        ...

    @property
    def right(self) -> NDArray[np.bool_] | None:
        """Of each row, whether its answer is right, where `accuracy` is the share of such rows."""
        ...

    @property
    def faultless(self) -> NDArray[np.bool_] | None:
        """Of each row, whether it is no bad answer however high its loss; None where the loss alone tells."""
        ...

    def extend(self, other: Self) -> None:
        """Count all rows of another tally as well."""
        ...

    def metrics(self, weights: Weights = None) -> dict[str, float]:
        """The figures, each row counted as often as its weight says."""
        ...

    def suspicions(self) -> list[Suspicion]:
        """What is so odd about the answers that the user should know."""
        ...

    def details(self) -> dict[str, Any]:
        """What a report shows beside the figures."""
        ...


class FinetuneTask(Task[BatchT_contra], Protocol[RowT, BatchT_contra, ExamplesT]):
    """A task with labelled rows.

    Attributes:
        name: As `--task` has it.
        head: The encoder with the head that the task needs.
    """

    name: ClassVar[str]
    head: ClassVar[type[Headed]]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Figures by which the best model can be chosen, the usual one first."""
        ...

    @classmethod
    def table(cls, path: Path, settings: TableSettings, *, labelled: bool) -> Table[RowT]:
        """Open a file of such rows."""

    @classmethod
    def listen(cls, stream: BinaryIO, settings: TableSettings) -> Table[RowT]:
        """Read a stream of rows without labels, such as standard input, once."""

    @staticmethod
    def check_training(rows: Rows[RowT]) -> None:
        """See that training rows differ in what is to be learned.

        Raises:
            DataError: There is nothing to learn from them.
        """

    @classmethod
    def learn(cls, rows: Rows[RowT], settings: FinetuneSettings) -> Self:
        """The task that these training rows set, which passed `check_training`.

        Raises:
            UsageError: A setting does not fit them.
        """

    @classmethod
    def of(cls, config: BertConfig) -> Self:
        """The task that a fine-tuned model was trained for."""

    def configure(self, config: BertConfig) -> BertConfig:
        """The config of a model for the task: names and all that an answer needs."""

    def check_rows(self, rows: Rows[RowT], source: str) -> None:
        """See that rows are such as were learned from, whatever their labels.

        Raises:
            DataError: They are not; the text names `source` as what has the others.
        """

    def check(self, rows: Rows[RowT], source: str) -> None:
        """See that rows pass `check_rows`, and that nothing in the labels is unknown.

        Raises:
            DataError: Something is; the text names it with counts and the first line, and `source` as who knows it.
        """

    def describe(self, rows: Rows[RowT]) -> str:
        """Number of rows, and of what in them, on one line."""

    @staticmethod
    def strata(rows: Rows[RowT]) -> Sequence[str]:
        """What each row counts as, of which each part of a split gets its share."""
        ...

    @staticmethod
    def groups(rows: Rows[RowT]) -> Sequence[object]:
        """What each row shares with others that must not be on both sides of a split."""
        ...

    def shown(self, row: RowT) -> tuple[str, ...]:
        """The row's texts."""
        ...

    def truth(self, row: RowT) -> dict[str, Any]:
        """The row's label as JSON values, to stand beside the answer."""

    def limit(self, max_length: int) -> Limit:
        """What is cut of rows where the model reads at most so many tokens at once."""
        ...

    def encode(self, rows: Rows[RowT], tokenizer: WordPiece, max_length: int) -> ExamplesT:
        """The rows as examples, labelled if the rows are."""

    def outputs(self, model: nn.Module, batch: Batch) -> Tensor:
        """What the head says of each thing in a batch; needs no labels."""

    def tally(self) -> TaskTally[ExamplesT]:
        """An empty tally."""

    @property
    def tunes(self) -> bool:
        """Whether there is something to choose on a validation set, such as thresholds."""
        ...

    def tuned(self, outputs: Outputs, examples: ExamplesT) -> Self:
        """The same task with what is best chosen on a validation set; itself where nothing can be told from that."""

    def answers(self, rows: Rows[RowT], examples: ExamplesT, outputs: Outputs) -> Iterator[Answer]:
        """One answer a row, in their order."""

    def asked(self, *given: Any, **named: Any) -> Iterator[RowT]:
        """What a user holds in memory, as rows."""


class PlainTask:
    """What most tasks have in common: a text that is too long loses its end, and nothing is tuned."""

    def check_rows(self, rows: Rows[Any], source: str) -> None:
        """What is in a row shows in its form alone: there is nothing to see."""
        del rows, source

    def limit(self, max_length: int) -> Limit:
        """See `FinetuneTask`."""
        return Limit(max_length)

    @property
    def tunes(self) -> bool:
        """See `FinetuneTask`."""
        return False

    def tuned(self, outputs: Outputs, examples: Any) -> Self:
        """See `FinetuneTask`."""
        del outputs, examples
        return self


def split(
    rows: Rows[RowT],
    strata: Sequence[str],
    fraction: float,
    *,
    seed: int,
    groups: Sequence[object] = (),
    labels: Sequence[Collection[str]] = (),
    alike: str = "different row",
) -> tuple[Rows[RowT], Rows[RowT]]:
    """Cut off a validation set that has each stratum's share of the whole, in the order of the file.

    Args:
        rows: All rows.
        strata: What each row counts as; its label where it has one.
        fraction: Share of each stratum that is cut off, and of all rows; those with a single row count as one.
        seed: Decides which rows.
        groups: Rows of equal ones stay together; without any each row is by itself.
        labels: Those of each row, which may have several: none is left for the validation rows alone, where nothing
            could tell it.
        alike: What is said to be too few where groups are.

    Returns:
        Training rows and validation rows.

    Raises:
        DataError: There are too few rows to cut any off.
    """
    unit, names = units(strata, groups)
    names = _pooled(names, unit, labels)
    chosen = np.zeros(len(names), dtype=bool)
    for stratum, count in _shares(names, fraction, seed):
        places = np.flatnonzero(names == stratum)
        chosen[places[shuffled(len(places), seed, crc32(stratum.encode()), _SPLIT)[:count]]] = True
    if labels:
        _take_back(chosen, unit, labels)
    if not 0 < chosen.sum() < len(chosen):
        found = complaints.counted_are(len(chosen), "row" if len(chosen) == len(rows) else alike)
        raise DataError(
            f"{rows.path}: {found} too few to split off a validation set of {fraction:.0%}; "
            "give one with --validation, or more with --validation-fraction"
        )
    return rows.take(np.flatnonzero(~chosen[unit])), rows.take(np.flatnonzero(chosen[unit]))


def _pooled(names: NDArray[Any], unit: NDArray[np.int64], labels: Sequence[Collection[str]]) -> NDArray[Any]:
    """The strata, those of one unit put together: of each nothing could be cut off. Not such as alone have a label."""
    own: list[set[str]] = [set() for _ in names]
    for place, found in zip(unit.tolist(), labels, strict=False):
        own[place].update(found)
    sizes, having = Counter(names.tolist()), Counter(chain.from_iterable(own))
    alone = [sizes[name] == 1 and all(having[label] > 1 for label in own[at]) for at, name in enumerate(names)]
    return np.where(alone, "", names)


def _shares(names: NDArray[Any], fraction: float, seed: int) -> Iterator[tuple[str, int]]:
    """How much of each stratum is cut off: its exact share rounded down or up, those with the largest remainders up.

    So all together are the share of the whole, which shares that are rounded one by one need not be.
    """
    strata, sizes = np.unique(names, return_counts=True)
    exact = np.round(sizes * fraction, 9)  # 0.29 x 100 is less than 29 in binary
    shares = np.floor(exact).astype(np.int64)
    order = shuffled(len(strata), seed, _SPLIT)  # of equal remainders
    order = order[np.argsort((shares - exact)[order], kind="stable")]
    order = order[shares[order] < sizes[order] - 1]
    shares[order[: round(len(names) * fraction) - shares.sum()]] += 1
    return zip(strata.tolist(), shares.tolist(), strict=True)


def _take_back(chosen: NDArray[np.bool_], unit: NDArray[np.int64], labels: Sequence[Collection[str]]) -> None:
    """Choose no unit any longer that has a label of which no other row is left."""
    learned = set(chain.from_iterable(labels[place] for place in np.flatnonzero(~chosen[unit]).tolist()))
    for place in np.flatnonzero(chosen[unit]).tolist():
        if not learned.issuperset(labels[place]):
            chosen[unit[place]] = False
            learned.update(labels[place])


def units(strata: Sequence[str], groups: Sequence[object]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """What stays together: the number of each row's group (of each row, without groups), and the stratum of each."""
    numbers: dict[object, int] = {}
    unit = np.array([numbers.setdefault(group, len(numbers)) for group in groups or range(len(strata))])
    return unit, np.array(strata, dtype=object)[np.unique(unit, return_index=True)[1]]


def key_of(*texts: str) -> Key:
    """The same for texts that differ in nothing but case and white space: 8 bytes, however long they are."""
    alike = "\0".join(" ".join(text.split()).casefold() for text in texts)
    return blake2b(alike.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def lines_shown(path: Path, lines: NDArray[np.integer[Any]]) -> str:
    """`train.csv: lines 2, 7`: each line once, in the order of the file."""
    return f"{path}: lines " + ", ".join(map(str, sorted(set(lines.tolist()))))


def counted(names: Sequence[str] | Mapping[str, int], most: int = 10) -> str:
    """How often each name occurs, the commonest first, on one line."""
    counts = Counter(names).most_common()
    shown = ", ".join(f"{name}: {count}" for name, count in counts[:most])
    return shown + (f", and {len(counts) - most} more labels" if len(counts) > most else "")
