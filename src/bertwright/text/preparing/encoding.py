"""Documents → the tokens of a shard: sentences, ids, word starts, boundaries, and what there is to count.

Memory is bounded by the tokens that come out, whatever the documents look like.

Knows nothing of processes, of the disk and of where documents come from.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from typing import NamedTuple

import numpy as np
import tokenizers
from jaxtyping import Bool, Int64

import bertwright
from bertwright.errors import UsageError
from bertwright.text.corpus.document import Document
from bertwright.text.corpus.sentences import sentences_of
from bertwright.text.corpus.words import Segmenter, has_chinese, word_starts
from bertwright.text.shards import ShardContent, token_type
from bertwright.text.wordpiece import WordPiece

LONGEST_SENTENCE = 1 << 16  # characters; what is longer is no sentence, and comes in parts


class EncodedChunk(NamedTuple):
    """What a shard will hold, and its figures by name: see `Encoder.encode`."""

    content: ShardContent
    counts: dict[str, int]


class Encoder:
    """Turns documents into tokens.

    Attributes:
        facts: What decides the tokens of a text, for the record.
    """

    def __init__(self, tokenizer: WordPiece, segmenter: Segmenter | None) -> None:
        self.tokenizer, self.segmenter = tokenizer, segmenter
        self.facts = {
            "vocabulary": tokenizer.fingerprint,
            "segmenter": _name_of(segmenter),
            "bertwright": bertwright.__version__,  # whose rules split sentences
            "tokenizers": tokenizers.__version__,
        }
        self._begins_word = np.array([not token.startswith("##") for token in tokenizer.tokens])

    def encode(self, documents: Iterable[Document]) -> EncodedChunk:
        """Encode documents, end to end; sentences and documents that come to no token vanish.

        The counts are `documents`, those that were `empty` and are not among them, `sentences`, `tokens`, `words`,
        `unknown` tokens, `segmented_words` (of a Chinese segmenter) and those `misaligned` with the pieces.
        """
        names, texts, held, later = list[str](), list[str](), list[int](), list[bool]()
        for document in documents:
            sentences = [part for sentence in sentences_of(document) for part in _parts(sentence)]
            names.append(document.name)
            later.append(document.part > 1)
            texts += sentences
            held.append(len(sentences))
        ids, lengths = self.tokenizer.tokenize(texts)
        starts, segmented, misaligned = self._word_starts(texts, ids, lengths)
        document_of = np.repeat(np.arange(len(held)), held)
        sentences_left = np.bincount(document_of[lengths > 0], minlength=len(held))
        content = ShardContent(
            tokens=ids.astype(token_type(self.tokenizer.vocab_size)),
            word_starts=starts,
            sentences=_boundaries(lengths),
            documents=_boundaries(sentences_left),
            names=tuple(compress(names, sentences_left)),
            continued=np.flatnonzero(np.fromiter(compress(later, sentences_left), bool)),
        )
        counts = {
            "documents": len(content.names),
            "empty": len(names) - len(content.names),
            "sentences": len(content.sentences) - 1,
            "tokens": len(ids),
            "words": int(starts.sum()),
            "unknown": int((ids == self.tokenizer.unk_id).sum()),
            "segmented_words": segmented,
            "misaligned": misaligned,
        }
        return EncodedChunk(content, counts)

    def _word_starts(
        self, texts: Sequence[str], ids: np.ndarray, lengths: Int64[np.ndarray, " B"]
    ) -> tuple[Bool[np.ndarray, " T"], int, int]:
        """Whether a word begins with each token; how many words came from the segmenter, and how many did not fit."""
        starts = self._begins_word[ids]
        segmented = misaligned = 0
        if self.segmenter is not None:
            ends = np.cumsum(lengths)
            for place in (place for place, text in enumerate(texts) if has_chinese(text)):
                own = slice(ends[place] - lengths[place], ends[place])
                spans = self.tokenizer.spans(texts[place])
                words = word_starts(texts[place], spans[:, 0], spans[:, 1], starts[own], self.segmenter)
                starts[own] = words.starts
                segmented += words.words
                misaligned += words.misaligned
        return starts, segmented, misaligned


def _parts(sentence: str) -> Iterator[str]:
    return (sentence[start : start + LONGEST_SENTENCE] for start in range(0, len(sentence), LONGEST_SENTENCE))


def _name_of(segmenter: Segmenter | None) -> str:
    try:
        return segmenter.name if segmenter else "none"
    except UsageError:  # it is not installed, which matters when the first Chinese text comes and not before
        return "not installed"


def _boundaries(lengths: np.ndarray) -> Int64[np.ndarray, " boundaries"]:
    """Where each part begins, and the end; empty ones are left out."""
    return np.concatenate([[0], np.cumsum(lengths[lengths > 0], dtype=np.int64)])
