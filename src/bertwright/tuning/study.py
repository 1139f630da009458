"""A study that workers share: as many slots as trials are asked for, each settled once, whoever dies when. By Optuna.

A slot is held by one trial, the first in number that is neither lost nor spare. A trial whose worker died is *lost*:
it failed without an error, and its slot gets a new trial with the same parameters. A trial is *spare* where two
workers filled a slot at the same time. So whatever the order of deaths, N slots end with N settled trials.
"""

import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from bertwright.errors import BertwrightError, UsageError
from bertwright.settings.search_space import Choices, Range, Space
from bertwright.settings.tuning import without_password
from bertwright.tuning.journal import mend

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, Trial

_SLOT, _WORKER, _ERROR, _SPARE, _SECONDS, _ATTEMPTS = "slot", "worker", "error", "spare", "seconds", "attempts"
_ORIGIN = "origin"
_GIVEN = "fixed_params"  # Optuna's own name for the parameters that a waiting trial is given
FEW_TRIALS = 5  # before any is given up
ENOUGH_TRIALS = 10  # complete ones, to tell what mattered
_PAUSE = 0.3  # seconds until a database is tried again


class TakenOver(Exception):  # noqa: N818 (it is no error)
    """Another worker took this one for dead and does its trial."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A trial that this worker is to do, or to go on with."""

    trial: "Trial"
    slot: int

    @property
    def number(self) -> int:
        """Its number in the study."""
        return self.trial.number


class SharedStudy:
    """A study, as one worker sees it.

    Args:
        study: Optuna's.
        worker: A name that is this worker's alone, also after it was started again.
        alone: Whether no other worker can be there.
        seed: Of the search.
        stale_seconds: When a silent worker counts as dead.
    """

    def __init__(self, study: "Study", worker: str, *, alone: bool, seed: int, stale_seconds: int) -> None:
        self.study, self.worker, self.alone = study, worker, alone
        self.seed, self.stale_seconds = seed, stale_seconds
        self._unheard: dict[int, float] = {}  # when trials without a sign of life were first seen, by this clock

    @property
    def trials(self) -> "list[FrozenTrial]":
        """All trials, lost and spare ones too."""
        return self.study.get_trials(deepcopy=False)

    def settled(self) -> "list[FrozenTrial]":
        """The trials that are done: complete, pruned, or failed with an error; in the order of their slots."""
        return sorted(filter(is_settled, self.trials), key=lambda trial: int(trial.user_attrs[_SLOT]))

    def lost(self) -> int:
        """How many trials died with their workers."""
        return sum(map(_is_lost, self.trials))

    def best(self) -> "FrozenTrial | None":
        """The complete trial with the best figure, the first of equal ones."""
        from optuna.study import StudyDirection
        from optuna.trial import TrialState

        complete = [trial for trial in self.settled() if trial.state == TrialState.COMPLETE]
        high = self.study.direction == StudyDirection.MAXIMIZE
        return max(complete, key=lambda trial: _value(trial) if high else -_value(trial), default=None)

    def hours(self) -> float:
        """What this worker's settled trials took."""
        own = (trial for trial in self.settled() if trial.user_attrs.get(_WORKER) == self.worker)
        return float(sum(trial.user_attrs.get(_SECONDS, 0.0) for trial in own)) / 3600

    def interrupted(self) -> Claim | None:
        """The trial that this worker was at when it died or was stopped, to be gone on with."""
        from optuna.trial import Trial, TrialState

        for trial in self.trials:
            own = trial.user_attrs.get(_WORKER) == self.worker or (self.alone and _WORKER not in trial.user_attrs)
            if trial.state == TrialState.RUNNING and own:
                claim = Claim(Trial(self.study, trial._trial_id), trial.user_attrs.get(_SLOT, -1))
                if self._take(claim):
                    return claim
        return None

    def claim(self, slots: int) -> Claim | None:
        """The next trial to do, of so many slots; None where there is none (left)."""
        from optuna.trial import TrialState

        self._fail_stale()
        self._fill(slots)
        while self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Optuna's own loop is not used, so the signs of life are ours to give
                trial = self.study.ask()  # a waiting one; one without a slot where another worker was faster
            claim = Claim(trial, trial.user_attrs.get(_SLOT, -1))
            if self._take(claim):
                return claim
        return None

    def open_slots(self, slots: int) -> int:
        """How many slots are not settled."""
        return slots - len({trial.user_attrs[_SLOT] for trial in self.settled()})

    def suggest(self, claim: Claim, space: Space) -> dict[str, Any]:
        """The trial's parameters; the same ones whenever it is asked again."""
        from optuna.samplers import TPESampler

        with _of_optuna():
            for name, choice in space.items():
                # A stream for each: a search that was interrupted draws what it would have drawn.
                key = crc32(f"{self.seed} {claim.slot} {name}".encode())
                self.study.sampler = TPESampler(seed=key)
                _suggest(claim.trial, name, choice)
        return dict(claim.trial.params)

    def report(self, claim: Claim, place: int, value: float) -> bool:
        """Tell a figure on the way, by its place in the training; returns whether to give the trial up.

        Raises:
            TakenOver: It is another worker's now.
        """
        with _of_optuna():
            if place not in self._frozen(claim).intermediate_values:
                claim.trial.report(value, place)
            return claim.trial.should_prune()

    def attempts(self, claim: Claim, step: int) -> int:
        """How often the trial was begun without getting beyond this step; this time counts."""
        count, before = claim.trial.user_attrs.get(_ATTEMPTS, (0, -1))
        count = count + 1 if step <= before else 1
        with _of_optuna():
            claim.trial.set_user_attr(_ATTEMPTS, [count, max(step, before)])
        return int(count)

    def take_back(self, claim: Claim) -> None:
        """Count the newest attempt no longer: somebody stopped it, which says nothing of the trial."""
        count, step = claim.trial.user_attrs[_ATTEMPTS]
        with suppress(TakenOver), _of_optuna():
            claim.trial.set_user_attr(_ATTEMPTS, [count - 1, step])

    def settle(self, claim: Claim, state: str, value: float | None, error: str | None, seconds: float) -> None:
        """Write down how the trial ended: `complete`, `pruned` or `failed`.

        Raises:
            TakenOver: It is another worker's now.
        """
        from optuna.trial import TrialState

        states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        with _of_optuna():
            claim.trial.set_user_attr(_SECONDS, seconds)
            if error is not None:
                claim.trial.set_user_attr(_ERROR, error)
            self.study.tell(claim.trial, value if state == "complete" else None, state=states[state])

    @contextmanager
    def alive(self, claim: Claim) -> Iterator[None]:
        """While the block runs, the other workers see that this one is not dead."""
        if self.alone:
            yield
            return
        from optuna.exceptions import StorageInternalError

        over = threading.Event()

        def beat() -> None:
            while not over.wait(self.stale_seconds / 4):
                with suppress(StorageInternalError):  # a database that is away for a moment is no death
                    self._beat(claim)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    @contextmanager
    def reached(self) -> Iterator[None]:
        """While the block runs, say it in one line when the database is lost.

        Raises:
            BertwrightError: It was lost.
        """
        from optuna.exceptions import StorageInternalError

        try:
            yield
        except StorageInternalError as error:
            reason = next(iter(str(error.__cause__ or error).splitlines()))
            raise BertwrightError(
                f"the database of the study was lost ({reason}): the same command goes on where this one ended"
            ) from error

    def close(self) -> None:
        """Let go of the database."""
        storage: Any = self.study._storage
        storage.remove_session()
        if not self.alone:
            storage._backend.engine.dispose()  # behind what Optuna has read of it

    def wait(self) -> None:
        """Give the other workers some time."""
        time.sleep(min(self.stale_seconds / 4, 10.0))

    def _take(self, claim: Claim) -> bool:
        """Make a trial that is running this worker's; one without a slot, or whose slot is held, is spare."""
        from optuna.trial import TrialState

        try:
            self._beat(claim)
            with _of_optuna():
                claim.trial.set_user_attr(_WORKER, self.worker)
                if claim.slot >= 0 and self._holders().get(claim.slot) == claim.number:
                    return True
                claim.trial.set_user_attr(_SPARE, value=True)
                self.study.tell(claim.trial, state=TrialState.FAIL)
        except TakenOver:
            pass
        return False

    def _holders(self) -> dict[int, int]:
        """Which trial holds each slot, by numbers."""
        held: dict[int, int] = {}
        for trial in self.trials:  # in the order of their numbers
            if _SLOT in trial.user_attrs and _SPARE not in trial.user_attrs and not _is_lost(trial):
                held.setdefault(trial.user_attrs[_SLOT], trial.number)
        return held

    def _fill(self, slots: int) -> None:
        """A waiting trial for each slot that nobody holds, with the parameters of the lost one."""
        held = self._holders()
        # What it was given counts as well: it may have died before it asked for all of that, or any.
        lost = {
            trial.user_attrs.get(_SLOT): {**trial.system_attrs.get(_GIVEN, {}), **trial.params}
            for trial in self.trials
            if _is_lost(trial)
        }
        for slot in range(slots):
            if slot not in held:
                self.study.enqueue_trial(lost.get(slot, {}), user_attrs={_SLOT: slot})

    def _fail_stale(self) -> None:
        """Fail the trials of dead workers, without an error: they are lost."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.storages import fail_stale_trials
        from optuna.trial import TrialState

        if self.alone:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is experimental; constraints.txt says with which version it was tried
            fail_stale_trials(self.study)
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if _WORKER in trial.user_attrs:
                continue
            seen = self._unheard.setdefault(trial.number, time.monotonic())
            if time.monotonic() - seen > self.stale_seconds:  # its worker died before it gave the first one
                try:
                    self.study._storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)
                except UpdateFinishedTrialError:
                    continue

    def _frozen(self, claim: Claim) -> "FrozenTrial":
        return self.study._storage.get_trial(claim.trial._trial_id)

    def _beat(self, claim: Claim) -> None:
        storage: Any = self.study._storage
        if not self.alone:
            storage.record_heartbeat(claim.trial._trial_id)


def is_settled(trial: "FrozenTrial") -> bool:
    """Whether a trial is done, and counts."""
    from optuna.trial import TrialState

    if _SLOT not in trial.user_attrs:
        return False
    done = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
    return done or (trial.state == TrialState.FAIL and _ERROR in trial.user_attrs)


def open_study(
    journal: Path,
    storage: str | None,
    name: str,
    *,
    higher: bool,
    origin: Mapping[str, Any],
    worker: str,
    seed: int,
    stale_seconds: int,
) -> SharedStudy:
    """The study of that name, which is made where there is none.

    Args:
        journal: Its file, where there is no storage.
        storage: URL of a database.
        name: Of the study.
        higher: Whether a high one is good.
        origin: What all workers of the study must agree on, by name.
        worker: See `SharedStudy`.
        seed: See `SharedStudy`.
        stale_seconds: See `SharedStudy`.

    Raises:
        UsageError: The study is of other settings or data (the text names the first difference), Optuna or the driver
            is not installed, or the database cannot be used.
    """
    optuna = _optuna()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # heartbeats are experimental; constraints.txt says what was tried
        study = optuna.create_study(
            storage=_file(journal) if storage is None else _database(storage, stale_seconds),
            study_name=name,
            direction="maximize" if higher else "minimize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=FEW_TRIALS),
            load_if_exists=True,
        )
    before = study.user_attrs.get(_ORIGIN)
    if before is None:
        study.set_user_attr(_ORIGIN, dict(origin))
    elif changed := [key for key in origin if before.get(key) != origin[key]]:
        was, now = before.get(changed[0]), origin[changed[0]]
        where = journal if storage is None else without_password(storage)
        raise UsageError(
            f"the study {name!r} in {where} is of another search: {changed[0]} was {was}, now {now}; "
            "choose another --study-name"
        )
    return SharedStudy(study, worker, alone=storage is None, seed=seed, stale_seconds=stale_seconds)


def importances(study: "Study") -> dict[str, float]:
    """How much each parameter mattered for being among the best tenth; none where too few trials tell.

    By PED-ANOVA (Watanabe, Bansal, Hutter: IJCAI 2023), which needs numpy alone; fANOVA's forests need scikit-learn.
    """
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState

    values = [trial.value for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))]
    if len(values) < ENOUGH_TRIALS or len(set(values)) == 1:
        return {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    except (ValueError, RuntimeError):
        return {}
    return {name: float(value) for name, value in found.items()}


def _suggest(trial: "Trial", name: str, choice: Range | Choices) -> None:
    if isinstance(choice, Choices):
        trial.suggest_categorical(name, choice.values)
    elif choice.whole:
        trial.suggest_int(name, int(choice.low), int(choice.high), log=choice.log)
    else:
        trial.suggest_float(name, choice.low, choice.high, log=choice.log)


def _is_lost(trial: "FrozenTrial") -> bool:
    from optuna.trial import TrialState

    return trial.state == TrialState.FAIL and not {_ERROR, _SPARE} & trial.user_attrs.keys()


def _value(trial: "FrozenTrial") -> float:
    assert trial.value is not None
    return trial.value


@contextmanager
def _of_optuna() -> Iterator[None]:
    """Turn Optuna's error on a trial that is finished into `TakenOver`."""
    from optuna.exceptions import UpdateFinishedTrialError

    try:
        yield
    except UpdateFinishedTrialError as error:
        raise TakenOver from error


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise UsageError("optuna is not installed: pip install 'bertwright[tune]'") from error
    return optuna


def _file(path: Path) -> "BaseStorage":
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    mend(path)
    return JournalStorage(JournalFileBackend(str(path)))


def _database(url: str, stale_seconds: int, attempts: int = 5) -> "BaseStorage":
    """The database, tried again after a pause where it is new and another worker makes its tables just now."""
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        return RDBStorage(url, heartbeat_interval=max(stale_seconds // 4, 1), grace_period=stale_seconds)
    except (ImportError, NoSuchModuleError) as error:
        raise UsageError(f"--storage {without_password(url)}: its driver is not installed ({error})") from error
    except ArgumentError as error:
        text = "--storage should be the URL of a database, as sqlite:///study.db for workers on one machine, or "
        raise UsageError(f"{text}postgresql+psycopg://user@host/name") from error
    except Exception as error:  # every database has errors of its own
        if attempts > 1:
            time.sleep(_PAUSE)
            return _database(url, stale_seconds, attempts - 1)
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise UsageError(f"--storage {without_password(url)} cannot be used: {first}") from error
