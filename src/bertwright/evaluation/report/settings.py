"""Every setting of the run, those first that somebody chose."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from bertwright.evaluation.html import Html, together
from bertwright.evaluation.report.parts import facts, more, note, own
from bertwright.evaluation.report.record import RunRecord, Verb
from bertwright.evaluation.report.words import Words
from bertwright.settings import EvaluateSettings, FinetuneSettings, Settings, TuneSettings
from bertwright.settings.command import chosen

SETTINGS_OF: Mapping[Verb, type[Settings]] = MappingProxyType(
    {"finetune": FinetuneSettings, "tune": TuneSettings, "evaluate": EvaluateSettings}
)


def settings(record: RunRecord, words: Words) -> Html:
    """What differs from the defaults, and the rest behind a click."""
    given = chosen(SETTINGS_OF[record.verb], record.settings)
    rest = {name: value for name, value in record.settings.items() if name not in given}
    return together(
        facts((own(name), own(_shown(value), 300)) for name, value in given.items()),
        more(words("defaults"), facts((own(name), own(_shown(value), 300)) for name, value in rest.items())),
        note(words("settings_file")),
    )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
