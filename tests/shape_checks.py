"""Checks the package's shape annotations while the suite runs: jaxtyping with beartype, on every call.

A checker of our own, since beartype on whole signatures would stumble over protocols and `Self`; mypy knows those.
Not pytest's `--jaxtyping-packages`: the workers of pytest-xdist do not see it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any, TypeVar, get_args

import jaxtyping
from beartype import beartype
from jaxtyping import AbstractArray, install_import_hook

CHECKED = (
    "bertwright.api.corpus",
    "bertwright.text",
    "bertwright.model",
    "bertwright.batches",
    "bertwright.tasks",
    "bertwright.training.adversarial",
    "bertwright.evaluation",
)
"""Packages and modules with annotated arrays."""

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def install() -> None:
    """Check whatever is imported from now on."""
    install_import_hook(CHECKED, f"{__name__}.{check_arrays.__name__}")


@contextmanager
def unchecked() -> Iterator[None]:
    """No checks while the block runs: they take longer than a small training."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def check_arrays(function: FunctionT) -> FunctionT:
    """Check the arrays among arguments and results; leave all other annotations to mypy."""
    assert isinstance(function, FunctionType)
    hints = function.__annotations__
    function.__annotations__ = {name: hint for name, hint in hints.items() if _has_arrays(hint)}
    return beartype(function)


def _has_arrays(hint: object) -> bool:
    if isinstance(hint, type) and issubclass(hint, AbstractArray):
        return True
    return any(map(_has_arrays, get_args(hint)))
