"""A pre-training put together: model, course, optimizer, log and snapshots, as the settings say."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from bertwright.api.common import warn
from bertwright.api.corpus import PretrainingCorpus
from bertwright.api.run_folder import RunFolder
from bertwright.api.starting_point import StartingPoint
from bertwright.batches.loader import Loader
from bertwright.errors import UsageError
from bertwright.evaluation.inference import measure
from bertwright.model.config import BertConfig
from bertwright.model.heads import PreTraining
from bertwright.settings import PretrainSettings
from bertwright.tasks.pretraining import FirstExamples, Pretraining, PretrainingBatch
from bertwright.training.device import Compute
from bertwright.training.loop import Training
from bertwright.training.optimizer import Optimizer
from bertwright.training.phases import ByClock, ByStep, Phase, Phases, epochs_per_step
from bertwright.training.run import Rhythm, Run
from bertwright.training.schedule import Schedule
from bertwright.training.snapshot import Snapshots
from bertwright.training.trackers import open_trackers

METRIC = "loss"
EVALUATIONS = 10  # in a run of known length, unless told otherwise
EVAL_STEPS = 200  # in one of known hours


@dataclass(frozen=True, slots=True)
class Setup:
    """All that decides a pre-training.

    Attributes:
        settings: What the user wants.
        compute: Where to compute it.
        start: What it starts from.
        corpus: What it learns from.
    """

    settings: PretrainSettings
    compute: Compute
    start: StartingPoint
    corpus: PretrainingCorpus

    @classmethod
    def of(cls, settings: PretrainSettings, compute: Compute) -> "Setup":
        """Find what the settings name: the shards, and a model whose vocabulary is theirs."""
        corpus = PretrainingCorpus.open(settings)
        return cls(settings, compute, StartingPoint.for_shards(settings.model, corpus.shards.tokenizer), corpus)

    def wire(
        self, folder: RunFolder, now: Callable[[], float] = time.monotonic
    ) -> tuple[Run[PretrainingBatch], BertConfig, str | None]:
        """Wire model, course, optimizer, log and snapshots; where a snapshot is, the run stands there.

        Args:
            folder: Where the run is.
            now: The clock of a run of so many hours.

        Returns:
            The run, the model's config, and one line on which weights are new.
        """
        settings = self.settings
        for length, _ in settings.lengths():
            self.start.config.check_length(length)
        task = Pretraining(settings.objective)
        model, config, notice = self.start.pretrainer(
            pairs=bool(task.pairs), dropout=settings.dropout, seed=settings.seed
        )
        model.to(self.compute.device)
        training = self._training(model, task, _course(settings, self.corpus, now))
        every = settings.eval_steps or _every(training.course.total_steps)
        rhythm = Rhythm.of(
            log=settings.log_steps, evaluate=every, save=settings.save_steps, otherwise=every, metric=METRIC
        )
        snapshots = Snapshots(folder.snapshots, settings.keep_snapshots)
        tracker = partial(open_trackers, settings, folder.run, warn)
        evaluate = self._evaluation(model, task)
        run = Run.open(training, evaluate, rhythm, folder.run, snapshots, tracker=tracker, refused=warn)
        return run, config, notice

    def _training(
        self, model: PreTraining, task: Pretraining, course: Phases[PretrainingBatch]
    ) -> Training[PretrainingBatch]:
        settings = self.settings
        return Training(
            model=model,
            task=task,
            course=course,
            optimizer=Optimizer(
                model,
                weight_decay=settings.weight_decay,
                max_grad_norm=settings.max_grad_norm,
                rule=settings.optimizer,
            ),
            compute=self.compute,
            seed=settings.seed,
            loader=Loader(settings.gradient_accumulation, settings.loader_workers),
        )

    def _evaluation(self, model: PreTraining, task: Pretraining) -> Callable[[], dict[str, float]] | None:
        """Measures the held-out documents, where there are some."""
        if not len(self.corpus.held_out):
            return None
        longest = max(length for length, _ in self.settings.lengths())
        examples = self.corpus.examples(self.corpus.held_out, longest)
        return partial(measure, model, task, FirstExamples(examples, self.settings.eval_sequences), self.compute)


def _every(total_steps: int | None) -> int:
    return EVAL_STEPS if total_steps is None else max(1, total_steps // EVALUATIONS)


def _course(
    settings: PretrainSettings, corpus: PretrainingCorpus, now: Callable[[], float]
) -> Phases[PretrainingBatch]:
    phases, ends = [], 0.0
    for length, share in settings.lengths():
        ends += share
        size = settings.batch_size if settings.batch_tokens is None else settings.batch_tokens // length
        if size < settings.gradient_accumulation:
            raise UsageError(
                f"batch_tokens = {settings.batch_tokens} makes batches of {size} sequences of {length} tokens: "
                f"at least {settings.gradient_accumulation} are needed"
            )
        phases.append(Phase(ends, corpus.examples(corpus.train, length), size))
    phases[-1] = replace(phases[-1], ends=math.inf)  # shares add up to 1 but for rounding
    pace = _pace(settings, phases, now)
    schedule = Schedule.create(settings.learning_rate, int(pace.total), settings.warmup_ratio, settings.schedule)
    return Phases(phases, schedule, pace, ramp=settings.batch_ramp, ahead=settings.loader_workers)


def _pace(
    settings: PretrainSettings, phases: list[Phase[PretrainingBatch]], now: Callable[[], float]
) -> ByStep | ByClock:
    if settings.max_hours is not None:
        return ByClock(max(1, round(settings.max_hours * 3600)), now=now)
    if settings.max_steps is not None:
        return ByStep(settings.max_steps)
    assert settings.epochs is not None
    return ByStep(math.ceil(settings.epochs / epochs_per_step(phases, settings.batch_ramp)))
