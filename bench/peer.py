"""What the peer's sides share: `transformers.Trainer` under the bench's watch, and its flags."""

from typing import Any

from torch import Tensor, nn
from transformers import TrainerCallback, TrainingArguments

from job import Figures, Job, Watch


class Listener(TrainerCallback):
    """Tells the watch when training begins and when a step has ended."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def on_train_begin(self, *_: object, **__: object) -> None:
        """The first step comes now."""
        self.watch.training_begins()

    def on_step_end(self, *_: object, **__: object) -> None:
        """A step is done."""
        self.watch.step_ends()


class Seen:
    """What the model was given and what came of it, batch by batch."""

    def __init__(self, model: nn.Module) -> None:
        self._batches: list[tuple[Tensor, Tensor]] = []
        model.register_forward_hook(self._see, with_kwargs=True)

    def _see(self, _model: nn.Module, _: tuple[()], inputs: dict[str, Tensor], output: Any) -> None:
        self._batches.append((inputs["attention_mask"], output.loss.detach()))

    def figures(self, watch: Watch) -> Figures:
        """The watch's figures; tokens are those of the texts, never padding."""
        return watch.figures(
            losses=[loss.item() for _, loss in self._batches],
            tokens=[int(mask.sum()) for mask, _ in self._batches],
            examples=[len(mask) for mask, _ in self._batches],
        )


def arguments(job: Job, **flags: Any) -> TrainingArguments:
    """What a user must say, and no more; `flags` are the best ones."""
    needed: dict[str, Any] = {
        "output_dir": job.folder,
        "per_device_train_batch_size": job.batch_size,
        "per_device_eval_batch_size": job.batch_size,
        "max_steps": job.all_steps,
        "seed": job.seed,
        "use_cpu": job.device == "cpu",
        "report_to": "none",
        "save_strategy": "no",
    }
    return TrainingArguments(**(needed | flags))


def best_flags(job: Job) -> dict[str, Any]:
    """The flags that make any training fast."""
    # On a CPU every core computes already: workers that load the next batch would only take turns with it.
    workers = {"dataloader_num_workers": 2} if job.device == "cuda" else {}
    return {"bf16": job.peer_bf16, "optim": "adamw_torch_fused", **workers}
