"""What `demo` shows at its end: the model beside what it has to beat, some of its answers, what to type next.

Made from the demo's files alone, so that a finished demo can show it again. Whoever is ahead, it says so.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill, shorten
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertwright.evaluation.baselines import commonest, naive_bayes
from bertwright.tasks.classification import label_order
from bertwright.tasks.labelled import LabelledRows
from bertwright.tasks.metrics import classification_metrics, confusion_matrix
from bertwright.text.tables.table import open_table
from bertwright.text.wordpiece import WordPiece

COMMONEST, BAYES, BERT = "commonest package", "naive Bayes", "BERT"
SHOWN = 3  # right answers, and wrong ones
WIDTH = 100


@dataclass(frozen=True, slots=True)
class Contest:
    """The test texts, and what was answered to each.

    Attributes:
        places: The demo's files and folders, by the names of `finetune`'s settings.
        labels: Package names in the order of their numbers.
        learned: How many texts there were to learn from.
        texts: B test texts.
        truth: The number of each one's label.
        answers: The number that was answered to each, by the name of who answered.
        scores: Probability that the model gave to its answer.
    """

    places: Mapping[str, Path]
    labels: tuple[str, ...]
    learned: int
    texts: list[str]
    truth: NDArray[np.int64]
    answers: dict[str, NDArray[np.int64]]
    scores: list[float]

    @classmethod
    def read(cls, places: Mapping[str, Path], max_length: int) -> "Contest":
        """Read the files of a finished demo, and let the baselines answer, too."""
        train, test = (LabelledRows.read(open_table(places[name])) for name in ("train", "test"))
        labels = label_order(train.labels)
        tokenizer = WordPiece.from_folder(places["vocab"])
        learned, asked = (rows.encode(tokenizer, labels, max_length) for rows in (train, test))
        predictions = _predictions(places["output_dir"])
        answers = {
            COMMONEST: commonest(learned.labels, len(test)),
            BAYES: naive_bayes(learned.encoded, learned.labels, asked.encoded),
            BERT: np.array([labels.index(prediction["label"]) for prediction in predictions]),
        }
        scores = [prediction["score"] for prediction in predictions]
        return cls(places, labels, len(train), test.texts, asked.labels, answers, scores)

    def figures(self, name: str) -> dict[str, float]:
        """Accuracy and macro F1 of one who answered."""
        metrics = classification_metrics(confusion_matrix(self.truth, self.answers[name], len(self.labels)))
        return {figure: metrics[figure] for figure in ("accuracy", "f1_macro")}

    def baselines(self) -> dict[str, dict[str, float]]:
        """The figures of all but the model."""
        return {name: self.figures(name) for name in self.answers if name != BERT}

    def report(self) -> str:
        """The whole of it, as lines for a terminal."""
        parts = [self._table(), self._verdict(), self._giveaways(), self._examples(), self._next()]
        return "\n" + "\n\n".join(parts) + "\n"

    def _table(self) -> str:
        width, packages, texts = max(map(len, self.answers)), len(self.labels), len(self.texts)
        lines = [
            f"Which of {packages} packages is a docstring from? {texts} test texts, never seen before:",
            f"  {'':<{width}}  accuracy  macro F1",
        ]
        for name in self.answers:
            accuracy, f1 = self.figures(name).values()
            lines.append(f"  {name:<{width}}  {accuracy:8.3f}  {f1:8.3f}")
        return "\n".join(lines)

    def _right(self, name: str) -> NDArray[np.bool_]:
        return np.asarray(self.answers[name] == self.truth)

    def _verdict(self) -> str:
        """Who is ahead, with the 95 % interval of the difference on the same texts."""
        gains = 100.0 * (self._right(BERT).astype(np.float64) - self._right(BAYES))
        gap, margin = gains.mean(), 1.96 * gains.std(ddof=1) / np.sqrt(len(gains))
        ahead, behind = (BERT, BAYES) if gap > 0 else (BAYES, BERT)
        difference = f"{abs(gap):.1f} ± {margin:.1f} points (95 % interval)"
        outcome = f"{ahead} is ahead of {behind} by {difference}"
        if abs(gap) <= margin:
            outcome = f"{BERT} and {BAYES} are {difference} apart, which may be chance"
        return fill(
            f"{outcome[0].upper()}{outcome[1:]}. To count tokens, few texts are enough; this {BERT} began with random "
            f"weights and has read nothing but {self.learned} docstrings. Pre-training on plain text is what changes "
            "that.",
            WIDTH,
        )

    def _giveaways(self) -> str:
        """How many texts contain the answer, and how the model does on them and on the others."""
        named = np.array(
            [
                re.search(rf"\b{re.escape(self.labels[label])}\b", text, re.IGNORECASE) is not None
                for text, label in zip(self.texts, self.truth, strict=True)
            ]
        )
        told = f"No word was masked and no near-repetition left out: {named.sum()} of the test texts name their package"
        if named.any() and not named.all():
            right = self._right(BERT)
            these, others = right[named].mean(), right[~named].mean()
            told += f"; {BERT}'s accuracy is {these:.3f} on these and {others:.3f} on the others"
        return fill(f"{told}.", WIDTH)

    def _examples(self) -> str:
        right = self._right(BERT)
        return "\n".join(
            [
                "The first right answers, with their probability:",
                *(self._example(place) for place in np.flatnonzero(right)[:SHOWN]),
                "The first wrong ones:",
                *(self._example(place) for place in np.flatnonzero(~right)[:SHOWN]),
            ]
        )

    def _example(self, place: int) -> str:
        truth, answer = (self.labels[numbers[place]] for numbers in (self.truth, self.answers[BERT]))
        told = answer if answer == truth else f"{answer}, not {truth}"
        text = shorten(self.texts[place], WIDTH - len(told) - 9, placeholder=" ...")
        return f"  {self.scores[place]:.2f} {told}: {text}"

    def _next(self) -> str:
        model, test = (shlex.quote(str(self.places[name])) for name in ("output_dir", "test"))
        return "\n".join(
            [
                "Next:",
                f"  echo 'Return the running event loop.' | bertwright predict --model {model} --input -",
                f"  bertwright evaluate --model {model} --test {test}",
                "  bertwright finetune --model bert-base-uncased --train YOUR.csv --output-dir out",
            ]
        )


def _predictions(model: Path) -> list[dict[str, Any]]:
    """What the model answered to the test texts, in their order."""
    lines = (model / "run" / "predictions.test.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
