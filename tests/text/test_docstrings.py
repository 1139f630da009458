"""Docstrings of a standard library: what is read, what is left out and counted, how they are dealt out."""

import sys
import sysconfig
from collections import Counter
from pathlib import Path

import pytest

from bertwright.errors import DataError
from bertwright.text.docstrings import FEWEST, Docstring, documents, read_docstrings, split


def write(path: Path, source: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(source.encode() if isinstance(source, str) else source)


def functions(word: str, count: int = FEWEST) -> str:
    return "".join(f'def f{number}():\n    """{word} number {number}."""\n' for number in range(count))


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Two packages that are large enough."""
    write(tmp_path / "apples" / "__init__.py", functions("An apple"))
    write(tmp_path / "pears" / "__init__.py", functions("A pear"))
    return tmp_path


def texts_of(library: Path, package: str) -> set[str]:
    texts = read_docstrings(library, packages=2).texts
    return {text for text, owner in texts if owner == package} - {f"An apple number {n}." for n in range(FEWEST)}


def test_modules_classes_and_functions_are_read_and_nothing_else(library: Path) -> None:
    source = '''"""A module."""
class C:
    """A class
       of   two lines."""
    async def f(self):
        """A coroutine."""
        "no docstring"
    x = """no docstring"""
    def g(self):
        """ """
'''
    write(library / "apples" / "deep" / "inside.py", source)
    assert texts_of(library, "apples") == {"A module.", "A class of two lines.", "A coroutine."}


def test_no_code_is_run(library: Path) -> None:
    write(library / "apples" / "bomb.py", '"""A bomb."""\nraise SystemExit("run!")\n')
    assert texts_of(library, "apples") == {"A bomb."}
    assert "apples" not in sys.modules


@pytest.mark.parametrize(
    "place", ["apples/test/a.py", "apples/tests/a.py", "apples/idle_test/a.py", "site-packages/thing/a.py", "single.py"]
)
def test_tests_single_modules_and_installed_packages_are_left_out(library: Path, place: str) -> None:
    write(library / place, '"""Not to be read."""')
    found = read_docstrings(library, packages=10)
    assert found.files == 2
    assert found.sizes() == {"apples": FEWEST, "pears": FEWEST}


@pytest.mark.parametrize(
    "source",
    [b"def f(:", b'"""\xff"""', b'"""a\0"""', b"# coding: no-such\n", b"(" * 500, b"-" * 100_000 + b"1"],
    ids=["grammar", "bytes", "null", "coding", "brackets", "depth"],
)
def test_files_that_cannot_be_parsed_are_skipped_and_counted(library: Path, source: bytes) -> None:
    write(library / "apples" / "odd.py", source)
    found = read_docstrings(library, packages=10)
    assert (found.files, found.unreadable) == (2, 1)


def test_what_is_no_file_is_skipped_and_counted(library: Path) -> None:
    (library / "apples" / "folder.py").mkdir()
    (library / "apples" / "gone.py").symlink_to("nowhere")
    found = read_docstrings(library, packages=10)
    assert (found.files, found.unreadable) == (2, 2)


def test_other_encodings_and_warnings_are_no_obstacle(library: Path) -> None:
    write(library / "apples" / "latin.py", '# coding: latin-1\n"""Äpfel \\d."""'.encode("latin-1"))
    assert texts_of(library, "apples") == {"Äpfel \\d."}


def test_half_a_surrogate_pair_is_left_out_as_no_file_can_hold_it(library: Path) -> None:
    write(library / "apples" / "half.py", '"""Half \\ud83d a pair."""')
    assert texts_of(library, "apples") == {"Half a pair."}


def test_a_repeated_text_is_taken_once_and_one_of_two_packages_not_at_all(library: Path) -> None:
    write(library / "pears" / "more.py", '"""One more pear."""')
    write(library / "apples" / "again.py", '"""An apple number 0."""\ndef f():\n    """A  pear\n    number 1."""\n')
    found = read_docstrings(library, packages=2)
    assert Counter(text for text, _ in found.texts)["An apple number 0."] == 1
    assert "A pear number 1." not in {text for text, _ in found.texts}
    assert (found.found, found.repetitions, len(found.texts)) == (2 * FEWEST + 3, 3, 2 * FEWEST)


def test_the_largest_packages_are_taken(library: Path) -> None:
    write(library / "plums" / "__init__.py", functions("A plum", FEWEST + 1))
    write(library / "nuts" / "__init__.py", functions("A nut", FEWEST - 1))
    assert list(read_docstrings(library, packages=2).sizes().items()) == [("plums", FEWEST + 1), ("apples", FEWEST)]
    assert "nuts" not in read_docstrings(library, packages=10).sizes()


def test_a_library_without_sources_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "apples" / "__init__.py", functions("An apple"))
    write(tmp_path / "pears" / "__init__.py", "pass")
    expected = f"^{tmp_path} has 2 Python files with {FEWEST} docstrings, too few for a demo: this Python came without "
    with pytest.raises(DataError, match=expected):
        read_docstrings(tmp_path, packages=2)
    with pytest.raises(DataError, match=r"python311\.zip has 0 Python files"):
        read_docstrings(tmp_path / "python311.zip", packages=2)


def test_this_python_has_enough_of_them() -> None:
    found = read_docstrings(Path(sysconfig.get_path("stdlib")), packages=10)
    assert len(found.sizes()) == 10
    assert "asyncio" in found.sizes()
    assert len(found.texts) > 1_500
    assert len({text for text, _ in found.texts}) == len(found.texts)


@pytest.fixture
def texts() -> list[Docstring]:
    return [Docstring(f"Text {number}.", "ab"[number % 3 == 0]) for number in range(300)]


def test_every_text_is_dealt_out_once_and_evenly(texts: list[Docstring]) -> None:
    parts = split(texts, seed=0)
    assert sorted(entry for part in parts.values() for entry in part) == sorted(texts)
    sizes = {name: Counter(package for _, package in part) for name, part in parts.items()}
    assert sizes == {
        "train": {"a": 150, "b": 75},
        "validation": {"a": 20, "b": 10},
        "test": {"a": 30, "b": 15},
    }


def test_the_seed_decides_and_the_order_of_the_files_does_not(texts: list[Docstring]) -> None:
    assert split(texts, seed=3) == split(reversed(texts), seed=3)
    assert split(texts, seed=3) != split(texts, seed=4)


def test_neither_package_nor_number_orders_a_part(texts: list[Docstring]) -> None:
    test = split(texts, seed=0)["test"]
    assert test != sorted(test)
    assert len({package for _, package in test[:10]}) == 2


def test_the_split_never_changes() -> None:
    """Pinned: a demo that was interrupted must find the same split on any machine, in any later version."""
    parts = split([Docstring(letter, "a") for letter in "abcdefghijklmnopqrst"], seed=7)
    assert [text for text, _ in parts["test"] + parts["validation"]] == ["n", "h", "o", "r", "i"]


def test_a_document_is_a_file_with_a_line_for_each_paragraph(library: Path) -> None:
    write(
        library / "single.py",
        '"""A module.\n\n    It has\n    two paragraphs."""\ndef f():\n    """A pear number 3."""\n',
    )
    write(library / "apples" / "tests" / "a.py", '"""A test."""')
    write(
        library / "pydoc_data" / "topics.py",
        "# written by a tool\ntopics = {'if': 'The if\\n******\\n\\nIt is\\nnew.'}\n",
    )
    found = list(documents(library, left_out={"A pear number 3.", "An apple number 0."}))
    assert found[0] == "A module.\nIt has two paragraphs."
    apples, pears = (text.split("\n") for text in found[1:3])
    assert apples == [f"An apple number {number}." for number in range(1, FEWEST)]
    assert "A pear number 3." not in pears
    assert len(pears) == FEWEST - 1
    assert found[3:] == ["The if ******\nIt is new."]


def test_the_topics_of_this_python_are_read(tmp_path: Path) -> None:
    source = (Path(sysconfig.get_path("stdlib")) / "pydoc_data" / "topics.py").read_bytes()
    write(tmp_path / "pydoc_data" / "topics.py", source)
    found = list(documents(tmp_path, left_out=()))
    assert len(found) > 50
    assert any("Lambda expressions" in text for text in found)
