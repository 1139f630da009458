"""What may be searched: ranges and choices that `finetune` takes; everything else is refused with its place."""

from pathlib import Path

import pytest

from bertwright.cli import main
from bertwright.errors import UsageError
from bertwright.settings.search_space import DEFAULT, Choices, Range, read_space


def space_of(tmp_path: Path, text: str) -> object:
    path = tmp_path / "space.yaml"
    path.write_text(text)
    return read_space(path)


def test_ranges_and_choices_have_the_types_of_their_settings(tmp_path: Path) -> None:
    found = space_of(
        tmp_path, "lr: {low: 1e-5, high: 1.0e-3, log: true}\nepochs: {low: 2, high: 5}\nbatch-size: [8, 16]\n"
    )
    assert found == {
        "learning_rate": Range(1e-5, 1e-3, log=True, whole=False),
        "epochs": Range(2, 5, log=False, whole=True),
        "batch_size": Choices((8, 16)),
    }
    assert space_of(tmp_path, "dropout: [null, 0]\nschedule: [linear, constant]\n") == {
        "dropout": Choices((None, 0.0)),
        "schedule": Choices(("linear", "constant")),
    }


def test_the_usual_space_is_what_init_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "space"]) == 0
    assert capsys.readouterr().out == DEFAULT
    assert space_of(tmp_path, DEFAULT) == read_space(None)
    assert set(read_space(None)) == {
        *("learning_rate", "batch_size", "epochs", "warmup_ratio", "weight_decay", "dropout", "layer_decay"),
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "seed: [1, 2]",
            ":1: seed cannot be tuned: the seed is luck, not a setting: --seeds trains the best settings ",
        ),
        ("epochs: [1]\nsplit_seed: [1, 2]", ":2: split_seed cannot be tuned: all trials are measured on the same rows"),
        ("learning_rat: [1]", ":1: learning_rat cannot be tuned; did you mean learning_rate?"),
        ("gradient_accumulation_steps: [1, 2]", ":1: gradient_accumulation_steps cannot be tuned; --batch-size is "),
        ("test: [a.csv, b.csv]", ":1: test cannot be tuned; "),
        ("epochs: 3", ":1: epochs should be a list of choices, or a range such as {low: 0.1, high: 0.2, log: true}, "),
        ("epochs: {low: 1, hihg: 3}", ":1: epochs should be a list of choices, or a range"),
        ("epochs: []", ":1: epochs should be a list of choices, or a range"),
        ("epochs: {low: 3, high: 2}", ":1: epochs: low should be less than high"),
        ("dropout: {low: 0, high: 0.5, log: true}", ":1: dropout: with log: true low should be greater than 0"),
        ("schedule: {low: linear, high: cosine}", ":1: schedule has no range: give a list of choices"),
        ("dropout: [0.1, 1.5]", ":1: dropout = 1.5: should be less than 1"),
        ("lr: [1e-5]\nlearning_rate: [1e-4]", ":2: learning_rate is given a second time"),
        ("", ": the search space is empty; bertwright init space prints one"),
    ],
)
def test_what_cannot_be_searched_is_said_with_its_place(text: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        space_of(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'space.yaml'}{complaint}")
    assert "\n" not in str(caught.value)
