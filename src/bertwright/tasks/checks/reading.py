"""The rows as a model reads them, mostly those of training: tokens, lengths, words; and the checks of these.

Of a large file some rows are looked at, evenly taken. Knows nothing of weights.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any
from unicodedata import category, normalize

import numpy as np
from numpy.typing import NDArray

from bertwright.tasks.checks.files import TRAIN, LabelledFiles, label_names, named, where
from bertwright.tasks.checks.finding import Finding, by_share, counted_of, first, rows_have
from bertwright.tasks.choice import ChoiceExamples
from bertwright.tasks.finetuning import Rows, TaskExamples
from bertwright.tasks.kinds import AnyTask
from bertwright.tasks.questions import QuestionExamples, Questions, half_of
from bertwright.tasks.texts import LabelledTexts, TextTask, paired
from bertwright.text.complaints import all_shown
from bertwright.text.corpus.words import has_chinese
from bertwright.text.wordpiece import WordPiece

CUT_TEXTS = "cut-texts"
MOST_READ = 10_000  # rows
UNKNOWN = 0.15  # share of [UNK] from which on a vocabulary is not of the language
_MANY_CUT = 0.05  # share of rows
_ENDLESS = 1 << 30  # tokens
_BINS = 16
_ENOUGH_LETTERS = 500
_NO_CAPITALS, _ALL_CAPITALS = 0.002, 0.7  # shares of letters
_CASED = 0.01  # share of tokens with capitals from which on a vocabulary is a cased one
_MOST_SPELT = 1_000  # words of which the unknown parts are looked for
_SHREDDED = 2.0  # tokens a word
_MANY_ACCENTS = 0.02  # share of words


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long rows are, in tokens, nothing cut off: a histogram and some of its marks."""

    edges: tuple[int, ...]
    counts: tuple[int, ...]
    median: int
    most: int
    """99 of 100 are no longer."""
    longest: int


@dataclass(frozen=True)
class Reading:
    """Training rows through a tokenizer.

    Attributes:
        files: Where they are from.
        tokenizer: The model's.
        max_length: The most tokens that the model is given at once.
        positions: The most that it could read at once.
    """

    files: LabelledFiles
    tokenizer: WordPiece
    max_length: int
    positions: int

    @cached_property
    def rows(self) -> Rows[Any]:
        """Those that are looked at."""
        return _some(self.files.train)

    @cached_property
    def examples(self) -> TaskExamples[Any]:
        """The rows as training has them."""
        return self._encoded(self.rows)

    def each(self) -> Iterator[tuple[str, Rows[Any], TaskExamples[Any]]]:
        """Of each file the rows that are looked at, and these as the model has them.

        A label that train does not have is no number yet: rows with such are left out, as `unseen_labels` tells.
        """
        yield TRAIN, self.rows, self.examples
        known = set(named(self.files.train))
        for role, held_out in self.files.held_out.items():
            rows = _some(held_out)
            usable = rows.take(np.flatnonzero([known.issuperset(label_names(row)) for row in rows]))
            if len(usable):
                yield role, usable, self._encoded(usable)

    def _encoded(self, rows: Rows[Any]) -> TaskExamples[Any]:
        examples: TaskExamples[Any] = self.files.task.encode(rows, self.tokenizer, self.max_length)
        return examples

    @cached_property
    def full_lengths(self) -> NDArray[np.integer[Any]]:
        """Tokens of each row, or of each of its choices, before anything is cut off or goes through windows."""
        match self.examples:
            case LabelledTexts() as texts:
                return texts.full_lengths
            case ChoiceExamples(encoded=encoded):
                return encoded.full_lengths
        lengths: NDArray[np.int64] = self.files.task.encode(self.rows, self.tokenizer, _ENDLESS).lengths
        return lengths

    @cached_property
    def words(self) -> Counter[str]:
        """What stands between blanks in all texts, and how often; a context that many ask about counts once."""
        texts = dict.fromkeys(chain.from_iterable(map(self.files.task.shown, self.rows)))
        return Counter(chain.from_iterable(map(str.split, texts)))

    def lengths(self) -> Lengths:
        """The histogram."""
        found = self.full_lengths
        bins = min(_BINS, int(found.max() - found.min()) + 1)
        counts, edges = np.histogram(found, bins)
        median = int(np.quantile(found, 0.5, method="higher"))
        return Lengths(
            tuple(np.ceil(edges).astype(int).tolist()), tuple(counts.tolist()), median, _most(found), int(found.max())
        )


def _some(rows: Rows[Any]) -> Rows[Any]:
    return rows.take(np.arange(0, len(rows), -(-len(rows) // MOST_READ)))


def cut_texts(reading: Reading) -> Iterator[Finding]:
    """Rows of each file that lose a part, and such as go through windows."""
    for role, rows, examples in reading.each():
        task, most, positions = reading.files.task, reading.max_length, reading.positions
        yield from cut_texts_of(task, role, rows, examples, max_length=most, positions=positions)
    windowed = int((reading.full_lengths > reading.max_length).sum())
    if windowed and not reading.examples.cut.any():
        yield Finding(
            "note",
            "windows",
            f"train: {counted_of(windowed, len(reading.full_lengths))} are longer than {reading.max_length} tokens and "
            "go through overlapping windows",
            "nothing is lost; a larger --max-length shows the model more at once",
            role="train",
        )


def cut_texts_of(
    task: AnyTask, role: str, rows: Rows[Any], examples: TaskExamples[Any], *, max_length: int, positions: int
) -> Iterator[Finding]:
    """Rows of one file that lose a part, of a model that could read as many tokens as it has positions."""
    if count := int(examples.cut.sum()):
        limit = task.limit(max_length)
        lengths = examples.asked if isinstance(examples, QuestionExamples) else examples.full_lengths
        yield Finding(
            by_share(count / len(rows), warning=_MANY_CUT),
            CUT_TEXTS,
            f"{role}: {counted_of(count, len(rows), limit.what)} {limit.said_of(count)}; {_upper_end(lengths)}",
            _how_to_lose_less(task, rows, lengths, max_length=max_length, positions=positions),
            first(where(rows, int(number)) for number in np.flatnonzero(examples.cut)),
            role=role,
        )


def _most(lengths: NDArray[np.integer[Any]]) -> int:
    """The length that 99 of 100 do not exceed."""
    return int(np.quantile(lengths, 0.99, method="higher"))


def _upper_end(lengths: NDArray[np.integer[Any]]) -> str:
    """How long the long ones are; of few, 99 of 100 would be all of them."""
    most, longest = _most(lengths), int(lengths.max())
    return f"99 of 100 have no more than {most}, the longest {longest}" if most < longest else f"the longest has {most}"


def _how_to_lose_less(
    task: AnyTask, rows: Rows[Any], lengths: NDArray[np.integer[Any]], *, max_length: int, positions: int
) -> str:
    """What to do about rows whose texts, or questions, have so many tokens, some of which are cut."""
    if isinstance(task, Questions):
        flag, room, now = "--max-question-length", half_of(max_length), task.max_question_length
        at_its_end = "no more than half of --max-length is for the question: a larger one keeps more of it"
    else:
        flag, room, now = "--max-length", positions, max_length
        at_its_end = "the model reads no more at once: see that it is enough to tell what is wanted"
    most = _most(lengths)
    enough = min(most if most > now else int(lengths.max()), room)
    more = f"{flag} {enough} would keep {_kept(lengths, now, enough)}, for more time and memory"
    advice = more if enough > now else at_its_end
    return advice + (_other_ways(task, rows) if lengths.max() > enough else "")


def _kept(lengths: NDArray[np.integer[Any]], now: int, enough: int) -> str:
    """What of those that are cut `now` would not be."""
    cut, still = int((lengths > now).sum()), int((lengths > enough).sum())
    if still == cut:
        return "more of each, but none whole"
    return f"{cut - still} of them whole" if still else "them whole"


def _other_ways(task: AnyTask, rows: Rows[Any]) -> str:
    """Other ways to read a text that is too long, where its task has them and its head alone is read."""
    if not isinstance(task, TextTask) or task.reading.way != "head":
        return ""
    return f"; {'--long head+tail reads the ends, too' if paired(rows) else '--long window reads all of each'}"


def long_answers(reading: Reading) -> Iterator[Finding]:
    """Answers that are longer than those that the model may give."""
    task = reading.files.task
    if not isinstance(task, Questions):
        return
    asked = [number for number, row in enumerate(reading.rows) if row.answers]
    _, counts = reading.tokenizer.tokenize(reading.rows.items[number].answers[0].text for number in asked)
    if count := int((counts > task.max_answer_length).sum()):
        yield Finding(
            by_share(count / len(asked), warning=0.01),
            "long-answers",
            f"train: {rows_have(count, len(asked))} an answer of more than {task.max_answer_length} tokens",
            f"the model will give none so long; the longest has {int(counts.max())} (--max-answer-length)",
            first(where(reading.rows, asked[place]) for place in np.flatnonzero(counts > task.max_answer_length)),
            role="train",
        )


def unknown_tokens(reading: Reading) -> Iterator[Finding]:
    """Characters that the vocabulary does not have, and words that it has only in shreds."""
    tokenizer, words = reading.tokenizer, list(reading.words)
    times = np.array([reading.words[word] for word in words])
    ids, pieces = tokenizer.tokenize(words)
    unknown = np.bincount(np.repeat(np.arange(len(words)), pieces)[ids == tokenizer.unk_id], minlength=len(words))
    share = float((unknown * times).sum() / max((pieces * times).sum(), 1))
    if share > 0:
        worst = sorted(np.flatnonzero(unknown).tolist(), key=lambda place: -times[place])[:_MOST_SPELT]
        parts = _unknown_parts(tokenizer, {words[place]: int(times[place]) for place in worst}).most_common(5)
        fits = share < UNKNOWN
        yield Finding(
            by_share(share, error=UNKNOWN, warning=0.01),
            "unknown-tokens",
            f"train: {share:.2%} of the tokens are [UNK], such as {all_shown(part for part, _ in parts)}",
            "they all look the same to the model"
            + (": clean the texts of them, if they matter" if fits else ", whose vocabulary is of another language"),
            role="train",
        )
    latin = np.array([not has_chinese(word) for word in words], dtype=bool)
    tokens = pieces * times
    shreds = float(tokens[latin].sum() / max(times[latin].sum(), 1))
    if shreds > _SHREDDED and 2 * tokens[latin].sum() > tokens.sum():  # in Chinese what is not is numbers and smileys
        yield Finding(
            "warning",
            "shredded-words",
            f"train: a word between blanks is {shreds:.1f} tokens; 1.1 to 1.6 are usual",
            "the vocabulary is of another language or field, or the text is no text: try another model",
            role="train",
        )


def _unknown_parts(tokenizer: WordPiece, words: Mapping[str, int]) -> Counter[str]:
    """What of these words is [UNK]: a word, or a character where each stands for itself, as in Chinese."""
    parts: Counter[str] = Counter()
    for word, times in words.items():
        ids, _ = tokenizer.tokenize([word])
        for start, stop in tokenizer.spans(word)[ids == tokenizer.unk_id].tolist():
            parts[word[start:stop]] += times
    return parts


def casing(reading: Reading) -> Iterator[Finding]:
    """Capitals in the texts that do not go with those of the vocabulary."""
    tokenizer = reading.tokenizer
    capitals, letters = _capitals(reading.words)
    cased = sum(any(map(str.isupper, tokenizer.tokens[i])) for i in tokenizer.ordinary_ids) > _CASED * len(
        tokenizer.ordinary_ids
    )
    share = capitals / max(letters, 1)
    said: tuple[str, str] | None = None
    if tokenizer.lowercase and cased:
        said = "the vocabulary has capitals, and the tokenizer takes them off", "set do_lower_case in its config"
    elif not tokenizer.lowercase and not cased and share > _NO_CAPITALS and letters >= _ENOUGH_LETTERS:
        said = "the vocabulary has no capitals, and the tokenizer leaves them on", "set do_lower_case in its config"
    elif (
        not tokenizer.lowercase
        and cased
        and letters >= _ENOUGH_LETTERS
        and not (_NO_CAPITALS <= share <= _ALL_CAPITALS)
    ):
        said = f"the model tells capitals apart, and {share:.1%} of the letters are capitals", "use an uncased model"
    if said:
        yield Finding("warning", "casing", f"train: {said[0]}", said[1], role="train")


def lost_accents(reading: Reading) -> Iterator[Finding]:
    """Accents that the tokenizer takes off."""
    tokenizer = reading.tokenizer
    if not (tokenizer.lowercase if tokenizer.strip_accents is None else tokenizer.strip_accents):
        return
    accented = {word: times for word, times in reading.words.items() if not word.isascii() and _has_accent(word)}
    count, total = sum(accented.values()), reading.words.total()
    if count > _MANY_ACCENTS * total:
        commonest = sorted(accented, key=lambda word: -accented[word])[:5]
        yield Finding(
            "note",
            "lost-accents",
            f"train: {count} of {total} words lose an accent, such as {all_shown(commonest)}",
            "where accents tell words apart, use a model that keeps them",
            role="train",
        )


def _capitals(words: Counter[str]) -> tuple[int, int]:
    """Capital letters, and letters that have a capital form."""
    characters: Counter[str] = Counter()
    for word, times in words.items():
        for sign in word:
            characters[sign] += times
    upper = sum(times for sign, times in characters.items() if sign.isupper())
    return upper, upper + sum(times for sign, times in characters.items() if sign.islower())


def _has_accent(word: str) -> bool:
    return any(category(sign) == "Mn" for sign in normalize("NFD", word))
