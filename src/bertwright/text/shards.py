"""The shard folder: a corpus as token ids on the disk, written once and memory-mapped ever after.

    SHARDS/  manifest.json  tokenizer/  00000/  00001/ ...
    SHARDS/00000/  tokens.npy  word_starts.npy  sentences.npy  documents.npy  continued.npy  names.json

A shard holds whole documents: their tokens end to end without any special token, one bit a token that says whether a
word begins there, and the boundaries of sentences and documents. `manifest.json` comes last, with the SHA-256 of
every file: a folder without it is not finished, and what does not match it is refused by name.
Knows nothing of where documents come from and of what is made of them.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from jaxtyping import Bool, Int64, UInt

from bertwright.errors import DataError
from bertwright.files import MANIFEST, damage, publish_folder, read_json, read_manifest, write_manifest
from bertwright.text.wordpiece import WordPiece

if sys.platform != "win32":
    import resource

FORMAT = 1
_MAPPED, _OTHER_FILES = 3, 256  # files of a shard that stay open; room for everything else
TOKENIZER = "tokenizer"


@dataclass(frozen=True, slots=True, eq=False)
class ShardContent:
    """T tokens of S sentences of D documents, end to end.

    Attributes:
        tokens: Ids, uint16 where the vocabulary allows and else uint32; no [CLS], no [SEP].
        word_starts: Whether a word begins with this token.
        sentences: Where each sentence begins among the tokens, and T at the end.
        documents: Where each document begins among the sentences, and S at the end.
        names: Where each document comes from, for people.
        continued: Those documents that are the next part of the one before, which was too long to be one.
    """

    tokens: UInt[np.ndarray, " T"]
    word_starts: Bool[np.ndarray, " T"]
    sentences: Int64[np.ndarray, " sentence_bounds"]
    documents: Int64[np.ndarray, " document_bounds"]
    names: tuple[str, ...]
    continued: Int64[np.ndarray, " parts"] = field(default_factory=lambda: np.empty(0, np.int64))


def token_type(vocab_size: int) -> type[np.unsignedinteger[Any]]:
    """The smallest type that holds every id of a vocabulary."""
    return np.uint16 if vocab_size <= 1 << 16 else np.uint32


def shard_folders(folder: Path) -> list[Path]:
    """The shards that are in a folder, finished or not, in their order."""
    return sorted((path for path in folder.glob("[0-9]*") if path.name.isdigit()), key=lambda path: int(path.name))


def write_shard(path: Path, content: ShardContent, facts: Mapping[str, object]) -> None:
    """Publish a shard whole, with a manifest of its own that also holds `facts`.

    Raises:
        BertwrightError: It exists, or the disk is full.
    """
    arrays = {
        "tokens": content.tokens,
        "word_starts": np.packbits(content.word_starts, bitorder="little"),
        "sentences": content.sentences,
        "documents": content.documents,
        "continued": content.continued,
    }
    with publish_folder(path) as folder:
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        (folder / "names.json").write_text(json.dumps(content.names, ensure_ascii=False), encoding="utf-8")
        write_manifest(folder, facts)


@dataclass(frozen=True, eq=False)
class Shard:
    """A shard on the disk, memory-mapped: what is not read takes no memory.

    Attributes:
        tokens, sentences, documents, continued: See `ShardContent`.
    """

    path: Path
    tokens: UInt[np.ndarray, " T"]
    sentences: Int64[np.ndarray, " sentence_bounds"]
    documents: Int64[np.ndarray, " document_bounds"]
    continued: Int64[np.ndarray, " parts"]
    _word_bits: np.ndarray

    @classmethod
    def open(cls, path: Path) -> Self:
        """Map the files of a shard.

        Raises:
            DataError: One of them cannot be read, or they do not belong together.
        """
        tokens, sentences, bits = (_read(path / f"{name}.npy", "r") for name in ("tokens", "sentences", "word_starts"))
        documents, continued = (_read(path / f"{name}.npy", None) for name in ("documents", "continued"))
        ends = [len(tokens), len(sentences) - 1, -(-len(tokens) // 8)]
        if [*sentences[-1:], *documents[-1:], len(bits)] != ends or sentences.dtype != documents.dtype:
            raise DataError(f"{path}: its files do not belong together: prepare the corpus again")
        return cls(path, tokens, sentences, documents, continued, bits)

    def __len__(self) -> int:
        """Number of documents, D."""
        return len(self.documents) - 1

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Where each document comes from."""
        names = read_json(self.path / "names.json")
        if not isinstance(names, list) or len(names) != len(self):
            raise DataError(f"{self.path / 'names.json'} does not name {len(self)} documents: prepare the corpus again")
        return tuple(names)

    def word_starts(self, start: int, end: int) -> Bool[np.ndarray, " tokens"]:
        """Whether a word begins with each of the tokens from `start` to before `end`."""
        first = start // 8
        bits = np.unpackbits(self._word_bits[first : -(-end // 8)], bitorder="little")
        return bits[start - 8 * first : end - 8 * first].astype(bool)

    def content(self) -> ShardContent:
        """All of it, in memory."""
        return ShardContent(
            tokens=np.array(self.tokens),
            word_starts=self.word_starts(0, len(self.tokens)),
            sentences=np.array(self.sentences),
            documents=np.array(self.documents),
            names=self.names,
            continued=self.continued,
        )


def _read(path: Path, mmap_mode: Literal["r"] | None) -> np.ndarray:
    try:
        array: np.ndarray = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}; prepare the corpus again") from error
    return array


def _allow_open_files(count: int, path: Path) -> None:
    """Let this process have so many files more: every mapped one counts, and the usual limit is 1,024.

    Raises:
        DataError: The limit cannot be raised that far.
    """
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise DataError(f"{path} has too many shards for the {hard} files that may be open here: `ulimit -n {wanted}`")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@dataclass(frozen=True, eq=False)
class ShardFolder:
    """A finished shard folder.

    Attributes:
        tokenizer: The vocabulary that its ids are of.
        shards: In the order of the corpus.
        manifest: Settings, sources, counts, and the hash of each file.
    """

    path: Path
    tokenizer: WordPiece
    shards: tuple[Shard, ...]
    manifest: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path, *, verify: bool = True) -> Self:
        """Open a shard folder; unless told otherwise, every file is read once and compared with its hash.

        Raises:
            DataError: It is not a shard folder, not finished, damaged, or of another version.
        """
        if not (path / MANIFEST).exists():
            what = (
                "is not finished: run the same `bertwright prepare` again, it goes on where it stopped"
                if shard_folders(path)
                else "is not a shard folder: make one with `bertwright prepare`"
            )
            raise DataError(f"{path} {what}")
        manifest = read_manifest(path)
        if manifest.get("format") != FORMAT:
            raise DataError(f"{path} has the format {manifest.get('format')}, not {FORMAT}: prepare the corpus again")
        reason = damage(path) if verify else None
        if reason is not None:
            raise DataError(f"{reason}: prepare the corpus again, or copy it anew")
        _allow_open_files(len(manifest["shards"]) * _MAPPED, path)
        shards = tuple(Shard.open(path / name) for name in manifest["shards"])
        return cls(path, WordPiece.from_folder(path / TOKENIZER), shards, manifest)

    @property
    def fingerprint(self) -> str:
        """SHA-256 that decides every token: that of the manifest, which holds those of the files."""
        return str(self.manifest["sha256"])
