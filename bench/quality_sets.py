"""The data sets of `quality.py`: their files, their settings, and the figures that are compared.

Both sides read the same three files, which are made here from the published ones: as they are where a set has all
three with labels; else a tenth of the training rows chooses the best epoch, and the published development set is the
test. Knows neither side.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

Texts = dict[str, str]  # role → what its file holds
ROLES = ("train", "validation", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class QualitySet:
    """A data set and how both sides learn it.

    Attributes:
        name: As papers call it.
        task: bertwright's name of the task.
        files: Makes the text of each file from the folder of all data sets.
        suffix: Of these files.
        figures: Heading → `(role, figure)` of bertwright's `metrics.json`.
        best: The validation figure by which the best epoch is kept.
        columns: Names of the columns of files without a header; `_` for one to ignore.
        text_columns: Of the text, and of the second one in a pair.
        label_column: Of the label.
        scale: What figures are multiplied with in the table; 1 where they are percentages already.
    """

    name: str
    task: str
    files: Callable[[Path], Texts]
    suffix: str
    figures: Mapping[str, tuple[str, str]]
    best: str
    columns: Sequence[str] = ()
    text_columns: Sequence[str] = ()
    label_column: str = ""
    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 1e-4
    max_length: int = 128
    scale: float = 100.0

    def write(self, data: Path, folder: Path) -> dict[str, Path]:
        """Write the files, unless they are there with the same text, and say where they are."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = {}
        for role, text in self.files(data).items():
            paths[role] = folder / f"{role}{self.suffix}"
            if not paths[role].exists() or paths[role].read_text(encoding="utf-8") != text:
                paths[role].write_text(text, encoding="utf-8")
        return paths


def read(path: Path) -> str:
    """A text file, or gzip of one."""
    packed = path.read_bytes()
    return (gzip.decompress(packed) if path.suffix == ".gz" else packed).decode("utf-8-sig")


def whole(folder: str, *names: str) -> Callable[[Path], Texts]:
    """The published training, validation and test files."""
    return lambda data: {role: read(data / folder / name) for role, name in zip(ROLES, names, strict=True)}


def tenth(folder: str, train: str, test: str, *, header: bool) -> Callable[[Path], Texts]:
    """A validation set from one training row in ten, chosen by its CRC-32, and the development set as the test."""

    def files(data: Path) -> Texts:
        first, *rows = StringIO(read(data / folder / train))
        head = first if header else ""
        rows = rows if header else [first, *rows]
        held_out = [zlib.crc32(row.encode()) % 10 == 0 for row in rows]
        parts = {
            "train": head + "".join(row for row, out in zip(rows, held_out, strict=True) if not out),
            "validation": head + "".join(row for row, out in zip(rows, held_out, strict=True) if out),
        }
        return {**parts, "test": read(data / folder / test)}

    return files


def rte(data: Path) -> Texts:
    """Of its three files one has no header."""
    texts = whole("rte", "train.tsv", "val.tsv", "dev.tsv")(data)
    return {**texts, "validation": texts["train"].split("\n", 1)[0] + "\n" + texts["validation"]}


def dream(data: Path) -> Texts:
    """Dialogues of four turns at most, every other one of the validation set: longer ones take a CPU for hours."""
    parts = whole("dream", "train.json.gz", "dev.json", "test.json")(data)
    short = {role: [part for part in json.loads(text) if len(part[0]) <= 4] for role, text in parts.items()}
    short["validation"] = short["validation"][::2]
    return {role: json.dumps(chosen) for role, chosen in short.items()}


def articles(data: Path, name: str) -> list[dict[str, Any]]:
    """The articles of a file in SQuAD's form."""
    found: list[dict[str, Any]] = json.loads(read(data / "squad" / name))["data"]
    return found


def squad_text(version: str, chosen: Sequence[Mapping[str, Any]]) -> str:
    """Articles in SQuAD's form."""
    return json.dumps({"version": version, "data": chosen}, ensure_ascii=False)


def answerable(article: Mapping[str, Any]) -> dict[str, Any]:
    """An article with only those of its questions that have an answer."""
    paragraphs = [
        {**paragraph, "qas": [question for question in paragraph["qas"] if not question["is_impossible"]]}
        for paragraph in article["paragraphs"]
    ]
    return {**article, "paragraphs": [paragraph for paragraph in paragraphs if paragraph["qas"]]}


def squad1(data: Path) -> Texts:
    """Answerable questions of CS224N's part of SQuAD 2.0; tested on the articles of XQuAD that are not among them."""
    known = articles(data, "cs224n-dev-v2.0.json.gz")
    titles = {article["title"] for article in known}
    train, validation = [answerable(article) for article in known[:-2]], [answerable(article) for article in known[-2:]]
    test = [article for article in articles(data, "xquad.en.json") if article["title"] not in titles]
    return {role: squad_text("1.1", part) for role, part in zip(ROLES, (train, validation, test), strict=True)}


def squad2(data: Path) -> Texts:
    """CS224N's part of SQuAD 2.0, cut at its articles: 11, 2, 3."""
    known = articles(data, "cs224n-dev-v2.0.json.gz")
    parts = (known[:11], known[11:13], known[13:])
    return {role: squad_text("v2.0", part) for role, part in zip(ROLES, parts, strict=True)}


SPANS = {"EM": ("test", "exact_match"), "F1": ("test", "f1")}
SETS = {
    "cola": QualitySet(
        name="CoLA",
        task="classification",
        files=tenth("cola", "train.tsv", "dev.tsv", header=False),
        suffix=".tsv",
        columns=("_", "label", "_", "text"),
        text_columns=("text",),
        label_column="label",
        best="matthews_correlation",
        figures={"Matthews": ("test", "matthews_correlation")},
    ),
    "rte": QualitySet(
        name="RTE",
        task="classification",
        files=rte,
        suffix=".tsv",
        text_columns=("sentence1", "sentence2"),
        label_column="label",
        best="accuracy",
        epochs=6,
        figures={"accuracy (dev)": ("validation", "accuracy"), "accuracy (test)": ("test", "accuracy")},
    ),
    "mrpc": QualitySet(
        name="MRPC",
        task="classification",
        files=tenth("mrpc", "train.tsv", "dev.tsv", header=True),
        suffix=".tsv",
        text_columns=("#1 String", "#2 String"),
        label_column="Quality",
        best="accuracy",
        figures={"accuracy": ("test", "accuracy"), "F1": ("test", "f1")},
    ),
    "stsb": QualitySet(
        name="STS-B",
        task="regression",
        files=tenth("stsb", "train.tsv", "dev.tsv", header=True),
        suffix=".tsv",
        text_columns=("sentence1", "sentence2"),
        label_column="score",
        best="pearson",
        figures={"Pearson": ("test", "pearson"), "Spearman": ("test", "spearman")},
    ),
    "conll": QualitySet(
        name="CoNLL-2003",
        task="tagging",
        files=whole("conll2003", "eng.train.gz", "eng.testa", "eng.testb"),
        suffix=".txt",
        best="f1",
        epochs=2,
        figures={"F1 (dev)": ("validation", "f1"), "F1 (test)": ("test", "f1")},
    ),
    "squad1": QualitySet(
        name="SQuAD 1.1 form",
        task="qa",
        files=squad1,
        suffix=".json",
        best="f1",
        epochs=1,
        batch_size=16,
        learning_rate=3e-4,
        max_length=256,
        scale=1.0,
        figures=SPANS,
    ),
    "goemotions": QualitySet(
        name="GoEmotions",
        task="multilabel",
        files=whole("goemotions", "train.tsv.gz", "dev.tsv", "test.tsv"),
        suffix=".tsv",
        columns=("text", "labels", "_"),
        text_columns=("text",),
        label_column="labels",
        best="f1_micro",
        epochs=1,
        batch_size=16,
        learning_rate=2e-4,
        figures={"micro F1": ("test", "f1_micro"), "macro F1": ("test", "f1_macro")},
    ),
    "dream": QualitySet(
        name="DREAM, four turns",
        task="choice",
        files=dream,
        suffix=".json",
        best="accuracy",
        epochs=3,
        batch_size=16,
        figures={"accuracy": ("test", "accuracy")},
    ),
    "squad2": QualitySet(
        name="SQuAD 2.0 form",
        task="qa",
        files=squad2,
        suffix=".json",
        best="f1",
        epochs=3,
        batch_size=16,
        learning_rate=3e-4,
        max_length=256,
        scale=1.0,
        figures=SPANS,
    ),
}
