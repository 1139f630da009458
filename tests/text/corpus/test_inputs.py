"""What a corpus may be called: paths, folders, patterns and names on the hub, always in the same order."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bertwright.errors import UsageError
from bertwright.text.corpus.inputs import find, input_around
from hub_server import Hub, Repository, serve


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ["c/b.txt", "c/a.txt.gz", "c/AA/wiki_00", "c/x.png", "c/.git/config", "c/rows.JSONL", "d/z.txt"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*inputs: str) -> list[str]:
    return [path.as_posix() for path in find(inputs).files]


@pytest.mark.parametrize(
    ("name", "output", "around"),
    [
        ("c", "c/shards", True),
        ("c", "c", True),
        (".", "new/shards", True),
        ("c", "cc/shards", False),
        ("c/b.txt", "c/shards", False),
        ("c/*", "c/shards", True),
        ("*", "c/AA/shards", True),
        ("c/*.txt", "c/shards", False),
        ("c/*/*.txt", "c/vocab", True),
        ("**/*.txt", "c/new/shards", True),
        ("**/*.jsonl", "c/new/shards", False),
        ("*/new", "c/new/shards", True),
        ("c/n[a-f]*", "c/new", True),
        ("owner/data", "shards", False),
        ("link/*", "c/shards", True),
    ],
)
def test_an_input_that_would_take_in_what_is_written_is_named(
    folder: Path, name: str, output: str, around: bool
) -> None:
    (folder / "link").symlink_to(folder / "c")
    assert input_around(Path(output), ["d", name]) == (name if around else None)
    assert input_around(folder / output, [str(folder / name)]) == (str(folder / name) if around else None)


@pytest.mark.usefixtures("folder")
def test_folders_and_patterns_are_read_by_name_and_inputs_as_given() -> None:
    assert names("c") == ["c/AA/wiki_00", "c/a.txt.gz", "c/b.txt", "c/rows.JSONL"]
    assert names("d", "c/b.txt") == ["d/z.txt", "c/b.txt"]
    assert names("*/*.txt") == ["c/b.txt", "d/z.txt"]
    assert names("**/wiki*") == ["c/AA/wiki_00"]
    assert names("?") == [*names("c"), *names("d")]
    assert names("c/x.png") == ["c/x.png"]  # what is named is taken
    assert find(["c"]).left_out == {".png": 1, "config": 1}


@pytest.mark.usefixtures("folder")
def test_a_file_that_is_named_twice_counts_once() -> None:
    assert names("c/b.txt", "c", "./c/b.txt") == ["c/b.txt", "c/AA/wiki_00", "c/a.txt.gz", "c/rows.JSONL"]


def test_a_name_with_signs_of_a_pattern_may_be_a_file(folder: Path) -> None:
    (folder / "[1].txt").write_text("x")
    assert names("[1].txt") == ["[1].txt"]


@pytest.mark.parametrize(
    "name", ["nowhere", "nowhere.txt", "c/nowhere", "x/nowhere.txt", "x/*.txt", "./x/y", "/x/y", "~/x-y", "a/b/c", ""]
)
@pytest.mark.usefixtures("folder")
def test_what_is_no_name_on_the_hub_opens_no_socket(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a socket was opened"))
    with pytest.raises(UsageError, match=r"^no file, no folder and no pattern that fits: .*; check --input$"):
        find([name])


def test_no_name_at_all() -> None:
    with pytest.raises(UsageError, match=r"^no corpus was named: set --input$"):
        find([])


def test_a_folder_without_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("x")
    with pytest.raises(UsageError, match=r"has no text in it: \.txt \.md \.jsonl \.parquet, \.gz \.zip \.tar of"):
        find([str(tmp_path)])


FIND = """
import json, sys
from bertwright.errors import BertwrightError
from bertwright.text.corpus.inputs import find
for name in sys.argv[1:]:
    try:
        print(json.dumps([str(path) for path in find([name]).files]))
    except BertwrightError as error:
        print(json.dumps(f"{type(error).__name__}: {error}"))
"""


def test_a_data_set_of_the_hub(tmp_path: Path) -> None:
    files = {
        "README.md": b"#",
        "data/train-0.jsonl": b"{}",
        "data/test-0.jsonl": b"{ }",
        "a.py": b"",
        "dataset.json": b"",
    }
    repositories = {"someone/corpus": Repository(files), "someone/pictures": Repository({"a.png": b"x"})}
    asked = ["someone/corpus", "someone/corpus:data/train-*", "someone/pictures", "someone/no"]
    with serve(Hub(repositories)) as hub:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
        done = subprocess.run(
            [sys.executable, "-c", FIND, *asked],
            env=clean | {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": hub.endpoint, "PYTHONPATH": path},
            cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
    whole, train, pictures, unknown = map(json.loads, done.stdout.splitlines())
    assert [Path(name).name for name in whole] == ["test-0.jsonl", "train-0.jsonl"]
    assert Path(whole[0]).is_relative_to(tmp_path / "home")
    assert [Path(name).name for name in train] == ["train-0.jsonl"]
    assert "has no text in it" in pictures
    assert unknown == (
        f"HubError: cannot get the data set 'someone/no': {hub.endpoint} has no such data set, or a private one; "
        "check the name or set HF_TOKEN"
    )
