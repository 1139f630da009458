"""The curves of a pre-training, drawn from its log: losses, accuracy and learning rate, with what they have to beat.

Knows the log's lines, and nothing of the run that wrote them.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertwright.errors import BertwrightError
from bertwright.evaluation.svg import Chart, Curve, document
from bertwright.files import write_file
from bertwright.training.loop import Step
from bertwright.training.run import Watcher

NAME = "curves.svg"
CHANCE_LOSS, CHANCE = math.log(2), 0.5  # of who guesses pairs by a coin
_MOST_POINTS = 500
_PAIRS = {"nsp": "Next sentence prediction", "sop": "Sentence order"}

Lines = Sequence[Mapping[str, Any]]


def draw_curves(log: Path, svg: Path, references: Mapping[str, float]) -> None:
    """Draw the curves of a log; while it has no line of training, nothing is drawn.

    Args:
        log: A run's log.jsonl.
        svg: The file to write.
        references: What the masked-LM loss has to beat, in nats by name.
    """
    if drawn := charts(log, references):
        write_file(svg, document(drawn))


def charts(log: Path, references: Mapping[str, float]) -> list[Chart]:
    """The charts of a log; none while it has no line of training. See `draw_curves`."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    training = [line for line in lines if "learning_rate" in line]
    held_out = [line for line in lines if "split" in line]
    return list(_charts(training, held_out, references)) if training else []


@dataclass(frozen=True, slots=True)
class CurveDrawer(Watcher):
    """Draws the curves of a run whenever it was measured.

    Attributes:
        log, svg, references: See `draw_curves`.
        failed: Hears why they could not be drawn, which is no reason to end a run of days.
    """

    log: Path
    svg: Path
    references: Mapping[str, float]
    failed: Callable[[str], None]

    def evaluated(self, step: Step, metrics: Mapping[str, float], *, best: bool) -> None:  # noqa: ARG002
        """Draw them anew."""
        self.draw()

    def draw(self) -> None:
        """Draw what there is."""
        try:
            draw_curves(self.log, self.svg, self.references)
        except BertwrightError as error:
            self.failed(f"the curves were not drawn: {error}")


def _charts(training: Lines, held_out: Lines, references: Mapping[str, float]) -> Iterator[Chart]:
    masked = [{"mlm_loss": line.get("mlm_loss", line["loss"]), **line} for line in training]
    curves = _curves("mlm_loss", masked, held_out)
    yield Chart("Masked language model", "steps", "loss (nats a token)", curves, references=references)
    for pairs, title in _PAIRS.items():
        if f"{pairs}_loss" in training[0]:
            losses = _curves(f"{pairs}_loss", training, held_out)
            yield Chart(title, "steps", "loss (nats a pair)", losses, references={"chance (ln 2)": CHANCE_LOSS})
            accuracy = _curves(f"{pairs}_accuracy", training, held_out)
            if accuracy:
                yield Chart(title, "steps", "accuracy (share)", accuracy, references={"chance (0.5)": CHANCE})
    yield Chart("Learning rate", "steps", "learning rate", _curves("learning_rate", training, held_out))


def _curves(figure: str, training: Lines, held_out: Lines) -> list[Curve]:
    """A curve of each kind of lines that has the figure."""
    points = [[(line["step"], line[figure]) for line in lines if figure in line] for lines in (training, held_out)]
    named = zip(("training", "held-out"), points, (0, 1), strict=True)
    return [Curve(name, thinned(found), color) for name, found, color in named if found]


def thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most so many points that a file stays small, each the mean of its neighbours."""
    size = -(-len(points) // _MOST_POINTS)
    groups = (points[start : start + size] for start in range(0, len(points), size))
    return [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]
