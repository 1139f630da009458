"""Settings: what they accept, what they say when they do not, and that files of them read back the same."""

import inspect
import json
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertwright.errors import UsageError
from bertwright.settings import (
    DemoSettings,
    EvaluateSettings,
    FinetuneSettings,
    PredictSettings,
    Settings,
    TuneSettings,
)
from bertwright.settings.base import Free, Spelled

VERBS: list[type[Settings]] = [FinetuneSettings, EvaluateSettings, PredictSettings, DemoSettings]
NEEDED = {"model": "tiny", "train": "train.csv", "output_dir": "out"}


def required(cls: type[Settings]) -> dict[str, object]:
    return {name: "needed" for name, field in cls.model_fields.items() if field.is_required()}


def complaint(cls: type[Settings], values: dict[str, object]) -> str:
    with pytest.raises(UsageError) as caught:
        cls.create(values)
    return str(caught.value)


def file_complaint(path: Path, content: str | bytes, **flags: object) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UsageError) as caught:
        FinetuneSettings.from_file(path, {**NEEDED, **flags})
    return str(caught.value)


# ---- values


def test_flags_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("epochs: 5\nper_device_train_batch_size: 8\nmodel: mini\n")
    made = FinetuneSettings.from_file(file, {**NEEDED, "batch-size": "4"})
    assert (made.epochs, made.batch_size, made.model, made.max_length) == (5, 4, "tiny", 128)


def test_values_may_be_text_as_flags_give_them() -> None:
    text = {"learning_rate": "2e-5", "columns": ["text", "label"], "quiet": "true", "freeze_layers": "0"}
    made = FinetuneSettings.create({**NEEDED, **text})
    assert (made.learning_rate, made.columns, made.quiet, made.freeze_layers) == (2e-5, ("text", "label"), True, 0)
    assert made.train == Path("train.csv")


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("model_name_or_path", "model"),
        ("train_file", "train"),
        ("max_seq_length", "max_length"),
        ("per_device_train_batch_size", "batch_size"),
        ("num_train_epochs", "epochs"),
        ("lr", "learning_rate"),
        ("warmup-ratio", "warmup_ratio"),
        ("metric_for_best_model", "best_metric"),
    ],
)
def test_other_spellings_are_understood(spelling: str, name: str) -> None:
    assert FinetuneSettings.name_of(spelling) == name


def test_a_figure_may_bear_the_trainers_prefix() -> None:
    assert FinetuneSettings.create({**NEEDED, "metric_for_best_model": "eval_f1_macro"}).best_metric == "f1_macro"


def test_a_model_is_used_with_the_spellings_it_was_trained_with() -> None:
    spelled = {"model_name_or_path": "out", "test_file": "test.csv", "max_seq_length": 64}
    assert EvaluateSettings.create(spelled).max_length == 64


@pytest.mark.parametrize("cls", VERBS)
def test_no_mark_hides_inside_a_union_where_it_would_not_be_found(cls: type[Settings]) -> None:
    def marks(annotation: Any) -> list[object]:
        own = [mark for mark in getattr(annotation, "__metadata__", ()) if mark is Free or isinstance(mark, Spelled)]
        return own + [mark for argument in get_args(annotation) for mark in marks(argument) if mark not in own]

    for base in cls.__mro__:
        for name, annotation in inspect.get_annotations(base).items():
            if name in cls.model_fields:
                found = cls.model_fields[name].metadata
                assert all(mark in found for mark in marks(annotation)), f"{base.__name__}.{name}"


@pytest.mark.parametrize("cls", VERBS)
def test_every_setting_explains_itself_and_is_shown_once(cls: type[Settings]) -> None:
    shown = [name for names in cls.groups().values() for name in names]
    assert sorted(shown) == sorted(cls.model_fields)
    for name, field in cls.model_fields.items():
        assert field.description, f"{cls.__name__}.{name} has no docstring"
        assert field.description.endswith("."), name
        assert "\n" not in field.description, f"{name}: one line, as it becomes a comment in YAML"


def test_settings_that_may_change_when_a_run_is_resumed() -> None:
    assert FinetuneSettings.free_on_resume() == {
        "device", "explain", "keep_snapshots", "lang", "mlflow", "output_dir", "overwrite", "quiet", "save_steps",
        "slice_columns", "tensorboard", "wandb", "weights_format",
    }  # fmt: skip


def test_settings_of_which_there_may_be_more() -> None:
    assert FinetuneSettings.growing() == {"seeds"}
    assert TuneSettings.growing() == {"max_hours", "seeds", "trials"}
    few, more = (
        TuneSettings.create({**NEEDED, "trials": trials, "max_hours": hours}) for trials, hours in ((2, 8.0), (3, None))
    )
    assert more.more_than(few) == ["max_hours", "trials"]
    assert few.more_than(more) == few.more_than(few) == []


# ---- complaints


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"lerning_rate": 1}, "unknown setting lerning_rate: did you mean learning_rate?"),
        ({"num_train_epoch": 1}, "unknown setting num_train_epoch: did you mean epochs?"),
        (
            {"gradient_accumulation_steps": 4},
            "unknown setting gradient_accumulation_steps: --batch-size is that of a whole step, in transformers that "
            "of one of its parts: give the whole, and --gradient-accumulation N to compute it in N parts",
        ),
        ({"val": "dev.csv"}, "unknown setting val: did you mean validation?"),
        ({"zzz": 1}, "unknown setting zzz: see bertwright finetune --help"),
        ({"epochs": "0"}, "epochs = '0': should be greater than or equal to 1"),
        ({"epochs": "three"}, "epochs = 'three': should be a valid integer, unable to parse string as an integer"),
        ({"weight_decay": "-0.5"}, "weight_decay = '-0.5': should be greater than or equal to 0"),
        ({"learning_rate": "inf"}, "learning_rate = 'inf': should be a finite number"),
        ({"schedule": "linaer"}, "schedule = 'linaer': should be 'linear', 'cosine' or 'constant'"),
        ({"freeze_layers": -1}, "freeze_layers = -1: should be greater than or equal to 0"),
        ({"seed": None}, "seed = None: should be a valid integer"),
        ({"validation": ""}, "validation = '': should not be empty"),
        ({"train_file": "b.csv"}, "train is given a second time, as train_file"),
        (
            {"batch_size": 2, "gradient_accumulation": 4},
            "gradient_accumulation = 4 is more than batch_size = 2: "
            "a batch cannot be cut into more parts than it has texts",
        ),
        (
            {"stride": 63, "max_length": 64},
            "stride = 63 is more than a window holds (62 with max_length = 64): "
            "what stands between two windows would be read in none",
        ),
    ],
)
def test_a_wrong_value_is_one_line_that_says_what_is_right(values: dict[str, object], text: str) -> None:
    assert complaint(FinetuneSettings, {**NEEDED, **values}) == text


def test_a_misspelt_name_comes_before_what_is_missing_because_of_it() -> None:
    assert complaint(FinetuneSettings, {"model": "tiny", "trian": "a.csv"}) == (
        "unknown setting trian: did you mean train?; finetune needs train, output_dir (--train --output-dir)"
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("seed: 1\nlerning_rate: 2\n", ":2: unknown setting lerning_rate: did you mean learning_rate?"),
        ("# comment\n\nepochs: many\n", ":3: epochs = 'many': should be a valid integer"),
        ("epochs: 1\nseed: 2\nepochs: 3\n", ":3: epochs is given a second time, first at "),
        ("epochs: 1\nnum_train_epochs: 3\n", ":2: epochs is given a second time, first at "),
        ("epochs: 1\nseed: [1, 2\n", ":3: not valid YAML: expected ',' or ']'"),
        ("epochs: 1\nseed: !!python/name:os.system\n", ":2: not valid YAML: could not determine a constructor"),
        ("epochs: 1\x00", ": not valid YAML: unacceptable character #x0000"),
        ("no: 1\n", ":1: False is not the name of a setting"),
        ("- epochs\n", ": should hold `name: value` lines, found seq"),
        ("just words\n", ": should hold `name: value` lines, found str"),
        (b"model: caf\xe9\n", ": not a settings file: should be YAML in UTF-8"),
    ],
)
def test_a_wrong_file_is_named_with_the_line(content: str | bytes, text: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    message = file_complaint(file, content)
    assert message.startswith(f"{file}{text}")
    assert "\n" not in message


def test_a_file_that_is_not_there_or_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.yaml: no such settings file$"):
        FinetuneSettings.from_file(tmp_path / "none.yaml", {})
    with pytest.raises(UsageError, match=r": cannot be read: Is a directory$"):
        FinetuneSettings.from_file(tmp_path, {})


def test_the_file_is_not_blamed_for_a_flag(tmp_path: Path) -> None:
    message = file_complaint(tmp_path / "settings.yaml", "epochs: 3\n", num_train_epochs="0")
    assert message == "num_train_epochs = '0': should be greater than or equal to 1"


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("# nothing yet\n")
    assert FinetuneSettings.from_file(file, NEEDED) == FinetuneSettings.create(NEEDED)


# ---- files that read back


@pytest.mark.parametrize("cls", VERBS)
def test_a_template_says_everything_and_changes_nothing(cls: type[Settings], tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(cls.template())
    for name, field in cls.model_fields.items():
        assert f"# {field.description}\n{name}:" in cls.template()
    assert cls.from_file(file, required(cls)) == cls.create(required(cls))


def test_a_template_left_open_asks_for_what_is_required(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(EvaluateSettings.template())
    with pytest.raises(UsageError, match=r"^evaluate needs model, test \(--model --test\)$"):
        EvaluateSettings.from_file(file, {})


def values_of(annotation: Any) -> st.SearchStrategy[object]:
    """Values that a plain type allows, so small that every range in the settings holds them."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return values_of(annotation.__origin__)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(values_of(str), min_size=1).map(tuple)
    if type(None) in arguments:
        return st.none() | values_of(arguments[0])
    text = st.text(st.characters(exclude_categories=()), min_size=1)  # surrogates too: a file name may hold any byte
    numbers: dict[object, st.SearchStrategy[object]] = {
        int: st.integers(min_value=3, max_value=30),
        float: st.floats(min_value=1e-30, max_value=0.99),
        bool: st.booleans(),
        Path: text.map(Path),
    }
    return numbers.get(annotation, text)


def instances(cls: type[Settings]) -> st.SearchStrategy[Settings]:
    fields = {name: values_of(field.annotation) for name, field in cls.model_fields.items()}
    # Never more parts than the batch has texts; one fold has a form of its own; and what does not go together.
    fitting: dict[str, st.SearchStrategy[object]] = {
        "gradient_accumulation": st.just(1),
        "fold": st.none(),
        "stride": st.none(),
        "crf": st.just(False),
        "focal_gamma": st.just(0.0),
        "adversarial_epsilon": st.just(0.0),
    }
    chosen = {name: fitting[name] for name in fields.keys() & fitting.keys()}
    return st.fixed_dictionaries(fields | chosen).map(cls.create)


@settings(max_examples=40, deadline=None)
@given(made=st.one_of(*(instances(cls) for cls in VERBS)))
def test_settings_written_to_a_file_read_back_the_same(
    made: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "round-trip.yaml"
    file.write_text(made.to_yaml(), encoding="utf-8")
    assert type(made).from_file(file, {}) == made


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://me:se:cret@host/name", "postgresql+psycopg://me:***@host/name"),
        ("postgresql://host/name?user=me&password=secret&x=y", "postgresql://host/name?user=me&password=***&x=y"),
        ("postgresql+psycopg://me@host:5432/name", "postgresql+psycopg://me@host:5432/name"),
    ],
)
def test_a_password_is_written_nowhere(url: str, shown: str) -> None:
    made = TuneSettings.create({**required(TuneSettings), "storage": url})
    assert f"storage: {shown}\n" in made.to_yaml()
    assert "cret" not in json.dumps(made.model_dump(mode="json"))
    assert made.storage == url, "and is there for who needs it"
