"""Tags ↔ entities: seqeval's reading of any sequence, and schemes that lose nothing."""

from itertools import groupby, pairwise, permutations
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB2, IOBES, IOE2, Token, Tokens

from bertwright.tasks.tag_schemes import (
    Entity,
    Scheme,
    are_plain,
    convert,
    entities,
    impossible,
    may_follow,
    scheme_of,
    tags_of,
)
from bertwright.text.tables.bad_rows import BadRow
from bertwright.text.tables.tagged import open_tagged

SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
EXACT = tuple(scheme for scheme in SCHEMES if scheme != "IO")
LETTERS = {"IO": "I", "IOB1": "BI", "IOB2": "BI", "IOE1": "IE", "IOE2": "IE", "BIOES": "BIES"}
TYPES = ("PER", "LOC", "work-of-art")
# A sentence as a row of spans; those without a type are outside. Entities of one type touch often.
SENTENCES = st.lists(st.tuples(st.sampled_from((None, *TYPES)), st.integers(1, 3)), max_size=8)


def sequences(letters: str) -> st.SearchStrategy[list[str]]:
    """Any tags in these letters, most of them such as no annotator would put side by side."""
    tags = [f"{letter}-{type_}" for letter in letters for type_ in TYPES]
    return st.lists(st.sampled_from(["O", *tags]), max_size=8)


def spelled_out(sentence: list[tuple[str | None, int]]) -> tuple[list[Entity], int]:
    """Entities of a sentence, and its length."""
    found, end = [], 0
    for type_, length in sentence:
        if type_:
            found.append(Entity(type_, end, end + length))
        end += length
    return found, end


# ---- reading


@settings(max_examples=150)
@given(sequences("BIES"))
def test_any_sequence_is_read_as_by_seqeval(tags: list[str]):
    expected = [Entity(type_, start, last + 1) for type_, start, last in get_entities(tags)]
    assert entities(tags, "IOB2") == expected


@pytest.mark.parametrize(("scheme", "theirs"), [("IOB2", IOB2), ("IOE2", IOE2), ("BIOES", IOBES)])
@settings(max_examples=100)
@given(st.data())
def test_strict_entities_are_those_of_seqeval(scheme: Scheme, theirs: type[Token], data: st.DataObject):
    tags = data.draw(sequences(LETTERS[scheme]))
    expected = [Entity(found.tag, found.start, found.end) for found in Tokens(tags, theirs).entities]
    assert entities(tags, scheme, strict=True) == expected


@settings(max_examples=100)
@given(sequences("BILU"))
def test_bilou_is_bioes_in_other_letters(tags: list[str]):
    expected = [Entity(found.tag, found.start, found.end) for found in Tokens(tags, BILOU).entities]
    assert entities(tags, "BIOES", strict=True) == expected


@settings(max_examples=50)
@given(sequences("BIES"))
def test_bmes_and_bmewo_are_bioes_in_other_letters(tags: list[str]):
    for middle, single in (("M", "S"), ("M", "W")):
        spelled = [tag if tag == "O" else tag[0].translate({73: middle, 83: single}) + tag[1:] for tag in tags]
        for strict in (False, True):
            assert entities(spelled, "BIOES", strict) == entities(tags, "BIOES", strict)
        assert impossible(spelled, "BIOES") == impossible(tags, "BIOES")


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["O", "PER", "PER", "LOC"], [Entity("PER", 1, 3), Entity("LOC", 3, 4)]),
        (["art-film", "art-film", "O"], [Entity("art-film", 0, 2)]),
        (["B_ns", "I_ns", "B_ns"], [Entity("ns", 0, 2), Entity("ns", 2, 3)]),
        (["B", "I", "B"], [Entity("_", 0, 2), Entity("_", 2, 3)]),
        ([], []),
    ],
    ids=["types alone", "types alone with a hyphen", "underscores", "letters alone", "nothing"],
)
def test_other_spellings(tags: list[str], expected: list[Entity]):
    assert entities(tags, scheme_of([tags])) == expected


# ---- writing


@pytest.mark.parametrize("scheme", EXACT)
@settings(max_examples=100)
@given(SENTENCES)
def test_entities_come_back_from_their_tags(scheme: Scheme, sentence: list[tuple[str | None, int]]):
    expected, length = spelled_out(sentence)
    tags = tags_of(expected, length, scheme)
    assert len(tags) == length
    assert {tag[0] for tag in tags} <= {"O", *LETTERS[scheme]}
    assert entities(tags, scheme) == entities(tags, scheme, strict=True) == expected


@pytest.mark.parametrize(
    ("tags", "plain"),
    [
        ("DT NN VB", True),
        ("NN M NT-SHORT", True),  # a measure word of the Chinese Treebank is no middle
        ("PER O LOC", False),
        ("B-PER I-PER", False),
        ("B_PER NN", False),
        ("B M E S", False),
        ("", False),
    ],
)
def test_plain_tags_are_told_from_those_of_entities(tags: str, plain: bool):
    assert are_plain(tags.split()) is plain


@settings(max_examples=100)
@given(SENTENCES)
def test_io_joins_entities_of_a_type_that_touch(sentence: list[tuple[str | None, int]]):
    joined = [(type_, sum(length for _, length in spans)) for type_, spans in groupby(sentence, lambda span: span[0])]
    tags = tags_of(*spelled_out(sentence), "IO")
    assert entities(tags, "IO") == entities(tags, "IO", strict=True) == spelled_out(joined)[0]


@pytest.mark.parametrize(("source", "target"), list(permutations(EXACT, 2)))
@settings(max_examples=25)
@given(SENTENCES)
def test_converted_tags_have_the_same_entities(source: Scheme, target: Scheme, sentence: list[tuple[str | None, int]]):
    expected, length = spelled_out(sentence)
    converted = convert(tags_of(expected, length, source), source, target)
    assert converted == tags_of(expected, length, target)


def test_the_schemes_by_hand():
    found = [Entity("A", 0, 1), Entity("A", 1, 3), Entity("B", 3, 6), Entity("A", 7, 8)]
    written = {scheme: " ".join(tags_of(found, 8, scheme)) for scheme in SCHEMES}
    assert written == {
        "IO": "I-A I-A I-A I-B I-B I-B O I-A",
        "IOB1": "I-A B-A I-A I-B I-B I-B O I-A",
        "IOB2": "B-A B-A I-A B-B I-B I-B O B-A",
        "IOE1": "E-A I-A I-A I-B I-B I-B O I-A",
        "IOE2": "E-A I-A E-A I-B I-B E-B O E-A",
        "BIOES": "S-A B-A E-A B-B I-B E-B O S-A",
    }


# ---- what cannot be


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=100)
@given(st.data())
def test_a_sequence_is_possible_if_its_entities_would_be_written_so(scheme: Scheme, data: st.DataObject):
    tags = data.draw(sequences("BIES"))
    as_written = tags_of(entities(tags, scheme), len(tags), scheme)
    assert (impossible(tags, scheme) == []) == (tags == as_written)


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=50)
@given(SENTENCES)
def test_what_is_written_is_possible(scheme: Scheme, sentence: list[tuple[str | None, int]]):
    tags = tags_of(*spelled_out(sentence), scheme)
    assert impossible(tags, scheme) == []
    assert all(may_follow(before, after, scheme) for before, after in pairwise(tags))


@pytest.mark.parametrize(
    ("scheme", "tags", "places"),
    [
        ("IOB2", "O I-A I-A", [1]),
        ("IOB2", "B-A I-B O", [1]),
        ("IOB1", "O B-A", [1]),
        ("IOB1", "I-A B-B", [1]),
        ("IOE2", "I-A I-B E-B", [1]),
        ("IOE1", "I-A E-A O", [2]),
        ("BIOES", "B-A O", [1]),
        ("BIOES", "O B-A", [1]),  # it never ends
        ("BIOES", "S-A I-A E-A", [1]),
        ("BIOES", "B-A", [0]),
        ("BIOES", "I-A", [0]),
        ("IO", "O I-A I-A I-B", []),
    ],
)
def test_places_of_impossible_tags(scheme: Scheme, tags: str, places: list[int]):
    assert impossible(tags.split(), scheme) == places


# ---- which scheme it is


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (["O I-A I-A O"], "IO"),
        (["I-A I-A", "I-A B-A O"], "IOB1"),
        (["B-A O B-B", "B-A I-A O"], "IOB2"),
        (["B-A O B-A"], "IOB2"),
        (["B-A I-A I-A", "B-B O I-B", "B-A I-A"], "IOB2"),  # one slip changes nothing
        (["E-A I-A E-A"], "IOE2"),
        (["E-A I-A O I-A O"], "IOE1"),
        (["B-A I-A E-A O S-B"], "BIOES"),
        (["B-A M-A E-A O"], "BIOES"),
        (["S-A O"], "BIOES"),
        (["B-A L-A O U-A"], "BIOES"),
        (["PER O LOC"], "IO"),
        (["O O"], "IO"),
        ([], "IO"),
    ],
)
def test_the_scheme_is_found_out(tags: list[str], scheme: Scheme):
    assert scheme_of(sentence.split() for sentence in tags) == scheme


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=50)
@given(st.lists(SENTENCES, max_size=4))
def test_the_scheme_that_is_found_writes_the_same_tags(scheme: Scheme, sentences: list[list[tuple[str | None, int]]]):
    written = [tags_of(*spelled_out(sentence), scheme) for sentence in sentences]
    found = scheme_of(written)
    assert [convert(tags, found, found) for tags in written] == written


# ---- real sets, with the figures that their sources state, and the slips that are in them


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "scheme", "counts", "slips"),
    [
        ("conll2003/eng.testa", "IOB1", (3_250, 51_362, 5_942), []),
        ("conll2003/eng.testb", "IOB1", (3_453, 46_435, 5_648), []),
        ("peopledaily_ner/dev.txt", "IOB2", (4_631, 172_601, 2_877 + 1_331 + 1_973 + 11), [29_083] + 10 * [None]),
        ("cner/dev.char.bmes", "BIOES", (463, 13_890, 1_497), []),
        ("cner/test.char.bmes", "BIOES", (477, 15_100, 1_630), []),
    ],
)
def test_real_sets(data_dir: Path, file: str, scheme: Scheme, counts: tuple[int, int, int], slips: list[int | None]):
    rows = list(open_tagged(data_dir / file).rows())
    assert not any(isinstance(row, BadRow) for row in rows)
    tags = [row.tags for row in rows]
    found = [entities(sentence, scheme) for sentence in tags]
    assert (len(tags), sum(map(len, tags)), sum(map(len, found))) == counts
    assert scheme_of(tags) == scheme
    slipped = [row.line + place for row in rows for place in impossible(row.tags, scheme)]
    assert slipped == [line or found for line, found in zip(slips, slipped, strict=True)]
    strict = sum(len(entities(sentence, scheme, strict=True)) for sentence in tags)
    assert counts[2] - strict == len(slips)
