"""The report on a vocabulary: counted by hand on a few words, and shown side by side."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertwright.text.vocabulary_report import EvenSample, report_on, script_of, table
from bertwright.text.wordpiece import WordPiece

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LATIN = WordPiece.from_tokens([*SPECIAL, "[unused0]", "play", "##ing", "##ed", "the", "a", ".", "1", "中", "#"])
TEXTS = ["The playing, the played.", "中国 A 1 Яя"]


def test_the_figures_are_those_of_a_count_by_hand() -> None:
    """Pieces: the play ##ing [,] the play ##ed . | 中 [国] a 1 [яя]; words: the same without the two ##."""
    report = report_on(LATIN, TEXTS)
    assert (report.size, report.characters, report.whole_words, report.continuations) == (15, 5, 2, 2)
    assert report.tokens_per_word == 13 / 11
    assert report.unknown_rate == 3 / 13
    assert report.used == 8 / 9
    assert report.longest[:3] == ("play", "##ing", "the")
    assert {script: round(each.covered, 3) for script, each in report.scripts.items()} == {
        "Latin": 3 / 20,
        "punctuation and symbols": 0.5,
        "Han": 0.5,
        "Cyrillic": 0.0,
        "digits": 1.0,
    }
    assert round(report.scripts["Han"].share, 4) == round(2 / 27, 4)
    json.dumps(report.to_dict())


def test_a_rare_chinese_character_is_a_word_as_any_other() -> None:
    rare = "\U00020000"
    tokenizer = WordPiece.from_tokens([*SPECIAL, rare, "a"])
    assert report_on(tokenizer, [f"{rare}{rare}a"]).tokens_per_word == 1.0


def test_an_accent_is_covered_where_the_letter_without_it_is() -> None:
    letters = [*SPECIAL, "e"]
    assert report_on(WordPiece.from_tokens(letters), ["é"]).scripts["Latin"].covered == 1.0
    cased = WordPiece.from_tokens(letters, lowercase=False)
    assert report_on(cased, ["é"]).scripts["Latin"].covered == 0.0


def test_reports_stand_side_by_side() -> None:
    other = WordPiece.from_tokens([*SPECIAL, "the"])
    lines = table({"ours": report_on(LATIN, TEXTS), "theirs": report_on(other, TEXTS)}).splitlines()
    assert lines[0].split() == ["ours", "theirs"]
    assert lines[1].split() == ["tokens", "15", "6"]
    assert next(line for line in lines if line.startswith("tokens per word")).split()[-2:] == ["1.182", "1.000"]
    assert next(line for line in lines if line.startswith("Han")).split()[-2:] == ["50.00%", "0.00%"]
    assert lines[-1] == "longest pieces of theirs: the"
    assert all(line == line.rstrip() for line in lines)


def test_no_text_has_no_figures_and_is_no_error() -> None:
    report = report_on(LATIN, [])
    assert (report.tokens_per_word, report.unknown_rate, report.used, report.scripts) == (0.0, 0.0, 0.0, {})


@pytest.mark.parametrize(
    ("character", "script"),
    [("é", "Latin"), ("Я", "Cyrillic"), ("中", "Han"), ("〇", "digits"), ("한", "Hangul"), ("ひ", "Hiragana"),
     ("٣", "digits"), ("—", "punctuation and symbols"), ("ش", "Arabic"), ("\ue000", "punctuation and symbols")],
)  # fmt: skip
def test_scripts_have_their_names(character: str, script: str) -> None:
    assert script_of(character) == script


@given(st.lists(st.text(max_size=9), max_size=60), st.integers(1, 40))
def test_a_sample_is_every_nth_text_and_never_too_much(texts: list[str], limit: int) -> None:
    sample = EvenSample(limit)
    for text in texts:
        sample.add(text)
    assert sample.texts == texts[:: sample.every]
    assert sum(map(len, sample.texts)) <= limit or len(sample.texts) == 1
    assert sample.every == 1 or sum(map(len, texts[:: sample.every // 2])) > limit
