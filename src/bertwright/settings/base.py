"""What every settings class can do: read itself from values or a file, complain in one line, explain itself.

Values come from defaults, then a YAML file, then flags or a call. Knows no single setting; imports no torch.
"""

import difflib
import inspect
import math
from collections import ChainMap
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from bertwright.errors import UsageError
from bertwright.settings.yaml_file import read_yaml, to_yaml

NOWHERE: Mapping[str, str] = MappingProxyType({})


class Spelled:
    """Marks a setting with the other names people know it by (transformers, the original BERT code)."""

    def __init__(self, *aliases: str) -> None:
        self.aliases = aliases


class Free:
    """Marks a setting that may differ when a run is resumed: it changes nothing about the resulting weights."""


class Grows:
    """Marks a setting of which a run that is there may be asked for more, also a finished one; None is no limit."""


class Leading:
    """Marks the one setting that may also be given as a bare word: `inspect shards/` is `inspect --shards shards/`."""


class Settings(BaseModel):
    """Base of all settings: closed, frozen, validated when made."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        validate_default=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
        defer_build=True,  # `--help` needs the fields alone, not their validators
    )
    verb: ClassVar[str]
    elsewhere: ClassVar[Mapping[str, str]] = {}
    """Settings of other tools that are none here → what to write instead; a class has those of its bases as well."""

    @field_validator("*", mode="before")
    @classmethod
    def _not_empty(cls, value: object) -> object:
        if value == "":  # as a Path it would be the working folder: `--train "$TRIAN"` must not mean that
            raise ValueError("should not be empty")
        return value

    @classmethod
    def create(cls, values: Mapping[str, object], *, places: Mapping[str, str] = NOWHERE) -> Self:
        """Make settings from plain values; every error of pydantic becomes one `UsageError` line.

        Args:
            values: setting name → value; any accepted spelling, with hyphens or underscores, or as a flag. An error
                calls a setting as it is spelt here.
            places: setting name → where its value was read (`file:line`), for the error text.
        """
        named: dict[str, object] = {}
        spelt: dict[str, str] = {}
        for key, value in values.items():
            name = cls.name_of(key)
            if name in named:
                raise UsageError(f"{name} is given a second time, as {key}")
            named[name], spelt[name] = value, key
        # A required setting that a file leaves open, as `bertwright init` writes it, is simply not given.
        given = {name: value for name, value in named.items() if value is not None or not cls._requires(name)}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise UsageError(cls._explain(error, places, spelt)) from None

    @classmethod
    def from_file(cls, path: Path, overrides: Mapping[str, object]) -> Self:
        """Fill from a YAML file; `overrides` (flags) win."""
        values: dict[str, object] = {}
        places: dict[str, str] = {}
        overridden = {cls.name_of(key) for key in overrides}
        for key, value, place in read_yaml(path):
            name = cls.name_of(key)
            if name in places:
                raise UsageError(f"{place}: {name} is given a second time, first at {places[name]}")
            places[name] = place
            if name not in overridden:
                values[key] = value
        return cls.create({**values, **overrides}, places={k: v for k, v in places.items() if k not in overridden})

    def to_yaml(self) -> str:
        """The resolved settings, as a file that `from_file` reads back to an equal object."""
        values = self.model_dump(mode="json")
        return to_yaml({name: values[name] for names in self.groups().values() for name in names})

    @classmethod
    def template(cls) -> str:
        """A settings file with every default under its explanation, the required ones left open."""
        defaults = cls.model_construct().model_dump(mode="json")
        parts = [f"# bertwright {cls.verb} --config THIS_FILE   (flags win over what is written here)"]
        for title, names in cls.groups().items():
            parts.append(f"\n## {title}")
            for name in names:
                entry = to_yaml({name: defaults[name]}).rstrip() if name in defaults else f"{name}:"
                explained = (cls.model_fields[name].description or "").replace("\n", "\n# ")
                parts.append(f"# {explained}\n{entry}")
        return "\n".join(parts) + "\n"

    @classmethod
    def spellings(cls) -> dict[str, str]:
        """Every accepted name → the setting's own name."""
        marks = ((name, mark) for name, field in cls.model_fields.items() for mark in field.metadata)
        aliases = {a: name for name, mark in marks if isinstance(mark, Spelled) for a in mark.aliases}
        return {name: name for name in cls.model_fields} | aliases

    @classmethod
    def name_of(cls, key: str) -> str:
        """The setting's own name behind any spelling of it; an unknown one stays as it is."""
        name = key.removeprefix("--").replace("-", "_")
        return cls.spellings().get(name, name)

    @classmethod
    def instead_of(cls, name: str) -> str | None:
        """What to write instead of another tool's setting, in any spelling; None when nothing is known of it."""
        return ChainMap(*(dict(vars(base).get("elsewhere", {})) for base in cls.__mro__)).get(name.replace("-", "_"))

    @classmethod
    def free_on_resume(cls) -> frozenset[str]:
        """Names of the settings that may differ when a run is resumed."""
        return cls._marked(Free)

    @classmethod
    def growing(cls) -> frozenset[str]:
        """Names of the settings of which there may be more when a run is resumed."""
        return cls._marked(Grows)

    def more_than(self, before: Self) -> list[str]:
        """Names of the growing settings of which there is more than there was before."""
        now, then = ({name: _size(getattr(each, name)) for name in self.growing()} for each in (self, before))
        return sorted(name for name in now if now[name] > then[name])

    @classmethod
    def leading(cls) -> str | None:
        """Name of the setting that may be given as a bare word, if one may."""
        return next((name for name, field in cls.model_fields.items() if Leading in field.metadata), None)

    @classmethod
    def groups(cls) -> dict[str, list[str]]:
        """Title → setting names, in the order to show them: what is required, the verb's own, each base's."""
        groups = {"Required": [name for name in cls.model_fields if cls._requires(name)]}
        for base in cls.__mro__:
            title = "Options" if base is cls else inspect.cleandoc(base.__doc__ or "").partition(".")[0]
            shown = [name for names in groups.values() for name in names]
            own = inspect.get_annotations(base)
            groups[title] = [name for name in own if name in cls.model_fields and name not in shown]
        return {title: names for title, names in groups.items() if names}

    @classmethod
    def _marked(cls, mark: type) -> frozenset[str]:
        return frozenset(name for name, field in cls.model_fields.items() if mark in field.metadata)

    @classmethod
    def _requires(cls, name: str) -> bool:
        return name in cls.model_fields and cls.model_fields[name].is_required()

    @classmethod
    def _explain(cls, error: ValidationError, places: Mapping[str, str], spelt: Mapping[str, str]) -> str:
        unknown, wrong, missing = [], [], []
        for item in error.errors():
            name = str(item["loc"][0]) if item["loc"] else ""
            where = f"{places[name]}: " if name in places else ""
            if item["type"] == "extra_forbidden":
                unknown.append(f"{where}unknown setting {name}: {cls._hint(name)}")
            elif item["type"] == "missing":
                missing.append(name)
            else:
                wrong.append(where + _complaint(spelt.get(name, name), item["input"], item["msg"]))
        if missing:
            flags = " ".join("--" + name.replace("_", "-") for name in missing)
            missing = [f"{cls.verb} needs {', '.join(missing)} ({flags})"]
        return "; ".join(unknown + wrong + missing)  # a misspelt name is often why another one is missing

    @classmethod
    def _hint(cls, name: str) -> str:
        if instead := cls.instead_of(name):
            return instead
        near = nearest(name, cls.spellings())
        return f"did you mean {cls.name_of(near)}?" if near else f"see bertwright {cls.verb} --help"


def _size(value: float | None) -> float:
    return math.inf if value is None else value


def _complaint(name: str, value: Any, message: str) -> str:
    message = message.removeprefix("Value error, ").replace("Input should", "should")
    return f"{name} = {value!r}: {message}" if name else message


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant: one that starts so, else one that is spelt alike."""
    names = list(known)
    longer = [candidate for candidate in names if candidate.startswith(name)]
    return next(iter(longer or difflib.get_close_matches(name, names, n=1)), None)
