"""`inspect` from end to end: it prints and writes what pre-training will read, and refuses what cannot be meant."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bertwright
import small_corpus
from bertwright.api.corpus import PretrainingCorpus
from bertwright.cli import main
from bertwright.errors import DataError, UsageError
from bertwright.settings import InspectSettings, PretrainSettings
from bertwright.text.wordpiece import WordPiece


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "shards"
    small_corpus.documents(path)
    return path


def test_it_prints_and_writes_what_it_returns(shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    found = bertwright.inspect(shards=shards, output=page, examples=3, samples=50, max_length=40)
    out, err = capsys.readouterr()
    assert len(found.examples) == 3
    assert found.page == page
    relations = [example.relation for example in found.examples]
    assert re.findall(r"^\d\. (\w+)$", out, re.MULTILINE) == relations
    for name in {name for example in found.examples for name in example.documents}:
        assert f"from {name}\n" in out
        assert f"from {name}<" in page.read_text()
    assert re.search(rf"^to be guessed +{found.figures.mask_share:.4f}  of all tokens", out, re.MULTILINE)
    assert f"{found.figures.mask_share:.4f}" in page.read_text()
    assert "\x1b" not in out
    assert err.splitlines()[-1] == f"page written to {page}"


def test_it_shows_the_first_instances_of_pretrain(shards: Path, tmp_path: Path) -> None:
    same = {"shards": shards, "seed": 7, "mask_unit": "word", "max_length": 32, "held_out": 0.1}
    training = PretrainSettings(model="tiny", output_dir=tmp_path, max_steps=1, **same)  # type: ignore[arg-type]
    corpus = PretrainingCorpus.open(training)
    (drawn,) = [corpus.examples(corpus.train, 32).draw(np.arange(5))]
    found = bertwright.inspect(output=tmp_path / "i.html", examples=5, samples=5, quiet=True, **same)
    tokens = [token.text for example in found.examples for segment in example.segments for token in segment]
    assert tokens == small_corpus.TOKENIZER_OF_ALL.decode(drawn.masked.ids.tolist())


def test_the_shards_may_be_given_as_a_bare_word(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    few = ["--examples", "0", "--samples", "5", "--quiet", "--output", "a.html"]
    outs = []
    for words in ([str(shards), *few], [*few, str(shards)], [*few, "--shards", str(shards)]):
        assert main(["inspect", *words]) == 0
        outs.append(capsys.readouterr().out)
    assert outs[0] == outs[1] == outs[2]
    for words in ([str(shards), "more"], ["--shards", str(shards), "more"]):
        assert main(["inspect", *words]) == 2
        assert capsys.readouterr().err == "error: unexpected 'more': see bertwright inspect --help\n"
    assert main(["predict", "file.txt"]) == 2
    assert capsys.readouterr().err == "error: unexpected 'file.txt': see bertwright predict --help\n"
    assert main(["inspect", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: bertwright inspect [--shards] PATH [--flag VALUE ...]\n")


@pytest.mark.parametrize("plain", [False, True])
def test_colours_in_a_terminal_unless_they_are_not_wanted(plain: bool, shards: Path, tmp_path: Path) -> None:
    words = ["inspect", str(shards), "--examples", "2", "--samples", "5", "--output", str(tmp_path / "i.html")]
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    reader, writer = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "bertwright", *words],
            stdout=writer,
            stderr=subprocess.DEVNULL,
            env=environment | {"TERM": "xterm"} | ({"NO_COLOR": "1"} if plain else {}),
        )
        os.close(writer)
        out = b""
        while part := _read(reader):
            out += part
        assert process.wait() == 0
    finally:
        os.close(reader)
    assert (b"\x1b[1;30;43m{" in out) == (not plain)
    assert "→[MASK]}".encode() in out


def _read(reader: int) -> bytes:
    try:
        return os.read(reader, 65536)
    except OSError:  # how Linux says that the other side has gone
        return b""


def test_another_vocabulary_is_refused(shards: Path, tmp_path: Path) -> None:
    same, other = shards / "tokenizer", tmp_path / "other"
    other.mkdir()
    tokens = small_corpus.TOKENIZER_OF_ALL.tokens
    WordPiece.from_tokens([*tokens[:-1], "another"]).save(other)
    few = {"shards": shards, "output": tmp_path / "i.html", "examples": 1, "samples": 1, "quiet": True}
    bertwright.inspect(vocab=same, **few)
    with pytest.raises(UsageError) as caught:
        bertwright.inspect(vocab=other, **few)
    assert str(caught.value) == (
        f"the vocabulary of {other} ({len(tokens)} tokens) is not that of the shards ({len(tokens)} tokens): prepare "
        f"the corpus with --vocab {other}"
    )


def test_what_cannot_be_meant_is_refused(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"corpus\.txt should be the name of a page, as in inspect\.html$"):
        bertwright.inspect(shards=shards, output=tmp_path / "corpus.txt")
    with pytest.raises(DataError, match=r"is not a shard folder: make one with `bertwright prepare`$"):
        bertwright.inspect(shards=tmp_path)
    small_corpus.write(tmp_path / "one", [(5, 6, 7)], 1)
    with pytest.raises(DataError, match="next sentence prediction needs two documents or more"):
        bertwright.inspect(shards=tmp_path / "one", held_out=0)
    assert InspectSettings(shards=shards).objective == "mlm+nsp"
