"""`glue`, `clue`, `squad`: fine-tune on every task of a suite with several seeds; one table at the end.

Each task is an ordinary `finetune --seeds` in a folder of its own, so it goes on where it was killed, and a finished
one is not repeated.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bertwright.api.common import say, settled, show
from bertwright.api.finetuning import finetune
from bertwright.api.run_folder import RunFolder
from bertwright.api.starting_point import StartingPoint
from bertwright.api.suite_folder import Done, check_verb, finished_tasks, tell_misfits
from bertwright.api.training_run import Trained, figures_of
from bertwright.errors import UsageError
from bertwright.evaluation.suite_table import TaskScore, average, suite_table
from bertwright.files import write_file, write_json
from bertwright.hub import download
from bertwright.settings import ClueSettings, FinetuneSettings, GlueSettings, SquadSettings, SuiteSettings
from bertwright.tasks.suites import CLUE, GLUE, SQUAD, Suite, SuiteTask, TaskFiles, check_tasks, find_files, find_folder

_CHOSEN = ("epochs", "batch_size", "learning_rate", "max_length", "max_steps")
_PASSED_ON = ("model", "vocab", "seeds", "seed", "device", "precision", "overwrite", "quiet")
_COMPARED = (*_CHOSEN, "seeds", "seed")


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """What a suite did.

    Attributes:
        folder: Where results.json, results.md and the models are.
        scores: Of each task that the folder has of this model, in the order of the suite; those of former calls, too.
        average: Over these tasks, in percent; None when stopped before the end.
        stopped_by: Name of the signal that ended it early; the same command goes on.
    """

    folder: Path
    scores: MappingProxyType[str, TaskScore]
    average: float | None
    stopped_by: str | None = None
    exit_code: int = 0


def glue(settings: GlueSettings | None = None, /, **options: object) -> SuiteResult:
    """Fine-tune on the tasks of GLUE.

    Args:
        settings: A settings object, instead of or before keyword arguments.
        **options: The fields of `GlueSettings`; `model` and `output_dir` are required.

    Raises:
        BertwrightError: A file is missing or in no known form, or a training went wrong.
    """
    return _run(GLUE, settled(GlueSettings, settings, options))


def clue(settings: ClueSettings | None = None, /, **options: object) -> SuiteResult:
    """Fine-tune on tasks of CLUE; arguments and errors as `glue`."""
    return _run(CLUE, settled(ClueSettings, settings, options))


def squad(settings: SquadSettings | None = None, /, **options: object) -> SuiteResult:
    """Fine-tune on SQuAD 1.1 and 2.0; arguments and errors as `glue`."""
    return _run(SQUAD, settled(SquadSettings, settings, options))


def _run(suite: Suite, settings: SuiteSettings) -> SuiteResult:
    files = {name: find_files(folder, suite.tasks[name]) for name, folder in _folders(suite, settings).items()}
    model = StartingPoint.find(settings.model, settings.vocab).origin()["sha256"]
    if not settings.overwrite:
        for name in files:
            check_verb(RunFolder(settings.output_dir / name))
    tell_misfits(suite, settings.output_dir, model, besides=files, quiet=settings.quiet)
    tell = partial(say, quiet=settings.quiet)
    for name, found in files.items():
        task = suite.tasks[name]
        chosen = _settings(suite, task, found, settings, settings.output_dir / name)
        tell(f"{task.title}: learned from {found.train}, measured on {found.test}")
        for path in found.left_out:
            tell(f"{task.title}: {path} is left out: no labels in it, or another form than {found.train.name}")
        trained = finetune(chosen)
        if trained.stopped_by is not None:
            scored = MappingProxyType(_scores(suite, finished_tasks(suite, settings.output_dir, model)))
            return SuiteResult(settings.output_dir, scored, None, trained.stopped_by, trained.exit_code)
    return _publish(suite, settings, finished_tasks(suite, settings.output_dir, model))


def _publish(suite: Suite, settings: SuiteSettings, done: Done) -> SuiteResult:
    """The table, and every value, of all that the folder has: a task may be added by itself."""
    scores = _scores(suite, done)
    mean, missing = average(scores), [name for name in suite.tasks if name not in scores]
    used = {name: chosen.model_dump(mode="json", exclude_defaults=True) for name, (_, chosen) in done.items()}
    entries = {name: {**score.to_dict(), "settings": used[name]} for name, score in scores.items()}
    whole = {"suite": suite.title, "model": settings.model, "average": mean, "missing": missing, "tasks": entries}
    table = suite_table(suite.title, settings.model, scores, of=len(suite.tasks))
    if others := _others(suite, settings, done):
        table = f"{table}\n\nWith other settings than those of the last call: {', '.join(others)}."
    write_json(settings.output_dir / "results.json", whole)
    write_file(settings.output_dir / "results.md", table + "\n")
    show(table)
    return SuiteResult(settings.output_dir, MappingProxyType(scores), mean)


def _others(suite: Suite, given: SuiteSettings, done: Done) -> list[str]:
    """Of each task that was done with other settings than this call has for it, which they are."""
    found = []
    for name, (_, used) in done.items():
        asked = FinetuneSettings.model_construct(**_asked(suite, suite.tasks[name], given))
        pairs = {key: (getattr(used, key), getattr(asked, key)) for key in _COMPARED}
        other = [f"{key} {was} instead of {now}" for key, (was, now) in pairs.items() if was != now]
        if other:
            found.append(f"{suite.tasks[name].title} ({', '.join(other)})")
    return found


def _folders(suite: Suite, settings: SuiteSettings) -> dict[str, Path]:
    """The folder of each task that is to be run.

    Raises:
        UsageError: A task that was named has none, or no task has one.
    """
    names = check_tasks(suite, settings.tasks)
    local = settings.data is not None and Path(settings.data).expanduser().is_dir()
    found = {name: _local(suite, name, settings) if local else _fetched(suite, name, settings) for name in names}
    missing = [name for name, folder in found.items() if folder is None]
    if (settings.tasks and missing) or len(missing) == len(names):
        raise UsageError(f"--data {settings.data}: no folder with a train file for {', '.join(missing)}")
    if missing:
        say(f"not in {settings.data}, left out: {', '.join(missing)}", quiet=settings.quiet)
    return {name: folder for name, folder in found.items() if folder is not None}


def _local(suite: Suite, name: str, settings: SuiteSettings) -> Path | None:
    assert settings.data is not None
    return find_folder(Path(settings.data).expanduser(), name, suite.tasks[name])


def _fetched(suite: Suite, name: str, settings: SuiteSettings) -> Path | None:
    """From the hub: a folder of the suite's data set, or a data set of the task's own."""
    task = suite.tasks[name]
    own = settings.data is None and task.hub is not None
    repository = task.hub if own else settings.data or suite.hub
    if repository is None:
        raise UsageError(f"{suite.title} has no data set on the hub that is known here: name its folder with --data")
    if not own:
        here = "" if settings.data is None else "no such folder here, and on the hub: "
        return find_folder(download(repository, [f"{name}/*"], kind="dataset", here=here), name, task)
    (folder,) = {path.parent for path in download(repository, ["*.parquet"], kind="dataset").rglob("train*.parquet")}
    return folder


def _settings(suite: Suite, task: SuiteTask, files: TaskFiles, given: SuiteSettings, output: Path) -> FinetuneSettings:
    return FinetuneSettings.create(
        {
            **_asked(suite, task, given),
            **files.form,
            "task": task.kind,
            "positive_label": files.positive,
            "best_metric": task.figures[0],
            "train": files.train,
            "validation": files.validation,
            "test": files.test,
            "output_dir": output,
        }
    )


def _asked(suite: Suite, task: SuiteTask, given: SuiteSettings) -> dict[str, Any]:
    """Published settings, those of the task before those of the suite, and the user's before both."""
    chosen = {name: value for name in _CHOSEN if (value := getattr(given, name)) is not None}
    return {**{name: getattr(given, name) for name in _PASSED_ON}, **suite.settings, **task.settings, **chosen}


def _scores(suite: Suite, done: Done) -> dict[str, TaskScore]:
    return {name: _score(suite.tasks[name], figures_of(folder, used.seed)) for name, (folder, used) in done.items()}


def _score(task: SuiteTask, trained: Trained) -> TaskScore:
    assert trained.seeds is not None  # it was not stopped
    figures = {name: [run.metrics["test"][name] for run in trained.seeds.runs] for name in task.figures}
    return TaskScore(task.title, figures, percent=task.kind == "qa")
