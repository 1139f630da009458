"""One thing that a look at the data brought up: how bad it is, what it is, where it stands, what to do about it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bertwright.text.complaints import agreeing

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""error: the result would be wrong; warning: it would be worse, or less sure, than it need be; note: good to know."""
MOST_SHOWN = 5
"""Places that a finding names."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Attributes:
        severity: One of `SEVERITIES`.
        check: What was looked for, in a word or two with hyphens: the same from release to release.
        text: What was found, with counts.
        advice: What to do about it.
        rows: The first of the rows that it is about, as `file:line`, or by their ids where all are on one line.
        role: The file that it is about, `train`, `validation` or `test`; None where it is about more, or about none.
    """

    severity: Severity
    check: str
    text: str
    advice: str
    rows: tuple[str, ...] = ()
    role: str | None = None

    def __str__(self) -> str:
        """All of it on one line."""
        where = f" ({', '.join(self.rows)})" if self.rows else ""
        return f"{self.text}{where}; {self.advice}"

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "rows": list(self.rows)}


def by_share(share: float, *, error: float = 2.0, warning: float = 2.0) -> Severity:
    """How bad something is that so large a share of the rows have; a bound above 1 is never reached."""
    if share >= error:
        return "error"
    return "warning" if share >= warning else "note"


def first(places: Iterable[str]) -> tuple[str, ...]:
    """The first few places."""
    return tuple(place for place, _ in zip(places, range(MOST_SHOWN), strict=False))


def counted_of(count: int, total: int, what: str = "rows") -> str:
    """`12 of 340 rows (3.5%)`."""
    return f"{count} of {total} {what} ({count / total:.1%})"


def rows_have(count: int, total: int) -> str:
    """`12 of 340 rows (3.5%) have`, `1 of 340 rows (0.3%) has`."""
    return f"{counted_of(count, total)} {agreeing(count, 'has', 'have')}"
