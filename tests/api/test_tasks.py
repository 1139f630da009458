"""Every task from a file to answers: train, test, go on where it was killed, evaluate, predict, load."""

import io
import json
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from small import QUICK, WORDS, json_lines, log_of, rows

import bertwright
from bertwright.api import evaluate, predict
from bertwright.api.training_sets import TrainingSets
from bertwright.errors import BertwrightError
from bertwright.model.config import BertConfig
from bertwright.settings import FinetuneSettings

Write = Callable[[Path, int], Path]


def multilabel(folder: Path, seed: int) -> Path:
    path = folder / f"labels{seed}.jsonl"
    made = [
        {"text": row["text"], "labels": [row["label"]] * (place % 5 > 0)}
        for place, row in enumerate(rows(40, seed=seed))
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    return path


def regression(folder: Path, seed: int) -> Path:
    path = folder / f"scores{seed}.csv"
    path.write_text("text,score\n" + "".join(f"{row['text']},{len(row['text']) / 8}\n" for row in rows(40, seed=seed)))
    return path


def tagging(folder: Path, seed: int) -> Path:
    path = folder / f"tags{seed}.conll"
    kinds = {word: kind for kind, words in WORDS.items() for word in words}
    lines = [
        "".join(f"{word} {'B-' + kinds[word] if word in kinds else 'O'}\n" for word in row["text"].split() * 3)
        for row in rows(40, seed=seed)
    ]
    path.write_text("\n".join(lines))
    return path


def qa(folder: Path, seed: int) -> Path:
    path = folder / f"questions{seed}.jsonl"
    made = []
    for place, row in enumerate(rows(40, seed=seed)):
        word = row["text"].split()[-1]
        found = (
            {"text": [word], "answer_start": [row["text"].rindex(word)]}
            if place % 4
            else {"text": [], "answer_start": []}
        )
        made.append({"id": str(place), "question": "the old", "context": row["text"], "answers": found})
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    return path


def choice(folder: Path, seed: int) -> Path:
    path = folder / f"choices{seed}.jsonl"
    made = [
        {"context": row["text"], "choices": ["cat", "oak", "saw"][: 2 + place % 2], "label": place % 2}
        for place, row in enumerate(rows(40, seed=seed))
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    return path


KINDS: dict[str, tuple[Write, str, tuple[Any, ...]]] = {
    "multilabel": (multilabel, "BertForSequenceClassification", (["a cat"],)),
    "regression": (regression, "BertForSequenceClassification", (["a cat"],)),
    "tagging": (tagging, "BertForTokenClassification", (["a cat and the old oak"],)),
    "qa": (qa, "BertForQuestionAnswering", (["the old"], ["a cat and a dog"])),
    "choice": (choice, "BertForMultipleChoice", (["a cat"], [["dog", "oak"]])),
}


@pytest.fixture(scope="module")
def made(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """The folder of a model for a task, and its test file; each made once."""
    done: dict[str, tuple[Path, Path]] = {}

    def make(task: str) -> tuple[Path, Path]:
        if task not in done:
            folder = tmp_path_factory.mktemp(task)
            write, _, _ = KINDS[task]
            test = write(folder, 1)
            files = {"train": write(folder, 0), "test": test}
            bertwright.finetune(model=str(inputs / "model"), output_dir=folder / "out", **files, **QUICK)
            done[task] = folder / "out", test
        return done[task]

    return make


@pytest.mark.parametrize("task", KINDS)
def test_from_a_file_to_a_folder(task: str, made: Callable[[str], tuple[Path, Path]]):
    """The task is guessed; the folder says it, in Hugging Face's way; test figures are in metrics.json."""
    folder, test = made(task)
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == [KINDS[task][1]]
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    loaded = bertwright.load(folder)
    assert loaded.task.name == task
    assert set(loaded.task.metrics) <= metrics["test"].keys() == metrics["validation"].keys() | metrics["test"].keys()
    lines = json_lines(folder / "run" / "predictions.test.jsonl")
    assert len(lines) == 40
    assert any(name.startswith("true_") for name in lines[0])
    card = (folder / "README.md").read_text()
    assert "pipeline_tag: " in card
    del test


@pytest.mark.parametrize("task", KINDS)
def test_evaluate_gives_the_same_figures(task: str, made: Callable[[str], tuple[Path, Path]], tmp_path: Path):
    folder, test = made(task)
    measured = evaluate(model=str(folder), test=test, output_dir=tmp_path / "figures", quiet=True)
    assert measured.metrics == json.loads((folder / "run" / "metrics.json").read_text())["test"]
    same = json_lines(folder / "run" / "predictions.test.jsonl")
    assert json_lines(tmp_path / "figures" / "predictions.test.jsonl") == same


@pytest.mark.parametrize("task", KINDS)
def test_predict_answers_every_row(task: str, made: Callable[[str], tuple[Path, Path]], tmp_path: Path):
    """From a file and from memory; the answers are those that evaluation wrote."""
    folder, test = made(task)
    predict(model=str(folder), input=str(test), output=str(tmp_path / "answers.jsonl"), quiet=True)
    answers = json_lines(tmp_path / "answers.jsonl")
    known = json_lines(folder / "run" / "predictions.test.jsonl")
    for answer, line in zip(answers, known, strict=True):
        assert {name: line[name] for name in answer} == answer
    (answer,) = bertwright.load(folder).predict(*KINDS[task][2])
    assert {"line", *answer.to_dict()} == answers[0].keys()


@pytest.mark.parametrize("task", KINDS)
def test_standard_input_is_answered_like_a_file(
    task: str, made: Callable[[str], tuple[Path, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Texts one a line; questions as JSON lines; what is neither is said in one line."""
    folder, test = made(task)
    known = json_lines(folder / "run" / "predictions.test.jsonl")
    asked = test.read_bytes() if test.suffix == ".jsonl" else "\n".join(row["text"] for row in known).encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(asked)))
    predict(model=str(folder), input="-", output=str(tmp_path / "answers.jsonl"), quiet=True)
    for number, (answer, line) in enumerate(zip(json_lines(tmp_path / "answers.jsonl"), known, strict=True), 1):
        assert {**{name: line[name] for name in answer}, "line": number} == answer
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"nothing": 1}\n')))
    with pytest.raises(BertwrightError, match=r"^standard input: .*'nothing'"):
        predict(model=str(folder), input="-", output=str(tmp_path / "none.jsonl"), quiet=True)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(BertwrightError, match=r"^standard input: there are no (texts|rows) in it$"):
        predict(model=str(folder), input="-", output=str(tmp_path / "none.jsonl"), quiet=True)
    assert not (tmp_path / "none.jsonl").exists()


@pytest.mark.parametrize("task", KINDS)
def test_neighbours_never_matter(task: str, made: Callable[[str], tuple[Path, Path]], tmp_path: Path):
    """The same answers whatever shares a batch."""
    folder, test = made(task)
    for tokens in (16, 900):
        predict(
            model=str(folder),
            input=str(test),
            output=str(tmp_path / f"{tokens}.jsonl"),
            batch_tokens=tokens,
            quiet=True,
        )
    one, other = (json_lines(tmp_path / f"{tokens}.jsonl") for tokens in (16, 900))
    numbers = [list(_numbers(lines)) for lines in (one, other)]
    assert numbers[0] == pytest.approx(numbers[1], abs=1e-5)


@pytest.mark.parametrize("task", KINDS)
def test_accumulation_changes_nothing(task: str, inputs: Path, tmp_path: Path):
    """A batch in one part and in three: the same losses, to the last digits of fp32."""
    train = KINDS[task][0](tmp_path, 0)
    losses = []
    for parts in (1, 3):
        out = tmp_path / f"out{parts}"
        bertwright.finetune(
            model=str(inputs / "model"), train=train, output_dir=out, gradient_accumulation=parts, dropout=0.0, **QUICK
        )
        lines = [json.loads(line) for line in (out / "run" / "log.jsonl").read_text().splitlines()]
        losses.append([line["loss"] for line in lines if "split" not in line])
    assert losses[0] == pytest.approx(losses[1], rel=2e-5)


def test_answers_by_id_are_written_for_the_official_scripts(made: Callable[[str], tuple[Path, Path]]):
    folder, _ = made("qa")
    lines = json_lines(folder / "run" / "predictions.test.jsonl")
    official = json.loads((folder / "run" / "predictions.test.json").read_text())
    assert official == {line["id"]: line["answer"] for line in lines}


def test_questions_that_nobody_has_answered_are_answered_in_that_form_too(
    made: Callable[[str], tuple[Path, Path]], tmp_path: Path
):
    folder, test = made("qa")
    asked = [{name: row[name] for name in ("id", "question", "context")} for row in json_lines(test)]
    (tmp_path / "asked.jsonl").write_text("\n".join(map(json.dumps, asked)))
    predict(model=str(folder), input=str(tmp_path / "asked.jsonl"), output=str(tmp_path / "answers.json"), quiet=True)
    official = json.loads((folder / "run" / "predictions.test.json").read_text())
    assert json.loads((tmp_path / "answers.json").read_text()) == official


def test_questions_that_lose_their_end_are_said_to_by_the_limit_that_cuts_them(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Whatever is said of them is of questions alone, in training, evaluation and prediction."""
    train, test = qa(tmp_path, 0), qa(tmp_path, 1)
    for path, many in ((train, 9), (test, 2)):
        made = json_lines(path)
        longer = [row | {"question": "the old dog and the cat"} for row in made[:many]]
        path.write_text("".join(json.dumps(row) + "\n" for row in longer + made[many:]))
    out = tmp_path / "out"
    given = {**QUICK, "max_steps": 1, "quiet": True, "max_question_length": 4}
    bertwright.finetune(model=str(inputs / "model"), train=train, validation=train, test=test, output_dir=out, **given)
    bertwright.evaluate(model=str(out), test=test, quiet=True)
    predict(model=str(out), input=str(test), output=str(tmp_path / "answers.jsonl"), quiet=True)
    told = [line for line in capsys.readouterr().err.splitlines() if "longer than" in line]
    cut, lost = "9 of 40 questions (22.5%)", "are longer than 4 tokens and lose their end"
    lines = ", ".join(f"{train}:{place + 1} '{place}'" for place in range(5))
    marks = f"the longest has 6 ({lines})"
    advice = "--max-question-length 6 would keep them whole, for more time and memory"
    assert told == [
        f"warning: train: {cut} {lost}; {marks}; {advice}",
        f"warning: validation: {cut} {lost}; {marks}; {advice}",
        f"warning: test: 2 of 40 questions {lost}",
        f"warning: {test}: 2 of 40 questions {lost}",
        f"warning: {test}: 2 of 40 questions {lost}",
    ]
    assert "In 2 of 40 rows something was longer than the model reads" in (out / "run" / "report.html").read_text()
    assert BertConfig.from_file(out / "config.json").task["max_question_length"] == 4


def test_a_metric_of_another_task_is_refused(inputs: Path, tmp_path: Path):
    with pytest.raises(
        bertwright.UsageError, match=r"^best_metric = 'accuracy': for regression it can be pearson, spearman"
    ):
        bertwright.finetune(
            model=str(inputs / "model"),
            train=regression(tmp_path, 0),
            output_dir=tmp_path / "out",
            best_metric="accuracy",
            **QUICK,
        )


def test_thresholds_can_be_left_alone(inputs: Path, tmp_path: Path):
    """Then every label has 0.5, and the folder is that of the same weights."""
    train = multilabel(tmp_path, 0)
    for tune in (True, False):
        bertwright.finetune(
            model=str(inputs / "model"), train=train, output_dir=tmp_path / str(tune), tune_thresholds=tune, **QUICK
        )
    configs = [BertConfig.from_file(tmp_path / str(tune) / "config.json") for tune in (True, False)]
    assert set(configs[1].task["thresholds"]) == {0.5}
    assert set(configs[0].task["thresholds"]) != {0.5}
    weights = [(tmp_path / str(tune) / "model.safetensors").read_bytes() for tune in (True, False)]
    assert weights[0] == weights[1]


@pytest.mark.parametrize("task", ["multilabel", "qa"])
def test_the_model_is_chosen_by_the_figures_that_are_published(task: str, inputs: Path, tmp_path: Path):
    """What is tuned on the validation set is tuned at each evaluation."""
    write, *_ = KINDS[task]
    files = {"train": write(tmp_path, 0), "validation": write(tmp_path, 1), "eval_steps": 2, **QUICK}
    logged = {}
    for tune in (True, False):
        made = bertwright.finetune(
            model=str(inputs / "model"), output_dir=tmp_path / str(tune), tune_thresholds=tune, **files
        )
        logged[tune] = {line["step"]: line[made.metric] for line in log_of(made.folder) if "split" in line}
        found = evaluate(model=str(made.folder), test=files["validation"], quiet=True).metrics[made.metric]
        assert found == made.metrics["validation"][made.metric] == logged[tune][made.best_step]
        assert found == max(logged[tune].values())
    assert all(logged[True][step] >= plain for step, plain in logged[False].items())
    assert logged[True] != logged[False]


def _numbers(value: Any) -> Any:
    """All numbers in JSON values, in their order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, float) and not isinstance(value, bool):
        yield value


def test_equal_texts_stay_on_one_side_of_a_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    train = tmp_path / "train.csv"
    rows = [f"the cat {row % 50},{'ab'[row % 2]}\nThe  CAT {row % 50},b\n" for row in range(100)]
    train.write_text("text,label\n" + "".join(rows))
    settings = FinetuneSettings.create({"model": "m", "train": train, "output_dir": tmp_path, "quiet": True})
    sets = TrainingSets.read(settings, tmp_path)
    texts = [{" ".join(row.text.lower().split()) for row in rows} for rows in (sets.train, sets.validation)]
    assert not texts[0] & texts[1]
    assert len(sets.validation) == 20, "five of fifty texts, four times each"
    assert "have a text that train has" not in capsys.readouterr().err


@pytest.mark.parametrize("task", ["multilabel", "tagging"])
def test_what_is_split_off_has_no_label_of_its_own(task: str, tmp_path: Path):
    """Of labels that stand once, beside others, about ten would be drawn into the validation set."""
    train = tmp_path / "train.jsonl"
    made = [{"text": f"cat {row}", "labels": ["x", f"rare{row}"]} for row in range(100)]
    if task == "tagging":
        made = [{"tokens": [f"cat{row}", "hen"], "ner_tags": ["B-x", f"B-rare{row}"]} for row in range(50)]
        made += [{"tokens": [f"dog{row}", "hen"], "ner_tags": ["B-x", "O"]} for row in range(50)]
    else:
        made += [{"text": f"dog {row}", "labels": ["x"]} for row in range(20)]
    train.write_text("".join(json.dumps(row) + "\n" for row in made))
    settings = FinetuneSettings.create({"model": "m", "train": train, "output_dir": tmp_path, "quiet": True})
    sets = TrainingSets.read(settings, tmp_path)
    assert len(sets.train) + len(sets.validation) == len(made)
    assert 1 <= len(sets.validation) < len(made) / 10


def test_tagging_with_a_crf(inputs: Path, tmp_path: Path):
    """Learned, kept in the folder, taken over by the next training; the same answers through every door."""
    train, out = tagging(tmp_path, 0), tmp_path / "out"
    given = {"train": train, "crf": True, **QUICK, "max_steps": 6}
    bertwright.finetune(model=str(inputs / "model"), output_dir=out, gradient_accumulation=2, **given)
    crf = load_file(out / "model.safetensors")["crf.transitions"]
    assert crf.shape == (7, 7)
    assert crf.abs().min() > 0  # learned
    kept = json.loads((out / "run" / "metrics.json").read_text())["validation"]
    measured = evaluate(model=str(out), test=tagging(tmp_path, 1), output_dir=tmp_path / "m", bootstrap_draws=0)
    assert measured.metrics.keys() == kept.keys()
    known = json_lines(tmp_path / "m" / "predictions.test.jsonl")
    predict(model=str(out), input=str(tmp_path / "tags1.conll"), output=str(tmp_path / "a.jsonl"), quiet=True)
    answers = json_lines(tmp_path / "a.jsonl")
    assert [{name: line[name] for name in answers[0]} for line in known] == answers
    bertwright.finetune(model=str(out), output_dir=tmp_path / "next", **given | {"learning_rate": 1e-30})
    assert torch.equal(load_file(tmp_path / "next" / "model.safetensors")["crf.transitions"], crf)
    bertwright.finetune(model=str(out), output_dir=tmp_path / "plain", **given | {"crf": False})
    assert not [name for name in load_file(tmp_path / "plain" / "model.safetensors") if name.startswith("crf.")]
    (tmp_path / "tags0.conll").write_text((tmp_path / "tags0.conll").read_text().replace("B-animal", "B-beast"))
    told = bertwright.finetune(model=str(out), output_dir=tmp_path / "other", **given | {"learning_rate": 1e-30})
    fresh = load_file(told.folder / "model.safetensors")["crf.transitions"]
    assert fresh.abs().max() < 1e-20  # of other tags: not taken over


def test_what_reading_brought_up_is_kept_and_said_once(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    train, out = tmp_path / "train.json", tmp_path / "out"
    texts = [f"the cat {n} and the cat" for n in range(16)]
    asks = [[{"query_id": text, "query_text": "what", "answers": ["cat"]}] for text in texts]
    content = [
        {"context_id": text, "context_text": text, "qas": asked} for text, asked in zip(texts, asks, strict=True)
    ]
    train.write_text(json.dumps(content))
    given = {"model": str(inputs / "model"), "train": train, "output_dir": out, **QUICK, "max_steps": 1}
    bertwright.finetune(**given)
    said = (
        "answers without answer_start that stand more than once in their contexts, and are taken from the first place: "
        "16 (questions 'the cat 0 and the cat', 'the cat 1 and the cat', 'the cat 2 and the cat', "
        "'the cat 3 and the cat', 'the cat 4 and the cat', …); give the right place with answer_start"
    )
    err = capsys.readouterr().err
    assert err.count(f"warning: {train}: {said}\n") == 1
    assert f"validation set split off {train}: 10% of the contexts, seed 0\n" in err
    assert "newly initialised" in err
    found = json.loads((out / "run" / "findings.json").read_text())["findings"]
    assert [entry["check"] for entry in found if entry["text"] == f"{train}: {said}"] == ["reading"]
    page = (out / "run" / "report.html").read_text()
    assert unescape(page).count(said) == 1
    assert "Nothing stood out" not in page
    (out / "run" / "finished.json").unlink()
    bertwright.finetune(**given)
    assert said not in capsys.readouterr().err
    (tmp_path / "asked.jsonl").write_text('{"question": "what", "context": "the cat"}\n')
    predict(model=str(out), input=str(tmp_path / "asked.jsonl"), output=str(tmp_path / "answers.jsonl"))
    assert "\n1 question answered\n" in capsys.readouterr().err
