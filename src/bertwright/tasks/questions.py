"""Question answering: the part of a context that answers a question, or that there is none.

A context that is longer than the model reads goes through overlapping windows, each behind the question. A window in
which the answer does not stand is to point at [CLS], and so is one of a question without an answer (Devlin et al. 2019,
sections 4.2 and 4.3). Beginnings and ends compete among [CLS] and the tokens of the context alone: what stands in the
question can be no answer. Knows no optimizer and no command line.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import pairwise
from math import exp
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bertwright.batches.batch import flat_tokens
from bertwright.errors import DataError, ModelFolderError, UsageError
from bertwright.model.config import BertConfig
from bertwright.model.flat import FlatTokens
from bertwright.model.heads import Headed, SpanFinder
from bertwright.settings import FinetuneSettings
from bertwright.tasks.answer_metrics import AnswerScores
from bertwright.tasks.answer_spans import BestSpans, Window, best_spans
from bertwright.tasks.contexts import ContextTask
from bertwright.tasks.finetuning import Limit, Rows
from bertwright.tasks.row_counts import Column, RowTally, Weights, summed
from bertwright.tasks.suspicions import Suspicion
from bertwright.tasks.task import Batch, Outputs
from bertwright.text.complaints import counted
from bertwright.text.corpus.words import has_chinese
from bertwright.text.tables.questions import QuestionRow, open_questions, read_questions
from bertwright.text.tables.table import Form
from bertwright.text.windows import Windows, cut_windows
from bertwright.text.wordpiece import WordPiece, ranges

EDGES = ("start", "end")
"""What the two outputs are called, where classes have their names."""
STRIDE = 128  # tokens, as in the original code
NOWHERE = -1


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible answer: `context[start:stop]`, and how probable it is among those that were looked at."""

    text: str
    start: int
    stop: int
    score: float


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to one question.

    Attributes:
        id: As the file has it.
        question: As it was given.
        answer: Cut from the context; empty where there is none.
        start: Its first character in the context; None where there is none.
        stop: The character after its last one.
        no_answer: How probable it is that the context has no answer.
        candidates: The best answers, whether or not one is given.
        truncated: Whether the question itself was too long.
    """

    id: str
    question: str
    answer: str
    start: int | None
    stop: int | None
    no_answer: float
    candidates: tuple[Candidate, ...]
    truncated: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class QuestionBatch:
    """W windows; what is read of each is its [CLS] and its part of the context.

    Attributes:
        tokens: [CLS] question [SEP] context [SEP].
        read: The flat places that are read.
        window: The window of each place that is read.
        place: Its number among those of its window; 0 is [CLS].
        starts: Where in each window the answer begins; 0 where it does not stand in it.
        ends: Where it ends.
    """

    tokens: FlatTokens
    read: Int[Tensor, " Q"]
    window: Int[Tensor, " Q"]
    place: Int[Tensor, " Q"]
    starts: Int[Tensor, " W"]
    ends: Int[Tensor, " W"]

    def to(self, device: torch.device) -> Self:
        """The same batch on a device."""
        names = ("tokens", "read", "window", "place", "starts", "ends")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


@dataclass(frozen=True)
class Context:
    """A text in pieces: its ids, and the first character of each piece and the one after its last."""

    ids: NDArray[np.int32]
    spans: NDArray[np.int64]


@dataclass(frozen=True)
class QuestionExamples:
    """Windows over the contexts of questions; the things that the model is asked about are the places that are read.

    Attributes:
        rows: The questions.
        windows: Over the pieces of each question's context.
        questions: The pieces of each question.
        contexts: The context of each question.
        edges: First and last piece of each question's answer; -1 where it has none.
        framing: Ids of [CLS] and [SEP].
        asked: Tokens of each question, before its end was cut off.
    """

    rows: Rows[QuestionRow]
    windows: Windows
    questions: Sequence[NDArray[np.int32]]
    contexts: Sequence[Context]
    edges: NDArray[np.int64]
    framing: tuple[int, int]
    asked: NDArray[np.int64]

    @cached_property
    def _question_lengths(self) -> NDArray[np.int64]:
        return np.array([len(ids) for ids in self.questions], dtype=np.int64)

    @property
    def cut(self) -> NDArray[np.bool_]:
        """Of each question, whether it lost its end."""
        return self.asked > self._question_lengths

    @property
    def _counts(self) -> NDArray[np.int64]:
        """Places that are read in each window."""
        return self.windows.lengths + 1

    @cached_property
    def first_things(self) -> NDArray[np.int64]:
        """The number of the first place that is read in each window, and of all at the end."""
        return np.concatenate([[0], np.cumsum(self._counts)])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each window."""
        lengths: NDArray[np.int64] = self._question_lengths[self.windows.text] + self.windows.lengths + 3
        return lengths

    @property
    def things(self) -> int:
        """How many places are read."""
        return int(self.first_things[-1])

    @property
    def full_lengths(self) -> NDArray[np.int64]:
        """Tokens of each question with its whole context."""
        contexts = np.array([len(context.ids) for context in self.contexts])
        lengths: NDArray[np.int64] = self.asked + contexts + 3
        return lengths

    def places(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """The places that these windows read."""
        return ranges(self.first_things[rows], self._counts[rows])

    def targets(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Where in each of these windows the answer begins and ends, [W, 2]; 0, which is [CLS], if not in it."""
        windows = self.windows
        edges = self.edges[windows.text[rows]]
        inside = (edges[:, 0] >= windows.start[rows]) & (edges[:, 1] < windows.stop[rows]) & (edges[:, 0] != NOWHERE)
        found = edges - windows.start[rows][:, None] + 1
        return np.where(inside[:, None], found, 0)

    def batch(self, rows: NDArray[np.integer[Any]]) -> QuestionBatch:
        """These windows, in that order."""
        lengths, counts = self.lengths[rows], self._counts[rows]
        starts = np.cumsum(lengths) - lengths
        ids = np.full(lengths.sum(), self.framing[1], dtype=np.int64)
        ids[starts] = self.framing[0]
        segments = np.zeros_like(ids)
        windows, behind = self.windows, np.empty_like(starts)
        for place, (row, start) in enumerate(zip(rows.tolist(), starts.tolist(), strict=True)):
            text = windows.text[row]
            question, context = self.questions[text], self.contexts[text].ids[windows.start[row] : windows.stop[row]]
            behind[place] = first = start + len(question) + 2
            ids[start + 1 : first - 1] = question
            ids[first : first + len(context)] = context
            segments[first : first + len(context) + 1] = 1
        window, number = np.repeat(np.arange(len(rows)), counts), ranges(np.zeros_like(counts), counts)
        read = np.where(number == 0, starts[window], behind[window] + number - 1)
        targets = self.targets(rows)
        return QuestionBatch(
            flat_tokens(ids, segments, lengths),
            *map(torch.from_numpy, (read, window, number, targets[:, 0].copy(), targets[:, 1].copy())),
        )

    def row_of(self, example: int) -> int:
        """The number of the row that an example is of."""
        return int(self.windows.text[example])

    def where(self, rows: NDArray[np.integer[Any]]) -> str:
        """File and ids of the questions that these windows are of."""
        asked = sorted({self.rows.items[text].id for text in self.windows.text[rows].tolist()})
        return f"{self.rows.path}: questions " + ", ".join(asked)


class Questions(ContextTask[QuestionRow]):
    """The task: cross-entropy of where the answer begins, and of where it ends.

    Args:
        unanswerable: Whether a context may have no answer, as in SQuAD 2.0.
        threshold: How probable it must be that there is no answer for none to be given.
        chinese: Whether answers are compared by the rules of CMRC 2018 instead of SQuAD's.
        stride: Tokens between the beginnings of two windows.
        max_question_length: Tokens that are read of a question.
        max_answer_length: Tokens of the longest answer.
        n_best: How many answers are looked at.
    """

    name: ClassVar[str] = "qa"
    head: ClassVar[type[Headed]] = SpanFinder
    labels = EDGES
    metrics = ("f1", "exact_match", "loss")

    def __init__(
        self,
        *,
        unanswerable: bool = False,
        threshold: float = 0.5,
        chinese: bool = False,
        stride: int = STRIDE,
        max_question_length: int = 64,
        max_answer_length: int = 30,
        n_best: int = 20,
    ) -> None:
        self.unanswerable, self.threshold, self.chinese = unanswerable, threshold, chinese
        self.stride, self.n_best = stride, n_best
        self.max_question_length, self.max_answer_length = max_question_length, max_answer_length

    @property
    def _settings(self) -> dict[str, Any]:
        lengths = ("stride", "max_question_length", "max_answer_length")
        return {name: getattr(self, name) for name in ("unanswerable", "threshold", "chinese", *lengths, "n_best")}

    @staticmethod
    def hear(stream: BinaryIO, path: Path) -> Form[QuestionRow]:
        """See `ContextTask`."""
        return read_questions(stream, path)

    @staticmethod
    def open(path: Path, *, labelled: bool) -> Form[QuestionRow]:
        """See `ContextTask`."""
        return open_questions(path, needs_answers=labelled)

    @staticmethod
    def check_training(rows: Rows[QuestionRow]) -> None:
        """See `FinetuneTask`."""
        if not any(row.answers for row in rows):
            raise DataError(f"{rows.path}: not one of {len(rows)} questions has an answer: there is nothing to learn")

    @classmethod
    def learn(cls, rows: Rows[QuestionRow], settings: FinetuneSettings) -> Self:
        """See `FinetuneTask`."""
        return cls(
            unanswerable=any(not row.answers for row in rows),
            chinese=_mostly_chinese(rows),
            stride=settings.stride or min(STRIDE, settings.max_length // 2),  # shorter windows should overlap, too
            max_question_length=settings.max_question_length,
            max_answer_length=settings.max_answer_length,
        )

    @classmethod
    def of(cls, config: BertConfig) -> Self:
        """See `FinetuneTask`.

        A folder of transformers does not say whether there may be no answer: [CLS] is asked, which a model of SQuAD 1.1
        hardly ever points to.
        """
        told = config.task or {"unanswerable": True}
        given = {name: value for name, value in told.items() if name != "name"}
        try:
            task = cls(**given)
        except TypeError as error:
            raise ModelFolderError(f"config.json: the settings of question answering are not known: {error}") from error
        for name, usual in cls()._settings.items():
            if not _is_such(value := getattr(task, name), usual):
                raise ModelFolderError(
                    f"config.json: {name} of question answering cannot be {value!r}; {usual} is usual"
                )
        return task

    def configure(self, config: BertConfig) -> BertConfig:
        """See `FinetuneTask`."""
        return replace(config, labels=self.labels, problem_type=None, task={"name": self.name, **self._settings})

    def describe(self, rows: Rows[QuestionRow]) -> str:
        """Numbers of questions, of contexts, and of questions without an answer."""
        bare = sum(not row.answers for row in rows)
        contexts = len({row.context for row in rows})
        return f"{counted(len(rows), 'question')} to {counted(contexts, 'context')}" + (
            f" ({bare} without an answer)" if bare else ""
        )

    @staticmethod
    def strata(rows: Rows[QuestionRow]) -> Sequence[str]:
        """Questions with an answer, and without."""
        return [str(bool(row.answers)) for row in rows]

    def shown(self, row: QuestionRow) -> tuple[str, ...]:
        """The question and the context."""
        return row.question, row.context

    def truth(self, row: QuestionRow) -> dict[str, Any]:
        """The right answers, and where in the context each begins."""
        answers = row.answers or ()
        return {
            "true_answers": [answer.text for answer in answers],
            "true_starts": [answer.start for answer in answers],
        }

    def asked(self, questions: Sequence[str] | str, contexts: Sequence[str] | str) -> Iterator[QuestionRow]:
        """Questions, and the context of each, as rows.

        Raises:
            UsageError: There are not as many of the one as of the other.
        """
        questions = [questions] if isinstance(questions, str) else questions
        contexts = [contexts] if isinstance(contexts, str) else contexts
        if len(questions) != len(contexts):
            found = f"{counted(len(questions), 'question')} but {counted(len(contexts), 'context')}"
            raise UsageError(f"{found}: each question needs its own")
        for line, (question, context) in enumerate(zip(questions, contexts, strict=True), 1):
            yield QuestionRow(str(line), question, context, None, line)

    def limit(self, max_length: int) -> Limit:
        """See `FinetuneTask`: contexts go through windows, and at most half of one is the question."""
        half = half_of(max_length)
        if half < self.max_question_length:
            return Limit(half, what="questions", reason=f"half of --max-length {max_length}")
        return Limit(self.max_question_length, what="questions")

    def encode(self, rows: Rows[QuestionRow], tokenizer: WordPiece, max_length: int) -> QuestionExamples:
        """Windows of at most `max_length` tokens over each context, behind the question."""
        longest = self.limit(max_length).tokens
        if longest < 1:
            raise UsageError(f"max_length = {max_length} leaves no room for a question and a context")
        flat, counts = tokenizer.tokenize(row.question for row in rows)
        ends = np.cumsum(counts)
        questions = [flat[start : min(start + longest, stop)] for start, stop in pairwise([0, *ends.tolist()])]
        by_text = {text: _in_pieces(text, tokenizer) for text in {row.context for row in rows}}
        contexts = [by_text[row.context] for row in rows]
        room = max_length - 3 - np.minimum(counts, longest)
        windows = cut_windows(np.array([len(context.ids) for context in contexts]), room, self.stride)
        edges = [_edges(row, context) for row, context in zip(rows, contexts, strict=True)]
        framing = (tokenizer.cls_id, tokenizer.sep_id)
        return QuestionExamples(rows, windows, questions, contexts, np.array(edges), framing, counts)

    def losses(self, model: nn.Module, batch: QuestionBatch) -> Mapping[str, Tensor]:
        """Sum over the windows of the mean of both cross-entropies."""
        found = self.outputs(model, batch)
        rivals = found.new_full((2, len(batch.starts), int(batch.place.max()) + 1), -torch.inf)
        rivals[:, batch.window, batch.place] = found.T
        start, end = (
            functional.cross_entropy(logits, target, reduction="sum")
            for logits, target in zip(rivals, (batch.starts, batch.ends), strict=True)
        )
        return {"loss": (start + end) / 2}

    def counts(self, batch: QuestionBatch) -> Mapping[str, float]:
        """Number of windows."""
        return {"loss": float(len(batch.starts))}

    def outputs(self, model: nn.Module, batch: Batch) -> Float[Tensor, "Q 2"]:
        """Logits of beginning and of ending at each place that is read, in fp32 at least."""
        assert isinstance(batch, QuestionBatch)
        found: Tensor = model(batch.tokens, batch.read)
        return found.to(torch.promote_types(found.dtype, torch.float32))

    def tally(self) -> "QuestionTally":
        """An empty tally."""
        return QuestionTally(self)

    @property
    def tunes(self) -> bool:
        """The threshold, where there is something to decide with it."""
        return self.unanswerable

    def tuned(self, outputs: Outputs, examples: QuestionExamples) -> "Questions":
        """The same task with the threshold that gives the best F1 on these questions."""
        if not self.unanswerable:
            return self
        tally = self.tally()
        tally.add(outputs, examples)
        return Questions(**{**self._settings, "threshold": tally.scores.best_threshold()})

    def best(self, outputs: Outputs, examples: QuestionExamples) -> Iterator[BestSpans]:
        """The possible answers to each question."""
        of_text = np.searchsorted(examples.windows.text, np.arange(len(examples.rows) + 1)).tolist()
        for row, context, (first, last) in zip(examples.rows, examples.contexts, pairwise(of_text), strict=True):
            windows = [_window(outputs, examples, number, context) for number in range(first, last)]
            yield best_spans(
                windows,
                row.context,
                n_best=self.n_best,
                max_answer_length=self.max_answer_length,
                with_null=self.unanswerable,
            )

    def answers(self, rows: Rows[QuestionRow], examples: QuestionExamples, outputs: Outputs) -> Iterator[Answered]:
        """Logits as parts of the contexts."""
        for row, found, cut in zip(rows, self.best(outputs, examples), examples.cut.tolist(), strict=True):
            candidates = tuple(
                Candidate(row.context[span.start : span.stop], span.start, span.stop, span.probability)
                for span in found.spans
            )
            no_answer = self.no_answer(found)
            first = next(iter(candidates), None)
            if first is None or no_answer > self.threshold:
                yield Answered(row.id, row.question, "", None, None, no_answer, candidates, cut)
            else:
                yield Answered(row.id, row.question, first.text, first.start, first.stop, no_answer, candidates, cut)

    def no_answer(self, found: BestSpans) -> float:
        """How probable it is that there is no answer, against the best one; 0 where there always is one."""
        if not self.unanswerable:
            return 0.0
        return 1 / (1 + exp(-max(min(found.null_difference, 700.0), -700.0)))


class QuestionTally(RowTally):
    """The official scripts' figures, and the plain loss a window."""

    def __init__(self, task: Questions) -> None:
        super().__init__()
        self.task = task
        self.scores = AnswerScores(with_no_answer=task.unanswerable, chinese=task.chinese)
        self._windows, self._thresholds = Column(), Column()

    def add(self, outputs: Outputs, examples: QuestionExamples) -> None:
        """Count some questions."""
        for row, found in zip(examples.rows, self.task.best(outputs, examples), strict=True):
            best = row.context[found.spans[0].start : found.spans[0].stop] if found.spans else ""
            no_answer = self.task.no_answer(found) if self.task.unanswerable else None
            golds = [answer.text for answer in row.answers or ()]
            bare = [] if self.task.unanswerable else [""]  # to a model that always answers it is just a wrong one
            self.scores.add(golds or bare, best, no_answer)
        rows = np.arange(len(examples.windows))
        firsts, counts = examples.first_things[:-1], np.diff(examples.first_things)
        losses = np.zeros(len(rows))
        for edge in (0, 1):
            own = outputs[:, edge].astype(np.float64)
            highest = np.maximum.reduceat(own, firsts)
            total = np.add.reduceat(np.exp(own - np.repeat(highest, counts)), firsts)
            losses += (highest + np.log(total) - own[firsts + examples.targets(rows)[:, edge]]) / 2
        question, questions = examples.windows.text, len(examples.rows)
        self._losses.add(np.bincount(question, losses, minlength=questions))
        self._windows.add(np.bincount(question, minlength=questions))
        self._thresholds.add(np.full(questions, self.task.threshold))  # a tally that goes on with another keeps both

    def metrics(self, weights: Weights = None) -> dict[str, float]:
        """Loss, and exact match and F1 from 0 to 100."""
        figures = self.scores.metrics(weights, threshold=self._thresholds.values)
        return {"loss": self.mean_loss(summed(self._windows.values, weights), weights), **figures}

    def details(self) -> dict[str, Any]:
        """From which probability on no answer is given."""
        return {"no_answer_threshold": self.task.threshold} if self.task.unanswerable else {}

    @property
    def faultless(self) -> NDArray[np.bool_]:
        """Of each question, whether its answer matches exactly."""
        return self.scores.right(self._thresholds.values)

    def suspicions(self) -> list[Suspicion]:
        """Whether every question, or none, is said to have no answer."""
        if not self.task.unanswerable or not len(self.losses):
            return []
        return self.scores.suspicions(self._thresholds.values)


def half_of(max_length: int) -> int:
    """Half of the tokens of a window, without [CLS] and twice [SEP]."""
    return (max_length - 3) // 2


def official_answers(answers: Iterable[object]) -> dict[str, str]:
    """Answers by the ids of their questions, as the official scripts read them; those of other tasks are left out."""
    return {answer.id: answer.answer for answer in answers if isinstance(answer, Answered)}


def _is_such(value: object, usual: object) -> bool:
    """Whether a setting, as somebody may have written it, is of the kind of the usual one; whole numbers begin at 1."""
    if isinstance(usual, bool):
        return isinstance(value, bool)
    if isinstance(usual, float):
        return isinstance(value, float | int)
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _in_pieces(text: str, tokenizer: WordPiece) -> Context:
    ids, _ = tokenizer.tokenize([text])
    return Context(ids, tokenizer.spans(text))


def _edges(row: QuestionRow, context: Context) -> tuple[int, int]:
    """First and last piece of the first right answer; -1 where there is none, or no piece is left of it."""
    if not row.answers:
        return NOWHERE, NOWHERE
    start, stop = row.answers[0].start, row.answers[0].start + len(row.answers[0].text)
    touched = np.flatnonzero((context.spans[:, 1] > start) & (context.spans[:, 0] < stop))
    return (int(touched[0]), int(touched[-1])) if len(touched) else (NOWHERE, NOWHERE)


def _window(outputs: Outputs, examples: QuestionExamples, number: int, context: Context) -> Window:
    windows = examples.windows
    found = outputs[examples.first_things[number] : examples.first_things[number + 1]]
    start, stop = int(windows.start[number]), int(windows.stop[number])
    place = np.arange(start, stop)
    owned = (place >= windows.owned_start[number]) & (place < windows.owned_stop[number])
    spans = context.spans[start:stop]
    return Window(found[:, 0], found[:, 1], 1, spans[:, 0], spans[:, 1], owned)


def _mostly_chinese(rows: Rows[QuestionRow]) -> bool:
    texts = [row.context for row in rows.items[:100]]
    signs = [has_chinese(sign) for text in texts for sign in text[:200]]
    return sum(signs) * 2 > len(signs)
