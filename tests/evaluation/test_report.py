"""Reports of runs that are written by hand: what they show, what they leave out, how large they become."""

import ast
import json
import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_html import Read

from bertwright.errors import BertwrightError
from bertwright.evaluation.report.chinese import CHINESE
from bertwright.evaluation.report.english import ENGLISH
from bertwright.evaluation.report.marked import Mark, joined, marked, word_places
from bertwright.evaluation.report.record import RunRecord
from bertwright.evaluation.report.study import history
from bertwright.evaluation.report.whole import report
from bertwright.evaluation.report.words import Words
from bertwright.flags import parse
from bertwright.settings import FinetuneSettings
from bertwright.settings.command import chosen, flags
from bertwright.tasks.suspicions import SENTENCES, Suspicion

SOURCES = Path(__file__).resolve().parents[2] / "src" / "bertwright" / "evaluation" / "report"


def run_folder(folder: Path, metrics: Mapping[str, Any] | str, **settings: Any) -> Path:
    """What `finetune` leaves, as far as a report needs it."""
    run = folder / "run"
    run.mkdir(parents=True)
    given: dict[str, Any] = {"model": "bert", "train": "train.csv", "output_dir": "out", "test": "test.csv"} | settings
    (run / "settings.yaml").write_text(FinetuneSettings.create(given).to_yaml())
    (run / "metrics.json").write_text(metrics if isinstance(metrics, str) else json.dumps(metrics))
    return folder


def shown(folder: Path, language: Any = "en") -> str:
    return report(RunRecord.read(folder), Words(language))


def text(folder: Path) -> str:
    return " ".join(" ".join(Read(shown(folder)).parts).split())


# ---- words


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def test_both_languages_say_the_same() -> None:
    assert list(ENGLISH) == list(CHINESE)
    assert {key: fields(words) for key, words in ENGLISH.items()} == {
        key: fields(words) for key, words in CHINESE.items()
    }
    assert [key for key, words in CHINESE.items() if words == ENGLISH[key] and words.strip() and len(words) > 1] == []


def test_every_word_is_used_and_known() -> None:
    """Keys stand in the source as they are, or as f"kind_{...}"."""
    strings, beginnings = set(), {"title_"}
    for path in SOURCES.glob("*.py"):
        if path.name in ("english.py", "chinese.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                strings.add(node.value)
            elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                beginnings.add(str(node.values[0].value))
    unused = [key for key in ENGLISH if key not in strings and not any(key.startswith(each) for each in beginnings)]
    assert unused == []
    calls = re.findall(r'\bwords\(\s*"(\w+)"', "".join(path.read_text("utf-8") for path in SOURCES.glob("*.py")))
    assert set(calls) - ENGLISH.keys() == set()


# ---- the command


NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "columns": st.lists(NAMES.filter(lambda name: name[0] != "-"), min_size=1, max_size=3),
        "text_column": NAMES,
        "learning_rate": st.floats(1e-9, 1.0),
        "epochs": st.integers(1, 99),
        "quiet": st.booleans(),
        "tune_thresholds": st.booleans(),
        "quoting": st.booleans(),
        "lang": st.sampled_from(["en", "zh"]),
        "seed": st.integers(0, 99),
    },
)


@settings(max_examples=30)
@given(CHANGES)
def test_the_command_gives_the_same_settings(changes: dict[str, Any]) -> None:
    given_: dict[str, Any] = {"model": "b e'r\"t", "train": "-x.csv", "output_dir": "$(out)"}
    wanted = FinetuneSettings.create(given_ | changes)
    values = wanted.model_dump(mode="json")
    assert FinetuneSettings.create(parse(FinetuneSettings, flags(FinetuneSettings, values))) == wanted
    defaults = FinetuneSettings.create(given_).model_dump(mode="json")
    assert chosen(FinetuneSettings, values).keys() == given_.keys() | {
        name for name in values if values[name] != defaults[name]
    }


# ---- marked texts


@given(
    st.text("ab <\n", max_size=60),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.sampled_from(["gold", "said"])), max_size=4),
)
def test_marks_change_no_text(words: str, spans: list[tuple[int, int, str]]) -> None:
    marks = [Mark(*sorted(span[:2]), span[2]) for span in spans]
    assert Read(marked(words, marks).replace("<br>", "\n")).text == words
    covered = {place for mark in marks for place in range(mark.start, min(mark.stop, len(words)))}
    inside = re.findall(r"<mark[^>]*>(.*?)</mark>", marked(words, marks), re.DOTALL)
    plain = "".join(words[place] for place in sorted(covered))
    assert "".join(inside).replace("<br>", "").replace("&lt;", "<") == plain.replace("\n", "")


def test_a_long_text_is_shown_around_its_marks() -> None:
    words = "word " * 1000
    read = Read(marked(words, [Mark(2502, 2507, "gold")])).text  # 240 characters before it is the middle of a word
    assert read.startswith("… word word")
    assert read.endswith("…")
    assert 400 < len(read) < 520
    assert len(Read(marked(words * 9, [Mark(0, 4, "gold"), Mark(30_000, 30_004, "said")])).text) < 1700


def test_parts_and_words_find_their_places() -> None:
    assert joined([(5, 9), (0, 3), (2, 4), (9, 12)]) == [(0, 4), (5, 12)]
    assert list(word_places("a b a", ["a", "b", "a"])) == [(0, 1), (2, 3), (4, 5)]
    assert list(word_places("a b…", ["a", "b", "lost"])) == [(0, 1), (2, 3), (4, 4)]


# ---- whole reports


def of_classes(count: int) -> dict[str, Any]:
    """Figures of a classifier with so many labels, each mistaken for the next one now and then."""
    labels = [f"label {number} {'x' * 500}" for number in range(count)]
    matrix = [
        [9 * (row == column) + number * (column == row + 1) for column in range(count)]
        for number, row in enumerate(range(count))
    ]
    figures = {"precision": 0.5, "recall": 0.5, "f1": 0.5}
    worst = [
        {"line": n, "loss": 9.0, "texts": ["y" * 5000], "true_label": labels[0], "predicted": {"label": labels[1]}}
        for n in range(20)
    ]
    return {
        "task": "classification",
        "test": {"accuracy": 0.5, "f1_macro": 0.25},
        "intervals": {"test": {"accuracy": [0.4, 0.6]}},
        "rows": {"test": 100_000},
        "details": {
            "test": {
                "labels": labels,
                "per_class": {label: {**figures, "support": n} for n, label in enumerate(labels)},
                "confusion_matrix": matrix,
                "worst": worst,
            }
        },
    }


def test_many_labels_make_no_large_page(tmp_path: Path) -> None:
    page = shown(run_folder(tmp_path, of_classes(130)))
    assert len(page) < 500_000
    assert "The 20 commonest of 130; metrics.json has all." in page
    assert "The 100 commonest of 130; metrics.json has all." in page
    assert len(re.findall(r'<td class="n (?:hit|miss)', page)) == 400
    pairs = re.search("Mistaken most</h3>(.*?)</table>", page, re.DOTALL)
    assert pairs is not None
    assert re.findall(r'<td class="n">(\d+)</td>', pairs[1]) == [str(128 - n) for n in range(15)]


def test_what_was_said_before_and_what_has_to_be_beaten(tmp_path: Path) -> None:
    said = text(run_folder(tmp_path, of_classes(2)))
    assert "accuracy 0.5000 0.400 – 0.600" in said
    assert "Measured on 100,000 rows of test.csv (test)." in said
    assert "Who always says “label 0 " in said


def test_what_is_odd_about_the_answers_is_said_in_the_language_of_the_page(tmp_path: Path) -> None:
    odd = Suspicion("one_label", {"count": 60, "label": "a {x}"}).to_dict()
    folder = run_folder(tmp_path, of_classes(2) | {"suspicions": {"test": [odd]}})
    english, chinese = (" ".join(Read(shown(folder, language)).parts) for language in ("en", "zh"))
    assert odd["text"] == "the model gives all 60 texts the label 'a {x}': it tells nothing apart"
    assert odd["text"] in english
    assert "模型给全部 60 条文本同一个标签“a {x}”：什么也没有区分开" in chinese
    assert odd["text"] not in chinese


def test_every_oddity_has_its_words() -> None:
    beginning = "odd_"
    assert {key.removeprefix(beginning) for key in CHINESE if key.startswith(beginning)} == SENTENCES.keys()


def test_the_device_is_named_in_the_language_of_the_page(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, of_classes(2))
    compute = {"device": "CPU", "threads": 8, "precision": "bf16"}
    (folder / "run" / "environment.json").write_text(json.dumps(compute), encoding="utf-8")
    said = " ".join(Read(shown(folder, "zh")).parts)
    assert "设备 CPU 线程数 8 精度 bf16" in said


def test_a_run_without_a_test_says_so(tmp_path: Path) -> None:
    metrics = {
        "task": "classification",
        "validation": {"accuracy": 0.75},
        "intervals": {},
        "details": {},
        "best_step": 3,
    }
    folder = run_folder(tmp_path, metrics, test=None)
    said = text(folder)
    assert "Nothing was tested: all figures here are of the validation set" in said
    assert "accuracy 0.7500" in said
    assert "没有测试" in shown(folder, "zh")
    assert "Nothing was tested" not in text(run_folder(tmp_path / "tested", of_classes(2)))


def test_seeds_are_beside_each_other(tmp_path: Path) -> None:
    runs = [
        {"seed": n, "best_step": 4, "validation": {"accuracy": 0.5 + n / 8}, "test": {"accuracy": 0.25}} for n in (0, 1)
    ]
    of = {"validation": {"accuracy": 0.5625}, "test": {"accuracy": 0.25}}
    seeds = {
        "metric": "accuracy",
        "best": 1,
        "runs": runs,
        "mean": of,
        "std": {"validation": {"accuracy": 0.0884}, "test": {"accuracy": 0.0}},
    }
    said = text(run_folder(tmp_path, of_classes(2) | {"seeds": seeds}))
    assert "Seed accuracy (validation) accuracy (test) 0 0.5000 0.2500 1 chosen 0.6250 0.2500" in said
    assert "Mean ± deviation 0.5625 ± 0.0884 0.2500 ± 0.0000" in said
    of_one = text(run_folder(tmp_path / "one", of_classes(2) | {"seeds": seeds | {"runs": runs[1:]}}))
    assert "deviation" not in of_one


def test_folds_and_the_labels_that_they_doubt(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, of_classes(2), folds=2)
    runs = [
        {"fold": n, "best_step": 4, "validation": {"accuracy": 0.5}, "held_out": {"accuracy": n / 8}} for n in (1, 2)
    ]
    of = {"validation": {"accuracy": 0.5}, "held_out": {"accuracy": 0.1875}}
    pooled = {"rows": 1200, "pooled": {"accuracy": 0.19}, "intervals": {"pooled": {"accuracy": [0.1, 0.3]}}}
    found = {"metric": "accuracy", "runs": runs, "mean": of, "std": of, **pooled}
    (folder / "run" / "cross_validation.json").write_text(json.dumps(found))
    assert "Labels that look wrong" not in text(folder)
    doubted = {"place": "train.csv:7", "text": "<odd>", "text_pair": None, "given": "a", "model": "b"}
    doubted |= {"probability": 0.9, "given_probability": 0.05}
    (folder / "run" / "label_errors.jsonl").write_text(f"{json.dumps(doubted)}\n" * 30)
    said = text(folder)
    assert "Fold accuracy (validation) accuracy (held out) 1 0.5000 0.1250 2 0.5000 0.2500" in said
    assert "All 1,200 rows together: accuracy 0.1900 (0.100 – 0.300)." in said
    assert said.count("train.csv:7 Label a 0.0500 answer b 0.9000 <odd>") == 20


def test_a_search_is_told_with_its_command(tmp_path: Path) -> None:
    trials = [
        {"number": n, "state": state, "value": value, "parameters": {"learning_rate": 10.0**-n, "batch_size": 8 * n}}
        | {"command": f"bertwright finetune --seed {n}", "seconds": 1.0, "error": None, "intermediate": {}}
        for n, state, value in ((1, "complete", 0.5), (2, "pruned", None), (3, "complete", 0.75), (4, "failed", None))
    ]
    space = {
        "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
        "batch_size": {"values": [8, 16, 24, 32]},
    }
    found = {"metric": "accuracy", "direction": "maximize", "space": space, "trials": trials, "best": 3, "lost": 0}
    folder = run_folder(tmp_path, of_classes(2))
    settings = folder / "run" / "settings.yaml"
    settings.write_text(settings.read_text() + "trials: 4\nspace: null\n")
    (folder / "run" / "study.json").write_text(json.dumps({**found, "importances": {"learning_rate": 0.75}}))
    said = text(folder)
    assert "4 trials on the validation set, searched for accuracy" in said
    assert "1 complete 0.5000 0.1 8 2 given up 0.01 16 3 chosen complete 0.7500 0.001 24 4 failed 0.0001 32" in said
    assert "bertwright finetune --seed 3" in said
    dots = [float(x) for x in re.findall(r'class="dot" cx="([\d.]+)"', shown(folder))]
    assert dots == [68.0, 344.0, 344.0, 206.0, 102.5, 240.5], "by number, by the rate's power of ten, by choice"
    assert "bertwright tune --model bert" in said
    trials[0]["number"] = 0
    assert history(found, Words("en")).dots == [(0.0, 0.5), (3.0, 0.75)], "numbers as in the table"


def test_what_doctor_found_is_told_beside_what_finetune_found(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, of_classes(2))
    run, like = folder / "run", {"severity": "warning", "check": "cut-texts", "advice": "do", "rows": []}
    own = like | {"role": "train", "text": "train: of a part"}
    whole, other = own | {"text": "train: of the whole"}, like | {"role": "test", "text": "test: by doctor alone"}
    origins = {"train": {"path": "a.csv", "sha256": "1"}, "test": {"path": "b.csv", "sha256": "2"}}
    doctor = {"origins": origins, "max_length": 128, "findings": [whole, other]}
    (run / "findings.json").write_text(json.dumps({"files": {}, "findings": [own]}))
    (run / "data.json").write_text(json.dumps(origins))
    (run / "doctor.json").write_text(json.dumps(doctor))
    said = text(folder)
    assert ("of a part" in said, "of the whole" in said, "by doctor alone" in said) == (True, False, True)
    mended = {**origins, "train": {"path": "a.csv", "sha256": "3"}}
    for changed in ({"origins": mended}, {"origins": {**origins, "validation": mended["train"]}}, {"max_length": 64}):
        (run / "doctor.json").write_text(json.dumps(doctor | changed))
        said = text(folder)
        assert ("of a part" in said, "by doctor alone" in said) == (True, False), changed


def test_predictions_of_numbers_are_thinned_evenly(tmp_path: Path) -> None:
    folder = run_folder(
        tmp_path, {"task": "regression", "test": {"pearson": 1.0, "mse": 0.0}, "rows": {"test": 30_000}}
    )
    lines = (f'{{"line": {n}, "true_score": {n}, "score": {n}.5}}\n' for n in range(30_000))
    (folder / "run" / "predictions.test.jsonl").write_text("".join(lines))
    page = shown(folder)
    dots = re.findall(r'class="dot" cx="([\d.]+)"', page)
    assert 500 <= len(dots) <= 1000
    gaps = {round(float(b) - float(a), 1) for a, b in pairwise(dots)}
    assert len(gaps) <= 2
    assert f"{len(dots)} of 30000 rows are drawn, evenly." in page


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ("{", r"metrics.json is not valid JSON: Expecting property name"),
        ("[]", r"metrics.json: should hold a JSON object; run the command that wrote it again$"),
        (
            '{"test": {"accuracy": 1}, "details": {"test": {"confusion_matrix": [[1]], "labels": [1, 2]}}}',
            "not as a run",
        ),
        (
            '{"test": {"accuracy": 1}, "details": {"test": {"worst": [{}]}}}',
            r"run: its files are not as a run writes th",
        ),
    ],
)
def test_damaged_files_are_said_in_one_line(metrics: str, message: str, tmp_path: Path) -> None:
    folder = run_folder(tmp_path, metrics)
    with pytest.raises(BertwrightError, match=message) as raised:
        shown(folder)
    assert "\n" not in str(raised.value)


def test_folders_without_a_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BertwrightError, match=r"no run to make a report of \(it has no settings.yaml\): name a folder"):
        RunRecord.read(tmp_path)
    with pytest.raises(BertwrightError, match=r"none: no such folder; name one that finetune or evaluate"):
        RunRecord.read(tmp_path / "none")
    (tmp_path / "settings.yaml").write_text("model: tiny\nshards: here\n")
    with pytest.raises(BertwrightError, match="a report is of fine-tuning; what another verb tells of its run is in"):
        RunRecord.read(tmp_path)
    folder = run_folder(tmp_path / "open", {})
    (folder / "run" / "metrics.json").unlink()
    with pytest.raises(BertwrightError, match=r"its run is not finished: there is no metrics.json yet$"):
        RunRecord.read(folder)


@pytest.mark.parametrize(
    ("given", "seed"), [({"seed": 3}, 3), ({"seed": 3, "split_seed": 7}, 7), ({"split_seed": 0, "seed": 3}, 0)]
)
def test_the_seed_of_the_split_is_the_one_that_split(given: dict[str, int], seed: int, tmp_path: Path) -> None:
    folder = run_folder(tmp_path, {"task": "classification", "test": {"accuracy": 0.5}}, **given)
    counts = {
        "train": {"path": "train.csv", "rows": 9, "labels": {}},
        "validation": {"path": "train.csv", "rows": 1, "labels": {}},
    }
    (folder / "run" / "findings.json").write_text(
        json.dumps({"task": "classification", "files": counts, "findings": []})
    )
    assert f"seed {seed}" in text(folder)
