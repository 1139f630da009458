"""WordPiece: texts to BERT's ids, a vocabulary from texts, and its files to and from a folder.

The ids are those of transformers' `BertTokenizer`, but for one thing: a special token that somebody typed in a
text ("[SEP]") is plain text, never the id of the special token. The engine is the tokenizers library, set up
here alone: of a `tokenizer.json` only the vocabulary and three flags are taken, no code or pattern.
Knows nothing of rows, labels or models; what it returns is flat, and padding does not exist here.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np
from jaxtyping import Bool, Int, Int32, Int64, UInt8
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from bertwright.errors import DataError, UsageError
from bertwright.files import write_file, write_json
from bertwright.text.vocabulary import (
    DEFAULT_MAX_LENGTH,
    SPECIAL_TOKENS,
    Vocabulary,
    check_tokens,
    read_vocabulary,
)

LONGEST_WORD = 100  # characters; a longer word is one [UNK], as in BERT's own code
TEXTS_AT_ONCE = 1_024  # enough to keep every core busy, few enough that the engine's records stay small


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Token ids of B texts (or pairs) end to end: text `b` is `ids[cu_seqlens[b]:cu_seqlens[b + 1]]`.

    Attributes:
        ids: Ids in the vocabulary, [CLS] and [SEP] included.
        segments: 1 for the second text of a pair and the [SEP] that closes it, else 0.
        full_lengths: Tokens of each text before truncation, [CLS] and [SEP] included.
        cu_seqlens: Where each text begins, and T at the end.
    """

    ids: Int32[np.ndarray, " T"]
    segments: UInt8[np.ndarray, " T"]
    full_lengths: Int32[np.ndarray, " B"]
    cu_seqlens: Int64[np.ndarray, " B+1"]

    def __len__(self) -> int:
        return len(self.full_lengths)

    @property
    def lengths(self) -> Int64[np.ndarray, " B"]:
        """Tokens of each text after truncation."""
        return np.diff(self.cu_seqlens)

    @property
    def truncated(self) -> Bool[np.ndarray, " B"]:
        """Whether something of the text was cut off."""
        return self.full_lengths > self.lengths

    @classmethod
    def concatenate(cls, parts: Sequence["Encoded"]) -> "Encoded":
        """Join one or more encodings, in order."""
        return cls(
            ids=np.concatenate([part.ids for part in parts]),
            segments=np.concatenate([part.segments for part in parts]),
            full_lengths=np.concatenate([part.full_lengths for part in parts]),
            cu_seqlens=_boundaries(np.concatenate([part.lengths for part in parts])),
        )


class WordPiece:
    """A BERT tokenizer.

    Attributes:
        tokens, lowercase, strip_accents, chinese_characters, max_length: See `Vocabulary`.
        pad_id, unk_id, cls_id, sep_id, mask_id: Ids of the special tokens.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Take a vocabulary that was checked: callers use `from_tokens`, `from_folder` or `train`."""
        self.tokens = vocabulary.tokens
        self.lowercase = vocabulary.lowercase
        self.strip_accents = vocabulary.strip_accents
        self.chinese_characters = vocabulary.chinese_characters
        self.max_length = vocabulary.max_length
        special_ids = map(self.tokens.index, SPECIAL_TOKENS.values())
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = special_ids
        self._vocabulary = vocabulary
        self._engine = _make_engine(vocabulary)

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """Read the tokenizer of a model folder; see `read_vocabulary`.

        Raises:
            ModelFolderError: There is no vocabulary, or two that differ, or something that is not BERT's.
        """
        return cls(read_vocabulary(folder))

    @classmethod
    def from_tokens(
        cls,
        tokens: Sequence[str],
        *,
        lowercase: bool = True,
        strip_accents: bool | None = None,
        chinese_characters: bool = True,
        max_length: int = DEFAULT_MAX_LENGTH,
    ) -> Self:
        """Take tokens in the order of their ids.

        Raises:
            UsageError: A token is repeated, too long, holds a line end or ends the list empty, or a special one lacks.
        """
        check_tokens(tokens, "the vocabulary", lambda place: f"token {place}", UsageError)
        return cls(Vocabulary(tuple(tokens), lowercase, strip_accents, chinese_characters, max_length))

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        *,
        size: int,
        lowercase: bool = True,
        strip_accents: bool | None = None,
        chinese_characters: bool = True,
        max_length: int = DEFAULT_MAX_LENGTH,
    ) -> Self:
        """Learn a vocabulary of at most `size` tokens from texts.

        The same texts give the same one, whatever the machine; another release of tokenizers may not.

        Raises:
            UsageError: The texts have more different characters than `size` has room for.
            DataError: A text is not a string, or not valid Unicode.
        """
        corpus = list(texts)
        _check_texts(corpus, "text")
        blank = Vocabulary((), lowercase, strip_accents, chinese_characters, max_length)
        # The trainer numbers characters in the order of a hash table, which changes from run to run and decides
        # between merges that are equally good. So the characters are learned first, then given to it in order.
        alphabet = sorted(_learn(corpus, blank, 0))
        if (needed := len(SPECIAL_TOKENS) + len(alphabet)) > size:
            raise UsageError(f"a vocabulary of {size} cannot hold the texts' characters: ask for more than {needed}")
        tokens = [*SPECIAL_TOKENS.values(), *_learn(corpus, blank, size, alphabet)]
        return cls(replace(blank, tokens=tuple(tokens)))

    @property
    def vocab_size(self) -> int:
        """Tokens in the vocabulary."""
        return len(self.tokens)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all that decides the ids of a text: the vocabulary and the three flags."""
        strips = self.lowercase if self.strip_accents is None else self.strip_accents
        decisive = [self.tokens, self.lowercase, strips, self.chinese_characters]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()

    def with_max_length(self, max_length: int) -> Self:
        """The same tokenizer, whose folder tells its readers to cut texts at `max_length` tokens."""
        return type(self)(replace(self._vocabulary, max_length=max_length))

    def encode(self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, max_length: int) -> Encoded:
        """Turn texts into `[CLS] text [SEP]`, or texts and pairs into `[CLS] text [SEP] pair [SEP]`.

        Args:
            texts: B texts; an empty one is `[CLS] [SEP]`.
            pairs: B second texts.
            max_length: The most tokens a text (or pair) may have, [CLS] and [SEP] included. Of a pair the
                longer text is cut until both are equally long, then both are.

        Raises:
            UsageError: `max_length` leaves no room for text, or there are not as many pairs as texts.
            DataError: A text is not a string, or not valid Unicode; the error says which.
        """
        sides = [texts] if pairs is None else [texts, pairs]
        for side, what in zip(sides, ("text", "pair"), strict=False):
            _check_texts(side, what)
        if len({len(side) for side in sides}) > 1:
            raise UsageError(f"{len(sides[0])} texts came with {len(sides[1])} pairs: each text needs one")
        room = max_length - 1 - len(sides)
        if room < len(sides):
            raise UsageError(f"max_length {max_length} leaves no room for text: give {1 + 2 * len(sides)} or more")
        ids, lengths = zip(*map(self._tokenize, sides), strict=True)
        return self._lay_out(ids, lengths, _longest_first(lengths, room))

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Return the tokens of these ids."""
        return [self.tokens[token_id] for token_id in ids]

    def save(self, folder: Path) -> None:
        """Write the four tokenizer files of the Hugging Face layout into an existing folder."""
        config = {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": self.lowercase,
            "strip_accents": self.strip_accents,
            "tokenize_chinese_chars": self.chinese_characters,
            "model_max_length": self.max_length,
            **SPECIAL_TOKENS,
        }
        write_file(folder / "vocab.txt", "".join(f"{token}\n" for token in self.tokens))
        write_file(folder / "tokenizer.json", self._tokenizer_json())
        write_json(folder / "special_tokens_map.json", SPECIAL_TOKENS)
        write_json(folder / "tokenizer_config.json", config)

    def _tokenizer_json(self) -> str:
        """Describe this tokenizer as transformers expects it, special tokens included."""
        # A second engine: told of special tokens, the one that encodes would find them in texts.
        engine = _make_engine(self._vocabulary)
        engine.add_special_tokens(list(SPECIAL_TOKENS.values()))
        engine.decoder = decoders.WordPiece()
        engine.post_processor = processors.TemplateProcessing(
            single="[CLS]:0 $A:0 [SEP]:0",
            pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
            special_tokens=[("[CLS]", self.cls_id), ("[SEP]", self.sep_id)],
        )
        return engine.to_str(pretty=True)

    def _tokenize(self, texts: Sequence[str]) -> tuple[Int32[np.ndarray, " T"], Int64[np.ndarray, " B"]]:
        """Return the ids of all texts end to end, without special tokens, and how many each text has."""
        ids, lengths = [np.empty(0, np.int32)], list[int]()
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            chunk = list(texts[start : start + TEXTS_AT_ONCE])
            encodings = self._engine.encode_batch_fast(chunk, add_special_tokens=False)
            chunk_lengths = [len(encoding) for encoding in encodings]
            flat = chain.from_iterable(encoding.ids for encoding in encodings)
            ids.append(np.fromiter(flat, np.int32, sum(chunk_lengths)))
            lengths += chunk_lengths
        return np.concatenate(ids), np.array(lengths, np.int64)

    def _lay_out(self, ids: Sequence[np.ndarray], lengths: Sequence[np.ndarray], kept: Sequence[np.ndarray]) -> Encoded:
        """Put the first `kept` tokens of each text, one side after the other, between [CLS] and [SEP]s."""
        cu_seqlens = _boundaries(np.sum(kept, axis=0) + 1 + len(kept))
        flat = np.full(cu_seqlens[-1], self.sep_id, np.int32)
        flat[cu_seqlens[:-1]] = self.cls_id
        segments = np.zeros(cu_seqlens[-1], np.uint8)
        begin = cu_seqlens[:-1] + 1
        for side, (side_ids, side_lengths, side_kept) in enumerate(zip(ids, lengths, kept, strict=True)):
            source = _ranges(_boundaries(side_lengths)[:-1], side_kept)
            flat[_ranges(begin, side_kept)] = side_ids[source]
            segments[_ranges(begin, side_kept + 1)] = side
            begin = begin + side_kept + 1
        full_lengths = (np.sum(lengths, axis=0) + 1 + len(lengths)).astype(np.int32)
        return Encoded(ids=flat, segments=segments, full_lengths=full_lengths, cu_seqlens=cu_seqlens)


def _make_engine(vocabulary: Vocabulary) -> Tokenizer:
    ids = {token: place for place, token in enumerate(vocabulary.tokens)}
    engine = Tokenizer(
        models.WordPiece(ids, unk_token=SPECIAL_TOKENS["unk_token"], max_input_chars_per_word=LONGEST_WORD)
    )
    engine.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=vocabulary.chinese_characters,
        strip_accents=vocabulary.strip_accents,
        lowercase=vocabulary.lowercase,
    )
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return engine


def _learn(corpus: Sequence[str], blank: Vocabulary, size: int, known: Sequence[str] = ()) -> list[str]:
    """Train once: return the tokens, `known` first, without the special ones and those too long to match."""
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=[*SPECIAL_TOKENS.values(), *known], show_progress=False
    )
    engine = _make_engine(blank)
    engine.train_from_iterator(corpus, trainer)
    ids = engine.get_vocab()
    learned = sorted(ids.keys() - SPECIAL_TOKENS.values(), key=ids.__getitem__)
    return [token for token in learned if len(token.removeprefix("##")) <= LONGEST_WORD]


def _longest_first(lengths: Sequence[np.ndarray], room: int) -> list[np.ndarray]:
    """How many tokens of each side fit into `room`: the longer side of a pair is cut first.

    The rule of the tokenizers library's `LongestFirst`, an odd last place included: it goes to the longer
    text, and to the second of two equally long ones.
    """
    if len(lengths) == 1:
        return [np.minimum(lengths[0], room)]
    first, second = lengths
    half = room // 2
    share = np.where(first > second, room - half, half)
    first_kept = np.minimum(first, np.maximum(room - second, share))
    return [first_kept, np.minimum(second, room - first_kept)]


def _boundaries(lengths: Int[np.ndarray, " B"]) -> Int64[np.ndarray, " B+1"]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return start, start + 1, ... of each start, as many as its length says, end to end."""
    ends = _boundaries(lengths)
    return np.repeat(starts - ends[:-1], lengths) + np.arange(ends[-1])


def _check_texts(texts: Iterable[str], what: str) -> None:
    """Refuse what the engine cannot take, by its place."""
    if isinstance(texts, str):
        raise UsageError(f"a list of {what}s is needed, not a single string")
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"{what} {place} (counted from 0) is no string but {type(text).__name__}")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"{what} {place} (counted from 0) is not valid Unicode: its character {error.start} is half of a "
                "surrogate pair; read the file it came from as UTF-8"
            ) from error
