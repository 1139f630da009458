"""`finetune`: a labelled file and a BERT in; a tested model folder, and `run/` with how it came about, out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bertwright.api.common import (
    extra_columns,
    patient,
    say,
    say_of_files,
    settled,
    warn,
    warn_of_cuts,
)
from bertwright.api.cross_validating import cross_validate
from bertwright.api.explaining import explain_finetuning
from bertwright.api.findings import keep_findings
from bertwright.api.measuring import Measured, measure_file
from bertwright.api.repeating import make_room, train_seeds
from bertwright.api.reporting import describe_run
from bertwright.api.run_folder import RunFolder, file_origin
from bertwright.api.starting_point import Made, StartingPoint
from bertwright.api.training_run import (
    Trained,
    certify,
    environment,
    figures_of,
    finished_before,
    follow,
    tell_result,
)
from bertwright.api.training_sets import TrainingSets, check_files, check_metric, given_files, quarantine_file
from bertwright.batches.loader import Loader
from bertwright.batches.order import BatchOrder
from bertwright.errors import UsageError
from bertwright.evaluation.inference import all_outputs, figures
from bertwright.files import lock_folder, write_json
from bertwright.model.config import BertConfig
from bertwright.model.folder import ModelFolder, write_model_folder
from bertwright.model.heads import Headed
from bertwright.serving.predictor import Predictor
from bertwright.settings import FinetuneSettings
from bertwright.tasks.finetuning import TaskExamples
from bertwright.tasks.kinds import AnyTask, positive_of
from bertwright.tasks.suspicions import Suspicion
from bertwright.text.complaints import counted
from bertwright.training.adversarial import Adversary
from bertwright.training.averaging import Average
from bertwright.training.course import Epochs
from bertwright.training.device import Compute, keep_freed_memory
from bertwright.training.loop import Training
from bertwright.training.optimizer import Optimizer, freeze
from bertwright.training.run import Rhythm, Run, Watcher
from bertwright.training.schedule import Schedule
from bertwright.training.snapshot import Snapshots
from bertwright.training.trackers import open_trackers

TEST_PREDICTIONS = "predictions.test.jsonl"


def finetune(settings: FinetuneSettings | None = None, /, **options: object) -> Trained:
    """Fine-tune a BERT on a labelled file; with `seeds` several times, keeping the best model by validation.

    Running it again with the same settings goes on from the newest whole snapshot; a finished run is not repeated.
    The figures of all seeds, their mean and standard deviation are the `seeds` of what it returns.

    Args:
        settings: A settings object, instead of or before keyword arguments.
        **options: The fields of `FinetuneSettings`; `model`, `train` and `output_dir` are required.

    Raises:
        BertwrightError: The settings, a file or the training went wrong; see `bertwright.errors`.
    """
    return tell_result(train_once(settled(FinetuneSettings, settings, options)))


def train_once(settings: FinetuneSettings, *watchers: Watcher) -> Trained:
    """`finetune`, watched, and silent about its result; what a watcher raises ends it, and it can be gone on with."""
    with claimed(settings) as (compute, folder):
        settings = settings.model_copy(update={"precision": compute.precision})
        return _result(settings, compute, folder, watchers)


@contextmanager
def claimed(settings: FinetuneSettings) -> Iterator[tuple[Compute, RunFolder]]:
    """The device, and the output folder held for this process; what the settings cannot mean is said before.

    Raises:
        UsageError: A file is missing, or the folder is in use or holds something else.
    """
    compute = Compute.create(settings.device, settings.precision)
    folder = RunFolder(settings.output_dir)
    if Path(settings.model).is_dir() and Path(settings.model).resolve() == folder.output.resolve():
        raise UsageError(f"--output-dir {folder.output} is the folder of --model: choose another one")
    check_files(settings)
    folder.prepare(overwrite=settings.overwrite)
    keep_freed_memory()
    with lock_folder(folder.run):
        yield compute, folder


def _result(settings: FinetuneSettings, compute: Compute, folder: RunFolder, watchers: Sequence[Watcher]) -> Trained:
    """Go on, start, or tell that all is done."""
    if settings.overwrite:
        folder.clear()
    start = StartingPoint.find(settings.model, settings.vocab)
    origins = {role: file_origin(path) for role, path in given_files(settings).items()}
    if folder.begin(settings, {"model": start.origin(), **origins}):
        make_room(settings, folder)
    if folder.finished:
        return finished_before(folder, settings.seed)
    folder.remove_leftovers()
    if settings.folds is not None:
        stopped = cross_validate(settings, settings.folds, compute, folder, train_once)
        if stopped is not None:
            return stopped
    if settings.seeds > 1:
        return train_seeds(settings, compute, folder, train_once)
    return _Finetuning(settings, compute, folder, watchers).result(start)


class _Finetuning:
    """One training, from the files to the folder."""

    def __init__(
        self, settings: FinetuneSettings, compute: Compute, folder: RunFolder, watchers: Sequence[Watcher]
    ) -> None:
        self.settings, self.compute, self.folder, self.watchers = settings, compute, folder, watchers
        self.say = partial(say, quiet=settings.quiet)

    def result(self, start: StartingPoint) -> Trained:
        """Go on, or start."""
        self._check_fit(start.config)
        sets = TrainingSets.read(self.settings, self.folder.run)
        length, positions = self.settings.max_length, start.config.max_position_embeddings
        examples, held_out = encoded = sets.encode(start.tokenizer, length)
        found = [*sets.findings, *sets.cuts(encoded, length, positions)]
        keep_findings(sets.counts, found, self.folder.run, quiet=self.settings.quiet)
        made = start.headed(sets.task, dropout=self.settings.dropout, seed=self.settings.seed)
        run = self._run(made.model, sets.task, examples, held_out)
        if made.notice and not run.standing.step:
            say_of_files(made.notice, quiet=self.settings.quiet)
        texts, total = self.settings.batch_size, run.training.course.total_steps
        self.say(
            f"training {total} step{'' if total == 1 else 's'} of {counted(texts, 'text')} on {self.compute.describe()}"
        )
        if self.settings.explain:
            explain_finetuning(run, sets.task, made.config, sets.train, start.tokenizer)
        signal = follow(run, *self.watchers, metric=run.rhythm.metric, quiet=self.settings.quiet)
        if signal is not None:
            return Trained(self.folder.output, {}, run.standing.best_step, signal.name, exit_code=128 + signal)
        run.load_best()
        task, odd = self._judged(made.model, sets.task, held_out)
        return self._publish(run, made, task, odd, start)

    def _check_fit(self, config: BertConfig) -> None:
        """What the model cannot do is said before any file is read."""
        config.check_length(self.settings.max_length)
        frozen = self.settings.freeze_layers
        if frozen is not None and frozen > config.num_hidden_layers:
            raise UsageError(f"freeze_layers = {frozen}: the model has {config.num_hidden_layers} layers")

    def _run(self, model: Headed, task: AnyTask, examples: TaskExamples[Any], held_out: TaskExamples[Any]) -> Run[Any]:
        """Wire loop, optimizer, schedule, log and snapshots."""
        settings = self.settings
        model.to(self.compute.device)
        if settings.freeze_layers is not None:
            freeze(model, settings.freeze_layers)
        order = BatchOrder(
            examples.lengths, settings.batch_size, seed=settings.seed, by_length=settings.group_by_length
        )
        total = settings.max_steps or settings.epochs * order.steps_per_epoch
        schedule = Schedule.create(settings.learning_rate, total, settings.warmup_ratio, settings.schedule)
        words = model.bert.embeddings.word_embeddings.weight
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
            adversary=Adversary(words, settings.adversarial_epsilon) if settings.adversarial_epsilon else None,
            average=Average(model, settings.ema_decay) if settings.ema_decay else None,
        )
        metric = check_metric(task, settings.best_metric)
        evaluate = partial(self._measured, model, task, held_out)
        return self._resumed(training, order.steps_per_epoch, evaluate, metric)

    def _resumed(self, training: Training[Any], epoch: int, evaluate: Any, metric: str) -> Run[Any]:
        """A run at its beginning, or where its newest whole snapshot stands."""
        settings = self.settings
        rhythm = Rhythm.of(
            log=settings.log_steps,
            evaluate=settings.eval_steps or epoch,
            save=settings.save_steps,
            otherwise=epoch,
            metric=metric,
            patience=settings.early_stopping_patience,
        )
        snapshots = Snapshots(self.folder.snapshots, settings.keep_snapshots)
        tracker = partial(open_trackers, settings, self.folder.run, warn)
        return Run.open(training, evaluate, rhythm, self.folder.run, snapshots, tracker=tracker, refused=warn)

    def _measured(self, model: Headed, task: AnyTask, held_out: TaskExamples[Any]) -> dict[str, float]:
        """The validation figures of the model as it would be published now: what is tuned is part of the choice."""
        outputs = all_outputs(model, task, held_out, self.compute)
        return figures(task.tuned(outputs, held_out) if self._tunes(task) else task, outputs, held_out)

    def _judged(self, model: Headed, task: AnyTask, held_out: TaskExamples[Any]) -> tuple[AnyTask, Sequence[Suspicion]]:
        """The task with what is best chosen on the validation set for the best model, and what is odd of its answers.

        Where nothing is chosen and a test will tell what is odd, the model is not asked.
        """
        tunes = self._tunes(task)
        if not tunes and self.settings.test is not None:
            return task, ()
        outputs = all_outputs(model, task, held_out, self.compute)
        tuned = task.tuned(outputs, held_out) if tunes else task
        if tunes and tuned is task and self.settings.calibrate:
            warn("calibrate: all validation texts are right, so that no temperature fits best: none is stored")
        tally = tuned.tally()
        tally.add(outputs, held_out)
        return tuned, tally.suspicions()

    def _tunes(self, task: AnyTask) -> bool:
        return task.tunes and (self.settings.tune_thresholds or self.settings.calibrate)

    def _publish(
        self, run: Run[Any], made: Made, task: AnyTask, odd: Sequence[Suspicion], start: StartingPoint
    ) -> Trained:
        """Write the model folder, test it as any user of it would, and mark the run as finished."""
        output, settings = self.folder.output, self.settings
        config = task.configure(made.config)
        tokenizer = start.tokenizer.with_max_length(settings.max_length)
        write_model_folder(output, made.model, config, tokenizer, weights_format=settings.weights_format)
        metrics = {"validation": run.standing.best_metrics}
        tested: dict[str, Any] = {"intervals": {}, "details": {}}
        if settings.test is not None:
            measured = self._test(output)
            metrics["test"], tested = measured.metrics, measured.to_dict("test")
        else:
            tested["suspicions"] = {"validation": [suspicion.to_dict() for suspicion in odd]}
        chosen = {"best_step": run.standing.best_step, "best_metric": run.rhythm.metric, "shown": task.metrics}
        began = {"began": made.notice} if made.notice else {}
        written = {"task": task.name, **positive_of(task), **began, **metrics, **tested, **chosen}
        write_json(self.folder.run / "metrics.json", written)
        write_json(self.folder.run / "environment.json", environment(self.compute))
        describe_run(self.folder, settings.lang)
        certify(self.folder, run.standing.best_step, self.compute)
        return figures_of(self.folder, settings.seed)

    def _test(self, output: Path) -> Measured:
        assert self.settings.test is not None
        predictor = Predictor(ModelFolder.open(output), self.compute)
        opened = predictor.task.table(self.settings.test, self.settings, labelled=True)
        table = patient(opened, self.settings, quarantine_file(self.folder.run, "test"))
        columns = extra_columns(self.settings, self.settings.slice_columns, self.settings.test)
        predictions = self.folder.run / TEST_PREDICTIONS
        measured = measure_file(predictor, table, predictions=predictions, columns=columns)
        warn_of_cuts("test", measured.truncated, table.counts.kept, predictor.limit)
        return measured
