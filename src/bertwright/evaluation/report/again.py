"""The command that makes the run again."""

import shlex

from bertwright.evaluation.html import Html, tag, together
from bertwright.evaluation.report.parts import note
from bertwright.evaluation.report.record import RunRecord
from bertwright.evaluation.report.settings import SETTINGS_OF
from bertwright.evaluation.report.words import Words
from bertwright.settings.command import flags


def again(record: RunRecord, words: Words) -> Html:
    """For a shell, with every value quoted where it must be."""
    command = ["bertwright", record.verb, *flags(SETTINGS_OF[record.verb], record.settings)]
    shown = [(" " if place else None, tag("span", shlex.quote(word))) for place, word in enumerate(command)]
    return together(tag("pre", tag("code", shown)), note(words("how_again")))
