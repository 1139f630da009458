"""Documents that came before, word for word or nearly so: counted, and not given on.

The first of several alike is the one that stays. Nothing is drawn at random and nothing depends on the machine, so
every run drops the same ones. Knows nothing of files and of tokens.
"""

import hashlib
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np

from bertwright.text.corpus.document import Document
from bertwright.text.corpus.words import CHINESE

Deduplicate = Literal["none", "exact", "near"]

SHINGLE = 5  # words
BANDS, ROWS = 10, 12
_WORD = re.compile(rf"[{CHINESE}]|[^\W{CHINESE}]+")
_SHINGLES_AT_ONCE = 4_096
_LONGEST_OF_MANY = 1 << 16  # words of a document that is one of many
_FEW = 1 << 16

Keys = np.ndarray


def without_duplicates(documents: Iterable[Document], kind: Deduplicate, dropped: Counter[str]) -> Iterator[Document]:
    """Give on the documents that are unlike all before them, and count the others in `dropped` by reason.

    Memory grows by 8 bytes a document (`exact`) or 80 (`near`), twice that for moments.
    """
    if kind == "none":
        yield from documents
        return
    keys_of = _exact_keys if kind == "exact" else near_keys
    seen = Seen()
    for document in documents:
        if seen.any_or_add(keys_of(document)):
            dropped[f"{kind} duplicate"] += 1
        else:
            yield document


class Seen:
    """A set of 64-bit keys that takes 8 bytes for each: a sorted array, and a small set of those that came since."""

    def __init__(self) -> None:
        self._sorted: Keys = np.empty(0, np.uint64)
        self._recent = set[int]()

    def any_or_add(self, keys: Keys) -> bool:
        """Whether one of the keys is there; if none is, they are from now on."""
        places = np.searchsorted(self._sorted, keys)
        inside = places < len(self._sorted)
        if (self._sorted[places[inside]] == keys[inside]).any() or not self._recent.isdisjoint(keys.tolist()):
            return True
        self._recent.update(keys.tolist())
        if len(self._recent) > _FEW + len(self._sorted) // 16:
            recent = np.fromiter(self._recent, np.uint64, len(self._recent))
            self._sorted = np.sort(np.concatenate([self._sorted, np.sort(recent)]), kind="stable")
            self._recent.clear()
        return False


def _exact_keys(document: Document) -> Keys:
    """One key for the text, white space and case left aside."""
    digest = hashlib.sha256()
    for line in document.lines:
        digest.update(" ".join([*line.split(), ""]).casefold().encode())
    return np.frombuffer(digest.digest()[:8], "<u8")


def near_keys(document: Document, width: int = SHINGLE) -> Keys:
    """A key for each band of the document's MinHash signature (Broder 1997), over shingles of `width` words.

    With bands of 12 hashes and 10 of them, two documents with a Jaccard similarity s share a key with probability
    1 - (1 - s^12)^10: 0.02 at 0.6, 0.13 at 0.7, 0.51 at 0.8, 0.96 at 0.9 (Leskovec et al., Mining of Massive Datasets,
    section 3.4).
    """
    shingles = _shingles(_word_hashes(document), width)
    signature = np.full(BANDS * ROWS, np.iinfo(np.uint64).max)
    for start in range(0, len(shingles), _SHINGLES_AT_ONCE):
        part = shingles[start : start + _SHINGLES_AT_ONCE]
        np.minimum(signature, _hashed(part).min(axis=1), out=signature)
    return _joined(signature.reshape(BANDS, ROWS).T) + np.arange(BANDS, dtype=np.uint64)


def near_keys_of_each(documents: Iterable[Document], width: int) -> Iterator[Keys]:
    """The same as `near_keys` of one document after the other, ten times as fast where they are short.

    Documents without a word have no keys.
    """
    batch, size = list[np.ndarray](), 0
    for document in documents:
        hashes = _word_hashes(document)[:_LONGEST_OF_MANY]
        batch.append(_shingles(hashes, width) if len(hashes) else hashes)
        size += len(batch[-1])
        if size >= _SHINGLES_AT_ONCE:
            yield from _keys_of_batch(batch)
            batch, size = [], 0
    yield from _keys_of_batch(batch)


def _keys_of_batch(batch: list[np.ndarray]) -> Iterator[Keys]:
    full = [shingles for shingles in batch if len(shingles)]
    keys = iter(())
    if full:
        starts = np.cumsum([0, *map(len, full[:-1])])
        signatures = np.minimum.reduceat(_hashed(np.concatenate(full)), starts, axis=1)
        rows = signatures.reshape(BANDS, ROWS, len(full)).swapaxes(0, 1).reshape(ROWS, -1)
        keys = iter(_joined(rows).reshape(BANDS, len(full)).T + np.arange(BANDS, dtype=np.uint64))
    return (next(keys) if len(shingles) else np.empty(0, np.uint64) for shingles in batch)


def _hashed(shingles: np.ndarray) -> np.ndarray:
    """Every hash function of every shingle, [BANDS x ROWS, shingles]."""
    hashed: np.ndarray = _FACTORS[:, None] * shingles + _SUMMANDS[:, None]
    return hashed


def _word_hashes(document: Document) -> np.ndarray:
    words = [word for line in document.lines for word in _WORD.findall(line.casefold())]
    return np.fromiter((zlib.crc32(word.encode()) for word in words), np.uint64, len(words))


def _shingles(hashes: np.ndarray, width: int) -> np.ndarray:
    """A hash of each `width` words in a row; of all words where there are fewer."""
    width = min(width, len(hashes))
    count = len(hashes) - width + 1
    return _joined(np.stack([np.zeros(count, np.uint64), *(hashes[k : k + count] for k in range(width))]))


def _joined(rows: np.ndarray) -> np.ndarray:
    """One number for each column, to which each of its rows counts at its place."""
    joined = np.zeros(rows.shape[1], np.uint64)
    for row in rows:
        joined = _mixed(joined * np.uint64(0x100000001B3) + row)
    return joined


def _mixed(values: np.ndarray) -> np.ndarray:
    """The last steps of SplitMix64 (Steele et al. 2014): every bit of the result depends on every bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed


_DRAWS = _mixed(np.arange(1, 2 * BANDS * ROWS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
_FACTORS, _SUMMANDS = _DRAWS[0::2] | np.uint64(1), _DRAWS[1::2]
