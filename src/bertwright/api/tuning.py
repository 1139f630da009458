"""`tune`: a search for the best settings of a fine-tuning, and the model that they make.

Each trial is an ordinary fine-tuning in `OUT/run/trials/NUMBER`, without the test file, which nothing opens before the
search is over. How a trial ended is written into its `trial.json` first and told to the study then, so that whatever
is killed when, it is trained on from its snapshot, and counts once. The best settings are then trained as by
`finetune --seeds`.
"""

import json
import secrets
import shlex
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from bertwright.api.common import say, saying_once, settled
from bertwright.api.finetuning import claimed, train_once
from bertwright.api.repeating import train_seeds
from bertwright.api.run_folder import TRIAL, RunFolder, file_origin
from bertwright.api.starting_point import StartingPoint
from bertwright.api.training_run import Trained, finished_before, tell_result
from bertwright.api.training_sets import check_metric, given_files, split_seed, train_rows
from bertwright.errors import TrainingError, UsageError
from bertwright.evaluation.report.study import history, importance, slices
from bertwright.evaluation.report.words import Words
from bertwright.evaluation.svg import document
from bertwright.files import read_json, write_file, write_json
from bertwright.settings import FinetuneSettings, TuneSettings
from bertwright.settings.command import chosen, flags
from bertwright.settings.search_space import Space, read_space
from bertwright.tasks.figures import LOWER_IS_BETTER
from bertwright.text.complaints import counted
from bertwright.training.device import Compute
from bertwright.training.loop import Step
from bertwright.training.run import Watcher
from bertwright.tuning.journal import JOURNAL
from bertwright.tuning.record import study_record
from bertwright.tuning.study import Claim, SharedStudy, TakenOver, open_study

TRIALS, STUDY, WORKER = "trials", "study.json", "worker.json"
MOST_ATTEMPTS = 5  # of a trial that never gets any further: what kills it is itself, such as the kernel for its memory
PLACES = 10  # parts of an epoch within which trials are compared


def tune(settings: TuneSettings | None = None, /, **options: object) -> Trained:
    """Search for the best settings, then train these with several seeds and keep the best model by validation.

    Running it again with the same settings goes on where it was killed or stopped.

    Args:
        settings: A settings object, instead of or before keyword arguments.
        **options: The fields of `TuneSettings`; `model`, `train` and `output_dir` are required.

    Raises:
        BertwrightError: The settings, a file, the storage or a training went wrong; see `bertwright.errors`.
    """
    settings = settled(TuneSettings, settings, options)
    space = _searched(settings)
    with claimed(settings) as (compute, folder):
        settings = settings.model_copy(update={"precision": compute.precision})
        if settings.overwrite:
            folder.clear()
        model = StartingPoint.find(settings.model, settings.vocab).origin()
        # Not the test file, not even for its hash: what was not opened cannot have helped to choose.
        files = given_files(settings.model_copy(update={"test": None}))
        origins = {"model": model, **{role: file_origin(path) for role, path in files.items()}}
        if folder.begin(settings, {**origins, "space": _space_origin(settings, space)}):
            folder.grow(settings)
        if folder.finished:
            return tell_result(finished_before(folder, settings.seed))
        folder.remove_leftovers()
        search = _Search.prepare(settings, space, compute, folder, origins)
        with closing(search.study), search.study.reached():
            return search.result()


class _Pruned(Exception):  # noqa: N818 (it is no error)
    """The study gives the trial up."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a trial ended."""

    state: str
    value: float | None
    error: str | None = None
    seconds: float = 0.0


class _Reporter(Watcher):
    """Tells the study how a trial goes, and gives it up when it says so."""

    def __init__(self, study: SharedStudy, claim: Claim, metric: str, *, prune: bool) -> None:
        self.study, self.claim, self.metric, self.prune = study, claim, metric, prune

    def evaluated(self, step: Step, metrics: Mapping[str, float], *, best: bool) -> None:
        """See `Watcher`. Places are parts of epochs: a step is more or less with another size of batches."""
        del best
        behind = self.study.report(self.claim, int(step.epoch * PLACES + 1e-6), metrics[self.metric])
        if behind and self.prune and not step.last:
            raise _Pruned


@dataclass(frozen=True, slots=True)
class _Search:
    """One call of `tune`."""

    settings: TuneSettings
    space: Space
    compute: Compute
    folder: RunFolder
    metric: str
    study: SharedStudy

    @classmethod
    def prepare(
        cls, settings: TuneSettings, space: Space, compute: Compute, folder: RunFolder, origins: Mapping[str, Any]
    ) -> "_Search":
        """Read the training file for the metric, and open the study."""
        task, _ = train_rows(settings, folder.run)
        metric = check_metric(task, settings.best_metric)
        origin = _identity(settings, space, origins)
        study = open_study(
            folder.run / JOURNAL,
            settings.storage,
            settings.study_name or f"bertwright-{origin['all']}",
            higher=metric not in LOWER_IS_BETTER,
            origin=origin,
            worker=_worker(folder),
            seed=settings.seed,
            stale_seconds=settings.stale_seconds,
        )
        return cls(settings, space, compute, folder, metric, study)

    def result(self) -> Trained:
        """Do trials until all are done or time is up, then train the best settings."""
        try:
            with saying_once():
                stopped = self._search()
        except KeyboardInterrupt as error:
            text = (
                "stopped by SIGINT: the same command goes on with the trial it was at, from its snapshot if it has one"
            )
            raise KeyboardInterrupt(text) from error
        if stopped is not None:
            return replace(stopped, folder=self.folder.output)
        record = study_record(self.study, self.space, self.metric, partial(_command, self.settings))
        self._write(record)
        if record["best"] is None:
            failed = [trial["error"] for trial in record["trials"] if trial["error"]]
            raise TrainingError(f"no trial came to its end: {failed[0] if failed else 'there was no time for any'}")
        best = next(trial for trial in record["trials"] if trial["number"] == record["best"])
        say(f"best: trial {best['number']}, {self.metric} {best['value']:.4f}: {best['command']}")
        if self.settings.worker:
            return Trained(self.folder.output, {}, 0, metric=self.metric)
        winning = FinetuneSettings.create(_with(self.settings, best["parameters"]))
        return tell_result(train_seeds(winning, self.compute, self.folder, train_once))

    def _search(self) -> Trained | None:
        """Trial after trial; returns what was stopped, if one was."""
        told = False
        claim = self.study.interrupted()
        while self._has_time():
            claim = claim or self.study.claim(self.settings.trials)
            if claim is not None:
                stopped = self._do(claim)
                if stopped is not None:
                    return stopped
            elif open_slots := self.study.open_slots(self.settings.trials):
                if not told:
                    say(f"{counted(open_slots, 'trial')} with other workers: waiting", quiet=self.settings.quiet)
                told = True
                self.study.wait()
            else:
                return None
            claim = None
        say(f"{self.settings.max_hours} hours are over: {counted(len(self.study.settled()), 'trial')} done")
        return None

    def _has_time(self) -> bool:
        most = self.settings.max_hours
        return most is None or self.study.hours() < most

    def _do(self, claim: Claim) -> Trained | None:
        """One trial, from its parameters to its end; returns it if it was stopped before."""
        part = self.folder.part(TRIALS, claim.number)
        try:
            with self.study.alive(claim):
                parameters = self.study.suggest(claim, self.space)
                self._say(claim, _shown(parameters))
                outcome = self._outcome(claim, parameters, part)
                if isinstance(outcome, Trained):
                    return outcome
                self.study.settle(claim, outcome.state, outcome.value, outcome.error, outcome.seconds)
        except TakenOver:
            say(f"trial {claim.number}: this worker was silent for too long, and another one does it")
        else:
            self._say_end(claim, outcome)
        part.remove_model()
        return None

    def _outcome(self, claim: Claim, parameters: Mapping[str, Any], part: RunFolder) -> _Outcome | Trained:
        """Train, unless that is done; what came of it is in the folder before the study hears of it."""
        record = part.run / TRIAL
        if record.exists():
            written = read_json(record)
            assert isinstance(written, dict)
            return _Outcome(**written)
        began = time.monotonic()
        found = self._trained(claim, parameters, part)
        if isinstance(found, Trained):
            return found
        outcome = replace(found, seconds=round(time.monotonic() - began, 3))
        write_json(part.made(TRIAL), asdict(outcome))
        return outcome

    def _trained(self, claim: Claim, parameters: Mapping[str, Any], part: RunFolder) -> _Outcome | Trained:
        """Train, or go on; returns the training itself where it was stopped."""
        if self.study.attempts(claim, part.newest_step) > MOST_ATTEMPTS:
            killed = f"its process was killed {MOST_ATTEMPTS} times before it got beyond step {part.newest_step}"
            return _Outcome("failed", None, f"{killed}, for its memory or otherwise")
        try:
            settings = FinetuneSettings.create(_of_trial(self.settings, parameters, part.output))
        except UsageError as problem:  # each of them is fine by itself
            return _Outcome("failed", None, str(problem))
        try:
            trained = train_once(settings, _Reporter(self.study, claim, self.metric, prune=self.settings.prune))
        except KeyboardInterrupt:
            self.study.take_back(claim)
            raise
        except _Pruned:
            return _Outcome("pruned", None)
        except (TrainingError, RuntimeError, MemoryError) as problem:
            return _Outcome("failed", None, next(iter(str(problem).splitlines()), type(problem).__name__))
        if trained.stopped_by is not None:
            self.study.take_back(claim)
            return trained
        return _Outcome("complete", trained.metrics["validation"][self.metric])

    def _say(self, claim: Claim, text: str) -> None:
        say(f"trial {claim.number} ({claim.slot + 1} of {self.settings.trials}): {text}", quiet=self.settings.quiet)

    def _say_end(self, claim: Claim, outcome: _Outcome) -> None:
        found = outcome.error if outcome.value is None else f"{self.metric} {outcome.value:.4f}"
        best = self.study.best()
        mark = "  (best so far)" if best is not None and best.number == claim.number else ""
        ended = outcome.state if found is None else f"{outcome.state}: {found}"
        self._say(claim, f"{ended}{mark}")

    def _write(self, record: Mapping[str, Any]) -> None:
        """The study as JSON and as pictures."""
        run = self.folder.run
        write_json(run / STUDY, record)
        if record["best"] is not None:
            words = Words(self.settings.lang)
            drawn = {"history": [history(record, words)], "importance": importance(record, words)}
            for name, charts in {**drawn, "slices": slices(record, words)}.items():
                if charts:
                    write_file(run / f"study_{name}.svg", document(charts))


def _searched(settings: TuneSettings) -> Space:
    """The space, without what the user gives another value than the default.

    Raises:
        UsageError: That stands in the user's own space, or nothing is left of the usual one.
    """
    space = read_space(settings.space)
    given = {
        name: value for name, value in chosen(TuneSettings, settings.model_dump(mode="json")).items() if name in space
    }
    if not given:
        return space
    shown = ", ".join(f"{name} = {value}" for name, value in given.items())
    if settings.space is not None:
        raise UsageError(f"{shown} is given, and {settings.space} searches it: take it out of one of them")
    if len(given) == len(space):
        raise UsageError(f"{shown}: all that is usually searched is given; say with --space what to search")
    say(f"not searched, as it is given: {shown}", quiet=settings.quiet)
    return {name: choice for name, choice in space.items() if name not in given}


def _identity(settings: TuneSettings, space: Space, origins: Mapping[str, Any]) -> dict[str, Any]:
    """What all workers of a study agree on: settings, space, and the content of files wherever they lie."""
    paths = {"model", "train", "validation", "test", "vocab", "space", "storage", "study_name"}
    paths |= settings.free_on_resume() | settings.growing()
    named = {name: value for name, value in settings.model_dump(mode="json").items() if name not in paths}
    named["precision"] = None  # a machine with a GPU may help one without
    named |= {f"content of {role}": origin["sha256"] for role, origin in origins.items()}
    named["space"] = {name: choice.to_dict() for name, choice in space.items()}
    text = json.dumps(named, sort_keys=True)
    return {**json.loads(text), "all": sha256(text.encode()).hexdigest()[:12]}


def _space_origin(settings: TuneSettings, space: Space) -> dict[str, str]:
    """The space as something that the search began with: what it says counts, and not how it is written."""
    text = json.dumps({name: choice.to_dict() for name, choice in space.items()})
    return {"path": str(settings.space or "the usual one"), "sha256": sha256(text.encode()).hexdigest()}


def _worker(folder: RunFolder) -> str:
    """A name of this folder's worker, which stays the same when it is started again."""
    path = folder.run / WORKER
    if not path.exists():
        write_json(path, {"worker": secrets.token_hex(8)})
    found = read_json(path)
    assert isinstance(found, dict)
    return str(found["worker"])


def _of_trial(settings: TuneSettings, parameters: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """The values of a trial's settings; nobody has seen yet whether they go together."""
    return {
        **_with(settings, parameters),
        "output_dir": output,
        "split_seed": split_seed(settings),
        "test": None,
        "slice_columns": None,
        "seeds": 1,
        "overwrite": False,
        "explain": False,
        "keep_snapshots": 1,
        "quiet": True,
    }


def _with(settings: TuneSettings, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the fine-tuning that has these parameters."""
    return {name: getattr(settings, name) for name in FinetuneSettings.model_fields} | dict(parameters)


def _command(settings: TuneSettings, parameters: Mapping[str, Any], number: int) -> str:
    """The trial by hand, in a folder of its own."""
    trial = FinetuneSettings.model_construct(**_of_trial(settings, parameters, Path(f"trial-{number}")))
    values = trial.model_dump(mode="json") | {"keep_snapshots": None, "quiet": None}
    return shlex.join(["bertwright", "finetune", *flags(FinetuneSettings, values)])


def _shown(parameters: Mapping[str, Any]) -> str:
    values = {name: f"{value:.3g}" if isinstance(value, float) else value for name, value in parameters.items()}
    return "  ".join(f"{name} {value}" for name, value in values.items())
