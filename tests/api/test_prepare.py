"""`prepare` from end to end: what is counted adds up, the same command goes on, another one is refused by name."""

import json
import re
import shutil
import signal
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

import bertwright
from bertwright import PrepareSettings
from bertwright.api import preparing
from bertwright.api.live_line import LiveLine
from bertwright.api.preparing import Prepared
from bertwright.cli import main
from bertwright.errors import BertwrightError, DataError, UsageError
from bertwright.files import lock_folder, sha256_file
from bertwright.text.corpus import documents
from bertwright.text.preparing.shard_maker import make_shards
from bertwright.text.shards import ShardFolder
from bertwright.text.wordpiece import WordPiece

Prepare = Callable[..., Prepared]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SENTENCES = ["the cat sat on the mat .", "a dog ran off !", "cats and dogs ran and ran .", "nonesuch sat ."]


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    def small(*given: object, **named: object) -> Iterator[object]:
        return make_shards(*given, **named, chunk_bytes=1_000)  # type: ignore[arg-type]

    monkeypatch.setattr(preparing, "make_shards", small)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Two files in BERT's form; of 60 documents ten are like others."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    documents = [f"{number % 25} {SENTENCES[number % 4]}\n{SENTENCES[number % 3]}\n" for number in range(50)]
    (folder / "a.txt").write_text("\n".join(documents))
    (folder / "b.txt").write_text("\n".join(document.upper().replace(" ", "  ") for document in documents[:10]))
    return folder


@pytest.fixture
def vocab(tmp_path: Path) -> Path:
    """A folder with a tokenizer and nothing else."""
    folder = tmp_path / "vocab"
    folder.mkdir()
    pieces = (
        "the cat ##s sat on a mat and dog ran off , . ! 0 1 2 3 4 5 6 7 8 9 ##0 ##1 ##2 ##3 ##4 ##5 ##6 ##7 ##8 ##9"
    )
    WordPiece.from_tokens([*SPECIAL, *pieces.split()]).save(folder)
    return folder


@pytest.fixture
def prepare(corpus: Path, vocab: Path, tmp_path: Path) -> Prepare:
    """The verb with its output in `tmp_path / "out"`; takes settings to change."""

    def run(**changed: object) -> Prepared:
        given = {"input": str(corpus), "vocab": str(vocab), "output_dir": tmp_path / "out", "processes": 1}
        return bertwright.prepare(**given | changed)

    return run


def content_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_what_is_counted_adds_up(prepare: Prepare, corpus: Path, vocab: Path, capsys: pytest.CaptureFixture[str]):
    prepared = prepare()
    folder = ShardFolder.open(prepared.folder)
    assert folder.tokenizer.fingerprint == WordPiece.from_folder(vocab).fingerprint
    shards = folder.shards
    assert len(shards) > 2
    tokens = np.concatenate([shard.tokens for shard in shards])
    counts = {
        "sentences": sum(len(shard.sentences) - 1 for shard in shards),
        "tokens": len(tokens),
        "words": sum(int(shard.word_starts(0, len(shard.tokens)).sum()) for shard in shards),
        "unknown": int((tokens == 1).sum()),
        "segmented_words": 0,
        "misaligned": 0,
    }
    assert prepared.counts == folder.manifest["counts"] == counts
    assert prepared.documents == folder.manifest["documents"] == {"read": 60, "kept": 60}
    assert sum(map(len, shards)) == 60
    assert counts["sentences"] == 120
    assert shards[0].names[1] == f"{corpus}/a.txt:4"
    shares = np.bincount(tokens)[np.bincount(tokens) > 0] / len(tokens)
    assert folder.manifest["unigram_entropy"] == pytest.approx(-(shares * np.log(shares)).sum(), abs=1e-6)
    *_, documents, figures, last = capsys.readouterr().err.splitlines()
    assert documents == "60 documents read = 60 kept"
    assert figures.startswith(f"120 sentences, {len(tokens):,} tokens, {counts['words']:,} words, ")
    assert re.fullmatch(rf"{len(shards)} shards in {prepared.folder}, [\d,]+ tokens/s", last)


def test_the_manifest_tells_what_the_shards_are_made_from(prepare: Prepare, corpus: Path, vocab: Path):
    manifest = ShardFolder.open(prepare(segmenter="none").folder).manifest
    assert manifest["settings"] == {
        "input": [str(corpus)],
        "one_document_per_line": False,
        "document_per_file": False,
        "text_column": None,
        "vocab": str(vocab),
        "segmenter": "none",
        "deduplicate": "none",
    }
    files = [corpus / "a.txt", corpus / "b.txt"]
    assert manifest["sources"] == {
        str(path): {"bytes": path.stat().st_size, "sha256": sha256_file(path)} for path in files
    }
    assert (manifest["vocabulary"], manifest["segmenter"]) == (WordPiece.from_folder(vocab).fingerprint, "none")


def test_the_folder_is_the_same_wherever_and_however_it_is_made(prepare: Prepare, tmp_path: Path):
    for place, processes in (("one", 1), ("two", 2)):
        prepare(output_dir=tmp_path / place, processes=processes, quiet=bool(processes - 1))
    assert content_of(tmp_path / "one") == content_of(tmp_path / "two")
    assert {path.name for path in (tmp_path / "one").iterdir() if not path.name.isdigit()} == {
        "manifest.json",
        "tokenizer",
    }


@pytest.mark.parametrize("kind", ["exact", "near"])
def test_duplicates_are_dropped_and_counted(prepare: Prepare, kind: str, capsys: pytest.CaptureFixture[str]):
    prepared = prepare(deduplicate=kind)
    kept = prepared.documents["kept"]
    assert kept == 50 if kind == "exact" else kept < 50
    assert prepared.documents == {"read": 60, "kept": kept, f"{kind} duplicate": 60 - kept}
    assert sum(map(len, ShardFolder.open(prepared.folder).shards)) == kept
    told = f"60 documents read = {kept} kept + {60 - kept} dropped ({kind} duplicate)"
    assert told in capsys.readouterr().err.splitlines()


def test_documents_without_tokens_are_dropped_and_counted(prepare: Prepare, corpus: Path):
    (corpus / "c.txt").write_text("\u200b\n\nthe cat\n")
    assert prepare().documents == {"read": 62, "kept": 61, "no token": 1}


def test_what_was_cut_and_left_out_is_told_once(
    prepare: Prepare, corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(documents, "LONGEST", 100)
    for number in range(5):
        (corpus / f"long{number}.txt").write_text("the cat sat on the mat .\n" * 9)
    (corpus / "long4.txt").write_text("the cat .")
    with zipfile.ZipFile(corpus / "packed.zip", "w") as archive:
        archive.writestr("a.txt", "\u200b\n")
        archive.writestr("a.png", "no text")
    prepared = prepare(deduplicate="exact")
    lines = capsys.readouterr().err.splitlines()
    read, kept = prepared.documents["read"], prepared.documents["kept"]
    assert read == 74
    told = (
        f"{read} documents read = {kept} kept + {read - kept - 1} dropped (exact duplicate) + 1 dropped (no token); "
        "4 of more than 100 characters came in parts; 1 files in archives are no text"
    )
    assert [line for line in lines if "documents read" in line] == [told]
    (warning,) = [line for line in lines if line.startswith("warning:")]
    names = ", ".join(f"{corpus}/long{number}.txt:1" for number in range(3))
    parts = "pre-training takes the parts of each for one document"
    assert warning == f"warning: cut into parts: {names}, and 1 more; {parts}"


# ---- going on


def stopped_after(shards: int, number: signal.Signals = signal.SIGTERM) -> Iterator[None]:
    """Send this process a real signal when so many shards are there."""

    def show(_: LiveLine, figures: str) -> None:
        if figures.startswith(f"{shards} shards"):
            signal.raise_signal(number)

    return patch.object(LiveLine, "show", show)  # type: ignore[return-value]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_is_obeyed_and_the_same_command_goes_on(
    prepare: Prepare, tmp_path: Path, number: signal.Signals, code: int, capsys: pytest.CaptureFixture[str]
):
    prepare(output_dir=tmp_path / "calm")
    with stopped_after(2, number):  # type: ignore[attr-defined]
        stopped = prepare()
    assert (stopped.exit_code, stopped.stopped_by, stopped.counts) == (code, number.name, {})
    told = f"stopped by {number.name}: the same command goes on with the shards that are there"
    assert capsys.readouterr().err.splitlines()[-1] == told
    with pytest.raises(DataError, match="out is not finished: run the same `bertwright prepare` again"):
        ShardFolder.open(tmp_path / "out")
    (tmp_path / "out" / ".tmp-00002-77-abcd").mkdir()
    assert prepare(processes=2).exit_code == 0
    assert " shards (2 were there) in " in capsys.readouterr().err.splitlines()[-1]
    assert content_of(tmp_path / "out") == content_of(tmp_path / "calm")


def test_a_finished_folder_says_so_and_is_left_alone(prepare: Prepare, capsys: pytest.CaptureFixture[str]):
    first = prepare()
    before = content_of(first.folder)
    capsys.readouterr()
    again = prepare()
    assert (again.documents, again.counts, again.exit_code) == (first.documents, first.counts, 0)
    told = f"{first.folder} is finished already: nothing to do (--overwrite starts anew)"
    assert capsys.readouterr().err.splitlines()[-1] == told
    assert content_of(first.folder) == before


def test_a_damaged_shard_is_made_again(prepare: Prepare, capsys: pytest.CaptureFixture[str]):
    folder = prepare().folder
    before = content_of(folder)
    path = folder / "00001" / "tokens.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    prepare()
    told = f"warning: {path} does not match its SHA-256 in the manifest: what is damaged is made again"
    assert told in capsys.readouterr().err.splitlines()
    assert content_of(folder) == before


def test_a_manifest_that_cannot_be_read_is_made_again(prepare: Prepare):
    folder = prepare().folder
    before = content_of(folder)
    (folder / "manifest.json").write_text('{"settings": 3')
    prepare()
    assert content_of(folder) == before


@pytest.mark.parametrize("finished", [True, False])
def test_changed_settings_are_named_with_both_values(prepare: Prepare, corpus: Path, vocab: Path, finished: bool):
    if finished:
        folder = prepare().folder
    else:
        with stopped_after(2):  # type: ignore[attr-defined]
            folder = prepare().folder
    before = content_of(folder)
    (corpus / "b.txt").write_text("the cat\n")
    (corpus / "c.txt").write_text("the dog\n")
    (vocab / "tokenizer.json").unlink()
    (vocab / "vocab.txt").write_text((vocab / "vocab.txt").read_text() + "new\n")
    with pytest.raises(UsageError) as refused:
        prepare(segmenter="none", one_document_per_line=True)
    assert str(refused.value) == (
        f"{folder} holds shards that were made with other settings: one_document_per_line was False, now True; "
        f"segmenter was None, now none; {corpus}/b.txt has other content now; vocab has other content now; "
        f"{corpus}/c.txt has other content now; go on with the old ones, choose another --output-dir, or start "
        "anew with --overwrite"
    )
    after = content_of(folder)
    after.pop("lock", None)
    before.pop("lock", None)
    assert after == before


def test_overwrite_starts_anew(prepare: Prepare, tmp_path: Path):
    prepare()
    prepare(one_document_per_line=True, overwrite=True)
    prepare(one_document_per_line=True, output_dir=tmp_path / "fresh")
    assert content_of(tmp_path / "out") == content_of(tmp_path / "fresh")


def test_a_second_process_in_the_same_folder_is_refused(prepare: Prepare, tmp_path: Path):
    (tmp_path / "out").mkdir()
    with (
        lock_folder(tmp_path / "out"),
        pytest.raises(UsageError, match=r"out is in use by process [0-9]+: wait for it"),
    ):
        prepare()


# ---- bad input


def test_a_corpus_without_text(prepare: Prepare, corpus: Path, tmp_path: Path):
    for path in corpus.iterdir():
        path.write_text("\n \n")
    with pytest.raises(DataError, match="the corpus has no text"):
        prepare()
    with pytest.raises(DataError, match=r"is not a shard folder|is not finished"):
        ShardFolder.open(tmp_path / "out")


def test_a_corpus_without_tokens(prepare: Prepare, corpus: Path, tmp_path: Path):
    for path in corpus.iterdir():
        path.write_text("\u200b\n")
    with pytest.raises(DataError, match=r"^no document of the corpus has a token \(2 documents read = 2 kept\): check"):
        prepare()
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"input": "none.txt"}, "none.txt"),
        ({"vocab": "./none"}, "no model folder ./none"),
        ({"segmenter": "none.txt"}, "none.txt"),
        ({"deduplicate": "some"}, "deduplicate = 'some': should be 'none', 'exact' or 'near'"),
        ({"processes": 0}, "processes = 0: should be greater than or equal to 1"),
    ],
    ids=str,
)
def test_what_is_wrong_is_one_line(prepare: Prepare, changed: dict[str, object], message: str, tmp_path: Path):
    with pytest.raises(BertwrightError, match=re.escape(message)) as refused:
        prepare(**changed)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_the_output_must_not_lie_in_the_input(prepare: Prepare, corpus: Path):
    told = f"--output-dir {corpus}/shards lies in --input {corpus} and would become part of it: choose another"
    with pytest.raises(UsageError, match=f"^{re.escape(told)}$"):
        prepare(output_dir=corpus / "shards")


def test_the_output_must_not_fit_a_pattern_of_the_input(prepare: Prepare, corpus: Path):
    told = f"--output-dir {corpus}/shards lies in --input {corpus}/* and would become part of it: choose another"
    with pytest.raises(UsageError, match=f"^{re.escape(told)}$"):
        prepare(input=f"{corpus}/*", output_dir=corpus / "shards")
    for _ in range(2):  # a pattern that does not fit it: it can be gone on with
        assert prepare(input=f"{corpus}/*.txt", output_dir=corpus / "shards").documents["read"] == 60


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_something_else_is_refused(prepare: Prepare, tmp_path: Path, overwrite: bool):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"out is not empty and holds no shards: choose another --output-dir$"):
        prepare(overwrite=overwrite)
    assert content_of(tmp_path / "out") == {"thesis.tex": b"years of work"}


def test_the_command_line_calls_the_same(prepare: Prepare, corpus: Path, vocab: Path, tmp_path: Path):
    prepare(output_dir=tmp_path / "called")
    words = ["--input", str(corpus), "--vocab", str(vocab), "--output-dir", str(tmp_path / "typed"), "--processes", "1"]
    assert main(["prepare", *words]) == 0
    assert content_of(tmp_path / "called") == content_of(tmp_path / "typed")
    assert main(["prepare", *words]) == 0
    manifest = json.loads((tmp_path / "typed" / "manifest.json").read_text())
    assert manifest["settings"]["input"] == [str(corpus)]
    shutil.rmtree(tmp_path / "typed")


def test_without_jieba_characters_are_words(
    prepare: Prepare, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """A corpus has a Chinese word somewhere: no reason to stop. Who asks for jieba is told that it is not there."""
    monkeypatch.setattr("bertwright.api.preparing.jieba_is_installed", lambda: False)
    found = prepare(quiet=False)
    assert "jieba is not installed: each Chinese character will be a word of its own" in capsys.readouterr().err
    assert ShardFolder.open(found.folder).manifest["segmenter"] == "none"


def test_a_slash_at_the_end_of_a_folder_is_no_other_setting():
    given: dict[str, object] = {"vocab": "v", "output_dir": "o"}
    assert PrepareSettings.create({**given, "input": ("corpus/", "a.txt")}).input == ("corpus", "a.txt")
    assert PrepareSettings.create({**given, "input": "/"}).input == ("/",)
