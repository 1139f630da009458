"""Trackers: each has the figures of the log under one run, offline, and none of them can end a training."""

import json
import struct
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bertwright.errors import UsageError
from bertwright.settings import PretrainSettings
from bertwright.training import trackers
from bertwright.training.trackers import Trackers, open_trackers

Lost = list[str]
Open = Callable[..., Trackers]
SETTINGS = PretrainSettings.create(
    {"model": "tiny", "shards": "shards", "output_dir": "out", "learning_rate": 0.5, "max_steps": 4}
)


@pytest.fixture
def lost() -> Lost:
    return []


@pytest.fixture
def open_one(tmp_path: Path, lost: Lost) -> Open:
    """Opens a tracker of the run in `tmp_path / "out"`."""
    folder = tmp_path / "out" / "run"
    folder.mkdir(parents=True)
    return lambda name, step=0: open_trackers(SETTINGS.model_copy(update={name: True}), folder, lost.append, step)


def optional(name: str) -> ModuleType:
    reason = f"NOT TESTED: {name} is not installed; pip install 'bertwright[{name}]' to run this test"
    return pytest.importorskip(name, reason=reason)


def told_in_two_parts(open_one: Open, name: str) -> None:
    """A run of 4 steps that was killed after the third and goes on from the snapshot of the second."""
    first = open_one(name)
    for step in (1, 2, 3):
        first.write(step, {"train/loss": step / 2})
    first.close()
    second = open_one(name, step=2)
    for step in (3, 4):
        second.write(step, {"train/loss": step / 2, "validation/loss": 0.25})
    second.close()


# ---- TensorBoard


def test_tensorboard_hides_what_was_told_of_later_steps(open_one: Open, tmp_path: Path, lost: Lost) -> None:
    told_in_two_parts(open_one, "tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "out" / "run" / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [
        (1, 0.5),
        (2, 1.0),
        (3, 1.5),
        (4, 2.0),
    ]
    assert lost == []


# ---- Weights & Biases


def wandb_records(path: Path) -> Iterator[Any]:
    """What is in one of its files: blocks of 32 KiB, of which these tests fill a part of the first."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place = path.read_bytes(), 7
    assert len(data) < 1 << 15
    while place < len(data):
        _, length, kind = struct.unpack_from("<IHB", data, place)
        assert kind == 1, "a record in one piece"
        yield Record.FromString(data[place + 7 : place + 7 + length])
        place += 7 + length


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    for variable in ("WANDB_MODE", "WANDB_PROJECT", "WANDB_NAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("WANDB_SILENT", "true")
    module = optional("wandb")
    module.teardown()  # it reads its variables once
    yield module
    module.teardown()


@pytest.mark.filterwarnings("ignore")  # what it warns of is not ours
def test_wandb_has_one_run_offline(wandb: ModuleType, open_one: Open, tmp_path: Path, lost: Lost) -> None:
    told_in_two_parts(open_one, "wandb")
    run = tmp_path / "out" / "run"
    identity = (run / "wandb.id").read_text()
    files = sorted(run.glob("wandb/offline-run-*/*.wandb"))
    assert [file.name for file in files] == [f"run-{identity}.wandb"] * 2
    records = [record for file in files for record in wandb_records(file)]
    (name,) = {record.run.display_name for record in records if record.HasField("run")}
    (project,) = {record.run.project for record in records if record.HasField("run")}
    assert (name, project) == ("out", "bertwright")
    lines = [
        {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        for record in records
        if record.HasField("history")
    ]
    assert [(line["step"], line["train/loss"]) for line in lines] == [(1, 0.5), (2, 1.0), (3, 1.5), (3, 1.5), (4, 2.0)]
    shown = {item.key: json.loads(item.value_json) for record in records for item in record.run.config.update}
    assert shown["learning_rate"] == 0.5
    assert lost == []


def test_wandb_does_as_its_own_settings_say(
    wandb: ModuleType, open_one: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    wandb.teardown()
    open_one("wandb").close()
    assert not list((tmp_path / "out" / "run").glob("wandb/offline-run-*"))


# ---- MLflow


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    optional("sqlalchemy")
    return optional("mlflow")


@pytest.mark.filterwarnings("ignore")  # what it warns of is not ours
def test_mlflow_has_one_run_offline(
    mlflow: ModuleType, open_one: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: Lost
) -> None:
    told_in_two_parts(open_one, "mlflow")
    run = tmp_path / "out" / "run"
    client = mlflow.MlflowClient(f"sqlite:///{run}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("bertwright")
    (kept,) = client.search_runs([experiment.experiment_id])
    assert kept.info.run_id == (run / "mlflow.id").read_text()
    assert (kept.info.run_name, kept.info.status) == ("out", "FINISHED")
    assert kept.data.params.items() >= {"learning_rate": "0.5", "model": "tiny", "phases": "None"}.items()
    assert kept.data.params.keys() == SETTINGS.model_dump().keys()
    history = client.get_metric_history(kept.info.run_id, "train/loss")
    assert sorted((metric.step, metric.value) for metric in history) == [
        (1, 0.5),
        (2, 1.0),
        (3, 1.5),
        (3, 1.5),
        (4, 2.0),
    ]

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{run}/mlruns/mlflow.db")
    open_one("mlflow").close()
    assert len(client.search_runs([experiment.experiment_id])) == 2, "a run that begins again is a new one"
    assert lost == []


# ---- which, and what goes wrong


def test_each_is_an_extra_of_its_name_and_nobody_is_told_unasked(open_one: Open, tmp_path: Path) -> None:
    every = SETTINGS.model_copy(update={"tensorboard": True, "wandb": True, "mlflow": True})
    names = {name for name, _ in trackers._wanted(every)}
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    assert names == {"tensorboard", "wandb", "mlflow"} <= project["optional-dependencies"].keys()
    open_one("quiet").close()
    assert not list((tmp_path / "out" / "run").iterdir())


@pytest.mark.parametrize(
    ("name", "module"), [("tensorboard", "torch.utils.tensorboard"), ("wandb", "wandb"), ("mlflow", "mlflow")]
)
def test_one_that_is_not_there_is_said_with_the_remedy(
    name: str, module: str, open_one: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=rf"^{name} is not installed: pip install 'bertwright\[{name}\]'$"):
        open_one(name)


def test_one_that_cannot_begin_is_one_line(open_one: Open, tmp_path: Path) -> None:
    (tmp_path / "out" / "run" / "tensorboard").write_text("a file, where a folder should be")
    with pytest.raises(UsageError, match=r"^tensorboard cannot begin: [^\n]*out/run/tensorboard[^\n]*$"):
        open_one("tensorboard")


def test_one_that_fails_is_left_and_the_others_go_on(lost: Lost) -> None:
    told: list[tuple[str, int]] = []

    class Recording:
        def __init__(self, name: str, last: int) -> None:
            self.name, self.last = name, last

        def write(self, step: int, _figures: object) -> None:
            if step > self.last:
                raise ConnectionError("the server is gone\nand with it a long story")
            told.append((self.name, step))

        def close(self) -> None:
            told.append((self.name, 0))

    both = Trackers({"here": Recording("here", 9), "there": Recording("there", 1)}, lost.append)
    for step in (1, 2, 3):
        both.write(step, {"train/loss": 1.0})
    both.close()
    assert told == [("here", 1), ("there", 1), ("here", 2), ("here", 3), ("here", 0)]
    assert lost == ["there failed, and the run goes on without it: the server is gone"]
