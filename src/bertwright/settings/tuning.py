"""The settings of a search for the best settings. Knows nothing of what they are used for."""

import re
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field, field_serializer, model_validator

from bertwright.settings.base import Free, Grows
from bertwright.settings.shared import Positive
from bertwright.settings.verbs import FinetuneSettings


class TuneSettings(FinetuneSettings):
    """Search for the best settings of a fine-tuning, and make their model."""

    verb: ClassVar[str] = "tune"

    space: Path | None = None
    """YAML file of what to search; bertwright init space prints the usual one, which is searched when not given."""
    trials: Annotated[Positive, Grows] = 20
    """How many settings to try, in the whole study."""
    max_hours: Annotated[float | None, Field(gt=0.0), Free, Grows] = None
    """Begin no trial after so many hours of work, interruptions not counted; the best so far becomes the model."""
    prune: bool = True
    """Give up a trial whose validation figure is worse than the median of those before it at the same epoch."""
    storage: str | None = None
    """Database that workers share, as postgresql+psycopg://user@host/name, or sqlite:///study.db on one machine."""
    study_name: str | None = None
    """Name of the study in --storage; made of settings and data when not given, so that the same command joins."""
    worker: Annotated[bool, Free] = False
    """Only work on the trials of --storage; the model is made by the commands without it."""
    stale_seconds: Annotated[Positive, Free] = 120
    """A worker of --storage that was silent for so long is dead: another one does its trial again."""
    seeds: Annotated[Positive, Grows] = 3
    """Train the best settings with so many seeds, --seed the first; keep the best model by validation."""

    @field_serializer("storage", when_used="json")
    def _without_password(self, storage: str | None) -> str | None:
        return storage and without_password(storage)

    @model_validator(mode="after")
    def _fits_a_search(self) -> Self:
        for name in ("folds", "fold"):
            if getattr(self, name) is not None:
                raise ValueError(f"{name} is for finetune: a trial is measured on the validation set")
        for name in ("study_name", "worker"):
            if getattr(self, name) and self.storage is None:
                raise ValueError(f"{name} needs storage, which for two on one machine may be sqlite:///study.db")
        return self


def without_password(url: str) -> str:
    """The URL of a database as it can be shown: `***` for a password before the host or behind the `?`."""
    return re.sub(r"([?&]password=)[^&]*", r"\1***", re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url))
