"""A verb's flags, made from its settings class: the fields are the flags, their docstrings the help.

Values stay text here; the settings class reads them, so that a flag, a file and a call are checked by the same
code. Knows no single verb and no single setting.
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NoReturn, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from bertwright.errors import UsageError
from bertwright.settings import Settings
from bertwright.settings.base import nearest

EPILOG = (
    "Underscores work like hyphens, the last of several equal flags counts, "
    "and a value that begins with - is written --flag=VALUE."
)
_FLAG = re.compile("--?[a-zA-Z]")
_NAME = re.compile(r"""(?<![\w./'"-])(?<!\d: )[a-z_]+(?![\w/'"]|\.\w)""")


def parse(cls: type[Settings], words: Sequence[str]) -> dict[str, Any]:
    """The flags in `words`, as they are spelt there → text; what is not given stays out, for a file to give.

    `config` and what is given without a flag, or switched off by one, are under the setting's own name.

    Raises:
        UsageError: A flag is unknown or lacks its value, or a word belongs to no flag.
    """
    known = spellings(cls)
    parsed, rest = make_parser(cls).parse_known_args([_canonical(word, known, cls) for word in words])
    values, leading = vars(parsed), cls.leading()
    if rest and leading and leading not in values:
        values[leading] = rest.pop(0)
    if rest:
        raise UsageError(f"unexpected {rest[0]!r}: see bertwright {cls.verb} --help")
    flags = (word.partition("=")[0] for word in words if _FLAG.match(word))
    spelt = {cls.name_of(flag): flag for flag in flags if cls.name_of(flag) in cls.model_fields}
    return {spelt.get(name, name): value for name, value in values.items()}


def spellings(cls: type[Settings]) -> dict[str, str]:
    """Every accepted spelling of a flag, with hyphens → the spelling that the help shows."""
    flags = {flag: flag for flag in ("--config", "--debug", "--help")}
    for spelling, name in cls.spellings().items():
        flags[_flag(spelling)] = _flag(name)
        if _plain(cls.model_fields[name]) is bool:
            flags[_flag(f"no_{spelling}")] = _flag(f"no_{name}")
    return flags


def make_parser(cls: type[Settings]) -> argparse.ArgumentParser:
    """An argparse parser of the flags as the help shows them, grouped as the settings classes are."""
    fields = cls.model_fields
    required = [_usage(name, field, cls.leading()) for name, field in fields.items() if field.is_required()]
    aliases = [spelling for spelling, name in cls.spellings().items() if spelling != name]
    parser = _Parser(
        prog=f"bertwright {cls.verb}",
        usage=f"bertwright {cls.verb} {''.join(required)}[--flag VALUE ...]",
        description=cls.__doc__,
        epilog=EPILOG + (f" Other names work as well: {', '.join(aliases)}." if aliases else ""),
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=30),
        argument_default=argparse.SUPPRESS,
        add_help=False,
        allow_abbrev=False,
    )
    for title, names in cls.groups().items():
        group = parser.add_argument_group(title)
        for name in names:
            group.add_argument(_flag(name), help=_help(fields[name]), **_form(fields[name]))
    general = parser.add_argument_group("General")
    general.add_argument("--config", metavar="FILE.yaml", help="Settings from a file; flags win over it.")
    general.add_argument("--debug", action="store_true", help="Print the traceback of an error.")
    general.add_argument("-h", "--help", action="help", help="Print this text.")
    return parser


def unknown(kind: str, word: str, known: dict[str, str], where: str) -> UsageError:
    """The error for a misspelt `word`, with the nearest known one or the place where all are listed."""
    meant = {spelling.lstrip("-"): shown for spelling, shown in known.items()}  # the dashes are no likeness
    near = nearest(word.lstrip("-"), meant)
    return UsageError(f"unknown {kind} {word}: " + (f"did you mean {meant[near]}?" if near else f"see {where}"))


def by_flags(text: str, cls: type[Settings]) -> str:
    """An error's text with the settings in it called by their flags, as who typed the command knows them.

    A name of several words is known wherever it stands, but for quotes, paths and lines of a settings file; a single
    word, as `model`, where it has a value (`stride = 200`, `seed was 1`) or opens the text (`crf is for tagging`). One
    whose flag the text names already is left.
    """

    def flag(found: re.Match[str]) -> str:
        name, rest = found[0], text[found.end() :]
        has_value = rest.startswith((" = ", " was ")) or (rest.startswith(" is for ") and not found.start())
        if name not in cls.model_fields or not ("_" in name or has_value):
            return name
        return name if re.search(rf"{_flag(name)}(?![\w-])", text) else _flag(name)

    return _NAME.sub(flag, text)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message.removeprefix('argument ')} (see {self.prog} --help)")


def _canonical(word: str, known: dict[str, str], cls: type[Settings]) -> str:
    """A flag in the spelling that argparse was told; any other word as it is."""
    if not _FLAG.match(word):
        return word
    flag, equals, value = word.partition("=")
    flag = flag.replace("_", "-")
    if flag not in known:
        if instead := cls.instead_of(flag.lstrip("-")):
            raise UsageError(f"unknown flag {flag}: {instead}")
        raise unknown("flag", flag, known, f"bertwright {cls.verb} --help")
    return known[flag] + equals + value


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _usage(name: str, field: FieldInfo, leading: str | None) -> str:
    """How a required flag is given; the leading one's own name may be left out."""
    flag = f"[{_flag(name)}]" if name == leading else _flag(name)
    return f"{flag} {_metavar(field)} "


def _help(field: FieldInfo) -> str:
    text = (field.description or "").replace("%", "%%")
    if field.is_required() or field.default is None:
        return text
    default = {"True": "yes", "False": "no"}.get(str(field.default), field.default)
    return f"{text} (default: {default})"


def _form(field: FieldInfo) -> dict[str, Any]:
    """How argparse reads a field: as a switch, a list, or one value."""
    plain = _plain(field)
    if plain is bool:
        return {"action": argparse.BooleanOptionalAction}
    return {"metavar": _metavar(field), "nargs": "+" if get_origin(plain) is tuple else None}


def _metavar(field: FieldInfo) -> str:
    plain = _plain(field)
    if get_origin(plain) is Literal:
        return "{" + ",".join(get_args(plain)) + "}"
    return {int: "N", float: "X", Path: "PATH"}.get(plain, "NAME")


def _plain(field: FieldInfo) -> Any:
    """The `X` of a field of type `X | None` or `Annotated[X, ...]`."""
    annotation: Any = field.annotation
    while get_origin(annotation) in {Annotated, Union, UnionType}:
        annotation = get_args(annotation)[0]
    return annotation
