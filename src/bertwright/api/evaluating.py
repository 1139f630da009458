"""`evaluate`: a fine-tuned model measured on a labelled file, alone or beside another one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from bertwright.api.common import (
    extra_columns,
    patient,
    quarantine_here,
    say,
    say_counts,
    settled,
    show,
    told,
    warn,
    warn_of_cuts,
)
from bertwright.api.measuring import Measured, measure_file
from bertwright.api.reporting import REPORT, write_report
from bertwright.api.run_folder import file_origin
from bertwright.api.training_run import environment
from bertwright.errors import BertwrightError, ModelFolderError, UsageError
from bertwright.evaluation.comparison import Difference, compare
from bertwright.evaluation.report.record import ENVIRONMENT, METRICS, ORIGINS, PREDICTIONS, SETTINGS
from bertwright.evaluation.text_report import comparison_report, text_report
from bertwright.evaluation.uncertainty import DRAWS
from bertwright.files import LOCK, make_folder, write_file, write_json
from bertwright.model.folder import CONFIG
from bertwright.serving.loading import load
from bertwright.serving.predictor import Predictor
from bertwright.settings import EvaluateSettings
from bertwright.tasks.classification import POSITIVE
from bertwright.tasks.kinds import AnyTask, check_columns, judging, positive_of
from bertwright.tasks.text_reading import TextReading
from bertwright.text.complaints import all_shown
from bertwright.text.tables.table import Table

_BAD_ROWS = "bad_rows.jsonl"
_MARKS = (SETTINGS, ORIGINS, ENVIRONMENT)
"""What evaluate writes before it measures: by these its folder is known, wherever it was stopped."""
_FIGURES = (METRICS, PREDICTIONS, str(Path(PREDICTIONS).with_suffix(".json")), REPORT, _BAD_ROWS)
"""What comes of measuring, as far as there is any."""


def evaluate(settings: EvaluateSettings | None = None, /, **options: object) -> Measured:
    """Measure a fine-tuned model on a labelled file; of each row only a few numbers stay in memory.

    Args:
        settings: A settings object, instead of or before keyword arguments.
        **options: The fields of `EvaluateSettings`; `model` and `test` are required.

    Raises:
        BertwrightError: The model or the file is not what it should be, or two models cannot be compared.
    """
    settings = settled(EvaluateSettings, settings, options)
    folder = settings.output_dir
    if folder is not None:
        _check_nothing_is_lost(folder, settings.test)
    predictor = _predictor(settings, settings.model)
    rival = None if settings.against is None else _predictor(settings, settings.against)
    check_columns(type(predictor.task), settings)
    if rival is not None:
        _check_comparable(str(settings.against), predictor, rival)
        rival.task = _judged_alike(rival, predictor)
    table = told(_table(settings, predictor), quiet=settings.quiet)
    columns = extra_columns(settings, settings.slice_columns, settings.test)
    if folder is not None:
        _begin(settings, predictor, folder)
    predictions = folder / PREDICTIONS if folder else None
    draws = settings.bootstrap_draws
    measured = measure_file(predictor, table, predictions=predictions, draws=draws, columns=columns)
    say_counts(table, quiet=settings.quiet)
    warn_of_cuts(str(settings.test), measured.truncated, table.counts.kept, predictor.limit)
    _warn_of(measured, None if rival is None else settings.model)
    if rival is not None:
        measured = replace(measured, against=_against(settings, measured, rival))
    if folder is not None:
        write_json(folder / METRICS, _written(settings, measured, predictor.task))
        page = write_report(folder, settings.lang)
        say(f"all figures written to {page or folder}", quiet=settings.quiet)
    positive = positive_of(predictor.task).get(POSITIVE)
    show(text_report(measured.metrics, measured.details, measured.intervals, positive))
    if measured.against is not None:
        show("\n" + comparison_report(str(settings.against), measured.against))
    return measured


def _check_nothing_is_lost(folder: Path, test: Path) -> None:
    """See that the figures go into no folder where another verb, or the user, has files of the same names.

    Raises:
        UsageError: They would, or the file that is measured on is one of those that they replace.
    """
    training = "the files of a training"
    held = {CONFIG: "a model", LOCK: training, f"run/{SETTINGS}": training}
    what = next((named for name, named in held.items() if (folder / name).exists()), None)
    there = [name for name in _MARKS + _FIGURES if (folder / name).exists()]
    if what is None and there and not _is_of_evaluate(folder):
        what = f"{there[0]}, which evaluate did not write"
    if test.resolve() in [(folder / name).resolve() for name in there]:
        what = "the --test file, under a name that evaluate writes"
    if what is not None:
        raise UsageError(f"--output-dir {folder} holds {what}: choose another folder")


def _is_of_evaluate(folder: Path) -> bool:
    try:
        EvaluateSettings.from_file(folder / SETTINGS, {})
    except BertwrightError:
        return False
    return all((folder / name).exists() for name in _MARKS)


def _predictor(settings: EvaluateSettings, model: str) -> Predictor:
    predictor = load(
        model,
        device=settings.device,
        precision=settings.precision,
        max_length=settings.max_length,
        batch_tokens=settings.batch_tokens,
    )
    if not isinstance(predictor, Predictor):
        raise ModelFolderError(f"{model} is not a fine-tuned model: make one of it with bertwright finetune")
    if settings.positive_label is not None:
        predictor.task = judging(predictor.task, settings.positive_label)
    return predictor


def _table(settings: EvaluateSettings, predictor: Predictor) -> Table[Any]:
    folder, test = settings.output_dir, settings.test
    table: Table[Any] = predictor.task.table(test, settings, labelled=True)
    return patient(table, settings, folder / _BAD_ROWS if folder else quarantine_here(test.name))


def _against(settings: EvaluateSettings, measured: Measured, rival: Predictor) -> dict[str, Difference]:
    """The model beside the other one, which reads the same rows."""
    other = measure_file(rival, _table(settings, rival), draws=0)
    _warn_of(other, settings.against)
    if other.metrics.keys() != measured.metrics.keys():
        only = ", ".join(sorted(other.metrics.keys() ^ measured.metrics.keys()))
        raise UsageError(
            f"--against {settings.against}: one of the two models alone has {only}: they cannot be compared"
        )
    return compare(measured.tally, other.tally, draws=settings.bootstrap_draws or DRAWS)


def _warn_of(measured: Measured, model: str | None) -> None:
    """What is odd about the answers; of two models it is said which gave them."""
    for suspicion in measured.suspicions:
        warn(str(suspicion) if model is None else f"{model}: {suspicion}")


def _check_comparable(name: str, one: Predictor, other: Predictor) -> None:
    """Figures of two models mean the same only for the same task and labels."""
    task, others = one.task.name, other.task.name
    if task != others:
        raise UsageError(f"--against {name} was made for {others}, and --model for {task}: they cannot be compared")
    if one.labels != other.labels:
        has, wanted = all_shown(other.labels), all_shown(one.labels)
        raise UsageError(f"--against {name} has the labels {has}, and --model has {wanted}: they cannot be compared")
    mine, its = (TextReading.of(predictor.config.task).pairs for predictor in (one, other))
    if {mine, its} == {True, False}:
        reads, rest = ("pairs of texts", "single ones") if its else ("single texts", "pairs")
        raise UsageError(f"--against {name} reads {reads}, and --model {rest}: no test set is for both")


def _judged_alike(rival: Predictor, predictor: Predictor) -> AnyTask:
    """The rival's task with the other model's positive label: else their F1 would be of different labels."""
    positive = positive_of(predictor.task).get(POSITIVE)
    return rival.task if positive is None else judging(rival.task, positive)


def _begin(settings: EvaluateSettings, predictor: Predictor, folder: Path) -> None:
    """How the figures will have come about: settings, hash of the file, versions and device; earlier ones go."""
    make_folder(folder)
    for name in _FIGURES:
        (folder / name).unlink(missing_ok=True)
    write_json(folder / ORIGINS, {"test": file_origin(settings.test)})
    write_json(folder / ENVIRONMENT, environment(predictor.compute))
    write_file(folder / SETTINGS, settings.to_yaml())


def _written(settings: EvaluateSettings, measured: Measured, task: AnyTask) -> dict[str, Any]:
    """What metrics.json holds."""
    written: dict[str, Any] = {"task": task.name, **positive_of(task), **measured.to_dict("test")}
    if measured.against is not None:
        differences = {name: difference.to_dict() for name, difference in measured.against.items()}
        written["against"] = {"model": settings.against, "differences": differences}
    return written
