"""Settings as the flags that would give them again. Knows no single verb and no single setting."""

from collections.abc import Iterator, Mapping
from typing import Any

from bertwright.settings.base import Settings


def chosen(cls: type[Settings], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that are not the defaults, in the order of the class; what it does not know is left out."""
    defaults = cls.model_construct().model_dump(mode="json")
    names = (name for group in cls.groups().values() for name in group)
    given = (name for name in names if values.get(name) is not None)
    return {name: values[name] for name in given if values[name] != defaults.get(name)}


def flags(cls: type[Settings], values: Mapping[str, Any]) -> list[str]:
    """The words behind `bertwright VERB` that give these values: read back, they are the same settings."""
    return [word for name, value in chosen(cls, values).items() for word in _flag(name, value)]


def _flag(name: str, value: Any) -> Iterator[str]:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        yield f"--{flag}" if value else f"--no-{flag}"
        return
    given = [str(each) for each in (value if isinstance(value, list | tuple) else [value])]
    if len(given) == 1 and given[0].startswith("-"):
        yield f"--{flag}={given[0]}"
    else:
        yield from (f"--{flag}", *given)
