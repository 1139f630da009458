"""The peer's side of `pretrain.py`: `transformers.Trainer` on packed blocks, plain or with its best flags."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertConfig,
    DataCollatorForLanguageModeling,
    Trainer,
    set_seed,
)

from bertwright.text.shards import TOKENIZER, ShardFolder
from job import Figures, Watch, answer
from peer import Listener, Seen, arguments, best_flags
from pretrain_job import PretrainJob


@dataclass(frozen=True, slots=True)
class Blocks:
    """A corpus cut into blocks of one length, [CLS] ... [SEP], whatever sentence or document ends in them.

    Attributes:
        rows: The tokens of each.
    """

    rows: np.ndarray

    @classmethod
    def of(cls, shards: ShardFolder, length: int) -> "Blocks":
        """The tokens of a shard folder, end to end; a rest that fills no block is left out."""
        tokens = np.concatenate([shard.tokens for shard in shards.shards]).astype(np.int64)
        inner = tokens[: len(tokens) // (length - 2) * (length - 2)].reshape(-1, length - 2)
        ends = [np.full((len(inner), 1), number) for number in (shards.tokenizer.cls_id, shards.tokenizer.sep_id)]
        return cls(np.concatenate([ends[0], inner, ends[1]], axis=1))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> dict[str, list[int]]:
        row = self.rows[place].tolist()
        return {"input_ids": row, "special_tokens_mask": [1, *(0 for _ in row[2:]), 1]}


def pretraining(job: PretrainJob) -> Figures:
    """`Trainer.train`, with its default settings or its best ones."""
    watch, best = Watch(job), job.side == "peer-best"
    shards = ShardFolder.open(Path(job.shards))
    tokenizer = AutoTokenizer.from_pretrained(shards.path / TOKENIZER)
    set_seed(job.seed)
    attention = {"attn_implementation": job.peer_attention} if best else {}
    kind: Any = AutoModelForMaskedLM
    model = kind.from_config(BertConfig.from_json_file(job.config), **attention)
    seen = Seen(model)
    trainer: Any = Trainer(
        model=model,
        args=arguments(job, **(best_flags(job) if best else {})),
        train_dataset=Blocks.of(shards, job.max_length),
        data_collator=DataCollatorForLanguageModeling(tokenizer),
        processing_class=tokenizer,
        callbacks=[Listener(watch)],
    )
    trainer.train()
    return seen.figures(watch)


if __name__ == "__main__":
    answer(PretrainJob, pretraining)
