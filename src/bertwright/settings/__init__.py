"""What can be set, for every verb: typed, closed, explained field by field (`verbs`); how it is read (`base`)."""

from bertwright.settings.base import Settings
from bertwright.settings.corpus import CorpusSettings, PrepareSettings, VocabSettings
from bertwright.settings.doctoring import DoctorSettings
from bertwright.settings.inspecting import InspectSettings
from bertwright.settings.pretraining import PretrainSettings
from bertwright.settings.shared import DeviceSettings, Precision, TableSettings
from bertwright.settings.suites import ClueSettings, GlueSettings, SquadSettings, SuiteSettings
from bertwright.settings.tuning import TuneSettings
from bertwright.settings.verbs import (
    ApplySettings,
    DemoSettings,
    EvaluateSettings,
    FinetuneSettings,
    LongWay,
    Pooling,
    PredictSettings,
    ReportSettings,
    TaskName,
    TrainingSettings,
)

__all__ = [
    "ApplySettings",
    "ClueSettings",
    "CorpusSettings",
    "DemoSettings",
    "DeviceSettings",
    "DoctorSettings",
    "EvaluateSettings",
    "FinetuneSettings",
    "GlueSettings",
    "InspectSettings",
    "LongWay",
    "Pooling",
    "Precision",
    "PredictSettings",
    "PrepareSettings",
    "PretrainSettings",
    "ReportSettings",
    "Settings",
    "SquadSettings",
    "SuiteSettings",
    "TableSettings",
    "TaskName",
    "TrainingSettings",
    "TuneSettings",
    "VocabSettings",
]
