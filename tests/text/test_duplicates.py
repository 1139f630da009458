"""Documents that came before: the first one stays, likeness is judged as the formula says, memory is small."""

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertwright.text.corpus import duplicates
from bertwright.text.corpus.document import Document
from bertwright.text.corpus.duplicates import Deduplicate, Seen, near_keys, near_keys_of_each, without_duplicates


def document(*lines: str) -> Document:
    return Document("d", lines, True)


def kept(documents: list[Document], kind: Deduplicate) -> tuple[list[int], Counter[str]]:
    """Places of the documents that stay, and the counts."""
    dropped = Counter[str]()
    stay = list(map(id, without_duplicates(documents, kind, dropped)))
    return [place for place, each in enumerate(documents) if id(each) in stay], dropped


ALIKE = [
    document("The cat sat.", "It ran off."),
    document("the  CAT sat.", "\tit ran off. "),
    document("the cat sat. it", "ran off."),
    document("the cat sat", "it ran off"),
    document("The cat sat.", "It ran off."),
]


def test_none_are_dropped_unless_asked_for():
    assert kept(ALIKE, "none") == ([0, 1, 2, 3, 4], Counter())


def test_exact_looks_past_case_and_white_space():
    assert kept(ALIKE, "exact") == ([0, 3], Counter({"exact duplicate": 3}))


def test_near_looks_past_punctuation_as_well():
    assert kept(ALIKE, "near") == ([0], Counter({"near duplicate": 4}))


@pytest.mark.parametrize("kind", ["exact", "near"])
def test_other_documents_stay(kind: Deduplicate):
    texts = ["the cat", "the cat sat", "the cat sat on", "", "漢字文", "漢字文学", "cat the", "the catsat", "."]
    found, _ = kept([document(text) for text in texts], kind)
    assert [texts[place] for place in found if texts[place] not in ("", ".")] == [
        t for t in texts if t not in ("", ".")
    ]


def test_chinese_text_is_compared_by_characters():
    draw = random.Random(1)
    signs = [chr(0x4E00 + draw.randrange(3_000)) for _ in range(600)]
    other = [*signs[:300], "一", *signs[300:]]
    assert kept([document("".join(signs)), document("".join(other))], "near")[0] == [0]
    draw.shuffle(signs)
    assert kept([document("".join(other)), document("".join(signs))], "near")[0] == [0, 1]


def likeness(one: list[str], other: list[str]) -> float:
    first, second = ({tuple(words[k : k + 5]) for k in range(len(words) - 4)} for words in (one, other))
    return len(first & second) / len(first | second)


@pytest.mark.parametrize(("changes", "low", "high"), [(1, 0.9, 1.0), (4, 0.8, 0.93), (15, 0.5, 0.68)])
def test_pairs_are_found_as_often_as_the_formula_says(changes: int, low: float, high: float):
    draw = random.Random(2)
    found, expected = 0, 0.0
    for _ in range(300):
        words = [str(draw.randrange(9_999)) for _ in range(250)]
        other = list(words)
        for place in draw.sample(range(5, 245), changes):
            other[place] = "changed"
        alike = likeness(words, other)
        assert low <= alike <= high
        expected += 1 - (1 - alike**duplicates.ROWS) ** duplicates.BANDS
        found += bool(np.intersect1d(near_keys(document(" ".join(words))), near_keys(document(" ".join(other)))).size)
    assert found == pytest.approx(expected, abs=4 * (300 * 0.25) ** 0.5 / 2)


def test_the_same_keys_on_every_machine_and_in_every_release():
    keys = near_keys(document("the cat sat on the mat and the dog ran off"))
    assert keys.tolist()[:2] == [185073548639753010, 6556650366429930004]
    assert len(set(keys.tolist())) == duplicates.BANDS


def test_long_documents_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch):
    long = document(" ".join(str(number % 997 * number) for number in range(3_000)))
    whole = near_keys(long)
    monkeypatch.setattr(duplicates, "_SHINGLES_AT_ONCE", 77)
    assert near_keys(long).tolist() == whole.tolist()


@given(st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=3)))
def test_seen_is_a_set(batches: list[list[int]]):
    few = duplicates._FEW
    duplicates._FEW = 4
    try:
        seen, expected = Seen(), set[int]()
        for batch in batches:
            keys = [number * (2**58 + 1) for number in batch]
            assert seen.any_or_add(np.array(keys, np.uint64)) == bool(expected.intersection(keys))
            expected |= set(keys) if not expected.intersection(keys) else set()
    finally:
        duplicates._FEW = few


def test_seen_takes_eight_bytes_a_key():
    seen = Seen()
    for number in range(200):
        seen.any_or_add(np.arange(number * 1_000, (number + 1) * 1_000, dtype=np.uint64))
    assert len(seen._sorted) + len(seen._recent) == 200_000
    assert len(seen._recent) <= duplicates._FEW + 200_000 // 16


@pytest.mark.parametrize("width", [1, 5])
def test_many_short_documents_at_once_have_the_same_keys(width: int) -> None:
    draw = random.Random(3)
    lengths = [draw.randint(1, 40) for _ in range(300)]
    documents = [document(" ".join(f"w{draw.randint(0, 99)}" for _ in range(length))) for length in lengths]
    documents.insert(7, document("... !"))
    found = list(near_keys_of_each(documents, width))
    assert found.pop(7).tolist() == [], "without words there is nothing to be like"
    del documents[7]
    assert [keys.tolist() for keys in found] == [near_keys(each, width).tolist() for each in documents]
