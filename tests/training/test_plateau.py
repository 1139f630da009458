"""The detector of stuck runs: on curves that plateau, learn, diverge and creep; once, with causes, after a resume."""

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bertwright.training.log import Log
from bertwright.training.plateau import Conditions, Plateau

ENTROPY, CHANCE, STEPS = 7.0, math.log(2), 3000
NOTHING = Conditions(batch_tokens=8192, max_grad_norm=1.0, repeated_sentences=0.01, unknown_rate=0.001)
Curve = Callable[[int], float]


def lines(mlm: Curve, pairs: Curve = lambda _: 0.5, *, noise: float = 0.03, **figures: float) -> list[dict[str, Any]]:
    """Lines of a run, one for ten steps."""
    draw = np.random.default_rng(1)
    usual = {"grad_norm": 0.8, "learning_rate": 1e-4} | figures
    found = []
    for step in range(10, STEPS + 1, 10):
        losses = {"mlm_loss": mlm(step) + noise * draw.normal(), "nsp_loss": pairs(step) + 0.003 * draw.normal()}
        found.append({"step": step, "loss": sum(losses.values()), **losses, **usual})
    return found


def watched(
    folder: Path,
    shown: Iterable[dict[str, Any]],
    conditions: Conditions = NOTHING,
    *,
    entropy: float | None = ENTROPY,
    before: bytes = b"",
) -> tuple[list[dict[str, Any]], list[str]]:
    """The warnings in the log and those that the user saw; `before` is the log of an earlier process."""
    log, said = Log(folder / "log.jsonl", before), list[str]()
    plateau = Plateau(log, lambda step: step / STEPS, entropy, lambda: conditions, said.append)
    for line in shown:
        log._write(line, "train")
        plateau.line(line)
    log.close()
    logged = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [line for line in logged if "warning" in line], said


def plateau(step: int) -> float:
    return ENTROPY + 3 * math.exp(-step / 100)


def healthy(step: int) -> float:
    return 3.5 + 3.4 / (1 + math.exp((step - 500) / 150)) + 3 * math.exp(-step / 100)


def diverging(step: int) -> float:
    return healthy(min(step, 900)) + max(step - 900, 0) / 200


def slow(step: int) -> float:
    return 10.3 - step * 1e-5


def test_a_plateau_at_the_unigram_entropy(tmp_path: Path) -> None:
    logged, said = watched(tmp_path, lines(plateau))
    assert logged == [
        {
            "step": 1000,
            "warning": "the masked-LM loss has all but stopped falling at 7.00 nats; guessing by the frequency of "
            "tokens alone gives 7.00. No cause stands out: a longer run or a higher --learning-rate may do; "
            "`bertwright inspect` shows the data",
        }
    ]
    assert said == [f"step 1000: {logged[0]['warning']}"]


def test_nothing_is_said_of_a_run_that_learns(tmp_path: Path) -> None:
    assert watched(tmp_path, lines(healthy)) == ([], [])
    assert watched(tmp_path, lines(healthy, lambda step: CHANCE - step / 20_000)) == ([], [])
    still_falling = lines(lambda step: 10.5 - step / 1000)
    assert watched(tmp_path, still_falling) == ([], []), "far from there, but on its way"


def test_a_run_that_diverges_is_told_before_it_was_ever_flat(tmp_path: Path) -> None:
    logged, said = watched(tmp_path, lines(diverging, grad_norm=31.0, learning_rate=5e-3))
    assert len(logged) == len(said) == 1
    assert "the masked-LM loss has risen by" in said[0]
    assert said[0].endswith(
        "Likely causes: --learning-rate is too high (peak 5.0e-03; the gradient's length is 31.0, clipped to 1)"
    )
    early = watched(tmp_path, lines(lambda step: 8 + step / 100, grad_norm=31.0))[0]
    assert early[0]["step"] == 200, "no need to wait for a third of the course"


def test_a_run_that_creeps(tmp_path: Path) -> None:
    _, (said,) = watched(tmp_path, lines(slow, learning_rate=1e-7))
    assert "stopped falling at 10.29 nats" in said
    assert said.endswith("Likely causes: --learning-rate is too low (peak 1.0e-07; 1e-4 to 1e-3 is usual)")


def test_causes_are_named_with_what_speaks_for_them(tmp_path: Path) -> None:
    bad = Conditions(batch_tokens=479.3, max_grad_norm=0.0, repeated_sentences=0.314, unknown_rate=0.0721)
    _, (said,) = watched(tmp_path, lines(plateau, grad_norm=99.0), bad)
    assert said.partition("Likely causes: ")[2] == (
        "the batch is very small (479 tokens); the corpus repeats itself (31% of its sentences are repetitions); "
        "the vocabulary does not fit the corpus (7.2% of its tokens are [UNK])"
    ), "without clipping, no gradient is long"


def test_pairs_that_stay_at_chance(tmp_path: Path) -> None:
    logged, (said,) = watched(tmp_path, lines(healthy, lambda _: CHANCE))
    assert logged[0]["step"] == STEPS // 2
    assert "the two kinds of pairs are not told apart: a loss of 0.693, and a coin has 0.693" in said
    alone = [{name: value for name, value in line.items() if name != "nsp_loss"} for line in lines(healthy)]
    assert watched(tmp_path, alone) == ([], []), "an objective without pairs"


def test_without_an_entropy_the_pairs_are_looked_at_alone(tmp_path: Path) -> None:
    assert watched(tmp_path, lines(plateau), entropy=None) == ([], [])
    assert watched(tmp_path, lines(plateau, lambda _: CHANCE), entropy=None)[1]


def test_the_objective_without_pairs_has_its_loss_under_its_own_name(tmp_path: Path) -> None:
    alone = [
        {"step": line["step"], "loss": plateau(line["step"]), "grad_norm": 1, "learning_rate": 1e-4}
        for line in lines(plateau)
    ]
    assert len(watched(tmp_path, alone)[0]) == 1


@pytest.mark.parametrize("at", [10, 500, 990, 1000, 2000])
def test_a_run_that_goes_on_says_the_same_and_nothing_twice(at: int, tmp_path: Path) -> None:
    shown = lines(plateau)
    whole, _ = watched(tmp_path, shown)
    text = (tmp_path / "log.jsonl").read_bytes().splitlines(keepends=True)
    before = b"".join(line for line in text if json.loads(line)["step"] <= at)
    logged, said = watched(tmp_path, [line for line in shown if line["step"] > at], before=before)
    assert logged == whole
    assert len(said) == (at < 1000)


def test_evaluations_and_short_runs_are_nothing_to_judge_by(tmp_path: Path) -> None:
    held_out = b'{"step": 10, "epoch": 0.1, "split": "validation", "mlm_loss": 3.0, "loss": 3.0}\n'
    assert watched(tmp_path, lines(plateau), before=held_out)[0][0]["step"] == 1000
    assert watched(tmp_path, lines(plateau)[-11:]) == ([], []), "too few lines"
