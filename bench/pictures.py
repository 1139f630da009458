"""The pictures of docs/reports.md: a short training of each task on real data, and its report as Chromium shows it.

    python bench/pictures.py --model MINILM --data ../shared/data --work pictures --output docs/pictures

The trainings are short, on a part of each data set: what the pictures show is a report, not how good a model can be.
A run that is there already is not repeated; --only names the tasks to make.
"""

import argparse
import gzip
import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import bertwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from chromium import chromium, executable

WIDTH, HEIGHT = 1000, 2000


def lines(path: Path, count: int) -> Iterator[str]:
    """The first lines of a text file, packed or not."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        yield from islice(file, count)


def text_of(path: Path) -> str:
    """All of it."""
    return "".join(lines(path, sys.maxsize))


def classification(data: Path, work: Path) -> dict[str, Any]:
    """SST-2: is a review good or bad."""
    del work
    files = {"train": "train", "validation": "dev", "test": "test"}
    given: dict[str, Any] = {role: data / "sst2" / f"{name}.tsv" for role, name in files.items()}
    return given | {"columns": ("text", "label"), "max_steps": 150, "max_length": 48, "eval_steps": 30}


def multilabel(data: Path, work: Path) -> dict[str, Any]:
    """GoEmotions: which of 28 emotions a comment shows."""
    names = (data / "goemotions" / "labels.txt").read_text(encoding="utf-8").split()
    given: dict[str, Any] = {}
    for role, name, count in (
        ("train", "train.tsv.gz", 5000),
        ("validation", "dev.tsv", 200),
        ("test", "test.tsv", 400),
    ):
        given[role] = work / f"emotions-{role}.jsonl"
        with given[role].open("w", encoding="utf-8") as file:
            for line in lines(data / "goemotions" / name, count):
                text, numbers, _ = line.split("\t")
                labels = [names[int(number)] for number in numbers.split(",")]
                file.write(json.dumps({"text": text, "labels": labels}, ensure_ascii=False) + "\n")
    return given | {"max_steps": 80, "batch_size": 16, "max_length": 24, "learning_rate": 1e-3, "eval_steps": 20}


def regression(data: Path, work: Path) -> dict[str, Any]:
    """STS-B: how alike two sentences are."""
    given: dict[str, Any] = {}
    for role, name, count in (("train", "train.tsv", 3000), ("test", "dev.tsv", 400)):
        given[role] = work / f"pairs-{role}.tsv"
        given[role].write_text("".join(lines(data / "stsb" / name, count)), encoding="utf-8")
    return given | {"max_steps": 160, "batch_size": 16, "max_length": 48, "learning_rate": 2e-4, "eval_steps": 40}


def tagging(data: Path, work: Path) -> dict[str, Any]:
    """CoNLL-2003: people, places, organisations and others in news."""
    given: dict[str, Any] = {}
    parts = (("train", "eng.train.gz", 60_000), ("validation", "eng.testa", 2_000), ("test", "eng.testb", 5_000))
    for role, name, count in parts:
        given[role] = work / f"news-{role}.conll"
        given[role].write_text("".join(lines(data / "conll2003" / name, count)), encoding="utf-8")
    return given | {"max_steps": 60, "batch_size": 16, "max_length": 40, "learning_rate": 5e-4, "eval_steps": 20}


def qa(data: Path, work: Path) -> dict[str, Any]:
    """A part of SQuAD 2.0: questions to Wikipedia, some without an answer."""
    articles = json.loads(text_of(data / "squad" / "cs224n-dev-v2.0.json.gz"))["data"]
    for article in articles:
        article["paragraphs"] = article["paragraphs"][:8]
    given: dict[str, Any] = {}
    for role, part in (("train", articles[:13]), ("test", articles[13:])):
        given[role] = work / f"questions-{role}.json"
        given[role].write_text(json.dumps({"version": "v2.0", "data": part}), encoding="utf-8")
    return given | {"max_steps": 60, "batch_size": 6, "max_length": 160, "learning_rate": 3e-4, "eval_steps": 30}


def choice(data: Path, work: Path) -> dict[str, Any]:
    """DREAM: questions to dialogues, three answers each."""
    given: dict[str, Any] = {}
    for role, name, count in (("train", "train.json.gz", 200), ("test", "dev.json", 60)):
        given[role] = work / f"dialogues-{role}.json"
        dialogues = json.loads(text_of(data / "dream" / name))[:count]
        given[role].write_text(json.dumps(dialogues, ensure_ascii=False, indent=1), encoding="utf-8")
    return given | {"max_steps": 16, "batch_size": 4, "max_length": 128, "learning_rate": 1e-4, "eval_steps": 8}


TASKS = {made.__name__: made for made in (classification, multilabel, regression, tagging, qa, choice)}


def main() -> None:
    """Train what is not there yet, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    for name in ("--data", "--work", "--output"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=TASKS, default=list(TASKS))
    given = parser.parse_args()
    for folder in (given.work, given.output):
        folder.mkdir(parents=True, exist_ok=True)
    for task in given.only:
        settings = TASKS[task](given.data, given.work) | {"quiet": True, "output_dir": given.work / task}
        done = bertwright.finetune(model=given.model, **settings)
        if done.stopped_by:
            sys.exit(done.exit_code)
    program = executable()
    assert program is not None, "Chromium is not installed"
    with chromium(program) as browser:
        for task in given.only:
            report = bertwright.report(folder=given.work / task)
            browser.open(report, WIDTH)
            browser.picture(given.output / f"{task}.webp", height=HEIGHT, format="webp", quality=50)


if __name__ == "__main__":
    main()
