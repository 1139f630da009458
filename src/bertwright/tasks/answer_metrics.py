"""Figures of answers to questions: those of the official scripts of SQuAD 1.1, SQuAD 2.0 and CMRC 2018.

Two texts are compared after normalisation, and the best of a question's right answers counts. The one thing that is
not the official scripts' own: a question without a prediction counts 0 in SQuAD 2.0, too, where they leave it out
of the mean. Knows nothing of contexts or models.
"""

import math
import re
import string
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

from bertwright.tasks.row_counts import Column, Columns, Weights, summed
from bertwright.tasks.suspicions import Suspicion

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_NO_CHINESE_PUNCTUATION = str.maketrans("", "", "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
# A Chinese character, a word (3.5, 1,000 and u.s are one) or any other sign. The official script leaves what is not
# Chinese to NLTK, which also parts such as "don't" differently.
_CHINESE = r"\u4e00-\u9fa5"
_LETTERS = rf"[^\W{_CHINESE}]+"
_CHINESE_TOKEN = re.compile(rf"[{_CHINESE}]|{_LETTERS}(?:\.{_LETTERS}|,[0-9]+)*|[^\w\s]")


def normalize_answer(text: str, *, chinese: bool = False) -> str:
    """Return what of an answer is compared: lower case, no punctuation, no articles, single blanks.

    Args:
        text: The answer.
        chinese: Whether the rules of CMRC 2018 hold instead: lower case, and none of its punctuation marks.
    """
    if chinese:
        return text.lower().strip().translate(_NO_CHINESE_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def exact_match(prediction: str, golds: Sequence[str], *, chinese: bool = False) -> float:
    """Return 1 if the prediction equals one of the right answers once both are normalised; `golds` as in `f1`."""
    predicted = normalize_answer(prediction, chinese=chinese)
    return float(any(predicted == normalize_answer(gold, chinese=chinese) for gold in golds or [""]))


def f1(prediction: str, golds: Sequence[str], *, chinese: bool = False) -> float:
    """Return the best F1 of the prediction's tokens with those of a right answer.

    Args:
        prediction: The predicted answer; an empty one says that there is none.
        golds: The right answers; without any, saying that there is none is right.
        chinese: Whether the rules of CMRC 2018 hold: Chinese characters and words for tokens, and the longest run
            that both have in common instead of all that they have in common.
    """
    predicted = _tokens(prediction, chinese=chinese)
    if not golds:
        return float(not predicted)
    common = _longest_run if chinese else _common
    return max(_f1(predicted, gold, common(predicted, gold)) for gold in (_tokens(g, chinese=chinese) for g in golds))


class AnswerScores(Columns):
    """Scores of questions, gathered one by one.

    Attributes:
        exact_matches: Exact match of each question with its best answer, threshold not applied.
        f1s: F1 likewise.
    """

    def __init__(self, *, with_no_answer: bool = False, chinese: bool = False) -> None:
        """Start with no question.

        Args:
            with_no_answer: Whether the rules of SQuAD 2.0 hold, where questions may have no answer.
            chinese: Whether the rules of CMRC 2018 hold.
        """
        self._with_no_answer = with_no_answer
        self._chinese = chinese
        self.exact_matches, self.f1s = Column(), Column()
        self._has_answer, self._says_something = Column(dtype=np.bool_), Column(dtype=np.bool_)
        self._no_answer = Column()  # NaN where it is not known

    def add(self, gold: Sequence[str], predicted: str | None, no_answer_probability: float | None = None) -> None:
        """Count one question.

        Args:
            gold: The right answers; none if the context has no answer.
            predicted: The prediction: the best answer of the context, also where it is less probable than that there
                is none, if a threshold is to be found; None if the question was not predicted, which counts 0.
            no_answer_probability: How probable it is, from 0 to 1, that the context has no answer.
        """
        assert gold or self._with_no_answer, "a question without answers is for with_no_answer=True"
        golds = gold
        if self._with_no_answer:  # SQuAD 2.0 drops answers of which normalisation leaves nothing; 1.1 does not
            golds = [answer for answer in gold if normalize_answer(answer, chinese=self._chinese)]
        exact = overlap = 0.0
        if predicted is not None:
            exact = exact_match(predicted, golds, chinese=self._chinese)
            overlap = f1(predicted, golds, chinese=self._chinese)
        self.exact_matches.add([exact])
        self.f1s.add([overlap])
        self._has_answer.add([bool(gold)])
        self._says_something.add([bool(predicted)])
        self._no_answer.add([math.nan if no_answer_probability is None else no_answer_probability])

    def metrics(
        self, weights: Weights = None, *, threshold: float | NDArray[np.float64] = math.inf
    ) -> dict[str, float]:
        """Return the figures so far, from 0 to 100.

        Args:
            weights: How often each question counts.
            threshold: Where it is more probable than this that there is no answer, none is given; of all questions,
                or of each.

        Returns:
            `exact_match`, `f1` and `total`; with no-answer questions also these three of either kind, named
            `has_answer_…` and `no_answer_…`; where all probabilities are known also the best figures that a
            threshold can give and that threshold: `best_exact`, `best_exact_threshold`, `best_f1`,
            `best_f1_threshold`.
        """
        times = np.ones(len(self.f1s.values)) if weights is None else weights
        has_answer = self._has_answer.values
        silent = self._no_answer.values > threshold
        exact, overlap = (np.where(silent, ~has_answer, scores.values) for scores in (self.exact_matches, self.f1s))
        figures = _means("", exact, overlap, times)
        if not self._with_no_answer:
            return figures
        for prefix, part in (("has_answer_", times * has_answer), ("no_answer_", times * ~has_answer)):
            if part.any():
                figures |= _means(prefix, exact, overlap, part)
        if len(times) and not np.isnan(self._no_answer.values).any():
            figures["best_exact"], figures["best_exact_threshold"] = self._best(self.exact_matches, times)
            figures["best_f1"], figures["best_f1_threshold"] = self._best(self.f1s, times)
        return figures

    def right(self, threshold: float | NDArray[np.float64] = math.inf) -> NDArray[np.bool_]:
        """Of each question, whether its answer matches exactly; `threshold` as for `metrics`."""
        silent = self._no_answer.values > threshold
        return np.asarray(np.where(silent, ~self._has_answer.values, self.exact_matches.values == 1))

    def suspicions(self, threshold: float | NDArray[np.float64]) -> list[Suspicion]:
        """Whether every question, or none, is said to have no answer, where that is not so."""
        has_answer = self._has_answer.values
        silent = (self._no_answer.values > threshold) | ~self._says_something.values
        if silent.all() and has_answer.any():
            return [Suspicion("always_silent", {"count": len(silent)})]
        if not silent.any() and not has_answer.all():
            return [Suspicion("never_silent", {"count": len(silent), "bare": int(np.count_nonzero(~has_answer))})]
        return []

    def best_threshold(self) -> float:
        """The threshold that gives the best F1, all probabilities being known.

        It lies half-way between two of them, so that rounding moves no question across it.
        """
        ranked = self._no_answer.values[self._no_answer.order]
        edges = np.concatenate([[0.0], ranked, [1.0]])
        between = (edges[:-1] + edges[1:]) / 2
        reached = self._reached(self.f1s, np.ones(len(ranked)))
        reached[:-1][between[:-1] >= ranked] = -np.inf  # equal probabilities, between which there is nothing
        return float(between[reached.argmax()])

    def _best(self, scores: Column, times: NDArray[np.float64]) -> tuple[float, float]:
        """The best mean score, and the lowest threshold that gives it.

        At the beginning, with no question answered, it is 0, as in the official script. Of equal probabilities, too,
        some are answered and some not: that is what the script says, and no threshold does.
        """
        reached = self._reached(scores, times)
        best = int(reached.argmax())
        threshold = float(self._no_answer.values[self._no_answer.order[best - 1]]) if best else 0.0
        return 100.0 * float(reached[best]) / float(times.sum()), threshold

    def _reached(self, scores: Column, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum of the scores with no question answered, and with ever more of them, the surest first."""
        has_answer = self._has_answer.values
        gained = np.where(has_answer, scores.values, -1.0 * self._says_something.values) * times
        return np.cumsum(np.append((times * ~has_answer).sum(), gained[self._no_answer.order]))


def _tokens(text: str, *, chinese: bool) -> list[str]:
    normal = normalize_answer(text, chinese=chinese)
    return _CHINESE_TOKEN.findall(normal) if chinese else normal.split()


def _common(predicted: Sequence[str], gold: Sequence[str]) -> int:
    return (Counter(predicted) & Counter(gold)).total()


def _longest_run(predicted: Sequence[str], gold: Sequence[str]) -> int:
    return SequenceMatcher(None, predicted, gold, autojunk=False).find_longest_match().size


def _f1(predicted: Sequence[str], gold: Sequence[str], common: int) -> float:
    if not common:
        return 0.0
    precision, recall = common / len(predicted), common / len(gold)
    return 2 * precision * recall / (precision + recall)


def _means(
    prefix: str, exact: NDArray[np.float64], overlap: NDArray[np.float64], times: NDArray[np.float64]
) -> dict[str, float]:
    total = summed(times, None)
    return {
        f"{prefix}exact_match": 100.0 * summed(exact, times) / total if total else 0.0,
        f"{prefix}f1": 100.0 * summed(overlap, times) / total if total else 0.0,
        f"{prefix}total": total,
    }
