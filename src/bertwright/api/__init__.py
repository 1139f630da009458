"""The verbs as functions: the only room that joins stages. The command line calls exactly these.

Each takes its settings as keyword arguments, or as one settings object, and returns what it found out.
"""

from bertwright.api.demonstration import demo
from bertwright.api.doctoring import doctor
from bertwright.api.evaluating import evaluate
from bertwright.api.finetuning import finetune
from bertwright.api.inspecting import inspect
from bertwright.api.predicting import predict
from bertwright.api.preparing import prepare
from bertwright.api.pretraining import pretrain
from bertwright.api.reporting import report
from bertwright.api.suites import clue, glue, squad
from bertwright.api.tuning import tune
from bertwright.api.vocabulary import vocab
from bertwright.serving.loading import load

__all__ = [
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
