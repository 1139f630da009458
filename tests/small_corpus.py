"""Shard folders of a few random documents, small enough for any test."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bertwright.batches.draws import below
from bertwright.batches.passages import Documents
from bertwright.files import write_manifest
from bertwright.text.shards import FORMAT, TOKENIZER, ShardContent, ShardFolder, write_shard
from bertwright.text.vocabulary import SPECIAL_TOKENS
from bertwright.text.wordpiece import WordPiece

SPECIALS = tuple(SPECIAL_TOKENS.values())
PIECES = tuple(f"w{number}" for number in range(60)) + tuple(f"##p{number}" for number in range(30))
TOKENIZER_OF_ALL = WordPiece.from_tokens([*SPECIALS, "[unused0]", *PIECES])
FIRST = len(SPECIALS) + 1  # id of w0

Document = Sequence[int]  # tokens of each of its sentences


def tokens(document: int, count: int) -> np.ndarray:
    """Random ids of a document: words of one to several pieces, now and then an [UNK]."""
    ids = FIRST + below(len(PIECES), 5, document, np.arange(count))
    ids[below(40, 6, document, np.arange(count)) == 0] = TOKENIZER_OF_ALL.unk_id
    return ids


def write(folder: Path, documents: Sequence[Document], shards: int = 2, continued: Sequence[int] = ()) -> ShardFolder:
    """A shard folder of documents, each given as the lengths of its sentences; some continue the one before."""
    (folder / TOKENIZER).mkdir(parents=True)
    TOKENIZER_OF_ALL.save(folder / TOKENIZER)
    names = []
    for number, part in enumerate(np.array_split(np.arange(len(documents)), shards)):
        lengths = [documents[document] for document in part]
        ids = np.concatenate([tokens(document, sum(documents[document])) for document in part]).astype(np.uint16)
        content = ShardContent(
            tokens=ids,
            word_starts=ids < FIRST + 60,
            sentences=np.cumsum([0, *(length for sentences in lengths for length in sentences)]),
            documents=np.cumsum([0, *(len(sentences) for sentences in lengths)]),
            names=tuple(f"document {document}" for document in part),
            continued=np.flatnonzero(np.isin(part, continued)),
        )
        names.append(f"{number:05d}")
        write_shard(folder / names[-1], content, {})
    write_manifest(folder, {"format": FORMAT, "shards": names})
    return ShardFolder.open(folder)


def various(count: int, seed: int = 0) -> list[Document]:
    """Documents of 1 to 30 sentences of 1 to 40 tokens; one in nine has a single sentence, one has a giant."""
    counts = [1 + int(below(30, seed, 2, document)) for document in range(count)]
    found = [
        tuple((1 + below(40, seed, 1, document, np.arange(sentences))).tolist())
        for document, sentences in enumerate(counts)
    ]
    return [(500, 3) if place == 4 else (17,) if place % 9 == 3 else document for place, document in enumerate(found)]


def documents(folder: Path, count: int = 40, seed: int = 0) -> Documents:
    """The documents of a folder of `various` ones."""
    return Documents(write(folder, various(count, seed)).shards)
