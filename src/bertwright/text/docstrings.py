"""The docstrings of Python's own standard library, each with the package it comes from: text that every machine has.

With `pydoc`'s help on the language they are a corpus to pre-train on as well (`documents`).

The files are parsed, never imported: none of their code runs. Knows nothing of tokens, or of what the texts are for.
"""

import ast
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from bertwright.errors import DataError

FEWEST = 50  # docstrings: a package with fewer has too few to learn from and to be tested on
SHARES = {"test": 0.15, "validation": 0.1}  # of each package; the rest is for training
_BLANK_LINE = re.compile(r"\n\s*\n")
_TESTS = frozenset({"test", "tests", "idle_test"})
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Docstring(NamedTuple):
    """A text on one line, and its label."""

    text: str
    package: str


@dataclass(frozen=True, slots=True)
class Docstrings:
    """What `read_docstrings` found.

    Attributes:
        texts: Texts of the largest packages, each text once.
        files: Files of all packages that were read.
        unreadable: Files that could not be: they are not of this Python's grammar, for example.
        found: Docstrings in all packages.
        repetitions: How many of these were left out because the same text stands elsewhere.
    """

    texts: tuple[Docstring, ...]
    files: int
    unreadable: int
    found: int
    repetitions: int

    def sizes(self) -> dict[str, int]:
        """How many texts each package has, the largest first."""
        return dict(_ranked(self.texts))


def read_docstrings(library: Path, *, packages: int) -> Docstrings:
    """Read the docstrings of modules, classes and functions in a library's largest packages, tests left out.

    A text that stands in one package several times is taken once, and one that several packages share not at all:
    otherwise it could be learned in training and met again in the test.

    Args:
        library: Folder of a standard library, such as `sysconfig.get_path("stdlib")`.
        packages: How many packages to take.

    Raises:
        DataError: Fewer than two packages have `FEWEST` docstrings: the library is zipped or stripped.
    """
    owners = defaultdict[str, set[str]](set)
    files = unreadable = found = 0
    for path in _sources(library):
        texts = _docstrings(path)
        if texts is None:
            unreadable += 1
            continue
        files += 1
        found += len(texts)
        for text in texts:
            owners[text].add(path.relative_to(library).parts[0])
    distinct = [Docstring(text, *owned) for text, owned in owners.items() if len(owned) == 1]
    taken = [package for package, size in _ranked(distinct)[:packages] if size >= FEWEST]
    if len(taken) < 2:
        raise DataError(
            f"{library} has {files} Python files with {found} docstrings, too few for a demo: this Python came without "
            "the sources of its standard library (in a zip file, or stripped); run bertwright with another one, such "
            "as those of python.org, conda or your system"
        )
    kept = tuple(entry for entry in distinct if entry.package in taken)
    return Docstrings(kept, files, unreadable, found, found - len(distinct))


def documents(library: Path, *, left_out: Collection[str]) -> Iterator[str]:
    """Plain text of a whole library, a paragraph a line: a document for each file, and for each topic of `pydoc`.

    Args:
        library: Folder of a standard library.
        left_out: Docstrings, on one line each, that are not to be in it: those that a model is tested on.
    """
    for path in (*sorted(library.glob("*.py")), *_sources(library)):
        texts = [text for text in _texts(path) or () if _flat(text) not in left_out]
        if lines := [line for text in texts for line in _paragraphs(text)]:
            yield "\n".join(lines)
    for topic in _topics(library / "pydoc_data" / "topics.py"):
        yield "\n".join(_paragraphs(topic))


def split(texts: Iterable[Docstring], *, seed: int) -> dict[str, list[Docstring]]:
    """Deal texts out to train, validation and test, each with the same share of every package (`SHARES`).

    The order is random, and a pure function of seed and texts: that of SHA-256 over both.
    """

    def place(entry: Docstring) -> bytes:
        return sha256(f"{seed} {entry.text}".encode()).digest()

    packages = defaultdict[str, list[Docstring]](list)
    for entry in sorted(texts, key=place):
        packages[entry.package].append(entry)
    parts: dict[str, list[Docstring]] = {"train": [], "validation": [], "test": []}
    for entries in packages.values():
        start = 0
        for name, share in SHARES.items():
            end = start + round(share * len(entries))
            parts[name] += entries[start:end]
            start = end
        parts["train"] += entries[start:]
    return {name: sorted(part, key=place) for name, part in parts.items()}


def _ranked(texts: Iterable[Docstring]) -> list[tuple[str, int]]:
    sizes = Counter(entry.package for entry in texts)
    return sorted(sizes.items(), key=lambda item: (-item[1], item[0]))


def _sources(library: Path) -> Iterator[Path]:
    """The .py files of the packages: only folders with an `__init__.py`, so nothing that was installed besides."""
    for package in sorted(library.glob("*/__init__.py")):
        for path in sorted(package.parent.rglob("*.py")):
            if _TESTS.isdisjoint(path.relative_to(library).parts):
                yield path


def _docstrings(path: Path) -> list[str] | None:
    """The docstrings of a file, line breaks and indentation flattened; None if it cannot be parsed."""
    texts = _texts(path)
    return None if texts is None else [flat for text in texts if (flat := _flat(text))]


def _texts(path: Path) -> list[str] | None:
    """The docstrings of a file with their lines; None if it cannot be parsed."""
    tree = _parsed(path)
    if tree is None:
        return None
    documented = (node for node in ast.walk(tree) if isinstance(node, _DOCUMENTED))
    # Half of a surrogate pair, written as an escape, is no text that a file could hold.
    return [(ast.get_docstring(node) or "").encode(errors="ignore").decode() for node in documented]


def _parsed(path: Path) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "invalid escape sequence": not ours to mend
            return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):  # which one depends on the Python
        return None


def _topics(path: Path) -> list[str]:
    """The texts of `pydoc`'s topics, which its file holds as one literal; none where this Python has none."""
    for node in getattr(_parsed(path), "body", ()):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            values = [entry.value for entry in ast.walk(node.value) if isinstance(entry, ast.Constant)]
            return [value for value in values if isinstance(value, str) and "\n" in value]
    return []


def _paragraphs(text: str) -> list[str]:
    return [flat for paragraph in _BLANK_LINE.split(text) if (flat := _flat(paragraph))]


def _flat(text: str) -> str:
    return " ".join(text.split())
