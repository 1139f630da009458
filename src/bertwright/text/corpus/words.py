"""Chinese words, for word-start bits: a segmenter's words are laid over the pieces of a vocabulary.

BERT's pieces make each Chinese character a word of its own, so that "whole-word" masking would mask characters. Here
the pieces inside one segmented word become one word. Only runs of Chinese characters are looked at. Knows nothing of
ids, of tokenizers and of masks.
"""

import re
import warnings
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool, Int

from bertwright.errors import DataError, UsageError
from bertwright.files import sha256_file
from bertwright.text.complaints import place
from bertwright.text.lines import Lines

# what BERT's own code takes for a Chinese character
CHINESE = (
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f\U0002b820-\U0002ceaf\U0002f800-\U0002fa1f"
)
_RUN = re.compile(f"[{CHINESE}]+")


class Segmenter(Protocol):
    """Cuts a run of Chinese characters into words."""

    @property
    def name(self) -> str:
        """What it is, with its version or hash, for the record."""

    def words(self, text: str) -> Iterable[str]:
        """Return words that joined give `text`."""


class Words(NamedTuple):
    """Word-start bits of the P pieces of a text, and how well words and pieces lined up.

    Attributes:
        starts: Whether a word begins with each piece.
        words: Segmented words that were looked at.
        misaligned: Those of them with an end inside a piece; their pieces stay the words that they were.
    """

    starts: Bool[np.ndarray, " P"]
    words: int
    misaligned: int


def make_segmenter(name: str) -> Segmenter | None:
    """Return the segmenter of that name: `none`, `jieba`, or a file with one word a line.

    Raises:
        UsageError: There is no such file.
        DataError: It holds no word, or is not UTF-8.
    """
    match name:
        case "none":
            return None
        case "jieba":
            return Jieba()
    return WordList.read(Path(name))


def jieba_is_installed() -> bool:
    """Whether the library is there, without loading it."""
    return find_spec("jieba") is not None


def has_chinese(text: str) -> bool:
    """Whether a text has a Chinese character; others need no segmenter."""
    return not text.isascii() and _RUN.search(text) is not None


def word_starts(
    text: str,
    begins: Int[np.ndarray, " P"],
    ends: Int[np.ndarray, " P"],
    starts: Bool[np.ndarray, " P"],
    segmenter: Segmenter,
) -> Words:
    """Lay a segmenter's words over the pieces of a text.

    Args:
        text: The text as it was given to the tokenizer.
        begins: The character of `text` with which each piece begins.
        ends: The one before which it ends.
        starts: Whether a word begins with each piece as the vocabulary sees it: no `##` before it.
        segmenter: Where the words come from.

    Raises:
        UsageError: jieba is wanted and not installed.
    """
    parts, is_word = _parts(text, segmenter)
    first, last = parts[begins], parts[np.maximum(begins, ends - 1)]
    across = first < last
    joined = np.zeros(len(is_word) + 1, np.int64)  # +1 at the first part that a piece joins, -1 behind the last
    np.add.at(joined, first[across], 1)
    np.add.at(joined, last[across] + 1, -1)
    misaligned = is_word & (np.cumsum(joined)[:-1] > 0)
    settled = (is_word & ~misaligned)[first]
    begun = np.concatenate([[True], first[1:] != first[:-1]]) if len(first) else starts
    return Words(np.where(settled, begun, starts), int(is_word.sum()), int(misaligned.sum()))


def _parts(text: str, segmenter: Segmenter) -> tuple[Int[np.ndarray, " characters"], Bool[np.ndarray, " parts"]]:
    """Cut a text into Chinese words and what lies between: the part of each character, and which parts are words."""
    lengths, is_word = [], []
    end = 0
    for run in _RUN.finditer(text):
        words = [len(word) for word in segmenter.words(run[0])]
        lengths += [run.start() - end, *words]
        is_word += [False, *[True] * len(words)]
        end = run.end()
    lengths.append(len(text) - end)
    is_word.append(False)
    return np.repeat(np.arange(len(lengths)), lengths), np.array(is_word)


class Jieba:
    """The jieba library, loaded when the first Chinese text comes."""

    def __reduce__(self) -> tuple[type["Jieba"], tuple[()]]:
        """Sent to another process, it is loaded there anew."""
        return Jieba, ()

    @property
    def name(self) -> str:
        """Name and version."""
        return f"jieba {self._library.__version__}"

    def words(self, text: str) -> Iterable[str]:
        """Cut with jieba's dictionary, and its hidden Markov model for names it does not know."""
        words: Iterable[str] = self._tokenizer.cut(text)
        return words

    @cached_property
    def _library(self) -> Any:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # its patterns are of the days before Python 3.12
                import jieba
        except ImportError as error:
            raise UsageError(
                "the corpus has Chinese text, and its words come from jieba, which is not installed: "
                "pip install 'bertwright[zh]', or set --segmenter none (each character is a word) or a word list"
            ) from error
        return jieba

    @cached_property
    def _tokenizer(self) -> Any:
        # Not `initialize()`: it talks, and unmarshals a dictionary out of the temporary folder that all users share.
        tokenizer = self._library.Tokenizer()
        tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
        tokenizer.initialized = True
        return tokenizer


@dataclass(frozen=True)
class WordList:
    """A user's words: at each place the longest one that fits, else one character."""

    name: str
    lengths: dict[str, tuple[int, ...]]
    """First character → lengths of the words that begin with it, longest first."""
    known: frozenset[str] = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> "WordList":
        """Read a file with one word a line; what follows a blank on the line (jieba's counts) is not read.

        Raises:
            UsageError: There is no such file.
            DataError: It holds no word, or is not UTF-8.
        """
        known = frozenset(word for line in Lines(path) for word in line.split()[:1])
        if not known:
            raise DataError(f"{place(path)}: no word in it; write one a line")
        lengths: defaultdict[str, set[int]] = defaultdict(set)
        for word in known:
            lengths[word[0]].add(len(word))
        longest_first = {first: tuple(sorted(found, reverse=True)) for first, found in lengths.items()}
        return cls(f"word list {sha256_file(path)[:16]}", longest_first, known)

    def words(self, text: str) -> Iterable[str]:
        """Cut from left to right."""
        start = 0
        while start < len(text):
            fitting = (
                length for length in self.lengths.get(text[start], ()) if text[start : start + length] in self.known
            )
            length = next(fitting, 1)
            yield text[start : start + length]
            start += length
