"""How well a vocabulary fits a text: pieces a word, [UNK], characters by script; beside another vocabulary.

Knows nothing of where the text comes from and of how a vocabulary is made.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

from bertwright.text.corpus.words import CHINESE
from bertwright.text.wordpiece import WordPiece

_LONGEST_SHOWN = 10
_FEWEST = 0.0001  # of the characters: a rarer script is counted, but not printed
# what BERT takes for words, in whatever vocabulary: Chinese characters, runs of letters and digits, single signs
_WORD = re.compile(rf"[{CHINESE}]|[^\W{CHINESE}]+|[^\w\s]")
_CONTINUATION = re.compile("##.")
# by the first word of a character's name in Unicode
_SCRIPTS = {"cjk": "Han", "hangul": "Hangul", "ideographic": "Han"}


@dataclass(frozen=True, slots=True)
class ScriptCoverage:
    """Characters of one script: their share of the text's, and the share of them that are in the vocabulary."""

    share: float
    covered: float


@dataclass(frozen=True, slots=True)
class VocabularyReport:
    """Figures of a vocabulary, and of a text in it.

    Attributes:
        size: Tokens, special ones and empty slots included.
        characters: Tokens of one character that begin a word.
        whole_words: Longer tokens that begin a word.
        continuations: Tokens that begin with `##`.
        longest: The longest tokens that are not special.
        tokens_per_word: Fertility: tokens / (Chinese characters + other words + punctuation marks) of the text.
        unknown_rate: Share of the text's tokens that are [UNK].
        used: Share of the ordinary tokens that occur in the text.
        scripts: Coverage by script, the most frequent first.
    """

    size: int
    characters: int
    whole_words: int
    continuations: int
    longest: tuple[str, ...]
    tokens_per_word: float
    unknown_rate: float
    used: float
    scripts: dict[str, ScriptCoverage]

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values, for JSON."""
        return asdict(self)


class EvenSample:
    """Every n-th text of a stream; n doubles whenever the texts come to more than `limit` characters."""

    def __init__(self, limit: int) -> None:
        self.limit, self.texts = limit, list[str]()
        self.every = 1
        self._seen = self._held = 0

    def add(self, text: str) -> None:
        """Take the next text of the stream, or not."""
        if self._seen % self.every == 0:
            self.texts.append(text)
            self._held += len(text)
        self._seen += 1
        while self._held > self.limit and len(self.texts) > 1:
            self.texts, self.every = self.texts[::2], 2 * self.every
            self._held = sum(map(len, self.texts))


def report_on(tokenizer: WordPiece, texts: Sequence[str]) -> VocabularyReport:
    """Measure a vocabulary on texts."""
    ids, _ = tokenizer.tokenize(texts)
    words = sum(1 for text in texts for _ in _WORD.finditer(text))
    ordinary = [tokenizer.tokens[place] for place in tokenizer.ordinary_ids]
    beginnings = [token for token in ordinary if not _CONTINUATION.match(token)]
    characters = sum(len(token) == 1 for token in beginnings)
    return VocabularyReport(
        size=tokenizer.vocab_size,
        characters=characters,
        whole_words=len(beginnings) - characters,
        continuations=len(ordinary) - len(beginnings),
        longest=tuple(sorted(ordinary, key=lambda token: (-len(token.removeprefix("##")), token))[:_LONGEST_SHOWN]),
        tokens_per_word=len(ids) / max(words, 1),
        unknown_rate=float(np.mean(ids == tokenizer.unk_id)) if len(ids) else 0.0,
        used=len(np.intersect1d(ids, tokenizer.ordinary_ids)) / max(len(ordinary), 1),
        scripts=_coverage(tokenizer, texts),
    )


def table(reports: dict[str, VocabularyReport]) -> str:
    """Lay reports on the same text side by side, each under its name."""
    first = next(iter(reports.values()))
    rows: list[tuple[str, list[str]]] = [("", list(reports))]
    for label, form, name in _FIGURES:
        rows.append((label, [form.format(getattr(report, name)) for report in reports.values()]))
    for script, coverage in first.scripts.items():
        if coverage.share >= _FEWEST:
            known = [report.scripts.get(script) for report in reports.values()]
            label = f"{script} covered ({coverage.share:.2%} of the text)"
            rows.append((label, [f"{each.covered:.2%}" if each else "-" for each in known]))
    lines = [f"{label:<48}" + "".join(f"{value:>24}" for value in values) for label, values in rows]
    lines += [f"longest pieces of {name}: {' '.join(report.longest)}" for name, report in reports.items()]
    return "\n".join(line.rstrip() for line in lines)


_FIGURES = (
    ("tokens", "{:,}", "size"),
    ("single characters", "{:,}", "characters"),
    ("longer beginnings of words", "{:,}", "whole_words"),
    ("continuations (##)", "{:,}", "continuations"),
    ("tokens per word", "{:.3f}", "tokens_per_word"),
    ("[UNK] among the tokens", "{:.3%}", "unknown_rate"),
    ("tokens that occur", "{:.1%}", "used"),
)


def _coverage(tokenizer: WordPiece, texts: Iterable[str]) -> dict[str, ScriptCoverage]:
    tokens = frozenset(tokenizer.tokens)
    raw = Counter[str]()
    for text in texts:
        raw.update(text)
    present, covered = Counter[str](), Counter[str]()
    for character, count in raw.items():
        if signs := tokenizer.normalize(character).split():
            script = script_of(character)
            present[script] += count
            covered[script] += count * all(sign in tokens for sign in "".join(signs))
    total = max(present.total(), 1)
    return {
        script: ScriptCoverage(share=count / total, covered=covered[script] / count)
        for script, count in present.most_common()
    }


@cache
def script_of(character: str) -> str:
    """Name the script of a character: `Latin`, `Han`, `Cyrillic`, ..., or `digits`, `punctuation and symbols`."""
    category = unicodedata.category(character)
    if category[0] == "N":
        return "digits"
    if category[0] in "PSZC":
        return "punctuation and symbols"
    first = unicodedata.name(character, "unnamed").split()[0].lower()
    return _SCRIPTS.get(first, first.capitalize())
