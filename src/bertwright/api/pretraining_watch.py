"""Who watches a pre-training beside the bar: the drawer of its curves, and the detector of a run that is stuck."""

from bertwright.api.common import warn
from bertwright.api.corpus import PretrainingCorpus
from bertwright.evaluation.curves import NAME, CurveDrawer
from bertwright.evaluation.instances import measure_instances
from bertwright.settings import PretrainSettings
from bertwright.tasks.pretraining import PretrainingBatch
from bertwright.training.plateau import Conditions, Plateau
from bertwright.training.run import Run

SAMPLES = 2000  # sequences that are looked at for causes


def watchers(
    settings: PretrainSettings, run: Run[PretrainingBatch], corpus: PretrainingCorpus
) -> tuple[Plateau, CurveDrawer]:
    """The detector and the drawer of a run."""
    entropy = corpus.shards.manifest.get("unigram_entropy")
    references = {} if entropy is None else {"unigram entropy of the corpus": entropy}
    plateau = Plateau(run.log, run.training.course.progress, entropy, lambda: _conditions(settings, corpus), warn)
    return plateau, CurveDrawer(run.log.path, run.folder / NAME, references, warn)


def _conditions(settings: PretrainSettings, corpus: PretrainingCorpus) -> Conditions:
    length, _ = settings.lengths()[0]
    figures = measure_instances(corpus.examples(corpus.train, length), SAMPLES)
    return Conditions(
        batch_tokens=settings.batch_tokens or settings.batch_size * figures.tokens / figures.sequences,
        max_grad_norm=settings.max_grad_norm,
        repeated_sentences=figures.repeated_sentence_rate,
        unknown_rate=figures.unknown_rate,
    )
