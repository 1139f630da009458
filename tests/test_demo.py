"""`bertwright demo` from end to end, on a small library that can be learned in seconds."""

import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bertwright
from bertwright.api import demonstration
from bertwright.api.demonstration_report import Contest
from bertwright.cli import main
from bertwright.errors import UsageError
from bertwright.files import sha256_file
from bertwright.training.progress import Silent

WORDS = {"apples": "red sweet core seed", "pears": "green soft skin stalk", "nuts": "brown hard shell kernel"}
FILES = [f"data/{name}.jsonl" for name in ("train", "validation", "test")] + ["vocab/vocab.txt"]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library of three packages with 60 docstrings each; some name their package."""
    for package, words in WORDS.items():
        first, second, third, fourth = words.split()
        texts = [f"A {first} {second} {number}." for number in range(30)]
        texts += [f"Of {package}: {third} {fourth} {number}." for number in range(30)]
        folder = tmp_path / "library" / package
        folder.mkdir(parents=True)
        functions = (f'def f{number}():\n    """{text}"""\n' for number, text in enumerate(texts))
        (folder / "__init__.py").write_text("".join(functions))
    monkeypatch.setattr(demonstration, "get_path", {"stdlib": str(tmp_path / "library")}.__getitem__)
    return tmp_path / "library"


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A recipe for so few texts."""
    quick = {**demonstration.RECIPE, "max_length": 16, "epochs": 8, "device": "cpu"}
    monkeypatch.setattr(demonstration, "RECIPE", quick)
    return quick


def hashes(folder: Path) -> dict[str, str]:
    return {name: sha256_file(folder / name) for name in [*FILES, "model/model.safetensors"]}


@pytest.mark.usefixtures("library", "recipe")
class TestWhole:
    """Each test runs the whole demo at least once."""

    def test_it_learns_and_says_how_well(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        folder = tmp_path / "demo"
        assert main(["demo", "--output-dir", str(folder)]) == 0
        out, err = capsys.readouterr()
        stages = [line for line in err.splitlines() if re.match("[123]/3 ", line)]
        assert [stage.partition(":")[0] for stage in stages] == ["1/3 texts", "2/3 vocabulary", "3/3 model"]
        assert stages[0].startswith("1/3 texts: 180 docstrings of the 3 largest packages of Python ")
        assert "    dealt out by seed 0: train 135, validation 18, test 27, in " in err
        assert re.search(r"^  BERT +1\.000 +1\.000$", out, re.MULTILINE)
        assert re.search(r"^  naive Bayes +1\.000 +1\.000$", out, re.MULTILINE)
        assert re.search(r"^  always \w+ +0\.333 +0\.167$", out, re.MULTILINE)

    def test_seed_decides_everything(self, tmp_path: Path) -> None:
        a, b, c = (tmp_path / name for name in "abc")
        for folder, seed in ((a, 5), (b, 5), (c, 6)):
            bertwright.demo(output_dir=folder, seed=seed, quiet=True)
        assert hashes(a) == hashes(b)
        assert set(hashes(a).values()).isdisjoint(hashes(c).values())

    def test_its_folder_serves_the_commands_that_it_names(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shown = bertwright.demo(output_dir=tmp_path / "de mo", quiet=True)
        out = capsys.readouterr().out
        assert f"bertwright evaluate --model '{tmp_path}/de mo/model' --test '{tmp_path}/de mo/data/test.jsonl'\n" in out
        measured = bertwright.evaluate(model=str(shown.folder), test=tmp_path / "de mo" / "data" / "test.jsonl")
        assert measured.metrics["accuracy"] == shown.metrics["test"]["accuracy"]
        assert bertwright.load(shown.folder).predict("A brown hard 99.")[0].label == "nuts"

    def test_a_finished_demo_shows_its_result_again(
        self, tmp_path: Path, library: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        first = bertwright.demo(output_dir=tmp_path / "demo")
        before, shown = hashes(tmp_path / "demo"), capsys.readouterr().out
        (library / "apples" / "more.py").write_text('"""Another Python, another library."""')
        second = bertwright.demo(output_dir=tmp_path / "demo")
        out, err = capsys.readouterr()
        assert "is finished already: nothing to do" in err
        assert "1/3" not in err
        assert (second, out) == (first, shown)
        assert hashes(tmp_path / "demo") == before

    def test_overwrite_starts_anew(self, tmp_path: Path) -> None:
        bertwright.demo(output_dir=tmp_path / "demo", seed=1, quiet=True)
        before = hashes(tmp_path / "demo")
        with pytest.raises(UsageError, match="seed was 1, now 2.*--overwrite"):
            bertwright.demo(output_dir=tmp_path / "demo", seed=2, quiet=True)
        assert hashes(tmp_path / "demo") == before
        bertwright.demo(output_dir=tmp_path / "demo", seed=2, quiet=True, overwrite=True)
        assert set(hashes(tmp_path / "demo").values()).isdisjoint(before.values())

    def test_an_interrupted_demo_goes_on(
        self, tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        bertwright.demo(output_dir=tmp_path / "whole", quiet=True)
        with monkeypatch.context() as patch:
            patch.setattr(Silent, "step", lambda _, step: step.step == 13 and signal.raise_signal(signal.SIGTERM))
            stopped = bertwright.demo(output_dir=tmp_path / "demo", quiet=True)
        assert (stopped.exit_code, stopped.metrics, stopped.baselines) == (143, {}, {})
        capsys.readouterr()
        (library / "apples" / "more.py").write_text('"""Another Python, another library."""')
        assert bertwright.demo(output_dir=tmp_path / "demo").exit_code == 0
        assert "going on from the snapshot of step 13\n" in capsys.readouterr().err
        assert hashes(tmp_path / "demo") == hashes(tmp_path / "whole")


def test_no_file_of_somebody_else_is_written_over(library: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs" / "data" / "train.jsonl"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(UsageError, match="theirs is not empty and holds no demo: choose another --output-dir"):
            bertwright.demo(output_dir=tmp_path / "theirs", overwrite=overwrite)
    assert theirs.read_text() == "precious"
    assert list((tmp_path / "theirs").iterdir()) == [theirs.parent]


def contest(truth: str, bert: str, bayes: str, texts: list[str] | None = None) -> Contest:
    """Answers as strings of label numbers."""

    def numbers(digits: str) -> np.ndarray:
        return np.array([int(digit) for digit in digits])

    return Contest(
        places={"output_dir": Path("out/model"), "test": Path("out/data/test.jsonl")},
        labels=("email", "http"),
        learned=2_695,
        texts=texts or [f"Text {place}." for place in range(len(truth))],
        truth=numbers(truth),
        answers={"always http": numbers("1" * len(truth)), "naive Bayes": numbers(bayes), "BERT": numbers(bert)},
        scores=[0.5 + place / 100 for place in range(len(truth))],
    )


def report(*args: Any) -> str:
    return " ".join(contest(*args).report().split())


@pytest.mark.parametrize(
    ("bert", "bayes", "verdict"),
    [
        ("0" * 40, "0" * 30 + "1" * 10, "BERT is ahead of naive Bayes by 25.0 ± 13.6 points."),
        ("0" * 30 + "1" * 10, "0" * 40, "naive Bayes is ahead of BERT by 25.0 ± 13.6 points."),
        ("0" * 38 + "1" * 2, "0" * 40, "BERT and naive Bayes are 5.0 ± 6.8 points apart: that may be chance."),
        ("0" * 39 + "1", "1" + "0" * 39, "BERT and naive Bayes are 0.0 ± 7.0 points apart: that may be chance."),
    ],
)
def test_whoever_is_ahead_is_named(bert: str, bayes: str, verdict: str) -> None:
    assert verdict in report("0" * 40, bert, bayes)


def test_all_are_measured_alike() -> None:
    tried = contest("0011", "0001", "0000")
    assert tried.figures("BERT") == {"accuracy": 0.75, "f1_macro": pytest.approx((0.8 + 2 / 3) / 2)}
    assert tried.baselines() == {
        "always http": {"accuracy": 0.5, "f1_macro": pytest.approx(1 / 3)},
        "naive Bayes": {"accuracy": 0.5, "f1_macro": pytest.approx(1 / 3)},
    }


def test_texts_that_name_their_package_are_counted_apart() -> None:
    texts = ["An Email.", "emails", "http", "Of email, not of http"]
    assert "2 of these texts name their package: BERT's accuracy is 0.500 on them, and 1.000 on the others." in report(
        "0011", "1011", "0000", ["An Email.", "emails", "Of email", "https or HTTP"]
    )
    assert "No test text names its package." in report("01", "01", "01")
    assert "accuracy is 1.000 on them." in report("01", "01", "01", ["email", "http"])


def test_the_first_right_and_wrong_answers_are_shown() -> None:
    lines = contest("010101010", "011101100", "0" * 9, [f"{'word ' * 40}{place}" for place in range(9)]).report()
    right, wrong = (lines.partition(title)[2].splitlines()[1:4] for title in ("right answers", "wrong ones"))
    assert [line.split()[:2] for line in right] == [["0.50", "email:"], ["0.51", "http:"], ["0.53", "http:"]]
    assert [line.split(":")[0] for line in wrong] == ["  0.52 http, not email", "  0.56 http, not email", "  0.57 email, not http"]
    assert max(map(len, [*right, *wrong])) <= 100
