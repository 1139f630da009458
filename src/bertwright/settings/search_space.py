"""What `tune` searches: for each setting a range or some choices, from a YAML file or as it usually is.

Knows which settings may be tuned and that their values must be ones that `finetune` takes; knows nothing of a search.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bertwright.errors import UsageError
from bertwright.settings.base import nearest
from bertwright.settings.shared import LearningSettings
from bertwright.settings.verbs import FinetuneSettings, TrainingSettings
from bertwright.settings.yaml_file import Entry, parse_yaml, read_yaml

DEFAULT = """\
# bertwright tune --space THIS_FILE   (settings of `bertwright finetune --help`; the seed is never tuned)
# A range has low and high, both may come; log: true for what is thought of in powers of ten. A list has choices.

# Peak learning rate: what matters most.
learning_rate: {low: 1.0e-5, high: 1.0e-4, log: true}
# Texts per optimizer step.
batch_size: [16, 32, 64]
# Passes over the training set.
epochs: {low: 2, high: 5}
# Share of the steps in which the learning rate rises.
warmup_ratio: {low: 0.0, high: 0.2}
# Decay of the weights.
weight_decay: {low: 0.001, high: 0.1, log: true}
# Dropout everywhere.
dropout: [0.0, 0.1, 0.2]
# Each layer's learning rate as a share of that of the layer above it.
layer_decay: {low: 0.8, high: 1.0}
"""
_NEVER = {
    "seed": "the seed is luck, not a setting: --seeds trains the best settings with several",
    "split_seed": "all trials are measured on the same rows",
}


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`, whole ones where the setting takes no others; `log`: even in powers of ten."""

    low: float
    high: float
    log: bool
    whole: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Choices:
    """Some values."""

    values: tuple[Any, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"values": list(self.values)}


Space = Mapping[str, Range | Choices]


def read_space(path: Path | None) -> Space:
    """The space of a file, or the usual one; the settings in the order in which they stand there.

    Raises:
        UsageError: The file cannot be read, or a setting may not be tuned, or not to these values.
    """
    entries = parse_yaml(DEFAULT, Path("the usual space")) if path is None else read_yaml(path)
    if not entries:
        raise UsageError(f"{path}: the search space is empty; bertwright init space prints one")
    space: dict[str, Range | Choices] = {}
    for entry in entries:
        name = FinetuneSettings.name_of(entry.key)
        if name in space:
            raise UsageError(f"{entry.place}: {name} is given a second time")
        _check_name(name, entry.place)
        space[name] = _read(name, entry)
    return space


def tunable() -> list[str]:
    """The settings of how a model learns, but for the seed."""
    names = [name for base in (TrainingSettings, LearningSettings) for name in base.__annotations__]
    return [name for name in names if name in FinetuneSettings.model_fields and name not in _NEVER]


def _check_name(name: str, place: str) -> None:
    if name in _NEVER:
        raise UsageError(f"{place}: {name} cannot be tuned: {_NEVER[name]}")
    if name not in tunable():
        near = nearest(name, tunable())
        hint = FinetuneSettings.instead_of(name) or (
            f"did you mean {near}?" if near else f"tuned can be {', '.join(tunable())}"
        )
        raise UsageError(f"{place}: {name} cannot be tuned; {hint}")


def _read(name: str, entry: Entry) -> Range | Choices:
    match entry.value:
        case list(values) if values:
            return Choices(tuple(_value(name, value, entry.place) for value in values))
        case {"low": low, "high": high, **rest} if set(rest) <= {"log"} and isinstance(rest.get("log", False), bool):
            log = bool(rest.get("log", False))
            return _range(name, entry.place, _value(name, low, entry.place), _value(name, high, entry.place), log=log)
    raise UsageError(
        f"{entry.place}: {name} should be a list of choices, or a range such as {{low: 0.1, high: 0.2, log: true}}, "
        f"not {entry.value!r}"
    )


def _range(name: str, place: str, low: Any, high: Any, *, log: bool = False) -> Range:
    if not all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high)):
        raise UsageError(f"{place}: {name} has no range: give a list of choices")
    if low >= high:
        raise UsageError(f"{place}: {name}: low should be less than high")
    if log and low <= 0:
        raise UsageError(f"{place}: {name}: with log: true low should be greater than 0")
    return Range(low, high, log, whole=isinstance(low, int))


def _value(name: str, value: Any, place: str) -> Any:
    """The value as the setting has it."""
    required = {"model": "-", "train": Path("-"), "output_dir": Path("-")}
    given = {**required, name: value, **({"batch_size": value} if name == "gradient_accumulation" else {})}
    return getattr(FinetuneSettings.create(given, places={name: place}), name)
