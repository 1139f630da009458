"""`doctor`: labelled files looked at before a fine-tuning, with the model that is to be trained."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import Any

from bertwright.api.common import patient, say, settled, show
from bertwright.api.findings import of_table
from bertwright.api.run_folder import RunFolder, file_origin
from bertwright.api.starting_point import StartingPoint
from bertwright.api.training_sets import check_files, check_metric, fold_of_each, given_files, split_off, task_kind
from bertwright.evaluation.findings_text import estimate_line, lengths_line, report
from bertwright.files import make_folder, write_json
from bertwright.settings import DoctorSettings
from bertwright.tasks.checks.files import LabelledFiles
from bertwright.tasks.checks.finding import Finding
from bertwright.tasks.checks.labels import missing_labels
from bertwright.tasks.checks.listed import all_findings, worst_first
from bertwright.tasks.checks.reading import Lengths, Reading
from bertwright.tasks.finetuning import Rows
from bertwright.tasks.kinds import AnyTask
from bertwright.text.tables.table import Table
from bertwright.training.device import Compute, memory_of
from bertwright.training.estimate import Estimate, estimate


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What `doctor` found.

    Attributes:
        task: Name of the task.
        origins: Path and SHA-256 of the model and of each file, by role: a report asks whether they are its own.
        max_length: Tokens of the longest text that the model is to read.
        files: Path, form and counts of each file, by its role.
        findings: The worst first.
        lengths: How long the training rows are, in tokens.
        estimate: What the training will take.
    """

    task: str
    origins: dict[str, dict[str, str]]
    max_length: int
    files: dict[str, dict[str, Any]]
    findings: tuple[Finding, ...]
    lengths: Lengths
    estimate: Estimate

    @property
    def exit_code(self) -> int:
        """1 where something would make the result wrong, else 0."""
        return int(any(finding.severity == "error" for finding in self.findings))

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "task": self.task,
            "origins": self.origins,
            "max_length": self.max_length,
            "files": self.files,
            "findings": [finding.to_dict() for finding in self.findings],
            "lengths": asdict(self.lengths),
            "estimate": self.estimate.to_dict(),
            "exit_code": self.exit_code,
        }


def doctor(settings: DoctorSettings | None = None, /, **options: object) -> Diagnosis:
    """Look for what would make a fine-tuning with the same settings go wrong; print it.

    Args:
        settings: A settings object, instead of or before keyword arguments.
        **options: The fields of `DoctorSettings`, which are those of `FinetuneSettings`; `model` and `train` are
            required.

    Raises:
        BertwrightError: A file or the model cannot be read, or a setting does not fit them.
    """
    settings = settled(DoctorSettings, settings, options)
    compute = Compute.create(settings.device, settings.precision)
    check_files(settings)
    start = StartingPoint.find(settings.model, settings.vocab)
    start.config.check_length(settings.max_length)
    kind = task_kind(settings)
    files = given_files(settings)
    tables = {role: patient(kind.table(path, settings, labelled=True), settings) for role, path in files.items()}
    rows = {role: Rows(table.path, list(table.read())) for role, table in tables.items()}
    kind.check_training(rows["train"])
    whole = settings.validation is None
    learned, measured = split_off(kind, rows["train"], settings) if whole else (rows["train"], rows["validation"])
    task = kind.learn(rows["train"], settings)
    for part in rows.values():
        task.check_rows(part, f"the training set ({rows['train'].path})")
    check_metric(task, settings.best_metric)
    if settings.folds is not None:
        fold_of_each(task, rows["train"], settings, settings.folds)
    positions = start.config.max_position_embeddings
    reading = Reading(LabelledFiles(task, rows), start.tokenizer, settings.max_length, positions)
    found = all_findings(reading)
    if whole:
        found += missing_labels(LabelledFiles(task, {"train": learned, "validation": measured}))
    taken = _estimate(reading, start, settings, compute, learned=len(learned), evaluated=len(measured))
    found += chain.from_iterable(of_table(table, role) for role, table in tables.items())
    found += _of_memory(taken, compute)
    diagnosis = Diagnosis(
        task=task.name,
        origins={"model": start.origin(), **{role: file_origin(path) for role, path in files.items()}},
        max_length=settings.max_length,
        files={role: _file(tables[role], rows[role], task) for role in rows},
        findings=tuple(worst_first(found)),
        lengths=reading.lengths(),
        estimate=taken,
    )
    if settings.output_dir is not None:
        _keep(diagnosis, RunFolder(settings.output_dir))
    _print(diagnosis, compute, as_json=settings.as_json)
    return diagnosis


def _estimate(
    reading: Reading, start: StartingPoint, settings: DoctorSettings, compute: Compute, *, learned: int, evaluated: int
) -> Estimate:
    """Of a training that learns from so many rows and is evaluated on so many."""
    config = reading.files.task.configure(replace(start.config, labels=(), task={}))
    part = min(len(reading.rows) / learned, 1.0)
    say("timing a few steps", quiet=settings.quiet)
    return estimate(
        reading.files.task, config, reading.examples, settings, compute, part=part, evaluated=evaluated / learned
    )


def _of_memory(taken: Estimate, compute: Compute) -> Iterable[Finding]:
    there = memory_of(compute.device)
    if there and taken.memory > there:
        text = f"the training needs about {taken.memory / 2**30:.1f} GiB of memory, of {there / 2**30:.1f} GiB"
        yield Finding("warning", "memory", text, "try --gradient-accumulation, a shorter --max-length, a smaller model")


def _file(table: Table[Any], rows: Rows[Any], task: AnyTask) -> dict[str, Any]:
    counts = table.counts
    return {
        "path": str(table.path),
        "form": table.describe(),
        "content": task.describe(rows),
        "read": counts.read,
        "kept": counts.kept,
        "skipped": counts.skipped,
    }


def _keep(diagnosis: Diagnosis, folder: RunFolder) -> None:
    make_folder(folder.run)
    write_json(folder.diagnosis, diagnosis.to_dict())


def _print(diagnosis: Diagnosis, compute: Compute, *, as_json: bool) -> None:
    """Print JSON, every character of it plain; or text, with colours where standard output takes them."""
    if as_json:
        show(json.dumps(diagnosis.to_dict(), indent=2))
        return
    from rich.console import Console

    lines = [f"task: {diagnosis.task}"]
    for role, file in diagnosis.files.items():
        lines += [file["form"], f"{role}: {file['content']}"]
    lines += [lengths_line(diagnosis.lengths), estimate_line(diagnosis.estimate, compute.describe())]
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    with console.capture() as captured:
        for part in report(lines, diagnosis.findings):
            console.print(part)
    show(captured.get().rstrip("\n"))
