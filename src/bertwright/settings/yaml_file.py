"""YAML files of settings: read with the line of every entry, so that an error can name it, and written.

Knows nothing of which settings there are.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from bertwright.errors import UsageError


class Entry(NamedTuple):
    """One `key: value` of a file."""

    key: str
    value: object
    place: str
    """`file:line`"""


def read_yaml(path: Path) -> list[Entry]:
    """The entries of a settings file, in its order.

    Raises:
        UsageError: The file cannot be read, or holds something other than `name: value` lines.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path}: no such settings file") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not a settings file: should be YAML in UTF-8") from None
    return parse_yaml(text, path)


def parse_yaml(text: str, path: Path) -> list[Entry]:
    """The same of a text; `path` is its name in errors."""
    try:
        return _entries(yaml.SafeLoader(text), path)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise UsageError(f"{where}: not valid YAML: {problem}") from None


def _entries(loader: yaml.SafeLoader, path: Path) -> list[Entry]:
    root = loader.get_single_node()
    if root is None:
        return []
    if not isinstance(root, yaml.MappingNode):
        raise UsageError(f"{path}: should hold `name: value` lines, found {root.tag.rpartition(':')[2]}")
    entries = []
    for key_node, value_node in root.value:
        key, place = loader.construct_object(key_node), f"{path}:{key_node.start_mark.line + 1}"
        if not isinstance(key, str):
            raise UsageError(f"{place}: {key!r} is not the name of a setting")
        entries.append(Entry(key, loader.construct_object(value_node, deep=True), place))
    return entries


def to_yaml(values: Mapping[str, object]) -> str:
    """`name: value` lines, in the order given, that `read_yaml` reads back."""
    return yaml.dump(dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Escapes whatever does not print: PyYAML would write some line breaks (U+0085) as they are and lose them."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _represent_text)
