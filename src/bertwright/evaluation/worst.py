"""The rows that a model is most wrong about, gathered while a file goes by. Knows no models and no tasks."""

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertwright.tasks.finetuning import Answer, FinetuneTask, HasLine

MOST = 20
_LONGEST = 5_000  # characters of a text that are kept
_SAID = ("label", "labels", "score", "words", "tags", "answer", "start", "stop", "choice", "no_answer")
"""What is kept of an answer, whatever the task is."""


class Worst:
    """At most 20 rows with the highest losses: the most confident mistakes."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, dict[str, Any]]] = []  # the least of them on top
        self._seen = 0  # tells equal ones apart

    def add(
        self,
        task: FinetuneTask[Any, Any, Any],
        rows: Sequence[HasLine],
        answers: Sequence[Answer],
        losses: NDArray[np.float64],
        faultless: NDArray[np.bool_] | None = None,
    ) -> None:
        """Look at some rows, the answer to each, and how wrong it is; those without a fault are passed over."""
        order = np.argsort(-losses, kind="stable")
        if faultless is not None:
            order = order[~faultless[order]]
        for place in order[:MOST].tolist():
            row, loss = rows[place], float(losses[place])
            if len(self._heap) < MOST or loss > self._heap[0][0]:
                self._seen += 1
                entry = (loss, -self._seen, _described(task, row, answers[place], loss))
                (heapq.heappush if len(self._heap) < MOST else heapq.heapreplace)(self._heap, entry)

    def listed(self) -> list[dict[str, Any]]:
        """The worst first: line in the file, loss, texts, what is true and what was said."""
        return [entry for _, _, entry in sorted(self._heap, key=lambda found: found[:2], reverse=True)]


def _described(task: FinetuneTask[Any, Any, Any], row: HasLine, answer: Answer, loss: float) -> dict[str, Any]:
    said = {name: value for name, value in answer.to_dict().items() if name in _SAID}
    texts = [text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…" for text in task.shown(row)]
    return {"line": row.line, "loss": loss, "texts": texts, **task.truth(row), "predicted": said}
