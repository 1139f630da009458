"""What the user names as a corpus → files: paths, folders, patterns, data sets of the Hugging Face hub.

The order is always the same: as named, and by name within a folder or a pattern. Knows nothing of what the files hold.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from glob import glob
from pathlib import Path, PurePath

from bertwright.errors import UsageError
from bertwright.hub import download
from bertwright.text.complaints import shown
from bertwright.text.corpus.containers import is_archive, suffix_of

JSON = (".jsonl", ".ndjson", ".json")
_TEXT = ("", ".txt", ".text", ".md", ".jsonl", ".ndjson", ".parquet")  # WikiExtractor's files have no ending
_WRITTEN = ("vocab.txt", "manifest.json", "tokens.npy")  # what our own folders hold, a name of each kind
_ON_THE_HUB = (".txt", ".jsonl", ".parquet", ".gz", ".zip", ".tar", ".tgz")


@dataclass(frozen=True, slots=True)
class Found:
    """The files of a corpus, and how many others its folders hold, by their endings."""

    files: tuple[Path, ...]
    left_out: Counter[str]


def find(inputs: Sequence[str]) -> Found:
    """Return the files that are named; one that is named twice counts once.

    Raises:
        UsageError: A name is neither a file nor a folder with texts nor a pattern that fits, nor can be one on the hub.
        HubError: The hub does not know the data set or cannot be reached.
    """
    left_out: Counter[str] = Counter()
    files: dict[Path, Path] = {}
    for name in inputs:
        for path in _named(name, left_out):
            files.setdefault(path.resolve(), path)
    if not files:
        raise UsageError("no corpus was named: set --input")
    return Found(tuple(files.values()), left_out)


def input_around(folder: Path, inputs: Sequence[str]) -> str | None:
    """The first input, if any, that would take files out of a folder, be it there already or not."""
    return next((name for name in inputs if name and _reaches_into(Path(name).expanduser(), folder)), None)


def is_text(name: PurePath) -> bool:
    """Whether a file of a folder or an archive is taken for text: by its ending, unless it is hidden."""
    if any(part.startswith((".", "__MACOSX")) for part in name.parts if part not in (".", "..")):
        return False
    return is_archive(name) or suffix_of(name) in _TEXT


def _named(name: str, left_out: Counter[str]) -> Iterable[Path]:
    path = Path(name).expanduser()
    if name and path.is_dir():
        return _inside(path, left_out)
    if path.is_file():
        return [path]
    if name and (matches := sorted(map(Path, glob(str(path), recursive=True)))):  # noqa: PTH207  # absolute ones, too
        return [file for match in matches for file in (_inside(match, left_out) if match.is_dir() else [match])]
    dataset, _, pattern = name.partition(":")
    if _may_be_on_the_hub(dataset):
        wanted = [pattern] if pattern else [f"*{ending}" for ending in _ON_THE_HUB]
        return _inside(download(dataset, wanted, kind="dataset"), left_out, wanted)
    raise UsageError(f"no file, no folder and no pattern that fits: {shown(name)}; check --input")


def _reaches_into(named: Path, folder: Path) -> bool:
    """Whether a folder lies in a named one, or a pattern fits the folder, one above it or a file that it may get."""
    inner, outer = folder.expanduser().resolve(), named.resolve()
    return inner.is_relative_to(outer) if named.exists() else _may_fit(outer.parts, inner.parts)


def _may_fit(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    if not pattern:
        return True
    if not parts:
        return any(fnmatch(name, pattern[-1]) for name in _WRITTEN)
    if pattern[0] == "**":
        return _may_fit(pattern[1:], parts) or _may_fit(pattern, parts[1:])
    return fnmatch(parts[0], pattern[0]) and _may_fit(pattern[1:], parts[1:])


def _inside(folder: Path, left_out: Counter[str], wanted: Sequence[str] = ("*",)) -> list[Path]:
    """The texts below a folder; `wanted` is for one that may hold what others fetched before."""
    names = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    present = [folder / name for name in names if any(fnmatch(name.as_posix(), pattern) for pattern in wanted)]
    files = [path for path in present if is_text(path.relative_to(folder))]
    left_out.update(suffix_of(path) or path.name for path in set(present).difference(files))
    if not files:
        raise UsageError(f"{folder} has no text in it: .txt .md .jsonl .parquet, .gz .zip .tar of these are read")
    return files


def _may_be_on_the_hub(name: str) -> bool:
    """Whether a name is `owner/name` and no slip in a path: its first part is no folder, its last no file's name."""
    path = PurePath(name)
    owner_is_local = Path(path.parts[0]).exists() if path.parts else True
    return len(path.parts) == 2 and name.count("/") == 1 and not owner_is_local and not _looks_like_a_path(path)


def _looks_like_a_path(path: PurePath) -> bool:
    known = suffix_of(path) in _TEXT[1:] or suffix_of(path) in JSON or is_archive(path)
    return known or path.parts[0] in {".", "..", "~", "/"} or any(sign in str(path) for sign in "*?[\\")
