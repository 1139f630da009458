"""Suites of tasks: whatever form GLUE's files come in is found, and the table is that of ordinary trainings."""

import gzip
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pyarrow
import pyarrow.parquet
import pytest
from small import QUICK, rows, write_bert

import bertwright
from bertwright.api.suites import _folders, _settings
from bertwright.errors import HubError, UsageError
from bertwright.evaluation.suite_table import TaskScore, average, suite_table
from bertwright.settings import ClueSettings, FinetuneSettings, GlueSettings, SquadSettings, TuneSettings
from bertwright.tasks.suites import CLUE, GLUE, SQUAD, Suite, check_tasks, find_files, find_folder
from bertwright.training.loop import Step
from bertwright.training.progress import Silent

FEW = {"max_steps": 4, "batch_size": 8, "learning_rate": 0.01, "max_length": 16, "device": "cpu", "precision": "fp32"}
assert set(FEW) <= set(QUICK)


def write(path: Path, lines: list[tuple[str, ...]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join("\t".join(cells) + "\n" for cells in lines))
    return path


def pairs(count: int, seed: int) -> list[tuple[str, str, str]]:
    """Two texts, and whether they speak of the same kind of thing."""
    made = rows(2 * count + 2, seed=seed)  # of three kinds, in turn
    return [
        (made[2 * n]["text"], made[2 * n + 3]["text"], "entailment")
        if n % 2
        else (made[2 * n]["text"], made[2 * n + 1]["text"], "not_entailment")
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CoLA as four columns without a header, RTE with one; the published test files lack labels."""
    folder = tmp_path_factory.mktemp("glue")
    for seed, role in enumerate(("train", "dev")):
        acceptable = [("x", str(int(row["label"] == "animal")), "", row["text"]) for row in rows(40, seed=seed)]
        write(folder / "CoLA" / f"{role}.tsv", acceptable)
        head = ("index", "sentence1", "sentence2", "label")
        write(folder / "RTE" / f"{role}.tsv", [head, *((str(n), *row) for n, row in enumerate(pairs(40, seed)))])
    write(folder / "CoLA" / "test.tsv", [("index", "sentence"), ("0", "a cat")])
    write(folder / "RTE" / "val.tsv", [("7", "a cat", "a dog", "entailment")])
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bert")
    write_bert(folder)
    return folder


@pytest.fixture(scope="module")
def result(data: Path, bert: Path, tmp_path_factory: pytest.TempPathFactory) -> bertwright.api.suites.SuiteResult:
    output = tmp_path_factory.mktemp("out")
    return bertwright.glue(model=str(bert), data=str(data), output_dir=output, seeds=2, quiet=True, **FEW)


def test_every_task_that_is_there_is_run(result: bertwright.api.suites.SuiteResult):
    assert list(result.scores) == ["cola", "rte"]
    written = json.loads((result.folder / "results.json").read_text())
    for name, score in result.scores.items():
        seeds = json.loads((result.folder / name / "run" / "metrics.json").read_text())["seeds"]["runs"]
        for figure, values in score.figures.items():
            assert values == [run["test"][figure] for run in seeds]
            assert written["tasks"][name]["figures"][figure]["values"] == [100 * value for value in values]
    assert result.average == pytest.approx(sum(score.mean for score in result.scores.values()) / 2)
    settings = written["tasks"]["rte"]["settings"]
    assert (settings["max_steps"], settings["learning_rate"], settings["seeds"]) == (4, 0.01, 2)


def test_the_table_is_the_one_that_papers_print(result: bertwright.api.suites.SuiteResult):
    heads, _, figures, row = (result.folder / "results.md").read_text().splitlines()
    assert heads == "| GLUE | CoLA | RTE | average of 2 of 9 tasks |"
    assert figures == "|  | matthews_correlation | accuracy |  |"
    accuracy = result.scores["rte"].values("accuracy")
    assert f"{sum(accuracy) / 2:.1f} ± {abs(accuracy[0] - accuracy[1]) / 2**0.5:.1f} |" in row
    assert row.endswith(f" {result.average:.1f} |")


def test_what_is_done_is_not_done_again(result: bertwright.api.suites.SuiteResult, data: Path, bert: Path):
    models = {path: path.stat().st_mtime_ns for path in result.folder.glob("*/model.safetensors")}
    assert len(models) == 2
    again = bertwright.glue(model=str(bert), data=str(data), output_dir=result.folder, seeds=2, quiet=True, **FEW)
    assert (again.scores, again.average) == (result.scores, result.average)
    assert models == {path: path.stat().st_mtime_ns for path in result.folder.glob("*/model.safetensors")}


def test_a_task_by_itself_is_one_of_those_that_the_folder_has(
    result: bertwright.api.suites.SuiteResult, data: Path, bert: Path, capsys: pytest.CaptureFixture[str]
):
    files = [result.folder / name for name in ("results.json", "results.md")]
    whole = [path.read_text() for path in files]
    same = {"model": str(bert), "data": str(data), "output_dir": result.folder, "seeds": 2, "quiet": True, **FEW}
    again = bertwright.glue(**same, tasks=["rte"])
    assert (again.scores, again.average) == (result.scores, result.average)
    assert [path.read_text() for path in files] == whole
    assert json.loads(whole[0])["missing"] == ["mnli", "qqp", "qnli", "sst2", "stsb", "mrpc", "wnli"]
    assert capsys.readouterr().out == whole[1]


def test_a_table_is_of_one_model(
    result: bertwright.api.suites.SuiteResult,
    data: Path,
    bert: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    folder = Path(shutil.copytree(result.folder, tmp_path / "out"))
    other = tmp_path / "other"
    write_bert(other, initializer_range=0.2)
    found = bertwright.glue(
        model=str(other), data=str(data), output_dir=folder, tasks=["rte"], seeds=1, overwrite=True, **FEW
    )
    assert list(found.scores) == ["rte"]
    told = f"CoLA: {folder / 'cola'} is of another model ({bert} as it was then): not in the table\n"
    assert capsys.readouterr().err.startswith(told), "before any training"


@pytest.fixture
def copied(result: bertwright.api.suites.SuiteResult, tmp_path: Path) -> Path:
    """The folder of `result`, to be changed."""
    return Path(shutil.copytree(result.folder, tmp_path / "out"))


@pytest.fixture
def given(data: Path, bert: Path, copied: Path) -> dict[str, object]:
    """What `result` is made with, in that folder."""
    return {"model": str(bert), "data": str(data), "output_dir": copied, "seeds": 2, "quiet": True, **FEW}


def test_a_model_is_what_it_holds_wherever_it_lies(
    result: bertwright.api.suites.SuiteResult, given: dict[str, object], copied: Path, bert: Path, tmp_path: Path
):
    shutil.rmtree(copied / "rte")
    moved = Path(shutil.copytree(bert, tmp_path / "moved"))
    assert bertwright.glue(**given | {"model": str(moved)}, tasks=["rte"]).scores == result.scores


def test_tasks_with_other_settings_are_named_below_the_table(
    given: dict[str, object], copied: Path, capsys: pytest.CaptureFixture[str]
):
    bertwright.glue(**given | {"seeds": 1, "max_steps": 2}, tasks=["rte"], overwrite=True)
    table = (copied / "results.md").read_text()
    last = "With other settings than those of the last call: CoLA (max_steps 4 instead of 2, seeds 2 instead of 1)."
    assert table.endswith(f" |\n\n{last}\n")
    assert capsys.readouterr().out == table


def of_tune(settings: Path) -> None:
    given = {"model": "bert", "train": "train.tsv", "output_dir": "out"}
    settings.write_text(TuneSettings.create(given).to_yaml())


def without_test(settings: Path) -> None:
    settings.write_text(FinetuneSettings.from_file(settings, {"test": None}).to_yaml())


def of_a_guessed_task(settings: Path) -> None:
    settings.write_text(FinetuneSettings.from_file(settings, {"task": None}).to_yaml())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (of_tune, "holds a run that is not of finetune, or is damaged"),
        (without_test, "was not measured on a test file"),
        (of_a_guessed_task, "was not made with --task classification"),
    ],
)
def test_why_a_run_is_not_in_the_table(
    change: Callable[[Path], None],
    reason: str,
    given: dict[str, object],
    copied: Path,
    capsys: pytest.CaptureFixture[str],
):
    change(copied / "rte" / "run" / "settings.yaml")
    found = bertwright.glue(**given | {"quiet": False}, tasks=["cola"])
    assert list(found.scores) == list(json.loads((copied / "results.json").read_text())["tasks"]) == ["cola"]
    assert capsys.readouterr().err.startswith(f"RTE: {copied / 'rte'} {reason}: not in the table\n")


def test_a_run_of_another_verb_is_refused_before_any_training(given: dict[str, object], copied: Path):
    shutil.rmtree(copied / "cola")
    of_tune(copied / "rte" / "run" / "settings.yaml")
    text = "/rte holds a run that is not of finetune, or is damaged: choose another --output-dir, or start anew with "
    with pytest.raises(UsageError, match=text):
        bertwright.glue(**given)
    assert not (copied / "cola").exists()


def test_other_settings_start_anew_only_when_told_to(data: Path, bert: Path, tmp_path: Path):
    same = {"model": str(bert), "data": str(data), "tasks": ["rte"], "output_dir": tmp_path, "seeds": 1, "quiet": True}
    bertwright.glue(**same, **FEW)
    other = FEW | {"max_steps": 5}
    with pytest.raises(UsageError, match="start anew with --overwrite"):
        bertwright.glue(**same, **other)
    bertwright.glue(**same, **other, overwrite=True)
    assert "max_steps: 5" in (tmp_path / "rte" / "run" / "settings.yaml").read_text()


def test_published_settings_hold_where_nothing_is_said(bert: Path, data: Path, tmp_path: Path):
    bertwright.glue(
        model=str(bert), data=str(data), output_dir=tmp_path, seeds=1, quiet=True, tasks=["rte"], max_length=19
    )
    settings = (tmp_path / "rte" / "run" / "settings.yaml").read_text()
    for line in ("epochs: 3", "batch_size: 32", "learning_rate: 5.0e-05", "max_length: 19", "best_metric: accuracy"):
        assert line in settings


def test_stopped_in_the_second_task_it_goes_on_there(
    result: bertwright.api.suites.SuiteResult, data: Path, bert: Path, tmp_path: Path
):
    given = {"model": str(bert), "data": str(data), "output_dir": tmp_path / "out", "seeds": 1, "quiet": True, **FEW}
    steps = []

    def step_done(_: Silent, done: Step) -> None:
        steps.append(done.step)
        if len(steps) == 6:  # the second step of the second task
            signal.raise_signal(signal.SIGTERM)

    with patch.object(Silent, "step", step_done):
        stopped = bertwright.glue(**given)
        assert (stopped.stopped_by, stopped.exit_code, stopped.average) == ("SIGTERM", 143, None)
        assert list(stopped.scores) == ["cola"]
        assert not (tmp_path / "out" / "results.json").exists()
        again = bertwright.glue(**given)
    assert steps == [1, 2, 3, 4] * 2
    first = {name: [values[0] for values in score.figures.values()] for name, score in result.scores.items()}
    assert {name: [values[0] for values in score.figures.values()] for name, score in again.scores.items()} == first


def hub(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[tuple[str, list[str]]]:
    """A hub with one folder for all data sets, and what is asked of it."""
    asked = []

    def download(name: str, files: list[str], *, kind: str, here: str = "") -> Path:
        assert kind == "dataset"
        asked.append((name, files))
        return folder

    monkeypatch.setattr("bertwright.api.suites.download", download)
    return asked


def folders(suite: Suite, **given: object) -> dict[str, Path]:
    settings = {"GLUE": GlueSettings, "CLUE": ClueSettings, "SQuAD": SquadSettings}[suite.title]
    return _folders(suite, settings.create({"model": "m", "output_dir": "o", **given}))


def test_of_a_suite_on_the_hub_only_what_is_wanted_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = hub(monkeypatch, tmp_path)
    train = write(tmp_path / "rte" / "train-00000-of-00001.parquet", [])
    assert folders(GLUE, tasks=("rte",)) == {"rte": train.parent}
    assert folders(GLUE, tasks=("rte",), data="my/glue") == {"rte": train.parent}
    assert asked == [("nyu-mll/glue", ["rte/*"]), ("my/glue", ["rte/*"])]
    with pytest.raises(UsageError, match=r"^CLUE has no data set on the hub that is known here: name its folder with "):
        folders(CLUE)


def test_each_squad_has_a_data_set_of_its_own_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = hub(monkeypatch, tmp_path)
    train = write(tmp_path / "plain_text" / "train-00000-of-00001.parquet", [])
    assert folders(SQUAD) == dict.fromkeys(("squad1", "squad2"), train.parent)
    assert asked == [("rajpurkar/squad", ["*.parquet"]), ("rajpurkar/squad_v2", ["*.parquet"])]
    mine = write(tmp_path / "squad1" / "train.parquet", [])
    assert folders(SQUAD, tasks=("squad1",), data="my/squads") == {"squad1": mine.parent}
    assert asked[2:] == [("my/squads", ["squad1/*"])]


def files_of(suite: Suite, name: str, data: Path) -> tuple[list[str | None], dict[str, object]]:
    folder = find_folder(data, name, suite.tasks[name])
    assert folder is not None
    found = find_files(folder, suite.tasks[name])
    roles = (found.train, found.validation, found.test)
    return [path and path.name for path in roles], dict(found.form)


def test_a_development_set_in_another_form_is_left_out(data: Path):
    found = find_files(data / "RTE", GLUE.tasks["rte"])
    assert (found.validation, found.test.name, [path.name for path in found.left_out]) == (None, "dev.tsv", ["val.tsv"])


def test_a_test_file_with_labels_is_the_one_to_report_on(tmp_path: Path):
    for role in ("train", "dev", "test"):
        write(tmp_path / "SST-2" / f"{role}.tsv", [("good", "1"), ("bad", "0")])
    assert files_of(GLUE, "sst2", tmp_path) == (["train.tsv", "dev.tsv", "test.tsv"], {"columns": ("text", "label")})


def test_packed_files_are_read_as_well(tmp_path: Path):
    folder = tmp_path / "sst2"
    folder.mkdir()
    for name, place in (("train.tsv.gz", "train"), ("dev.tsv.gz", "dev"), ("train.zip.gz", "no table")):
        (folder / name).write_bytes(gzip.compress(f"sentence\tlabel\n{place}\t1\n".encode()))
    assert files_of(GLUE, "sst2", tmp_path)[0] == ["train.tsv.gz", None, "dev.tsv.gz"]


def test_tasks_come_in_the_order_of_their_suite():
    assert check_tasks(GLUE, ["rte", "cola"]) == ["cola", "rte"]
    assert check_tasks(SQUAD, None) == ["squad1", "squad2"]


def test_several_figures_of_a_task_count_as_one():
    scores = {
        "mrpc": TaskScore("MRPC", {"f1": [0.8, 0.9], "accuracy": [0.7, 0.6]}, percent=False),
        "squad1": TaskScore("SQuAD 1.1", {"exact_match": [40.0], "f1": [50.0]}, percent=True),
    }
    assert average(scores) == pytest.approx((75 + 45) / 2)
    head, *_, row = suite_table("X", "a|b", scores, of=2).splitlines()
    assert head.endswith("| average |")
    assert row == r"| a\|b | 85.0 ± 7.1 / 65.0 ± 7.1 | 40.0 / 50.0 | 60.0 |"


def test_the_hubs_copies_say_minus_one_where_a_label_is_secret(tmp_path: Path):
    for role, label in {"train": 1, "validation": 0, "test": -1}.items():
        path = tmp_path / "cola" / f"{role}-00000-of-00001.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"sentence": "a cat", "label": label, "idx": 0}) + "\n")
    names, form = files_of(GLUE, "cola", tmp_path)
    assert names == ["train-00000-of-00001.jsonl", None, "validation-00000-of-00001.jsonl"]
    assert form == {"text_column": "sentence", "label_column": "label"}


def test_of_inference_in_chinese_only_what_annotators_agreed_on_is_learned(bert: Path, tmp_path: Path):
    for seed, role in enumerate(("train", "dev")):
        told = [("a cat", "a dog", "-"), *pairs(30, seed), ("a dog", "a cat", "-")]
        lines = [json.dumps(dict(zip(("sentence1", "sentence2", "label"), row, strict=True))) for row in told]
        (tmp_path / "ocnli").mkdir(exist_ok=True)
        (tmp_path / "ocnli" / f"{role}.json").write_text("\n".join(lines))
    bertwright.clue(
        model=str(bert), data=str(tmp_path), output_dir=tmp_path / "out", seeds=1, tasks=["ocnli"], quiet=True, **FEW
    )
    config = json.loads((tmp_path / "out" / "ocnli" / "config.json").read_text())
    assert list(config["label2id"]) == ["entailment", "not_entailment"]
    for role in ("train", "test"):
        left = (tmp_path / "out" / "ocnli" / "run" / f"bad_rows.{role}.jsonl").read_text().splitlines()
        assert [json.loads(line)["line"] for line in left] == [1, 32]


def test_the_hubs_names_of_labels_say_which_is_positive(tmp_path: Path):
    names = {"names": ["not_equivalent", "equivalent"], "_type": "ClassLabel"}
    for role, label in {"train": 1, "validation": 0, "test": -1}.items():
        path = tmp_path / "mrpc" / f"{role}-00000-of-00001.parquet"
        path.parent.mkdir(exist_ok=True)
        table = pyarrow.table({"sentence1": ["a"], "sentence2": ["b"], "label": [label]})
        noted = {"huggingface": json.dumps({"info": {"features": {"label": names}}})}
        pyarrow.parquet.write_table(table.replace_schema_metadata(noted), path)
    found = find_files(tmp_path / "mrpc", GLUE.tasks["mrpc"])
    assert (found.positive, found.validation) == ("equivalent", None)
    assert found.test.name == "validation-00000-of-00001.parquet"
    given = GlueSettings.create({"model": "m", "output_dir": "o"})
    assert _settings(GLUE, GLUE.tasks["mrpc"], found, given, tmp_path).positive_label == "equivalent"
    for role in ("train", "dev"):
        head = ("Quality", "#1 String", "#2 String")
        write(tmp_path / "tsv" / f"{role}.tsv", [head, ("1", "a", "b"), ("0", "c", "d")])
    assert find_files(tmp_path / "tsv", GLUE.tasks["mrpc"]).positive is None


def test_both_squads_may_lie_in_one_folder(tmp_path: Path):
    question = {"id": "1", "question": "who?", "answers": [{"text": "cat", "answer_start": 2}]}
    text = json.dumps({"data": [{"title": "t", "paragraphs": [{"context": "a cat", "qas": [question]}]}]})
    for name in ("train-v1.1", "dev-v1.1", "train-v2.0", "dev-v2.0"):
        (tmp_path / f"{name}.json").write_text(text)
    assert files_of(SQUAD, "squad2", tmp_path)[0] == ["train-v2.0.json", None, "dev-v2.0.json"]


def test_matched_examples_are_those_of_mnli(tmp_path: Path):
    head = ("sentence1", "sentence2", "gold_label")
    for role in ("train", "dev_matched", "dev_mismatched"):
        write(tmp_path / "MNLI" / f"{role}.tsv", [head, ("a cat", "a dog", "neutral")])
    assert files_of(GLUE, "mnli", tmp_path)[0] == ["train.tsv", None, "dev_matched.tsv"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"tasks": ["colla"]}, "tasks = colla: GLUE has mnli, qqp, qnli, sst2, cola, stsb, mrpc, rte, wnli"),
        ({"tasks": ["mrpc", "cola"]}, "no folder with a train file for mrpc"),
    ],
)
def test_what_is_not_there_is_said_before_any_training(
    options: dict[str, object], text: str, data: Path, bert: Path, tmp_path: Path
):
    with pytest.raises(UsageError, match=text):
        bertwright.glue(model=str(bert), data=str(data), output_dir=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_there_may_have_been_meant(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match=r"^cannot get the data set 'gleu': no such folder here, and on the hub: "):
        bertwright.glue(model=str(bert), data="gleu", output_dir=tmp_path / "out")


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["train.tsv"], "no labelled file to report on"),
        (["train-0.tsv", "train-1.tsv", "dev.tsv"], "2 train files, where one is read: train-0.tsv, train-1.tsv"),
    ],
)
def test_files_that_are_missing_or_too_many(names: list[str], text: str, tmp_path: Path):
    for name in names:
        write(tmp_path / "rte" / name, [("sentence1", "sentence2", "label"), ("a", "b", "c")])
    with pytest.raises(UsageError, match=text):
        find_files(tmp_path / "rte", GLUE.tasks["rte"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("one\ttwo\tthree\na\tb\tc\n", r"train\.tsv:1: the first row has no column name that is known: 'one'"),
        ("", r"train\.tsv: the file is empty"),
        ("sentence1\tsentence2\tlabel\n", r"train\.tsv: there are no rows in it"),
        ("sentence1\tsentence2\tlabel\na\tb\t-1\n", r"train\.tsv: no label in its first row"),
        ("sentence1\tsentence2\tlabel\na\tb\n", r"train\.tsv:2: 2 columns where 3 are expected"),
    ],
)
def test_a_form_that_nobody_knows_is_refused(text: str, reason: str, tmp_path: Path):
    (tmp_path / "rte").mkdir()
    (tmp_path / "rte" / "train.tsv").write_text(text)
    with pytest.raises(UsageError, match=rf"^RTE: \S+{reason}.*; a file in another form than the published one: use"):
        find_files(tmp_path / "rte", GLUE.tasks["rte"])


@pytest.mark.data
def test_the_published_files(data_dir: Path):
    suites = {"sst2": GLUE, "cola": GLUE, "stsb": GLUE, "mrpc": GLUE, "rte": GLUE, "chnsenticorp": CLUE}
    reported = {name: files_of(suite, name, data_dir)[0][2] for name, suite in suites.items()}
    assert reported == {name: "test.tsv" if name in ("sst2", "chnsenticorp") else "dev.tsv" for name in suites}
