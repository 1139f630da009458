"""Windows: no token is lost or doubled, and each is owned where it has the most context."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bertwright.text.windows import cut_windows

TEXTS = st.lists(st.integers(0, 60), min_size=1, max_size=6)


@given(TEXTS, st.integers(1, 12), st.integers(1, 15))
def test_every_token_is_owned_once(lengths: list[int], room: int, stride: int):
    """In order: the owned ranges of a text's windows are the text."""
    windows = cut_windows(np.array(lengths), room, stride)
    for text, length in enumerate(lengths):
        mine = windows.text == text
        owned = [range(*edges) for edges in zip(windows.owned_start[mine], windows.owned_stop[mine], strict=True)]
        assert [place for part in owned for place in part] == list(range(length))
        assert mine.sum() >= 1
        assert windows.stop[mine].max() == length
    assert windows.text.tolist() == sorted(windows.text)
    assert (windows.lengths <= room).all()
    assert (windows.start <= windows.owned_start).all()
    assert (windows.owned_stop <= windows.stop).all()


@given(st.integers(1, 60), st.integers(2, 12), st.data())
def test_the_owner_has_the_most_context(length: int, room: int, data: st.DataObject):
    stride = data.draw(st.integers(1, room))
    windows = cut_windows(np.array([length]), room, stride)
    for place in range(length):
        context = np.minimum(place - windows.start, windows.stop - 1 - place)
        owner = np.flatnonzero((windows.owned_start <= place) & (place < windows.owned_stop)).item()
        inner = (windows.start > 0) & (windows.stop < length)  # at the edge of a text there is no more context to have
        if inner.all():
            assert context[owner] == context.max()
        assert context[owner] >= 0


def test_windows_begin_a_stride_apart():
    windows = cut_windows(np.array([10, 4]), np.array([4, 4]), 3)
    assert windows.text.tolist() == [0, 0, 0, 1]
    assert windows.start.tolist() == [0, 3, 6, 0]
    assert windows.stop.tolist() == [4, 7, 10, 4]
    assert windows.owned_start.tolist() == [0, 4, 7, 0]
    assert windows.owned_stop.tolist() == [4, 7, 10, 4]
