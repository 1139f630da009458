"""Is this pre-training stuck? Looks at the lines of its log, and says so once, with what is known of the causes.

Stuck is a masked-LM loss near or above the unigram entropy (what a model reaches that knows how frequent tokens are,
and nothing else) that does not fall any more, or rises; or pairs that are still told apart no better than by a coin.
All that it goes by is in the log, so a run that goes on knows what was said before.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bertwright.training.log import Log
from bertwright.training.run import Watcher

FIRST_STEP, FEWEST_LINES = 200, 12  # before, nothing can be said
MLM_AFTER, PAIRS_AFTER = 1 / 3, 1 / 2  # shares of the course after which a run should have learned something
NEAR = 0.15  # nats: how far under the unigram entropy still counts as at it
FLAT = 0.15  # nats: going on for as long again at this pace would gain less than this
RISEN = 0.5  # nats above the lowest loss so far
CHANCE, NEAR_CHANCE = math.log(2), 0.01  # the loss of a coin on pairs, and how far under it counts as at it
LOW_RATE, SMALL_BATCH, MANY_REPEATS, MANY_UNKNOWN = 2e-5, 2048, 0.1, 0.02
CLIPPED = 5.0  # times the longest gradient allowed


@dataclass(frozen=True, slots=True)
class Conditions:
    """What may be the cause of a run that is stuck.

    Attributes:
        batch_tokens: Tokens of a batch.
        max_grad_norm: Longest gradient that is not scaled down; 0 for any.
        repeated_sentences: Share of the sentences that stand in the corpus more than once.
        unknown_rate: Share of [UNK] in the text.
    """

    batch_tokens: float
    max_grad_norm: float
    repeated_sentences: float
    unknown_rate: float


@dataclass(slots=True)
class Curve:
    """The lines of training so far, as columns."""

    steps: list[int] = field(default_factory=list)
    mlm: list[float] = field(default_factory=list)
    pairs: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def add(self, line: Mapping[str, float]) -> None:
        """Take in a line of training."""
        self.steps.append(int(line["step"]))
        self.mlm.append(line.get("mlm_loss", line["loss"]))
        self.pairs += [line[name] for name in ("nsp_loss", "sop_loss") if name in line]
        self.norms.append(line["grad_norm"])
        self.rates.append(line["learning_rate"])

    @property
    def recent(self) -> slice:
        """The last third of the lines."""
        return slice(-(len(self.steps) // 3), None)

    def fall(self) -> float:
        """Nats by which the loss falls if it goes on for as long again at its recent pace."""
        slope = np.polynomial.Polynomial.fit(self.steps[self.recent], self.mlm[self.recent], 1).convert().coef[1:]
        return -float(slope.sum()) * self.steps[-1]

    def rise(self) -> float:
        """Nats by which the loss is above the lowest that it has been, over as many lines."""
        width = len(self.steps) // 3
        means = np.convolve(self.mlm, np.full(width, 1 / width), mode="valid")
        return float(means[-1] - means.min())


class Plateau(Watcher):
    """Warns of a run that is stuck, once.

    Args:
        log: Where the run's lines are, and where the warning goes.
        progress: Share of the course that is done after so many steps.
        entropy: Unigram entropy of the corpus in nats a token; without it, only pairs are looked at.
        conditions: Looks for causes, which takes a moment; asked when there is something to say.
        tell: Says the warning to the user.
    """

    def __init__(
        self,
        log: Log,
        progress: Callable[[int], float],
        entropy: float | None,
        conditions: Callable[[], Conditions],
        tell: Callable[[str], None],
    ) -> None:
        self.log, self.progress, self.entropy = log, progress, entropy
        self.conditions, self.tell = conditions, tell
        self.curve, self.warned = Curve(), False
        for line in map(json.loads, log.path.read_text(encoding="utf-8").splitlines()):
            self.warned |= "warning" in line
            if "learning_rate" in line:
                self.curve.add(line)

    def line(self, line: Mapping[str, float]) -> None:
        """Look at the curve with this line."""
        self.curve.add(line)
        if self.warned or len(self.curve.steps) < FEWEST_LINES or self.curve.steps[-1] < FIRST_STEP:
            return
        symptom = self._symptom(self.progress(self.curve.steps[-1]))
        if symptom:
            self.warned = True
            text = f"{symptom}. {advice(causes(self.curve, self.conditions()))}"
            self.log.warning(self.curve.steps[-1], text)
            self.tell(f"step {self.curve.steps[-1]}: {text}")

    def _symptom(self, done: float) -> str | None:
        """What is wrong, if something is."""
        curve = self.curve
        loss = float(np.mean(curve.mlm[curve.recent]))
        if self.entropy is not None and loss > self.entropy - NEAR:
            beside = f"{loss:.2f} nats; guessing by the frequency of tokens alone gives {self.entropy:.2f}"
            if (rise := curve.rise()) > RISEN:
                return f"the masked-LM loss has risen by {rise:.2f} to {beside}"
            if done >= MLM_AFTER and curve.fall() < FLAT:
                return f"the masked-LM loss has all but stopped falling at {beside}"
        if done >= PAIRS_AFTER and curve.pairs:
            loss = float(np.mean(curve.pairs[curve.recent]))
            if loss > CHANCE - NEAR_CHANCE:
                return f"the two kinds of pairs are not told apart: a loss of {loss:.3f}, and a coin has {CHANCE:.3f}"
        return None


def causes(curve: Curve, conditions: Conditions) -> Iterator[str]:
    """What speaks for each of the usual causes, as far as something does."""
    norm, peak = float(np.median(curve.norms[curve.recent])), max(curve.rates)
    if curve.rise() > RISEN or norm > CLIPPED * conditions.max_grad_norm > 0:
        clipped = f", clipped to {conditions.max_grad_norm:g}" if conditions.max_grad_norm else ""
        yield f"--learning-rate is too high (peak {peak:.1e}; the gradient's length is {norm:.1f}{clipped})"
    elif peak < LOW_RATE:
        yield f"--learning-rate is too low (peak {peak:.1e}; 1e-4 to 1e-3 is usual)"
    if conditions.batch_tokens < SMALL_BATCH:
        yield f"the batch is very small ({conditions.batch_tokens:.0f} tokens)"
    if conditions.repeated_sentences > MANY_REPEATS:
        yield f"the corpus repeats itself ({conditions.repeated_sentences:.0%} of its sentences are repetitions)"
    if conditions.unknown_rate > MANY_UNKNOWN:
        yield f"the vocabulary does not fit the corpus ({conditions.unknown_rate:.1%} of its tokens are [UNK])"


def advice(found: Iterator[str] | Sequence[str]) -> str:
    """The causes as a sentence, or what to try when none stands out."""
    likely = "; ".join(found)
    if likely:
        return f"Likely causes: {likely}"
    return "No cause stands out: a longer run or a higher --learning-rate may do; `bertwright inspect` shows the data"
