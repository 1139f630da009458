"""`tune` from end to end: trials that `finetune` would do by hand, a test file that stays shut, a model at the end."""

import json
import re
import shlex
import shutil
import signal
import sqlite3
import sys
import xml.etree.ElementTree as ET
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from small import QUICK, json_lines, rows, write_csv

import bertwright
from bertwright.api import tuning
from bertwright.api.training_run import Trained
from bertwright.api.training_sets import check_files
from bertwright.cli import main
from bertwright.errors import TrainingError, UsageError
from bertwright.evaluation.report.record import RunRecord
from bertwright.settings import FinetuneSettings, TuneSettings
from bertwright.settings.search_space import Space, read_space
from bertwright.tasks.classification import ClassificationTally
from bertwright.tasks.suspicions import Suspicion
from bertwright.training.loop import Step
from bertwright.training.progress import Silent

pytestmark = pytest.mark.usefixtures("unchecked_shapes")  # the checks take longer than the many trainings

TRIALS = 7
SPACE = "learning_rate: [1.0e-6, 0.01]\nbatch_size: [8, 16]\n"
Given = dict[str, Any]

watched: dict[Path, list[int]] = {}
"""How many trials were done whenever one of these files was opened."""


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and watched and isinstance(arguments[0], str | bytes | Path):
        path = Path(arguments[0] if not isinstance(arguments[0], bytes) else arguments[0].decode())
        if path in watched:
            done = list(path.parent.glob("out/run/trials/*/run/trial.json"))
            watched[path].append(len(done))


sys.addaudithook(_watch)  # stays as long as the process: silent where nothing is watched


@pytest.fixture(scope="module")
def given(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Given:
    folder = tmp_path_factory.mktemp("tune")
    (folder / "space.yaml").write_text(SPACE)
    quick = {name: value for name, value in QUICK.items() if name not in ("max_steps", "learning_rate", "batch_size")}
    return {
        **quick,
        "model": str(inputs / "model"),
        "train": write_csv(folder / "train.csv", rows(48)),
        "validation": write_csv(folder / "dev.csv", rows(24, seed=1)),
        "test": write_csv(folder / "test.csv", rows(12, seed=2)),
        "output_dir": folder / "out",
        "best_metric": "loss",
        "epochs": 3,
        "space": folder / "space.yaml",
        "trials": TRIALS,
        "seeds": 2,
        "quiet": True,
    }


@pytest.fixture(scope="module")
def opened(given: Given) -> list[int]:
    """How many trials were done whenever the test file was opened during the search below."""
    return watched.setdefault(given["test"], [])


@pytest.fixture(scope="module")
def searched(given: Given, opened: list[int]) -> Trained:
    found = bertwright.tune(**given)
    watched.clear()
    return found


@pytest.fixture(scope="module")
def study(searched: Trained) -> Given:
    found: Given = json.loads((searched.folder / "run" / "study.json").read_text())
    return found


def test_the_test_file_is_not_opened_before_the_search_is_over(searched: Trained, opened: list[int]) -> None:
    assert "test" in searched.metrics
    assert set(opened) == {TRIALS}


def test_as_many_trials_as_asked_the_bad_ones_given_up(study: Given, searched: Trained) -> None:
    assert [trial["number"] for trial in study["trials"]] == list(range(TRIALS))
    assert (study["metric"], study["direction"], study["lost"]) == ("loss", "minimize", 0)
    complete = [trial for trial in study["trials"] if trial["state"] == "complete"]
    pruned = [trial for trial in study["trials"] if trial["state"] == "pruned"]
    assert len(complete) + len(pruned) == TRIALS
    assert pruned, "of so many trials some are below the median"
    assert min(trial["number"] for trial in pruned) >= 5
    assert all(len(trial["intermediate"]) < 3 and trial["value"] is None for trial in pruned)
    assert all(len(trial["intermediate"]) == 3 for trial in complete)
    best = min(complete, key=lambda trial: trial["value"])
    assert study["best"] == best["number"]
    assert best["parameters"]["learning_rate"] == 0.01


def test_a_trial_is_what_its_command_does(study: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trial = study["trials"][study["best"]]
    words = shlex.split(trial["command"])
    assert words[0] == "bertwright"
    assert main(words[1:]) == 0
    measured = json.loads((tmp_path / f"trial-{trial['number']}" / "run" / "metrics.json").read_text())
    assert measured["validation"]["loss"] == trial["value"]
    assert "test" not in measured


def test_the_best_settings_make_a_normal_model(searched: Trained, study: Given, given: Given) -> None:
    folder = searched.folder
    assert bertwright.load(folder).predict(["the cat"])[0].label in ("animal", "plant", "tool")
    assert searched.seeds is not None
    assert [run.number for run in searched.seeds.runs] == [0, 1]
    best = study["trials"][study["best"]]
    for seed in (0, 1):
        made = folder / "run" / "seeds" / str(seed) / "run" / "settings.yaml"
        settings = bertwright.FinetuneSettings.from_file(made, {})
        assert {name: getattr(settings, name) for name in best["parameters"]} == best["parameters"]
        assert (settings.test, settings.split_seed) == (given["test"], 0)
    # The same seed, the same settings, the same rows: the first of them is the best trial once more.
    assert searched.seeds.runs[0].metrics["validation"]["loss"] == best["value"]
    assert list(folder.rglob("*.safetensors")) == [folder / "model.safetensors"]
    assert not list(folder.rglob("snapshots"))


def test_pictures_of_the_study(searched: Trained, study: Given) -> None:
    for name in ("history", *(["importance"] if study["importances"] else []), "slices"):
        drawn = (searched.folder / "run" / f"study_{name}.svg").read_text()
        ET.fromstring(drawn)  # well formed
        assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")
    assert "learning_rate and loss" in drawn
    assert study["importances"].keys() <= {"learning_rate", "batch_size"}


def test_what_doctor_found_in_its_files_is_in_the_report(searched: Trained, given: Given, tmp_path: Path) -> None:
    """The search leaves the test file alone; the model that it made was tested on it."""
    folder = Path(shutil.copytree(searched.folder, tmp_path / "out"))
    files = {role: given[role] for role in ("model", "train", "validation", "test")}
    bertwright.doctor(**files, max_length=given["max_length"], output_dir=folder, device="cpu", quiet=True)
    kept = json.loads((folder / "run" / "doctor.json").read_text())
    assert "test" in kept["origins"]
    closer = {"severity": "note", "check": "looked-closer", "role": "test", "text": "two tests are one", "rows": []}
    (folder / "run" / "doctor.json").write_text(json.dumps({**kept, "findings": [closer]}))
    assert closer in RunRecord.read(folder).found["findings"]


def test_the_report_tells_of_the_search(searched: Trained, study: Given) -> None:
    page = (searched.folder / "run" / "report.html").read_text()
    assert "The search for settings" in page
    assert page.count("given up") == sum(trial["state"] == "pruned" for trial in study["trials"])
    text = re.sub(r"<[^>]+>", "", page)
    assert "bertwright tune --model" in text, "the command that makes it again"
    assert "--trials 7" in text


def test_a_finished_one_is_not_repeated(searched: Trained, given: Given, capsys: pytest.CaptureFixture[str]) -> None:
    assert bertwright.tune(**given) == searched
    assert "is finished already: nothing to do" in capsys.readouterr().err
    text = "holds a run with other settings: epochs was 3, now 4; trials was 7, now 5 (it can only grow); go on with"
    with pytest.raises(UsageError, match=re.escape(text)):
        bertwright.tune(**given | {"trials": 5, "epochs": 4})


def outcome(folder: Path) -> Given:
    """What a search has made, but for how long it took."""
    study = json.loads((folder / "run" / "study.json").read_text())
    for trial in study["trials"]:
        del trial["seconds"]
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    return {"study": study, "metrics": metrics, "weights": (folder / "model.safetensors").read_bytes()}


def test_more_trials_than_before_are_added_to_a_finished_search(given: Given, tmp_path: Path) -> None:
    """Stopped in the first of them, and in the training of settings that are better than the former best ones."""
    changed = {"seeds": 2, "test": None, "epochs": 1, "trials": 3}
    calm = bertwright.tune(**given | changed | {"output_dir": tmp_path / "calm"})
    given = given | changed | {"output_dir": tmp_path / "out"}
    bertwright.tune(**given | {"trials": 1, "seeds": 1})
    steps = []

    def step_done(_: Silent, done: Step) -> None:
        steps.append(done.step)
        if len(steps) in (2, 10):
            signal.raise_signal(signal.SIGTERM)

    with patch.object(Silent, "step", step_done):
        assert bertwright.tune(**given).stopped_by == "SIGTERM"
        assert bertwright.tune(**given).stopped_by == "SIGTERM"
        grown = bertwright.tune(**given)
        assert outcome(grown.folder) == outcome(calm.folder)
        assert outcome(grown.folder)["study"]["best"] == 2
        former = [*range(1, 7), 1, 2, 3, *(1, 2, 3) * 2]  # two trials, and the new best with two seeds
        again = bertwright.tune(**given | {"trials": 4})
    assert steps == [*former, *range(1, 7)], "no better one, so that its model is the former one"
    assert outcome(again.folder) | {"study": None} == outcome(grown.folder) | {"study": None}
    assert len(outcome(again.folder)["study"]["trials"]) == 4
    assert "--trials 4" in re.sub(r"<[^>]+>", "", (again.folder / "run" / "report.html").read_text())
    assert bertwright.tune(**given | {"trials": 4}) == again


def test_time_that_was_over_is_given_anew(given: Given, tmp_path: Path) -> None:
    given = given | {"output_dir": tmp_path / "out", "seeds": 1, "test": None, "epochs": 1, "trials": 2}
    for hours, trials in ((1e-9, 1), (None, 2)):
        bertwright.tune(**given | {"max_hours": hours})
        assert len(outcome(given["output_dir"])["study"]["trials"]) == trials


def test_trials_that_fail_do_not_end_the_search(
    given: Given, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One diverges, for one the memory is too small."""
    ends = iter(
        [None, TrainingError("the loss of step 3 is nan"), RuntimeError("out of memory\nTried to allocate"), None, None]
    )
    train = tuning.train_once

    def trained(*arguments: Any) -> Trained:
        if (error := next(ends)) is not None:
            raise error
        return train(*arguments)

    changed = {"output_dir": tmp_path / "out", "trials": 4, "seeds": 1, "test": None, "epochs": 1, "quiet": False}
    with patch.object(tuning, "train_once", trained):
        found = bertwright.tune(**given | changed)
    study = json.loads((found.folder / "run" / "study.json").read_text())
    assert [(trial["state"], trial["error"]) for trial in study["trials"]] == [
        ("complete", None),
        ("failed", "the loss of step 3 is nan"),
        ("failed", "out of memory"),
        ("complete", None),
    ]
    said = capsys.readouterr().err
    assert said.count(f"{given['train']}: 48 rows\n") == 2, "once for the search, once for the model"
    assert len(re.findall(r"^trial 0 ", said, re.MULTILINE)) == 2, "its settings, its figure"
    search = said[: said.index("best: trial ")].splitlines()
    assert [line for line in search if re.match("training|step|model|validation:", line)] == []
    assert "trial 1 (2 of 4): failed: the loss of step 3 is nan\n" in said, "the number is that of its folder"
    assert (
        f"best: trial {study['best']}, loss {study['trials'][study['best']]['value']:.4f}: bertwright finetune " in said
    )


def test_what_is_odd_about_the_model_is_said_once(
    given: Given, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the model at the end, and not of trials."""
    changed = {"output_dir": tmp_path / "out", "trials": 2, "seeds": 1, "test": None, "epochs": 1}
    odd = Suspicion("one_label", {"count": 24, "label": "plant"})
    with patch.object(ClassificationTally, "suspicions", return_value=[odd]):
        bertwright.tune(**given | changed)
    search, _, end = capsys.readouterr().err.partition("best: trial ")
    assert "warning: validation: " not in search
    assert end.count(f"warning: validation: {odd}\n") == 1


def test_where_all_fail_the_first_reason_is_said(given: Given, tmp_path: Path) -> None:
    changed = {"output_dir": tmp_path / "out", "trials": 2}
    with (
        patch.object(tuning, "train_once", side_effect=TrainingError("the loss of step 3 is nan")),
        pytest.raises(TrainingError, match=r"^no trial came to its end: the loss of step 3 is nan$"),
    ):
        bertwright.tune(**given | changed)


def ends(*outcomes: Trained | BaseException) -> Any:
    """Instead of trainings: how one after the other ends."""
    return patch.object(tuning, "train_once", side_effect=outcomes)


def trained_to(loss: float) -> Trained:
    return Trained(Path("nowhere"), {"validation": {"loss": loss}}, 1)


def test_settings_that_do_not_go_together_end_one_trial(given: Given, tmp_path: Path) -> None:
    space = tmp_path / "space.yaml"
    space.write_text("batch_size: [4]\ngradient_accumulation: [8]\n")
    changed = {"output_dir": tmp_path / "out", "trials": 2, "space": space}
    text = r"^no trial came to its end: gradient_accumulation = 8 is more than batch_size = 4: a batch cannot be cut "
    with pytest.raises(TrainingError, match=text):
        bertwright.tune(**given | changed)
    assert len(json.loads((tmp_path / "out" / "run" / "study.json").read_text())["trials"]) == 2


def test_another_space_is_another_search(given: Given, tmp_path: Path) -> None:
    """Its trials would be given the figures of those that were done in the same folders."""
    space = tmp_path / "space.yaml"
    space.write_text(SPACE)
    changed = {"output_dir": tmp_path / "out", "space": space}
    text = r"^stopped by SIGINT: the same command goes on with the trial it was at, from its snapshot if it has one$"
    with ends(trained_to(0.5), KeyboardInterrupt()), pytest.raises(KeyboardInterrupt, match=text):
        bertwright.tune(**given | changed)
    space.write_text(f"# nothing that counts\n{SPACE}")
    with ends(KeyboardInterrupt()), pytest.raises(KeyboardInterrupt):
        bertwright.tune(**given | changed)
    space.write_text(SPACE.replace("16", "24"))
    text = rf"holds a run with other settings: space \({re.escape(str(space))}\) has other content now; go on with"
    with pytest.raises(UsageError, match=text):
        bertwright.tune(**given | changed)


def test_a_database_that_is_lost_is_said(given: Given, tmp_path: Path) -> None:
    database = tmp_path / "study.db"

    def lost(*_: Any) -> Trained:
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("DROP TABLE trial_user_attributes")
        return trained_to(0.5)

    text = r"^the database of the study was lost \(.*no such table.*\): the same command goes on where this one ended$"
    with patch.object(tuning, "train_once", lost), pytest.raises(bertwright.BertwrightError, match=text):
        bertwright.tune(**given | {"output_dir": tmp_path / "out", "storage": f"sqlite:///{database}"})


def test_what_is_wrong_with_the_data_ends_it_at_once(given: Given, tmp_path: Path) -> None:
    train = write_csv(tmp_path / "train.csv", [row | {"label": "one"} for row in rows(9)])
    with pytest.raises(bertwright.DataError, match="all 9 rows have the label 'one'"):
        bertwright.tune(**given | {"output_dir": tmp_path / "out", "train": train})


def test_what_was_corrected_before_anything_was_done_begins_anew(given: Given, tmp_path: Path) -> None:
    changed = {"output_dir": tmp_path / "out", "trials": 1, "seeds": 1, "test": None, "epochs": 1}
    with patch.object(tuning, "train_once", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        bertwright.tune(**given | changed | {"weight_decay": 0.5})
    found = bertwright.tune(**given | changed)
    assert len(json.loads((found.folder / "run" / "study.json").read_text())["trials"]) == 1


def test_a_trial_that_kills_its_process_again_and_again_is_given_up(given: Given, tmp_path: Path) -> None:
    changed = {"output_dir": tmp_path / "out", "trials": 2, "seeds": 1, "test": None, "epochs": 1}
    with patch.object(tuning, "train_once", side_effect=SystemExit):  # as good as a kill: nothing is written
        for _ in range(tuning.MOST_ATTEMPTS):
            with pytest.raises(SystemExit):
                bertwright.tune(**given | changed)
    found = bertwright.tune(**given | changed)
    first, second = json.loads((found.folder / "run" / "study.json").read_text())["trials"]
    assert first["error"] == ("its process was killed 5 times before it got beyond step 0, for its memory or otherwise")
    assert second["state"] == "complete"


def test_who_stops_a_trial_again_and_again_has_it_tried_still(given: Given, tmp_path: Path) -> None:
    changed = {"output_dir": tmp_path / "out", "trials": 1, "seeds": 1, "test": None, "epochs": 1}
    stopped = Trained(Path("nowhere"), {}, 0, stopped_by="SIGTERM", exit_code=143)
    for end in [KeyboardInterrupt(), stopped] * tuning.MOST_ATTEMPTS:
        with ends(end), suppress(KeyboardInterrupt):
            bertwright.tune(**given | changed)
    found = bertwright.tune(**given | changed)
    (trial,) = json.loads((found.folder / "run" / "study.json").read_text())["trials"]
    assert trial["state"] == "complete"


def test_no_trial_begins_when_the_time_is_over(
    given: Given, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = {"output_dir": tmp_path / "out", "max_hours": 1e-9, "seeds": 1, "test": None, "epochs": 1}
    found = bertwright.tune(**given | changed)
    assert len(json.loads((found.folder / "run" / "study.json").read_text())["trials"]) == 1
    assert "1e-09 hours are over: 1 trial done\n" in capsys.readouterr().err


def test_columns_of_the_test_file_are_no_matter_of_a_trial(given: Given, tmp_path: Path) -> None:
    settings = TuneSettings.create(given | {"slice_columns": ("label",)})
    check_files(settings)
    check_files(FinetuneSettings.create(tuning._of_trial(settings, {}, tmp_path)))


def test_workers_agree_on_what_they_do_and_not_on_where(given: Given, tmp_path: Path) -> None:
    one = TuneSettings.create(given)
    elsewhere = {"train": tmp_path / "t.csv", "output_dir": tmp_path, "device": "cuda", "precision": "bf16"}
    other = one.model_copy(update={**elsewhere, "stale_seconds": 9, "worker": True, "quiet": False})
    space = read_space(None)

    def identity(settings: TuneSettings, path: str = "a", sha256: str = "1", drawn: Space = space) -> Any:
        return tuning._identity(settings, drawn, {"train": {"path": path, "sha256": sha256}})

    assert identity(one) == identity(other, path="b")
    assert identity(one) == identity(one.model_copy(update={"trials": 99, "seeds": 9})), "of these there may be more"
    assert identity(one) != identity(one.model_copy(update={"epochs": 4}))
    assert identity(one) != identity(one, sha256="2")
    assert identity(one) != identity(one, drawn={name: space[name] for name in ("epochs", "dropout")})


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        (
            {"learning_rate": 0.5},
            r"learning_rate = 0.5 is given, and .*space.yaml searches it: take it out of one of them$",
        ),
        ({"folds": 3}, "folds is for finetune: a trial is measured on the validation set"),
        ({"worker": True}, "worker needs storage, which for two on one machine may be sqlite:///study.db$"),
        ({"best_metric": "pearson"}, "best_metric = 'pearson': for classification it can be "),
    ],
    ids=str,
)
def test_settings_that_do_not_fit(changed: Given, complaint: str, given: Given, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"^{complaint}"):
        bertwright.tune(**given | changed | {"output_dir": tmp_path / "out"})


def test_what_is_given_is_not_searched(given: Given, capsys: pytest.CaptureFixture[str]) -> None:
    settings = TuneSettings.create(given | {"space": None, "quiet": False, "learning_rate": 1e-4, "dropout": 0.0})
    usual = read_space(None)
    found = tuning._searched(settings)
    assert found == {name: usual[name] for name in usual if name not in ("learning_rate", "dropout")}
    assert capsys.readouterr().err == "not searched, as it is given: learning_rate = 0.0001, dropout = 0.0\n"
    every = {"batch_size": 8, "epochs": 9, "warmup_ratio": 0.5, "weight_decay": 0.5, "layer_decay": 0.5}
    with pytest.raises(UsageError, match=r": all that is usually searched is given; say with --space what to search$"):
        tuning._searched(settings.model_copy(update=every))


def test_without_optuna_the_remedy_is_said(given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UsageError, match=r"^optuna is not installed: pip install 'bertwright\[tune\]'$"):
        bertwright.tune(**given | {"output_dir": tmp_path / "out"})


def test_every_trial_is_logged(searched: Trained, study: Given) -> None:
    """What a trial said is there beside its settings, for who wants to see more than its figure."""
    for trial in study["trials"]:
        run = searched.folder / "run" / "trials" / str(trial["number"]) / "run"
        evaluations = [line for line in json_lines(run / "log.jsonl") if "split" in line]
        assert [line["loss"] for line in evaluations] == list(trial["intermediate"].values())
