"""What a report is made of: the files of a run/ folder, or of a folder that `evaluate` wrote, as they are.

Knows what the files are called, and nothing of what a page shows.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from bertwright.errors import DataError, UsageError
from bertwright.evaluation.uncertainty import Interval
from bertwright.files import read_json
from bertwright.settings import TaskName
from bertwright.settings.yaml_file import read_yaml

SETTINGS, METRICS, LOG, PREDICTIONS = "settings.yaml", "metrics.json", "log.jsonl", "predictions.test.jsonl"
ORIGINS, ENVIRONMENT = "data.json", "environment.json"
RANDOM_WEIGHTS = "random weights"
"""What stands in the place of the model's path where a run began with a size preset."""
Verb = Literal["finetune", "tune", "evaluate"]
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What the files of a run say.

    Attributes:
        folder: Where they lie.
        name: What the run is called: the name of the model's folder.
        settings: As they are written; their names are those of the settings of `verb`.
        origins: Path and SHA-256 of what the run began with, by role.
        found: What was read, and what is wrong with it: `files` and `findings`.
        environment: Versions and device.
        log: The lines of the log.
        metrics: The content of metrics.json.
        folds: What a cross-validation of the training rows gave; None where there was none.
        study: What a search for the best settings tried; None where there was none.
    """

    folder: Path
    name: str
    settings: Values
    origins: Values
    found: Values
    environment: Values
    log: Sequence[Values]
    metrics: Values
    folds: Values | None
    study: Values | None

    @classmethod
    def read(cls, folder: Path) -> "RunRecord":
        """Read the files of a model folder's run/, or those that lie in the folder itself.

        Raises:
            UsageError: There is no such folder; else as `of`.
            DataError: As `of`.
        """
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder; name one that finetune or evaluate --output-dir wrote")
        return cls.of(folder / "run" if (folder / "run" / SETTINGS).is_file() else folder)

    @classmethod
    def of(cls, run: Path) -> "RunRecord":
        """Read the files that lie in this folder.

        Raises:
            UsageError: It holds no run that a report can be made of.
            DataError: A file is damaged.
        """
        if not (run / SETTINGS).is_file():
            raise UsageError(
                f"{run}: no run to make a report of (it has no {SETTINGS}): name a folder that finetune or "
                "evaluate --output-dir wrote"
            )
        settings = {entry.key: entry.value for entry in read_yaml(run / SETTINGS)}
        if "train" not in settings and "test" not in settings:
            raise UsageError(f"{run}: a report is of fine-tuning; what another verb tells of its run is in there")
        if not (run / METRICS).is_file():
            raise UsageError(f"{run}: its run is not finished: there is no {METRICS} yet")
        origins = _mapping(run / ORIGINS)
        return cls(
            folder=run,
            name=(run.resolve().parent if run.name == "run" else run.resolve()).name,
            settings=settings,
            origins=origins,
            found=_found(run, origins, settings),
            environment=_mapping(run / ENVIRONMENT),
            log=list(_json_lines(run / LOG)),
            metrics=_mapping(run / METRICS),
            folds=_mapping(run / "cross_validation.json") or None,
            study=_mapping(run / "study.json") or None,
        )

    @property
    def verb(self) -> Verb:
        """Which verb wrote them."""
        if "train" not in self.settings:
            return "evaluate"
        return "tune" if "trials" in self.settings else "finetune"

    @property
    def from_scratch(self) -> bool:
        """Whether training began from random weights."""
        return bool(self.origins.get("model", {}).get("path") == RANDOM_WEIGHTS)

    @property
    def task(self) -> str:
        """The name of the task; empty where an older version did not write it."""
        name = str(self.metrics.get("task") or self.settings.get("task"))
        return name if name in get_args(TaskName) else ""

    @property
    def positive(self) -> str | None:
        """With two labels the one that precision, recall and F1 are of, where the run wrote it."""
        found = self.metrics.get("positive_label")
        return None if found is None else str(found)

    @property
    def split(self) -> str:
        """What the figures of the report are of: `test`, or where nothing was tested `validation`."""
        return "test" if "test" in self.metrics else "validation"

    @property
    def figures(self) -> Mapping[str, float]:
        """The figures of `split`."""
        return _numbers(self.metrics.get(self.split))

    @property
    def validation(self) -> Mapping[str, float]:
        """The figures on the validation set."""
        return _numbers(self.metrics.get("validation"))

    @property
    def intervals(self) -> Mapping[str, Interval]:
        """Those of `figures`, as far as they have any."""
        found = self.metrics.get("intervals", {}).get(self.split, {})
        return {name: (float(low), float(high)) for name, (low, high) in found.items()}

    @property
    def details(self) -> Values:
        """What stands behind the figures."""
        found: Values = self.metrics.get("details", {}).get(self.split, {})
        return found

    @property
    def rows(self) -> int | None:
        """How many rows the figures are of."""
        counted = self.metrics.get("rows", {}).get(self.split)
        found = counted or self.found.get("files", {}).get(self.split, {}).get("rows")
        return None if found is None else int(found)

    @property
    def main_figures(self) -> list[str]:
        """The figures that say most, the one by which the best model was chosen first."""
        usual = _MAIN.get(self.task, ())
        chosen = [name for name in (str(self.metrics.get("best_metric")), *usual) if name in self.figures]
        return list(dict.fromkeys(chosen)) or [name for name in self.figures if name != "loss"][:3]

    def predictions(self) -> Iterator[Values]:
        """The answers to all rows of the test file, in its order, where they were written."""
        return _json_lines(self.folder / PREDICTIONS)

    def label_errors(self) -> Iterator[Values]:
        """Labels of training rows that are likely wrong, where a cross-validation looked for them."""
        return _json_lines(self.folder / "label_errors.jsonl")


_MAIN = {
    "classification": ("accuracy", "f1_macro", "f1", "roc_auc", "matthews_correlation"),
    "multilabel": ("f1_micro", "f1_macro", "accuracy"),
    "regression": ("pearson", "spearman", "mae"),
    "tagging": ("f1", "precision", "recall"),
    "qa": ("f1", "exact_match"),
    "choice": ("accuracy",),
}


def _found(run: Path, origins: Values, settings: Values) -> Values:
    """What the checks in front of the training found, and what else `doctor` did where it was asked before.

    What `doctor` found in files that were mended since, or for another model or length, is no longer so.
    """
    found, closer = _mapping(run / "findings.json"), _mapping(run / "doctor.json")
    if not (found and "origins" in closer and closer["max_length"] == settings.get("max_length")):
        return found
    if any(origins.get(role, {}).get("sha256") != origin["sha256"] for role, origin in closer["origins"].items()):
        return found
    known = {_subject(finding) for finding in found["findings"]}
    more = [finding for finding in closer["findings"] if _subject(finding) not in known]
    return {**found, "findings": [*found["findings"], *more]}


def _subject(finding: Values) -> tuple[object, object]:
    """What was looked for, and in which file; counts may be of other parts of it."""
    return finding.get("check"), finding.get("role")


def _mapping(path: Path) -> Values:
    if not path.is_file():
        return {}
    found = read_json(path)
    if not isinstance(found, dict):
        raise DataError(f"{path}: should hold a JSON object; run the command that wrote it again")
    return found


def _json_lines(path: Path) -> Iterator[Values]:
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise DataError(f"{path}:{number}: not a JSON line; run the command that wrote it again") from error


def _numbers(figures: object) -> Mapping[str, float]:
    found = figures if isinstance(figures, dict) else {}
    return {str(name): float(value) for name, value in found.items() if isinstance(value, int | float)}
