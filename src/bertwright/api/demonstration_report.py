"""What `demo` shows at its end: the model beside what it has to beat, some of its answers, what to type next.

Made from the demo's files alone, so that a finished demo can show it again. Whoever is ahead, it says so.
"""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill, shorten
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertwright.evaluation.baselines import commonest_label, naive_bayes
from bertwright.tasks.classification import Classification
from bertwright.tasks.finetuning import Rows
from bertwright.tasks.metrics import classification_metrics, confusion_matrix
from bertwright.tasks.texts import label_order
from bertwright.text.tables.texts import open_table
from bertwright.text.wordpiece import WordPiece

COMMONEST, BAYES = "commonest package", "naive Bayes"
SCRATCH, BERT = "BERT, from random weights", "BERT, pre-trained"
ARMS: Mapping[str, str] = MappingProxyType({BERT: "pretrained", SCRATCH: "random"})
"""The two ways to begin, and how their folders are called."""
SHOWN = 3  # right answers, and wrong ones
WIDTH = 100

Answers = list[NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Contest:
    """The test texts, and what was answered to each.

    Attributes:
        data: The labelled files, by their parts.
        pretrained: The folder of the pre-trained model.
        models: Model folders by how they began, one for each seed.
        labels: Package names in the order of their numbers.
        texts: B test texts.
        truth: The number of each one's label.
        answers: The number that was answered to each, by the name of who answered: once, or once for each seed.
        scores: Probability that the first pre-trained model gave to its answer.
    """

    data: Mapping[str, Path]
    pretrained: Path
    models: Mapping[str, Sequence[Path]]
    labels: tuple[str, ...]
    texts: list[str]
    truth: NDArray[np.int64]
    answers: dict[str, Answers]
    scores: list[float]

    @classmethod
    def read(
        cls, data: Mapping[str, Path], pretrained: Path, models: Mapping[str, Sequence[Path]], max_length: int
    ) -> "Contest":
        """Read the files of a finished demo, and let the baselines answer, too."""
        train, test = (Rows(data[name], list(open_table(data[name]).read())) for name in ("train", "test"))
        task = Classification(label_order([row.label or "" for row in train]))
        tokenizer = WordPiece.from_folder(pretrained)
        learned, asked = (task.encode(rows, tokenizer, max_length) for rows in (train, test))
        answers = {
            COMMONEST: [commonest_label(learned.labels, len(test))],
            BAYES: [naive_bayes(learned.encoded, learned.labels, asked.encoded)],
        }
        for arm in (SCRATCH, BERT):
            answers[arm] = [
                np.array([task.labels.index(prediction["label"]) for prediction in _predictions(model)])
                for model in models[arm]
            ]
        scores = [prediction["score"] for prediction in _predictions(models[BERT][0])]
        return cls(data, pretrained, models, task.labels, [row.text for row in test], asked.labels, answers, scores)

    def figures(self, name: str) -> dict[str, float]:
        """Mean accuracy and macro F1 of one who answered."""
        return {figure: float(values.mean()) for figure, values in self._all(name).items()}

    def spread(self, name: str) -> dict[str, float] | None:
        """The standard deviations of these over the seeds; None of who answered only once."""
        if len(self.answers[name]) == 1:
            return None
        return {figure: float(values.std(ddof=1)) for figure, values in self._all(name).items()}

    def _all(self, name: str) -> dict[str, NDArray[np.float64]]:
        found = [
            classification_metrics(confusion_matrix(self.truth, answers, len(self.labels)))
            for answers in self.answers[name]
        ]
        return {figure: np.array([metrics[figure] for metrics in found]) for figure in ("accuracy", "f1_macro")}

    def baselines(self) -> dict[str, dict[str, float]]:
        """The figures of all but the pre-trained model."""
        return {name: self.figures(name) for name in self.answers if name != BERT}

    def report(self, page: Path) -> str:
        """The whole of it, as lines for a terminal."""
        parts = [
            self._table(),
            _filled(self.verdict()),
            self._giveaways(),
            self._examples(),
            "\n".join(["Next:", *(f"  {line}" for line in self.next_commands())]),
            f"Everything, with curves and filled masks: {page}",
        ]
        return "\n" + "\n\n".join(parts) + "\n"

    def question(self) -> str:
        """What was asked, and of how many texts."""
        return (
            f"Which of {len(self.labels)} packages is a docstring from? {len(self.texts)} test texts, never seen before"
        )

    def rows(self) -> list[tuple[str, str, str]]:
        """Who answered, with accuracy and macro F1: mean ± standard deviation where there are seeds."""
        found = []
        for name in self.answers:
            means, spread = self.figures(name), self.spread(name)
            accuracy, f1 = (
                f"{mean:.3f}" + (f" ± {spread[figure]:.3f}" if spread else "") for figure, mean in means.items()
            )
            found.append((name, accuracy, f1))
        return found

    def _table(self) -> str:
        width = max(map(len, self.answers))
        lines = [f"{self.question()}:", f"  {'':<{width}}  {'accuracy':<13}  macro F1"]
        return "\n".join([*lines, *(f"  {name:<{width}}  {accuracy:<13}  {f1}" for name, accuracy, f1 in self.rows())])

    def verdict(self) -> str:
        """What pre-training gained, seed by seed, and who is ahead of naive Bayes; whoever it is."""
        with_, without, bayes = (100 * self._all(name)["accuracy"] for name in (BERT, SCRATCH, BAYES))
        gains = with_ - without
        gain, spread = gains.mean(), gains.std(ddof=1)
        told = f"{abs(gain):.1f} ± {spread:.1f} points of accuracy (mean ± standard deviation of {len(gains)} seeds)"
        if abs(gain) <= spread:
            outcome = f"Pre-training made no difference that is larger than chance: {gain:+.1f} ± {spread:.1f} points"
        else:
            outcome = f"Pre-training {'gained' if gain > 0 else 'cost'} {told}"
        gap = with_.mean() - bayes.mean()
        place = "ahead of" if gap > 0 else "behind"
        return (
            f"{outcome}. The pre-trained BERT is {abs(gap):.1f} points {place} naive Bayes, which only counts tokens. "
            "All fine-tunings are the same few epochs and differ in nothing but the weights that they begin with."
        )

    def _right(self) -> NDArray[np.bool_]:
        """Where the first pre-trained model is right."""
        return np.asarray(self.answers[BERT][0] == self.truth)

    def _giveaways(self) -> str:
        """How many texts contain the answer, and how the model does on them and on the others."""
        named = np.array(
            [
                re.search(rf"\b{re.escape(self.labels[label])}\b", text, re.IGNORECASE) is not None
                for text, label in zip(self.texts, self.truth, strict=True)
            ]
        )
        told = f"No name was hidden and no near-repetition left out: {named.sum()} of the test texts name their package"
        if named.any() and not named.all():
            right = self._right()
            these, others = right[named].mean(), right[~named].mean()
            told += f"; the pre-trained BERT's accuracy is {these:.3f} on these and {others:.3f} on the others"
        return _filled(f"{told}.")

    def _examples(self) -> str:
        right = self._right()
        return "\n".join(
            [
                "The first right answers, with their probability:",
                *(self._example(place) for place in np.flatnonzero(right)[:SHOWN]),
                "The first wrong ones:",
                *(self._example(place) for place in np.flatnonzero(~right)[:SHOWN]),
            ]
        )

    def _example(self, place: int) -> str:
        truth, answer = (self.labels[numbers[place]] for numbers in (self.truth, self.answers[BERT][0]))
        told = answer if answer == truth else f"{answer}, not {truth}"
        text = shorten(self.texts[place], WIDTH - len(told) - 9, placeholder=" ...")
        return f"  {self.scores[place]:.2f} {told}: {text}"

    def next_commands(self) -> list[str]:
        """What to type next."""
        model, test, pretrained = (
            shlex.quote(str(path)) for path in (self.models[BERT][0], self.data["test"], self.pretrained)
        )
        return [
            f"echo 'Return the running event loop.' | bertwright predict --model {model} --input -",
            f"echo 'Return the [MASK] of the list.' | bertwright predict --model {pretrained} --input -",
            f"bertwright evaluate --model {model} --test {test}",
            f"bertwright finetune --model {pretrained} --train YOUR.csv --output-dir out",
        ]


def _filled(text: str) -> str:
    return fill(text, WIDTH, break_on_hyphens=False)


def _predictions(model: Path) -> list[dict[str, Any]]:
    """What the model answered to the test texts, in their order."""
    lines = (model / "run" / "predictions.test.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
