"""bertwright's side of `finetune.py`: its public functions, with the bench's watch beside them."""

from bertwright import finetune, load
from bertwright.evaluation.inference import chunks
from bertwright.serving.predictor import Predictor
from bertwright.tasks.finetuning import MEMORY, Rows
from finetune_job import FinetuneJob, accuracy
from job import Figures, Laps, Watch, answer
from ours import watched


def training(job: FinetuneJob) -> Figures:
    """`bertwright.finetune`, which leaves its classifier in `job.folder`.

    All is as by default but for what the peer does not do by its own defaults: there is no warm-up of the learning
    rate and no weight decay, and nothing is evaluated or saved before the last step.
    """
    watch = Watch(job)
    with watched(watch) as steps:
        finetune(
            model=job.model,
            train=job.train,
            validation=job.test,
            columns=job.columns,
            output_dir=job.folder,
            overwrite=True,
            max_length=job.max_length,
            batch_size=job.batch_size,
            max_steps=job.all_steps,
            eval_steps=job.all_steps,
            save_steps=job.all_steps + 1,
            warmup_ratio=0.0,
            weight_decay=0.0,
            seed=job.seed,
            device=job.device,
        )
    return watch.figures(
        losses=[step.loss for step in steps],
        tokens=[step.tokens for step in steps],
        examples=[step.examples for step in steps],
    )


def prediction(job: FinetuneJob) -> Figures:
    """What `Predictor.stream` does, with a clock at each of its parts."""
    rows, laps = job.read(job.test), Laps()
    with laps("loading_seconds"):
        predictor = load(job.model, device=job.device, max_length=job.max_length)
    assert isinstance(predictor, Predictor)
    list(predictor.stream(rows[: job.batch_size]))  # the first batch is a warm-up, on both sides
    labels: list[str] = []
    for chunk in chunks(rows):
        asked = Rows(MEMORY, chunk)
        with laps("tokenising_seconds"):
            examples = predictor.encode(asked)
        with laps("predicting_seconds"):
            answers = predictor.task.answers(asked, examples, predictor.outputs(examples))
            labels += [answer.label for answer in answers]
    return {
        **laps,
        "examples_per_second": len(rows) / laps["predicting_seconds"],
        "accuracy": accuracy(labels, rows),
        "labels": labels,
    }


if __name__ == "__main__":
    answer(FinetuneJob, training, prediction)
