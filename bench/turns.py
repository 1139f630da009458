"""What the benches beside `transformers.Trainer` share: turns of the sides, medians and ranges, tables, JSON.

Every measurement has a process of its own, and the sides take turns, A B C A B C, so that what else the machine does
falls on all alike. Knows nothing of what a job is and how a side does it, and computes nothing while one is measured.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
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
Columns = Mapping[str, tuple[str, str]]  # heading → figure and its format
# Of any training; what its speed is counted in comes before.
TRAINING: Columns = {
    "bertwright is faster": ("ratio", "{:.2f}×"),
    "final loss": ("final_loss", "{:.3f}"),
    "start-up": ("startup_seconds", "{:.1f} s"),
    "matrix products, of a step": ("matrix_products_of_step", "{:.0%}"),
    "of its operators": ("matrix_products_of_operators", "{:.0%}"),
}

Results = dict[str, list[Figures]]  # side → the figures of each repeat


def exit_code(work: Callable[[], None]) -> int:
    """Do the work of a bench; what its user can mend is said in one line."""
    try:
        work()
    except BertwrightError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def folder_of(job: Job, side: str) -> str:
    """Where a side writes."""
    return str(Path(job.folder) / side)


def measure(job: Job, repeats: int) -> Results:
    """Give every side `repeats` turns at a job, one after the other; each has a folder of its own in `job.folder`."""
    results: Results = {side: [] for side in SIDES}
    for repeat, side in product(range(repeats), SIDES):
        operators = str(Path(job.operators) / f"{side}.txt") if job.operators else None
        turn = replace(job, side=side, seed=repeat, folder=folder_of(job, side), operators=operators, began=time())
        figures = in_fresh_process(turn)
        results[side].append(figures)
        _compare(figures, results["ours"][repeat], job.speed)
        speed = f"{figures[job.speed]:.1f} {job.speed.replace('_per_second', '/s')}"
        print(f"{job.phase}, repeat {repeat + 1} of {repeats}: {SIDES[side]}: {speed}", file=sys.stderr)
    for figures in (figures for turns in results.values() for figures in turns):
        figures.pop("labels", None)
    return results


def _compare(figures: Figures, ours: Figures, speed: str) -> None:
    """Add what a side's figures say beside ours of the same round."""
    figures["ratio"] = ours[speed] / figures[speed]
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
        command = [sys.executable, str(Path(__file__).parent / f"{job.script}.py"), str(asked), str(answered)]
        with log.open("wb") as out:
            code = subprocess.run(command, stdout=out, stderr=out, env=environment, check=False).returncode
        if code:
            output = log.read_text(encoding="utf-8", errors="replace").strip() or f"exit code {code}"
            print(output, file=sys.stderr)
            raise BertwrightError(f"{job.phase} of {SIDES[job.side]} failed: {output.splitlines()[-1]}")
        figures: Figures = json.loads(answered.read_text(encoding="utf-8"))
    return figures


def tell(
    options: argparse.Namespace,
    compute: Compute,
    job: Job,
    phases: Mapping[str, Results],
    *,
    columns: Mapping[str, Columns],
    best: str,
) -> None:
    """Print the tables, and keep every figure in `--output-json`.

    Args:
        options: What the user asked for.
        compute: Where it was computed.
        job: What all turns had in common.
        phases: The results of each phase.
        columns: The columns of its table.
        best: The peer's best flags beside fused AdamW, bf16 and its attention.
    """
    report = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(compute),
        "versions": _versions(),
        "settings": vars(options),
        "results": phases,
    }
    print(_markdown(report, job, columns, best))
    if options.output_json:
        write_file(options.output_json, json.dumps(report, indent=2, default=str) + "\n")


def _markdown(report: Mapping[str, Any], job: Job, columns: Mapping[str, Columns], best: str) -> str:
    """The tables, and what a reader must know to judge them."""
    machine, versions, settings = report["machine"], report["versions"], report["settings"]
    software = ", ".join(f"{name} {version}" for name, version in versions.items())
    bf16 = "bf16" if job.peer_bf16 else "no bf16 (slower than fp32 here, or switched off with --peer-bf16)"
    lines = [
        f"{machine['device']}; {machine['cpu']}, {machine['cores']} cores, "
        f"{'with' if machine['amx_bf16'] else 'no'} AMX, {'with' if machine['avx512_bf16'] else 'no'} AVX512-BF16; "
        f"{software}; {report['date']}.",
        f"Batches of {job.batch_size}, max length {job.max_length}; median (lowest–highest) of "
        f"{settings['repeats']} repeats. Best flags: {best}fused AdamW, {bf16}, {job.peer_attention} attention.",
    ]
    for phase, results in report["results"].items():
        steps = "" if phase == "prediction" else f": {job.steps} steps after {job.warmup_steps}"
        lines += ["", f"**{phase}{steps}**", "", *table(results, columns[phase])]
    return "\n".join(lines)


def table(results: Results, columns: Columns) -> list[str]:
    """A Markdown table with a row for each side."""
    rows = [["", *columns], ["---", *("---:" for _ in columns)]]
    for side, turns in results.items():
        rows.append([SIDES[side], *(spread([turn[name] for turn in turns], form) for name, form in columns.values())])
    return [f"| {' | '.join(row)} |" for row in rows]


def spread(values: Sequence[float], form: str) -> str:
    """The median, and the range where there is one to see."""
    middle, low, high = (form.format(value) for value in (median(values), min(values), max(values)))
    return middle if low == high else f"{middle} ({low}–{high})"


def common(options: argparse.Namespace, compute: Compute, work: Path) -> dict[str, Any]:
    """The fields of `Job` that all turns have in common."""
    if options.profile:
        options.profile.mkdir(parents=True, exist_ok=True)
    same = ("batch_size", "max_length", "warmup_steps", "steps", "profiled_steps", "peer_attention")
    return {
        **{name: getattr(options, name) for name in same},
        "side": "ours",
        "folder": str(work),
        "device": compute.device.type,
        "peer_bf16": {"on": True, "off": False, "auto": compute.precision == "bf16"}[options.peer_bf16],
        "operators": str(options.profile) if options.profile else None,
    }


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


def check_peer() -> None:
    """Say what is missing before anything is measured.

    Raises:
        UsageError: The peer is not installed.
    """
    missing = [name for name in ("transformers", "accelerate") if find_spec(name) is None]
    if missing:
        raise UsageError(f"the bench runs beside {' and '.join(missing)}, not installed here: pip install '.[bench]'")


def parser(description: str) -> argparse.ArgumentParser:
    """A parser of the flags that the benches share."""
    made = argparse.ArgumentParser(description=description)
    add = made.add_argument
    add("--batch-size", type=count, default=32)
    add("--max-length", type=count, default=128, help="longest sequence, in tokens")
    add("--steps", type=count, default=100, help="timed steps")
    add("--warmup-steps", type=count, default=5, help="steps before the timed ones")
    add("--profiled-steps", type=count, default=10, help="steps after the timed ones, under the profiler")
    add("--repeats", type=count, default=3, help="turns of each side")
    add("--device", default="auto", choices=("auto", "cpu", "cuda"))
    add("--peer-bf16", default="auto", choices=("on", "off", "auto"), help="auto = where the hardware is fast at it")
    add("--peer-attention", default="sdpa", choices=("sdpa", "eager"), help="with the peer's best flags")
    add("--profile", type=Path, metavar="FOLDER", help="write each side's table of operators there")
    add("--output-json", type=Path, metavar="FILE", help="write every figure of every repeat there")
    return made


def count(text: str) -> int:
    """A whole number above 0, from a flag."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r}: should be a whole number above 0")
    return int(text)
