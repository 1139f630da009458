"""What a figure's name tells of it: all tasks form their names alike. Knows no task."""

LOWER_IS_BETTER = frozenset({"loss", "mse", "mae"})
"""These have no upper end, either."""
OF_POSITIVE = ("precision", "recall", "f1")
"""Figures that with two labels are of one of them."""
CORRELATIONS = ("pearson", "spearman", "matthews_correlation")


def is_count(name: str) -> bool:
    """Whether it is a number of rows."""
    return name.endswith("total")


def is_quality(name: str) -> bool:
    """Whether it says how good answers are; counts and thresholds say how another figure came about."""
    return not (is_count(name) or name.endswith("threshold"))
