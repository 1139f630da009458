"""`demo`: BERT's whole life on text that ships with Python, and what pre-training gained, measured.

Docstrings and `pydoc` topics → `corpus.jsonl` → `vocab/` → `shards/` → `pretrained/` → `models/`: the way that a corpus
and a labelled file of one's own go, through the same verbs.
"""

import json
import platform
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from sysconfig import get_path
from types import MappingProxyType
from typing import Any

from bertwright.api.common import say, settled
from bertwright.api.demonstration_page import demonstration_page
from bertwright.api.demonstration_report import ARMS, BERT, Contest
from bertwright.api.finetuning import finetune
from bertwright.api.preparing import prepare
from bertwright.api.pretraining import pretrain
from bertwright.api.vocabulary import REPORT, vocab
from bertwright.errors import UsageError
from bertwright.files import TEMPORARY, lock_folder, make_folder, remove_leftovers, write_file
from bertwright.model.config import PRESETS
from bertwright.settings import DemoSettings
from bertwright.text.docstrings import documents, read_docstrings, split

PACKAGES = 10
SEEDS = 3
VOCABULARY = 4_000
MODEL = "tiny"
LENGTH = 64  # tokens
# Chosen on the validation texts. The learning rates are high because the models are small.
PRETRAINING: Mapping[str, object] = MappingProxyType(
    {
        "objective": "mlm+nsp",
        "max_length": LENGTH,
        "batch_size": 32,
        "max_steps": 1600,
        "learning_rate": 1e-3,
        "dropout": 0.0,
        "held_out": 0.03,
        "eval_sequences": 256,
        "log_steps": 20,
    }
)
FINETUNING: Mapping[str, object] = MappingProxyType(
    {"max_length": LENGTH, "epochs": 5, "learning_rate": 1e-3, "dropout": 0.1, "log_steps": 100}
)
MARK = "demo.yaml"
# What is made, the last first: removed in this order, what is left at any instant is a demo that was interrupted.
MADE = ("index.html", "models", "pretrained", "shards", "vocab", "texts.txt", "corpus.jsonl", "data")


@dataclass(frozen=True, slots=True)
class Demonstrated:
    """What `demo` found.

    Attributes:
        folder: The model folder that was pre-trained and then fine-tuned with the first seed.
        metrics: `{"validation": {...}, "test": {...}}` of that model; empty when stopped before the end.
        baselines: Mean accuracy and macro F1 of the other answers to the same test texts, by their names; those of the
            same model without pre-training are among them.
        pretrained: The same of the pre-trained models of all seeds.
    """

    folder: Path
    metrics: dict[str, dict[str, float]]
    baselines: dict[str, dict[str, float]]
    pretrained: dict[str, float]
    exit_code: int = 0


def demo(settings: DemoSettings | None = None, /, **options: object) -> Demonstrated:
    """Pre-train a small BERT on Python's own documentation, fine-tune it, and fine-tune one that was not pre-trained.

    The question is which package of the standard library a docstring is from. Running it again goes on where it was
    interrupted; a finished demo shows its result once more.

    Args:
        settings: A settings object, instead of or before keyword arguments.
        **options: The fields of `DemoSettings`; none is required.

    Raises:
        BertwrightError: The output folder holds something else, or this Python came without its sources.
    """
    settings = settled(DemoSettings, settings, options)
    _claim(settings)
    with lock_folder(settings.output_dir):
        return _Demo(settings).result()


def _claim(settings: DemoSettings) -> None:
    """Make the folder and mark it as a demo's, so that no file of anybody's is written over."""
    folder = settings.output_dir
    mark = folder / MARK
    if mark.exists():
        before = DemoSettings.from_file(mark, {}).seed
        if before != settings.seed and not settings.overwrite:
            raise UsageError(
                f"{folder} holds another demo: seed was {before}, now {settings.seed}; choose another --output-dir, "
                "or start anew with --overwrite"
            )
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty and holds no demo: choose another --output-dir")
    make_folder(folder)
    write_file(mark, settings.to_yaml())


class _Demo:
    """One call of `demo`, in a folder that is ours alone."""

    def __init__(self, settings: DemoSettings) -> None:
        self.settings, self.folder = settings, settings.output_dir
        self.say = partial(say, quiet=settings.quiet)
        self.shared: dict[str, Any] = {"device": settings.device, "precision": settings.precision}
        self.data = {name: self.folder / "data" / f"{name}.jsonl" for name in ("train", "validation", "test")}
        self.corpus, self.pretrained = self.folder / "corpus.jsonl", self.folder / "pretrained"

    def result(self) -> Demonstrated:
        """Go through the stages that are not done yet, then show everything."""
        remove_leftovers(self.folder)
        if self.settings.overwrite:
            self._clear()
        self._write_texts()
        self._learn_vocabulary()
        stopped = self._make_shards() or self._pretrain() or self._finetune()
        if stopped:
            return Demonstrated(self._model(BERT, 0), {}, {}, {}, stopped)
        models = {arm: [self._model(arm, number) for number in range(SEEDS)] for arm in ARMS}
        contest = Contest.read(self.data, self.pretrained, models, LENGTH)
        page = self.folder / "index.html"
        write_file(
            page, demonstration_page(contest, (self.folder / "texts.txt").read_text(encoding="utf-8"), self.shared)
        )
        sys.stdout.write(contest.report(page))
        metrics = json.loads((models[BERT][0] / "run" / "metrics.json").read_text(encoding="utf-8"))
        splits = {name: metrics[name] for name in ("validation", "test")}
        return Demonstrated(models[BERT][0], splits, contest.baselines(), contest.figures(BERT))

    def _clear(self) -> None:
        for name in MADE:  # renamed before they are removed: half a folder could not be gone on with
            if (self.folder / name).exists():
                (self.folder / name).rename(self.folder / f"{TEMPORARY}{name}")
        remove_leftovers(self.folder)
        write_file(self.folder / MARK, self.settings.to_yaml())

    def _model(self, arm: str, number: int) -> Path:
        return self.folder / "models" / f"{ARMS[arm]}-{number}"

    def _write_texts(self) -> None:
        """Labelled docstrings, and the corpus; `texts.txt` says that they are whole, and what they are."""
        told = self.folder / "texts.txt"
        if told.exists():
            return
        library = Path(get_path("stdlib"))
        found = read_docstrings(library, packages=PACKAGES)
        parts = split(found.texts, seed=self.settings.seed)
        make_folder(self.folder / "data")
        remove_leftovers(self.folder / "data")
        for name, entries in parts.items():
            _write_lines(self.data[name], ({"text": entry.text, "label": entry.package} for entry in entries))
        tests = {entry.text for name in ("validation", "test") for entry in parts[name]}
        corpus = list(documents(library, left_out=tests))
        _write_lines(self.corpus, ({"text": text} for text in corpus))
        sizes = found.sizes()
        lines = [
            f"{len(found.texts)} docstrings of the {len(sizes)} largest packages of Python "
            f"{platform.python_version()}'s standard library, parsed but not run ({found.files} files read, "
            f"{found.unreadable} skipped, {found.repetitions} repeated docstrings left out)",
            ", ".join(f"{package} {size}" for package, size in sizes.items()),
            f"dealt out by seed {self.settings.seed}: "
            + ", ".join(f"{name} {len(entries)}" for name, entries in parts.items()),
            f"to pre-train on: {len(corpus)} documents of {sum(map(len, corpus)):,} characters, the docstrings of each "
            f"file and the topics of pydoc; the {len(tests)} docstrings of validation and test are not among them",
        ]
        write_file(told, "".join(f"{line}\n" for line in lines))
        self.say(f"1/5 texts: {lines[0]}")
        for line in lines[1:]:
            self.say(f"    {line}")

    def _learn_vocabulary(self) -> None:
        folder, quiet = self.folder / "vocab", self.settings.quiet
        if (folder / REPORT).exists():
            return
        self.say("2/5 vocabulary: word pieces of the corpus")
        with redirect_stdout(StringIO() if quiet else sys.stderr):  # standard output is for the demo's own result
            vocab(input=str(self.corpus), size=VOCABULARY, output_dir=folder, quiet=quiet)

    def _make_shards(self) -> int:
        folder, quiet = self.folder / "shards", self.settings.quiet
        if (folder / "manifest.json").exists():
            return 0
        self.say("3/5 shards: the corpus as token ids")
        given: dict[str, Any] = {"input": str(self.corpus), "vocab": str(self.folder / "vocab"), "segmenter": "none"}
        return prepare(**given, output_dir=folder, quiet=quiet).exit_code

    def _pretrain(self) -> int:
        layers, width = PRESETS[MODEL]
        self.say(f"4/5 pre-training: a BERT of {layers} layers of width {width} learns to fill masks and to tell pairs")
        given = {**PRETRAINING, **self.shared, "seed": self.settings.seed, "quiet": self.settings.quiet}
        return pretrain(model=MODEL, shards=self.folder / "shards", output_dir=self.pretrained, **given).exit_code

    def _finetune(self) -> int:
        """Fine-tune once with and once without pre-training for each seed; all in the same way."""
        self.say(f"5/5 fine-tuning: {SEEDS} seeds, each from the pre-trained weights and from random ones")
        starts: dict[str, dict[str, object]] = {BERT: {"model": str(self.pretrained)}}
        starts |= {arm: {"model": MODEL, "vocab": self.folder / "vocab"} for arm in ARMS if arm != BERT}
        for number in range(SEEDS):
            for arm, start in starts.items():
                # All say the same but for their figures, so the first one speaks for all.
                alone = number == 0 and arm == BERT
                with redirect_stderr(sys.stderr if alone else StringIO()):
                    tuned = finetune(
                        **start,
                        **self.data,
                        **FINETUNING,
                        **self.shared,
                        seed=(self.settings.seed + number) % 2**32,
                        output_dir=self._model(arm, number),
                        quiet=self.settings.quiet,
                    )
                if tuned.exit_code:
                    say("stopped; a snapshot is saved: the same command goes on from it")
                    return tuned.exit_code
                self.say(f"    seed {number + 1} of {SEEDS}, {arm}: accuracy {tuned.metrics['test']['accuracy']:.3f}")
        return 0


def _write_lines(path: Path, rows: Any) -> None:
    write_file(path, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))
