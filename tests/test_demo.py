"""`bertwright demo` from end to end, on a library that can be learned in seconds, and what its report says."""

import io
import json
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pytest

import bertwright
from bertwright.api import demonstration
from bertwright.api.demonstration import Demonstrated
from bertwright.api.demonstration_report import BAYES, BERT, COMMONEST, SCRATCH, Contest
from bertwright.api.live_line import LiveLine
from bertwright.cli import main
from bertwright.errors import UsageError
from bertwright.files import lock_folder, sha256_file
from bertwright.text.wordpiece import WordPiece
from bertwright.training.loop import Step
from bertwright.training.progress import Silent

WORDS = {"apples": "red sweet core seed", "pears": "green soft skin stalk", "nuts": "brown hard shell kernel"}
SEEDS = 2
DATA = [f"data/{name}.jsonl" for name in ("train", "validation", "test")]
WEIGHTS = ["pretrained", *(f"models/{arm}-{seed}" for arm in ("pretrained", "random") for seed in range(SEEDS))]
FILES = [*DATA, "corpus.jsonl", "vocab/vocab.txt", *(f"{folder}/model.safetensors" for folder in WEIGHTS)]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three packages with 60 docstrings each, half of which name their package; modules; two topics of `pydoc`."""
    folder = tmp_path_factory.mktemp("library")
    for package, words in WORDS.items():
        first, second, third, fourth = words.split()
        texts = [f"A {first} {second} {number}." for number in range(30)]
        texts += [f"Of {package}: {third} {fourth} {number}." for number in range(30)]
        functions = (f'def f{number}():\n    """{text}"""\n' for number, text in enumerate(texts))
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text("".join(functions))
    for number in range(20):
        module = f'"""A module. It is number {number}.\n\nIt holds <b>fruit</b>. It is small."""\n'
        (folder / f"module{number:02d}.py").write_text(module)
    (folder / "pydoc_data").mkdir()
    topics = {"trees": "Trees\n*****\n\nApples grow on trees.\nThey fall.", "nuts": "Nuts\n\nNuts are hard. They roll."}
    (folder / "pydoc_data" / "topics.py").write_text(f"topics = {topics!r}\n")
    return folder


@pytest.fixture(scope="module", autouse=True)
def small(library: Path) -> Iterator[pytest.MonkeyPatch]:
    """Make every demo read this library, and train for a few steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demonstration, "get_path", {"stdlib": str(library)}.__getitem__)
        few = {"max_length": 16, "batch_size": 8, "max_steps": 12, "held_out": 0.2, "eval_sequences": 9, "log_steps": 4}
        patch.setattr(demonstration, "PRETRAINING", MappingProxyType({**demonstration.PRETRAINING, **few}))
        quick = {"max_length": 16, "learning_rate": 1e-3, "epochs": 6}
        patch.setattr(demonstration, "FINETUNING", MappingProxyType({**demonstration.FINETUNING, **quick}))
        patch.setattr(demonstration, "LENGTH", 16)
        patch.setattr(demonstration, "VOCABULARY", 300)
        patch.setattr(demonstration, "SEEDS", SEEDS)
        yield patch


class Finished(NamedTuple):
    """A demo's folder, result, standard output and standard error."""

    folder: Path
    result: Demonstrated
    out: str
    err: str


@pytest.fixture(scope="module")
def finished(small: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("finished") / "de mo"
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        result = bertwright.demo(output_dir=folder)
    return Finished(folder, result, out.getvalue(), err.getvalue())


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of which files are written, not of how well they are learned from."""
    monkeypatch.setattr(demonstration, "FINETUNING", {**demonstration.FINETUNING, "max_steps": 2})


def hashes(folder: Path) -> dict[str, str]:
    return {name: sha256_file(folder / name) for name in FILES}


def test_it_learns_and_says_how_well(finished: Finished) -> None:
    stages = [line for line in finished.err.splitlines() if re.match("[1-5]/5 ", line)]
    assert stages[0].startswith("1/5 texts: 180 docstrings of the 3 largest packages of Python ")
    assert stages[0].endswith("(3 files read, 0 skipped, 0 repeated docstrings left out)")
    assert [stage[:5] for stage in stages[1:]] == ["2/5 v", "3/5 s", "4/5 p", "5/5 f"]
    assert "    dealt out by seed 0: train 135, validation 18, test 27\n" in finished.err
    assert "    to pre-train on: 25 documents of " in finished.err
    assert re.search(r"^    seed 2 of 2, BERT, from random weights: accuracy 0\.\d|1\.0", finished.err, re.MULTILINE)
    assert finished.out.startswith("\nWhich of 3 packages is a docstring from? 27 test texts, never seen before:\n")
    assert re.search(r"^  commonest package +0\.333 +0\.167$", finished.out, re.MULTILINE)
    assert re.search(r"^  naive Bayes +1\.000 +1\.000$", finished.out, re.MULTILINE)
    for arm in (SCRATCH, BERT):
        assert re.search(
            rf"^  {arm} +[01]\.\d{{3}} ± 0\.\d{{3}} +[01]\.\d{{3}} ± 0\.\d{{3}}$", finished.out, re.MULTILINE
        )
    assert finished.result.pretrained["accuracy"] > 0.8


def test_no_text_that_is_tested_on_is_pretrained_on(finished: Finished) -> None:
    corpus = (finished.folder / "corpus.jsonl").read_text(encoding="utf-8")
    lines = {line for row in corpus.splitlines() for line in json.loads(row)["text"].split("\n")}
    seen = {
        name: {json.loads(row)["text"] for row in (finished.folder / file).read_text(encoding="utf-8").splitlines()}
        for name, file in zip(("train", "validation", "test"), DATA, strict=True)
    }
    assert seen["train"] <= lines
    assert not (seen["validation"] | seen["test"]) & lines
    assert {"Apples grow on trees. They fall.", "A module. It is number 7."} <= lines


def test_both_ways_to_begin_differ_in_nothing_else(finished: Finished) -> None:
    def settings(arm: str) -> set[str]:
        lines = (finished.folder / "models" / f"{arm}-1" / "run" / "settings.yaml").read_text().splitlines()
        return {line for line in lines if not line.startswith(("model:", "vocab:", "output_dir:"))}

    assert settings("pretrained") == settings("random")


def test_its_folder_serves_the_commands_that_it_names(finished: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    folder, result = finished.folder, finished.result
    assert result.folder == folder / "models" / "pretrained-0"
    assert result.baselines[BAYES] == {"accuracy": 1.0, "f1_macro": 1.0}
    measured = bertwright.evaluate(model=str(result.folder), test=folder / "data" / "test.jsonl")
    assert measured.metrics["accuracy"] == result.metrics["test"]["accuracy"]
    assert bertwright.load(result.folder).predict("A brown hard 99.")[0].label in WORDS
    assert f" bertwright evaluate --model '{result.folder}' --test '{folder}/data/test.jsonl'\n" in finished.out


class _Parser(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.text = list[str](), ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not {"src", "href", "onload", "onclick"} & dict(attrs).keys()

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_shows_everything_and_loads_nothing(finished: Finished) -> None:
    text = (finished.folder / "index.html").read_text(encoding="utf-8")
    shown = _Parser(text)
    assert not {"script", "link", "img", "iframe", "b"} & set(shown.tags)
    assert shown.tags.count("svg") == 4  # both losses, the accuracy, the learning rate
    assert "default-src 'none'" in text
    accuracy = f"{finished.result.pretrained['accuracy']:.3f} ± "
    for said in (accuracy, "naive Bayes", "unigram entropy", "Return the [MASK] of the list.", "is next", "--model"):
        assert said in shown.text


def test_a_finished_demo_is_shown_again_and_left_as_it_is(
    finished: Finished, capsys: pytest.CaptureFixture[str]
) -> None:
    before, page = hashes(finished.folder), (finished.folder / "index.html").read_text(encoding="utf-8")
    assert bertwright.demo(output_dir=finished.folder, quiet=True) == finished.result
    out, err = capsys.readouterr()
    assert out == finished.out
    assert "1/5" not in err
    assert "is finished already: nothing to do (--overwrite starts anew)" in err
    assert hashes(finished.folder) == before
    assert (finished.folder / "index.html").read_text(encoding="utf-8") == page


def stop_at_7(_: Silent, step: Step) -> None:
    if step.step == 7:
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.usefixtures("short")
def test_an_interrupted_demo_goes_on_with_the_texts_that_it_began_with(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "demo"
    bertwright.demo(output_dir=whole, seed=5, quiet=True)
    with monkeypatch.context() as patch:
        patch.setattr(Silent, "step", stop_at_7)
        stopped = bertwright.demo(output_dir=folder, seed=5, quiet=True)
    assert stopped == Demonstrated(folder / "models" / "pretrained-0", {}, {}, {}, exit_code=143)
    assert capsys.readouterr().out.count("Which of") == 1
    other = shutil.copytree(library, tmp_path / "other")  # from here on this is another Python
    (other / "apples" / "new.py").write_text('"""A red module."""')
    monkeypatch.setattr(demonstration, "get_path", {"stdlib": str(other)}.__getitem__)
    assert bertwright.demo(output_dir=folder, seed=5).exit_code == 0
    assert "going on from the snapshot of step 7\n" in capsys.readouterr().err
    assert hashes(folder) == hashes(whole)
    with pytest.raises(UsageError, match=r"seed was 5, now 6; choose another --output-dir, or start anew with --over"):
        bertwright.demo(output_dir=folder, seed=6, quiet=True)
    assert hashes(folder) == hashes(whole)
    bertwright.demo(output_dir=folder, seed=6, quiet=True, overwrite=True)
    differing = hashes(folder).items() - hashes(whole).items()
    assert {name for name, _ in differing} == set(FILES)


@pytest.mark.usefixtures("short")
def test_a_demo_that_was_stopped_before_it_trained_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(WordPiece, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            bertwright.demo(output_dir=tmp_path, quiet=True)
    with monkeypatch.context() as patch:
        patch.setattr(LiveLine, "show", interrupt_at_a_shard)
        stopped = bertwright.demo(output_dir=tmp_path, quiet=True)
    assert stopped == Demonstrated(tmp_path / "models" / "pretrained-0", {}, {}, {}, exit_code=130)
    assert not (tmp_path / "pretrained").exists()
    told = "stopped by SIGINT: the same command goes on with the shards that are there"
    assert capsys.readouterr().err.splitlines()[-1] == told
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", partial(killed_at_the_vocabulary, shutil.rmtree))
        with pytest.raises(KeyboardInterrupt):
            bertwright.demo(output_dir=tmp_path, quiet=True, overwrite=True)
    assert bertwright.demo(output_dir=tmp_path, quiet=True).exit_code == 0
    assert not list(tmp_path.glob(".tmp-*"))


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def killed_at_the_vocabulary(remove: Callable[[Path], None], folder: Path) -> None:
    """One file of it is gone when it happens."""
    report = folder / "vocabulary_report.json"
    if report.exists():
        report.unlink()
        raise KeyboardInterrupt
    remove(folder)


def interrupt_at_a_shard(_: LiveLine, figures: str) -> None:
    if figures.startswith("1 shards"):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("overwrite", [False, True])
def test_no_file_of_somebody_else_is_written_over(tmp_path: Path, overwrite: bool) -> None:
    theirs = tmp_path / "data" / "train.jsonl"
    theirs.parent.mkdir()
    theirs.write_text("precious")
    with pytest.raises(UsageError, match=r"is not empty and holds no demo: choose another --output-dir$"):
        bertwright.demo(output_dir=tmp_path, overwrite=overwrite)
    assert theirs.read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_two_demos_do_not_share_a_folder(finished: Finished) -> None:
    with lock_folder(finished.folder), pytest.raises(UsageError, match="de mo is in use by process"):
        bertwright.demo(output_dir=finished.folder, overwrite=True)


def numbers(digits: str) -> np.ndarray:
    return np.array([int(digit) for digit in digits])


def contest(truth: str, bert: tuple[str, ...], bayes: str, scratch: tuple[str, ...] | None = None) -> Contest:
    """Answers as strings of label numbers, for the BERTs one for each seed."""
    return Contest(
        data={"test": Path("out/data/test.jsonl")},
        pretrained=Path("out/pretrained"),
        models={BERT: [Path("out/models/pretrained-0")]},
        labels=("email", "http"),
        texts=[f"{'word ' * 40}{place}" for place in range(len(truth))],
        truth=numbers(truth),
        answers={
            COMMONEST: [numbers("1" * len(truth))],
            BAYES: [numbers(bayes)],
            SCRATCH: [numbers(digits) for digits in scratch or bert],
            BERT: [numbers(digits) for digits in bert],
        },
        scores=[0.5 + place / 100 for place in range(len(truth))],
    )


def flat_report(shown: Contest) -> str:
    return " ".join(shown.report(Path("out/index.html")).split())


GOOD, FAIR, POOR = "0" * 40, "0" * 36 + "1" * 4, "0" * 30 + "1" * 10


@pytest.mark.parametrize(
    ("bert", "scratch", "verdict"),
    [
        ((GOOD, FAIR, GOOD), (POOR, POOR, POOR), "Pre-training gained 21.7 ± 5.8 points of accuracy (mean ± standard"),
        ((POOR, POOR, POOR), (GOOD, FAIR, GOOD), "Pre-training cost 21.7 ± 5.8 points of accuracy (mean ± standard"),
        ((GOOD, POOR, FAIR), (FAIR, FAIR, FAIR), "made no difference that is larger than chance: -1.7 ± 12.6 points."),
        ((GOOD, GOOD, GOOD), (GOOD, GOOD, GOOD), "made no difference that is larger than chance: +0.0 ± 0.0 points."),
    ],
)
def test_the_gain_is_what_was_measured(bert: tuple[str, ...], scratch: tuple[str, ...], verdict: str) -> None:
    assert verdict in flat_report(contest(GOOD, bert, FAIR, scratch))


@pytest.mark.parametrize(("bayes", "place"), [(POOR, "15.0 points ahead of"), (GOOD, "10.0 points behind")])
def test_naive_bayes_is_named_too(bayes: str, place: str) -> None:
    assert f"The pre-trained BERT is {place} naive Bayes" in flat_report(contest(GOOD, (FAIR, FAIR), bayes))


def test_all_are_measured_alike() -> None:
    tried = contest("0011", ("0001", "0011"), "0000")
    assert tried.figures(BERT) == {"accuracy": 0.875, "f1_macro": pytest.approx(((0.8 + 2 / 3) / 2 + 1) / 2)}
    assert tried.spread(BERT) == pytest.approx({"accuracy": 0.125 * 2**0.5, "f1_macro": 0.188562}, rel=1e-5)
    by_chance = {"accuracy": 0.5, "f1_macro": pytest.approx(1 / 3)}
    assert tried.baselines() == {COMMONEST: by_chance, BAYES: by_chance, SCRATCH: tried.figures(BERT)}


def test_texts_that_name_their_package_are_counted_apart() -> None:
    some = replace(contest("0011", ("1011",) * 2, "0000"), texts=["An Email.", "emails", "of email", "https or HTTP"])
    told = "2 of the test texts name their package; the pre-trained BERT's accuracy is 0.500 on these and 1.000 on the"
    assert told in flat_report(some)
    assert "left out: 0 of the test texts name their package." in flat_report(contest("01", ("01",) * 2, "01"))


def test_the_first_right_and_wrong_answers_are_shown() -> None:
    report = contest("010101010", ("011101100",) * 2, "000000000").report(Path("out/index.html"))
    right, wrong = (report.partition(title)[2].splitlines()[1:4] for title in ("right answers", "wrong ones"))
    assert [line.partition(":")[0] for line in right] == ["  0.50 email", "  0.51 http", "  0.53 http"]
    told = [line.partition(":")[0] for line in wrong]
    assert told == ["  0.52 http, not email", "  0.56 http, not email", "  0.57 email, not http"]
    assert {len(line) <= 100 and line.endswith("word ...") for line in [*right, *wrong]} == {True}


def test_the_command_is_the_function(finished: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--output-dir", str(finished.folder), "--quiet"]) == 0
    assert capsys.readouterr().out == finished.out
