"""`finetune`: a labelled file and a BERT in; a tested model folder, and `run/` with how it came about, out."""

from functools import partial
from pathlib import Path
from typing import Any

from bertwright.api.common import say, settled, table_of, warn, warn_of_cuts
from bertwright.api.evaluating import Measured, measure_file
from bertwright.api.explaining import explain_finetuning
from bertwright.api.labelled_sets import LabelledSets, check_files, given_files, quarantine_file
from bertwright.api.run_folder import RunFolder, file_origin
from bertwright.api.starting_point import StartingPoint
from bertwright.api.training_run import Trained, certify, finished_before, follow, say_metrics
from bertwright.batches.loader import Loader
from bertwright.batches.order import BatchOrder
from bertwright.errors import UsageError
from bertwright.evaluation.card import model_card
from bertwright.evaluation.inference import measure
from bertwright.files import lock_folder, write_file, write_json
from bertwright.model.config import BertConfig
from bertwright.model.folder import ModelFolder, write_model_folder
from bertwright.model.heads import SequenceClassifier
from bertwright.serving.predictor import Predictor
from bertwright.settings import FinetuneSettings
from bertwright.tasks.classification import Classification, LabelledBatch, positive_label
from bertwright.training.course import Epochs
from bertwright.training.device import Compute, keep_freed_memory
from bertwright.training.loop import Training
from bertwright.training.optimizer import Optimizer, freeze
from bertwright.training.run import Rhythm, Run
from bertwright.training.schedule import Schedule
from bertwright.training.snapshot import Snapshots
from bertwright.training.trackers import open_trackers


def finetune(settings: FinetuneSettings | None = None, /, **options: object) -> Trained:
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

    def result(self) -> Trained:
        """Go on, start, or tell that all is done."""
        if self.settings.overwrite:
            self.folder.clear()
        start = StartingPoint.find(self.settings.model, self.settings.vocab)
        origins = {role: file_origin(path) for role, path in given_files(self.settings).items()}
        self.folder.begin(self.settings, {"model": start.origin(), **origins})
        if self.folder.finished:
            return Trained(self.folder.output, *finished_before(self.folder))
        self.folder.remove_leftovers()
        self._check_fit(start.config)
        sets = LabelledSets.read(self.settings, self.folder.run)
        model, config, notice = start.classifier(sets.labels, dropout=self.settings.dropout, seed=self.settings.seed)
        if notice:
            self.say(notice)
        run = self._run(model, start, sets)
        texts, total = self.settings.batch_size, run.training.course.total_steps
        self.say(f"training {total} steps of {texts} texts on {self.compute.describe()}")
        if self.settings.explain:
            explain_finetuning(run, config, sets.train, start.tokenizer)
        signal = follow(run, metric=self.settings.best_metric, quiet=self.settings.quiet)
        if signal is not None:
            return Trained(self.folder.output, {}, run.standing.best_step, signal.name, exit_code=128 + signal)
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
        schedule = Schedule.create(settings.learning_rate, total, settings.warmup_ratio, settings.schedule)
        training = Training(
            model=model,
            task=task,
            course=Epochs(examples, order, schedule),
            optimizer=Optimizer(
                model,
                weight_decay=settings.weight_decay,
                max_grad_norm=settings.max_grad_norm,
                layer_decay=settings.layer_decay,
            ),
            compute=self.compute,
            seed=settings.seed,
            loader=Loader(settings.gradient_accumulation),
        )
        return self._resumed(training, order.steps_per_epoch, partial(measure, model, task, held_out, self.compute))

    def _resumed(self, training: Training[LabelledBatch], epoch: int, evaluate: Any) -> Run[LabelledBatch]:
        """A run at its beginning, or where its newest whole snapshot stands."""
        settings = self.settings
        rhythm = Rhythm.of(
            log=settings.log_steps,
            evaluate=settings.eval_steps or epoch,
            save=settings.save_steps,
            otherwise=epoch,
            metric=settings.best_metric,
            patience=settings.early_stopping_patience,
        )
        snapshots = Snapshots(self.folder.snapshots, settings.keep_snapshots)
        tracker = partial(open_trackers, settings, self.folder.run, warn)
        return Run.open(training, evaluate, rhythm, self.folder.run, snapshots, tracker=tracker, refused=warn)

    def _publish(
        self, run: Run[LabelledBatch], model: SequenceClassifier, config: BertConfig, start: StartingPoint
    ) -> Trained:
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
        certify(self.folder, run.standing.best_step, self.compute)
        say_metrics(metrics)
        say(f"model of step {run.standing.best_step} written to {output}")
        return Trained(output, metrics, run.standing.best_step)

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
