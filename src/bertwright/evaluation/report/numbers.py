"""Figures as people read them, and the range that a figure can have. Knows names of figures, and no run."""

from bertwright.evaluation.uncertainty import Interval
from bertwright.tasks.figures import CORRELATIONS, LOWER_IS_BETTER, is_count, is_quality


def scale(name: str, task: str) -> tuple[float, float] | None:
    """From the worst that a figure usually is to the best that it can be; None where it has no such ends."""
    if name in LOWER_IS_BETTER or not is_quality(name):
        return None
    if name in CORRELATIONS:
        return -1.0, 1.0
    return (0.0, 100.0) if task == "qa" else (0.0, 1.0)


def shown(value: float, name: str = "") -> str:
    """A figure with as many digits as are of use."""
    if is_count(name):
        return whole(value)
    digits = 4 if abs(value) < 10 else 2 if abs(value) < 1000 else 0
    return f"{value:,.{digits}f}"


def between(interval: Interval) -> str:
    """`0.869 – 0.899`."""
    digits = 3 if max(map(abs, interval)) < 10 else 1
    return " – ".join(f"{value:,.{digits}f}" for value in interval)


def whole(value: float) -> str:
    """A count, with commas."""
    return f"{round(value):,}"


def share(value: float) -> str:
    """`12.5 %`, on one line."""
    return f"{value:.1%}".replace("%", "\u00a0%")


def small(value: float) -> str:
    """A number of any size, such as a learning rate."""
    return f"{value:.4g}"


def duration(seconds: float) -> str:
    """`3 min 20 s`, in the units that all languages write so."""
    whole_seconds = round(seconds)
    hours, rest = divmod(whole_seconds, 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left} s" if minutes else f"{seconds:.1f} s"
