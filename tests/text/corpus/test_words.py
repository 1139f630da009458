"""Chinese words over pieces: no word start inside a word, characters where they do not line up, all else untouched."""

import subprocess
import sys
from itertools import accumulate, islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertwright.errors import DataError, UsageError
from bertwright.text.corpus.documents import open_corpus
from bertwright.text.corpus.sentences import sentences_of
from bertwright.text.corpus.words import WordList, Words, has_chinese, make_segmenter, word_starts
from bertwright.text.wordpiece import WordPiece


def word_list(*words: str) -> WordList:
    lengths: dict[str, set[int]] = {}
    for word in words:
        lengths.setdefault(word[0], set()).add(len(word))
    ordered = {first: tuple(sorted(found, reverse=True)) for first, found in lengths.items()}
    return WordList("test", ordered, frozenset(words))


def laid_over(pieces: list[str], *words: str) -> tuple[str, int, int]:
    """Lay words over pieces, `##` and blanks as written; the bits come back as 1 and 0."""
    bare = [piece.removeprefix("##") for piece in pieces]
    ends = np.array(list(accumulate(map(len, bare))), np.int64)
    begins = ends - [len(piece) for piece in bare]
    starts = np.array([not piece.startswith("##") for piece in pieces])
    found = word_starts("".join(bare), begins, ends, starts, word_list(*words))
    return "".join("01"[bit] for bit in found.starts.tolist()), found.words, found.misaligned


def test_the_pieces_of_a_word_are_one_word() -> None:
    assert laid_over(list("我爱北京天安门"), "北京", "天安门") == ("1110100", 4, 0)


def test_only_chinese_characters_are_touched() -> None:
    assert laid_over(["play", "##ing", "北", "京", ".", "人", "##x", "ab"], "北京", "人") == ("10101101", 2, 0)
    assert laid_over(["ひ", "ら", "한"], "ひら") == ("111", 0, 0)


def test_where_words_and_pieces_cross_characters_stay_words() -> None:
    """北京 ends inside the piece 京人, and so does 人民: the pieces of both stay as they were; 共和 is one word."""
    assert laid_over(["北", "京人", "民", "共", "和"], "北京", "人民", "共和") == ("11110", 3, 2)
    assert laid_over(["中国人民"], "中国", "人民") == ("1", 2, 2)
    assert laid_over(["a中", "国"], "中国") == ("11", 1, 1)


def test_a_text_without_pieces_has_no_words() -> None:
    none = np.empty(0, np.int64)
    found = word_starts("", none, none, np.empty(0, bool), word_list("中"))
    assert found.starts.tolist() == []
    assert found[1:] == (0, 0)


CUTS = st.lists(st.text(st.sampled_from("中国人民共和a ,1"), min_size=1, max_size=4), max_size=20)


@given(CUTS, st.lists(st.text(st.sampled_from("中国人民共和"), min_size=1, max_size=4), min_size=1))
def test_bits_follow_the_definition(pieces: list[str], words: list[str]) -> None:
    """Beside a plain piece-by-piece account of the same rule."""
    text = "".join(pieces)
    segmenter = word_list(*words)
    ends = list(accumulate(map(len, pieces)))
    begins = [end - len(piece) for end, piece in zip(ends, pieces, strict=True)]
    spans, at = [], 0
    while at < len(text):
        run = ""
        while at + len(run) < len(text) and has_chinese(text[at + len(run)]):
            run += text[at + len(run)]
        for word in segmenter.words(run):
            spans.append((at, at + len(word)))
            at += len(word)
        at += not run
    crossed = {
        (start, end)
        for start, end in spans
        for begin, stop in zip(begins, ends, strict=True)
        if begin < end and stop > start and not (start <= begin and stop <= end)
    }
    expected = [True] * len(pieces)
    for start, end in set(spans) - crossed:
        for place, begin in enumerate(begins):
            if start < begin < end:
                expected[place] = False
    found = word_starts(text, np.array(begins, int), np.array(ends, int), np.ones(len(pieces), bool), segmenter)
    assert found.starts.tolist() == expected
    assert (found.words, found.misaligned) == (len(spans), len(crossed))


# ---- segmenters


def test_no_segmenter_is_none() -> None:
    assert make_segmenter("none") is None


def test_a_word_list_takes_the_longest_word_that_fits(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("北京 100 ns\n北京大学\n\n大学生\n", "utf-8")
    segmenter = make_segmenter(str(file))
    assert segmenter is not None
    assert list(segmenter.words("在北京大学生活北京大")) == ["在", "北京大学", "生", "活", "北京", "大"]
    assert segmenter.name.startswith("word list ")
    other = tmp_path / "other.txt"
    other.write_text("北京", "utf-8")
    assert getattr(make_segmenter(str(other)), "name", None) != segmenter.name


def test_a_bad_word_list_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(DataError, match=r"empty\.txt: no word in it; write one a line$"):
        make_segmenter(str(tmp_path / "empty.txt"))
    with pytest.raises(UsageError, match=r"^jeiba: no such file; check the path$"):
        make_segmenter("jeiba")


def test_jieba_cuts_chinese() -> None:
    segmenter = make_segmenter("jieba")
    assert segmenter is not None
    assert list(segmenter.words("我来到北京清华大学")) == ["我", "来到", "北京", "清华大学"]
    assert segmenter.name.startswith("jieba 0.")


def test_jieba_is_silent_and_leaves_no_cache_in_the_shared_folder(tmp_path: Path) -> None:
    """Its own start prints to standard error, warns, and unmarshals what lies in the temporary folder."""
    program = (
        "from bertwright.text.corpus.words import make_segmenter\n"
        "print(list(make_segmenter('jieba').words('北京天安门')))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-B", "-c", program],
        env={"PYTHONPATH": ":".join(sys.path), "TMPDIR": str(tmp_path), "PYTHONPYCACHEPREFIX": str(tmp_path / "pyc")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("['北京', '天安门']\n", "")
    assert list(tmp_path.iterdir()) == []


def test_without_jieba_chinese_text_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jieba", None)
    segmenter = make_segmenter("jieba")  # English text needs none
    assert segmenter is not None
    with pytest.raises(UsageError) as caught:
        segmenter.words("中国")
    assert str(caught.value) == (
        "the corpus has Chinese text, and its words come from jieba, which is not installed: "
        "pip install 'bertwright[zh]', or set --segmenter none (each character is a word) or a word list"
    )


@pytest.mark.data
def test_real_chinese_lines_up_with_berts_pieces(data_dir: Path) -> None:
    """BERT's pieces are characters, so that every word fits; and no sentence is a single word."""
    vocabulary = (data_dir / "vocab" / "bert-base-chinese-vocab.txt").read_text("utf-8").split("\n")[:-1]
    tokenizer = WordPiece.from_tokens(vocabulary)
    segmenter = make_segmenter("jieba")
    assert segmenter is not None
    seen = Words(np.empty(0, bool), 0, 0)
    for document in islice(open_corpus([str(data_dir / "zh_corpus")]).documents(), 30):
        for sentence in sentences_of(document):
            spans, (ids, _) = tokenizer.spans(sentence), tokenizer.tokenize([sentence])
            base = np.array([not token.startswith("##") for token in tokenizer.decode(ids)], bool)
            found = word_starts(sentence, spans[:, 0], spans[:, 1], base, segmenter)
            assert found.starts.sum() > 1 or len(ids) < 5
            assert not (found.starts & ~base).any()
            seen = Words(found.starts, seen.words + found.words, seen.misaligned + found.misaligned)
    assert seen.words > 3_000
    assert seen.misaligned == 0
