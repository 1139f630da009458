"""Documents → shards: nothing is lost, word starts are right, and neither processes nor restarts change a byte."""

import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertwright.errors import BertwrightError
from bertwright.text.corpus.document import Document
from bertwright.text.corpus.sentences import sentences_of
from bertwright.text.corpus.words import WordList
from bertwright.text.preparing import encoding, workers
from bertwright.text.preparing.chunks import in_chunks
from bertwright.text.preparing.encoding import Encoder
from bertwright.text.preparing.shard_maker import Tally, make_shards
from bertwright.text.shards import Shard, ShardContent
from bertwright.text.wordpiece import WordPiece

WORDS = [
    "the",
    "cat",
    "cats",
    "sat",
    "on",
    "a",
    "mat",
    "matting",
    "and",
    "then",
    "dog",
    "dogs",
    "ran",
    "off",
    ",",
    ".",
    "!",
    "unknownword",
    "漢字",
    "¿que",
]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = [
    "the",
    "cat",
    "##s",
    "sat",
    "on",
    "a",
    "mat",
    "##t",
    "##ing",
    "and",
    "then",
    "dog",
    "ran",
    "off",
    ",",
    ".",
    "!",
    "漢",
    "字",
    "文",
    "学",
    "que",
    "漢字",
    "##字",
]
TOKENIZER = WordPiece.from_tokens([*SPECIAL, *PIECES])
ENCODER = Encoder(TOKENIZER, None)


def documents(count: int, seed: int = 0) -> Iterator[Document]:
    """Documents of one to four lines; every seventh has no token."""
    draw = random.Random(seed)
    for number in range(count):
        lines = tuple(" ".join(draw.choices(WORDS, k=draw.randint(1, 20))) for _ in range(draw.randint(1, 4)))
        yield Document(f"file-{number}.txt", lines if number % 7 else ("\u200b", "\u00ad"), number % 2 == 0)


def sentences(content: ShardContent) -> list[list[int]]:
    return [part.tolist() for part in np.split(content.tokens, content.sentences[1:-1])]


def make(folder: Path, given: Sequence[Document], processes: int = 1, chunk_bytes: int = 2_000) -> Tally:
    folder.mkdir(exist_ok=True)
    *_, tally = make_shards(given, folder, ENCODER, processes=processes, chunk_bytes=chunk_bytes)
    return tally


def content_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


# ---- chunks


def test_chunks_hold_all_documents_in_order():
    given = list(documents(50))
    chunks = list(in_chunks(given, 1_000))
    assert [document for chunk in chunks for document in chunk.documents()] == given
    assert len(chunks) > 5
    assert all(len(chunk.data) >= 1_000 for chunk in chunks[:-1])
    assert all(chunk.data.count(b"\n", 0, 1_000) < chunk.data.count(b"\n") or chunk is chunks[-1] for chunk in chunks)


def test_what_stands_in_lines_cannot_end_them():
    odd = Document('a\n"b', ("x\r\ny", "\u2028\x85", "[]"), True)
    (chunk,) = in_chunks([odd, odd], 9_999)
    assert list(chunk.documents()) == [odd, odd]


def test_a_chunk_has_the_hash_of_all_it_holds():
    one = Document("a", ("x", "y"), True)
    others = [Document("b", ("x", "y"), True), Document("a", ("x\ny",), True), Document("a", ("x", "y"), False)]
    hashes = {next(in_chunks([document], 1)).sha256 for document in [one, *others]}
    assert len(hashes) == 4


# ---- tokens


def test_tokens_are_those_of_the_sentences():
    given = list(documents(40))
    content, counts = ENCODER.encode(given)
    expected = [sentences_of(document) for document in given]
    alone = [TOKENIZER.encode(texts, max_length=512) for texts in expected]
    ids = [each.ids[a + 1 : b - 1].tolist() for each in alone for a, b in pairwise(each.cu_seqlens)]
    assert sentences(content) == [sentence for sentence in ids if sentence]
    kept = [document for number, document in enumerate(given) if number % 7]
    assert content.names == tuple(document.name for document in kept)
    assert np.diff(content.documents).tolist() == [len(sentences_of(document)) for document in kept]
    assert counts == {
        "documents": len(kept),
        "empty": 6,
        "sentences": sum(map(bool, ids)),
        "tokens": sum(map(len, ids)),
        "words": int(content.word_starts.sum()),
        "unknown": sum(sentence.count(1) for sentence in ids),
        "segmented_words": 0,
        "misaligned": 0,
    }
    assert counts["unknown"] > 0


def test_a_word_begins_where_a_piece_has_no_sign_before_it():
    content, _ = ENCODER.encode([Document("d", ("Cats, matting nonesuch",), True)])
    assert TOKENIZER.decode(content.tokens) == ["cat", "##s", ",", "mat", "##t", "##ing", "[UNK]"]
    assert content.word_starts.tolist() == [True, False, True, True, False, False, True]


def test_chinese_words_begin_where_the_segmenter_says():
    words = WordList("list", {"漢": (2,)}, frozenset(["漢字"]))
    lines = ("the cats", "文漢字 cats 漢字 文", "漢字")
    content, counts = Encoder(TOKENIZER, words).encode([Document("d", lines, True)])
    tokens = ["the", "cat", "##s", "文", "漢", "字", "cat", "##s", "漢", "字", "文", "漢", "字"]
    assert TOKENIZER.decode(content.tokens) == tokens
    starts = [token for token, start in zip(tokens, content.word_starts, strict=True) if not start]
    assert starts == ["##s", "字", "##s", "字", "字"]
    assert (counts["segmented_words"], counts["misaligned"], counts["words"]) == (5, 0, 8)


def test_a_word_that_does_not_line_up_stays_characters():
    cased = WordPiece.from_tokens([*SPECIAL, "漢", "文", "漢字", "##文", "##字"], chinese_characters=False)
    words = WordList("list", {"字": (2,)}, frozenset(["字文"]))
    content, counts = Encoder(cased, words).encode([Document("d", ("漢字文",), True)])
    assert cased.decode(content.tokens) == ["漢字", "##文"]
    assert content.word_starts.tolist() == [True, False]
    assert counts["misaligned"] == 2


def test_a_line_without_end_comes_in_parts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(encoding, "LONGEST_SENTENCE", 8)
    content, counts = ENCODER.encode([Document("d", ("the cat the cat the",), True)])
    assert [TOKENIZER.decode(sentence) for sentence in sentences(content)] == [["the", "cat"], ["the", "cat"], ["the"]]
    assert counts["sentences"] == 3


def test_nothing_at_all():
    content, counts = ENCODER.encode([])
    assert (len(content.tokens), content.sentences.tolist(), content.documents.tolist()) == (0, [0], [0])
    assert counts["documents"] == counts["words"] == 0


TEXT = st.text(
    st.one_of(
        st.sampled_from("  the cats,.!¿é漢字\t\u00a0\u0301\u200b\x1c\x85\u2028\ufffd\x00"),
        st.characters(exclude_categories=["Cs"]),
    )
)


@given(st.lists(TEXT), st.booleans(), st.sampled_from([None, True, False]), st.booleans())
def test_words_looked_up_once_are_the_tokens_of_the_text(
    texts: list[str], lowercase: bool, strip_accents: bool | None, chinese_characters: bool
):
    letters = sorted({sign for text in texts for sign in text if not sign.isspace()})[::2]
    tokens = dict.fromkeys([*SPECIAL, *PIECES, *letters, *(f"##{sign}" for sign in letters)])
    tokenizer = WordPiece.from_tokens(
        [token for token in tokens if token not in ("\n", "\r")] + ["end"],
        lowercase=lowercase,
        strip_accents=strip_accents,
        chinese_characters=chinese_characters,
    )
    ids, lengths = tokenizer.tokenize(texts)
    whole = [tokenizer._engine.encode(text, add_special_tokens=False) for text in texts]
    assert ids.tolist() == [number for encoding in whole for number in encoding.ids]
    assert lengths.tolist() == [len(encoding.ids) for encoding in whole]
    assert [len(tokenizer.spans(text)) for text in texts] == lengths.tolist()


# ---- shards


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    make(folder, list(documents(200)))
    return folder


def test_shards_hold_what_the_chunks_hold(undisturbed: Path):
    given = list(documents(200))
    paths = sorted(undisturbed.iterdir())
    assert [path.name for path in paths] == [f"{number:05}" for number in range(len(paths))]
    assert len(paths) > 5
    shards = [Shard.open(path).content() for path in paths]
    whole = ENCODER.encode(given).content
    assert [token for shard in shards for token in shard.tokens] == whole.tokens.tolist()
    assert [bit for shard in shards for bit in shard.word_starts] == whole.word_starts.tolist()
    assert [name for shard in shards for name in shard.names] == list(whole.names)


def test_the_tally_adds_up(tmp_path: Path, undisturbed: Path):
    tally = make(tmp_path / "out", list(documents(200)))
    whole, counts = ENCODER.encode(documents(200))
    assert tally.counts == counts
    assert tally.unigrams.tolist() == np.bincount(whole.tokens, minlength=TOKENIZER.vocab_size).tolist()
    shares = np.array([count / len(whole.tokens) for count in Counter(whole.tokens.tolist()).values()])
    assert tally.unigram_entropy == pytest.approx(-(shares * np.log(shares)).sum())
    assert (tally.kept, len(tally.shards)) == (0, len(list(undisturbed.iterdir())))


def test_two_processes_make_the_same_bytes(tmp_path: Path, undisturbed: Path):
    tally = make(tmp_path / "out", list(documents(200)), processes=2)
    assert content_of(tmp_path / "out") == content_of(undisturbed)
    assert tally.counts == ENCODER.encode(documents(200)).counts


def test_whole_shards_stay_and_others_are_made_again(tmp_path: Path, undisturbed: Path):
    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    whole = {path.name: (path / "manifest.json").stat().st_mtime_ns for path in out.iterdir()}
    (out / "00001" / "tokens.npy").write_bytes(b"cut")
    (out / "00002" / "manifest.json").unlink()
    shutil.rmtree(out / "00003")
    shutil.rmtree(out / "00004")
    shutil.copytree(out / "00005", out / "00004")
    shutil.copytree(out / "00000", out / "00099")
    tally = make(out, list(documents(200)))
    assert content_of(out) == content_of(undisturbed)
    again = {name for name, time in whole.items() if (out / name / "manifest.json").stat().st_mtime_ns != time}
    assert again == {"00001", "00002", "00003", "00004"}
    assert tally.kept == len(whole) - 4
    assert tally.counts == ENCODER.encode(documents(200)).counts


def test_another_vocabulary_or_segmenter_makes_all_again(tmp_path: Path, undisturbed: Path):
    for encoder in (
        Encoder(WordPiece.from_tokens([*SPECIAL, "cat"]), None),
        Encoder(TOKENIZER, WordList("l", {}, frozenset())),
    ):
        out = tmp_path / str(id(encoder))
        shutil.copytree(undisturbed, out)
        *_, tally = make_shards(documents(200), out, encoder, processes=1, chunk_bytes=2_000)
        assert tally.kept == 0


def test_stopping_in_between_leaves_whole_shards(tmp_path: Path, undisturbed: Path):
    making = make_shards(documents(200), tmp_path, ENCODER, processes=2, chunk_bytes=2_000)
    for _ in range(3):
        tally = next(making)
    making.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == tally.shards == ["00000", "00001", "00002"]
    assert make(tmp_path, list(documents(200))).kept == 3
    assert content_of(tmp_path) == content_of(undisturbed)


def test_a_worker_that_is_killed_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def killing() -> Iterator[Document]:
        for number, document in enumerate(documents(2_000)):
            if number == 1_000:
                for pid in children(os.getpid()):
                    os.kill(pid, signal.SIGKILL)
            yield document

    with pytest.raises(BertwrightError, match=r"^a worker process ended before its work was done: if the memory was"):
        make(tmp_path / "out", killing(), processes=2)  # type: ignore[arg-type]


def children(pid: int) -> list[int]:
    """The worker processes of a process."""
    paths = Path(f"/proc/{pid}/task").glob("*/children")
    found = [int(child) for path in paths for child in path.read_text().split()]
    return [child for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def test_there_is_a_process_for_each_core():
    assert 1 <= workers.cores() <= (os.cpu_count() or 1)


# ---- memory

LIMITED = """
import re, resource, sys
from pathlib import Path
from bertwright.text.corpus.document import Document
from bertwright.text.preparing.encoding import Encoder
from bertwright.text.preparing.shard_maker import make_shards
from bertwright.text.wordpiece import WordPiece

def documents(megabytes):
    for number in range(10 * megabytes):
        yield Document(str(number), (f"{number} the cat {'x' * 90} " * 1_000,), True)

if __name__ == "__main__":
    folder, limit, megabytes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    encoder = Encoder(WordPiece.from_tokens([*special, "the", "cat"]), None)
    now = int(re.search(r"VmData:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())[1])
    resource.setrlimit(resource.RLIMIT_DATA, ((now << 10) + (limit << 20),) * 2)  # for the workers as well
    made = make_shards(documents(megabytes), folder, encoder, processes=2, chunk_bytes=1 << 20)
    print(len([None for _ in made]))
"""


def test_a_corpus_five_times_the_memory(tmp_path: Path):
    limit = 32  # MB beyond what is there when all is imported; 16 of it are the stacks of two threads
    (tmp_path / "limited.py").write_text(LIMITED)
    command = [sys.executable, str(tmp_path / "limited.py"), str(tmp_path), str(limit), str(5 * limit)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 4 * limit
