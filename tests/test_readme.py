"""The commands of README, tutorial and task pages, run as they stand but for their sizes, each page in one folder.

The Chinese pages have the same commands, and links lead somewhere.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest

from bertwright.cli import main
from bertwright.settings import TaskName

sys.path.insert(0, str(Path(__file__).parent / "api"))
import small

REPOSITORY = Path(__file__).resolve().parent.parent
README, TUTORIAL = REPOSITORY / "README.md", REPOSITORY / "docs" / "tutorial.md"
TASK_PAGES = sorted((REPOSITORY / "docs" / "tasks").glob("*.md"))
MARKED = re.compile(r"<!-- runs in tests/test_readme.py -->\n```(bash|python)\n(.*?)```", re.DOTALL)
BLOCK = re.compile(r"```(?:bash|python)\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\((?!http)([^)#]+)\)")

SMALLER_README = {
    "--model mini": "--model tiny",
    "--size 30522": "--size 120",
    "--max-length 128 --batch-size 256 --max-steps 10000": "--max-length 24 --batch-size 5 --max-steps 4",
    "--verify-resume 20": "--verify-resume 2",
}
SMALLER_TUTORIAL = {
    "topics.values()": "list(topics.values())[:12]",
    "--size 4000": "--size 900",
    "--batch-size 32 --max-steps 600": "--batch-size 5 --max-steps 4",
    "--max-length 64 --epochs 4": "--max-length 16 --max-steps 3",
}


def blocks(page: Path, smaller: Mapping[str, str]) -> list[tuple[str, str]]:
    """The marked blocks with other sizes; every one of these must be there."""
    text = page.read_text(encoding="utf-8")
    for given, wanted in smaller.items():
        assert given in text, f"{page.name} no longer has {given!r}"
        text = text.replace(given, wanted)
    return MARKED.findall(text)


def run(language: str, code: str) -> None:
    """Run a block; its output is captured by whoever asks for it.

    Python, and lines that are nothing but a bertwright command, run in this process, which has torch already, and
    whose `auto` is one precision on every CPU.
    """
    if language == "python":
        exec(compile(code, "a block of the docs", "exec"), {})
        return
    lines = code.splitlines()
    if language == "bash" and all(line.startswith("bertwright ") and "|" not in line for line in lines):
        for line in lines:
            assert main(shlex.split(line)[1:]) == 0, line
        return
    ours = code.replace("bertwright ", f"{shlex.quote(sys.executable)} -m bertwright ")
    command = ["bash", "-euo", "pipefail", "-c", ours]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 0, done.stderr
    sys.stdout.write(done.stdout)


def write_corpus(folder: Path) -> None:
    """Ten documents of a few sentences, in BERT's own form."""
    folder.mkdir()
    sentences = [row["text"] for row in small.rows(60)]
    documents = ("\n".join(sentences[start : start + 6]) for start in range(0, 60, 6))
    (folder / "text.txt").write_text("\n\n".join(documents) + "\n", encoding="utf-8")


def test_the_readme_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_corpus(tmp_path / "corpus")
    small.write_bert(tmp_path / "BERT", positions=128)
    small.write_csv(tmp_path / "train.csv", small.rows(60))
    small.write_csv(tmp_path / "test.csv", small.rows(12, seed=1))
    found = blocks(README, SMALLER_README)
    assert [language for language, _ in found] == ["bash"] * 5 + ["python"]
    for language, code in found:
        run(language, code)
    said = capsys.readouterr()
    assert "are equal bit for bit" in said.err
    assert '"text": "The capital of France is [MASK]."' in said.out
    assert "true \\ predicted" in said.out  # evaluate's report
    assert '"text": "a text from a pipe"' in said.out
    assert len((tmp_path / "predictions.jsonl").read_text().splitlines()) == 12
    assert (tmp_path / "out" / "mini" / "run" / "curves.svg").exists()
    listed = re.findall(r"^(?:vocab|shards|out/\w+(?:/\w+)?)/ +.*$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(listed) == 7, "the list of what the folders hold has changed: look at it here, too"


def test_the_tutorial_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for language, code in blocks(TUTORIAL, SMALLER_TUTORIAL):
        run(language, code)
    said = capsys.readouterr().out
    assert len(BLOCK.findall(TUTORIAL.read_text(encoding="utf-8"))) == len(blocks(TUTORIAL, {}))  # all are run
    for shown in ("tokens per word", "NotNext", "The life of one batch: that of step 1,", "used to define a function"):
        assert shown in said
    assert json.loads(said.splitlines()[-1])["label"] in {"asyncio", "email", "logging", "multiprocessing", "xml"}


@pytest.mark.parametrize("page", TASK_PAGES, ids=lambda page: page.stem)
def test_the_page_of_a_task_runs(
    page: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    small.write_bert(tmp_path / "BERT", positions=128)
    written, *verbs = blocks(page, {})
    for block in (written, *verbs):
        run(*block)
    said = capsys.readouterr()
    chosen = f"task: {page.stem}, as "
    assert chosen in said.err, "the example is a file whose task is guessed"
    assert "test: " in said.err
    assert set(json.loads((tmp_path / "out" / "run" / "metrics.json").read_text())) >= {"validation", "test"}


def test_every_task_has_a_page() -> None:
    assert {page.stem for page in TASK_PAGES} == set(get_args(TaskName))


@pytest.mark.parametrize("page", [README, TUTORIAL], ids=lambda page: page.name)
def test_the_chinese_page_has_the_same_commands(page: Path) -> None:
    def commands(path: Path) -> list[str]:
        lines = (line for block in BLOCK.findall(path.read_text(encoding="utf-8")) for line in block.splitlines())
        return [line.partition("   #")[0] for line in lines]

    assert commands(page.with_suffix(".zh.md")) == commands(page)


def test_links_lead_to_files() -> None:
    pages = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")]
    links = [(page, link) for page in pages for link in LINK.findall(page.read_text(encoding="utf-8"))]
    assert [f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()] == []
    assert {"README.zh.md", "docs/tutorial.md"} <= {link for page, link in links if page == README}
