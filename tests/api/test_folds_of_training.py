"""`finetune --folds`: no model answers for a row that it has learned from, and labels that were flipped are found."""

import json
import random
import signal
from pathlib import Path
from statistics import mean, stdev
from unittest.mock import patch

import numpy as np
import pytest
from sklearn.metrics import accuracy_score
from small import QUICK, WORDS, json_lines, rows, write_csv

import bertwright
from bertwright.api.cross_validating import _of_fold
from bertwright.api.run_folder import RunFolder
from bertwright.api.suspected_labels import suspected
from bertwright.api.training_run import Trained
from bertwright.api.training_sets import check_files
from bertwright.errors import UsageError
from bertwright.files import sha256_file
from bertwright.tasks.classification import Classification
from bertwright.tasks.finetuning import Rows
from bertwright.tasks.multilabel import MultiLabel
from bertwright.tasks.regression import Regression
from bertwright.text.tables.texts import Row
from bertwright.training.loop import Step
from bertwright.training.progress import Silent

pytestmark = pytest.mark.usefixtures("unchecked_shapes")  # the checks take longer than the many trainings

ROWS, FOLDS = 240, 3
LEARNING = {"max_steps": 100, "learning_rate": 0.005, "batch_size": 16, "eval_steps": 20, "log_steps": 50}


@pytest.fixture(scope="module")
def flipped() -> set[int]:
    """The rows whose labels are wrong: 5 %."""
    return set(random.Random(3).sample(range(ROWS), ROWS // 20))


@pytest.fixture(scope="module")
def given(flipped: set[int], inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    made, draw = rows(ROWS, seed=1), random.Random(4)
    for place in flipped:
        made[place] |= {"label": draw.choice([kind for kind in WORDS if kind != made[place]["label"]])}
    train = write_csv(tmp_path_factory.mktemp("tables") / "train.csv", made)
    given: dict[str, object] = {**QUICK, **LEARNING, "model": str(inputs / "model"), "train": train}
    return {**given, "test": inputs / "test.csv", "folds": FOLDS, "quiet": True}


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What the training below said."""
    return []


@pytest.fixture(scope="module")
def trained(given: dict[str, object], said: list[str], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    output = tmp_path_factory.mktemp("trained") / "out"
    with patch("bertwright.api.suspected_labels.say", said.append):
        return bertwright.finetune(**given, output_dir=output)


def read_json(path: Path) -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = json.loads(path.read_text())
    return found


def test_every_row_is_answered_once_by_a_model_that_has_not_seen_it(trained: Trained, given: dict[str, object]) -> None:
    answers = json_lines(trained.folder / "run" / "out_of_fold.jsonl")
    assert [answer["line"] for answer in answers] == list(range(2, ROWS + 2))
    for number in range(1, FOLDS + 1):
        part = trained.folder / "run" / "folds" / str(number)
        settings = bertwright.FinetuneSettings.from_file(part / "run" / "settings.yaml", {})
        assert (settings.fold, settings.test) == (f"{number}/{FOLDS}", None)
        own = [answer for answer in answers if answer["fold"] == number]
        assert len(own) == ROWS // FOLDS
        learned = read_json(part / "run" / "findings.json")["files"]
        assert learned["train"]["rows"] + learned["validation"]["rows"] == ROWS - len(own)


def test_a_fold_is_what_finetune_does_by_hand(trained: Trained, given: dict[str, object], tmp_path: Path) -> None:
    """Its answers are those that `predict` gives to these very rows."""
    by_hand = bertwright.finetune(
        **given | {"folds": None, "fold": "2/3", "split_seed": 0, "test": None}, output_dir=tmp_path / "out"
    )
    part = trained.folder / "run" / "folds" / "2"
    assert by_hand.metrics["validation"] == read_json(part / "run" / "metrics.json")["validation"]
    own = [answer for answer in json_lines(trained.folder / "run" / "out_of_fold.jsonl") if answer["fold"] == 2]
    predictor = bertwright.load(by_hand.folder, precision="fp32", device="cpu")
    again = predictor.predict([str(answer["text"]) for answer in own])
    assert [answer.label for answer in again] == [answer["label"] for answer in own]
    np.testing.assert_allclose([answer.score for answer in again], [answer["score"] for answer in own], atol=1e-6)


def test_figures_of_the_folds_and_of_all_rows(trained: Trained) -> None:
    found = read_json(trained.folder / "run" / "cross_validation.json")
    answers = json_lines(trained.folder / "run" / "out_of_fold.jsonl")

    def accuracy(chosen: list[dict[str, object]]) -> float:
        truth, answered = ([one[key] for one in chosen] for key in ("true_label", "label"))
        return float(accuracy_score(truth, answered))

    each = [accuracy([one for one in answers if one["fold"] == number]) for number in (1, 2, 3)]
    assert [run["held_out"]["accuracy"] for run in found["runs"]] == pytest.approx(each)  # type: ignore[index]
    assert found["mean"]["held_out"]["accuracy"] == pytest.approx(mean(each))
    assert found["std"]["held_out"]["accuracy"] == pytest.approx(stdev(each))
    assert found["pooled"]["accuracy"] == pytest.approx(accuracy(answers))
    low, high = found["intervals"]["pooled"]["accuracy"]
    assert low < found["pooled"]["accuracy"] < high  # type: ignore[operator]
    assert "best" not in found


def test_flipped_labels_are_found(trained: Trained, given: dict[str, object], flipped: set[int], said: list[str]):
    listed = trained.folder / "run" / "label_errors.jsonl"
    suspects = json_lines(listed)
    found = [int(str(one["place"]).rpartition(":")[2]) - 2 for one in suspects]
    hits = len(flipped & set(found))
    assert hits / len(flipped) > 0.4, "by chance 5 %"
    assert hits / len(found) > 0.3, "by chance 5 %"
    made = json_lines(trained.folder / "run" / "out_of_fold.jsonl")
    first = suspects[0]
    assert first["given"] == made[found[0]]["true_label"] != first["model"]
    assert made[found[0]]["scores"][first["model"]] == first["probability"]  # type: ignore[index]
    assert first["probability"] > first["given_probability"]  # type: ignore[operator]
    assert said[0] == (
        f"{given['train']}: {len(found)} labels look wrong, listed in {listed}, the likeliest first: read these rows, "
        "correct what is wrong, and train again"
    )
    assert said[1].startswith(f"    {first['place']} {first['text']!r} has {first['given']!r}, likelier ")


def test_then_the_ordinary_training_follows(trained: Trained, given: dict[str, object], tmp_path: Path) -> None:
    ordinary = bertwright.finetune(**given | {"folds": None}, output_dir=tmp_path / "out")
    assert ordinary.metrics == trained.metrics
    model, folder = "model.safetensors", trained.folder
    assert sha256_file(ordinary.folder / model) == sha256_file(folder / model)
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*.safetensors")] == [model]


def test_columns_of_the_test_file_are_no_matter_of_the_folds(given: dict[str, object], tmp_path: Path) -> None:
    settings = bertwright.FinetuneSettings.create(given | {"output_dir": tmp_path, "slice_columns": ("label",)})
    check_files(settings)
    check_files(_of_fold(settings, RunFolder(tmp_path), 1, FOLDS))


def test_stopped_in_the_second_fold_it_goes_on_there(given: dict[str, object], tmp_path: Path) -> None:
    given = {**given, "max_steps": 3, "eval_steps": None, "test": None, "output_dir": tmp_path / "out"}
    steps = []

    def step_done(_: Silent, done: Step) -> None:
        steps.append(done.step)
        if len(steps) == 5:  # the second step of the second fold
            signal.raise_signal(signal.SIGTERM)

    with patch.object(Silent, "step", step_done):
        stopped = bertwright.finetune(**given)
        assert (stopped.stopped_by, stopped.folder) == ("SIGTERM", tmp_path / "out")
        again = bertwright.finetune(**given)
    assert again.exit_code == 0
    assert steps == [1, 2, 3] * (FOLDS + 1)
    with patch.object(Silent, "step", side_effect=AssertionError("a finished one was repeated")):
        assert bertwright.finetune(**given) == again


def test_killed_before_the_figures_no_fold_is_trained_again(given: dict[str, object], tmp_path: Path) -> None:
    given = {**given, "max_steps": 2, "eval_steps": None, "test": None, "output_dir": tmp_path / "out", "folds": 2}
    with (
        patch("bertwright.api.cross_validating.write_json", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        bertwright.finetune(**given)
    steps = []
    with patch.object(Silent, "step", lambda _, done: steps.append(done.step)):
        bertwright.finetune(**given)
    assert steps == [1, 2], "of the last training alone"
    assert (tmp_path / "out" / "run" / "cross_validation.json").is_file()


@pytest.mark.parametrize("fold", ["0/3", "4/3", "1/1", "2", "²/3"])
def test_a_fold_that_is_none_is_refused(fold: str, given: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"fold = '{fold}': should be as 2/5, the second of five folds"):
        bertwright.finetune(**given | {"folds": None, "fold": fold}, output_dir=tmp_path / "out")


def test_models_that_know_nothing_call_no_label_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    table = Rows(Path("t.csv"), [Row(f"text {n}", None, "ab"[n % 2], n + 2) for n in range(40)])
    unsure = [0.5 + 0.01 * (n % 3) for n in range(40)]
    answers = [{"scores": {"a": first, "b": 1 - first}} for first in unsure]
    assert suspected(Classification(("a", "b")), table, answers) is None
    assert capsys.readouterr().err == (
        "warning: t.csv: no label is called wrong, as the models of the folds know no more of them than how frequent "
        "each is: train longer, with --epochs or a higher --learning-rate\n"
    )


def test_several_labels_are_looked_at_one_by_one() -> None:
    """Each is on or off for itself; the thresholds of `plant` are low, as it is never sure."""
    task = MultiLabel(("plant", "tool"))
    labels = [("plant",), ("plant", "tool"), ("tool",), (), ("tool",), ()] * 4
    scores = [(0.4, 0.1), (0.5, 0.9), (0.1, 0.8), (0.6, 0.2), (0.0, 0.1), (0.1, 0.2)] * 4
    table = Rows(Path("t.jsonl"), [Row(f"text {n}", None, names, n + 1) for n, names in enumerate(labels)])
    answers = [{"scores": dict(zip(task.labels, each, strict=True))} for each in scores]
    found = suspected(task, table, answers)
    assert found is not None
    assert [(one.place, one.given, one.model) for one in found] == [
        *((f"t.jsonl:{line}", "tool", "not tool") for line in (5, 11, 17, 23)),
        *((f"t.jsonl:{line}", "not plant", "plant") for line in (4, 10, 16, 22)),
    ]
    assert (found[0].probability, found[0].given_probability) == pytest.approx((0.9, 0.1))


def test_where_labels_are_no_classes_there_is_no_rule() -> None:
    assert suspected(Regression(), Rows(Path("t.csv"), []), []) is None
