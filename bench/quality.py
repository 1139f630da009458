"""Is what comes out as good as what `transformers.Trainer` makes with the same settings? One table, several seeds.

Each training is a process of its own, and its figures are kept as JSON with the command that made them (those of the
table in docs/results.md are in `figures/` beside this file): what is there is not done again, so that the whole, which
takes a CPU for hours, can be stopped and gone on with, a data set or a side at a time. See `README.md` there.
"""

import argparse
import json
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from itertools import product
from pathlib import Path
from shutil import rmtree
from statistics import fmean, stdev
from typing import Any

from quality_sets import ROLES, SETS, QualitySet

SIDES = {"ours": "bertwright", "peer": "Trainer"}
PRECISIONS = ("fp32", "bf16")  # the faster one is another on another CPU, so that seeds may be of both; it is told
HERE = Path(__file__).parent


def commands(options: argparse.Namespace, key: str, side: str, seed: int, output: Path) -> list[str]:
    """What makes a side's model of a data set."""
    chosen = SETS[key]
    if side == "peer":
        script = [sys.executable, str(HERE / "quality_peer.py"), "--set", key, "--files", str(options.output / key)]
        steps = ["--max-steps", str(options.max_steps)] if options.max_steps else []
        given = ["--model", options.model, "--seed", str(seed), "--precision", options.precision]
        return [*script, *given, "--output-dir", str(output), *steps]
    files = {role: str(options.output / key / f"{role}{chosen.suffix}") for role in ROLES}
    return [sys.executable, "-m", "bertwright", "finetune", *flags(chosen, files, options, seed, output)]


def flags(chosen: QualitySet, files: dict[str, str], options: argparse.Namespace, seed: int, output: Path) -> list[str]:
    """Of `bertwright finetune`."""
    given: dict[str, Any] = {
        "model": options.model,
        **files,
        "task": chosen.task,
        "epochs": chosen.epochs,
        "batch-size": chosen.batch_size,
        "learning-rate": chosen.learning_rate,
        "max-length": chosen.max_length,
        "best-metric": chosen.best,
        "seed": seed,
        "precision": options.precision,
        "output-dir": output,
    }
    if chosen.columns:
        given["columns"] = chosen.columns
    elif chosen.text_columns:
        given |= dict(zip(("text-column", "text-pair-column"), chosen.text_columns, strict=False))
        given["label-column"] = chosen.label_column
    if options.max_steps:
        given["max-steps"] = options.max_steps
    return [
        part
        for name, value in given.items()
        for part in (f"--{name}", *(map(str, value) if isinstance(value, tuple) else [str(value)]))
    ]


def run(options: argparse.Namespace, key: str, side: str, seed: int) -> dict[str, Any]:
    """Train and measure, or read what an earlier run wrote."""
    cached = options.figures / key / f"{side}-{seed}.json"
    output = options.output / key / f"{side}-{seed}"
    command = commands(options, key, side, seed, output)
    if cached.exists():
        found: dict[str, Any] = json.loads(cached.read_text(encoding="utf-8"))
        of_same = found["settings"] == settings_of(SETS[key])
        if not of_same or _compared(shlex.split(found["command"])) != _compared(command):
            raise SystemExit(f"{cached} is of another command: delete it, or choose another --figures")
        return found
    SETS[key].write(options.data, options.output / key)
    print(shown(command), file=sys.stderr, flush=True)
    made_with = versions()  # as it begins: a checkout moves on within hours
    output.parent.mkdir(parents=True, exist_ok=True)
    told = output.parent / f"{side}-{seed}.log"
    with told.open("ab") as log:
        ended = subprocess.run(command, stdout=log, stderr=log, check=False).returncode
    if ended:
        raise SystemExit(f"exit code {ended}: the end of {told} says why")
    written = output / ("metrics.json" if side == "peer" else "run/metrics.json")
    figures = json.loads(written.read_text(encoding="utf-8"))
    result = {
        "command": shown(command),
        "settings": settings_of(SETS[key]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": made_with,
        "machine": processor(),
        "precision": options.precision,
        "metrics": {role: figures[role] for role in ROLES[1:]},
    }
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    rmtree(output)  # the figures stay; models of every seed would fill a disk
    return result


def settings_of(chosen: QualitySet) -> dict[str, Any]:
    """What both sides are told of how to learn a set; the peer's command does not say it."""
    names = ("epochs", "batch_size", "learning_rate", "max_length", "best")
    return {name: getattr(chosen, name) for name in names}


def versions() -> dict[str, str]:
    """Of what made a model; bertwright's is the commit of this checkout, with + where it was changed since."""
    found = {name: metadata.version(name) for name in ("torch", "transformers")}
    commit = _git("rev-parse", "--short", "HEAD")
    changed = "+" if commit and _git("status", "--porcelain", "--untracked-files=no") else ""
    return found | ({"bertwright": commit + changed} if commit else {})


def shown(command: Sequence[str]) -> str:
    """A command as it is typed in the checkout, without the places of this machine."""
    return shlex.join("python" if part == sys.executable else part.replace(str(HERE), HERE.name) for part in command)


def processor() -> str:
    """The CPU by its name, as far as the system tells."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor()


def _git(*words: str) -> str:
    """What git says of this checkout; nothing where it is none."""
    try:
        return subprocess.run(["git", "-C", HERE, *words], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _compared(command: Sequence[str]) -> list[str]:
    """What of a command decides about the figures: not where Python and the files lie, and not the rounding."""
    return [Path(part).name for part in command[1:] if part not in PRECISIONS]


def done(figures: Path, key: str, side: str) -> list[dict[str, Any]]:
    """What is there of a side, seed after seed."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted((figures / key).glob(f"{side}-*.json"))]


def rows(figures: Path) -> Iterator[list[str]]:
    """A row for each figure of each data set that a side has learned."""
    for key, chosen in SETS.items():
        for title, (role, name) in chosen.figures.items():
            values = {
                side: [run["metrics"][role][name] * chosen.scale for run in done(figures, key, side)] for side in SIDES
            }
            if any(values.values()):
                ours, peer = values.values()
                difference = f"{fmean(ours) - fmean(peer):+.2f}" if ours and peer else ""
                yield [chosen.name, title, spread(ours), spread(peer), difference]


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation (n - 1), and of how many seeds."""
    if not values:
        return ""
    around = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
    return f"{fmean(values):.2f}{around} ({len(values)})"


def table(figures: Path) -> str:
    """All that is there, as Markdown."""
    heading = ["", "figure", *(f"{name} (seeds)" for name in SIDES.values()), "difference"]
    lines = [heading, ["---", "---", "---:", "---:", "---:"], *rows(figures)]
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), *mixtures(figures)])


def mixtures(figures: Path) -> Iterator[str]:
    """Lines below the table: which sets' runs are not all of one commit of bertwright's side, and of one precision."""
    runs = {key: {side: done(figures, key, side) for side in SIDES} for key in SETS}
    commits = {key: [run["versions"].get("bertwright", "unknown") for run in of["ours"]] for key, of in runs.items()}
    precisions = {key: [run["precision"] for run in (*of["ours"], *of["peer"])] for key, of in runs.items()}
    for kind, found in (("commit of bertwright", commits), ("precision", precisions)):
        distinct = {SETS[key].name: list(dict.fromkeys(values)) for key, values in found.items()}
        mixed = [f"{name} ({', '.join(values)})" for name, values in distinct.items() if len(values) > 1]
        if mixed:
            yield f"\nOf more than one {kind}: {'; '.join(mixed)}."


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="a BERT folder")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets, one folder a set")
    parser.add_argument("--output", type=Path, required=True, help="folder for files and logs")
    parser.add_argument("--figures", type=Path, default=HERE / "figures", help="folder for figures (%(default)s)")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="of both sides' trainings")
    parser.add_argument("--max-steps", type=int, default=0, help="stop each training early, for a try")
    options = parser.parse_args(arguments)
    for seed, key, side in product(options.seeds, options.sets, options.sides):
        run(options, key, side, seed)
    print(table(options.figures))


if __name__ == "__main__":
    main()
