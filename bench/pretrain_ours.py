"""bertwright's side of `pretrain.py`: its public function, with the bench's watch beside it."""

from bertwright import pretrain
from job import Figures, Watch, answer
from ours import watched
from pretrain_job import PretrainJob


def pretraining(job: PretrainJob) -> Figures:
    """`bertwright.pretrain` with both of BERT's objectives.

    All is as by default but for what the peer does not do by its own defaults: there is no warm-up of the learning
    rate and no weight decay, and nothing is held out, evaluated or saved before the last step.
    """
    watch = Watch(job)
    with watched(watch) as steps:
        pretrain(
            model=job.config,
            shards=job.shards,
            output_dir=job.folder,
            overwrite=True,
            max_length=job.max_length,
            batch_size=job.batch_size,
            max_steps=job.all_steps,
            held_out=0.0,
            save_steps=job.all_steps + 1,
            learning_rate=5e-5,
            warmup_ratio=0.0,
            weight_decay=0.0,
            seed=job.seed,
            device=job.device,
        )
    return watch.figures(
        losses=[step.losses["mlm_loss"] for step in steps],  # the peer has no next sentence prediction
        tokens=[step.tokens for step in steps],
        examples=[step.examples for step in steps],
    )


if __name__ == "__main__":
    answer(PretrainJob, pretraining)
