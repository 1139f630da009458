"""Texts to ids: layout, truncation and its counts, special tokens that were typed, training, saving."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertwright.errors import DataError, UsageError
from bertwright.text import wordpiece
from bertwright.text.vocabulary import SPECIAL_TOKENS
from bertwright.text.wordpiece import Encoded, WordPiece

LETTERS = "abcdefghijklmnopqrstuvwxyz"
TOKENS = [
    *SPECIAL_TOKENS.values(),
    *"[]!,.中国é",
    *LETTERS,
    *(f"##{letter}" for letter in LETTERS),
    *("the", "film", "un", "##affable"),
]
TOKENIZER = WordPiece.from_tokens(TOKENS)
TEXT = st.text(st.sampled_from("abc é中 [SEP].,\u0301\x00🙂"), max_size=30)


def rows(encoded: Encoded) -> list[list[int]]:
    return [encoded.ids[start:end].tolist() for start, end in pairwise(encoded.cu_seqlens)]


def tokens(encoded: Encoded) -> list[str]:
    return [" ".join(TOKENIZER.decode(row)) for row in rows(encoded)]


def test_a_text_stands_between_cls_and_sep():
    encoded = TOKENIZER.encode(["The unaffable film!", "", "Café 中国"], max_length=20)
    assert tokens(encoded) == [
        "[CLS] the un ##affable film ! [SEP]",
        "[CLS] [SEP]",
        "[CLS] c ##a ##f ##e 中 国 [SEP]",
    ]
    assert encoded.segments.tolist() == [0] * 17
    assert encoded.lengths.tolist() == encoded.full_lengths.tolist() == [7, 2, 8]
    assert not encoded.truncated.any()


def test_a_pair_has_its_second_text_and_last_sep_in_segment_one():
    encoded = TOKENIZER.encode(["the film", ""], ["a b c", "x"], max_length=20)
    assert tokens(encoded) == ["[CLS] the film [SEP] a b c [SEP]", "[CLS] [SEP] x [SEP]"]
    assert encoded.segments.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1]
    assert len(encoded) == 2


def test_types_are_those_a_batch_is_built_from():
    encoded = TOKENIZER.encode(["a", "b"], max_length=8)
    types = (encoded.ids.dtype, encoded.segments.dtype, encoded.full_lengths.dtype, encoded.cu_seqlens.dtype)
    assert types == (np.int32, np.uint8, np.int32, np.int64)
    assert encoded.lengths.dtype == np.int64
    assert encoded.truncated.dtype == np.bool_


def test_no_texts_are_an_encoding_of_none():
    for encoded in (TOKENIZER.encode([], max_length=8), TOKENIZER.encode([], [], max_length=8)):
        assert len(encoded) == len(encoded.ids) == len(encoded.lengths) == 0


def test_any_sequence_of_strings_will_do():
    listed = TOKENIZER.encode(["a", "b c"], max_length=8)
    for texts in (("a", "b c"), np.array(["a", "b c"])):
        np.testing.assert_array_equal(TOKENIZER.encode(texts, max_length=8).ids, listed.ids)


def test_a_word_over_the_limit_is_unknown():
    encoded = TOKENIZER.encode(["a" * wordpiece.LONGEST_WORD, "a" * (wordpiece.LONGEST_WORD + 1)], max_length=200)
    assert encoded.lengths.tolist() == [102, 3]
    assert encoded.ids[-2] == TOKENIZER.unk_id


@pytest.mark.parametrize("special", SPECIAL_TOKENS.values())
@pytest.mark.parametrize("around", ["{}", "a{}b", " {} ", "{}{}", "the {} film"])
def test_a_special_token_that_was_typed_is_plain_text(special: str, around: str, tmp_path: Path):
    """The vocabulary spells every special token, so that not even an unknown word comes of it."""
    TOKENIZER.save(tmp_path)
    for tokenizer in (TOKENIZER, WordPiece.from_folder(tmp_path)):
        typed = tokenizer.encode([around.format(special, special)], max_length=64)
        assert typed.ids[0] == tokenizer.cls_id
        assert typed.ids[-1] == tokenizer.sep_id
        assert min(typed.ids[1:-1]) >= len(SPECIAL_TOKENS)


def test_lowercase_accents_and_chinese_characters_are_settings():
    words = [*SPECIAL_TOKENS.values(), "cafe", "café", "Café", "Cafe", "中", "国", "中国"]

    def read(**settings: bool) -> list[str]:
        tokenizer = WordPiece.from_tokens(words, **settings)
        return tokenizer.decode(tokenizer.encode(["Café 中国"], max_length=8).ids)[1:-1]

    assert read() == ["cafe", "中", "国"]
    assert read(strip_accents=False) == ["café", "中", "国"]
    assert read(lowercase=False) == ["Café", "中", "国"]
    assert read(lowercase=False, strip_accents=True) == ["Cafe", "中", "国"]
    assert read(chinese_characters=False) == ["cafe", "中国"]


# --- truncation


def cut_one_by_one(first: int, second: int, room: int) -> tuple[int, int]:
    """Take tokens off the longer text until the pair fits; equally long ones in turn."""
    first_was_longer = first > second
    while first + second > room:
        if first > second or (first == second and not first_was_longer):
            first -= 1
        else:
            second -= 1
    return first, second


@given(st.integers(0, 30), st.integers(0, 30), st.integers(5, 70))
def test_the_longer_text_of_a_pair_is_cut_first(first: int, second: int, max_length: int):
    encoded = TOKENIZER.encode(["a " * first], ["b " * second], max_length=max_length)
    first_kept, second_kept = cut_one_by_one(first, second, max_length - 3)
    assert tokens(encoded) == [" ".join(["[CLS]", *"a" * first_kept, "[SEP]", *"b" * second_kept, "[SEP]"])]
    assert encoded.segments.tolist() == [0] * (first_kept + 2) + [1] * (second_kept + 1)
    assert encoded.full_lengths.tolist() == [first + second + 3]
    assert encoded.truncated.tolist() == [first + second + 3 > max_length]


@given(st.lists(st.integers(0, 12), max_size=9), st.integers(3, 14))
def test_what_is_cut_is_counted(sizes: list[int], max_length: int):
    encoded = TOKENIZER.encode(["a " * size for size in sizes], max_length=max_length)
    assert encoded.full_lengths.tolist() == [size + 2 for size in sizes]
    assert encoded.lengths.tolist() == [min(size + 2, max_length) for size in sizes]
    assert encoded.truncated.sum() == sum(size + 2 > max_length for size in sizes)
    assert all(row[-1] == TOKENIZER.sep_id for row in rows(encoded))


def test_a_length_without_room_for_text_is_refused():
    assert tokens(TOKENIZER.encode(["a b"], max_length=3)) == ["[CLS] a [SEP]"]
    assert tokens(TOKENIZER.encode(["a b"], ["c d"], max_length=5)) == ["[CLS] a [SEP] c [SEP]"]
    with pytest.raises(UsageError, match=r"^max_length 2 leaves no room for text: give 3 or more$"):
        TOKENIZER.encode(["a"], max_length=2)
    with pytest.raises(UsageError, match=r"^max_length 4 leaves no room for text: give 5 or more$"):
        TOKENIZER.encode(["a"], ["b"], max_length=4)


# --- neighbours


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6), st.integers(5, 20))
def test_neighbours_never_matter(rows_of_text: list[tuple[str, str]], max_length: int):
    texts, pairs = map(list, zip(*rows_of_text, strict=True))
    for seconds in (None, pairs):
        together = TOKENIZER.encode(texts, seconds, max_length=max_length)
        alone = [
            TOKENIZER.encode([text], seconds and [pairs[row]], max_length=max_length) for row, text in enumerate(texts)
        ]
        joined = Encoded.concatenate(alone)
        for field in ("ids", "segments", "full_lengths", "cu_seqlens"):
            np.testing.assert_array_equal(getattr(together, field), getattr(joined, field))
            assert getattr(together, field).dtype == getattr(joined, field).dtype


def test_texts_past_the_first_chunk_are_encoded_alike():
    texts = [LETTERS[place % 26] * (place % 7) for place in range(2 * wordpiece.TEXTS_AT_ONCE + 5)]
    encoded = TOKENIZER.encode(texts, max_length=6)
    assert encoded.full_lengths.tolist() == [len(text) + 2 for text in texts]
    expected = [["[CLS]", *text[:1], *(f"##{letter}" for letter in text[1:4]), "[SEP]"] for text in texts]
    assert tokens(encoded) == [" ".join(row) for row in expected]


# --- what cannot be encoded


def test_a_text_that_is_no_text_is_named():
    surrogate = (
        r"^pair 1 \(counted from 0\) is not valid Unicode: its character 2 is half of a surrogate pair; "
        "read the file it came from as UTF-8$"
    )
    with pytest.raises(DataError, match=surrogate):
        TOKENIZER.encode(["a", "b"], ["c", "de\ud800"], max_length=8)
    with pytest.raises(DataError, match=r"^text 2 \(counted from 0\) is no string but float$"):
        TOKENIZER.encode(["a", "b", float("nan")], max_length=8)
    with pytest.raises(DataError, match=r"^text 0 \(counted from 0\) is no string but tuple$"):
        TOKENIZER.encode([("a", "b")], max_length=8)  # the engine would take it for a pair
    with pytest.raises(UsageError, match=r"^a list of texts is needed, not a single string$"):
        TOKENIZER.encode("the film", max_length=8)
    with pytest.raises(DataError, match=r"^'de\\ud800' is not valid Unicode: read the file it came from as UTF-8$"):
        TOKENIZER.tokenize(["a", "b de\ud800"])


def test_each_text_needs_its_pair():
    with pytest.raises(UsageError, match=r"^2 texts came with 1 pairs: each text needs one$"):
        TOKENIZER.encode(["a", "b"], ["c"], max_length=8)


# --- the vocabulary


def test_special_ids_are_where_the_vocabulary_has_them():
    tokenizer = WordPiece.from_tokens(["x", "[MASK]", "[SEP]", "y", "[CLS]", "[UNK]", "[PAD]"])
    ids = (tokenizer.pad_id, tokenizer.unk_id, tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id)
    assert ids == (6, 5, 4, 2, 1)
    assert tokenizer.vocab_size == 7
    assert tokenizer.encode(["x z"], max_length=8).ids.tolist() == [4, 0, 5, 2]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ([*TOKENS, ""], f"token {len(TOKENS)} is empty: remove it, for a vocabulary ends with a token"),
        ([*TOKENS, "[CLS]"], f"token {len(TOKENS)} repeats the token '[CLS]' of token 2: a token has one id"),
        ([*TOKENS, "x" * 1_001], f"token {len(TOKENS)} has 1,001 characters: a token has 1,000 at most"),
        ([*TOKENS, "x\ry"], f"token {len(TOKENS)} is 'x\\ry': a token holds no line end"),
        (
            ["[PAD]", "[CLS]", "[SEP]", "a"],
            "the vocabulary lacks [UNK] [MASK], which a BERT vocabulary has: add what is missing",
        ),
    ],
)
def test_a_broken_vocabulary_is_refused(broken: list[str], message: str):
    with pytest.raises(UsageError) as caught:
        WordPiece.from_tokens(broken)
    assert str(caught.value) == message


def test_the_fingerprint_is_of_what_decides_ids():
    base = WordPiece.from_tokens(TOKENS)
    assert len(base.fingerprint) == 64
    assert WordPiece.from_tokens(TOKENS, strip_accents=True, max_length=99).fingerprint == base.fingerprint
    others = [
        WordPiece.from_tokens([*TOKENS, "new"]),
        WordPiece.from_tokens([*TOKENS[:-2], TOKENS[-1], TOKENS[-2]]),
        WordPiece.from_tokens(TOKENS, lowercase=False),
        WordPiece.from_tokens(TOKENS, strip_accents=False),
        WordPiece.from_tokens(TOKENS, chinese_characters=False),
    ]
    assert len({other.fingerprint for other in [base, *others]}) == 6


# --- training

CORPUS = [f"The {word}s {word}ed, un{word}able {word}ing! Café 中国 {word.upper()}" for word in
          ("play", "walk", "read", "talk", "work", "help", "turn", "cook", "paint", "sail")]  # fmt: skip


def test_training_learns_words_and_pieces():
    tokenizer = WordPiece.train(CORPUS, size=120)
    assert tokenizer.tokens[:5] == tuple(SPECIAL_TOKENS.values())
    assert tokenizer.vocab_size <= 120
    assert {"the", "cafe", "play", "##able", "中"} <= set(tokenizer.tokens)
    assert "中国" not in tokenizer.tokens
    assert tokenizer.unk_id not in tokenizer.encode(CORPUS, max_length=99).ids
    assert WordPiece.from_tokens(tokenizer.tokens).fingerprint == tokenizer.fingerprint


def test_training_keeps_to_its_settings():
    cased = WordPiece.train(CORPUS, size=150, lowercase=False, chinese_characters=False, max_length=64)
    assert {"The", "Café", "中国"} <= set(cased.tokens)
    assert (cased.lowercase, cased.strip_accents, cased.chinese_characters, cased.max_length) == (
        False,
        None,
        False,
        64,
    )


def test_training_again_gives_the_same_vocabulary_and_says_nothing(capfd: pytest.CaptureFixture[str]):
    """In another process too: hash tables are seeded anew in each."""
    program = f"from bertwright.text.wordpiece import WordPiece; print(WordPiece.train({CORPUS!r}, size=120).tokens)"
    elsewhere = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    first = WordPiece.train(iter(CORPUS), size=120)
    assert all(WordPiece.train(CORPUS, size=120).tokens == first.tokens for _ in range(3))
    assert elsewhere.stdout == f"{first.tokens}\n"
    assert capfd.readouterr() == ("", "")


def test_training_forgets_what_could_never_match():
    tokenizer = WordPiece.train(["x" * 300] * 3, size=60)
    assert 64 <= max(map(len, tokenizer.tokens)) <= wordpiece.LONGEST_WORD + 2


def test_training_names_what_it_cannot_use():
    """Of "ab": the five special tokens, a, b and ##b."""
    assert WordPiece.train(["ab"], size=8).tokens[5:] == ("##b", "a", "b")
    with pytest.raises(UsageError) as caught:
        WordPiece.train(["ab"], size=7)
    assert str(caught.value) == "a vocabulary of 7 cannot hold the texts' characters: ask for more than 8"
    with pytest.raises(DataError, match=r"^text 1 \(counted from 0\) is not valid Unicode"):
        WordPiece.train(["a", "\udfff"], size=99)


# --- saving


@pytest.mark.parametrize(("lowercase", "strip_accents", "chinese"), [(True, None, True), (False, True, False)])
def test_a_saved_tokenizer_comes_back(lowercase: bool, strip_accents: bool | None, chinese: bool, tmp_path: Path):
    words = [*TOKENS, "\u2028", "##\u2028", "\xa0"]  # line ends for Unicode and for str.splitlines, not for us
    saved = WordPiece.from_tokens(
        words, lowercase=lowercase, strip_accents=strip_accents, chinese_characters=chinese, max_length=77
    )
    saved.save(tmp_path)
    for gone in (None, "tokenizer.json", "special_tokens_map.json"):
        if gone:
            (tmp_path / gone).unlink()
        loaded = WordPiece.from_folder(tmp_path)
        for attribute in ("tokens", "lowercase", "strip_accents", "chinese_characters", "max_length", "fingerprint"):
            assert getattr(loaded, attribute) == getattr(saved, attribute)


def test_the_saved_files_are_the_hugging_face_layout(tmp_path: Path):
    TOKENIZER.save(tmp_path)
    assert (tmp_path / "vocab.txt").read_text("utf-8").split("\n") == [*TOKENS, ""]
    assert json.loads((tmp_path / "special_tokens_map.json").read_text()) == SPECIAL_TOKENS
    assert json.loads((tmp_path / "tokenizer_config.json").read_text()) == {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": True,
        "strip_accents": None,
        "tokenize_chinese_chars": True,
        "model_max_length": 512,
        **SPECIAL_TOKENS,
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
