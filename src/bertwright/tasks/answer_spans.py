"""Start and end logits of a question's windows → its best answers, as places in the context.

The rules are those of the original BERT's run_squad, but for one: an answer is cut from the context by characters
rather than put together from pieces. Knows nothing of models; numpy only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Window:
    """What a model says of one window: a part of the context, in which L tokens of it stand, among S in all."""

    start_logits: NDArray[np.floating]
    """[S]; place 0 is `[CLS]`, which stands for no answer."""
    end_logits: NDArray[np.floating]
    """[S]"""
    first: int
    """The place of the first token of the context."""
    starts: NDArray[np.integer]
    """[L]: the first character, in the context, of each of its tokens."""
    stops: NDArray[np.integer]
    """[L]: the character behind each."""
    has_most_context: NDArray[np.bool_]
    """[L]: whether no other window has more context around the token; only such a token can begin an answer."""


@dataclass(frozen=True, slots=True)
class Span:
    """A possible answer: `context[start:stop]`."""

    start: int
    stop: int
    score: float
    """Start logit + end logit."""
    probability: float
    """Its share in the softmax of the scores of all possible answers that are kept."""


@dataclass(frozen=True, slots=True)
class BestSpans:
    """The possible answers to a question, the best one first; there may be none at all."""

    spans: tuple[Span, ...]
    null_score: float
    """Start logit + end logit of `[CLS]`, in the window where it is lowest."""
    null_probability: float
    """Its share in that softmax; 0 if it does not take part."""

    @property
    def null_difference(self) -> float:
        """How far the score of no answer is above that of the best answer: what run_squad sets its threshold for."""
        return self.null_score - self.spans[0].score if self.spans else float("inf")


def best_spans(
    windows: Sequence[Window],
    context: str,
    *,
    n_best: int = 20,
    max_answer_length: int = 30,
    with_null: bool = False,
) -> BestSpans:
    """Return the best answers to a question.

    Args:
        windows: The windows of its context; at least one.
        context: The context.
        n_best: How many starts and ends of each window are looked at, and how many answers are kept.
        max_answer_length: The tokens of the longest answer.
        with_null: Whether the question may have no answer; if so, that is one of the `n_best`, too.
    """
    found = [_candidates(window, n_best, max_answer_length) for window in windows]
    starts, stops, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
    null_score = min(float(window.start_logits[0]) + float(window.end_logits[0]) for window in windows)

    best: dict[str, int] = {}
    for place in np.argsort(-scores, kind="stable").tolist():
        best.setdefault(context[starts[place] : stops[place]], place)
        if len(best) == n_best:
            break
    kept = list(best.values())
    if with_null and len(kept) == n_best and null_score > scores[kept[-1]]:
        kept.pop()

    *shares, null_share = _softmax([*scores[kept], null_score if with_null else -np.inf])
    spans = [
        Span(int(starts[place]), int(stops[place]), float(scores[place]), share)
        for place, share in zip(kept, shares, strict=True)
    ]
    return BestSpans(tuple(spans), null_score, null_share)


def _candidates(window: Window, n_best: int, max_answer_length: int) -> tuple[NDArray[Any], ...]:
    """First character, character behind and score of every span of a window that may be an answer: [K] each."""
    starts, ends = _highest(window.start_logits, window, n_best), _highest(window.end_logits, window, n_best)
    starts = starts[window.has_most_context[starts]]
    tokens = ends[None, :] - starts[:, None] + 1
    of_start, of_end = np.nonzero((tokens >= 1) & (tokens <= max_answer_length))
    starts, ends = starts[of_start], ends[of_end]
    scores = window.start_logits[window.first + starts].astype(np.float64) + window.end_logits[window.first + ends]
    return window.starts[starts], window.stops[ends], scores


def _highest(logits: NDArray[np.floating], window: Window, n_best: int) -> NDArray[np.int64]:
    """Which tokens of the context are among the `n_best` of the whole window; the earlier of two equal ones first."""
    tokens = np.argsort(-logits, kind="stable")[:n_best] - window.first
    return tokens[(tokens >= 0) & (tokens < len(window.starts))]


def _softmax(scores: Sequence[float]) -> list[float]:
    """Probabilities of scores, of which minus infinity has none."""
    highest = max(scores)
    if highest == -np.inf:
        return [0.0] * len(scores)
    exponentials = np.exp(np.array(scores) - highest)
    shares: list[float] = (exponentials / exponentials.sum()).tolist()
    return shares
