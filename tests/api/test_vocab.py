"""`vocab` from end to end: the folder that transformers reads alike, the same again, settings that hold, errors."""

import json
import re
import shutil
from itertools import count, pairwise
from pathlib import Path

import pytest
from transformers import AutoTokenizer, BertTokenizer

import bertwright
from bertwright.api.vocabulary import LearnedVocabulary
from bertwright.errors import BertwrightError, DataError, UsageError
from bertwright.text.wordpiece import WordPiece

TEXT = """The quick brown fox jumps over the lazy dog. The fox is quick, the dog is lazy.
Jumping foxes and sleeping dogs: the quickest of the laziest.

Café crème à la carte. 北京大学在北京。 我爱北京。
The naïve façade of the café. The end of 1984.
"""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.txt").write_text(TEXT * 3, "utf-8")
    (tmp_path / "corpus" / "b.jsonl").write_text('{"text": "Foxes jump.\\nDogs sleep."}\n{"text": ""}\n')
    return tmp_path / "corpus"


def learn(corpus: Path, **settings: object) -> LearnedVocabulary:
    given = {"input": str(corpus), "output_dir": corpus.parent / "vocab", "size": 150, "quiet": True}
    return bertwright.vocab(**given | settings)


def test_transformers_reads_the_same_ids(corpus: Path) -> None:
    """5.x runs here; 4.57.6 was tried by hand and gives the same."""
    learned = learn(corpus, unused_tokens=3, max_length=64)
    ours = WordPiece.from_folder(learned.folder)
    lines = [*TEXT.split("\n"), "[unused1] [MASK]", "never seen: ☃ xyz"]
    encoded = ours.encode(lines, max_length=64)
    expected = [encoded.ids[start:end].tolist() for start, end in pairwise(encoded.cu_seqlens)]
    for kind in (BertTokenizer, AutoTokenizer):
        theirs = kind.from_pretrained(learned.folder)
        assert theirs.model_max_length == 64
        assert [theirs(line)["input_ids"] for line in lines if "[MASK]" not in line] == [
            ids for line, ids in zip(lines, expected, strict=True) if "[MASK]" not in line
        ]
    assert ours.tokens[:8] == ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused0]", "[unused1]", "[unused2]")


def test_the_same_corpus_gives_the_same_vocabulary_and_report(corpus: Path) -> None:
    first = learn(corpus)
    again = learn(corpus, output_dir=corpus.parent / "again")
    for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        assert (first.folder / name).read_bytes() == (again.folder / name).read_bytes()
    assert first.report == again.report


def test_settings_decide(corpus: Path) -> None:
    tokens = set(WordPiece.from_folder(learn(corpus).folder).tokens)
    assert {"the", "cafe", "北"} <= tokens
    assert not {"The", "café", "北京"} & tokens
    changed = {"cased": True, "chinese_characters": False, "overwrite": True}
    tokens = set(WordPiece.from_folder(learn(corpus, **changed).folder).tokens)
    assert {"The", "é", "##é", "##京"} <= tokens
    tokens = set(WordPiece.from_folder(learn(corpus, strip_accents=False, overwrite=True).folder).tokens)
    assert "##é" in tokens
    few = WordPiece.from_folder(learn(corpus, min_frequency=20, overwrite=True).folder)
    assert "the" in few.tokens
    assert "quick" not in few.tokens


def test_the_rarest_characters_can_be_left_out(corpus: Path) -> None:
    (corpus / "c.txt").write_text("A ☃ and a ☂umbrella.\n", "utf-8")
    every = WordPiece.from_folder(learn(corpus, character_coverage=1.0).folder)
    assert {"☃", "##☃", "☂"} & set(every.tokens) == {"☃", "☂"}
    frequent = WordPiece.from_folder(learn(corpus, character_coverage=0.99, overwrite=True).folder)
    assert not any(sign in token for token in frequent.tokens for sign in "☃☂")
    assert len({token for token in frequent.tokens if len(token) == 1}) < len([t for t in every.tokens if len(t) == 1])


def test_the_report_is_printed_and_saved(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = learn(corpus, size=100, output_dir=corpus.parent / "other").folder
    capsys.readouterr()
    learned = learn(corpus, compare=other, quiet=False)
    printed = capsys.readouterr()
    saved = json.loads((learned.folder / "vocabulary_report.json").read_text("utf-8"))
    assert learned.compared is not None
    assert saved["vocabulary"]["tokens_per_word"] == learned.report.tokens_per_word < learned.compared.tokens_per_word
    assert saved["compared"] == json.loads(json.dumps(learned.compared.to_dict()))
    assert saved["documents"] == {"read": 6, "kept": 5, "empty": 1}
    assert saved["files"] == [str(corpus / "a.txt"), str(corpus / "b.jsonl")]
    assert saved["measured_on"] in printed.out
    assert "tokens per word" in printed.out
    assert f"corpus: 2 files (0.0 MB) from {corpus / 'a.txt'}: one sentence a line" in printed.err
    assert "6 documents read = 5 kept + 1 dropped (empty)" in printed.err


def test_a_small_corpus_gives_fewer_tokens_and_says_so(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokenizer = WordPiece.from_folder(learn(corpus, size=30_000).folder)
    told = f"warning: the corpus gives {tokenizer.vocab_size:,} tokens, not 30,000: it has no more pieces to join\n"
    assert told in capsys.readouterr().err


def test_errors_are_one_line_and_leave_nothing(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    cases: list[tuple[dict[str, object], type[BertwrightError], str]] = [
        ({"input": str(tmp_path / "empty.txt")}, DataError, "the corpus has no text: 0 documents read"),
        ({"size": 20}, UsageError, "a vocabulary of 20 cannot hold the texts' characters: ask for more than "),
        ({"size": 5}, UsageError, "size = 5: should be greater than or equal to 6"),
        ({"input": "nowhere"}, UsageError, "no file, no folder and no pattern that fits: 'nowhere'; check --input"),
        ({"input": ()}, UsageError, "input = (): "),
        ({"compare": tmp_path}, BertwrightError, f"{tmp_path} has no tokenizer"),
        (
            {"one_document_per_line": True, "document_per_file": True},
            UsageError,
            "one_document_per_line and document_per_file contradict each other: choose one",
        ),
    ]
    for settings, kind, told in cases:
        with pytest.raises(kind) as caught:
            learn(corpus, **settings)
        assert str(caught.value).startswith(told)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "vocab").exists()


def test_nothing_is_written_over_unasked(corpus: Path, tmp_path: Path) -> None:
    learn(corpus)
    with pytest.raises(
        UsageError, match=r"already holds a vocabulary: choose another --output-dir, or pass --overwrite$"
    ):
        learn(corpus)
    with pytest.raises(UsageError, match=r"is not empty and holds no vocabulary of ours: choose another --output-dir$"):
        learn(corpus, output_dir=corpus, overwrite=True)


@pytest.mark.parametrize("files", range(6))
def test_killed_while_it_writes_it_can_be_given_again(
    corpus: Path, tmp_path: Path, files: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `kill -9` before a file gets its name: what it was written as stays."""
    renamed = count()

    def rename(source: Path, target: Path) -> Path:
        if next(renamed) == files:
            shutil.copy(source, f"{source}0")  # for the file itself is cleared up
            raise Killed
        return source.rename(target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", rename)
        with pytest.raises(Killed):
            learn(corpus)
    assert not (tmp_path / "vocab" / "vocabulary_report.json").exists()
    assert learn(corpus).folder == tmp_path / "vocab"
    assert not list((tmp_path / "vocab").glob(".tmp-*"))
    assert len(list((tmp_path / "vocab").iterdir())) == 5


class Killed(BaseException):
    """Nobody catches it."""


@pytest.mark.parametrize("name", ["vocab.txt", ".tmp-vocab.txt-1-abcd"])
def test_a_tokenizer_of_somebody_else_is_not_taken_for_an_unfinished_one(
    corpus: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "vocab").mkdir()
    (tmp_path / "vocab" / name).write_text("precious")
    with pytest.raises(UsageError, match=r"is not empty and holds no vocabulary of ours: choose another --output-dir$"):
        learn(corpus, overwrite=True)


def test_the_output_must_not_lie_in_the_input(corpus: Path) -> None:
    told = f"--output-dir {corpus}/vocab lies in --input {corpus} and would become part of it: choose another"
    with pytest.raises(UsageError, match=f"^{re.escape(told)}$"):
        learn(corpus, output_dir=corpus / "vocab")
    assert {path.name for path in corpus.iterdir()} == {"a.txt", "b.jsonl"}


@pytest.mark.data
def test_real_chinese_is_learned(data_dir: Path, tmp_path: Path) -> None:
    """A coverage of 0.99 leaves few characters out, and each Chinese character is a piece."""
    learned = bertwright.vocab(
        input=data_dir / "zh_corpus" / "CLUECorpusSmall_bert_sampled.txt",
        output_dir=tmp_path / "v",
        size=12_000,
        character_coverage=0.99,
        quiet=True,
    )
    assert 0.98 < learned.report.scripts["Han"].covered < 1.0
    assert learned.report.unknown_rate < 0.02
    assert 1.0 < learned.report.tokens_per_word < 1.1
