"""The vocabulary of a BERT: what it must hold, and how a model folder states it.

Reads `tokenizer.json` or `vocab.txt`, and `tokenizer_config.json`, as any version of transformers wrote them.
No pattern or pipeline of a file is ever built: what is not BERT's WordPiece is refused, by name.
Knows nothing of texts and their ids; `wordpiece.py` writes these files, for its engine knows their content.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from textwrap import shorten
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, ValidationError

from bertwright.errors import BertwrightError, ModelFolderError

SPECIAL_TOKENS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
DEFAULT_MAX_LENGTH = 512  # the positions of every BERT that Google published
LONGEST_TOKEN = 1_000  # characters; a bound on what a file may hold, far above what can ever match

_Special = Literal["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_NO_LIMIT = 1e20  # transformers writes 1e30 where it knows no greatest length
_FLAGS = {"lowercase", "strip_accents", "chinese_characters"}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Tokens in the order of their ids, and how a text is cleaned before its words are looked up.

    Attributes:
        tokens: The place of a token is its id.
        lowercase: Whether texts are lower-cased.
        strip_accents: Whether accents are taken off; None: where `lowercase` is set, as in BERT.
        chinese_characters: Whether each Chinese character is a word of its own.
        max_length: The longest input, in tokens, that the vocabulary's model was made for.
    """

    tokens: tuple[str, ...]
    lowercase: bool = True
    strip_accents: bool | None = None
    chinese_characters: bool = True
    max_length: int = DEFAULT_MAX_LENGTH


class _Strict(BaseModel):
    """A file, or a part of one: what is not named here is ignored, what is named must be as it says."""

    model_config = ConfigDict(strict=True)


class _AddedToken(_Strict):
    content: _Special  # any other would be found in texts before their words are
    id: int | None = None  # tokenizer_config.json has it as the key instead


class _Model(_Strict):
    type: Literal["WordPiece"] = "WordPiece"  # the oldest files do not say
    unk_token: Literal["[UNK]"]
    continuing_subword_prefix: Literal["##"]
    max_input_chars_per_word: Literal[100]
    vocab: dict[str, int]


class _Normalizer(_Strict):
    type: Literal["BertNormalizer"]
    clean_text: Literal[True]
    lowercase: bool
    strip_accents: bool | None
    chinese_characters: bool = Field(alias="handle_chinese_chars")


class _PreTokenizer(_Strict):
    type: Literal["BertPreTokenizer"]


class _TokenizerFile(_Strict):
    model: _Model
    normalizer: _Normalizer
    pre_tokenizer: _PreTokenizer
    added_tokens: list[_AddedToken] = []


class _AddedTokensFile(RootModel[dict[_Special, int]]):
    """`added_tokens.json`, as transformers wrote it beside `vocab.txt` before 4.34."""


_name = BeforeValidator(lambda token: token.get("content") if isinstance(token, dict) else token)


class _ConfigFile(_Strict):
    tokenizer_class: (
        Literal["BertTokenizer", "BertTokenizerFast", "PreTrainedTokenizerFast", "TokenizersBackend"] | None
    ) = None
    lowercase: bool = Field(default=True, validation_alias="do_lower_case")
    strip_accents: bool | None = None
    chinese_characters: bool = Field(default=True, validation_alias="tokenize_chinese_chars")
    model_max_length: float | None = Field(default=None, ge=1)
    pad_token: Annotated[Literal["[PAD]"] | None, _name] = None
    unk_token: Annotated[Literal["[UNK]"] | None, _name] = None
    cls_token: Annotated[Literal["[CLS]"] | None, _name] = None
    sep_token: Annotated[Literal["[SEP]"] | None, _name] = None
    mask_token: Annotated[Literal["[MASK]"] | None, _name] = None
    added_tokens_decoder: dict[str, _AddedToken] = {}

    @property
    def max_length(self) -> int:
        stated = self.model_max_length
        return DEFAULT_MAX_LENGTH if stated is None or stated > _NO_LIMIT else int(stated)


def read_vocabulary(path: Path) -> Vocabulary:
    """Read the tokenizer files of a model folder, or a single file of tokens, one a line, such as a `vocab.txt`.

    Where `tokenizer_config.json` and `tokenizer.json` state different flags, the first counts, as it does for
    transformers' `BertTokenizer`. Truncation, padding and post-processor of a `tokenizer.json` are not read.

    Raises:
        ModelFolderError: There is no vocabulary, or two that differ, or something that is not BERT's.
    """
    config_path = (path.parent if path.is_file() else path) / "tokenizer_config.json"
    config = _parse(_ConfigFile, config_path) if config_path.is_file() else _ConfigFile()
    tokens, normalizer = (_read_lines(path), None) if path.is_file() else _read_tokens(path)
    stated = normalizer.model_dump(include=_FLAGS) if normalizer else {}
    stated |= config.model_dump(include=_FLAGS, exclude_unset=True)
    cased = next(filter(_is_cased, tokens), None)
    if cased and "lowercase" not in stated:
        raise ModelFolderError(
            f"{config_path} does not say whether texts are lower-cased, and the vocabulary has {cased!r}: write "
            '{"do_lower_case": false} there, or true if the model was trained so'
        )
    config = config.model_copy(update=stated)
    return Vocabulary(tokens, config.lowercase, config.strip_accents, config.chinese_characters, config.max_length)


def check_tokens(tokens: Sequence[str], name: str, at: Callable[[int], str], error: type[BertwrightError]) -> None:
    """Refuse a vocabulary that cannot be BERT's; `at` says where the token of an id stands."""
    seen: dict[str, int] = {}
    for place, token in enumerate(tokens):
        if flaw := _flaw(token):
            raise error(f"{at(place)} {flaw}")
        if token in seen:
            raise error(f"{at(place)} repeats the token {token!r} of {at(seen[token])}: a token has one id")
        seen[token] = place
    if tokens and not tokens[-1]:  # elsewhere one may be: transformers 5 so reads U+2028 of the Chinese vocabulary
        raise error(f"{at(len(tokens) - 1)} is empty: remove it, for a vocabulary ends with a token")
    if missing := [token for token in SPECIAL_TOKENS.values() if token not in seen]:
        raise error(f"{name} lacks {' '.join(missing)}, which a BERT vocabulary has: add what is missing")


def _flaw(token: str) -> str | None:
    if len(token) > LONGEST_TOKEN:
        return f"has {len(token):,} characters: a token has {LONGEST_TOKEN:,} at most"
    if "\n" in token or "\r" in token:
        return f"is {token!r}: a token holds no line end"
    return None


def _is_cased(token: str) -> bool:
    return token.removeprefix("##").isalpha() and token != token.lower()


def _read_tokens(folder: Path) -> tuple[tuple[str, ...], _Normalizer | None]:
    """Return the tokens in the order of their ids, and what `tokenizer.json`, if present, does to texts."""
    json_path, text_path, added_path = (folder / name for name in ("tokenizer.json", "vocab.txt", "added_tokens.json"))
    if added_path.is_file():
        _parse(_AddedTokensFile, added_path)
    file = _parse(_TokenizerFile, json_path) if json_path.is_file() else None
    from_json = _in_order(file, json_path) if file else ()
    from_text = _read_lines(text_path) if text_path.is_file() else ()
    if not folder.exists():
        raise ModelFolderError(f"{folder}: no such folder or file with a vocabulary; check the path")
    if not (from_json or from_text):
        raise ModelFolderError(f"{folder} has no tokenizer: neither tokenizer.json nor vocab.txt is there")
    if from_json and from_text and (place := _first_difference(from_json, from_text)) is not None:
        raise ModelFolderError(
            f"{json_path} and {text_path} hold different vocabularies, from id {place} on: remove the wrong one"
        )
    return from_text or from_json, file.normalizer if file else None


def _first_difference(tokens: Sequence[str], others: Sequence[str]) -> int | None:
    """Where two vocabularies differ; white space at the end, which transformers 5 drops, is no difference."""
    for place, (token, other) in enumerate(zip_longest(tokens, others)):
        if token is None or other is None or token.rstrip() != other.rstrip():
            return place
    return None


def _in_order(file: _TokenizerFile, path: Path) -> tuple[str, ...]:
    """Return the tokens of a `tokenizer.json` in the order of their ids."""
    ids = file.model.vocab
    tokens = tuple(sorted(ids, key=ids.__getitem__))
    for place, token in enumerate(tokens):
        if ids[token] != place:
            raise ModelFolderError(f"{path}: ids run from 0 without gaps, but {token!r} has {ids[token]}, not {place}")
    for added in file.added_tokens:
        if added.id != ids.get(added.content):
            raise ModelFolderError(f"{path}: {added.content} is id {added.id} in added_tokens, not in model.vocab")
    check_tokens(tokens, str(path), lambda place: f"{path}: id {place}", ModelFolderError)
    return tokens


def _read_lines(path: Path) -> tuple[str, ...]:
    """Return the tokens of a `vocab.txt`; a byte-order mark and CRLF line ends are no part of them."""
    content = _read(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ModelFolderError(f"{path}:{line} is not UTF-8: save the file in that encoding") from error
    # Not splitlines: U+2028 is a token of Google's Chinese vocabulary.
    tokens = tuple(text.replace("\r\n", "\n").removesuffix("\n").split("\n"))
    check_tokens(tokens, str(path), lambda place: f"{path}:{place + 1}", ModelFolderError)
    return tokens


_File = TypeVar("_File", bound=BaseModel)


def _parse(kind: type[_File], path: Path) -> _File:
    """Read a JSON file of others; the error names the first thing in it that has no place in a BERT."""
    try:
        return kind.model_validate_json(_read(path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        problem = f"{where}: {first['msg']}" if where else first["msg"]
        if first["type"] == "literal_error":
            problem = f"{where} is {shorten(repr(first['input']), 60)}, and must be {first['ctx']['expected']}"
        raise ModelFolderError(f"{path} is not that of a BERT tokenizer: {problem}") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFolderError(f"cannot read {path}: {error.strerror or error}") from error
