"""`finetune`: a labelled file and a BERT in; a tested model folder, and `run/` with how it came about, out."""

import platform
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from signal import Signals
from typing import Any

import numpy as np
import torch

import bertwright
from bertwright.api.common import say, settled, table_of, warn, warn_of_cuts
from bertwright.api.evaluating import Measured, measure_file
from bertwright.api.labelled_sets import LabelledSets, check_files, given_files, quarantine_file
from bertwright.api.run_folder import RunFolder, file_origin
from bertwright.api.starting_point import StartingPoint
from bertwright.batches.order import BatchOrder
from bertwright.errors import UsageError
from bertwright.evaluation.card import model_card
from bertwright.evaluation.inference import measure
from bertwright.files import lock_folder, read_json, sha256_file, write_file, write_json
from bertwright.model.config import BertConfig
from bertwright.model.folder import ModelFolder, write_model_folder
from bertwright.model.heads import SequenceClassifier
from bertwright.serving.predictor import Predictor
from bertwright.settings import FinetuneSettings
from bertwright.tasks.classification import Classification, LabelledBatch, positive_label
from bertwright.training.device import Compute, keep_freed_memory
from bertwright.training.loop import Training
from bertwright.training.optimizer import Optimizer, freeze
from bertwright.training.progress import watching
from bertwright.training.run import Rhythm, Run
from bertwright.training.schedule import Schedule
from bertwright.training.signals import stop_wishes
from bertwright.training.snapshot import Snapshots


@dataclass(frozen=True, slots=True)
class Finetuned:
    """What `finetune` did.

    Attributes:
        folder: The model folder.
        metrics: `{"validation": {...}, "test": {...}}` of the best model; empty when stopped before the end.
        best_step: The optimizer step that the model is from.
        stopped_by: Name of the signal that ended the run early; the same command goes on from its snapshot.
    """

    folder: Path
    metrics: dict[str, dict[str, float]]
    best_step: int
    stopped_by: str | None = None
    exit_code: int = 0


def finetune(settings: FinetuneSettings | None = None, /, **options: object) -> Finetuned:
    """Fine-tune a BERT on a labelled file.

    Running it again with the same settings goes on from the newest whole snapshot; a finished run is not repeated.

    Args:
        settings: A settings object, instead of or before keyword arguments.
        **options: The fields of `FinetuneSettings`; `model`, `train` and `output_dir` are required.

    Raises:
        BertwrightError: The settings, a file or the training went wrong; see `bertwright.errors`.
    """
    settings = settled(FinetuneSettings, settings, options)
    compute = Compute.create(settings.device, settings.precision)
    settings = settings.model_copy(update={"precision": compute.precision})
    folder = RunFolder(settings.output_dir)
    if Path(settings.model).is_dir() and Path(settings.model).resolve() == folder.output.resolve():
        raise UsageError(f"--output-dir {folder.output} is the folder of --model: choose another one")
    check_files(settings)
    folder.prepare(overwrite=settings.overwrite)
    keep_freed_memory()
    with lock_folder(folder.run):
        return _Finetuning(settings, compute, folder).result()


class _Finetuning:
    """One call of `finetune`, from the files to the folder."""

    def __init__(self, settings: FinetuneSettings, compute: Compute, folder: RunFolder) -> None:
        self.settings, self.compute, self.folder = settings, compute, folder
        self.say = partial(say, quiet=settings.quiet)

    def result(self) -> Finetuned:
        """Go on, start, or tell that all is done."""
        if self.settings.overwrite:
            self.folder.clear()
        start = StartingPoint.find(self.settings.model, self.settings.vocab)
        origins = {role: file_origin(path) for role, path in given_files(self.settings).items()}
        self.folder.begin(self.settings, {"model": start.origin(), **origins})
        if self.folder.finished:
            return self._already_finished()
        self.folder.remove_leftovers()
        self._check_fit(start.config)
        sets = LabelledSets.read(self.settings, self.folder.run)
        model, config, notice = start.classifier(sets.labels, dropout=self.settings.dropout, seed=self.settings.seed)
        if notice:
            self.say(notice)
        run = self._run(model, start, sets)
        with closing(run.log):
            stopped_by = self._follow(run)
        if stopped_by is not None:
            return self._stopped(run, stopped_by)
        run.load_best()
        return self._publish(run, model, config, start)

    def _check_fit(self, config: BertConfig) -> None:
        """What the model cannot do is said before any file is read."""
        config.check_length(self.settings.max_length)
        frozen = self.settings.freeze_layers
        if frozen is not None and frozen > config.num_hidden_layers:
            raise UsageError(f"freeze_layers = {frozen}: the model has {config.num_hidden_layers} layers")

    def _run(self, model: SequenceClassifier, start: StartingPoint, sets: LabelledSets) -> Run[LabelledBatch]:
        """Wire loop, optimizer, schedule, log and snapshots."""
        settings = self.settings
        examples, held_out = sets.encode(start.tokenizer, settings.max_length)
        task = Classification(
            sets.labels,
            weights=sets.balanced_weights() if settings.class_weights == "balanced" else None,
            smoothing=settings.label_smoothing,
            positive=positive_label(sets.labels, settings.positive_label),
        )
        model.to(self.compute.device)
        if settings.freeze_layers is not None:
            freeze(model, settings.freeze_layers)
        order = BatchOrder(examples.lengths, settings.batch_size, seed=settings.seed)
        total = settings.max_steps or settings.epochs * order.steps_per_epoch
        training = Training(
            model=model,
            task=task,
            examples=examples,
            order=order,
            optimizer=Optimizer(
                model,
                weight_decay=settings.weight_decay,
                max_grad_norm=settings.max_grad_norm,
                layer_decay=settings.layer_decay,
            ),
            schedule=Schedule.create(settings.learning_rate, total, settings.warmup_ratio, settings.schedule),
            compute=self.compute,
            seed=settings.seed,
            accumulation=settings.gradient_accumulation,
        )
        return self._resumed(training, partial(measure, model, task, held_out, self.compute))

    def _resumed(self, training: Training[LabelledBatch], evaluate: Any) -> Run[LabelledBatch]:
        """A run at its beginning, or where its newest whole snapshot stands."""
        settings = self.settings
        rhythm = Rhythm(
            log=settings.log_steps,
            evaluate=settings.eval_steps or training.order.steps_per_epoch,
            save=settings.save_steps or training.order.steps_per_epoch,
            metric=settings.best_metric,
            patience=settings.early_stopping_patience,
        )
        run = Run.open(
            training,
            evaluate,
            rhythm,
            self.folder.run,
            Snapshots(self.folder.snapshots, settings.keep_snapshots),
            tensorboard=settings.tensorboard,
            refused=warn,
        )
        if run.standing.step:
            self.say(f"going on from the snapshot of step {run.standing.step}")
        return run

    def _follow(self, run: Run[LabelledBatch]) -> Signals | None:
        """Train; returns the signal that ended it early, if one did."""
        total = run.training.schedule.total_steps
        self.say(f"training {total} steps of {self.settings.batch_size} texts on {self.compute.describe()}")
        with (
            stop_wishes() as wish,
            watching(total, self.settings.best_metric, run.standing.step, quiet=self.settings.quiet) as watcher,
        ):
            finished = run.follow(watcher, wish)
        return None if finished else wish.signal

    def _stopped(self, run: Run[LabelledBatch], signal: Signals) -> Finetuned:
        say(
            f"stopped by {signal.name} after step {run.standing.step}; a snapshot is saved: "
            "the same command goes on from it"
        )
        return Finetuned(self.folder.output, {}, run.standing.best_step, signal.name, exit_code=128 + signal)

    def _publish(
        self, run: Run[LabelledBatch], model: SequenceClassifier, config: BertConfig, start: StartingPoint
    ) -> Finetuned:
        """Write the model folder, test it as any user of it would, and mark the run as finished."""
        output, settings = self.folder.output, self.settings
        tokenizer = start.tokenizer.with_max_length(settings.max_length)
        write_model_folder(output, model, config, tokenizer, weights_format=settings.weights_format)
        metrics = {"validation": run.standing.best_metrics}
        details: dict[str, Any] = {}
        if settings.test is not None:
            measured = self._test(output)
            metrics["test"], details["test"] = measured.metrics, measured.details
        write_json(
            self.folder.run / "metrics.json", {**metrics, "best_step": run.standing.best_step, "details": details}
        )
        write_file(output / "README.md", model_card(settings, config, metrics))
        self.folder.finish(self._certificate(run.standing.best_step))
        for name, figures in metrics.items():
            say(f"{name}: " + "  ".join(f"{key} {value:.4f}" for key, value in figures.items()))
        say(f"model of step {run.standing.best_step} written to {output}")
        return Finetuned(output, metrics, run.standing.best_step)

    def _test(self, output: Path) -> Measured:
        assert self.settings.test is not None
        predictor = Predictor(ModelFolder.open(output), self.compute)
        table = table_of(
            self.settings.test, self.settings, quarantine=quarantine_file(self.folder.run, "test"), quiet=True
        )
        measured = measure_file(
            predictor,
            table,
            positive=self.settings.positive_label,
            predictions=self.folder.run / "predictions.test.jsonl",
        )
        warn_of_cuts("test", measured.truncated, table.counts.kept, predictor.max_length)
        return measured

    def _certificate(self, best_step: int) -> dict[str, Any]:
        names = ("config.json", "model.safetensors", "vocab.txt", "tokenizer.json")
        return {
            "best_step": best_step,
            "sha256": {name: sha256_file(self.folder.output / name) for name in names},
            "bertwright": bertwright.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "device": self.compute.describe(),
        }

    def _already_finished(self) -> Finetuned:
        self.folder.remove_spent()
        measured = read_json(self.folder.run / "metrics.json")
        assert isinstance(measured, dict)
        metrics = {split_: measured[split_] for split_ in ("validation", "test") if split_ in measured}
        for name in self.folder.changed_since_finished():
            warn(f"{self.folder.output / name} is not the file that the run wrote")
        say(f"{self.folder.output} is finished already: nothing to do (--overwrite starts anew)")
        return Finetuned(self.folder.output, metrics, measured["best_step"])
