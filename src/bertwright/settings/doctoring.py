"""The settings of looking at labelled files before fine-tuning. Knows nothing of what they are used for."""

from pathlib import Path
from typing import Annotated, ClassVar

from bertwright.settings.base import Free, Spelled
from bertwright.settings.verbs import FinetuneSettings


class DoctorSettings(FinetuneSettings):
    """Look for what is wrong with labelled files before fine-tuning."""

    verb: ClassVar[str] = "doctor"

    as_json: Annotated[bool, Free, Spelled("json")] = False
    """Print the findings as JSON; --json is short for it."""
    output_dir: Annotated[Path | None, Free] = None  # type: ignore[assignment]  # only finetune needs it
    """Folder for the findings, as run/doctor.json; that of the finetune that is to follow, or any other."""
