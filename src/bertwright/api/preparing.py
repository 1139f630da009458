"""`prepare`: raw text and a vocabulary in, a shard folder out.

Until it is finished the folder has `begun.json`, which says what the shards are made from: the same command goes on
with the shards that are there, another one is refused.
"""

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from shutil import rmtree
from signal import Signals
from time import monotonic
from typing import Any

from bertwright.api.common import say, settled, warn
from bertwright.api.live_line import live_line
from bertwright.api.raw_text import open_raw_text
from bertwright.errors import BertwrightError, DataError, UsageError
from bertwright.files import (
    LOCK,
    MANIFEST,
    damage,
    lock_folder,
    make_folder,
    publish_folder,
    read_json,
    read_manifest,
    remove_leftovers,
    sha256_file,
    write_json,
    write_manifest,
)
from bertwright.model.hub import resolve_model
from bertwright.settings import PrepareSettings
from bertwright.text.complaints import place
from bertwright.text.corpus.documents import Corpus
from bertwright.text.corpus.duplicates import without_duplicates
from bertwright.text.corpus.words import Segmenter, jieba_is_installed, make_segmenter
from bertwright.text.preparing.encoding import Encoder
from bertwright.text.preparing.shard_maker import Tally, make_shards
from bertwright.text.preparing.workers import cores
from bertwright.text.shards import FORMAT, TOKENIZER, shard_folders
from bertwright.text.wordpiece import WordPiece
from bertwright.training.signals import stop_wishes

BEGUN = "begun.json"
_READ = ("read", "kept")
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Prepared:
    """What `prepare` did.

    Attributes:
        folder: The shard folder.
        documents: `read` = `kept` + the others, by the reason for which they were dropped.
        counts: `sentences`, `tokens`, `words`, `unknown` tokens, and others; as `documents` empty when stopped early.
        stopped_by: Name of the signal that ended the work early; the same command goes on.
    """

    folder: Path
    documents: Mapping[str, int]
    counts: Mapping[str, int]
    stopped_by: str | None = None
    exit_code: int = 0


def prepare(settings: PrepareSettings | None = None, /, **options: object) -> Prepared:
    """Turn raw text into a shard folder, on all cores and in bounded memory.

    Running it again with the same settings goes on with the shards that are whole; a finished folder is left alone.

    Args:
        settings: A settings object, instead of or before keyword arguments.
        **options: The fields of `PrepareSettings`; `input`, `vocab` and `output_dir` are required.

    Raises:
        BertwrightError: The settings, a file or the vocabulary are not what they should be, or the disk is full.
    """
    settings = settled(PrepareSettings, settings, options)
    folder = settings.output_dir
    _check_place(folder)
    tokenizer = WordPiece.from_folder(resolve_model(settings.vocab))
    encoder = Encoder(tokenizer, _segmenter(settings))
    corpus = open_raw_text(settings)
    make_folder(folder)
    with lock_folder(folder):
        try:
            return _Preparation(settings, corpus, encoder).result()
        finally:
            if (folder / MANIFEST).exists():
                (folder / LOCK).unlink()  # a finished folder holds nothing that two runs could differ in


def _segmenter(settings: PrepareSettings) -> Segmenter | None:
    """The one that was asked for; else jieba where it is installed: most corpora have a Chinese word somewhere."""
    if settings.segmenter is not None:
        return make_segmenter(settings.segmenter)
    if jieba_is_installed():
        return make_segmenter("jieba")
    say(
        "jieba is not installed: each Chinese character will be a word of its own, which matters to --mask-unit word "
        "and span alone (pip install 'bertwright[zh]')",
        quiet=settings.quiet,
    )
    return None


def _check_place(folder: Path) -> None:
    """See that the folder holds nothing of others."""
    entries = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if entries and not entries.intersection((MANIFEST, BEGUN, LOCK)) and not shard_folders(folder):
        raise UsageError(f"{folder} is not empty and holds no shards: choose another --output-dir")


class _Preparation:
    """One call of `prepare`, in a folder that is ours alone."""

    def __init__(self, settings: PrepareSettings, corpus: Corpus, encoder: Encoder) -> None:
        self.settings, self.corpus, self.encoder, self.folder = settings, corpus, encoder, settings.output_dir
        self.say = partial(say, quiet=settings.quiet)
        self.duplicates = Counter[str]()

    def result(self) -> Prepared:
        """Go on, start, or tell that all is done."""
        remove_leftovers(self.folder)
        if self.settings.overwrite:
            self._clear()
        origin = self._origin()
        self._check_same(origin)
        if (self.folder / MANIFEST).exists():
            if (reason := damage(self.folder)) is None:
                return self._already_finished()
            warn(f"{reason}: what is damaged is made again")
            (self.folder / MANIFEST).unlink()
        write_json(self.folder / BEGUN, origin)
        began = monotonic()
        tally, stopped_by = self._make()
        if stopped_by is not None:
            say(f"stopped by {stopped_by.name}: the same command goes on with the shards that are there")
            return Prepared(self.folder, {}, {}, stopped_by.name, exit_code=128 + stopped_by)
        return self._finish(origin, tally, monotonic() - began)

    def _clear(self) -> None:
        """Remove what a former run made; killed at any instant, what is left is an unfinished folder."""
        (self.folder / MANIFEST).unlink(missing_ok=True)
        for path in (*shard_folders(self.folder), self.folder / TOKENIZER):
            rmtree(path, ignore_errors=True)
        (self.folder / BEGUN).unlink(missing_ok=True)

    def _origin(self) -> dict[str, Any]:
        """All that decides the shards."""
        values = self.settings.model_dump(mode="json")
        fixed = values.keys() - self.settings.free_on_resume()
        return {
            "format": FORMAT,
            **self.encoder.facts,
            "settings": {name: values[name] for name in values if name in fixed},
            "sources": {_named(path): _source(path) for path in self.corpus.files},
        }

    def _check_same(self, origin: Mapping[str, Any]) -> None:
        """See that shards which are there come from the same; without any there is nothing to lose.

        Raises:
            UsageError: They do not; the text names what has changed.
        """
        before = _read_origin(self.folder)
        if before is None or not shard_folders(self.folder):
            return
        if changed := _changes(before, origin):
            raise UsageError(
                f"{self.folder} holds shards that were made with other settings: {'; '.join(changed)}; go on with the "
                "old ones, choose another --output-dir, or start anew with --overwrite"
            )

    def _make(self) -> tuple[Tally, Signals | None]:
        """Make the shards, until all are there or a signal comes."""
        documents = without_duplicates(self.corpus.documents(), self.settings.deduplicate, self.duplicates)
        processes = self.settings.processes or cores()
        making = make_shards(documents, self.folder, self.encoder, processes=processes)
        tally = Tally.empty(self.encoder)
        with live_line(quiet=self.settings.quiet) as line, stop_wishes() as wish:
            try:
                with closing(making):
                    for tally in making:
                        line.show(_so_far(tally, line.seconds))
                        if wish.signal is not None:
                            break
            except BertwrightError:
                if wish.signal is None:  # else the workers may have got it as well
                    raise
        return tally, wish.signal

    def _finish(self, origin: Mapping[str, Any], tally: Tally, seconds: float) -> Prepared:
        """Write the tokenizer and the manifest, which makes the folder a shard folder."""
        counts = dict(tally.counts)
        kept, later = counts.pop("documents"), self.duplicates + Counter({"no token": counts.pop("empty")})
        if not kept:
            raise DataError(
                f"no document of the corpus has a token ({self.corpus.counted()}): check --input and --vocab"
            )
        dropped = Counter({reason: n for reason, n in self.corpus.counts.items() if reason not in _READ})
        documents = {"read": self.corpus.counts["read"], "kept": kept, **(dropped + later)}
        rmtree(self.folder / TOKENIZER, ignore_errors=True)
        with publish_folder(self.folder / TOKENIZER) as folder:
            self.encoder.tokenizer.save(folder)
        (self.folder / BEGUN).unlink()
        figures = {
            "documents": documents,
            "documents_cut": len(self.corpus.cut),
            "counts": counts,
            "unigram_entropy": round(tally.unigram_entropy, 6),
        }
        write_manifest(self.folder, {**origin, **figures, "shards": tally.shards})
        say(self.corpus.counted(later))
        if names := self.corpus.cut:
            warn(f"cut into parts: {', '.join(_first(names))}; pre-training takes the parts of each for one document")
        for text in _summary(figures, self.encoder.facts["segmenter"]):
            say(text)
        there = f" ({tally.kept} were there)" if tally.kept else ""
        say(f"{len(tally.shards)} shards{there} in {self.folder}, {counts['tokens'] / seconds:,.0f} tokens/s")
        return Prepared(self.folder, documents, counts)

    def _already_finished(self) -> Prepared:
        manifest = read_manifest(self.folder)
        (self.folder / BEGUN).unlink(missing_ok=True)
        say(f"{self.folder} is finished already: nothing to do (--overwrite starts anew)")
        return Prepared(self.folder, manifest["documents"], manifest["counts"])


def _named(path: Path) -> str:
    return str(path).encode(errors="backslashreplace").decode()  # a file's name may be no Unicode


def _source(path: Path) -> dict[str, object]:
    try:
        return {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
    except OSError as error:
        raise DataError(f"cannot read {place(path)}: {error.strerror or error}") from error


def _read_origin(folder: Path) -> Mapping[str, Any] | None:
    """What the shards of a folder are made from, if it still says so: every shard of its own says the same."""
    try:
        before = read_manifest(folder) if (folder / MANIFEST).exists() else read_json(folder / BEGUN)
    except DataError:
        return None
    known = {"settings", "sources", "vocabulary", "segmenter"}
    return before if isinstance(before, dict) and known <= before.keys() else None


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Name what differs, with both values where they can be shown."""
    old, new = before["settings"], now["settings"]
    changed = [f"{name} was {old.get(name)}, now {value}" for name, value in new.items() if old.get(name) != value]
    contents = {**before["sources"], "vocab": before["vocabulary"], "segmenter": before["segmenter"]}
    contents_now = {**now["sources"], "vocab": now["vocabulary"], "segmenter": now["segmenter"]}
    other = [name for name in {**contents, **contents_now} if contents.get(name) != contents_now.get(name)]
    other = [name for name in other if old.get(name) == new.get(name)]  # else it was named already
    return changed + _first([f"{name} has other content now" for name in other])


def _first(names: list[str]) -> list[str]:
    """The first few, and how many more there are."""
    others = len(names) - _MOST_NAMED
    return names[:_MOST_NAMED] + [f"and {others} more"] * (others > 0)


def _so_far(tally: Tally, seconds: float) -> str:
    counts = tally.counts
    speed = f"{counts['tokens'] / max(seconds, 1e-9):,.0f} tokens/s"
    return f"{len(tally.shards)} shards  {counts['documents']:,} documents  {counts['tokens']:,} tokens  {speed}"


def _summary(figures: Mapping[str, Any], segmenter: object) -> list[str]:
    """What is in the shards, in a line or two."""
    counts = figures["counts"]
    lines = [
        f"{counts['sentences']:,} sentences, {counts['tokens']:,} tokens, {counts['words']:,} words, "
        f"{counts['unknown'] / counts['tokens']:.3%} [UNK], unigram entropy {figures['unigram_entropy']:.3f} nats",
    ]
    if words := counts["segmented_words"]:
        share = counts["misaligned"] / words
        lines.append(f"{words:,} Chinese words by {segmenter}; {share:.2%} do not line up with the pieces: characters")
    return lines
