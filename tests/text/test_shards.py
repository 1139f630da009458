"""The shard folder: what is written comes back, and what is damaged is refused by name."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from bertwright.errors import BertwrightError, DataError
from bertwright.files import publish_folder, write_manifest
from bertwright.text.shards import FORMAT, TOKENIZER, Shard, ShardContent, ShardFolder, token_type, write_shard
from bertwright.text.wordpiece import WordPiece

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cat", "##s", "the"]
CONTENT = ShardContent(
    tokens=np.array([7, 5, 6, 5, 6, 6, 7, 1, 5, 7, 5], np.uint16),
    word_starts=np.array([1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1], bool),
    sentences=np.array([0, 3, 4, 9, 11]),
    documents=np.array([0, 1, 4]),
    names=("a.txt:1", "b 漢.txt:7"),
)
EMPTY = ShardContent(np.empty(0, np.uint16), np.empty(0, bool), np.array([0]), np.array([0]), ())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished folder of two shards."""
    path = tmp_path / "shards"
    path.mkdir()
    write_shard(path / "00000", CONTENT, {"chunk": "x"})
    write_shard(path / "00001", EMPTY, {"chunk": "y"})
    with publish_folder(path / TOKENIZER) as tokenizer:
        WordPiece.from_tokens(VOCABULARY).save(tokenizer)
    write_manifest(path, {"format": FORMAT, "shards": ["00000", "00001"]})
    return path


def assert_same(one: ShardContent, other: ShardContent) -> None:
    for name in ("tokens", "word_starts", "sentences", "documents"):
        assert getattr(one, name).dtype == getattr(other, name).dtype
        assert getattr(one, name).tolist() == getattr(other, name).tolist()
    assert one.names == other.names


def test_what_is_written_comes_back(folder: Path):
    opened = ShardFolder.open(folder)
    assert opened.tokenizer.tokens == tuple(VOCABULARY)
    assert [len(shard) for shard in opened.shards] == [2, 0]
    assert_same(opened.shards[0].content(), CONTENT)
    assert_same(opened.shards[1].content(), EMPTY)
    assert isinstance(opened.shards[0].tokens, np.memmap)


def test_any_range_of_word_starts(folder: Path):
    shard = Shard.open(folder / "00000")
    ranges = [(start, end) for end in range(12) for start in range(end + 1)]
    assert all(shard.word_starts(s, e).tolist() == CONTENT.word_starts[s:e].tolist() for s, e in ranges)


def test_the_fingerprint_is_that_of_all_files(folder: Path, tmp_path: Path):
    before = ShardFolder.open(folder).fingerprint
    (folder / "manifest.json").unlink()
    write_manifest(folder, {"format": FORMAT, "shards": ["00000"]})
    assert ShardFolder.open(folder).fingerprint != before


@pytest.mark.parametrize(("size", "kind"), [(1 << 16, np.uint16), ((1 << 16) + 1, np.uint32)])
def test_ids_take_two_bytes_where_the_vocabulary_allows(size: int, kind: type):
    assert token_type(size) is kind
    assert np.iinfo(kind).max >= size - 1


def test_a_shard_is_not_written_over_another(folder: Path):
    with pytest.raises(BertwrightError, match=rf"^cannot write {folder}/00000: it exists"):
        write_shard(folder / "00000", CONTENT, {})


@pytest.mark.parametrize("name", ["tokens.npy", "word_starts.npy", "sentences.npy", "documents.npy", "names.json"])
def test_a_flipped_bit_is_named(folder: Path, name: str):
    path = folder / "00000" / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 4
    path.write_bytes(data)
    told = rf"^{path} does not match its SHA-256 in the manifest: prepare the corpus again, or copy it anew$"
    with pytest.raises(DataError, match=told):
        ShardFolder.open(folder)


def test_a_truncated_file_is_named(folder: Path):
    path = folder / "00000" / "tokens.npy"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(DataError, match=rf"^{path} has {size - 2} bytes, not the {size} of the manifest: prepare"):
        ShardFolder.open(folder)
    with pytest.raises(DataError, match=rf"^{path} cannot be read: .*; prepare the corpus again$"):
        ShardFolder.open(folder, verify=False)


def test_files_that_do_not_belong_together(folder: Path):
    for name in ("tokens", "sentences", "documents"):
        other = folder / "00000" / f"{name}.npy"
        whole = other.read_bytes()
        np.save(other, np.zeros(0, np.uint16))
        with pytest.raises(DataError, match=rf"^{folder}/00000: its files do not belong together: prepare"):
            ShardFolder.open(folder, verify=False)
        other.write_bytes(whole)


def test_names_of_other_documents(folder: Path):
    (folder / "00000" / "names.json").write_text(json.dumps(["a"]))
    shard = Shard.open(folder / "00000")
    with pytest.raises(DataError, match=rf"^{folder}/00000/names\.json does not name 2 documents: prepare"):
        shard.names  # noqa: B018


def test_a_missing_shard_is_named(folder: Path):
    (folder / "00001" / "tokens.npy").unlink()
    with pytest.raises(DataError, match=rf"^{folder}/00001/tokens\.npy is missing: prepare the corpus again"):
        ShardFolder.open(folder)


def test_a_lock_that_was_left_behind_does_no_harm(folder: Path):
    (folder / "lock").write_text("77")
    assert len(ShardFolder.open(folder).shards) == 2


def test_a_folder_that_is_not_finished(folder: Path):
    (folder / "manifest.json").unlink()
    told = rf"^{folder} is not finished: run the same `bertwright prepare` again, it goes on where it stopped$"
    with pytest.raises(DataError, match=told):
        ShardFolder.open(folder)


@pytest.mark.parametrize("name", ["", "none"])
def test_a_folder_of_something_else(tmp_path: Path, name: str):
    with pytest.raises(DataError, match=r"is not a shard folder: make one with `bertwright prepare`$"):
        ShardFolder.open(tmp_path / name)


def test_another_format(folder: Path):
    (folder / "manifest.json").unlink()
    write_manifest(folder, {"format": 99, "shards": []})
    with pytest.raises(DataError, match=rf"^{folder} has the format 99, not 1: prepare the corpus again$"):
        ShardFolder.open(folder)


def test_more_shards_than_files_may_be_open(tmp_path: Path):
    """A process with the usual limit, lowered; it may be raised as far as the hard one goes."""
    path = tmp_path / "shards"
    path.mkdir()
    for number in range(60):
        write_shard(path / f"{number:05}", CONTENT, {})
    with publish_folder(path / TOKENIZER) as tokenizer:
        WordPiece.from_tokens(VOCABULARY).save(tokenizer)
    write_manifest(path, {"format": FORMAT, "shards": [f"{number:05}" for number in range(60)]})
    code = (
        "import resource, sys; from pathlib import Path; from bertwright.text.shards import ShardFolder; "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, int(sys.argv[2]))); "
        "print(len(ShardFolder.open(Path(sys.argv[1])).shards))"
    )
    source = str(Path(__file__).parents[2] / "src")
    run = partial(subprocess.run, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": source})
    assert run([sys.executable, "-c", code, str(path), "500"]).stdout == "60\n"
    assert (
        "has too many shards for the 100 files that may be open here: `ulimit -n 436`"
        in run([sys.executable, "-c", code, str(path), "100"]).stderr
    )
