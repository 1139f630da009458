"""The command line: what it understands, what it says when it does not, and the exit code of everything."""

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import bertwright
from bertwright import DataError, FinetuneSettings, UsageError, api
from bertwright import settings as all_settings
from bertwright.cli import VERBS, main
from bertwright.flags import by_flags
from bertwright.settings import Settings

NEEDED = ["--model", "tiny", "--train", "train.csv", "--output-dir", "out"]


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "500")


@pytest.fixture
def finetuned(monkeypatch: pytest.MonkeyPatch) -> list[FinetuneSettings]:
    """The settings with which the command line calls `api.finetune`, which does nothing here."""
    calls: list[FinetuneSettings] = []
    monkeypatch.setattr(api, "finetune", calls.append)
    return calls


@pytest.fixture
def demo_does(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Make `api.demo` do what no real verb can be made to do."""
    return lambda action: monkeypatch.setattr(api, "demo", lambda _settings: action())


def raising(error: BaseException) -> Callable[[], object]:
    def action() -> object:
        raise error

    return action


def error_of(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 2) -> str:
    """The one line that a wrong command prints, and nothing else."""
    assert main(argv) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err.removeprefix("error: ").rstrip("\n")


def settings_class(verb: str) -> type[Settings]:
    cls: type[Settings] = getattr(all_settings, VERBS[verb].settings)
    return cls


# ---- help


def test_the_overview_has_a_line_for_each_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out, err = capsys.readouterr()
    verbs = out.partition("Verbs:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in verbs] == [*VERBS, "init"]
    assert all(len(line) <= 80 for line in verbs)
    assert err == ""


def test_no_verb_prints_the_overview_as_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[0]) == ("", "usage: bertwright VERB [--flag VALUE ...]")


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"bertwright {bertwright.__version__}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_the_table_of_verbs_agrees_with_settings_and_api(verb: str) -> None:
    assert settings_class(verb).verb == verb
    assert settings_class(verb).__doc__ == VERBS[verb].summary
    assert callable(getattr(api, verb))


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_explains_every_setting_with_its_default(verb: str, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--quiet", flag]) == 0
    words = " ".join(capsys.readouterr().out.split())
    for name, field in settings_class(verb).model_fields.items():
        assert f" --{name.replace('_', '-')}" in words
        explained = " ".join(str(field.description).split())
        assert explained in words
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert f"{explained} (default: {field.default})" in words


def test_help_shows_choices_lists_switches_and_what_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    main(["finetune", "--help"])
    out = capsys.readouterr().out
    assert out.startswith("usage: bertwright finetune --model NAME --train PATH --output-dir PATH [--flag VALUE ...]\n")
    assert "  --schedule {linear,cosine,constant}\n" in out
    assert "  --columns NAME [NAME ...] " in out
    assert "  --quiet, --no-quiet         Print only warnings and the result. (default: no)\n" in out
    assert "  --save-steps N " in out
    assert "  --learning-rate X           Peak learning rate. (default: 5e-05)\n" in out
    assert "--train-file" not in out, "other names are for those who type them, not for those who choose one"
    assert "Other names work as well: " in out
    assert "train_file" in out.rpartition("Other names")[2]


# ---- flags → settings


@pytest.mark.parametrize(
    ("argv", "name", "value"),
    [
        (["--learning-rate", "2e-5"], "learning_rate", 2e-5),
        (["--learning_rate=2e-5"], "learning_rate", 2e-5),
        (["--num_train_epochs", "2"], "epochs", 2),
        (["--per-device-train-batch-size", "8"], "batch_size", 8),
        (["--columns", "text", "label"], "columns", ("text", "label")),
        (["--columns", "text", "label", "--quiet"], "quiet", True),
        (["--quiet", "--no-quiet"], "quiet", False),
        (["--overwrite_output_dir"], "overwrite", True),
        (["--no_overwrite_output_dir"], "overwrite", False),
        (["--no-quoting"], "quoting", False),
        (["--epochs", "2", "--epochs", "4"], "epochs", 4),
        (["--text-column=--text"], "text_column", "--text"),
        (["--label-column", "a=b"], "label_column", "a=b"),
        (["--label-column", "-1"], "label_column", "-1"),
        (["--best_metric", "f1_macro"], "best_metric", "f1_macro"),
    ],
)
def test_flags_become_settings(argv: list[str], name: str, value: object, finetuned: list[FinetuneSettings]) -> None:
    assert main(["finetune", *NEEDED, *argv]) == 0
    assert getattr(finetuned[0], name) == value
    assert finetuned[0].train == Path("train.csv")


def test_flags_win_over_the_file_and_the_file_over_defaults(finetuned: list[FinetuneSettings], tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("model: mini\ntrain: a.csv\noutput_dir: out\nepochs: 5\nquiet: true\n")
    assert main(["finetune", "--config", str(file), "--num-train-epochs", "7", "--no-quiet"]) == 0
    made = finetuned[0]
    assert (made.model, made.epochs, made.quiet, made.batch_size) == ("mini", 7, False, 32)


@pytest.mark.parametrize("verb", VERBS)
def test_init_writes_a_file_that_config_reads(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(api, verb, calls.append)
    assert main(["init", verb]) == 0
    file = tmp_path / "settings.yaml"
    file.write_text(capsys.readouterr().out)
    fields = settings_class(verb).model_fields
    required = [f"--{name}=x".replace("_", "-") for name in fields if fields[name].is_required()]
    required += ["--max-steps=1"] if verb == "pretrain" else []  # one of three is
    assert main([verb, f"--config={file}", *required]) == 0
    assert main([verb, *required]) == 0
    assert calls[0] == calls[1]


def test_init_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: bertwright init VERB > settings.yaml\n")


# ---- wrong commands


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        ("finetun", "unknown verb finetun: did you mean finetune?"),
        ("inti finetune", "unknown verb inti: did you mean init?"),
        ("train", "unknown verb train: did you mean pretrain?"),
        ("--model tiny", "unknown verb --model: see bertwright --help"),
        (
            "init",
            f"init takes one of {', '.join([*VERBS, 'space'])}, as in: bertwright init finetune > settings.yaml",
        ),
        (
            "init fientune",
            f"init takes one of {', '.join([*VERBS, 'space'])}, as in: bertwright init finetune > settings.yaml",
        ),
        ("finetune --lerning-rate 1", "unknown flag --lerning-rate: did you mean --learning-rate?"),
        ("finetune --lerning_rate=1", "unknown flag --lerning-rate: did you mean --learning-rate?"),
        ("finetune --num-train-epoch 1", "unknown flag --num-train-epoch: did you mean --epochs?"),
        (
            "finetune --per-device-train-batch-size 8 --gradient_accumulation_steps=4",
            "unknown flag --gradient-accumulation-steps: --batch-size is that of a whole step, in transformers that "
            "of one of its parts: give the whole, and --gradient-accumulation N to compute it in N parts",
        ),
        (
            "finetune --push-to-hub",
            "unknown flag --push-to-hub: upload the finished folder: hf upload USER/NAME OUTPUT_DIR",
        ),
        ("finetune --fp16", "unknown flag --fp16: there is bf16 instead: --precision bf16"),
        ("predict --bf16 True", "unknown flag --bf16: write --precision bf16"),
        ("finetune --do_train", "unknown flag --do-train: leave it out: the files that are given say what is done"),
        ("tune --eval-strategy epoch", "unknown flag --eval-strategy: leave it out, or give --eval-steps N"),
        ("pretrain --save_strategy=no", "unknown flag --save-strategy: leave it out, or give --save-steps N"),
        (
            "pretrain --warmup-steps 100",
            "unknown flag --warmup-steps: --warmup-ratio is a share of the steps: 0.1 for the first tenth",
        ),
        ("finetune --learning 1", "unknown flag --learning: did you mean --learning-rate?"),
        ("finetune -model tiny", "unknown flag -model: did you mean --model?"),
        ("finetune --no-quite", "unknown flag --no-quite: did you mean --no-quiet?"),
        ("evaluate --lr 1", "unknown flag --lr: see bertwright evaluate --help"),
        ("finetune --model", "--model: expected one argument (see bertwright finetune --help)"),
        ("finetune --model --train a.csv", "--model: expected one argument (see bertwright finetune --help)"),
        ("predict --quiet=yes", "--quiet/--no-quiet: ignored explicit argument 'yes' (see bertwright predict --help)"),
        ("predict reviews.csv", "unexpected 'reviews.csv': see bertwright predict --help"),
        ("finetune", "finetune needs model, train, output_dir (--model --train --output-dir)"),
        ("demo --seed -1", "--seed = '-1': should be greater than or equal to 0"),
        ("demo --no-quiet --precision=fp8", "--precision = 'fp8': should be 'auto', 'fp32' or 'bf16'"),
        (
            "finetune --model m --train a --output_dir o --lr 1 --lr abc",
            "--lr = 'abc': should be a valid number, unable to parse string as a number",
        ),
        ("demo --config none.yaml", "none.yaml: no such settings file"),
    ],
)
def test_a_wrong_command_is_one_line_that_helps(argv: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert error_of(capsys, *argv.split()) == text


def test_a_wrong_setting_in_a_file_is_named_with_its_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("seed: 3\nprecison: bf16\n")
    expected = f"{file}:2: unknown setting precison: did you mean precision?"
    assert error_of(capsys, "demo", "--config", str(file)) == expected
    file.write_text("seed: -3\n")
    assert error_of(capsys, "demo", "--config", str(file)).startswith(f"{file}:1: seed = -3: ")
    assert error_of(capsys, "demo", "--seed=-4", "--config", str(file)).startswith("--seed = '-4': ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "max_question_length is for qa, and the task is choice",
            "--max-question-length is for qa, and the task is choice",
        ),
        ("crf is for tagging, and the task is qa", "--crf is for tagging, and the task is qa"),
        ("set long = window, too: a model is for texts", "set --long = window, too: a model is for texts"),
        ("holds a run: batch_size was 1, now 2", "holds a run: --batch-size was 1, now 2"),
        ("epochs was 3, now 4: or add --seeds; seed was 1", "--epochs was 3, now 4: or add --seeds; --seed was 1"),
        ("no column 'max_length' in max_length/a.csv or max_length.csv", None),
        ("a.yaml:3: max_length = 3: too little", None),
        ("needs train, output_dir (--train --output-dir)", None),
        ("top_k is none of its settings", None),
    ],
)
def test_an_error_calls_settings_by_their_flags(text: str, told: str | None) -> None:
    assert by_flags(text, FinetuneSettings) == (told or text)


def test_what_a_python_caller_calls_a_setting_is_a_flag_on_the_command_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "train.csv").write_text("text,label\nwell made,good\n")
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nwell\nmade\n")
    given = {"train": str(tmp_path / "train.csv"), "vocab": str(tmp_path), "output_dir": str(tmp_path / "out")}
    with pytest.raises(UsageError, match=r"^max_question_length is for qa, and the task is classification$"):
        api.finetune(model="tiny", **given, max_question_length=32, quiet=True)
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    text = error_of(capsys, "finetune", "--model=tiny", *flags, "--max-question-length=32", "--quiet")
    assert text == "--max-question-length is for qa, and the task is classification"


# ---- what becomes of a run


def test_a_verb_that_cannot_go_on_says_why_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    test = tmp_path / "test.csv"
    test.write_text("text,label\nwell made,good\n")
    argv = ["evaluate", "--model", str(tmp_path / "none"), "--test", str(test)]
    assert main(argv) in {1, 2}
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("error: ")
    assert str(tmp_path / "none") in err.splitlines()[-1]
    assert err.count("error:") == 1


@pytest.mark.parametrize(("result", "code"), [(None, 0), (SimpleNamespace(exit_code=143), 143), ({"accuracy": 1}, 0)])
def test_the_result_decides_the_exit_code(result: object, code: int, demo_does: Any) -> None:
    demo_does(lambda: result)
    assert main(["demo"]) == code


def test_an_error_for_the_user_is_one_line_that_cannot_drive_the_terminal(
    capsys: pytest.CaptureFixture[str], demo_does: Any
) -> None:
    demo_does(raising(DataError("a\nb.csv:3: label \x1b[2J\u202e写 \udcff")))
    assert error_of(capsys, "demo", code=1) == r"a\nb.csv:3: label \x1b[2J\u202e写 \udcff"


def test_an_unexpected_error_points_to_debug(capsys: pytest.CaptureFixture[str], demo_does: Any) -> None:
    demo_does(raising(RuntimeError("shapes differ\nand a long tail")))
    assert error_of(capsys, "demo", code=1) == (
        "RuntimeError: shapes differ (run again with --debug for the traceback)"
    )


@pytest.mark.parametrize("argv", [["--debug", "demo"], ["demo", "--debug"]])
@pytest.mark.parametrize("error", [RuntimeError("boom"), DataError("boom"), KeyboardInterrupt()])
def test_debug_prints_the_traceback(
    argv: list[str], error: BaseException, capsys: pytest.CaptureFixture[str], demo_does: Any
) -> None:
    demo_does(raising(error))
    assert main(argv) in {1, 130}
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last):\n")
    assert "test_cli.py" in err
    assert err.splitlines()[-1].startswith(("error: ", "stopped by SIGINT: "))
    assert "--debug" not in err.splitlines()[-1]


def test_ctrl_c_is_no_traceback(capsys: pytest.CaptureFixture[str], demo_does: Any) -> None:
    demo_does(raising(KeyboardInterrupt()))
    assert main(["demo"]) == 130
    said = "stopped by SIGINT: the same command goes on from what is saved, or begins anew where nothing is\n"
    assert capsys.readouterr().err == said


def test_warnings_are_one_line_on_stderr(capsys: pytest.CaptureFixture[str], demo_does: Any) -> None:
    def warn() -> None:
        warnings.simplefilter("always")
        warnings.warn("the text\nis long", stacklevel=1)

    demo_does(warn)
    assert main(["demo"]) == 0
    assert capsys.readouterr() == ("", "warning: the text\\nis long\n")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_reader_that_has_gone_is_no_error() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    argv = [sys.executable, "-m", "bertwright", "--help"]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with os.fdopen(write_end) as stdout:
        run = subprocess.run(argv, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, env=buffered)
    assert (run.returncode, run.stderr) == (141, "")


def test_the_package_runs_as_a_module() -> None:
    argv = [sys.executable, "-m", "bertwright", "finetun"]
    run = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (2, "", "error: unknown verb finetun: did you mean finetune?\n")
