"""What the output folder of a suite has already: runs of its tasks, as far as they belong in the table of one model.

A model is what it holds, wherever it lies: its hash names it.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from bertwright.api.common import say
from bertwright.api.run_folder import RunFolder
from bertwright.errors import BertwrightError, UsageError
from bertwright.settings import FinetuneSettings
from bertwright.tasks.suites import Suite, SuiteTask

Done = Mapping[str, tuple[RunFolder, FinetuneSettings]]
"""Finished runs by task, and what they are of."""


def check_verb(folder: RunFolder) -> None:
    """See that what there is to go on with, if anything, is a fine-tuning.

    Raises:
        UsageError: It is the run of another verb.
    """
    if folder.begun:
        try:
            folder.settings(FinetuneSettings)
        except BertwrightError as error:
            raise UsageError(
                f"{folder.output} holds a run that is not of finetune, or is damaged: choose another --output-dir, "
                "or start anew with --overwrite"
            ) from error


def tell_misfits(suite: Suite, output: Path, model: str, *, besides: Collection[str], quiet: bool) -> None:
    """Tell which finished runs will not be in the table, and why; not of the tasks `besides`, which are to be run."""
    for name, task in suite.tasks.items():
        folder = RunFolder(output / name)
        if folder.finished and name not in besides and (reason := _misfit(folder, task, model)) is not None:
            say(f"{task.title}: {folder.output} {reason}: not in the table", quiet=quiet)


def finished_tasks(suite: Suite, output: Path, model: str) -> Done:
    """The tasks that are done with this model in the folder."""
    folders = {name: RunFolder(output / name) for name in suite.tasks}
    return {
        name: (folder, folder.settings(FinetuneSettings))
        for name, folder in folders.items()
        if folder.finished and _misfit(folder, suite.tasks[name], model) is None
    }


def _misfit(folder: RunFolder, task: SuiteTask, model: str) -> str | None:
    """Why a finished run does not belong in the table; None where it does."""
    try:
        used, began = folder.settings(FinetuneSettings), folder.origins().get("model", {})
    except BertwrightError:
        return "holds a run that is not of finetune, or is damaged"
    if began.get("sha256") != model:
        return f"is of another model ({used.model} as it was then)"
    if used.task != task.kind:
        return f"was not made with --task {task.kind}"
    return "was not measured on a test file" if used.test is None else None
