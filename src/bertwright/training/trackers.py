"""Trackers: TensorBoard, Weights & Biases and MLflow are told the figures of the log, each when it is asked for.

None of them decides anything: they are imported only when wanted, nothing leaves the machine unless their own settings
say so, and one that fails is left while the run goes on. What goes on from a snapshot goes on with the same run there;
steps that were told of before are told of again, and TensorBoard hides what it heard the first time.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from secrets import token_hex
from typing import Any, Protocol

from bertwright.errors import UsageError
from bertwright.files import make_folder, write_file
from bertwright.settings.shared import RunSettings
from bertwright.training.device import set_default

PROJECT = "bertwright"  # unless the tracker's own settings name another


class Tracker(Protocol):
    """Who is told the figures of a run."""

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Take in figures by name (`train/loss`) of a step."""
        ...

    def close(self) -> None:
        """Write down what is not written yet; there will be no more."""
        ...


class Trackers:
    """Several trackers as one; one that fails is left with a warning, for the training is worth more than its graph.

    Args:
        trackers: By name.
        lost: Hears of one that fails.
    """

    def __init__(self, trackers: Mapping[str, Tracker], lost: Callable[[str], None]) -> None:
        self._trackers, self._lost = dict(trackers), lost

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """See `Tracker`."""
        self._tell(lambda tracker: tracker.write(step, figures))

    def close(self) -> None:
        """See `Tracker`."""
        self._tell(lambda tracker: tracker.close())

    def _tell(self, news: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            try:
                news(tracker)
            except Exception as error:  # libraries of others: whatever they raise
                del self._trackers[name]
                self._lost(f"{name} failed, and the run goes on without it: {_first_line(error)}")


def open_trackers(settings: RunSettings, folder: Path, lost: Callable[[str], None], step: int) -> Trackers:
    """Begin to tell the trackers that are asked for of a run, or go on with it.

    Args:
        settings: Those of the run: they name the trackers, and are shown beside its figures.
        folder: The run's folder, `OUT/run`.
        lost: Hears of a tracker that fails later.
        step: Steps done.

    Raises:
        UsageError: One of them is not installed, or cannot begin.
    """
    trackers: dict[str, Tracker] = {}
    shown = settings.model_dump(mode="json")
    for name, kind in _wanted(settings):
        try:
            trackers[name] = kind(folder, shown, step)
        except ImportError as error:
            raise UsageError(f"{name} is not installed: pip install 'bertwright[{name}]'") from error
        except Exception as error:  # libraries of others: whatever they raise
            raise UsageError(f"{name} cannot begin: {_first_line(error)}") from error
    return Trackers(trackers, lost)


class TensorBoard:
    """Events in `run/tensorboard`."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], step: int) -> None:  # noqa: ARG002 - shows no settings
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """See `Tracker`."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """See `Tracker`."""
        self._writer.close()


class WeightsAndBiases:
    """A run in `run/wandb`, to be sent with `wandb sync`; sent at once where its own settings say `online`."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], step: int) -> None:
        set_default("WANDB_ERROR_REPORTING", "false")
        import wandb

        own = wandb.setup().settings  # with what WANDB_... and its files say
        self._run: Any = wandb.init(
            dir=folder,
            id=_kept(folder / "wandb.id", step, lambda: token_hex(6)),
            resume="allow",
            mode=None if "mode" in own.model_fields_set else "offline",
            project=own.project or PROJECT,
            name=own.run_name or folder.parent.name,
            config=dict(settings),
            settings=wandb.Settings(console="off", silent=own.silent or bool(settings.get("quiet"))),
        )
        self._run.define_metric("*", step_metric="step")  # its own count of steps cannot go back to a snapshot

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """See `Tracker`."""
        self._run.log({**figures, "step": step})

    def close(self) -> None:
        """See `Tracker`."""
        self._run.finish()


class MLflow:
    """A run in the store that MLFLOW_TRACKING_URI names; in `run/mlruns` where it names none."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], step: int) -> None:
        set_default("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient
        from mlflow.tracking import is_tracking_uri_set

        store = None
        if not is_tracking_uri_set():
            make_folder(folder / "mlruns")
            store = f"sqlite:///{folder.absolute()}/mlruns/mlflow.db"
        self._client: Any = MlflowClient(store)
        self._id = _kept(folder / "mlflow.id", step, lambda: self._new(folder.parent.name, settings))
        self._client.update_run(self._id, status="RUNNING")

    def _new(self, name: str, settings: Mapping[str, Any]) -> str:
        """The id of a run that begins."""
        from mlflow.entities import Param
        from mlflow.environment_variables import MLFLOW_EXPERIMENT_NAME

        title = MLFLOW_EXPERIMENT_NAME.get() or PROJECT
        experiment = self._client.get_experiment_by_name(title)
        number = experiment.experiment_id if experiment else self._client.create_experiment(title)
        identity = str(self._client.create_run(number, run_name=name).info.run_id)
        self._client.log_batch(identity, params=[Param(name, str(value)) for name, value in settings.items()])
        return identity

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """See `Tracker`."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self._id, [Metric(name, value, now, step) for name, value in figures.items()])

    def close(self) -> None:
        """See `Tracker`."""
        self._client.set_terminated(self._id)


def _wanted(settings: RunSettings) -> Iterator[tuple[str, Callable[[Path, Mapping[str, Any], int], Tracker]]]:
    """Those that are asked for, by the name of the extra that installs them."""
    if settings.tensorboard:
        yield "tensorboard", TensorBoard
    if settings.wandb:
        yield "wandb", WeightsAndBiases
    if settings.mlflow:
        yield "mlflow", MLflow


def _kept(path: Path, step: int, new: Callable[[], str]) -> str:
    """The id that the run has in a tracker; one that begins, or begins again, is a new one."""
    if step and path.exists():
        return path.read_text(encoding="utf-8")
    identity = new()
    write_file(path, identity)
    return identity


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
