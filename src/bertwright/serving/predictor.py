"""A fine-tuned model that answers with names: rows in, answers out, in the same order.

What `predict`, `evaluate` and a server share, whatever the task. Knows no command line and no output format.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bertwright.errors import ModelFolderError
from bertwright.evaluation.inference import all_outputs, chunks
from bertwright.model.folder import ModelFolder
from bertwright.serving.inputs import longest
from bertwright.tasks.finetuning import MEMORY, Answer, Limit, Rows, RowT, TaskExamples
from bertwright.tasks.kinds import AnyTask, task_of_folder
from bertwright.tasks.task import Outputs
from bertwright.training.device import Compute


class Predictor:
    """A fine-tuned model in memory; `bertwright.load(folder)` makes one."""

    def __init__(
        self, folder: ModelFolder, compute: Compute, *, max_length: int | None = None, batch_tokens: int = 4096
    ) -> None:
        task = task_of_folder(folder)
        if task is None:
            raise ModelFolderError(f"{folder.path} is not a fine-tuned model: make one with bertwright finetune")
        self.task: AnyTask = task
        self.compute, self.batch_tokens = compute, batch_tokens
        self.config, self.tokenizer = task.configure(folder.config), folder.tokenizer
        self.max_length = longest(folder, max_length)
        self.model = task.head(self.config)
        found = folder.load_into(self.model)
        if found.missing:
            raise ModelFolderError(
                f"{folder.path} lacks {found.missing[0]}: it is not a fine-tuned model; make one with "
                "bertwright finetune"
            )
        self.model.to(compute.device).eval()

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the logits."""
        return self.config.labels

    @property
    def limit(self) -> Limit:
        """What is cut of rows."""
        return self.task.limit(self.max_length)

    def predict(self, *given: Any, **named: Any) -> list[Any]:
        """Answers to what is given, in its order; what that is depends on the task.

        Args:
            *given: Texts, and perhaps second texts as long as these; see the page of the task.
            **named: The same by name.

        Raises:
            UsageError: What is given does not fit together.
        """
        return list(self.stream(self.task.asked(*given, **named)))

    def stream(self, rows: Iterable[Any]) -> Iterator[Answer]:
        """Answers to rows, in their order, in memory that does not grow with their number."""
        return (answer for _, answer in self.answered(rows, MEMORY))

    def answered(self, rows: Iterable[RowT], path: Path) -> Iterator[tuple[RowT, Answer]]:
        """The same, each beside its row; `path` is the file that they are in, as errors name it."""
        for chunk in chunks(rows):
            asked = Rows(path, chunk)
            examples = self.encode(asked)
            yield from zip(chunk, self.task.answers(asked, examples, self.outputs(examples)), strict=True)

    def encode(self, rows: Rows[Any]) -> TaskExamples[Any]:
        """Some rows as the model reads them."""
        examples: TaskExamples[Any] = self.task.encode(rows, self.tokenizer, self.max_length)
        return examples

    def outputs(self, examples: TaskExamples[Any]) -> Outputs:
        """What the model says of all things in some examples, in their order."""
        return all_outputs(self.model, self.task, examples, self.compute, self.batch_tokens)
