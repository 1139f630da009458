"""Several trainings of one fine-tuning, with one seed after the other: the best model, and how much is luck.

Each is an ordinary fine-tuning in a folder of its own, `OUT/run/seeds/SEED`, on the same split: what `finetune` would
do by hand with `--seed SEED --split-seed S`. So each goes on where it was killed, and a finished one is not repeated.
"""

from dataclasses import replace
from typing import Any

from bertwright.api.common import say, saying_once
from bertwright.api.reporting import describe_run
from bertwright.api.run_folder import RunFolder
from bertwright.api.training_run import Train, Trained, certify, figures_of
from bertwright.api.training_sets import split_seed
from bertwright.evaluation.repeats import Repeats, Repetition
from bertwright.files import read_json, write_json
from bertwright.settings import FinetuneSettings
from bertwright.settings.shared import Language
from bertwright.training.device import Compute

SEEDS = "seeds"


def train_seeds(settings: FinetuneSettings, compute: Compute, folder: RunFolder, train: Train) -> Trained:
    """Train `settings.seeds` times and publish the best model by validation; of the others figures and logs stay.

    Args:
        settings: Of all trainings.
        compute: What the folder's certificate names.
        folder: That of the whole, which this process holds.
        train: A single training.

    Returns:
        The best one's figures, with those of all as `seeds`; or that one was stopped.
    """
    runs: list[Repetition] = []
    with saying_once():
        for number in range(settings.seeds):
            seed = (settings.seed + number) % 2**32
            part = folder.part(SEEDS, seed)
            single = _of_seed(settings, part, seed, first=number == 0)
            if not part.is_of(single):  # but of a search that had found other settings before it was asked for more
                part.clear()
            if not part.finished:
                say(f"seed {seed} ({number + 1} of {settings.seeds})", quiet=settings.quiet)
                done = train(single)
                if done.stopped_by is not None:
                    return replace(done, folder=folder.output)
            trained = figures_of(part, seed)
            runs.append(Repetition(seed, trained.best_step, trained.metrics))
            repeats = Repeats("seed", trained.metric, runs)
            for run in runs:
                if run is not repeats.best:
                    folder.part(SEEDS, run.number).remove_model()
    return _publish(folder, compute, repeats, settings.lang)


def make_room(settings: FinetuneSettings, folder: RunFolder) -> None:
    """Ask a run that is there for more seeds; a finished single training becomes the first of several.

    Raises:
        UsageError: See `RunFolder.grow`.
    """
    first = folder.part(SEEDS, settings.seed)
    if folder.finished and not first.finished:
        first.become_part(folder, _of_seed(settings, first, settings.seed, first=True))
    folder.grow(settings)


def _of_seed(settings: FinetuneSettings, part: RunFolder, seed: int, *, first: bool) -> FinetuneSettings:
    changed: dict[str, Any] = {
        "seed": seed,
        "split_seed": split_seed(settings),
        "seeds": 1,
        "folds": None,
        "output_dir": part.output,
        "overwrite": False,
        "explain": settings.explain and first,
    }
    return settings.model_copy(update=changed)


def _publish(folder: RunFolder, compute: Compute, repeats: Repeats, language: Language) -> Trained:
    """The best model becomes that of the folder, whose figures say how those of all seeds spread."""
    best = repeats.best
    folder.adopt(folder.part(SEEDS, best.number))
    measured = read_json(folder.run / "metrics.json")
    assert isinstance(measured, dict)
    write_json(folder.run / "metrics.json", {**measured, "seeds": repeats.to_dict()})
    describe_run(folder, language)
    certify(folder, best.best_step, compute)
    return figures_of(folder, best.number)
