"""`finetune --seeds`: each run is what `finetune` does by hand, the best by validation stays, killing loses nothing."""

import json
import re
import shutil
import signal
from pathlib import Path
from statistics import mean, stdev
from unittest.mock import patch

import pytest
from small import QUICK, log_of, rows, write_csv

import bertwright
from bertwright.api.training_run import Trained
from bertwright.errors import UsageError
from bertwright.files import sha256_file
from bertwright.model.folder import ModelFolder
from bertwright.tasks.classification import ClassificationTally
from bertwright.tasks.suspicions import Suspicion
from bertwright.training.loop import Step
from bertwright.training.progress import Silent

pytestmark = pytest.mark.usefixtures("unchecked_shapes")  # the checks take longer than the many trainings

SEEDS = [7, 8, 9]
SEVERAL: dict[str, object] = {
    "seed": 7,
    "seeds": 3,
    "max_steps": 6,
    "validation": None,
    "validation_fraction": 0.3,
    "quiet": True,
}


def figures(folder: Path) -> dict[str, dict[str, float]]:
    found = json.loads((folder / "run" / "metrics.json").read_text())
    return {split: found[split] for split in ("validation", "test")}


def weights(folder: Path) -> str:
    return sha256_file(folder / "model.safetensors")


@pytest.fixture(scope="module")
def given(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Settings of three trainings, of which another is the best on the test rows than on the validation rows."""
    folder = tmp_path_factory.mktemp("tables")
    following = {"animal": "plant", "plant": "tool", "tool": "animal"}
    wrong = [row | {"label": following[row["label"]]} for row in rows(30, seed=9)]
    tables = {"train": write_csv(folder / "train.csv", rows(60)), "test": write_csv(folder / "test.csv", wrong)}
    return {"model": str(inputs / "model"), **QUICK, **tables, **SEVERAL}


@pytest.fixture(scope="module")
def several(given: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return bertwright.finetune(**given, output_dir=tmp_path_factory.mktemp("several") / "out")


def test_each_run_is_what_finetune_does_by_hand(several: Trained, given: dict[str, object], tmp_path: Path) -> None:
    assert several.seeds is not None
    for seed in {several.seeds.best.number, 8}:
        alone = {"seed": seed, "seeds": 1, "split_seed": 7}
        by_hand = bertwright.finetune(**given | alone, output_dir=tmp_path / str(seed))
        assert by_hand.metrics == figures(several.folder / "run" / "seeds" / str(seed))
        assert by_hand.seeds is not None
        assert (by_hand.seeds.mean, by_hand.seeds.best.number) == (by_hand.metrics, seed)
        if seed == several.seeds.best.number:
            assert weights(by_hand.folder) == weights(several.folder)


def test_the_best_by_validation_is_kept_with_a_normal_run(several: Trained) -> None:
    found = {seed: figures(several.folder / "run" / "seeds" / str(seed)) for seed in SEEDS}
    by_accuracy = {seed: (one["validation"]["accuracy"], -one["validation"]["loss"]) for seed, one in found.items()}
    best = max(by_accuracy, key=by_accuracy.__getitem__)
    assert several.metrics == figures(several.folder) == found[best]
    assert len({one["validation"]["loss"] for one in found.values()}) == 3
    part = several.folder / "run" / "seeds" / str(best) / "run"
    for name in ("log.jsonl", "predictions.test.jsonl"):
        assert (several.folder / "run" / name).read_bytes() == (part / name).read_bytes()
    assert ModelFolder.open(several.folder).config.labels == ("animal", "plant", "tool")
    assert (several.folder / "README.md").is_file()


def test_the_test_set_has_no_say(several: Trained) -> None:
    assert several.seeds is not None
    on_test = max(several.seeds.runs, key=lambda run: run.metrics["test"]["accuracy"])
    assert on_test.metrics["test"]["accuracy"] > several.metrics["test"]["accuracy"]
    assert several.seeds.best is not on_test


def test_of_the_others_the_weights_go_and_the_figures_stay(several: Trained) -> None:
    for seed in SEEDS:
        part = several.folder / "run" / "seeds" / str(seed)
        assert [path.name for path in part.iterdir()] == ["run"]
        assert log_of(part)
        assert {"metrics.json", "settings.yaml", "predictions.test.jsonl"} <= {p.name for p in (part / "run").iterdir()}
    assert len(list(several.folder.rglob("*.safetensors"))) == 1


def test_mean_and_standard_deviation(several: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    written = json.loads((several.folder / "run" / "metrics.json").read_text())["seeds"]
    each = [figures(several.folder / "run" / "seeds" / str(seed)) for seed in SEEDS]
    for split in ("validation", "test"):
        for name in ("loss", "accuracy", "f1_macro"):
            values = [one[split][name] for one in each]
            assert written["mean"][split][name] == pytest.approx(mean(values))
            assert written["std"][split][name] == pytest.approx(stdev(values))
    assert (written["metric"], [run["seed"] for run in written["runs"]]) == ("accuracy", SEEDS)
    assert several.seeds is not None
    assert several.seeds.to_dict() == written
    (line,) = (line for line in several.seeds.table() if line.startswith("test accuracy"))
    values = [one["test"]["accuracy"] for one in each]
    cells = [f"{value:.4f}" for value in values]
    assert line.split()[2:] == [*cells, f"{mean(values):.4f}", "±", f"{stdev(values):.4f}"]


def test_warnings_are_given_once_and_the_table_at_the_end(
    given: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = write_csv(tmp_path / "long.csv", [row | {"text": row["text"] + " old" * 20} for row in rows(60)])
    tuned = bertwright.finetune(**given | {"train": long, "test": None}, output_dir=tmp_path / "out")
    err = capsys.readouterr().err
    assert err.count("warning: train: ") == 1
    assert tuned.seeds is not None
    best = tuned.seeds.best.number
    main = ("accuracy", "f1_macro", "f1_weighted", "matthews_correlation", "loss")
    table = "".join(f"{line}\n" for line in tuned.seeds.table(starred=best, names=main))
    last = f"model of seed {best} (validation accuracy {tuned.metrics['validation']['accuracy']:.4f}) written to "
    assert len(tuned.seeds.table()) > len(tuned.seeds.table(names=main)) == 1 + len(main)
    assert err.endswith(f"{table}{last}{tuned.folder}, all figures to {tuned.folder / 'run' / 'report.html'}\n")
    assert "model of step" not in err, "that of each seed is no result"
    bertwright.finetune(**given | {"train": long, "test": None}, output_dir=tmp_path / "out")
    first, _, again = capsys.readouterr().err.partition("\n")
    assert first.endswith("is finished already: nothing to do (--overwrite starts anew)")
    assert err.endswith(f"\n{again}")


@pytest.mark.parametrize("split", ["validation", "test"])
def test_what_is_odd_about_the_published_model_is_said_and_of_no_other(
    split: str, several: Trained, given: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = [Suspicion("one_label", {"count": 18, "label": f"of seed {seed}"}) for seed in SEEDS]
    tested = {} if split == "test" else {"test": None}
    with patch.object(ClassificationTally, "suspicions", side_effect=[[each] for each in odd]):
        bertwright.finetune(**given | tested, output_dir=tmp_path / "out")
    assert several.seeds is not None
    best = f"warning: {split}: {odd[SEEDS.index(several.seeds.best.number)]}"
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if "tells nothing apart" in line] == [best]


def test_what_is_said_of_the_files_is_said_once(
    given: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bertwright.finetune(**given | {"max_steps": 1, "quiet": False}, output_dir=tmp_path / "out")
    lines = capsys.readouterr().err.splitlines()
    of_files = ("task: ", str(given["train"]), str(given["test"]), "validation set ", "train: ", "newly initialised")
    assert [sum(line.startswith(said) for line in lines) for said in of_files] == [1, 2, 2, 1, 1, 1]
    assert sum(line.startswith("training ") for line in lines) == len(SEEDS)


def test_a_finished_one_is_neither_repeated_nor_changed(
    several: Trained, given: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    assert bertwright.finetune(**given, output_dir=several.folder) == several
    assert "is finished already: nothing to do" in capsys.readouterr().err
    with pytest.raises(UsageError, match=re.escape("other settings: seeds was 3, now 2 (it can only grow); go on")):
        bertwright.finetune(**given | {"seeds": 2}, output_dir=several.folder)


def published(folder: Path) -> dict[str, object]:
    """What a finished run of several seeds says and holds."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.name != "lock")
    measured = json.loads((folder / "run" / "metrics.json").read_text())
    return {"names": names, "metrics": measured, "weights": weights(folder), "card": (folder / "README.md").read_text()}


@pytest.mark.parametrize("before", [1, 2])
def test_more_seeds_than_before_are_added_to_a_finished_run(
    before: int, several: Trained, given: dict[str, object], tmp_path: Path
) -> None:
    """Of the former ones only figures are left, and the best model; killed while it grows, that stays."""
    given = {**given, "output_dir": tmp_path / "out"}
    former = weights(bertwright.finetune(**given | {"seeds": before}).folder)
    steps = []

    def step_done(_: Silent, done: Step) -> None:
        steps.append(done.step)
        if len(steps) == 3:
            signal.raise_signal(signal.SIGTERM)

    with patch.object(Silent, "step", step_done):
        assert bertwright.finetune(**given).stopped_by == "SIGTERM"
        assert weights(tmp_path / "out") == former
        assert bertwright.load(tmp_path / "out").predict(["the cat"])
        with pytest.raises(UsageError, match=re.escape(f"seeds was 3, now {before} (it can only grow)")):
            bertwright.finetune(**given | {"seeds": before})
        with (
            patch("bertwright.api.repeating.certify", side_effect=KeyboardInterrupt),
            pytest.raises(KeyboardInterrupt),
        ):
            bertwright.finetune(**given)
        assert not (tmp_path / "out" / "run" / "finished.json").exists(), "its figures may be of another model by now"
        grown = bertwright.finetune(**given)
    assert steps == [1, 2, 3, 4, 5, 6] * (3 - before), "nothing was trained twice"
    assert grown.seeds == several.seeds
    assert published(grown.folder) == published(several.folder)
    assert bertwright.finetune(**given) == grown


def test_killed_before_it_notes_that_more_is_asked_it_is_what_it_was(
    several: Trained, given: dict[str, object], tmp_path: Path
) -> None:
    """The former command and the one that asks for more both go on from there."""
    folder = Path(shutil.copytree(several.folder, tmp_path / "out"))
    with patch("bertwright.api.run_folder.write_file", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        bertwright.finetune(**given | {"seeds": 4}, output_dir=folder)
    assert not (folder / "run" / "finished.json").exists()
    with patch.object(Silent, "step", side_effect=AssertionError("a finished run was repeated")):
        bertwright.finetune(**given, output_dir=folder)
    assert published(folder) == published(several.folder)


def test_a_run_does_not_grow_without_its_model(several: Trained, given: dict[str, object], tmp_path: Path) -> None:
    """Its weights are nowhere else, and may be the best."""
    folder = Path(shutil.copytree(several.folder, tmp_path / "out"))
    (folder / "model.safetensors").write_bytes(b"another")
    text = r"model.safetensors is not the file that the run wrote, and its weights are nowhere else: choose another --"
    with pytest.raises(UsageError, match=text):
        bertwright.finetune(**given | {"seeds": 4}, output_dir=folder)
    assert (folder / "run" / "finished.json").exists()


def test_a_single_run_grows_once_it_is_finished(given: dict[str, object], tmp_path: Path) -> None:
    given = {**given, "output_dir": tmp_path / "out"}
    with patch.object(Silent, "step", lambda *_: signal.raise_signal(signal.SIGTERM)):
        assert bertwright.finetune(**given | {"seeds": 1}).stopped_by == "SIGTERM"
    with pytest.raises(UsageError, match="seeds was 1, now 3; go on with the old ones"):
        bertwright.finetune(**given)


def test_stopped_in_the_second_run_it_goes_on_there(several: Trained, given: dict[str, object], tmp_path: Path) -> None:
    given = {**given, "output_dir": tmp_path / "out", "test": None}
    steps = []

    def step_done(_: Silent, done: Step) -> None:
        steps.append(done.step)
        if len(steps) == 8:  # the second step of the second run
            signal.raise_signal(signal.SIGTERM)

    with patch.object(Silent, "step", step_done):
        stopped = bertwright.finetune(**given)
        assert (stopped.stopped_by, stopped.exit_code, stopped.folder) == ("SIGTERM", 143, tmp_path / "out")
        assert not (stopped.folder / "config.json").exists()
        with pytest.raises(UsageError, match=re.escape("learning_rate was 0.01, now 0.02")):
            bertwright.finetune(**given | {"learning_rate": 0.02})
        again = bertwright.finetune(**given)
    assert steps == [1, 2, 3, 4, 5, 6] * 3
    assert again.metrics["validation"] == several.metrics["validation"]
    assert weights(again.folder) == weights(several.folder)


def test_killed_while_publishing_it_publishes_again(several: Trained, given: dict[str, object], tmp_path: Path) -> None:
    """Every run is done and the model half copied, as a `kill -9` would leave it."""
    given = {**given, "output_dir": tmp_path / "out", "test": None}
    with patch("bertwright.api.repeating.certify", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        bertwright.finetune(**given)
    (tmp_path / "out" / "config.json").unlink()
    (tmp_path / "out" / "model.safetensors").write_bytes(b"half")
    with patch.object(Silent, "step", side_effect=AssertionError("a finished run was repeated")):
        again = bertwright.finetune(**given)
    assert weights(again.folder) == weights(several.folder)
    assert len(list(again.folder.rglob("*.safetensors"))) == 1


def test_overwrite_starts_all_anew(several: Trained, given: dict[str, object], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(several.folder, tmp_path / "out"))
    last = 2**32 - 1  # after which they begin at 0
    changed = {"seeds": 2, "seed": last, "test": None, "overwrite": True, "max_steps": 1}
    again = bertwright.finetune(**given | changed, output_dir=folder)
    assert again.seeds is not None
    assert [run.number for run in again.seeds.runs] == [last, 0]
    assert sorted(path.name for path in (folder / "run" / "seeds").iterdir()) == ["0", str(last)]
