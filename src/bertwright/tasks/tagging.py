"""Tagging: a tag for each word of a sentence, and the entities that the tags make.

A word is tagged by what the model says of its first piece (Devlin et al. 2019, section 5.3). No word is ever dropped: a
sentence that is longer than the model reads goes through overlapping windows, in training as in prediction, and
each word is read in one of them. Knows no optimizer and no command line.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import chain, pairwise
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
from bertwright.model.crf import Crf
from bertwright.model.flat import FlatTokens
from bertwright.model.heads import CRF, Headed, TokenClassifier
from bertwright.settings import FinetuneSettings, TableSettings
from bertwright.tasks.classification import balanced_weights, softmax
from bertwright.tasks.entity_metrics import EntityCounts
from bertwright.tasks.finetuning import PlainTask, Rows, counted, key_of, lines_shown
from bertwright.tasks.row_counts import RowTally, Weights, summed
from bertwright.tasks.suspicions import Suspicion
from bertwright.tasks.tag_schemes import OUTSIDE, Scheme, are_plain, convert, entities, impossible, scheme_of
from bertwright.tasks.task import Batch, Outputs
from bertwright.tasks.texts import check_known, open_texts, read_texts
from bertwright.tasks.valid_tags import likeliest_valid
from bertwright.text.corpus.words import has_chinese
from bertwright.text.tables.bad_rows import BadRow
from bertwright.text.tables.table import Table
from bertwright.text.tables.tagged import TaggedFile, TaggedRow, looks_tagged, open_tagged
from bertwright.text.tables.texts import Row, one_label
from bertwright.text.windows import Windows, cut_windows
from bertwright.text.wordpiece import WordPiece, ranges

INSIDE: Scheme = "IOB2"
"""The scheme of all tags inside the house, whatever that of a file is."""
UNLABELLED = -100
_WORD = re.compile(r"\w+(?:[^\w\s]\w+)*|[^\w\s]")
_SHARE = 4  # windows overlap by a quarter of what they read


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text, where its words stand in it, and a tag (IOB2) for each; None where there are none."""

    text: str
    words: tuple[tuple[int, int], ...]
    tags: tuple[str, ...] | None
    line: int
    impossible: tuple[int, ...] = ()
    """The words whose tags, as the file has them, cannot stand there in its scheme."""

    @property
    def strings(self) -> list[str]:
        """The words themselves."""
        return [self.text[start:stop] for start, stop in self.words]


@dataclass(frozen=True, slots=True)
class Found:
    """An entity in a text: its type, the words, the range of characters, and how sure its least sure word is."""

    type: str
    text: str
    start: int
    stop: int
    score: float


@dataclass(frozen=True, slots=True)
class Tagged:
    """The answer for one text.

    Attributes:
        text: As it was given; words that came in columns are joined.
        entities: In the order of the text; `text[entity.start:entity.stop]` is the entity.
        words: The words that were tagged.
        tags: Their tags, in IOB2.
        truncated: Never: what is longer than the model reads goes through windows.
    """

    text: str
    entities: tuple[Found, ...]
    words: tuple[str, ...]
    tags: tuple[str, ...]
    truncated: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TaggedBatch:
    """Windows, where in them words begin, the number of each one's tag, and how many words each window has."""

    tokens: FlatTokens
    read: Int[Tensor, " Q"]
    tags: Int[Tensor, " Q"]
    words: Int[Tensor, " B"]

    def to(self, device: torch.device) -> Self:
        """The same batch on a device."""
        moved = {name: getattr(self, name).to(device) for name in ("tokens", "read", "tags", "words")}
        return replace(self, **moved)


@dataclass(frozen=True)
class TaggedExamples:
    """Windows of sentences; the things that the model is asked about are the words of all sentences, end to end.

    Attributes:
        windows: Over the pieces of each sentence.
        ids: Pieces of all sentences, end to end.
        first_pieces: Where in `ids` each word begins, and the number of pieces at the end.
        sentences: Which words each sentence has: from `sentences[n]` up to `sentences[n + 1]`.
        tags: The number of each word's tag.
        framing: Ids of [CLS] and [SEP].
        lines: The line of each sentence in its file.
        path: The file.
    """

    windows: Windows
    ids: NDArray[np.int32]
    first_pieces: NDArray[np.int64]
    sentences: NDArray[np.int64]
    tags: NDArray[np.int64]
    framing: tuple[int, int]
    lines: NDArray[np.int64]
    path: Path

    @cached_property
    def _beginnings(self) -> NDArray[np.int64]:
        """Where in `ids` the sentence of each window begins."""
        beginnings: NDArray[np.int64] = self.first_pieces[self.sentences[:-1]][self.windows.text]
        return beginnings

    @cached_property
    def _words(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The first of the words that each window owns, and how many."""
        pieces = self.first_pieces[:-1]
        starts, stops = (
            np.searchsorted(pieces, self._beginnings + owned)
            for owned in (self.windows.owned_start, self.windows.owned_stop)
        )
        return starts, stops - starts

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each window, [CLS] and [SEP] included."""
        return self.windows.lengths + 2

    @property
    def things(self) -> int:
        """How many words there are."""
        return len(self.tags)

    @property
    def cut(self) -> NDArray[np.bool_]:
        """No sentence loses anything."""
        return np.zeros(len(self.sentences) - 1, dtype=bool)

    @property
    def full_lengths(self) -> NDArray[np.int64]:
        """Tokens of each sentence."""
        return np.diff(self.first_pieces[self.sentences]) + 2

    def places(self, rows: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """The words that these windows own."""
        starts, counts = self._words
        return ranges(starts[rows], counts[rows])

    def batch(self, rows: NDArray[np.integer[Any]]) -> TaggedBatch:
        """These windows, in that order."""
        lengths, begin = self.windows.lengths[rows], self._beginnings[rows] + self.windows.start[rows]
        outer = lengths + 2
        starts = np.cumsum(outer) - outer
        ids = np.full(outer.sum(), self.framing[1], dtype=np.int64)
        ids[starts] = self.framing[0]
        ids[ranges(starts + 1, lengths)] = self.ids[ranges(begin, lengths)]
        words = self.places(rows)
        owned = self._words[1][rows]
        window = np.repeat(np.arange(len(rows)), owned)
        read = self.first_pieces[words] - begin[window] + starts[window] + 1
        return TaggedBatch(
            flat_tokens(ids, np.zeros_like(ids), outer), *map(torch.from_numpy, (read, self.tags[words], owned))
        )

    def row_of(self, example: int) -> int:
        """The number of the row that an example is of."""
        return int(self.windows.text[example])

    def where(self, rows: NDArray[np.integer[Any]]) -> str:
        """File and lines of the sentences that these windows are of."""
        return lines_shown(self.path, self.lines[self.windows.text[rows]])


class Tagging(PlainTask):
    """The task: cross-entropy over the tags of each word.

    Args:
        labels: Tags in the order of the logits, `O` first.
        weights: Weight of each tag in the training loss; all 1 when None.
        smoothing: Share of each target that is spread evenly over all tags.
        crf: Whether tags are learned and found as paths, by a layer that knows what follows what. The words that a
            window owns are a path of their own, in training as in prediction.
        valid: Whether the answer to a sentence is the likeliest sequence of tags that IOB2 allows, instead of the
            likeliest tag of each word; for labels that were learned here, whose scheme is known.
    """

    name: ClassVar[str] = "tagging"
    head: ClassVar[type[Headed]] = TokenClassifier
    metrics = ("f1", "f1_macro", "f1_weighted", "precision", "recall", "accuracy", "loss")

    def __init__(
        self,
        labels: Sequence[str],
        *,
        weights: NDArray[np.float64] | None = None,
        smoothing: float = 0.0,
        crf: bool = False,
        valid: bool = True,
    ) -> None:
        self.labels, self.crf, self.valid = tuple(labels), crf, valid
        self.weights = None if weights is None else torch.tensor(weights, dtype=torch.float64)
        self.smoothing = smoothing

    @staticmethod
    def listen(stream: BinaryIO, settings: TableSettings) -> Table[Sentence]:
        """See `FinetuneTask`."""
        return read_texts(stream, settings).over(sentence_of)

    @classmethod
    def table(cls, path: Path, settings: TableSettings, *, labelled: bool) -> Table[Sentence]:
        """Open a file of tagged words, or without labels one of texts; see `FinetuneTask`."""
        if not labelled and not looks_tagged(path, needs_tags=False, tokens_column=settings.text_column):
            return open_texts(path, settings, one_label, labelled=False).over(sentence_of)
        if settings.columns is not None or settings.quoting is not None:
            raise UsageError(f"{path}: --columns and --quoting are for files of texts, and this is one of tagged words")
        file = open_tagged(
            path,
            needs_tags=labelled,
            tokens_column=settings.text_column,
            tags_column=settings.label_column if labelled else None,
        )
        form = _Sentences.of(file, path) if labelled else _Sentences(file, INSIDE)
        return Table(path, form)

    @staticmethod
    def check_training(rows: Rows[Sentence]) -> None:
        """See `FinetuneTask`."""
        tags = _all_tags(rows)
        if not set(tags) - {OUTSIDE}:
            raise DataError(f"{rows.path}: all {len(tags)} words have the tag O: there is nothing to find")

    @classmethod
    def learn(cls, rows: Rows[Sentence], settings: FinetuneSettings) -> Self:
        """See `FinetuneTask`."""
        tags = _all_tags(rows)
        types = sorted({tag.partition("-")[2] for tag in set(tags) - {OUTSIDE}})
        labels = (OUTSIDE, *(f"{letter}-{type_}" for type_ in types for letter in "BI"))
        present = [label for label in labels if label in set(tags)]
        weights = None
        if settings.class_weights == "balanced":
            known = dict(zip(present, balanced_weights(tags, present), strict=True))
            weights = np.array([known.get(label, 1.0) for label in labels])
        return cls(labels, weights=weights, smoothing=settings.label_smoothing, crf=settings.crf)

    @classmethod
    def of(cls, config: BertConfig) -> Self:
        """See `FinetuneTask`."""
        if OUTSIDE not in config.labels:
            raise ModelFolderError(f"config.json: its labels have no {OUTSIDE!r}: they are no tags of entities")
        learned_here = config.task.get("name") == cls.name
        return cls(config.labels, crf=bool(config.task.get(CRF)), valid=learned_here)

    def configure(self, config: BertConfig) -> BertConfig:
        """See `FinetuneTask`."""
        task = {"name": self.name, **({CRF: True} if self.crf else {})}
        return replace(config, labels=self.labels, problem_type=None, task=task)

    def check(self, rows: Rows[Sentence], source: str) -> None:
        """See `FinetuneTask`."""
        tags = [(tag, row.line) for row in rows for tag in sorted(set(row.tags or ()))]
        check_known(tags, self.labels, rows.path, source)

    def describe(self, rows: Rows[Sentence]) -> str:
        """Numbers of sentences, of words, and of entities of each type."""
        types = [entity.type for row in rows for entity in entities(row.tags or (), INSIDE)]
        words = sum(len(row.words) for row in rows)
        return f"{len(rows)} sentences of {words} words ({counted(types) or 'no entities'})"

    @staticmethod
    def strata(rows: Rows[Sentence]) -> Sequence[str]:
        """The type of each one's first entity; empty where it has none."""
        return [next((tag.partition("-")[2] for tag in row.tags or () if tag != OUTSIDE), "") for row in rows]

    @staticmethod
    def groups(rows: Rows[Sentence]) -> Sequence[object]:
        """Sentences of the same words."""
        return [key_of(row.text) for row in rows]

    def shown(self, row: Sentence) -> tuple[str, ...]:
        """The text."""
        return (row.text,)

    def truth(self, row: Sentence) -> dict[str, Any]:
        """Its tags."""
        return {"true_tags": list(row.tags or ())}

    def asked(self, texts: Sequence[str] | Sequence[Sequence[str]] | str) -> Iterator[Sentence]:
        """Texts, or lists of words, as sentences."""
        for line, text in enumerate([texts] if isinstance(texts, str) else texts, 1):
            if isinstance(text, str):
                yield sentence_of(Row(text, None, None, line))
            else:
                row = TaggedRow(tuple(text), None, line)
                yield Sentence(row.text, tuple(row.offsets), None, line)

    def encode(self, rows: Rows[Sentence], tokenizer: WordPiece, max_length: int) -> TaggedExamples:
        """Windows of at most `max_length` tokens."""
        room = max_length - 2
        if room < 1:
            raise UsageError(f"max_length = {max_length} leaves no room for text")
        ids, counts = tokenizer.tokenize(chain.from_iterable(row.strings for row in rows))
        ids, counts = _none_empty(ids, counts, tokenizer.unk_id)
        first_pieces = np.concatenate([[0], np.cumsum(counts)])
        sentences = np.concatenate([[0], np.cumsum([len(row.words) for row in rows])]).astype(np.int64)
        pieces = np.diff(first_pieces[sentences])
        windows = cut_windows(pieces, room, max(room - room // _SHARE, 1))
        number = {label: place for place, label in enumerate(self.labels)}
        tags = [UNLABELLED if tag is None else number[tag] for row in rows for tag in _tags_or_none(row)]
        framing = (tokenizer.cls_id, tokenizer.sep_id)
        return TaggedExamples(
            windows, ids, first_pieces, sentences, np.array(tags, dtype=np.int64), framing, rows.lines, rows.path
        )

    def losses(self, model: nn.Module, batch: TaggedBatch) -> Mapping[str, Tensor]:
        """Sum of the weighted, smoothed cross-entropies of the words; with a CRF of how improbable the paths are."""
        found = self._logits(model, batch)
        if crf := _crf(model):
            return {"loss": crf.losses(found, batch.tags, batch.words).sum()}
        weights = None if self.weights is None else self.weights.to(found)
        loss = functional.cross_entropy(found, batch.tags, weights, reduction="sum", label_smoothing=self.smoothing)
        return {"loss": loss}

    def counts(self, batch: TaggedBatch) -> Mapping[str, float]:
        """Sum of the weights of the words' tags: the number of words when all weigh 1."""
        if self.weights is None:
            return {"loss": float(len(batch.tags))}
        return {"loss": float(self.weights[batch.tags.cpu()].sum())}

    def outputs(self, model: nn.Module, batch: Batch) -> Float[Tensor, "Q outputs"]:
        """Logits of each word, in fp32 at least; with a CRF log-probabilities over all paths, and the best path."""
        assert isinstance(batch, TaggedBatch)
        found = self._logits(model, batch)
        crf = _crf(model)
        if crf is None:
            return found
        best = crf.best(found, batch.words).unsqueeze(1)
        return torch.cat([crf.marginals(found, batch.words), best.to(found)], 1)

    def _logits(self, model: nn.Module, batch: TaggedBatch) -> Float[Tensor, "Q C"]:
        found: Tensor = model(batch.tokens, batch.read)
        return found.to(torch.promote_types(found.dtype, torch.float32))

    def read(
        self, outputs: Outputs, examples: TaggedExamples
    ) -> tuple[Float[np.ndarray, "Q C"], Int[np.ndarray, " Q"]]:
        """Of what `outputs` gave, how probable each word's tags are (as logits), and the number of the one it gets."""
        logits = outputs[:, : len(self.labels)]
        if self.crf:
            return logits, outputs[:, -1].astype(np.int64)
        if not self.valid:
            return logits, logits.argmax(axis=1)
        return logits, likeliest_valid(logits, np.diff(examples.sentences), self.labels, INSIDE)

    def tally(self) -> "TaggingTally":
        """An empty tally."""
        return TaggingTally(self)

    def named(self, numbers: NDArray[np.integer[Any]], examples: TaggedExamples) -> list[list[str]]:
        """Numbers of tags as names, sentence by sentence."""
        names = [self.labels[number] if number >= 0 else OUTSIDE for number in numbers.tolist()]
        return [names[start:stop] for start, stop in pairwise(examples.sentences.tolist())]

    def answers(self, rows: Rows[Sentence], examples: TaggedExamples, outputs: Outputs) -> Iterator[Tagged]:
        """Logits as tags and entities."""
        logits, numbers = self.read(outputs, examples)
        tags = self.named(numbers, examples)
        sure = softmax(logits)[np.arange(len(numbers)), numbers]
        for row, own, first in zip(rows, tags, examples.sentences.tolist(), strict=False):
            found = []
            for type_, start, stop in entities(own, INSIDE):
                begin, end = row.words[start][0], row.words[stop - 1][1]
                score = float(sure[first + start : first + stop].min())
                found.append(Found(type_, row.text[begin:end], begin, end, score))
            yield Tagged(row.text, tuple(found), tuple(row.strings), tuple(own))


class TaggingTally(RowTally):
    """Entities that were found, missed and made up, and the plain loss."""

    def __init__(self, task: Tagging) -> None:
        super().__init__()
        self.task = task
        self.counts = EntityCounts()

    def add(self, outputs: Outputs, examples: TaggedExamples) -> None:
        """Count some sentences."""
        logits, numbers = self.task.read(outputs, examples)
        self.counts.add(self.task.named(examples.tags, examples), self.task.named(numbers, examples))
        truth = torch.from_numpy(examples.tags)
        loss = functional.cross_entropy(torch.from_numpy(logits), truth, reduction="none", ignore_index=UNLABELLED)
        words = np.diff(examples.sentences)
        sentence = np.repeat(np.arange(len(words)), words)
        self._losses.add(np.bincount(sentence, loss.double().numpy(), minlength=len(words)))

    def metrics(self, weights: Weights = None) -> dict[str, float]:
        """Loss a word, and the figures of `EntityCounts`."""
        words = summed(self.counts.words.values, weights)
        return {"loss": self.mean_loss(words, weights), **self.counts.metrics(weights)}

    def details(self) -> dict[str, Any]:
        """Tags, and the figures of each type of entity."""
        return {"labels": list(self.task.labels), "per_class": self.counts.per_type()}

    def suspicions(self) -> list[Suspicion]:
        """Whether no entity is found at all, though there are some."""
        if self.counts.true and not self.counts.given:
            return [Suspicion("no_entity", {"count": len(self.losses), "tag": OUTSIDE})]
        return []


def _crf(model: nn.Module) -> Crf | None:
    assert isinstance(model, TokenClassifier)
    return model.crf


def sentence_of(row: Row[Any]) -> Sentence:
    """A text cut into words: what stands between blanks, signs apart, each Chinese character by itself."""
    return Sentence(row.text, tuple(_words(row.text)), None, row.line)


def _words(text: str) -> Iterator[tuple[int, int]]:
    for match in _WORD.finditer(text):
        start, stop = match.span()
        begin = start
        for place in range(start, stop):
            if has_chinese(text[place]):
                if begin < place:
                    yield begin, place
                yield place, place + 1
                begin = place + 1
        if begin < stop:
            yield begin, stop


@dataclass(frozen=True, slots=True)
class _Sentences:
    """A tagged file whose tags are turned into IOB2."""

    file: TaggedFile
    scheme: Scheme

    @classmethod
    def of(cls, file: TaggedFile, path: Path) -> "_Sentences":
        """Find out the scheme of the whole file.

        Raises:
            DataError: Its tags are no entities'.
        """
        if are_plain(chain.from_iterable(_tags_in(file))):
            tag = next(chain.from_iterable(_tags_in(file)))
            raise DataError(
                f"{path}: {file.form}, but no word has the tag O, and no tag a letter such as B- in front: plain tags, "
                "such as parts of speech, are not learned here; if those of entities are in another column, set "
                f"--label-column; where these are entities, write {tag!r} as 'B-{tag}' and 'I-{tag}'"
            )
        return cls(file, scheme_of(_tags_in(file)))

    @property
    def form(self) -> str:
        return f"{self.file.form}; tags in {self.scheme}"

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.file.warnings

    def rows(self) -> Iterator[Sentence | BadRow]:
        for row in self.file.rows():
            if isinstance(row, BadRow):
                yield row
            else:
                tags = None if row.tags is None else tuple(convert(row.tags, self.scheme, INSIDE))
                odd = tuple(impossible(row.tags or (), self.scheme))
                yield Sentence(row.text, tuple(row.offsets), tags, row.line, odd)


def _tags_in(file: TaggedFile) -> Iterator[Sequence[str]]:
    """The tags of each sentence, as the file has them."""
    return (row.tags or () for row in file.rows() if not isinstance(row, BadRow))


def _none_empty(
    ids: NDArray[np.int32], counts: NDArray[np.int64], filler: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Give a word of which nothing is left, such as a blank of an odd kind, one piece: there is a tag for it."""
    empty = counts == 0
    return np.insert(ids, (np.cumsum(counts) - counts)[empty], filler), np.where(empty, 1, counts)


def _tags_or_none(row: Sentence) -> Sequence[str | None]:
    return [None] * len(row.words) if row.tags is None else row.tags


def _all_tags(rows: Rows[Sentence]) -> list[str]:
    return [tag for row in rows for tag in row.tags or ()]
