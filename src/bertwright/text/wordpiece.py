"""WordPiece: texts to BERT's ids, a vocabulary from texts, and its files to and from a folder.

The ids are those of transformers' `BertTokenizer`, but for one thing: a special token that somebody typed in a
text ("[SEP]") is plain text, never the id of the special token. The engine is the tokenizers library, set up
here alone: of a `tokenizer.json` only the vocabulary and three flags are taken, no code or pattern.
Knows nothing of rows, labels or models; what it returns is flat, and padding does not exist here.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Self

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
_UNUSED = re.compile(r"\[unused\d+\]")
_SURROGATE = re.compile("[\ud800-\udfff]")
# enough to keep every core busy, few enough that the engine's records (some 150 bytes a token) stay small
TEXTS_AT_ONCE, CHARACTERS_AT_ONCE = 1_024, 1 << 18


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
        """Read the tokenizer of a model folder, or a file of tokens; see `read_vocabulary`.

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
        min_frequency: int = 0,
        character_coverage: float = 1.0,
        unused_tokens: int = 0,
        lowercase: bool = True,
        strip_accents: bool | None = None,
        chinese_characters: bool = True,
        max_length: int = DEFAULT_MAX_LENGTH,
    ) -> Self:
        """Learn a vocabulary of at most `size` tokens from texts.

        The same texts give the same one, whatever the machine; another release of tokenizers may not. What is held in
        memory is the words of the texts, each once.

        Args:
            texts: Read twice; an iterator, which can be read only once, is kept in memory.
            size: Special tokens and empty slots included.
            min_frequency: How often two pieces must meet to become one.
            character_coverage: Share of the texts' characters that must be in the vocabulary (as in SentencePiece).
            unused_tokens: How many empty slots `[unused0]`, `[unused1]`, ... to leave after the special tokens.
            lowercase: See `Vocabulary`.
            strip_accents: See `Vocabulary`.
            chinese_characters: See `Vocabulary`.
            max_length: See `Vocabulary`.

        Raises:
            UsageError: The texts have more different characters than `size` has room for.
            DataError: A text is not a string, or not valid Unicode.
        """
        corpus = list(texts) if iter(texts) is texts else texts
        blank = Vocabulary((), lowercase, strip_accents, chinese_characters, max_length)
        reserved = [*SPECIAL_TOKENS.values(), *(f"[unused{number}]" for number in range(unused_tokens))]
        # The trainer numbers characters in the order of a hash table, which changes from run to run and decides
        # between merges that are equally good. So the characters are learned first, then given to it in order.
        counts = Counter[str]()
        seen = _learn(_counted(corpus, counts), blank, vocab_size=0)
        characters = _most_frequent(_normalized(counts, blank), character_coverage)
        alphabet = sorted(token for token in seen if token.removeprefix("##") in characters)
        if (needed := len(reserved) + len(alphabet)) > size:
            raise UsageError(f"a vocabulary of {size} cannot hold the texts' characters: ask for more than {needed}")
        known = [*reserved, *alphabet]
        learned = _learn(
            _checked(corpus),
            blank,
            vocab_size=size,
            special_tokens=known,
            min_frequency=min_frequency,
            limit_alphabet=len(characters),  # else the trainer would add the others
        )
        tokens = [*known, *(token for token in learned if token not in set(known))]
        return cls(replace(blank, tokens=tuple(tokens)))

    @property
    def vocab_size(self) -> int:
        """Tokens in the vocabulary."""
        return len(self.tokens)

    @cached_property
    def ordinary_ids(self) -> Int64[np.ndarray, " ids"]:
        """Ids of the tokens that texts are made of: neither special nor an empty `[unusedN]` slot."""
        special = frozenset(SPECIAL_TOKENS.values())
        ordinary = (
            place for place, token in enumerate(self.tokens) if token not in special and not _UNUSED.fullmatch(token)
        )
        return np.fromiter(ordinary, np.int64)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over all that decides the ids of a text: the vocabulary and the three flags."""
        strips = self.lowercase if self.strip_accents is None else self.strip_accents
        decisive = [self.tokens, self.lowercase, strips, self.chinese_characters]
        return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()

    def with_max_length(self, max_length: int) -> Self:
        """The same tokenizer, whose folder tells its readers to cut texts at `max_length` tokens."""
        return type(self)(replace(self._vocabulary, max_length=max_length))

    def encode(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        *,
        max_length: int,
        masks: bool = False,
    ) -> Encoded:
        """Turn texts into `[CLS] text [SEP]`, or texts and pairs into `[CLS] text [SEP] pair [SEP]`.

        Args:
            texts: B texts; an empty one is `[CLS] [SEP]`.
            pairs: B second texts.
            max_length: The most tokens a text (or pair) may have, [CLS] and [SEP] included. Of a pair the
                longer text is cut until both are equally long, then both are.
            masks: Whether a "[MASK]" in a text is the special token; no other special token can be typed.

        Raises:
            UsageError: `max_length` leaves no room for text, or there are not as many pairs as texts.
            DataError: A text is not a string, or not valid Unicode; the error says which.
        """
        ids, lengths = self.sides(texts, pairs, masks=masks)
        return self.lay_out(ids, lengths, longest_first(lengths, room_for(len(lengths), max_length)))

    def sides(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, masks: bool = False
    ) -> tuple[list[Int32[np.ndarray, " T"]], list[Int64[np.ndarray, " B"]]]:
        """Return what `tokenize` makes of B texts, and of B pairs if there are any; see `encode`."""
        sides = [texts] if pairs is None else [texts, pairs]
        for side, what in zip(sides, ("text", "pair"), strict=False):
            _check_texts(side, what)
        if len({len(side) for side in sides}) > 1:
            raise UsageError(f"{len(sides[0])} texts came with {len(sides[1])} pairs: each text needs one")
        ids, lengths = zip(*map(self._tokenize_around_masks if masks else self.tokenize, sides), strict=True)
        return list(ids), list(lengths)

    def tokenize(self, texts: Iterable[str]) -> tuple[Int32[np.ndarray, " T"], Int64[np.ndarray, " B"]]:
        """Return the ids of all texts end to end, without special tokens, and how many each text has.

        No token and no rule of BERT's cleaning reaches across a blank, so that what stands between two blanks is
        tokenized once, however often it occurs: several times faster than text by text, with the same ids.

        Raises:
            DataError: A word is not valid Unicode; the error has it.
        """
        numbers = defaultdict[str, int]()
        numbers.default_factory = numbers.__len__
        held = list[int]()
        words = chain.from_iterable(_words_of(texts, held))
        words_in_order = np.fromiter(map(numbers.__getitem__, words), np.int64)
        ids, lengths = self._tokenize_each(numbers)
        lengths_in_order = lengths[words_in_order]
        flat = ids[ranges(_boundaries(lengths)[words_in_order], lengths_in_order)]
        ends = _boundaries(lengths_in_order)[np.cumsum([0, *held])]
        return flat, np.diff(ends)

    def unknown_share(self, texts: Iterable[str]) -> float:
        """Of the tokens of some texts, the share that is [UNK]; 0 where there are none."""
        ids, _ = self.tokenize(texts)
        return float(np.mean(ids == self.unk_id)) if len(ids) else 0.0

    def _tokenize_around_masks(self, texts: Sequence[str]) -> tuple[Int32[np.ndarray, " T"], Int64[np.ndarray, " B"]]:
        """As `tokenize`, but each "[MASK]" is the token of that name."""
        parts = [text.split(SPECIAL_TOKENS["mask_token"]) for text in texts]
        ids, lengths = self.tokenize(chain.from_iterable(parts))
        ends, last = np.cumsum(lengths), np.cumsum([len(each) for each in parts])
        masks = np.array([len(each) - 1 for each in parts], np.int64)
        own = np.diff(_boundaries(lengths)[np.concatenate([[0], last])])
        return np.insert(ids, np.delete(ends, last - 1), self.mask_id), own + masks

    def _tokenize_each(self, texts: Iterable[str]) -> tuple[Int32[np.ndarray, " T"], Int64[np.ndarray, " B"]]:
        ids, lengths = [np.empty(0, np.int32)], list[int]()
        for batch in _batches(texts):
            encodings = self._encodings(batch)
            batch_lengths = [len(encoding) for encoding in encodings]
            flat = chain.from_iterable(encoding.ids for encoding in encodings)
            ids.append(np.fromiter(flat, np.int32, sum(batch_lengths)))
            lengths += batch_lengths
        return np.concatenate(ids), np.array(lengths, np.int64)

    def _encodings(self, batch: Sequence[str]) -> Sequence[Any]:
        try:
            encodings: Sequence[Any] = self._engine.encode_batch_fast(batch, add_special_tokens=False)
        except TypeError as error:  # all that the engine says of half a surrogate pair
            odd = next((text for text in batch if _SURROGATE.search(text)), "")
            raise DataError(f"{odd[:60]!r} is not valid Unicode: read the file it came from as UTF-8") from error
        return encodings

    def spans(self, text: str) -> Int64[np.ndarray, "T 2"]:
        """Return, of each token that `tokenize` makes of a text, its first character and the one after its last."""
        offsets = self._engine.encode(text, add_special_tokens=False).offsets
        return np.array(offsets, np.int64).reshape(-1, 2)

    def normalize(self, text: str) -> str:
        """Return a text as it is before it is cut into words: cleaned, lower-cased, without accents, as set."""
        normalized: str = self._engine.normalizer.normalize_str(text)
        return normalized

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

    def lay_out(self, ids: Sequence[np.ndarray], lengths: Sequence[np.ndarray], kept: Sequence[np.ndarray]) -> Encoded:
        """Put the first `kept` tokens of each text, one side after the other, between [CLS] and [SEP]s."""
        cu_seqlens = _boundaries(np.sum(kept, axis=0) + 1 + len(kept))
        flat = np.full(cu_seqlens[-1], self.sep_id, np.int32)
        flat[cu_seqlens[:-1]] = self.cls_id
        segments = np.zeros(cu_seqlens[-1], np.uint8)
        begin = cu_seqlens[:-1] + 1
        for side, (side_ids, side_lengths, side_kept) in enumerate(zip(ids, lengths, kept, strict=True)):
            source = ranges(_boundaries(side_lengths)[:-1], side_kept)
            flat[ranges(begin, side_kept)] = side_ids[source]
            segments[ranges(begin, side_kept + 1)] = side
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


def _learn(texts: Iterator[str], blank: Vocabulary, **how: Any) -> list[str]:
    """Train once: return the tokens in the order of their ids, without those too long to match."""
    engine = _make_engine(blank)
    engine.train_from_iterator(texts, trainers.WordPieceTrainer(**how, show_progress=False))
    ids = engine.get_vocab()
    return [token for token in sorted(ids, key=ids.__getitem__) if len(token.removeprefix("##")) <= LONGEST_WORD]


def _counted(texts: Iterable[str], counts: Counter[str]) -> Iterator[str]:
    """Pass texts on and count their characters."""
    for text in _checked(texts):
        counts.update(text)
        yield text


def _normalized(counts: Counter[str], blank: Vocabulary) -> Counter[str]:
    """Return how often each character comes once texts are normalized, which is done character by character."""
    normalize = _make_engine(blank).normalizer.normalize_str
    after = Counter[str]()
    for character, count in counts.items():
        for sign in normalize(character).replace(" ", ""):
            after[sign] += count
    return after


def _most_frequent(counts: Counter[str], coverage: float) -> frozenset[str]:
    """Return the most frequent characters: so many that they make up `coverage`, with all that are as frequent."""
    covered, rarest = 0, 0
    for _, count in counts.most_common():
        if covered >= coverage * counts.total():
            break
        covered, rarest = covered + count, count
    return frozenset(character for character, count in counts.items() if count >= rarest)


def room_for(sides: int, max_length: int) -> int:
    """How many tokens of text there may be beside [CLS] and the [SEP]s.

    Raises:
        UsageError: None, or not one for each side.
    """
    room = max_length - 1 - sides
    if room < sides:
        raise UsageError(f"max_length {max_length} leaves no room for text: give {1 + 2 * sides} or more")
    return room


def longest_first(lengths: Sequence[np.ndarray], room: int) -> list[np.ndarray]:
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


def _words_of(texts: Iterable[str], held: list[int]) -> Iterator[list[str]]:
    """What stands between blanks in each text; how many there are is added to `held`."""
    for text in texts:
        words = text.split(" ")
        held.append(len(words))
        yield words


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch, characters = list[str](), 0
    for text in texts:
        batch.append(text)
        characters += len(text)
        if len(batch) == TEXTS_AT_ONCE or characters >= CHARACTERS_AT_ONCE:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _boundaries(lengths: Int[np.ndarray, " B"]) -> Int64[np.ndarray, " B+1"]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return start, start + 1, ... of each start, as many as its length says, end to end."""
    ends = _boundaries(lengths)
    return np.repeat(starts - ends[:-1], lengths) + np.arange(ends[-1])


def _check_texts(texts: Iterable[str], what: str) -> None:
    """Refuse what the engine cannot take, by its place."""
    for _ in _checked(texts, what):
        pass


def _checked(texts: Iterable[str], what: str = "text") -> Iterator[str]:
    """Pass on what the engine can take."""
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
        yield text
