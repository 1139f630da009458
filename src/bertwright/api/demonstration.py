"""`demo`: a small BERT trained on text that ships with Python, and its result beside what it has to beat.

Docstrings → `data/`, their word pieces → `vocab/`, `finetune` → `model/`: the way that a file of one's own goes, too.
"""

import json
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from sysconfig import get_path
from types import MappingProxyType

from bertwright.api.common import say, settled
from bertwright.api.demonstration_report import Contest
from bertwright.api.finetuning import finetune
from bertwright.api.run_folder import RunFolder
from bertwright.errors import UsageError
from bertwright.files import lock_folder, make_folder, remove_leftovers, write_file
from bertwright.model.config import PRESETS
from bertwright.settings import DemoSettings, FinetuneSettings
from bertwright.text.docstrings import read_docstrings, split
from bertwright.text.wordpiece import WordPiece

PACKAGES = 10
VOCABULARY = 2_000
# Chosen on the validation texts. The learning rate is high because nothing is pre-trained; dropout and label smoothing
# are because the texts are few.
RECIPE: Mapping[str, object] = MappingProxyType(
    {
        "model": "mini",
        "max_length": 64,
        "epochs": 7,
        "learning_rate": 5e-4,
        "dropout": 0.3,
        "label_smoothing": 0.1,
        "log_steps": 100,
    }
)


@dataclass(frozen=True, slots=True)
class Demonstrated:
    """What `demo` found.

    Attributes:
        folder: The model folder.
        metrics: `{"validation": {...}, "test": {...}}` of the model; empty when stopped before the end.
        baselines: Accuracy and macro F1 of simpler answers to the same test texts, by their names.
    """

    folder: Path
    metrics: dict[str, dict[str, float]]
    baselines: dict[str, dict[str, float]]
    exit_code: int = 0


def demo(settings: DemoSettings | None = None, /, **options: object) -> Demonstrated:
    """Train a small BERT to tell which package of Python's standard library a docstring is from.

    Running it again goes on where it was interrupted; a finished demo shows its result once more.

    Args:
        settings: A settings object, instead of or before keyword arguments.
        **options: The fields of `DemoSettings`; none is required.

    Raises:
        BertwrightError: The output folder holds something else, or this Python came without its sources.
    """
    settings = settled(DemoSettings, settings, options)
    _claim(settings)
    with lock_folder(settings.output_dir):
        return _run(settings, _places(settings.output_dir))


def _claim(settings: DemoSettings) -> None:
    """Make the folder and mark it as a demo's, so that no file of anybody's is written over."""
    folder = settings.output_dir
    mark = folder / "demo.yaml"
    if mark.exists():
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty and holds no demo: choose another --output-dir")
    make_folder(folder)
    write_file(mark, settings.to_yaml())


def _places(folder: Path) -> dict[str, Path]:
    """Where everything lies, by the names of `finetune`'s settings."""
    files = {name: folder / "data" / f"{name}.jsonl" for name in ("train", "validation", "test")}
    return {**files, "vocab": folder / "vocab", "output_dir": folder / "model"}


def _run(settings: DemoSettings, places: Mapping[str, Path]) -> Demonstrated:
    tell = partial(say, quiet=settings.quiet)
    before = RunFolder(places["output_dir"])
    if settings.overwrite or not (before.finished or before.snapshots.is_dir()):
        _write_texts_and_vocabulary(places, settings.seed, tell)
    tuning = FinetuneSettings.create({**settings.model_dump(), **RECIPE, **places})
    layers, width = PRESETS[tuning.model]
    tell(f"3/3 model: a BERT of {layers} layers of width {width} learns from the training texts, from random weights")
    tuned = finetune(tuning)
    if tuned.exit_code:
        return Demonstrated(tuned.folder, {}, {}, tuned.exit_code)
    contest = Contest.read(places, tuning.max_length)
    sys.stdout.write(contest.report())
    return Demonstrated(tuned.folder, tuned.metrics, contest.baselines())


def _write_texts_and_vocabulary(places: Mapping[str, Path], seed: int, tell: Callable[[str], None]) -> None:
    found = read_docstrings(Path(get_path("stdlib")), packages=PACKAGES)
    parts = split(found.texts, seed=seed)
    for folder in (places["train"].parent, places["vocab"]):
        make_folder(folder)
        remove_leftovers(folder)
    for name, entries in parts.items():
        lines = (json.dumps({"text": entry.text, "label": entry.package}, ensure_ascii=False) for entry in entries)
        write_file(places[name], "".join(f"{line}\n" for line in lines))
    sizes = found.sizes()
    tell(
        f"1/3 texts: {len(found.texts)} docstrings of the {len(sizes)} largest packages of Python "
        f"{platform.python_version()}'s standard library, parsed but not run ({found.files} files read, "
        f"{found.unreadable} skipped, {found.repetitions} repeated docstrings left out)"
    )
    tell(f"    {', '.join(f'{package} {size}' for package, size in sizes.items())}")
    dealt = ", ".join(f"{name} {len(entries)}" for name, entries in parts.items())
    tell(f"    dealt out by seed {seed}: {dealt}, in {places['train'].parent}")
    vocabulary = WordPiece.train((entry.text for entry in parts["train"]), size=VOCABULARY)
    vocabulary.save(places["vocab"])
    tell(f"2/3 vocabulary: {vocabulary.vocab_size} word pieces of the training texts, in {places['vocab']}")
