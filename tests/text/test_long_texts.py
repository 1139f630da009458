"""Long texts: windows lose no token and double none but in their overlap; heads and tails are those of the text."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertwright.errors import UsageError
from bertwright.text.long_texts import head_and_tail, in_windows
from bertwright.text.wordpiece import Encoded, WordPiece

WORDS = [f"w{place}" for place in range(60)]
TOKENIZER = WordPiece.from_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])
LENGTHS = st.lists(st.integers(0, 60), min_size=1, max_size=5)


def texts(lengths: list[int]) -> list[str]:
    """Texts of which every word says its place."""
    return [" ".join(WORDS[:length]) for length in lengths]


def sequences(encoded: Encoded) -> list[list[str]]:
    """The tokens of each sequence."""
    ends = encoded.cu_seqlens.tolist()
    return [TOKENIZER.decode(encoded.ids[start:stop]) for start, stop in pairwise(ends)]


@given(LENGTHS, st.integers(3, 14), st.none() | st.integers(1, 14))
def test_windows_lose_and_double_no_token_beyond_the_stride(lengths: list[int], max_length: int, stride: int | None):
    encoded, counts = in_windows(TOKENIZER, texts(lengths), max_length=max_length, stride=stride)
    found = iter(sequences(encoded))
    step = min(stride or max(max_length - 2 - (max_length - 2) // 4, 1), max_length - 2)
    assert len(encoded) == counts.sum()
    assert encoded.full_lengths.tolist() == np.repeat(np.array(lengths) + 2, counts).tolist()
    for length, count in zip(lengths, counts.tolist(), strict=True):
        windows = [next(found) for _ in range(count)]
        assert all(window[0] == "[CLS]" and window[-1] == "[SEP]" for window in windows)
        inner = [window[1:-1] for window in windows]
        read = [word for window in inner[:-1] for word in window[:step]] + inner[-1]
        assert read == WORDS[:length]  # each window anew by one stride, and the last one whole
        assert all(len(window) == max_length - 2 for window in inner[:-1])
        assert len(inner[-1]) <= max_length - 2
        assert count == 1 or length > max_length - 2


@given(LENGTHS, st.integers(3, 20))
def test_head_and_tail_are_a_quarter_and_three(lengths: list[int], max_length: int):
    encoded = head_and_tail(TOKENIZER, texts(lengths), None, max_length=max_length)
    room = max_length - 2
    for length, found in zip(lengths, sequences(encoded), strict=True):
        words = WORDS[:length]
        wanted = words if length <= room else [*words[: room // 4], *words[length - (room - room // 4) :]]
        assert found == ["[CLS]", *wanted, "[SEP]"]
    assert encoded.full_lengths.tolist() == [length + 2 for length in lengths]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=4), st.integers(5, 40))
def test_pairs_lose_the_middle_of_the_longer_text_first(lengths: list[tuple[int, int]], max_length: int):
    """As many tokens of each stay as without tails; what fits is the same to the last bit."""
    firsts, seconds = (texts(list(side)) for side in zip(*lengths, strict=True))
    plain = TOKENIZER.encode(firsts, seconds, max_length=max_length)
    ends = head_and_tail(TOKENIZER, firsts, seconds, max_length=max_length)
    for name in ("segments", "full_lengths", "cu_seqlens"):
        assert np.array_equal(getattr(plain, name), getattr(ends, name)), name
    for (first, second), ours, theirs in zip(lengths, sequences(ends), sequences(plain), strict=True):
        if first + second + 3 <= max_length:
            assert ours == theirs
        else:
            cut = ours[1 : ours.index("[SEP]")] if first >= second else ours[ours.index("[SEP]") + 1 : -1]
            assert cut[-1] == WORDS[max(first, second) - 1]


def test_no_room():
    with pytest.raises(UsageError, match=r"^max_length 2 leaves no room for text: give 3 or more$"):
        in_windows(TOKENIZER, ["a"], max_length=2)
