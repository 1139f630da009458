"""Make BERT encoders: pre-train, fine-tune, evaluate and predict, on a laptop CPU or a GPU, resumable bit for bit.

    import bertwright

    bertwright.finetune(model="bert-base-uncased", train="reviews.csv", output_dir="out")
    bertwright.load("out").predict(["well made", "fell apart"])

Every name below is loaded when it is first used: `import bertwright` itself loads no torch and costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bertwright.api import (
        clue,
        demo,
        doctor,
        evaluate,
        finetune,
        glue,
        inspect,
        load,
        predict,
        prepare,
        pretrain,
        report,
        squad,
        tune,
        vocab,
    )
    from bertwright.errors import (
        BertwrightError,
        DataError,
        HubError,
        ModelFolderError,
        SnapshotError,
        TrainingError,
        UsageError,
    )
    from bertwright.settings import (
        ClueSettings,
        DemoSettings,
        DoctorSettings,
        EvaluateSettings,
        FinetuneSettings,
        GlueSettings,
        InspectSettings,
        PredictSettings,
        PrepareSettings,
        PretrainSettings,
        ReportSettings,
        SquadSettings,
        TuneSettings,
        VocabSettings,
    )

    __version__: str

__all__ = [
    "BertwrightError",
    "ClueSettings",
    "DataError",
    "DemoSettings",
    "DoctorSettings",
    "EvaluateSettings",
    "FinetuneSettings",
    "GlueSettings",
    "HubError",
    "InspectSettings",
    "ModelFolderError",
    "PredictSettings",
    "PrepareSettings",
    "PretrainSettings",
    "ReportSettings",
    "SnapshotError",
    "SquadSettings",
    "TrainingError",
    "TuneSettings",
    "UsageError",
    "VocabSettings",
    "__version__",
    "clue",
    "demo",
    "doctor",
    "evaluate",
    "finetune",
    "glue",
    "inspect",
    "load",
    "predict",
    "prepare",
    "pretrain",
    "report",
    "squad",
    "tune",
    "vocab",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = _version() if name == "__version__" else getattr(importlib.import_module(_home(name)), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _home(name: str) -> str:
    """The module in which a public name lives."""
    endings = {"Error": "bertwright.errors", "Settings": "bertwright.settings"}
    return next((home for ending, home in endings.items() if name.endswith(ending)), "bertwright.api")


def _version() -> str:
    from importlib import metadata  # slow to import, seldom wanted

    try:
        return metadata.version("bertwright")
    except metadata.PackageNotFoundError:  # a checkout that was never installed
        return "0+unknown"
