"""Raw text of every form and packing: the same documents come out, counted, cut, in bounded memory, or named errors."""

import gzip
import io
import json
import random
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from bertwright.errors import DataError, UsageError
from bertwright.text.corpus import documents, forms, readings
from bertwright.text.corpus.document import Document
from bertwright.text.corpus.documents import Corpus, open_corpus

BERT_FORM = "\ufeffOne.\r\nTwo.\r\n\r\n  \n\nThree.\n Four. \n"
WIKI = """<doc id="12" url="u" title="A &amp; B">
A & B

First paragraph. More.
Section.

</doc>
<doc id="13" url="u" title="Empty">
Empty

</doc>
"""


def write(path: Path, text: str | bytes) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def lines_of(corpus: Corpus) -> list[tuple[str, ...]]:
    return [document.lines for document in corpus.documents()]


def test_berts_own_form(tmp_path: Path) -> None:
    file = write(tmp_path / "a.txt", BERT_FORM)
    corpus = open_corpus([file])
    assert list(corpus.documents()) == [
        Document(f"{file}:1", ("One.", "Two."), sentences_known=True),
        Document(f"{file}:6", ("Three.", "Four."), sentences_known=True),
    ]
    assert corpus.counts == {"read": 2, "kept": 2}
    assert corpus.describe() == (
        f"corpus: 1 file (0.0 MB) from {file}: one sentence a line, a blank line between documents"
    )
    assert corpus.counted() == "2 documents read = 2 kept"
    assert corpus.doubt() is None


def test_a_document_a_line(tmp_path: Path) -> None:
    file = write(tmp_path / "a.txt", "One. Two.\n\nThree.")
    corpus = open_corpus([file], one_document_per_line=True)
    assert list(corpus.documents()) == [
        Document(f"{file}:1", ("One. Two.",), sentences_known=False),
        Document(f"{file}:3", ("Three.",), sentences_known=False),
    ]
    assert corpus.counts == {"read": 3, "kept": 2, "empty": 1}
    assert corpus.counted() == "3 documents read = 2 kept + 1 dropped (empty)"


def test_a_document_a_file_joins_hard_wrapped_lines_and_nothing_else(tmp_path: Path) -> None:
    novel = (
        "CHAPTER ONE\n\n"
        "It was a bright cold day in April, and the clocks were striking\n"
        "thirteen, as they had been told to.\n"
        "The hallway smelt of boiled cabbage and old rag mats, as they do.\n"
        "At one end of it a coloured poster had been tacked to the wall, and\n"
        "- an item of a list\n\n"
        "This paragraph is long enough, but after it comes a blank line, so\n\n"
        "that this is another one.\n"
    )
    (document,) = open_corpus([write(tmp_path / "a.txt", novel)], document_per_file=True).documents()
    assert document.lines == (
        "CHAPTER ONE",
        "It was a bright cold day in April, and the clocks were striking thirteen, as they had been told to.",
        "The hallway smelt of boiled cabbage and old rag mats, as they do.",
        "At one end of it a coloured poster had been tacked to the wall, and",
        "- an item of a list",
        "This paragraph is long enough, but after it comes a blank line, so",
        "that this is another one.",
    )
    assert not document.sentences_known


def test_markdown_is_a_document_a_file_by_itself(tmp_path: Path) -> None:
    file = write(tmp_path / "a.md", "# Title\n\nText.\n")
    assert list(open_corpus([file]).documents()) == [Document(file, ("# Title", "Text."), sentences_known=False)]


def test_wikiextractors_articles_are_known_by_their_first_line(tmp_path: Path) -> None:
    corpus = open_corpus([write(tmp_path / "wiki_00", "\n" + WIKI)], one_document_per_line=True)
    assert list(corpus.documents()) == [
        Document("A & B", ("First paragraph. More.", "Section."), sentences_known=False)
    ]
    assert corpus.counts == {"read": 2, "kept": 1, "empty": 1}
    assert "WikiExtractor articles" in corpus.describe()


def test_text_outside_an_article_is_refused_by_line(tmp_path: Path) -> None:
    file = write(tmp_path / "wiki", WIKI + "stray\n")
    with pytest.raises(DataError, match=rf"^{re.escape(file)}:12: text outside <doc \.\.\.> and </doc>; is the file"):
        lines_of(open_corpus([file]))


def test_rows_of_json_lines_and_parquet(tmp_path: Path) -> None:
    rows = [{"id": 1, "content": "One.\nTwo."}, {"id": 2, "content": None}, {"id": 3, "content": " \n"}]
    jsonl = write(tmp_path / "a.jsonl", "\n" + "\n".join(map(json.dumps, rows)) + '\n{"content": "half \\ud800"}\n')
    parquet = str(tmp_path / "b.parquet")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), parquet)
    corpus = open_corpus([jsonl, parquet])
    assert [(document.name, document.lines) for document in corpus.documents()] == [
        (f"{jsonl}:2", ("One.", "Two.")),
        (f"{parquet}:1", ("One.", "Two.")),
    ]
    assert corpus.counts == {"read": 7, "kept": 2, "no text": 2, "empty": 2, "broken Unicode": 1}
    assert corpus.describe().endswith("JSON lines, text in 'content'")
    assert open_corpus([parquet]).describe().endswith("Parquet, text in 'content'")


def test_the_column_is_text_unless_named_otherwise(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", '{"title": "T", "Text": "X", "body": "B"}\n')
    assert lines_of(open_corpus([file])) == [("X",)]
    assert lines_of(open_corpus([file], text_column="body")) == [("B",)]
    with pytest.raises(UsageError) as caught:
        lines_of(open_corpus([file], text_column="bodi"))
    assert str(caught.value) == (
        f"{file}: no column 'bodi' (--text-column); the columns are 'title', 'Text', 'body'; did you mean 'body'?"
    )
    with pytest.raises(UsageError) as caught:
        lines_of(open_corpus([write(tmp_path / "b.jsonl", '{"title": "T"}')]))
    assert str(caught.value).endswith(
        "b.jsonl: no column is called text or content; set --text-column; the columns are 'title'"
    )


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ('{"text": 7}', "the text is no string but int; set --text-column"),
        ('{"text": "x"', "not JSON: "),
        ('{"title": "x"}', "no key 'text'"),
        ("[1]", "not a JSON object in braces"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(row: str, told: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", f'{{"text": "fine"}}\n{row}\n')
    with pytest.raises(DataError, match=f"^{re.escape(f'{file}:2: {told}')}"):
        lines_of(open_corpus([file]))


# ---- packings


def pack(folder: Path) -> dict[str, Path]:
    """Two texts in every packing; the archives also hold what is no text."""
    members = {"a/one.txt": b"One.\n\nTwo.\n", "b \u4e2d/two.md": b"# Three\n"}
    others = {"img.png": b"\x89PNG\xff", ".hidden.txt": b"no", "__MACOSX/one.txt": b"\0", "inner.zip": b"PK"}
    for name, data in (members | others).items():
        write(folder / "plain" / name, data)
    for name, data in members.items():
        write(folder / "gz" / f"{name}.gz", gzip.compress(data))
    with zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in (members | others).items():
            packed.writestr(name, data)
    for name in ("all.tar", "all.tar.gz", "all.tgz"):
        with tarfile.open(folder / name, "w:gz" if name.endswith("gz") else "w") as tar:
            for member, data in (members | others).items():
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return {path.name: path for path in folder.iterdir()}


@pytest.mark.parametrize("packing", ["gz", "all.zip", "all.tar", "all.tar.gz", "all.tgz"])
def test_every_packing_gives_the_same_documents(packing: str, tmp_path: Path) -> None:
    path = pack(tmp_path)[packing]
    corpus = open_corpus([str(path)])
    assert lines_of(corpus) == [("One.",), ("Two.",), ("# Three",)]
    names = [document.name for document in corpus.documents()]
    assert names[0].startswith(f"{path}/a/one.txt")
    assert names[2].startswith(f"{path}/b \u4e2d/two.md")
    assert "one sentence a line" in corpus.describe()


def test_what_is_no_text_is_left_out_and_counted(tmp_path: Path) -> None:
    paths = pack(tmp_path)
    packed = open_corpus([str(paths["all.zip"])])
    assert lines_of(packed) == lines_of(packed)
    assert packed.packed_left_out == {".png": 1, ".txt": 2, ".zip": 1}
    assert packed.counted() == "3 documents read = 3 kept; 4 files in archives are no text"
    (tmp_path / "plain" / "inner.zip").unlink()
    folder = open_corpus([str(paths["plain"])])
    assert [path.name for path in folder.files] == ["one.txt", "two.md"]
    assert folder.describe().endswith("; 3 others are left out")


def test_a_gzip_of_json_lines_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("rows.jsonl.gz", gzip.compress(b'{"text": "deep"}\n'))
    assert lines_of(open_corpus([str(tmp_path / "a.zip")])) == [("deep",)]


def test_names_in_any_encoding_can_be_written_down(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w", encoding="gbk", format=tarfile.GNU_FORMAT) as tar:
        info = tarfile.TarInfo("\u4e2d\u6587.txt")
        info.size = 2
        tar.addfile(info, io.BytesIO(b"x\n"))
    (document,) = open_corpus([str(tmp_path / "a.tar")]).documents()
    assert document.name.encode()
    assert "\\udc" in document.name


def test_damaged_archives_are_named(tmp_path: Path) -> None:
    text = b"".join(b"%d sentences.\n" % random.Random(number).getrandbits(64) for number in range(20_000))
    write(tmp_path / "a.txt.gz", gzip.compress(text)[:9_000])
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        info = tarfile.TarInfo("a.txt")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
    write(tmp_path / "b.tar", (tmp_path / "b.tar").read_bytes()[:200_000])
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as packed:
        packed.writestr("a.txt", text)
    write(tmp_path / "c.zip", (tmp_path / "c.zip").read_bytes().replace(b"sentences", b"sentenceZ", 1))
    write(tmp_path / "d.zip", b"PK\x03\x04 cut")
    for name, told in {
        "a.txt.gz": r"a\.txt\.gz:\d+: damaged gzip data",
        "b.tar": r"b\.tar/a\.txt:\d+: damaged tar data",
        "c.zip": r"c\.zip/a\.txt:\d+: damaged zip data",
        "d.zip": r"d\.zip: a damaged archive",
    }.items():
        with pytest.raises(DataError, match=told):
            lines_of(open_corpus([str(tmp_path / name)]))


def test_a_packed_parquet_file_cannot_be_streamed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("x.parquet", b"PAR1")
    with pytest.raises(DataError, match=r"a\.zip/x\.parquet: a packed Parquet file cannot be read as a stream; unpack"):
        lines_of(open_corpus([str(tmp_path / "a.zip")]))


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("x.txt", b"x")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag of encryption in the central directory
    write(tmp_path / "a.zip", bytes(data))
    with pytest.raises(DataError, match=r"a\.zip/x\.txt: encrypted; unpack the archive with its password"):
        lines_of(open_corpus([str(tmp_path / "a.zip")]))


# ---- encodings and limits


def test_other_encodings_are_refused_by_line(tmp_path: Path) -> None:
    for name, data, told in [
        ("a.txt", "fine\n中文句子，用的是国标编码。\n".encode("gb18030"), ":2: not UTF-8 but likely gb18030"),
        ("b.txt", "Text.\n".encode("utf-16"), ":1: not UTF-8 but likely UTF-16;"),
        ("c.txt", "fine\ncut 中".encode()[:-1], ":2: broken UTF-8 at the end of the file; was it cut inside a char"),
    ]:
        file = write(tmp_path / name, data)
        with pytest.raises(DataError, match=f"^{re.escape(file + told)}"):
            lines_of(open_corpus([file]))


@pytest.mark.parametrize("form", [{}, {"one_document_per_line": True}, {"document_per_file": True}])
def test_long_lines_are_cut_and_no_character_is_lost(
    form: dict[str, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "LONGEST", 10)
    monkeypatch.setattr(documents, "LONGEST", 10)
    text = "天地玄黃宇宙洪荒日月盈昃辰宿列張寒來暑往秋"
    file = write(tmp_path / "a.txt", f"{text}\n")
    corpus = open_corpus([file], **form)
    found = list(corpus.documents())
    assert "".join(line for document in found for line in document.lines) == text
    assert max(sum(map(len, document.lines)) for document in found) == 10
    assert [document.name.partition(" ")[2] for document in found] == ["", "(part 2)", "(part 3)"]
    assert corpus.counts == {"read": 3, "kept": 3}
    assert corpus.counted() == "3 documents read = 3 kept; 1 of more than 10 characters came in parts"


def test_long_documents_are_cut_between_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LONGEST", 10)
    file = write(tmp_path / "a.jsonl", json.dumps({"text": "aaaa\nbbbb\ncccc\nddddddddddddd"}))
    assert lines_of(open_corpus([file])) == [("aaaa", "bbbb"), ("cccc",), ("d" * 10,), ("ddd",)]


@pytest.mark.skipif(sys.platform != "linux", reason="reads a process's peak memory from /proc")
def test_a_small_archive_of_endless_text_takes_bounded_memory(tmp_path: Path) -> None:
    """300 MB of one line without an end, of 0.3 MB in the archive, within 150 MB that Python itself is part of."""
    with tarfile.open(tmp_path / "bomb.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("a.txt")
        info.size = 300 << 20
        with Path("/dev/zero").open("rb") as zeros:
            tar.addfile(info, io.BufferedReader(_Letters(zeros)))  # type: ignore[arg-type]
    program = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from bertwright.text.corpus.documents import open_corpus\n"
        "corpus = open_corpus([sys.argv[1]])\n"
        "assert sum(len(line) for document in corpus.documents() for line in document.lines) == 300 << 20\n"
        "print(re.search(r'VmHWM:\\s*(\\d+) kB', Path('/proc/self/status').read_text())[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "bomb.tar.gz")], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 150_000  # not ru_maxrss: that of a child begins with its parent's


class _Letters(io.RawIOBase):
    """Bytes of another file, zeros read as letters."""

    def __init__(self, source: io.BufferedReader) -> None:
        self.source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data = self.source.read(len(buffer)).replace(b"\0", b"a")
        buffer[: len(data)] = data
        return len(data)


# ---- the corpus as a whole


def test_an_iteration_begins_anew_and_counts_anew(tmp_path: Path) -> None:
    corpus = open_corpus([write(tmp_path / "a.txt", BERT_FORM)])
    assert list(corpus.documents()) == list(corpus.documents())
    assert corpus.counts["read"] == 2


def test_a_corpus_without_text_is_an_error(tmp_path: Path) -> None:
    file = write(tmp_path / "a.txt", "\n \n")
    with pytest.raises(DataError, match=r"^the corpus has no text: 0 documents read = 0 kept in 1 file; check --input"):
        lines_of(open_corpus([file]))


def test_both_forms_at_once_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^--one-document-per-line and --document-per-file contradict each other"):
        open_corpus(["x"], one_document_per_line=True, document_per_file=True)


def test_a_form_that_does_not_look_right_is_doubted(tmp_path: Path) -> None:
    ending = "if it is not so, set --one-document-per-line or --document-per-file"
    paragraphs = write(tmp_path / "a.txt", "One. Two.\n\nThree.\n\n" * 20)
    told = f"{paragraphs} is read as {forms.SENTENCES.label}, but its documents have 1.0 lines on average: {ending}"
    assert open_corpus([paragraphs]).doubt() == told
    long = write(tmp_path / "b.txt", "word " * 200 + "\n" + "word " * 200)
    assert "but its lines have 999 characters on average" in str(open_corpus([long]).doubt())
    assert open_corpus([paragraphs], one_document_per_line=True).doubt() is None
    assert open_corpus([write(tmp_path / "c.txt", "")]).doubt() is None


@pytest.mark.data
def test_real_corpora_are_read_whole(data_dir: Path) -> None:
    """The numbers of articles, books and documents are those of the data sets' own description."""
    for name, form, documents_read in [
        ("wiki_en", {}, 2_583),
        ("novels_en", {"document_per_file": True}, 12),
        ("zh_corpus", {}, 3_450),
        ("bert_sample", {}, 3),
    ]:
        corpus = open_corpus([str(data_dir / name)], **form)
        kept = list(corpus.documents())
        assert corpus.counts["read"] == documents_read
        assert len(kept) >= documents_read - 1  # one article of wiki_en has no text
        assert corpus.doubt() is None
    assert open_corpus([str(data_dir / "wikitext2")]).doubt() is not None
