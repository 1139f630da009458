"""Cross-validation of the training rows: figures on rows that a model has not seen, and labels that are likely wrong.

For each fold an ordinary fine-tuning on the others, in `OUT/run/folds/NUMBER`: what `finetune --fold NUMBER/COUNT` does
by hand. Its own best step is chosen on the validation set, never on the fold that is left out. Once all are trained,
each model answers for its fold: `out_of_fold.jsonl`, `label_errors.jsonl`, and last `cross_validation.json`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from bertwright.api.common import say, saying_once, warn
from bertwright.api.measuring import Measured, measure_rows, spread
from bertwright.api.run_folder import RunFolder
from bertwright.api.suspected_labels import say_suspected, suspected
from bertwright.api.training_run import Train, Trained, figures_of
from bertwright.api.training_sets import fold_of_each, split_seed, train_rows
from bertwright.evaluation.repeats import Repeats, Repetition
from bertwright.evaluation.text_report import figures
from bertwright.files import write_file, write_json
from bertwright.model.folder import ModelFolder
from bertwright.serving.predictor import Predictor
from bertwright.settings import FinetuneSettings
from bertwright.tasks.finetuning import Rows, TaskTally
from bertwright.training.device import Compute

FOLDS, RESULT, OUT_OF_FOLD, LABEL_ERRORS = "folds", "cross_validation.json", "out_of_fold.jsonl", "label_errors.jsonl"
HELD_OUT = "held_out"


def cross_validate(
    settings: FinetuneSettings, count: int, compute: Compute, folder: RunFolder, train: Train
) -> Trained | None:
    """Train and measure fold by fold, unless that is done; the weights go, the figures stay.

    Args:
        settings: Of all trainings.
        count: How many folds.
        compute: Where to measure.
        folder: That of the whole, which this process holds.
        train: A single training.

    Returns:
        A training that was stopped; None when all is done.
    """
    result = folder.run / RESULT
    if not result.exists():
        with saying_once():
            for number in range(1, count + 1):
                part = folder.part(FOLDS, number)
                if not part.finished:
                    say(f"fold {number} of {count}", quiet=settings.quiet)
                    done = train(_of_fold(settings, part, number, count))
                    if done.stopped_by is not None:
                        return replace(done, folder=folder.output)
        _measure(settings, count, compute, folder)
    for number in range(1, count + 1):
        folder.part(FOLDS, number).remove_model()
    return None


def _of_fold(settings: FinetuneSettings, part: RunFolder, number: int, count: int) -> FinetuneSettings:
    changed: dict[str, Any] = {
        "fold": f"{number}/{count}",
        "folds": None,
        "split_seed": split_seed(settings),
        "seeds": 1,
        "test": None,
        "slice_columns": None,
        "output_dir": part.output,
        "overwrite": False,
        "explain": False,
    }
    return settings.model_copy(update=changed)


def _measure(settings: FinetuneSettings, count: int, compute: Compute, folder: RunFolder) -> None:
    """Let each model answer for the rows that it has not seen; write the answers, the figures, the suspects."""
    task, rows = train_rows(settings.model_copy(update={"quiet": True}), folder.run)
    folds = fold_of_each(task, rows, settings, count)
    answers: list[dict[str, Any]] = [{}] * len(rows)
    tallies: list[TaskTally[Any]] = []
    runs: list[Repetition] = []
    for number in range(1, count + 1):
        part, places = folder.part(FOLDS, number), np.flatnonzero(folds == number)
        found, measured = _answered(compute, part, rows.take(places))
        for place, answer in zip(places, found, strict=True):
            answers[place] = {"fold": number, **answer}
        trained = figures_of(part, settings.seed)
        metrics = {"validation": trained.metrics["validation"], HELD_OUT: measured.metrics}
        runs.append(Repetition(number, trained.best_step, metrics))
        tallies.append(measured.tally)
    suspects = suspected(task, rows, answers)
    _write_lines(folder.run / OUT_OF_FOLD, answers)
    if suspects is not None:
        _write_lines(folder.run / LABEL_ERRORS, map(asdict, suspects))
    _publish(folder.run, Repeats("fold", trained.metric, runs), tallies, task.metrics)
    if suspects is not None:
        say_suspected(suspects, rows.path, folder.run / LABEL_ERRORS)


def _answered(compute: Compute, part: RunFolder, rows: Rows[Any]) -> tuple[list[dict[str, Any]], Measured]:
    """What the model of a fold says to rows that it has not seen, and how well."""
    predictor = Predictor(ModelFolder.open(part.output), compute)
    path = part.run / f"predictions.{HELD_OUT}.jsonl"
    measured = measure_rows(predictor, rows.path, rows, predictions=path, draws=0)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]], measured


def _publish(run: Path, repeats: Repeats, tallies: Sequence[TaskTally[Any]], names: Sequence[str]) -> None:
    """Write the figures, and print those of these names: of each fold, how they spread, and of all rows together."""
    pooled, *others = tallies
    for tally in others:
        pooled.extend(tally)
    metrics, intervals = pooled.metrics(), spread(pooled)
    found = repeats.to_dict()
    del found["best"]  # of models that are all thrown away
    all_rows = {"rows": len(pooled.losses), "pooled": metrics, "intervals": {"pooled": intervals}}
    write_json(run / RESULT, {**found, **all_rows})
    for line in repeats.table(names=names):
        say(line)
    main = {name: metrics[name] for name in names if name in metrics}
    say("all folds: " + "  ".join(figures(main, intervals)))
    for suspicion in pooled.suspicions():
        warn(f"all folds: {suspicion}")


def _write_lines(path: Path, values: Iterable[Mapping[str, Any]]) -> None:
    write_file(path, "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values))
