"""Flat batches: the texts asked for, in the order asked for, and their boundaries."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

import tiny
from bertwright.batches.batch import collate

LENGTHS = (4, 1, 7, 2)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=9))
def test_a_batch_is_its_texts_end_to_end(rows: list[int]):
    """Any rows, in any order, twice as well."""
    texts = tiny.encoded(LENGTHS)
    tokens = collate(texts, np.array(rows))
    found = zip(*(flat.split(tokens.cu_seqlens.diff().tolist()) for flat in (tokens.ids, tokens.segments)), strict=True)
    for row, (ids, segments) in zip(rows, found, strict=True):
        place = slice(*texts.cu_seqlens[row : row + 2])
        assert ids.tolist() == texts.ids[place].tolist()
        assert segments.tolist() == texts.segments[place].tolist()
    assert tokens.positions.tolist() == [place for row in rows for place in range(LENGTHS[row])]
    assert tokens.max_seqlen == max(LENGTHS[row] for row in rows)
    assert tokens.cu_seqlens.dtype == torch.int32  # as the CUDA kernel wants it
    assert {tokens.ids.dtype, tokens.segments.dtype, tokens.positions.dtype} == {torch.int64}


def test_a_batch_does_not_share_memory_with_the_data():
    texts = tiny.encoded(LENGTHS)
    tokens = collate(texts, np.array([0, 1, 2, 3]))
    before = tokens.ids.clone()
    texts.ids[:] = 0
    assert torch.equal(tokens.ids, before)
