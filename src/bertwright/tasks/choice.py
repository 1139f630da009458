"""Multiple choice: which of several texts fits a context, and perhaps a question, best.

Each choice is read together with the context, as a pair of texts; the choices of one question are rivals in one softmax
(Devlin et al. 2019, section 4.4). Knows no optimizer and no command line.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bertwright.batches.groups import Groups, side_by_side
from bertwright.errors import UsageError
from bertwright.model.config import BertConfig
from bertwright.model.flat import FlatTokens
from bertwright.model.heads import Headed, MultipleChoice
from bertwright.settings import FinetuneSettings
from bertwright.tasks.calibration import Reliability
from bertwright.tasks.contexts import ContextTask
from bertwright.tasks.finetuning import Rows, lines_shown
from bertwright.tasks.row_counts import Column, RowTally, Weights, rows_of, summed
from bertwright.tasks.suspicions import Suspicion
from bertwright.tasks.task import Batch, Outputs
from bertwright.tasks.texts import logits
from bertwright.text.complaints import counted
from bertwright.text.tables.choices import ChoiceRow, open_choices, read_choices
from bertwright.text.tables.table import Form
from bertwright.text.wordpiece import Encoded, WordPiece

BEST = "fits"
"""What the only output is called, where classes have their names."""
UNLABELLED = -100


@dataclass(frozen=True, slots=True)
class Chosen:
    """The answer to one question.

    Attributes:
        id: As the file has it.
        question: The question, or what the choices continue.
        answer: The text of the choice that fits best.
        choice: Its number, from 0.
        scores: Probability of each choice, in their order.
        truncated: Whether something of the context or of a choice did not count.
    """

    id: str
    question: str | None
    answer: str
    choice: int
    scores: tuple[float, ...]
    truncated: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON values; `question` only where there is one."""
        values = asdict(self)
        if self.question is None:
            del values["question"]
        return values


@dataclass(frozen=True, slots=True)
class ChoiceBatch:
    """All choices of B questions, end to end.

    Attributes:
        tokens: One sequence a choice.
        choices: How many choices each question has.
        answers: The number of each question's right choice.
    """

    tokens: FlatTokens
    choices: Int[Tensor, " B"]
    answers: Int[Tensor, " B"]

    def to(self, device: torch.device) -> Self:
        """The same batch on a device."""
        return replace(self, **{name: getattr(self, name).to(device) for name in ("tokens", "choices", "answers")})


@dataclass(frozen=True, slots=True)
class ChoiceExamples:
    """Questions whose choices are encoded, end to end; the things that the model is asked about are the choices."""

    encoded: Encoded
    counts: NDArray[np.int64]
    answers: NDArray[np.int64]
    lines: NDArray[np.int64]
    path: Path

    @property
    def _groups(self) -> Groups:
        return Groups(self.encoded, self.counts)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of all choices of each question."""
        return self._groups.lengths

    @property
    def things(self) -> int:
        """How many choices there are."""
        return len(self.encoded)

    @property
    def cut(self) -> NDArray[np.bool_]:
        """Of each question, whether one of its choices, or the context beside it, was cut."""
        return self._groups.truncated

    @property
    def full_lengths(self) -> NDArray[np.integer[Any]]:
        """Tokens of each question's longest context with a choice, before anything was cut off."""
        return self._groups.full_lengths

    def places(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """The choices of these questions."""
        return self._groups.sequences(rows)

    def batch(self, rows: NDArray[np.integer[Any]]) -> ChoiceBatch:
        """All choices of these questions, in that order."""
        choices, answers = (torch.from_numpy(values[rows]) for values in (self.counts, self.answers))
        return ChoiceBatch(self._groups.collate(rows), choices, answers)

    def row_of(self, example: int) -> int:
        """The number of the row that an example is of."""
        return example

    def where(self, rows: NDArray[np.integer[Any]]) -> str:
        """File and lines of these questions."""
        return lines_shown(self.path, self.lines[rows])

    def side_by_side(self, found: Float32[np.ndarray, " S"]) -> Float32[np.ndarray, "N most"]:
        """The outputs of each question's choices in a row; minus infinity where it has no more."""
        return side_by_side(torch.from_numpy(found), torch.from_numpy(self.counts), -np.inf).numpy()


class Choice(ContextTask[ChoiceRow]):
    """The task: cross-entropy over the choices of a question."""

    name: ClassVar[str] = "choice"
    head: ClassVar[type[Headed]] = MultipleChoice
    labels = (BEST,)
    metrics = ("accuracy", "loss")

    @staticmethod
    def hear(stream: BinaryIO, path: Path) -> Form[ChoiceRow]:
        """See `ContextTask`."""
        return read_choices(stream, path)

    @staticmethod
    def open(path: Path, *, labelled: bool) -> Form[ChoiceRow]:
        """See `ContextTask`."""
        return open_choices(path, needs_answer=labelled)

    @classmethod
    def learn(cls, rows: Rows[ChoiceRow], settings: FinetuneSettings) -> Self:
        """See `FinetuneTask`."""
        del rows, settings
        return cls()

    @classmethod
    def of(cls, config: BertConfig) -> Self:
        """See `FinetuneTask`."""
        del config
        return cls()

    def configure(self, config: BertConfig) -> BertConfig:
        """See `FinetuneTask`."""
        return replace(config, labels=self.labels, problem_type=None, task={"name": self.name})

    def describe(self, rows: Rows[ChoiceRow]) -> str:
        """Number of questions, and of choices."""
        counts = sorted(Counter(len(row.choices) for row in rows).items())
        each = ", ".join(f"{count} with {choices} choices" for choices, count in counts)
        return f"{counted(len(rows), 'question')} ({each})"

    @staticmethod
    def strata(rows: Rows[ChoiceRow]) -> Sequence[str]:
        """Nothing tells rows apart that a split should be even in."""
        return [""] * len(rows)

    def shown(self, row: ChoiceRow) -> tuple[str, ...]:
        """The context, the question and the choices."""
        return row.context, *((row.question,) if row.question else ()), *row.choices

    def truth(self, row: ChoiceRow) -> dict[str, Any]:
        """The right choice."""
        return {"true_choice": row.answer, "true_answer": None if row.answer is None else row.choices[row.answer]}

    def asked(
        self, contexts: Sequence[str] | str, choices: Sequence[Any], questions: Sequence[str] | str | None = None
    ) -> Iterator[ChoiceRow]:
        """Contexts, the list of choices of each, and perhaps questions, as rows.

        Raises:
            UsageError: There are not as many of the one as of the other, or fewer than two choices.
        """
        if isinstance(contexts, str):
            contexts, choices = [contexts], [choices]
            questions = None if questions is None else [str(questions)]
        asked = [None] * len(contexts) if questions is None else questions
        if not len(contexts) == len(choices) == len(asked):
            raise UsageError(f"{len(contexts)} contexts, {len(choices)} lists of choices, {len(asked)} questions")
        for line, (context, own, question) in enumerate(zip(contexts, choices, asked, strict=True), 1):
            if len(own) < 2:
                raise UsageError(f"context {line} has {len(own)} choices: there must be two at least")
            yield ChoiceRow(str(line), context, question, tuple(own), None, line)

    def encode(self, rows: Rows[ChoiceRow], tokenizer: WordPiece, max_length: int) -> ChoiceExamples:
        """Each choice, after its question, as the second text of a pair whose first one is the context."""
        contexts = [row.context for row in rows for _ in row.choices]
        seconds = [f"{row.question} {choice}" if row.question else choice for row in rows for choice in row.choices]
        encoded = tokenizer.encode(contexts, seconds, max_length=max_length)
        counts = np.array([len(row.choices) for row in rows], dtype=np.int64)
        answers = np.array([UNLABELLED if row.answer is None else row.answer for row in rows], dtype=np.int64)
        return ChoiceExamples(encoded, counts, answers, rows.lines, rows.path)

    def losses(self, model: nn.Module, batch: ChoiceBatch) -> Mapping[str, Tensor]:
        """Sum of the questions' cross-entropies."""
        rivals = side_by_side(self.outputs(model, batch), batch.choices, -torch.inf)
        return {"loss": functional.cross_entropy(rivals, batch.answers, reduction="sum")}

    def counts(self, batch: ChoiceBatch) -> Mapping[str, float]:
        """Number of questions."""
        return {"loss": float(len(batch.answers))}

    def outputs(self, model: nn.Module, batch: Batch) -> Float[Tensor, " S"]:
        """A logit for each choice, in fp32 at least."""
        return logits(model, batch)

    def tally(self) -> "ChoiceTally":
        """An empty tally."""
        return ChoiceTally()

    def answers(self, rows: Rows[ChoiceRow], examples: ChoiceExamples, outputs: Outputs) -> Iterator[Chosen]:
        """The choice that fits best, and how probable each is."""
        found = _probabilities(examples.side_by_side(outputs))
        best = found.argmax(1).tolist()
        for row, scores, choice, cut in zip(rows, found.tolist(), best, examples.cut.tolist(), strict=True):
            own = tuple(scores[: len(row.choices)])
            yield Chosen(row.id, row.question, row.choices[choice], choice, own, cut)


def _probabilities(found: Float32[np.ndarray, "N most"]) -> Float64[Tensor, "N most"]:
    """Logits of choices as probabilities; 0 where a question has no more choices."""
    return torch.from_numpy(found).double().softmax(1)


class ChoiceTally(RowTally):
    """Right answers and loss, and what would be right by always choosing the same place."""

    def __init__(self) -> None:
        super().__init__()
        self._places, self._chosen = Column(dtype=np.int64), Column(dtype=np.int64)
        self._reliability = Reliability()

    @property
    def right(self) -> Bool[np.ndarray, " N"]:
        """Of each question, whether the right choice was chosen."""
        return np.asarray(self._chosen.values == self._places.values)

    def add(self, outputs: Outputs, examples: ChoiceExamples) -> None:
        """Count some questions."""
        found = examples.side_by_side(outputs)
        chosen = found.argmax(axis=1)
        self._places.add(examples.answers)
        self._chosen.add(chosen)
        self._reliability.add(_probabilities(found).amax(1).numpy(), chosen == examples.answers)
        truth = torch.from_numpy(examples.answers)
        self._losses.add(functional.cross_entropy(torch.from_numpy(found).double(), truth, reduction="none").numpy())

    def metrics(self, weights: Weights = None) -> dict[str, float]:
        """Loss and accuracy."""
        questions = rows_of(len(self.losses), weights)
        accuracy = summed(self.right, weights) / max(questions, 1)
        return {"loss": self.mean_loss(questions, weights), "accuracy": accuracy}

    def details(self) -> dict[str, Any]:
        """How often each place is right, and how often it was chosen; and whether the model is as sure as right."""
        right, chosen = Counter(self._places.values.tolist()), Counter(self._chosen.values.tolist())
        return {
            "places": {
                str(place): {"right": right[place], "chosen": chosen[place]} for place in sorted({*right, *chosen})
            },
            "calibration": self._reliability.to_dict(),
        }

    def suspicions(self) -> list[Suspicion]:
        """Whether it is always the same place that is chosen."""
        chosen = set(self._chosen.values.tolist())
        if len(chosen) == 1 and len(set(self._places.values.tolist())) > 1:
            return [Suspicion("one_place", {"place": min(chosen), "count": len(self.losses)})]
        return []
