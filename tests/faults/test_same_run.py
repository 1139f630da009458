"""Which run is it? A changed setting or file is refused by name, a finished run is left alone, nothing is mixed."""

import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import small_run
from small_run import HELD, Differing, Finetune, stop_after

from bertwright.errors import BertwrightError, DataError, SnapshotError, UsageError
from bertwright.files import read_json

ADVICE = "go on with the old ones, choose another --output-dir, or start anew with --overwrite"


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the lock, which has the number of the process."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture(scope="session")
def finished_once(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("finished") / "out"
    small_run.finetune(inputs, output)
    return output


@pytest.fixture
def finished(finished_once: Path, tmp_path: Path) -> Path:
    """`tmp_path / "out"` with a run that is finished."""
    return Path(shutil.copytree(finished_once, tmp_path / "out"))


@pytest.fixture
def own_inputs(inputs: Path, tmp_path: Path) -> Path:
    """The model folder and the files, to be changed."""
    return Path(shutil.copytree(inputs, tmp_path / "inputs"))


# ---- another run


def test_changed_settings_are_named_with_both_values(stopped: Path, finetune: Finetune):
    before = content(stopped)
    with pytest.raises(UsageError) as refused:
        finetune(learning_rate=0.5, epochs=4, test=None, class_weights="balanced")
    text = str(refused.value)
    assert text.startswith(f"{stopped} holds a run with other settings: ")
    assert text.endswith(f"; {ADVICE}")
    assert "learning_rate was 0.003, now 0.5" in text
    assert "epochs was 3, now 4" in text
    assert "class_weights was none, now balanced" in text
    assert re.search(r"test was [^;]*test\.tsv, now None", text)
    assert content(stopped) == before


@pytest.mark.parametrize("name", ["train.tsv", "dev.tsv", "test.tsv", "model/config.json", "model/vocab.txt"])
def test_changed_files_are_named(own_inputs: Path, tmp_path: Path, name: str):
    run = partial(small_run.finetune, own_inputs, tmp_path / "out")
    with stop_after(2):
        run()
    path = own_inputs / name
    if path.name == "vocab.txt":
        (own_inputs / "model" / "tokenizer.json").unlink()
    path.write_text(
        path.read_text().replace("fern", "palm").replace('"hidden_dropout_prob": 0.2', '"hidden_dropout_prob": 0.1')
    )
    role = {"train.tsv": "train", "dev.tsv": "validation", "test.tsv": "test"}.get(name, "model")
    shown = own_inputs / name if role != "model" else own_inputs / "model"
    told = f"{tmp_path}/out holds a run with other settings: {role} ({shown}) has other content now; {ADVICE}"
    with pytest.raises(UsageError, match=f"^{re.escape(told)}$"):
        run()


def test_settings_that_decide_nothing_may_change(stopped: Path, finetune: Finetune, differing: Differing):
    finetune(save_steps=3, keep_snapshots=1, weights_format="bin", quiet=False, tensorboard=True)
    assert differing() == set()
    assert (stopped / "pytorch_model.bin").exists()
    assert list((stopped / "run" / "tensorboard").iterdir())


def test_a_run_that_has_nothing_to_lose_may_be_corrected(own_inputs: Path, tmp_path: Path, undisturbed: dict[str, Any]):
    """Before its first snapshot a run is only what was asked for, and asking again is no contradiction."""
    run = partial(small_run.finetune, own_inputs, tmp_path / "out")
    good = (own_inputs / "train.tsv").read_text()
    (own_inputs / "train.tsv").write_text(good + "no label\n")
    with pytest.raises(DataError, match=r"train\.tsv:39: "):
        run()
    (own_inputs / "train.tsv").write_text(good)
    with pytest.raises(UsageError, match="max_length = 16000 is more than the model reads"):
        run(max_length=16000)
    run()
    assert small_run.outcome(tmp_path / "out") == undisturbed


@pytest.mark.parametrize(
    "there", [[], ["data.json"], ["data.json", "settings.yaml"], ["data.json", "settings.yaml", "log.jsonl"]]
)
def test_killed_before_the_first_snapshot(stopped: Path, finetune: Finetune, differing: Differing, there: list[str]):
    shutil.rmtree(stopped / "run" / "snapshots")
    for name in {path.name for path in (stopped / "run").iterdir()} - {"lock", *there}:
        (stopped / "run" / name).unlink()
    finetune()
    assert differing() == set()


def test_a_second_run_in_the_same_folder_is_refused(
    held: subprocess.Popen[bytes], finetune: Finetune, capsys: pytest.CaptureFixture[str], inputs: Path, tmp_path: Path
):
    told = f"{tmp_path}/out/run is in use by process {held.pid}: wait for it to end, or choose another folder"
    with pytest.raises(UsageError, match=f"^{told}$"):
        finetune(**HELD, overwrite=True)
    assert small_run.exit_code(inputs, tmp_path / "out", **HELD) == 2
    assert capsys.readouterr().err == f"error: {told}\n"
    held.send_signal(signal.SIGTERM)
    held.communicate()
    assert held.returncode == 143


# ---- a finished run


def test_a_finished_run_says_so_and_is_left_alone(
    finished: Path, inputs: Path, finetune: Finetune, capsys: pytest.CaptureFixture[str]
):
    before = content(finished)
    assert small_run.exit_code(inputs, finished) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0] == f"{finished} is finished already: nothing to do (--overwrite starts anew)"
    again = finetune()
    assert (
        said[-1] == f"model of step {again.best_step} written to {finished}, all figures to {finished}/run/report.html"
    )
    for (split, found), line in zip(again.metrics.items(), said[1:-1], strict=True):
        assert line.startswith(f"{split}: accuracy {found['accuracy']:.4f} ")
    measured = read_json(finished / "run" / "metrics.json")
    assert isinstance(measured, dict)
    assert again.metrics == {name: measured[name] for name in ("validation", "test")}
    assert again.best_step == measured["best_step"]
    assert content(finished) == before


def test_a_finished_run_with_other_settings_is_refused(finished: Path, finetune: Finetune):
    with pytest.raises(UsageError, match="seed was 2, now 5; go on with"):
        finetune(seed=5)


def test_a_finished_run_tells_of_files_that_are_not_its_own(
    finished: Path, finetune: Finetune, capsys: pytest.CaptureFixture[str]
):
    (finished / "config.json").write_text("{}")
    (finished / "model.safetensors").unlink()
    finetune()
    told = capsys.readouterr().err.splitlines()
    assert told[:2] == [
        f"warning: {finished}/config.json is not the file that the run wrote",
        f"warning: {finished}/model.safetensors is not the file that the run wrote",
    ]


def test_killed_when_all_was_done_but_the_tidying(finished: Path, stopped_once: Path, finetune: Finetune):
    tidy = content(finished)
    shutil.copytree(stopped_once / "run" / "snapshots", finished / "run" / "snapshots")
    shutil.copy(stopped_once / "run" / "best.safetensors", finished / "run")
    finetune()
    assert content(finished) == tidy
    assert not (finished / "run" / "snapshots").exists()


def test_killed_while_it_published(finished_once: Path, finetune: Finetune, differing: Differing, tmp_path: Path):
    """The last snapshot is there, and some files of the model folder, one of them half-written."""
    with stop_after(small_run.STEPS):
        finetune()
    output = tmp_path / "out"
    for name in ("vocab.txt", "tokenizer.json"):
        shutil.copyfile(finished_once / name, output / name)
    half = (finished_once / "model.safetensors").read_bytes()[:1000]
    (output / ".tmp-model.safetensors-77-abcd").write_bytes(half)
    (output / "run" / ".tmp-metrics.json-77-abcd").write_bytes(b"{")
    finetune()
    assert differing() == set()
    assert not [path for path in output.rglob("*") if path.name.startswith(".tmp-")]


# ---- starting anew


def test_overwrite_starts_anew(stopped: Path, finetune: Finetune, differing: Differing, tmp_path: Path):
    finetune(seed=5, output_dir=tmp_path / "fresh")
    (stopped / "run" / "predictions.dev.jsonl").write_text("of the run before")
    finetune(seed=5, overwrite=True)
    assert differing(expected=small_run.outcome(tmp_path / "fresh")) == set()
    assert {path.name for path in (stopped / "run").iterdir()} == {
        path.name for path in (tmp_path / "fresh" / "run").iterdir()
    }


def test_overwrite_removes_weights_of_another_format(finished: Path, finetune: Finetune):
    (finished / "pytorch_model.bin").write_bytes(b"of the run before")
    finetune(seed=5, max_steps=1, overwrite=True)
    assert not (finished / "pytorch_model.bin").exists()


def cut(path: Path) -> None:
    path.write_text(path.read_text()[:50])


def empty(path: Path) -> None:
    path.write_text("")


def remove(path: Path) -> None:
    path.unlink()


def misspell(path: Path) -> None:
    path.write_text(path.read_text().replace("epochs:", "epohcs:"))


def hollow(path: Path) -> None:
    path.write_text('{"train": 3}')


@pytest.mark.parametrize(
    ("name", "harm", "told"),
    [
        ("settings.yaml", empty, "finetune needs model, train, output_dir"),
        ("settings.yaml", remove, "{run}/settings.yaml: no such settings file"),
        ("settings.yaml", misspell, "{run}/settings.yaml:[0-9]+: unknown setting epohcs: did you mean epochs\\?"),
        ("data.json", cut, "{run}/data.json is not valid JSON: "),
        ("data.json", remove, "cannot read {run}/data.json: No such file or directory"),
        ("data.json", hollow, "{run}/data.json does not hold the hashes of files"),
    ],
)
def test_a_run_whose_beginning_is_lost_is_refused(
    stopped: Path, finetune: Finetune, name: str, harm: Callable[[Path], None], told: str
):
    run = stopped / "run"
    harm(run / name)
    advice = r"\): choose another --output-dir, or start anew with --overwrite$"
    with pytest.raises(
        SnapshotError, match=rf"^{run} does not tell what its run began with \({told.format(run=run)}.*{advice}"
    ):
        finetune()
    assert finetune(max_steps=1, overwrite=True).exit_code == 0


# ---- folders that hold something else


def test_the_folder_of_the_model_is_refused(own_inputs: Path, tmp_path: Path):
    (tmp_path / "link").symlink_to(own_inputs / "model")
    before = content(own_inputs)
    for output in (own_inputs / "model", tmp_path / "link"):
        with pytest.raises(UsageError, match=f"^--output-dir {output} is the folder of --model: choose another one$"):
            small_run.finetune(own_inputs, output, overwrite=True)
    assert content(own_inputs) == before


def test_a_folder_of_other_things_is_refused_unless_told(tmp_path: Path, finetune: Finetune):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    told = f"{tmp_path}/out is not empty and holds no run: choose another --output-dir, or pass --overwrite"
    with pytest.raises(UsageError, match=f"^{told}"):
        finetune()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]
    finetune(max_steps=1, overwrite=True)
    assert (tmp_path / "out" / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_run_folder_of_something_else_is_never_cleared(tmp_path: Path, finetune: Finetune, overwrite: bool):
    (tmp_path / "out" / "run").mkdir(parents=True)
    (tmp_path / "out" / "run" / "race.csv").write_text("42.195")
    told = f"{tmp_path}/out/run is not empty and holds no run of bertwright: choose another --output-dir"
    with pytest.raises(UsageError, match=f"^{told}$"):
        finetune(overwrite=overwrite)
    assert content(tmp_path) == {"out/run/race.csv": b"42.195"}


def test_a_file_is_no_folder(tmp_path: Path, finetune: Finetune):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(BertwrightError, match=f"^cannot make the folder {tmp_path}/out/run: {tmp_path}/out is a file$"):
        finetune()


def test_an_empty_folder_will_do(tmp_path: Path, finetune: Finetune):
    (tmp_path / "out").mkdir()
    assert finetune(max_steps=1).exit_code == 0


# ---- rows that were left out


def test_each_file_has_its_own_quarantine(own_inputs: Path, tmp_path: Path):
    with (own_inputs / "train.tsv").open("a") as train:
        train.write("no label\n")
    small_run.finetune(own_inputs, tmp_path / "out", max_steps=1, skip_bad_rows=True)
    found = {path.name: path.read_text().count("\n") for path in (tmp_path / "out" / "run").glob("bad_rows.*")}
    assert found == {"bad_rows.train.jsonl": 1}
