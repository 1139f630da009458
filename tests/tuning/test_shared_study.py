"""A study of many workers: N slots end with N settled trials, whoever dies when; each is drawn as it would be."""

import json
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.trial import TrialState

from bertwright.errors import UsageError
from bertwright.settings.search_space import Choices, Range
from bertwright.tuning.journal import mend
from bertwright.tuning.record import study_record
from bertwright.tuning.study import Claim, SharedStudy, TakenOver, importances, is_settled, open_study

SPACE = {"learning_rate": Range(1e-5, 1e-3, log=True, whole=False), "epochs": Range(1, 4, log=False, whole=True)}
SLOTS = 5


def opened(folder: Path, worker: str = "one", *, shared: bool = False, origin: str = "a") -> SharedStudy:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return open_study(
            folder / "journal.log",
            f"sqlite:///{folder / 'study.db'}" if shared else None,
            "study",
            higher=True,
            origin={"learning_rate": origin},
            worker=worker,
            seed=3,
            stale_seconds=3600,
        )


def done(study: SharedStudy, claim: Claim) -> None:
    """Do a trial at once; its figure is a function of its parameters."""
    study.settle(claim, "complete", study.suggest(claim, SPACE)["learning_rate"], None, 1.0)


def parameters(study: SharedStudy) -> list[dict[str, object]]:
    return [trial.params for trial in study.settled()]


def searched(folder: Path) -> SharedStudy:
    study = opened(folder)
    while claim := study.claim(SLOTS):
        done(study, claim)
    return study


def test_as_many_trials_as_slots(tmp_path: Path) -> None:
    study = searched(tmp_path)
    assert [trial.number for trial in study.settled()] == list(range(SLOTS)) == [t.number for t in study.trials]
    assert study.open_slots(SLOTS) == 0
    best = study.best()
    assert best is not None
    assert best.value == max(float(found["learning_rate"]) for found in parameters(study))  # type: ignore[arg-type]


@pytest.mark.parametrize("suggested", [0, 1, 2])
def test_an_interrupted_trial_is_gone_on_with_as_it_was(suggested: int, tmp_path: Path) -> None:
    """The worker dies after so many of its parameters are drawn: all are what they would have been."""
    (tmp_path / "calm").mkdir()
    undisturbed = parameters(searched(tmp_path / "calm"))
    study = opened(tmp_path)
    for _ in range(3):
        claim = study.claim(SLOTS)
        assert claim is not None
        if claim.number < 2:
            done(study, claim)
    study.suggest(claim, dict(list(SPACE.items())[:suggested]))
    again = opened(tmp_path)
    resumed = again.interrupted()
    assert resumed is not None
    assert (resumed.number, resumed.slot) == (2, 2)
    done(again, resumed)
    assert again.interrupted() is None
    while following := again.claim(SLOTS):
        done(again, following)
    assert parameters(again) == undisturbed
    assert again.lost() == 0


class Memory(InMemoryStorage):
    """A database that is fast, and has nobody who would be silent for too long."""

    def record_heartbeat(self, trial_id: int) -> None:
        """A sign of life."""


def test_a_sign_of_life_that_does_not_arrive_is_not_the_last() -> None:
    """The database is away for a moment, while a trial is trained."""
    later = threading.Event()

    class Away(Memory):
        beats = 0

        def record_heartbeat(self, trial_id: int) -> None:
            super().record_heartbeat(trial_id)
            self.beats += 1
            if self.beats == 2:  # the first one was when the trial was claimed
                raise StorageInternalError("away")
            if self.beats == 4:
                later.set()

    optuna.create_study(storage=(storage := Away()), study_name="study")
    study = SharedStudy(
        optuna.load_study(storage=storage, study_name="study"), "one", alone=False, seed=3, stale_seconds=1
    )
    claim = study.claim(1)
    assert claim is not None
    study.stale_seconds = 0  # beats follow each other at once
    with study.alive(claim):
        assert later.wait(60)


class Workers:
    """Some workers on one database, of which any may die at any time."""

    def __init__(self) -> None:
        self.storage = Memory()
        optuna.create_study(storage=self.storage, study_name="study", direction="maximize")
        self.alive = {name: self.worker(name) for name in "abc"}
        self.claims: dict[str, Claim] = {}

    def worker(self, name: str) -> SharedStudy:
        study = optuna.load_study(storage=self.storage, study_name="study")
        return SharedStudy(study, name, alone=False, seed=3, stale_seconds=3600)

    def work(self, name: str) -> None:
        """Begin a trial, or end the one that was begun."""
        study = self.alive[name]
        if name in self.claims:
            with suppress(TakenOver):
                done(study, self.claims.pop(name))
        elif claim := study.claim(SLOTS):
            study.suggest(claim, SPACE)
            self.claims[name] = claim

    def die(self, name: str) -> None:
        """And come back, to go on with what it was at."""
        self.claims.pop(name, None)
        self.alive[name] = self.worker(name)
        if resumed := self.alive[name].interrupted():
            self.claims[name] = resumed

    def sleep(self, name: str) -> None:
        """The others take it for dead."""
        if name in self.claims:
            with suppress(UpdateFinishedTrialError):  # a second time
                self.storage.set_trial_state_values(self.claims[name].trial._trial_id, state=TrialState.FAIL)


@settings(max_examples=40)
@given(acts=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["work", "work", "die", "sleep"])), max_size=30))
def test_whoever_dies_each_slot_is_settled_once(acts: list[tuple[str, str]]) -> None:
    workers = Workers()
    for name, what in acts:
        getattr(workers, what)(name)
    for name in "abc" * (2 * SLOTS):  # in the end all of them work
        workers.work(name)
    study = workers.alive["a"]
    assert sorted(trial.user_attrs["slot"] for trial in study.settled()) == list(range(SLOTS))
    for trial in study.trials:
        if not is_settled(trial) and trial.params:
            (instead,) = (each for each in study.settled() if each.user_attrs["slot"] == trial.user_attrs["slot"])
            assert instead.params == trial.params, "what was lost is done again, not something else"


@pytest.mark.parametrize("repetition", range(3))
def test_two_that_make_a_new_database_at_once_both_have_it(repetition: int, tmp_path: Path) -> None:
    del repetition
    together = threading.Barrier(2)

    def studied(worker: str) -> str:
        together.wait()
        return opened(tmp_path, worker, shared=True).study.study_name

    # Which warnings are passed over is one setting for all threads: the one that is done first would end it for both.
    with warnings.catch_warnings(), ThreadPoolExecutor(2) as workers:
        warnings.simplefilter("ignore")
        assert list(workers.map(studied, ["one", "two"])) == ["study", "study"]


def test_a_slot_that_two_filled_at_once_is_done_once(tmp_path: Path) -> None:
    one, two = opened(tmp_path, "one", shared=True), opened(tmp_path, "two", shared=True)
    one._fill(2)
    two.study.enqueue_trial({}, user_attrs={"slot": 1})  # as if it had looked before `one` was done
    claims = [study.claim(2) for study in (one, two, one, two)]
    assert [claim and claim.slot for claim in claims] == [0, 1, None, None]
    assert len(one.trials) == 3


def test_a_trial_that_another_one_took_over_counts_there(tmp_path: Path) -> None:
    one, two = opened(tmp_path, "one", shared=True), opened(tmp_path, "two", shared=True)
    claim = one.claim(1)
    assert claim is not None
    one.suggest(claim, SPACE)
    one.study._storage.set_trial_state_values(claim.trial._trial_id, state=TrialState.FAIL)  # as when it is stale
    again = two.claim(1)
    assert again is not None
    assert two.suggest(again, SPACE) == claim.trial.params
    for step in (one.report, one.settle):
        with pytest.raises(TakenOver):
            step(claim, 1, 0.5) if step == one.report else step(claim, "complete", 0.5, None, 1.0)  # type: ignore[operator]
    done(two, again)
    assert (len(one.settled()), one.lost()) == (1, 1)


@pytest.mark.parametrize("asked", [0, 1])
def test_who_dies_again_before_it_asks_for_its_parameters_leaves_them_as_they_were(asked: int, tmp_path: Path) -> None:
    study = opened(tmp_path)
    first = study.claim(1)
    assert first is not None
    drawn = study.suggest(first, SPACE)
    study.study.tell(first.trial, state=TrialState.FAIL)  # its worker died
    second = study.claim(1)
    assert second is not None
    study.suggest(second, dict(list(SPACE.items())[:asked]))
    study.study.tell(second.trial, state=TrialState.FAIL)  # and so did the one that took it over
    third = study.claim(1)
    assert third is not None
    study.seed = 4  # nothing is drawn anew
    assert study.suggest(third, SPACE) == drawn


def test_a_failed_trial_counts_and_is_not_done_again(tmp_path: Path) -> None:
    study = opened(tmp_path)
    claim = study.claim(1)
    assert claim is not None
    study.suggest(claim, SPACE)
    study.settle(claim, "failed", None, "the loss of step 3 is nan", 2.0)
    assert study.claim(1) is None
    (trial,) = study_record(study, SPACE, "accuracy", lambda _, number: f"trial {number}")["trials"]
    assert (trial["state"], trial["value"], trial["error"]) == ("failed", None, "the loss of step 3 is nan")
    assert (study.best(), study.open_slots(1), study.lost()) == (None, 0, 0)


def test_figures_on_the_way_are_compared_with_the_median(tmp_path: Path) -> None:
    study = opened(tmp_path)
    for slot in range(7):
        claim = study.claim(7)
        assert claim is not None
        study.suggest(claim, SPACE)
        assert study.report(claim, 10, -slot) == (slot >= 5), "five trials are left in peace; -5 is below their median"
        assert study.report(claim, 10, -slot) == (slot >= 5), "told twice, as after an interruption, it counts once"
        study.settle(claim, "complete", -slot, None, 1.0)


@pytest.mark.parametrize(("complete", "figures", "told"), [(9, 10, False), (10, 1, False), (10, 10, True)])
def test_what_mattered_is_told_by_enough_trials_that_differ(complete: int, figures: int, told: bool) -> None:
    study = Workers().alive["a"]
    for slot in range(10):
        claim = study.claim(10)
        assert claim is not None
        study.suggest(claim, SPACE)
        study.settle(claim, "complete" if slot < complete else "pruned", slot % figures, None, 1.0)
    assert (importances(study.study).keys() == SPACE.keys()) == told
    assert bool(importances(study.study)) == told


def test_hours_are_those_of_ones_own_trials() -> None:
    workers = Workers()
    for name in "aab":
        claim = workers.alive[name].claim(SLOTS)
        assert claim is not None
        workers.alive[name].settle(claim, "complete", 0.5, None, 1800.0)
    assert [workers.alive[name].hours() for name in "abc"] == [1.0, 0.5, 0.0]


def test_who_dies_before_the_first_sign_of_life_is_lost_as_well() -> None:
    workers = Workers()
    one, two = workers.alive["a"], workers.alive["b"]
    one._fill(1)
    one.study.ask()
    (begun,) = workers.storage.get_all_trials(one.study._study_id, deepcopy=False)
    assert begun.datetime_start is not None
    begun.datetime_start -= timedelta(hours=9)  # the clock of another machine, far away
    assert two.claim(1) is None, "it may be about to say so"
    two.stale_seconds = 0
    claim = two.claim(1)
    assert claim is not None
    assert (claim.slot, two.lost()) == (0, 1)
    one.stale_seconds = 0
    assert one.claim(1) is None, "that one has given a sign: the database judges it"


def test_attempts_are_counted_where_nothing_goes_on(tmp_path: Path) -> None:
    study = opened(tmp_path)
    claim = study.claim(1)
    assert claim is not None
    assert [study.attempts(claim, step) for step in (0, 0, 4, 4, 4, 9)] == [1, 2, 1, 2, 3, 1]
    for _ in range(3):
        assert study.attempts(claim, 9) == 2
        study.take_back(claim)
    study.settle(claim, "failed", None, "another worker had it", 1.0)
    study.take_back(claim)  # whoever is stopped when it is over is stopped all the same


def test_another_search_under_the_same_name_is_refused(tmp_path: Path) -> None:
    opened(tmp_path, shared=True)
    opened(tmp_path, shared=True)
    text = r"^the study 'study' in sqlite:.* is of another search: learning_rate was a, now b; choose another "
    with pytest.raises(UsageError, match=text):
        opened(tmp_path, shared=True, origin="b")


def test_the_password_is_not_said_there_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = f"sqlite:///{tmp_path / 'study.db'}"
    monkeypatch.setattr("bertwright.tuning.study._database", lambda _, __: RDBStorage(database))

    def opened_of(seed: int) -> SharedStudy:
        url = "postgresql+psycopg://me:secret@host/x"
        given = {"higher": True, "worker": "w", "seed": seed, "stale_seconds": 60}
        return open_study(tmp_path / "journal.log", url, "study", origin={"seed": seed}, **given)  # type: ignore[arg-type]

    opened_of(1)
    with pytest.raises(UsageError, match=r"in postgresql\+psycopg://me:\*\*\*@host/x is of another search: seed "):
        opened_of(2)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        (
            "journal.log",
            r"--storage should be the URL of a database, as sqlite:///study.db for workers on one machine, or ",
        ),
        (
            "postgresql+psycopg://me:secret@127.0.0.1:1/x",
            r"--storage postgresql\+psycopg://me:\*\*\*@127.0.0.1:1/x cannot ",
        ),
        ("mysql+nodriver://me:secret@h/x", r"--storage mysql\+nodriver://me:\*\*\*@h/x: its driver "),
        (
            "mysql+nodriver://h/x?password=secret&user=me",
            r"--storage mysql\+nodriver://h/x\?password=\*\*\*&user=me: its driver ",
        ),
    ],
)
def test_a_database_that_cannot_be_used_is_said_without_its_password(url: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"^{complaint}") as caught:
        open_study(tmp_path / "j", url, "s", higher=True, origin={}, worker="w", seed=0, stale_seconds=60)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_journal_that_was_cut_off_is_mended(tmp_path: Path) -> None:
    """Killed while it wrote a line: all before it is there, and the lock of the dead is no hindrance."""
    searched(tmp_path)
    path = tmp_path / "journal.log"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    (tmp_path / "journal.log.lock").symlink_to(path)
    study = opened(tmp_path)
    assert len(study.settled()) == SLOTS - 1
    assert path.read_bytes().startswith(whole[: whole[:-20].rfind(b"\n") + 1])
    resumed = study.interrupted()
    assert resumed is not None
    done(study, resumed)
    assert len(opened(tmp_path).settled()) == SLOTS
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_journal_without_one_whole_line_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal.log"
    path.write_bytes(b'{"op_code": 0, "wor')
    mend(path)
    assert not path.exists()


def test_choices_come_back_as_they_were(tmp_path: Path) -> None:
    study = opened(tmp_path)
    claim = study.claim(1)
    assert claim is not None
    assert study.suggest(claim, {"dropout": Choices((None,)), "schedule": Choices(("linear",))}) == {
        "dropout": None,
        "schedule": "linear",
    }
