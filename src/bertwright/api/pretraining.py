"""`pretrain`: a shard folder and sizes, or a BERT to go on from, in; a BERT with its pre-training heads out."""

import shutil
from collections.abc import Mapping
from functools import partial
from typing import Any

from bertwright.api.common import say, settled
from bertwright.api.explaining import explain_pretraining
from bertwright.api.pretraining_watch import watchers
from bertwright.api.pretraining_wiring import METRIC, Setup
from bertwright.api.resume_check import verify_resume
from bertwright.api.run_folder import RunFolder
from bertwright.api.starting_point import StartingPoint
from bertwright.api.training_run import Trained, certify, figures_of, finished_before, follow, tell_result
from bertwright.evaluation.card import pretraining_card
from bertwright.files import lock_folder, write_file, write_json
from bertwright.model.config import BertConfig
from bertwright.model.folder import write_model_folder
from bertwright.model.heads import PreTraining
from bertwright.settings import PretrainSettings
from bertwright.tasks.pretraining import PretrainingBatch
from bertwright.training.device import Compute, keep_freed_memory
from bertwright.training.run import Run


def pretrain(settings: PretrainSettings | None = None, /, **options: object) -> Trained:
    """Pre-train a BERT on a shard folder.

    Running it again with the same settings goes on from the newest whole snapshot; a finished run is not repeated.

    Args:
        settings: A settings object, instead of or before keyword arguments.
        **options: The fields of `PretrainSettings`; `model`, `shards`, `output_dir` and one of `max_steps`, `epochs`
            and `max_hours` are required.

    Raises:
        BertwrightError: The settings, the shards or the training went wrong; see `bertwright.errors`.
    """
    settings = settled(PretrainSettings, settings, options)
    compute = Compute.create(settings.device, settings.precision)
    settings = settings.model_copy(update={"precision": compute.precision})
    if settings.verify_resume is not None:
        return _verified(settings, compute)
    folder = RunFolder(settings.output_dir)
    folder.prepare(overwrite=settings.overwrite)
    keep_freed_memory()
    with lock_folder(folder.run):
        return _pretrain(settings, compute, folder)


def _pretrain(settings: PretrainSettings, compute: Compute, folder: RunFolder) -> Trained:
    tell = partial(say, quiet=settings.quiet)
    if settings.overwrite:
        folder.clear()
    setup = Setup.of(settings, compute)
    start, corpus = setup.start, setup.corpus
    shards = {"path": str(settings.shards), "sha256": corpus.shards.fingerprint}
    folder.begin(settings, {"model": start.origin(), "shards": shards})
    if folder.finished:
        return tell_result(finished_before(folder, None))
    folder.remove_leftovers()
    tell(corpus.describe())
    run, config, notice = setup.wire(folder)
    if notice and not run.standing.step:
        tell(notice)
    tell(_plan(settings, run, config, compute))
    if settings.explain:
        explain_pretraining(run, config)
    plateau, curves = watchers(settings, run, corpus)
    signal = follow(run, plateau, curves, metric=METRIC, quiet=settings.quiet)
    curves.draw()
    if signal is not None:
        return Trained(folder.output, {}, run.standing.best_step, signal.name, exit_code=128 + signal)
    certify(folder, _publish(settings, folder, run, config, start), compute)
    return tell_result(figures_of(folder, None))


def _verified(settings: PretrainSettings, compute: Compute) -> Trained:
    """Check that a run that was interrupted is the run that was not."""
    assert settings.verify_resume is not None
    keep_freed_memory()
    found = verify_resume(Setup.of(settings, compute), settings.verify_resume)
    say(found.describe())
    return Trained(settings.output_dir, {}, 0, exit_code=0 if found.equal else 1)


def _plan(settings: PretrainSettings, run: Run[PretrainingBatch], config: BertConfig, compute: Compute) -> str:
    course = run.training.course
    much = f"{settings.max_hours} hours" if course.total_steps is None else f"{course.total_steps} steps"
    sizes = f"{config.num_hidden_layers} layers of width {config.hidden_size}, {config.vocab_size} tokens"
    lengths = ", then ".join(str(length) for length, _ in settings.lengths())
    return f"training {sizes}, with {settings.objective} on up to {lengths} tokens for {much} on {compute.describe()}"


def _publish(
    settings: PretrainSettings,
    folder: RunFolder,
    run: Run[PretrainingBatch],
    config: BertConfig,
    start: StartingPoint,
) -> int:
    """Write the best model, and the last where it is another; returns the step that it is from."""
    longest = max(length for length, _ in settings.lengths())
    write = partial(
        write_model_folder,
        config=config,
        tokenizer=start.tokenizer.with_max_length(longest),
        weights_format=settings.weights_format,
    )
    model = run.training.model
    assert isinstance(model, PreTraining)
    step = run.standing.best_step or run.standing.step
    shutil.rmtree(folder.output / "last", ignore_errors=True)  # of a run before this one
    if step != run.standing.step:
        write(folder.output / "last", model)
    run.load_best()
    write(folder.output, model)
    metrics: dict[str, dict[str, float]] = {}
    if run.standing.best_metrics:
        metrics["validation"] = run.standing.best_metrics
    figures: Mapping[str, Any] = {**metrics, "best_step": step, "last_step": run.standing.step}
    write_json(folder.run / "metrics.json", figures)
    write_file(folder.output / "README.md", pretraining_card(settings, config, metrics))
    return step
