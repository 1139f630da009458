"""`bertwright prepare` beside the tokenizers library's own `encode_batch`, on the same text: bench/README.md.

Each turn is a process of its own; the sides take turns, so that what else the machine does falls on both alike. Ours
is the whole verb: reading, splitting into sentences, ids, word starts, shards on the disk, hashes. The library's is
`encode_batch` alone, over lines that lie in memory.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

LINES_AT_ONCE = 4_096  # enough for every core; all at once would take more memory and no less time

Figures = dict[str, float]


def ours(options: argparse.Namespace) -> Figures:
    """The verb, from its call to its return."""
    from bertwright.api import prepare

    with TemporaryDirectory(prefix="bertwright-bench-", dir=options.folder) as folder:
        began = perf_counter()
        prepared = prepare(
            input=options.input, vocab=options.vocab, output_dir=Path(folder) / "shards", processes=options.processes
        )
        return _figures(prepared.counts["tokens"], perf_counter() - began)


def peer(options: argparse.Namespace) -> Figures:
    """`encode_batch`, on all cores, over the lines of the same documents."""
    from tokenizers import Tokenizer

    from bertwright.text.corpus.documents import open_corpus

    engine = Tokenizer.from_file(str(Path(options.vocab) / "tokenizer.json"))
    engine.no_truncation()
    engine.no_padding()
    lines = [line for document in open_corpus(options.input).documents() for line in document.lines]
    began = perf_counter()
    tokens = 0
    for start in range(0, len(lines), LINES_AT_ONCE):
        encodings = engine.encode_batch(lines[start : start + LINES_AT_ONCE], add_special_tokens=False)
        tokens += sum(map(len, encodings))
    return _figures(tokens, perf_counter() - began)


SIDES: dict[str, Callable[[argparse.Namespace], Figures]] = {"ours": ours, "peer": peer}
NAMES = {"ours": "bertwright prepare", "peer": "tokenizers encode_batch"}


def _figures(tokens: int, seconds: float) -> Figures:
    return {"tokens": tokens, "seconds": seconds, "tokens_per_second": tokens / seconds}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the bench, or, in a process of its own, one turn of it; returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    options = _parser().parse_args(words)
    if options.side:
        print(json.dumps(SIDES[options.side](options)))
        return 0
    results: dict[str, list[Figures]] = {side: [] for side in SIDES}
    for repeat in range(options.repeats):
        for side, turns in results.items():
            turns.append(_turn(side, words))
            speed = f"{turns[-1]['tokens_per_second']:,.0f} tokens/s"
            print(f"repeat {repeat + 1} of {options.repeats}: {NAMES[side]}: {speed}", file=sys.stderr)
    speeds = {side: [turn["tokens_per_second"] for turn in turns] for side, turns in results.items()}
    ratios = [one / other for one, other in zip(speeds["ours"], speeds["peer"], strict=True)]
    print("\n".join(_table(results, ratios)))
    if options.output_json:
        report = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": _machine(), "results": results}
        report |= {"ratio": median(ratios), "ratios": ratios, "settings": {**vars(options), "output_json": None}}
        options.output_json.write_text(json.dumps(report, indent=2, default=str) + "\n", encoding="utf-8")
    return 0


def _turn(side: str, words: Sequence[str]) -> Figures:
    """One side's figures, in an interpreter of its own."""
    command = [sys.executable, __file__, *words, "--side", side]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{NAMES[side]} failed: {done.stderr.strip()}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def _table(results: dict[str, list[Figures]], ratios: Sequence[float]) -> list[str]:
    rows = ["| | tokens | seconds | tokens/s |", "| --- | ---: | ---: | ---: |"]
    for side, turns in results.items():
        middle = {name: median(turn[name] for turn in turns) for name in turns[0]}
        cells = f"{middle['tokens']:,.0f} | {middle['seconds']:.1f} | {middle['tokens_per_second']:,.0f}"
        rows.append(f"| {NAMES[side]} | {cells} |")
    return [*rows, "", f"bertwright / encode_batch: {median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"]


def _machine() -> dict[str, object]:
    versions = {name: metadata.version(name) for name in ("tokenizers", "numpy")}
    return {"system": platform.platform(), "cores": os.cpu_count(), "python": platform.python_version(), **versions}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--input", nargs="+", required=True, help="the corpus, as `bertwright prepare` takes it")
    parser.add_argument("--vocab", required=True, help="a folder with tokenizer.json")
    parser.add_argument("--processes", type=int, help="of bertwright; all cores when not given")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", help="where shards are written for the moment")
    parser.add_argument("--output-json", type=Path)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
