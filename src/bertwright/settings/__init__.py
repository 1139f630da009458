"""What can be set, for every verb: typed, closed, explained field by field (`verbs`); how it is read (`base`)."""

from bertwright.settings.base import Settings
from bertwright.settings.verbs import (
    ApplySettings,
    DemoSettings,
    DeviceSettings,
    EvaluateSettings,
    FinetuneSettings,
    Metric,
    Precision,
    PredictSettings,
    TableSettings,
    TrainingSettings,
)

__all__ = [
    "ApplySettings",
    "DemoSettings",
    "DeviceSettings",
    "EvaluateSettings",
    "FinetuneSettings",
    "Metric",
    "Precision",
    "PredictSettings",
    "Settings",
    "TableSettings",
    "TrainingSettings",
]
