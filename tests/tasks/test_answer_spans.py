"""From logits to answers: by hand, and for any logits as the loops of the original run_squad find them."""

import math
import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bertwright.tasks.answer_spans import BestSpans, Window, best_spans

CONTEXT = "In 1066 Duke William of Normandy won"
LOW = -9.0


def words(context: str) -> tuple[np.ndarray, np.ndarray]:
    """Where each word of a text begins, and where it ends."""
    return np.array([found.span() for found in re.finditer(r"\S+", context)]).T


def window(
    start: dict[int, float],
    end: dict[int, float],
    *,
    context: str = CONTEXT,
    part: slice = slice(None),
    first: int = 3,
    owned: list[int] | None = None,
    null: tuple[float, float] = (LOW, LOW),
) -> Window:
    """A window with `[CLS]` and a question before its part of the context; logits by the number of the part's word."""
    starts, stops = (places[part] for places in words(context))
    logits = np.full((2, first + len(starts) + 1), LOW, dtype=np.float32)
    logits[:, 0] = null
    for side, given_logits in zip(logits, (start, end), strict=True):
        for word, logit in given_logits.items():
            side[first + word] = logit
    owns = np.ones(len(starts), dtype=bool) if owned is None else np.isin(np.arange(len(starts)), owned)
    return Window(logits[0], logits[1], first, starts, stops, owns)


def texts(found: BestSpans, context: str = CONTEXT) -> list[str]:
    return [context[span.start : span.stop] for span in found.spans]


def test_the_best_answers_come_first_with_their_scores_and_places() -> None:
    found = best_spans([window({2: 5.0, 3: 4.0}, {3: 6.0, 5: 3.5})], CONTEXT, n_best=2)
    assert texts(found) == ["Duke William", "William"]
    first, second = found.spans
    assert (first.start, first.stop, first.score) == (8, 20, 11.0)
    assert (first.probability, second.probability) == pytest.approx((1 / (1 + math.exp(-1)), 1 / (1 + math.exp(1))))
    assert (found.null_score, found.null_probability) == (2 * LOW, 0.0)


def test_no_answer_ends_before_it_begins_or_is_too_long() -> None:
    logits = window({4: 9.0, 2: 1.0}, {2: 9.0, 4: 1.0})
    assert texts(best_spans([logits], CONTEXT, n_best=2)) == ["of", "Duke"]
    assert texts(best_spans([logits], CONTEXT, n_best=3))[:3] == ["of", "Duke", "Duke William of"]
    short = texts(best_spans([logits], CONTEXT, n_best=20, max_answer_length=2))
    assert max(len(text.split()) for text in short) == 2
    assert best_spans([window({4: 9.0}, {2: 9.0})], CONTEXT, n_best=1).spans == ()


def test_question_and_cls_are_no_answers_though_they_take_their_places_among_the_best() -> None:
    logits = window({2: 1.0}, {2: 1.0}, null=(8.0, 8.0))
    logits.start_logits[1] = 9.0
    assert texts(best_spans([logits], CONTEXT, n_best=3)) == ["Duke"]
    assert best_spans([logits], CONTEXT, n_best=2).spans == ()
    assert best_spans([logits], CONTEXT, n_best=2, with_null=True) == BestSpans((), 16.0, 1.0)
    assert best_spans([logits], CONTEXT, n_best=2).null_difference == math.inf


def test_an_answer_begins_where_its_window_has_the_most_context() -> None:
    one = window({3: 9.0, 1: 1.0}, {3: 9.0, 1: 1.0}, part=slice(0, 4), owned=[0, 1, 2], null=(1.0, 2.0))
    two = window({1: 5.0}, {1: 6.0, 3: 4.0}, part=slice(2, 7), owned=[1, 2, 3, 4], null=(0.5, 1.0))
    found = best_spans([one, two], CONTEXT, n_best=4)
    # "William" has 18 in the first window, which has less context for it; an answer may well end with it there.
    assert texts(found)[:3] == ["William", "1066 Duke William", "William of Normandy"]
    assert [span.score for span in found.spans[:3]] == [11.0, 10.0, 9.0]
    assert found.null_score == 1.5


def test_the_same_text_comes_once_with_its_best_score() -> None:
    context = "Rome or Rome"
    found = best_spans([window({0: 2.0, 2: 3.0}, {0: 2.0, 2: 3.0}, context=context)], context, max_answer_length=1)
    assert texts(found, context)[0] == "Rome"
    assert texts(found, context).count("Rome") == 1
    assert (found.spans[0].start, found.spans[0].score) == (8, 6.0)


def test_no_answer_is_one_of_the_best_where_there_may_be_none() -> None:
    logits = window({2: 5.0, 3: 4.0}, {3: 6.0}, null=(3.0, 7.5))
    found = best_spans([logits], CONTEXT, n_best=2, with_null=True)
    assert texts(found) == ["Duke William"]  # the second place is that of no answer
    assert found.null_score == 10.5
    assert found.null_difference == -0.5
    assert found.null_probability == pytest.approx(1 / (1 + math.exp(0.5)))
    assert found.spans[0].probability + found.null_probability == pytest.approx(1)
    assert len(best_spans([logits], CONTEXT, n_best=2).spans) == 2
    as_good = window({2: 5.0, 3: 4.0}, {3: 6.0}, null=(3.0, 7.0))
    assert texts(best_spans([as_good], CONTEXT, n_best=2, with_null=True)) == ["Duke William", "William"]


def test_an_empty_context_has_no_answers() -> None:
    nothing = np.array([], dtype=np.int64)
    logits = np.array([1.0, 2.0, 3.0], dtype=np.float32)
    found = best_spans([Window(logits, logits, 2, nothing, nothing, nothing.astype(bool))], "", with_null=True)
    assert found == BestSpans((), 2.0, 1.0)


LOGITS = st.integers(-3, 3).map(float)  # ties are common


@st.composite
def some_windows(draw: st.DrawFn) -> tuple[str, list[Window]]:
    context = " ".join(draw(st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=7)))
    starts, stops = words(context)
    windows = []
    for _ in range(draw(st.integers(1, 3))):
        begin = draw(st.integers(0, len(starts) - 1))
        end = draw(st.integers(begin + 1, len(starts)))
        first = draw(st.integers(1, 3))
        size = first + end - begin + draw(st.integers(0, 2))
        sides = [np.array(draw(st.lists(LOGITS, min_size=size, max_size=size)), dtype=np.float32) for _ in range(2)]
        owns = np.array(draw(st.lists(st.booleans(), min_size=end - begin, max_size=end - begin)))
        windows.append(Window(*sides, first, starts[begin:end], stops[begin:end], owns))
    return context, windows


def by_loops(
    windows: list[Window], context: str, n_best: int, max_answer_length: int, *, with_null: bool
) -> list[tuple[str, float]]:
    """Texts and scores of the n best, "" for no answer, as run_squad goes about it."""
    found: list[tuple[float, str]] = []
    for one in windows:
        top = [sorted(range(len(side)), key=lambda i: -side[i])[:n_best] for side in (one.start_logits, one.end_logits)]
        for start in top[0]:
            for end in top[1]:
                inside = all(one.first <= place < one.first + len(one.starts) for place in (start, end))
                if not inside or not one.has_most_context[start - one.first]:
                    continue
                if end < start or end - start + 1 > max_answer_length:
                    continue
                text = context[one.starts[start - one.first] : one.stops[end - one.first]]
                found.append((float(one.start_logits[start] + one.end_logits[end]), text))
    null = min(float(one.start_logits[0] + one.end_logits[0]) for one in windows)
    if with_null:
        found.append((null, ""))
    best: dict[str, float] = {}
    for score, text in sorted(found, key=lambda pair: -pair[0]):
        if len(best) == n_best:
            break
        best.setdefault(text, score)
    if with_null:
        best.setdefault("", null)
    return list(best.items())


@settings(max_examples=150)
@given(some_windows(), st.integers(1, 6), st.integers(1, 4), st.booleans())
@example(("a", [Window(np.zeros(2), np.zeros(2), 1, np.array([0]), np.array([1]), np.array([True]))]), 2, 1, True)
def test_any_logits_give_what_the_original_loops_give(
    drawn: tuple[str, list[Window]], n_best: int, max_answer_length: int, with_null: bool
) -> None:
    context, windows = drawn
    found = best_spans(windows, context, n_best=n_best, max_answer_length=max_answer_length, with_null=with_null)
    expected = by_loops(windows, context, n_best, max_answer_length, with_null=with_null)
    assert [(context[span.start : span.stop], span.score) for span in found.spans] == [
        (text, score) for text, score in expected if text
    ]
    scores = np.array([score for _, score in expected])
    shares = np.exp(scores) / np.exp(scores).sum() if len(scores) else scores
    by_text = {text: share for (text, _), share in zip(expected, shares, strict=True)}
    for span in found.spans:
        assert span.probability == pytest.approx(by_text[context[span.start : span.stop]])
    assert found.null_probability == pytest.approx(by_text.get("", 0.0))
    assert found.null_score == min(float(one.start_logits[0] + one.end_logits[0]) for one in windows)
