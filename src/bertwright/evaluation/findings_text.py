"""What a look at labelled data found, for a terminal: words that say all, and colours on top where there are colours.

Knows no check and no task.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bertwright.tasks.checks.finding import SEVERITIES, Finding, Severity
from bertwright.tasks.checks.reading import Lengths
from bertwright.text.complaints import counted, printable
from bertwright.training.estimate import Estimate

if TYPE_CHECKING:
    from rich.text import Text

STYLES: dict[Severity, str] = {"error": "bold white on red", "warning": "bold black on yellow", "note": "bold cyan"}
_BARS = " ▁▂▃▄▅▆▇█"


def described(finding: Finding) -> "Text":
    """A finding, the rows it is about, and what to do, each on lines of their own."""
    from rich.text import Text

    text = Text()
    text.append(f" {finding.severity} ", style=STYLES[finding.severity])
    text.append(f" {printable(finding.text)}\n", style="bold")
    for row in finding.rows:
        text.append(f"    {printable(row)}\n", style="dim")
    text.append(f"    → {printable(finding.advice)}\n")
    return text


def summary(findings: Sequence[Finding]) -> str:
    """How many there are of each severity."""
    counts = [(sum(finding.severity == severity for finding in findings), severity) for severity in SEVERITIES]
    found = ", ".join(f"{count} {name}{'s' if count > 1 else ''}" for count, name in counts if count)
    return found or "nothing found"


def lengths_line(lengths: Lengths) -> str:
    """The histogram as a row of bars, and its marks."""
    tallest = max(lengths.counts)
    bars = "".join(_BARS[-(-count * (len(_BARS) - 1) // tallest)] for count in lengths.counts)
    most = (
        f"99 of 100 up to {lengths.most}, " if lengths.most < lengths.longest else ""
    )  # of few rows it is all of them
    marks = f"half up to {lengths.median}, {most}longest {lengths.longest}"
    return f"tokens of a row, from {lengths.edges[0]}: {bars}  {marks}"


def estimate_line(estimate: Estimate, device: str) -> str:
    """Steps, time and memory, and that they are estimated."""
    one = estimate.trainings == 1
    steps = (
        counted(estimate.steps, "step") if one else f"{estimate.trainings} trainings of up to {estimate.steps} steps"
    )
    return (
        f"training, estimated from a few timed steps on {device}: {steps}, "
        f"about {_duration(estimate.seconds)}{'' if one else ' in all'} and {estimate.memory / 2**30:.1f} GiB of memory"
    )


def report(lines: Iterable[str], findings: Sequence[Finding]) -> list["str | Text"]:
    """Everything, in the order to print it."""
    return [*map(printable, lines), "", *map(described, findings), summary(findings)]


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
