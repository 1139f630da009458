"""bertwright's pre-training beside `transformers.Trainer`, in one run: bench/README.md.

`turns.py` gives the sides their turns; `pretrain_ours.py` and `pretrain_peer.py` do what one of them does.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bertwright.files import write_json
from bertwright.model.config import BertConfig
from bertwright.text.shards import ShardFolder
from bertwright.training.device import Compute
from pretrain_job import PretrainJob
from turns import TRAINING, Columns, check_peer, common, exit_code, measure, parser, tell

COLUMNS: dict[str, Columns] = {
    "pretraining": {
        "tokens/s": ("tokens_per_second", "{:.0f}"),
        "tokens a sequence": ("tokens_per_example", "{:.1f}"),
        **TRAINING,
    }
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bench; returns the exit code."""
    return exit_code(partial(_bench, _parser().parse_args(argv)))


def _bench(options: argparse.Namespace) -> None:
    check_peer()
    compute = Compute.create(options.device)
    with TemporaryDirectory(prefix="bertwright-bench-") as work:
        job = _job(options, compute, Path(work))
        phases = {job.phase: measure(job, options.repeats)}
    tell(options, compute, job, phases, columns=COLUMNS, best="")


def _job(options: argparse.Namespace, compute: Compute, work: Path) -> PretrainJob:
    """What all turns have in common; the shards are checked."""
    config, vocab_size = work / "config.json", ShardFolder.open(options.shards).tokenizer.vocab_size
    sizes = BertConfig.preset(options.model, vocab_size=vocab_size)
    write_json(config, sizes.to_dict("BertForMaskedLM"))
    return PretrainJob(
        **common(options, compute, work), phase="pretraining", config=str(config), shards=str(options.shards)
    )


def _parser() -> argparse.ArgumentParser:
    made = parser("Pre-training beside transformers.Trainer.")
    made.add_argument("--shards", type=Path, required=True, help="shard folder that `bertwright prepare` made")
    made.add_argument("--model", default="mini", help="size preset; its weights are drawn at random")
    return made


if __name__ == "__main__":
    sys.exit(main())
