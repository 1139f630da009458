"""What fine-tuning and pre-training do alike around a run: follow it, certify its result, recognise a finished one."""

import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Any

import numpy as np
import torch

import bertwright
from bertwright.api.common import say, warn
from bertwright.api.reporting import REPORT
from bertwright.api.run_folder import RunFolder
from bertwright.evaluation.repeats import Repeats, Repetition
from bertwright.evaluation.text_report import figures
from bertwright.evaluation.uncertainty import Interval
from bertwright.files import read_json, sha256_file
from bertwright.settings import FinetuneSettings
from bertwright.tasks.classification import POSITIVE
from bertwright.training.device import Compute, processor
from bertwright.training.progress import watching
from bertwright.training.run import Run, Watcher, Watchers
from bertwright.training.signals import stop_wishes


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training verb did.

    Attributes:
        folder: The model folder.
        metrics: Figures of the best model by split: `validation` (of `pretrain`: the held-out documents), and `test`
            where a test file was given; empty when stopped before the end.
        best_step: The optimizer step that the model is from.
        stopped_by: Name of the signal that ended the run early; the same command goes on from its snapshot.
        metric: The figure by which the model was chosen.
        seeds: The figures of every seed of a fine-tuning that is not stopped, their mean and spread; of one seed, too.
    """

    folder: Path
    metrics: dict[str, dict[str, float]]
    best_step: int
    stopped_by: str | None = None
    exit_code: int = 0
    metric: str = "loss"
    seeds: Repeats | None = None


Train = Callable[[FinetuneSettings], Trained]
"""One fine-tuning."""
MODEL_FILES = ("config.json", "model.safetensors", "vocab.txt", "tokenizer.json")


def follow(run: Run[Any], *watchers: Watcher, metric: str, quiet: bool) -> Signals | None:
    """Train to the end, in sight of the user, and of these watchers.

    Returns:
        The signal that ended the run early, if one did; a snapshot is saved then.
    """
    if run.standing.step:
        say(f"going on from the snapshot of step {run.standing.step}", quiet=quiet)
    with (
        closing(run.log),
        stop_wishes() as wish,
        watching(run.training.course, metric, run.standing.step, quiet=quiet) as display,
    ):
        finished = run.follow(Watchers(display, *watchers), wish)
    if finished:
        if run.impatience is not None:
            say(run.impatience, quiet=quiet)
        return None
    assert wish.signal is not None
    say(
        f"stopped by {wish.signal.name} after step {run.standing.step}; a snapshot is saved: "
        "the same command goes on from it"
    )
    return wish.signal


def environment(compute: Compute) -> dict[str, object]:
    """What a result was computed with, and on."""
    return {
        "bertwright": bertwright.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        **compute.to_dict(),
    }


def certify(folder: RunFolder, best_step: int, compute: Compute) -> None:
    """Mark the run as finished, with what made it and the hashes of what it made."""
    folder.finish(
        {
            "best_step": best_step,
            "sha256": {name: sha256_file(folder.output / name) for name in MODEL_FILES},
            **environment(compute),
        }
    )


def figures_of(folder: RunFolder, seed: int | None) -> Trained:
    """What a finished run wrote down of itself; `seed` is that of a fine-tuning, or of the best of several."""
    measured = _measured(folder)
    metrics = {name: found for name, found in measured.items() if name in {"validation", "test"}}
    step, metric = measured["best_step"], measured.get("best_metric", "loss")
    repeats = None
    if "seeds" in measured:
        repeats = Repeats.of_dict("seed", measured["seeds"])
    elif seed is not None:
        repeats = Repeats("seed", metric, [Repetition(seed, step, metrics)])
    return Trained(folder.output, metrics, step, metric=metric, seeds=repeats)


def _measured(folder: RunFolder) -> dict[str, Any]:
    measured = read_json(folder.run / "metrics.json")
    assert isinstance(measured, dict)
    return measured


def finished_before(folder: RunFolder, seed: int | None) -> Trained:
    """What a run found that was finished when it was called again; the user is told that it is."""
    folder.remove_spent()  # killed after its certificate, it could not do that itself
    _warn_of_changes(folder)
    say(f"{folder.output} is finished already: nothing to do (--overwrite starts anew)")
    return figures_of(folder, seed)


def _warn_of_changes(folder: RunFolder) -> None:
    for name in folder.changed_since_finished():
        warn(f"{folder.output / name} is not the file that the run wrote")


def tell_result(trained: Trained) -> Trained:
    """Tell what a training came to, in the same lines when it ends as when it is called again; not if it was stopped.

    Whoever was asked for the model calls this, and nobody for one of several that it was chosen from.
    """
    if trained.stopped_by is not None:
        return trained
    folder = RunFolder(trained.folder)
    measured, page = _measured(folder), folder.run / REPORT
    for split, found in measured.get("suspicions", {}).items():
        for suspicion in found:
            warn(f"{split}: {suspicion['text']}")
    names, repeats, which = measured.get("shown"), trained.seeds, f"step {trained.best_step}"
    if repeats is not None and "seeds" in measured:
        best, metric = repeats.best, repeats.metric
        which = f"seed {best.number} (validation {metric} {best.metrics['validation'][metric]:.4f})"
        for line in repeats.table(starred=best.number, names=names):
            say(line)
    else:
        _say_metrics(trained.metrics, measured.get("intervals", {}), names, measured.get(POSITIVE))
    report = f", all figures to {page}" if page.exists() else ""  # a pre-training has none
    say(f"model of {which} written to {folder.output}{report}")
    return trained


def _say_metrics(
    metrics: Mapping[str, Mapping[str, float]],
    intervals: Mapping[str, Mapping[str, Interval]],
    names: Sequence[str] | None,
    positive: str | None,
) -> None:
    """A line of figures for each split, with their 95 % intervals where these are known; of these names, or all.

    With two labels `positive` is the one that some of them are of.
    """
    for split, found in metrics.items():
        chosen = {name: found[name] for name in names or found if name in found}
        say(f"{split}: " + "  ".join(figures(chosen, intervals.get(split, {}), positive)))
