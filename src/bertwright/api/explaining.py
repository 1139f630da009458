"""`--explain`: the life of one real batch, from text to gradient, before the training that it belongs to.

The model computes losses and gradients as the step will, dropout included, and throws them away: no weight changes,
and since each step seeds its own random numbers, what follows is bit for bit what it would have been.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from bertwright.api.common import show
from bertwright.batches.loader import Loader
from bertwright.batches.order import parts
from bertwright.evaluation.explanation import MOST_TOKENS, Section, columns, described
from bertwright.evaluation.instances import RELATIONS, Shown, Token, sequences
from bertwright.evaluation.shapes import LEGEND, lines, passed, watched
from bertwright.model.config import BertConfig
from bertwright.tasks.classification import Classification
from bertwright.tasks.finetuning import Rows
from bertwright.tasks.kinds import AnyTask
from bertwright.tasks.pretraining import Pretraining, PretrainingBatch, PretrainingExamples
from bertwright.tasks.task import Batch
from bertwright.text.wordpiece import WordPiece
from bertwright.training.course import Lesson
from bertwright.training.loop import Training
from bertwright.training.optimizer import Optimizer
from bertwright.training.run import Run

_LARGEST = 3  # gradients that are named
_GUESSES = 3  # masked tokens whose guesses are shown, and guesses for each
_LABELS = 4  # that are shown
_UNITS = {"mlm_loss": " masked tokens", "nsp_loss": " pairs", "sop_loss": " pairs"}

BatchT = TypeVar("BatchT", bound=Batch)


@dataclass(frozen=True, slots=True)
class _Computed:
    """What one batch does to the model.

    Attributes:
        batches: Its parts.
        outputs: What came out of the modules for the first part, by their names.
        losses: The mean of each loss over the whole batch.
        counts: Over how many.
        gradients: L2 norm of each parameter's gradient.
    """

    batches: list[Any]
    outputs: dict[str, Tensor]
    losses: Mapping[str, float]
    counts: Mapping[str, float]
    gradients: Mapping[str, float]


def explain_pretraining(run: Run[PretrainingBatch], config: BertConfig) -> None:
    """Show the batch that the run will learn from next; nothing where it is at its end."""

    def beginning(lesson: Lesson[PretrainingBatch], width: int) -> Iterator[Section]:
        examples, task = lesson.examples, run.training.task
        assert isinstance(examples, PretrainingExamples)
        assert isinstance(task, Pretraining)
        row = parts(lesson.rows, run.training.loader.accumulation)[0][:1]
        yield from _masked_sequence(next(sequences(examples, task.pairs, row)), examples.tokenizer, width)

    def answers(lesson: Lesson[PretrainingBatch], computed: _Computed) -> Iterator[str]:
        examples, task = lesson.examples, run.training.task
        assert isinstance(examples, PretrainingExamples)
        assert isinstance(task, Pretraining)
        yield from _guesses(computed, examples.tokenizer)
        if task.pairs:
            yield from _judged(computed.outputs["cls.seq_relationship"][0], RELATIONS[task.pairs], "pair")

    _explain(run, config, beginning, answers)


def explain_finetuning(run: Run[Any], task: AnyTask, config: BertConfig, rows: Rows[Any], tokenizer: WordPiece) -> None:
    """Show the batch that the run will learn from next; nothing where it is at its end.

    Args:
        run: The run.
        task: What it learns.
        config: The model's sizes and labels.
        rows: What its examples are made of.
        tokenizer: What made them tokens.
    """

    def beginning(lesson: Lesson[Any], width: int) -> Iterator[Section]:
        examples: Any = lesson.examples
        row = rows.items[examples.row_of(int(lesson.rows[0]))]
        tokens = lesson.examples.batch(lesson.rows[:1]).tokens
        label = ", ".join(_label(value) for value in task.truth(row).values())
        yield Section("Text", (f"first text of the batch, line {row.line}, label {label}:", *task.shown(row)))
        ids = tokens.ids.tolist()
        cells = {"piece": tokenizer.decode(ids), "id": _strings(ids), "segment": _strings(tokens.segments.tolist())}
        yield Section("Pieces of the vocabulary, and their ids", tuple(_columns(cells, width)))

    def answers(_: Lesson[Any], computed: _Computed) -> Iterator[str]:
        logits = computed.outputs["qa_outputs" if "qa_outputs" in computed.outputs else "classifier"][0]
        if isinstance(task, Classification):
            yield from _judged(logits, config.labels, "text")
        else:
            yield ", ".join(f"{name} {logit:.4f}" for name, logit in zip(config.labels, logits.tolist(), strict=True))

    _explain(run, config, beginning, answers)


def _explain(
    run: Run[BatchT],
    config: BertConfig,
    beginning: Callable[[Lesson[BatchT], int], Iterator[Section]],
    answers: Callable[[Lesson[BatchT], _Computed], Iterator[str]],
) -> None:
    from rich.console import Console

    training, step = run.training, run.standing.step
    if training.course.progress(step) >= 1:
        return
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    lesson = training.course.preview(step)
    computed = _compute(training, step, lesson)
    shapes = passed(computed.outputs, tokens=len(computed.batches[0].tokens.ids), heads=config.num_attention_heads)
    sections = [
        *beginning(lesson, console.width),
        Section("The batch: all its sequences end to end, no padding", tuple(_batch(computed.batches))),
        Section("Shapes on the way through the model", (*LEGEND, "", *lines(shapes))),
        Section("Logits of the first sequence", tuple(answers(lesson, computed))),
        Section("Loss", tuple(_losses(computed, config))),
        Section("Gradient", tuple(_gradient(computed.gradients, training.optimizer))),
    ]
    title = f"The life of one batch: that of step {step + 1}, before the model learns from it"
    with console.capture() as captured:
        console.print(described(title, sections, console.width))
    show(captured.get())


def _compute(training: Training[BatchT], step: int, lesson: Lesson[BatchT]) -> _Computed:
    batches = Loader[BatchT](training.loader.accumulation).load(lesson.examples, lesson.rows)
    training.model.train()
    with watched(training.model) as outputs:
        losses = training.backward(step, batches)
    counts = [training.task.counts(batch) for batch in batches]
    total = {name: sum(count[name] for count in counts) for name in losses}
    return _Computed(batches, outputs, losses, total, training.optimizer.discard())


def _masked_sequence(sequence: Shown, tokenizer: WordPiece, width: int) -> Iterator[Section]:
    """A sequence as it is in the corpus, as pieces and ids, and as the model sees it."""
    relation = f", {sequence.relation}" if sequence.relation else ""
    said = [f"first sequence of the batch{relation}, put together from its pieces:"]
    for letter, document, segment in zip("AB", sequence.documents, sequence.segments, strict=False):
        said.append(f"{letter} from {document}: {_text(segment)}")
    yield Section("Text", tuple(said))
    tokens = [token for segment in sequence.segments for token in segment]
    ids = {piece: place for place, piece in enumerate(tokenizer.tokens)}
    cells = {
        "piece": [token.original for token in tokens],
        "id": [str(ids[token.original]) for token in tokens],
        "segment": [str(number) for number, segment in enumerate(sequence.segments) for _ in segment],
    }
    yield Section("Pieces of the vocabulary, and their ids", tuple(_columns(cells, width)))
    guessed = [token.fate not in ("plain", "special") for token in tokens]
    cells = {
        "piece": cells["piece"],
        "model sees": [token.text for token in tokens],
        "fate": [token.fate if hidden else "" for token, hidden in zip(tokens, guessed, strict=True)],
    }
    told = f"{sum(guessed)} of {len(tokens)} tokens are to be guessed; the loss looks at no others."
    yield Section("Masks", (told, *_columns(cells, width)))


def _label(label: object) -> str:
    return ", ".join(map(str, label)) if isinstance(label, list) else str(label)


def _text(tokens: tuple[Token, ...]) -> str:
    pieces = (token.original for token in tokens if token.fate != "special")
    return " ".join(pieces).replace(" ##", "")


def _columns(cells: Mapping[str, list[str]], width: int) -> Iterator[str]:
    shown = {name: row[:MOST_TOKENS] for name, row in cells.items()}
    left = len(next(iter(cells.values()))) - MOST_TOKENS
    return columns(shown, width - 3, left if left > 0 else None)


def _batch(batches: list[Any]) -> Iterator[str]:
    first = batches[0].tokens
    boundaries = _strings(first.cu_seqlens.tolist())
    if len(batches) > 1:
        yield f"computed in {len(batches)} parts; this is the first:"
    yield f"B = {len(first)} sequences, T = {len(first.ids)} tokens, the longest has {first.max_seqlen}"
    yield f"they begin at {', '.join(boundaries[:6])}{', ...' if len(boundaries) > 6 else ''} (cu_seqlens)"
    if isinstance(batches[0], PretrainingBatch):
        yield f"M = {len(batches[0].masked_labels)} masked tokens"


def _guesses(computed: _Computed, tokenizer: WordPiece) -> Iterator[str]:
    """The likeliest tokens for the first masks, and how likely the right one was."""
    batch = computed.batches[0]
    mine = int((batch.masked_positions < batch.tokens.cu_seqlens[1]).sum())
    for logits, label in zip(computed.outputs["cls.predictions"][:mine][:_GUESSES], batch.masked_labels, strict=False):
        chances = logits.float().softmax(0)
        best = chances.topk(_GUESSES)
        told = zip(tokenizer.decode(best.indices.tolist()), best.values.tolist(), strict=True)
        guesses = ", ".join(f"{piece} {chance:.4f}" for piece, chance in told)
        yield f"to guess: {tokenizer.tokens[int(label)]} {float(chances[int(label)]):.4f}; likeliest: {guesses}"


def _judged(logits: Tensor, names: tuple[str, ...], what: str) -> Iterator[str]:
    best = logits.float().softmax(0).topk(min(_LABELS, len(names)))
    chances = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    yield f"the {what}, likeliest: " + ", ".join(f"{names[label]} {chance:.4f}" for label, chance in chances)


def _losses(computed: _Computed, config: BertConfig) -> Iterator[str]:
    choices = {"mlm_loss": config.vocab_size, "nsp_loss": 2, "sop_loss": 2}
    if config.problem_type == "single_label_classification":
        choices["loss"] = len(config.labels)
    for name, mean in computed.losses.items():
        count, of = computed.counts[name], choices.get(name)
        yield f"{name:<9} {mean:.4f} = {mean * count:.2f} / {count:g}{_UNITS.get(name, '')}"
        if of is None:
            continue
        yield f"{'':<9} {math.log(of):.4f} = ln {of} is the loss of who holds all {of} answers equally likely"
    if len(computed.losses) > 1:
        yield f"{'sum':<9} {sum(computed.losses.values()):.4f}"


def _gradient(norms: Mapping[str, float], optimizer: Optimizer) -> Iterator[str]:
    whole = float(np.sqrt(np.square([*norms.values()]).sum()))
    longest = optimizer.max_grad_norm
    yield f"{'all parameters':<50}  {whole:.4f}  (L2 norm)"
    if 0 < longest < whole:
        yield f"{'scaled down to --max-grad-norm':<50}  {longest:.4f}"
    for name in sorted(norms, key=norms.__getitem__, reverse=True)[:_LARGEST]:
        shape = " x ".join(map(str, optimizer.named[name].shape))
        yield f"{name:<50}  {norms[name]:.4f}  ({shape})"
    yield f"... the largest of {len(norms)}. No weight has changed yet: the training begins now."


def _strings(numbers: list[int]) -> list[str]:
    return [str(number) for number in numbers]
