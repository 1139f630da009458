"""`bertwright demo` from end to end, on a library that can be learned in seconds, and what its report says."""

import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import bertwright
from bertwright.api import demonstration
from bertwright.api.demonstration import Demonstrated
from bertwright.api.demonstration_report import BAYES, BERT, COMMONEST, Contest
from bertwright.cli import main
from bertwright.errors import UsageError
from bertwright.files import lock_folder, sha256_file
from bertwright.training.loop import Step
from bertwright.training.progress import Silent

WORDS = {"apples": "red sweet core seed", "pears": "green soft skin stalk", "nuts": "brown hard shell kernel"}
FILES = [*(f"data/{name}.jsonl" for name in ("train", "validation", "test")), "vocab/vocab.txt"]
MODEL = "model/model.safetensors"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A standard library of three packages with 60 docstrings each; half of them name their package."""
    folder = tmp_path_factory.mktemp("library")
    for package, words in WORDS.items():
        first, second, third, fourth = words.split()
        texts = [f"A {first} {second} {number}." for number in range(30)]
        texts += [f"Of {package}: {third} {fourth} {number}." for number in range(30)]
        functions = (f'def f{number}():\n    """{text}"""\n' for number, text in enumerate(texts))
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text("".join(functions))
    return folder


@pytest.fixture(scope="module", autouse=True)
def small(library: Path) -> Iterator[pytest.MonkeyPatch]:
    """Make every demo read this library, and take a small model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demonstration, "get_path", {"stdlib": str(library)}.__getitem__)
        recipe = {**demonstration.RECIPE, "model": "tiny", "max_length": 16, "learning_rate": 1e-3, "epochs": 8}
        patch.setattr(demonstration, "RECIPE", recipe)
        yield patch


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of which files are written, not of how well they are learned from."""
    monkeypatch.setattr(demonstration, "RECIPE", {**demonstration.RECIPE, "epochs": 2})


@pytest.fixture
def other_library(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on this is another Python."""

    def become(_: str) -> str:
        return str(tmp_path / "other")

    shutil.copytree(library, tmp_path / "other")
    (tmp_path / "other" / "apples" / "new.py").write_text('"""A red module."""')
    monkeypatch.setattr(demonstration, "get_path", become)


@pytest.fixture(scope="module")
def finished(small: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Demonstrated]:
    """A demo's folder and result."""
    folder = tmp_path_factory.mktemp("finished") / "de mo"
    return folder, bertwright.demo(output_dir=folder, quiet=True)


def hashes(folder: Path) -> dict[str, str]:
    return {name: sha256_file(folder / name) for name in [*FILES, MODEL]}


def test_it_learns_and_says_how_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--output-dir", str(tmp_path / "demo")]) == 0
    out, err = capsys.readouterr()
    stages = [line for line in err.splitlines() if re.match("[123]/3 ", line)]
    assert stages[0].startswith("1/3 texts: 180 docstrings of the 3 largest packages of Python ")
    assert stages[0].endswith("(3 files read, 0 skipped, 0 repeated docstrings left out)")
    assert stages[1].startswith("2/3 vocabulary: ")
    assert stages[2].startswith("3/3 model: a BERT of 2 layers of width 128 ")
    assert "    dealt out by seed 0: train 135, validation 18, test 27, in " in err
    assert re.search(r"^  commonest package +0\.333 +0\.167$", out, re.MULTILINE)
    assert re.search(r"^  naive Bayes +1\.000 +1\.000$", out, re.MULTILINE)
    assert re.search(r"^  BERT +1\.000 +1\.000$", out, re.MULTILINE)


def test_quiet_prints_the_result_alone(tmp_path: Path, short: None, capsys: pytest.CaptureFixture[str]) -> None:
    bertwright.demo(output_dir=tmp_path / "demo", quiet=True)
    out, err = capsys.readouterr()
    assert out.startswith("\nWhich of 3 packages is a docstring from? 27 test texts, never seen before:\n")
    assert "1/3" not in err


def test_its_folder_serves_the_commands_that_it_names(
    finished: tuple[Path, Demonstrated], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, result = finished
    assert result.folder == folder / "model"
    assert result.baselines[BAYES] == {"accuracy": 1.0, "f1_macro": 1.0}
    measured = bertwright.evaluate(model=str(folder / "model"), test=folder / "data" / "test.jsonl")
    assert measured.metrics["accuracy"] == result.metrics["test"]["accuracy"] == 1.0
    assert bertwright.load(folder / "model").predict("A brown hard 99.")[0].label == "nuts"
    capsys.readouterr()
    bertwright.demo(output_dir=folder)
    assert (
        f" bertwright evaluate --model '{folder}/model' --test '{folder}/data/test.jsonl'\n" in capsys.readouterr().out
    )


def test_a_finished_demo_is_shown_again_and_left_as_it_is(
    finished: tuple[Path, Demonstrated], other_library: None, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, result = finished
    before = hashes(folder)
    assert bertwright.demo(output_dir=folder) == result
    out, err = capsys.readouterr()
    assert "model is finished already: nothing to do (--overwrite starts anew)" in err
    assert "1/3" not in err
    assert re.search(r"^  BERT +1\.000 +1\.000$", out, re.MULTILINE)
    assert hashes(folder) == before


@pytest.mark.usefixtures("short")
def test_the_seed_decides_everything(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        bertwright.demo(output_dir=tmp_path / name, seed=seed, quiet=True)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")
    assert set(hashes(tmp_path / "a").values()).isdisjoint(hashes(tmp_path / "c").values())


@pytest.mark.usefixtures("short")
def test_overwrite_starts_anew_and_nothing_else_does(tmp_path: Path) -> None:
    bertwright.demo(output_dir=tmp_path, seed=1, quiet=True)
    before = hashes(tmp_path)
    with pytest.raises(UsageError, match=r"seed was 1, now 2.*--overwrite"):
        bertwright.demo(output_dir=tmp_path, seed=2, quiet=True)
    assert hashes(tmp_path) == before
    leftover = tmp_path / "data" / ".tmp-train.jsonl-1-0"
    leftover.touch()
    bertwright.demo(output_dir=tmp_path, seed=2, quiet=True, overwrite=True)
    assert set(hashes(tmp_path).values()).isdisjoint(before.values())
    assert not leftover.exists()


def stop_at_7(_: Silent, step: Step) -> None:
    if step.step == 7:
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.usefixtures("short")
def test_an_interrupted_demo_goes_on_with_the_texts_that_it_began_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "demo"
    bertwright.demo(output_dir=whole, quiet=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Silent, "step", stop_at_7)
        assert bertwright.demo(output_dir=folder, quiet=True) == Demonstrated(folder / "model", {}, {}, exit_code=143)
    assert capsys.readouterr().out.count("Which of") == 1
    request.getfixturevalue("other_library")
    assert bertwright.demo(output_dir=folder).exit_code == 0
    assert "going on from the snapshot of step 7\n" in capsys.readouterr().err
    assert hashes(folder) == hashes(whole)


@pytest.mark.parametrize("overwrite", [False, True])
def test_no_file_of_somebody_else_is_written_over(tmp_path: Path, overwrite: bool) -> None:
    theirs = tmp_path / "data" / "train.jsonl"
    theirs.parent.mkdir()
    theirs.write_text("precious")
    with pytest.raises(UsageError, match=r"is not empty and holds no demo: choose another --output-dir$"):
        bertwright.demo(output_dir=tmp_path, overwrite=overwrite)
    assert theirs.read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_two_demos_do_not_share_a_folder(finished: tuple[Path, Demonstrated]) -> None:
    folder, _ = finished
    with lock_folder(folder), pytest.raises(UsageError, match="de mo is in use by process"):
        bertwright.demo(output_dir=folder, overwrite=True)


def numbers(digits: str) -> np.ndarray:
    return np.array([int(digit) for digit in digits])


def contest(truth: str, bert: str, bayes: str) -> Contest:
    """Answers as strings of label numbers."""
    return Contest(
        places={"output_dir": Path("out/model"), "test": Path("out/data/test.jsonl")},
        labels=("email", "http"),
        learned=2_695,
        texts=[f"{'word ' * 40}{place}" for place in range(len(truth))],
        truth=numbers(truth),
        answers={COMMONEST: numbers("1" * len(truth)), BAYES: numbers(bayes), BERT: numbers(bert)},
        scores=[0.5 + place / 100 for place in range(len(truth))],
    )


def flat_report(shown: Contest) -> str:
    return " ".join(shown.report().split())


@pytest.mark.parametrize(
    ("bert", "bayes", "verdict"),
    [
        ("0" * 40, "0" * 30 + "1" * 10, "BERT is ahead of naive Bayes by 25.0 ± 13.6 points (95 % interval)."),
        ("0" * 30 + "1" * 10, "0" * 40, "Naive Bayes is ahead of BERT by 25.0 ± 13.6 points (95 % interval)."),
        ("0" * 38 + "1" * 2, "0" * 40, "BERT and naive Bayes are 5.0 ± 6.8 points (95 % interval) apart, which may be"),
        ("0" * 39 + "1", "1" + "0" * 39, "BERT and naive Bayes are 0.0 ± 7.0 points (95 % interval) apart, which may"),
    ],
)
def test_whoever_is_ahead_is_named(bert: str, bayes: str, verdict: str) -> None:
    assert verdict in flat_report(contest("0" * 40, bert, bayes))


def test_all_are_measured_alike() -> None:
    tried = contest("0011", "0001", "0000")
    assert tried.figures(BERT) == {"accuracy": 0.75, "f1_macro": pytest.approx((0.8 + 2 / 3) / 2)}
    by_chance = {"accuracy": 0.5, "f1_macro": pytest.approx(1 / 3)}
    assert tried.baselines() == {COMMONEST: by_chance, BAYES: by_chance}


def test_texts_that_name_their_package_are_counted_apart() -> None:
    some = replace(contest("0011", "1011", "0000"), texts=["An Email.", "emails", "of email", "https or HTTP"])
    assert "2 of the test texts name their package; BERT's accuracy is 0.500 on these and 1.000 on the others." in (
        flat_report(some)
    )
    assert "left out: 0 of the test texts name their package." in flat_report(contest("01", "01", "01"))


def test_the_first_right_and_wrong_answers_are_shown() -> None:
    report = contest("010101010", "011101100", "000000000").report()
    right, wrong = (report.partition(title)[2].splitlines()[1:4] for title in ("right answers", "wrong ones"))
    assert [line.partition(":")[0] for line in right] == ["  0.50 email", "  0.51 http", "  0.53 http"]
    told = [line.partition(":")[0] for line in wrong]
    assert told == ["  0.52 http, not email", "  0.56 http, not email", "  0.57 email, not http"]
    assert {len(line) <= 100 and line.endswith("word ...") for line in [*right, *wrong]} == {True}
