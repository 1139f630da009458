"""bertwright's fine-tuning and prediction beside `transformers.Trainer`, in one run: bench/README.md.

Every measurement has a process of its own (`finetune_ours.py`, `finetune_peer.py`), and the sides take turns,
A B C A B C, so that what else the machine does falls on all alike. Prints medians, ranges and ratios.
Knows nothing of how a side does its work, and computes nothing while one is measured.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from time import time
from typing import Any

import torch

from bertwright.errors import BertwrightError, UsageError
from bertwright.files import write_file
from bertwright.training.device import Compute
from job import Figures, Job

SIDES = {"ours": "bertwright", "peer": "Trainer, as first written", "peer-best": "Trainer, best flags"}
SCRIPTS = {"ours": "finetune_ours.py", "peer": "finetune_peer.py", "peer-best": "finetune_peer.py"}
SPEED = "examples_per_second"
# heading → figure and its format
COLUMNS = {
    "training": {
        "examples/s": (SPEED, "{:.1f}"),
        "bertwright is faster": ("ratio", "{:.2f}×"),
        "tokens/s": ("tokens_per_second", "{:.0f}"),
        "tokens a text": ("tokens_per_example", "{:.1f}"),
        "final loss": ("final_loss", "{:.3f}"),
        "start-up": ("startup_seconds", "{:.1f} s"),
        "matrix products, of a step": ("matrix_products_of_step", "{:.0%}"),
        "of its operators": ("matrix_products_of_operators", "{:.0%}"),
    },
    "prediction": {
        "examples/s": (SPEED, "{:.1f}"),
        "bertwright is faster": ("ratio", "{:.2f}×"),
        "accuracy": ("accuracy", "{:.4f}"),
        "same label as bertwright": ("agreement", "{:.1%}"),
        "loading": ("loading_seconds", "{:.2f} s"),
        "tokenising": ("tokenising_seconds", "{:.2f} s"),
    },
}

Results = dict[str, list[Figures]]  # side → the figures of each repeat


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bench; returns the exit code."""
    options = _parser().parse_args(argv)
    try:
        _check(options)
        _bench(options)
    except BertwrightError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _bench(options: argparse.Namespace) -> None:
    compute = Compute.create(options.device)
    with TemporaryDirectory(prefix="bertwright-bench-") as work:
        job = _job(options, compute, Path(work))
        phases = {}
        if not options.only_prediction:
            phases["training"] = measure(job, options.repeats)
            job = replace(job, model=_folder(job, "ours"))  # all sides predict with the classifier that ours left
        if not options.only_training:
            phases["prediction"] = measure(replace(job, phase="prediction"), options.repeats)
    report = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(compute),
        "versions": _versions(),
        "settings": vars(options),
        "results": phases,
    }
    print(markdown(report, job))
    if options.output_json:
        write_file(options.output_json, json.dumps(report, indent=2, default=str) + "\n")


def _folder(job: Job, side: str) -> str:
    return str(Path(job.folder) / side)


def measure(job: Job, repeats: int) -> Results:
    """Give every side `repeats` turns at a job, one after the other; each has a folder of its own in `job.folder`."""
    results: Results = {side: [] for side in SIDES}
    for repeat, side in product(range(repeats), SIDES):
        operators = str(Path(job.operators) / f"{side}.txt") if job.operators else None
        folder = _folder(job, side)
        turn = replace(job, side=side, seed=repeat, folder=folder, operators=operators, began=time())
        figures = in_fresh_process(turn)
        results[side].append(figures)
        _compare(figures, results["ours"][repeat])
        speed = f"{figures[SPEED]:.1f} examples/s"
        print(f"{job.phase}, repeat {repeat + 1} of {repeats}: {SIDES[side]}: {speed}", file=sys.stderr)
    for figures in (figures for turns in results.values() for figures in turns):
        figures.pop("labels", None)
    return results


def _compare(figures: Figures, ours: Figures) -> None:
    """Add what a side's figures say beside ours of the same round."""
    figures["ratio"] = ours[SPEED] / figures[SPEED]
    if "labels" in figures:
        figures["agreement"] = fmean(a == b for a, b in zip(figures["labels"], ours["labels"], strict=True))


def in_fresh_process(job: Job) -> Figures:
    """Do a job in an interpreter of its own: allocator, threads and imports are shared with no other turn.

    Raises:
        BertwrightError: It failed; its output has gone to standard error.
    """
    environment = dict(os.environ)
    if job.device == "cuda":
        environment.setdefault("CUDA_VISIBLE_DEVICES", "0")  # a Trainer would spread over all that it sees
    with TemporaryDirectory(prefix="bertwright-bench-") as folder:
        asked, answered, log = (Path(folder, name) for name in ("job.json", "figures.json", "log.txt"))
        job.write(asked)
        command = [sys.executable, str(Path(__file__).parent / SCRIPTS[job.side]), str(asked), str(answered)]
        with log.open("wb") as out:
            code = subprocess.run(command, stdout=out, stderr=out, env=environment, check=False).returncode
        if code:
            output = log.read_text(encoding="utf-8", errors="replace").strip() or f"exit code {code}"
            print(output, file=sys.stderr)
            raise BertwrightError(f"{job.phase} of {SIDES[job.side]} failed: {output.splitlines()[-1]}")
        figures: Figures = json.loads(answered.read_text(encoding="utf-8"))
    return figures


def markdown(report: dict[str, Any], job: Job) -> str:
    """The tables, and what a reader must know to judge them."""
    machine, versions, settings = report["machine"], report["versions"], report["settings"]
    software = ", ".join(f"{name} {version}" for name, version in versions.items())
    bf16 = "bf16" if job.peer_bf16 else "no bf16 (slower than fp32 here, or switched off with --peer-bf16)"
    lines = [
        f"{machine['device']}; {machine['cpu']}, {machine['cores']} cores, "
        f"{'with' if machine['amx_bf16'] else 'no'} AMX, {'with' if machine['avx512_bf16'] else 'no'} AVX512-BF16; "
        f"{software}; {report['date']}.",
        f"Batches of {job.batch_size}, max length {job.max_length}; median (lowest–highest) of "
        f"{settings['repeats']} repeats. Best flags: grouped by length, fused AdamW, {bf16}, "
        f"{job.peer_attention} attention.",
    ]
    for phase, results in report["results"].items():
        steps = f": {job.steps} steps after {job.warmup_steps}" if phase == "training" else ""
        lines += ["", f"**{phase}{steps}**", "", *table(results, COLUMNS[phase])]
    return "\n".join(lines)


def table(results: Results, columns: dict[str, tuple[str, str]]) -> list[str]:
    """A Markdown table with a row for each side."""
    rows = [["", *columns], ["---", *("---:" for _ in columns)]]
    for side, turns in results.items():
        rows.append([SIDES[side], *(spread([turn[name] for turn in turns], form) for name, form in columns.values())])
    return [f"| {' | '.join(row)} |" for row in rows]


def spread(values: Sequence[float], form: str) -> str:
    """The median, and the range where there is one to see."""
    middle, low, high = (form.format(value) for value in (median(values), min(values), max(values)))
    return middle if low == high else f"{middle} ({low}–{high})"


def _job(options: argparse.Namespace, compute: Compute, work: Path) -> Job:
    """What all turns have in common."""
    if options.profile:
        options.profile.mkdir(parents=True, exist_ok=True)
    bf16 = {"on": True, "off": False, "auto": compute.precision == "bf16"}[options.peer_bf16]
    return Job(
        side="ours",
        phase="training",
        model=options.model,
        train=str(options.train or ""),
        test=str(options.test),
        columns=options.columns,
        folder=str(work),
        batch_size=options.batch_size,
        max_length=options.max_length,
        warmup_steps=options.warmup_steps,
        steps=options.steps,
        profiled_steps=options.profiled_steps,
        device=compute.device.type,
        peer_bf16=bf16,
        peer_attention=options.peer_attention,
        peer_eval_batch_size=options.peer_eval_batch_size,
        operators=str(options.profile) if options.profile else None,
    )


def _machine(compute: Compute) -> dict[str, Any]:
    """What decides how fast anything can be."""
    has = torch.cpu.get_capabilities()
    info = Path("/proc/cpuinfo")
    named = re.search(r"^model name\s*: (.+)$", info.read_text() if info.exists() else "", re.MULTILINE)
    return {
        "device": compute.describe(),
        "cpu": named[1] if named else platform.processor(),
        "cores": os.cpu_count(),
        "amx_bf16": bool(has.get("amx_bf16")),
        "avx512_bf16": bool(has.get("avx512_bf16")),
        "system": platform.platform(),
    }


def _versions() -> dict[str, str]:
    names = ("torch", "transformers", "accelerate", "tokenizers", "numpy")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}


def _check(options: argparse.Namespace) -> None:
    """Say what is missing before anything is measured."""
    missing = [name for name in ("transformers", "accelerate") if find_spec(name) is None]
    if missing:
        raise UsageError(f"the bench runs beside {' and '.join(missing)}, not installed here: pip install '.[bench]'")
    if options.train is None and not options.only_prediction:
        raise UsageError("--train is missing: only --only-prediction goes without it")
    if not Path(options.model).is_dir():
        raise UsageError(f"--model {options.model}: no such folder; the bench downloads nothing")
    for flag, path in (("--train", options.train), ("--test", options.test)):
        if path is not None and not path.is_file():
            raise UsageError(f"{flag} {path}: no such file")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Fine-tuning and prediction beside transformers.Trainer.")
    add = parser.add_argument
    add("--model", required=True, help="BERT folder to start from; with --only-prediction a fine-tuned classifier")
    add("--train", type=Path, help="labelled file to learn from")
    add("--test", type=Path, required=True, help="labelled file to predict")
    add("--columns", nargs="+", help="names of the columns of files that have no header")
    add("--batch-size", type=_count, default=32)
    add("--max-length", type=_count, default=128, help="longest sequence, in tokens")
    add("--steps", type=_count, default=100, help="timed steps; a multiple of 50 is fair to the peer (README.md)")
    add("--warmup-steps", type=_count, default=5, help="steps before the timed ones")
    add("--profiled-steps", type=_count, default=50, help="steps after the timed ones, under the profiler")
    add("--repeats", type=_count, default=3, help="turns of each side")
    add("--device", default="auto", choices=("auto", "cpu", "cuda"))
    add("--peer-bf16", default="auto", choices=("on", "off", "auto"), help="auto = where the hardware is fast at it")
    add("--peer-attention", default="sdpa", choices=("sdpa", "eager"), help="with the peer's best flags")
    add("--peer-eval-batch-size", type=_count, help="with the peer's best flags; --batch-size when not given")
    add("--profile", type=Path, metavar="FOLDER", help="write each side's table of operators there")
    add("--output-json", type=Path, metavar="FILE", help="write every figure of every repeat there")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--only-training", action="store_true")
    only.add_argument("--only-prediction", action="store_true")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}: should be a whole number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
