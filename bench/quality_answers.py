"""Answers of the peer's model: windows of a context, the best spans in them, and the official figures of SQuAD.

Windows and spans as in transformers' example script for question answering, figures as in SQuAD's evaluation scripts.
"""

import json
import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Logits = tuple[np.ndarray, np.ndarray]  # of starts and ends, [window, token]
OVERLAP, MAX_ANSWER_TOKENS, CANDIDATES = 100, 30, 20  # tokens, tokens, places a window


@dataclass(frozen=True, slots=True)
class Question:
    """A question, where it is asked, and what counts as its answer: nothing where it has none."""

    text: str
    context: str
    answers: Sequence[str]
    start: int


class Answers:
    """The questions of a file in SQuAD's form, as windows for a model, and what its logits say."""

    def __init__(self, questions: Sequence[Question], tokenizer: Any, max_length: int) -> None:
        self.questions = questions
        self.encoded = tokenizer(
            [question.text for question in questions],
            [question.context for question in questions],
            truncation="only_second",
            max_length=max_length,
            stride=OVERLAP,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        self.question_of = self.encoded["overflow_to_sample_mapping"]
        self.examples = [self._example(window) for window in range(len(self.question_of))]

    @classmethod
    def read(cls, path: Path, tokenizer: Any, max_length: int) -> "Answers":
        """All questions of a file."""
        questions = [
            Question(
                asked["question"].strip(),
                paragraph["context"],
                [answer["text"] for answer in asked["answers"]],
                asked["answers"][0]["answer_start"] if asked["answers"] else -1,
            )
            for article in json.loads(path.read_text(encoding="utf-8"))["data"]
            for paragraph in article["paragraphs"]
            for asked in paragraph["qas"]
        ]
        return cls(questions, tokenizer, max_length)

    def _example(self, window: int) -> dict[str, Any]:
        start, end = self._positions(window)
        names = ("input_ids", "token_type_ids", "attention_mask")
        return {
            **{name: self.encoded[name][window] for name in names},
            "start_positions": start,
            "end_positions": end,
        }

    def _context(self, window: int) -> list[int]:
        """Places of the context's tokens in a window."""
        return [place for place, part in enumerate(self.encoded.sequence_ids(window)) if part == 1]

    def _positions(self, window: int) -> tuple[int, int]:
        """Tokens at which the answer begins and ends; those of [CLS] where the window does not hold all of it."""
        question, offsets = self.questions[self.question_of[window]], self.encoded["offset_mapping"][window]
        places = self._context(window)
        if not question.answers:
            return 0, 0
        start, stop = question.start, question.start + len(question.answers[0])
        if offsets[places[0]][0] > start or offsets[places[-1]][1] < stop:
            return 0, 0
        first = max(place for place in places if offsets[place][0] <= start)
        return first, min(place for place in places if offsets[place][1] >= stop)

    def _best(self, logits: Logits) -> tuple[list[str], np.ndarray]:
        """The best answer to each question, and how far above it the score of no answer is."""
        texts, scores = [""] * len(self.questions), np.full(len(self.questions), -np.inf)
        none = np.full(len(self.questions), np.inf)
        for window, number in enumerate(self.question_of):
            starts, ends = logits[0][window], logits[1][window]
            none[number] = min(none[number], starts[0] + ends[0])
            places, offsets = np.array(self._context(window)), self.encoded["offset_mapping"][window]
            first, last = (places[np.argsort(-values[places])[:CANDIDATES]] for values in (starts, ends))
            for start in first:
                for end in last[(last >= start) & (last < start + MAX_ANSWER_TOKENS)]:
                    if starts[start] + ends[end] > scores[number]:
                        scores[number] = starts[start] + ends[end]
                        context = self.questions[number].context
                        texts[number] = context[offsets[start][0] : offsets[end][1]]
        return texts, none - scores

    def figures(self, logits: Logits, threshold: float) -> dict[str, float]:
        """Exact match and F1 in percent; no answer is given where its score is `threshold` above the best one."""
        texts, none = self._best(logits)
        answerable = any(not question.answers for question in self.questions)
        given = ["" if answerable and gap > threshold else text for text, gap in zip(texts, none, strict=True)]
        pairs = [scores(text, question.answers) for text, question in zip(given, self.questions, strict=True)]
        exact, overlap = np.array(pairs).mean(axis=0) * 100
        return {"exact_match": float(exact), "f1": float(overlap)}

    def best_threshold(self, logits: Logits) -> tuple[float, dict[str, float]]:
        """The threshold with the best F1, and the figures there."""
        texts, none = self._best(logits)
        kept = np.array(
            [scores(text, question.answers)[1] for text, question in zip(texts, self.questions, strict=True)]
        )
        silent = np.array([float(not question.answers) for question in self.questions])
        sums = {gap: np.where(none > gap, silent, kept).sum() for gap in (-np.inf, *none.tolist())}
        threshold = max(sums, key=lambda gap: sums[gap])
        return threshold, self.figures(logits, threshold)


def normalized(text: str) -> str:
    """Lower case, without punctuation, articles and needless blanks: the official scripts' rule."""
    plain = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", plain).split())


def scores(text: str, golds: Sequence[str]) -> tuple[float, float]:
    """Exact match and F1 of an answer against the gold one that suits it best."""
    # As evaluate-v2.0.py: a gold answer that is nothing once normalised is none.
    wanted = [gold for gold in map(normalized, golds) if gold] or [""]
    found = normalized(text)
    return max(float(found == gold) for gold in wanted), max(_overlap(found.split(), gold.split()) for gold in wanted)


def _overlap(found: list[str], gold: list[str]) -> float:
    if not found or not gold:
        return float(found == gold)
    common = sum((Counter(found) & Counter(gold)).values())
    return 2 * common / (len(found) + len(gold))
