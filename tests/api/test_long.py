"""`--long`: what stands beyond the head is learned from, and the folder reads texts as it was trained to."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from small import FILLERS, QUICK, WORDS, json_lines, rows, write_bert

import bertwright
from bertwright.api import doctor, evaluate, predict
from bertwright.errors import DataError, UsageError

KINDS = ("animal", "plant")
STEPS = {"head": 50, "head+tail": 50, "window": 5}
Train = Callable[..., Path]


def late_csv(path: Path, count: int, seed: int) -> Path:
    """Texts of 18 to 30 words of which the last tells the label."""
    draw = random.Random(seed)
    lines = ["text,label"]
    for row in range(count):
        label = KINDS[row % 2]
        lines.append(
            " ".join([*draw.choices(FILLERS, k=draw.randint(17, 29)), draw.choice(WORDS[label])]) + f",{label}"
        )
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """The folder of a model that was trained in a way, made once; its validation file is `dev.csv` beside it."""
    done: dict[str, Path] = {}
    model = write_bert(tmp_path_factory.mktemp("model"), initializer_range=0.1)

    def train(long: str) -> Path:
        if long not in done:
            folder = tmp_path_factory.mktemp("long")
            bertwright.finetune(
                model=str(model),
                train=late_csv(folder / "train.csv", 80, 0),
                validation=late_csv(folder / "dev.csv", 30, 1),
                output_dir=folder / "out",
                long=long,
                dropout=0.0,
                **QUICK | {"max_steps": STEPS[long], "max_length": 12, "learning_rate": 0.003, "batch_size": 16},
            )
            done[long] = folder / "out"
        return done[long]

    return train


def test_what_stands_at_the_end_is_learned_only_where_it_is_read(trained: Train):
    accuracy = {
        long: json.loads((trained(long) / "run" / "metrics.json").read_text())["validation"]["accuracy"]
        for long in ("head", "head+tail")
    }
    assert accuracy["head"] < 0.7
    assert accuracy["head+tail"] > 0.9


@pytest.mark.parametrize("long", ["head+tail", "window"])
def test_the_folder_reads_texts_as_in_training(trained: Train, long: str, tmp_path: Path):
    """Through evaluate, predict and Python; nothing has to be said again."""
    folder = trained(long)
    test, figures = folder.parent / "dev.csv", tmp_path / "figures"
    measured = evaluate(model=str(folder), test=test, output_dir=figures, bootstrap_draws=0, quiet=True)
    assert measured.metrics == json.loads((folder / "run" / "metrics.json").read_text())["validation"]
    known = json_lines(figures / "predictions.test.jsonl")
    predict(model=str(folder), input=str(test), output=str(tmp_path / "answers.jsonl"), quiet=True)
    answers = json_lines(tmp_path / "answers.jsonl")
    assert [{name: line[name] for name in answers[0]} for line in known] == answers
    texts = [str(line["text"]) for line in known]
    in_python = [answer.to_dict() for answer in bertwright.load(folder).predict(texts)]
    assert [{"line": line} | answer for line, answer in enumerate(in_python, start=2)] == answers
    loaded = [bertwright.load(folder, batch_tokens=tokens) for tokens in (12, 999)]
    scores = [[answer.scores["plant"] for answer in each.predict(texts)] for each in loaded]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)
    assert {line["truncated"] for line in known} == {long == "head+tail"}


@pytest.mark.parametrize(("long", "cuts"), [("head+tail", True), ("window", False)])
def test_what_is_said_of_long_texts(
    inputs: Path, tmp_path: Path, long: str, cuts: bool, capsys: pytest.CaptureFixture[str]
):
    train = late_csv(tmp_path / "train.csv", 80, 0)
    given = {"model": str(inputs / "model"), "train": train, "long": long, **QUICK, "max_length": 12, "max_steps": 1}
    bertwright.finetune(output_dir=tmp_path / "out", **given)
    warnings = capsys.readouterr().err
    assert "lose their end" not in warnings
    longest = max(len(line.split(",")[0].split()) for line in train.read_text().splitlines()) + 2
    assert ("longer than" in warnings) == cuts
    assert (f"are longer than 12 tokens and lose their middle; the longest has {longest}" in warnings) == cuts
    said = "longer ones lose their middle" if cuts else "longer ones go through overlapping windows"
    assert said in (tmp_path / "out" / "README.md").read_text()
    findings = doctor(**given, test=train).findings
    found = {finding.check: finding for finding in findings}
    roles = [finding.text.partition(":")[0] for finding in findings if finding.check == "cut-texts"]
    assert roles == (["train", "test"] if cuts else [])
    assert ("cut-texts" in found, "windows" in found) == (cuts, not cuts)
    told = found["cut-texts" if cuts else "windows"].text
    cut = f"and lose their middle; the longest has {longest}"
    assert (cut if cuts else "12 tokens and go through overlapping windows") in told


def test_window_on_texts_that_fit_is_head(inputs: Path, tmp_path: Path):
    """The same weights and figures, to the last bit."""
    for long in ("head", "window"):
        bertwright.finetune(
            model=str(inputs / "model"), train=inputs / "train.csv", output_dir=tmp_path / long, long=long, **QUICK
        )
    weights = [(tmp_path / long / "model.safetensors").read_bytes() for long in ("head", "window")]
    assert weights[0] == weights[1]
    metrics = [(tmp_path / long / "run" / "metrics.json").read_text() for long in ("head", "window")]
    assert metrics[0] == metrics[1]
    (tmp_path / "pairs.csv").write_text("sentence1,sentence2\nthe cat,a dog\n")
    with pytest.raises(DataError, match=r"pairs\.csv: pairs of texts, but the model is of single ones: name"):
        bertwright.predict(
            model=str(tmp_path / "window"), input=str(tmp_path / "pairs.csv"), output=str(tmp_path / "answers.jsonl")
        )


def test_windows_are_for_texts(inputs: Path, tmp_path: Path):
    (tmp_path / "choices.jsonl").write_text('{"context": "a", "choices": ["cat", "oak"], "label": 0}\n' * 20)
    given = {"model": str(inputs / "model"), "output_dir": tmp_path / "out", **QUICK}
    with pytest.raises(UsageError, match=r"^long is for classification, multilabel and regression, and the task is c"):
        bertwright.finetune(train=tmp_path / "choices.jsonl", long="window", **given)
    pairs = [f"{row['text']},an oak,{row['label']}\n" for row in rows(40)]
    (tmp_path / "pairs.csv").write_text("".join(["text,text_pair,label\n", *pairs]))
    with pytest.raises(UsageError, match=r"pairs\.csv: long = window is for single texts, and these are pairs: head"):
        bertwright.finetune(train=tmp_path / "pairs.csv", long="window", **given)
