"""Sentences: cut by hand beside cut by rule, nothing lost, and never slow."""

import time
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertwright.text.corpus.document import Document
from bertwright.text.corpus.documents import open_corpus
from bertwright.text.corpus.sentences import sentences_of, split_sentences

# each case is a text whose sentences a person has parted with |
ENGLISH = [
    "Mr. Smith met Dr. J. R. R. Tolkien in the U.S. on Jan. 5, 1990. | He paid $3.50. | It rained.",
    '"Why?" he asked. | "No!" | She left (for good.) | Then it ended... or so they said.',
    "See Fig. 3 and No. 5. | He said no. | Then 3 of them came.",
    "It was founded by Apple Inc. in the U.S. | The company grew. | After World War I. | Then came peace.",
    "They had roused him at 4 A. M., with a cat. | Yahoo! is big, e.g. This one. | Wait . . . | What?",
    "1. First item. | 2. Second item.",
    "He left at 5 p.m. | The bus came at 5 p.m. Tuesday. | The U.S. Army came.",
    "Smith et al. Study it, Jones et al. | The others do not. | The end.\u201d | \u201cNext one.\u201d",
    "It costs 3.14 at www.example.com/a.b?c now! | Really?! | Yes\u2026 | No \u2026 but why?",
    "She has a Ph.D. from St. Andrews vs. Other places. | (It is so.) | [So it is.] | *Stars.*",
    "No end",
    'Tokens stand apart , as in some corpora . | They end so , too ! | " Like this . "',
]
CHINESE = [
    "他说：“你好！”|然后走了。|今天天气很好；|明天呢？|我不知道……|也许吧。",
    "价格是3.5元，版本为2.0.1。|真的吗?!|是的!|好的",
    "（见图1。）|“为什么？”|他问道。|《书名》很好！！！|没了",
    "使用 Linux 4.15 内核。|See the manual. |然后重启……",
    "这是……|什么？！”|　全角空格。",
]


@pytest.mark.parametrize("text", ENGLISH)
def test_english_sentences_are_those_of_a_person(text: str) -> None:
    assert split_sentences(text.replace(" | ", " ")) == text.split(" | ")


@pytest.mark.parametrize("text", CHINESE)
def test_chinese_sentences_are_those_of_a_person(text: str) -> None:
    assert split_sentences(text.replace("|", "")) == [sentence.strip() for sentence in text.split("|")]


MARKS = st.text(st.sampled_from("aA1 .!?\u2026。！？；\"'”)(“ \u3000\n中x,U.S"), max_size=60)


@given(st.one_of(st.text(max_size=60), MARKS))
def test_nothing_is_lost_but_white_space_at_the_ends(text: str) -> None:
    sentences = split_sentences(text)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence and sentence == sentence.strip() for sentence in sentences)


def test_only_what_is_not_known_is_split() -> None:
    lines = ("One. Two.", "Three.")
    assert sentences_of(Document("x", lines, sentences_known=True)) == list(lines)
    assert sentences_of(Document("x", lines, sentences_known=False)) == ["One.", "Two.", "Three."]


HOSTILE = [
    ".", ". ", '."', "!", "a.", "\u2026\u2026", "A. ", '"', ".(", " ", "1. ", ".” ", '.   """  ', "。”", "?中",
    "x 1. a ", "(", ". (", "U.S. ", ".\t\"'", "\u2026中",
]  # fmt: skip


def test_no_line_takes_more_than_its_length_in_time() -> None:
    """Ten times the text takes ten times as long, give or take the machine; a quadratic pattern takes a hundred."""
    for piece in HOSTILE:
        times = []
        for length in (20_000, 200_000):
            text = piece * (length // len(piece)) + "x"
            began = time.process_time()
            split_sentences(text)
            times.append(time.process_time() - began)
        assert times[1] < 40 * times[0] + 0.05, repr(piece)


@pytest.mark.data
def test_real_text_gives_sentences_of_usual_length(data_dir: Path) -> None:
    for name, least, most in [("wiki_en", 100, 150), ("zh_corpus/lctt_published_2018_zh.tar.gz", 20, 60)]:
        some = islice(open_corpus([str(data_dir / name)]).documents(), 300)
        sentences = [len(sentence) for document in some for sentence in sentences_of(document)]
        assert least < sum(sentences) / len(sentences) < most
        assert sum(length < 500 for length in sentences) > 0.99 * len(sentences)
