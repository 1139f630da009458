"""bertwright's fine-tuning and prediction beside `transformers.Trainer`, in one run: bench/README.md.

`turns.py` gives the sides their turns; `finetune_ours.py` and `finetune_peer.py` do what one of them does.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bertwright.errors import UsageError
from bertwright.training.device import Compute
from finetune_job import FinetuneJob
from turns import TRAINING, Columns, check_peer, common, count, exit_code, folder_of, measure, parser, tell

EXAMPLES: Columns = {"examples/s": ("examples_per_second", "{:.1f}")}
COLUMNS: dict[str, Columns] = {
    "training": {
        **EXAMPLES,
        "tokens/s": ("tokens_per_second", "{:.0f}"),
        "tokens a text": ("tokens_per_example", "{:.1f}"),
        **TRAINING,
    },
    "prediction": {
        **EXAMPLES,
        "bertwright is faster": ("ratio", "{:.2f}×"),
        "accuracy": ("accuracy", "{:.4f}"),
        "same label as bertwright": ("agreement", "{:.1%}"),
        "loading": ("loading_seconds", "{:.2f} s"),
        "tokenising": ("tokenising_seconds", "{:.2f} s"),
    },
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bench; returns the exit code."""
    return exit_code(partial(_bench, _parser().parse_args(argv)))


def _bench(options: argparse.Namespace) -> None:
    _check(options)
    compute = Compute.create(options.device)
    with TemporaryDirectory(prefix="bertwright-bench-") as work:
        job = _job(options, compute, Path(work))
        phases = {}
        if not options.only_prediction:
            phases["training"] = measure(job, options.repeats)
            job = replace(job, model=folder_of(job, "ours"))  # all sides predict with the classifier that ours left
        if not options.only_training:
            phases["prediction"] = measure(replace(job, phase="prediction"), options.repeats)
    tell(options, compute, job, phases, columns=COLUMNS, best="grouped by length, ")


def _job(options: argparse.Namespace, compute: Compute, work: Path) -> FinetuneJob:
    """What all turns have in common."""
    return FinetuneJob(
        **common(options, compute, work),
        phase="training",
        model=options.model,
        train=str(options.train or ""),
        test=str(options.test),
        columns=options.columns,
        peer_eval_batch_size=options.peer_eval_batch_size,
    )


def _check(options: argparse.Namespace) -> None:
    """Say what is missing before anything is measured."""
    check_peer()
    if options.train is None and not options.only_prediction:
        raise UsageError("--train is missing: only --only-prediction goes without it")
    if not Path(options.model).is_dir():
        raise UsageError(f"--model {options.model}: no such folder; the bench downloads nothing")
    for flag, path in (("--train", options.train), ("--test", options.test)):
        if path is not None and not path.is_file():
            raise UsageError(f"{flag} {path}: no such file")


def _parser() -> argparse.ArgumentParser:
    made = parser("Fine-tuning and prediction beside transformers.Trainer.")
    # The peer goes through windows of 50 batches, from the longest texts to the shortest (README.md).
    made.set_defaults(profiled_steps=50)
    add = made.add_argument
    add("--model", required=True, help="BERT folder to start from; with --only-prediction a fine-tuned classifier")
    add("--train", type=Path, help="labelled file to learn from")
    add("--test", type=Path, required=True, help="labelled file to predict")
    add("--columns", nargs="+", help="names of the columns of files that have no header")
    add("--peer-eval-batch-size", type=count, help="with the peer's best flags; --batch-size when not given")
    only = made.add_mutually_exclusive_group()
    only.add_argument("--only-training", action="store_true")
    only.add_argument("--only-prediction", action="store_true")
    return made


if __name__ == "__main__":
    sys.exit(main())
