"""`report`: what the files of a run say, as one page; `finetune` and `evaluate` write it, too."""

from pathlib import Path

from bertwright.api.common import say, settled, warn
from bertwright.errors import DataError
from bertwright.evaluation.card import model_card
from bertwright.evaluation.report.record import RunRecord
from bertwright.evaluation.report.whole import report as whole_report
from bertwright.evaluation.report.words import Words
from bertwright.files import write_file
from bertwright.model.config import BertConfig
from bertwright.model.folder import CONFIG
from bertwright.settings import ReportSettings
from bertwright.settings.shared import Language

REPORT = "report.html"


def report(settings: ReportSettings | None = None, /, **options: object) -> Path:
    """Make the report of a run anew, from its own files alone; returns where it is.

    Args:
        settings: A settings object, instead of or before keyword arguments.
        **options: The fields of `ReportSettings`; `folder` is required.

    Raises:
        BertwrightError: The folder holds no run that is finished, or its files are damaged.
    """
    settings = settled(ReportSettings, settings, options)
    path = _write(settings.folder, settings.lang, settings.output)
    say(f"report written to {path}")
    return path


def describe_run(folder: Path, language: Language) -> None:
    """Model card and report of a fine-tuning that has just ended, from what it wrote down of itself."""
    config = BertConfig.from_file(folder / CONFIG)
    write_file(folder / "README.md", model_card(RunRecord.read(folder), config))
    write_report(folder, language)


def write_report(folder: Path, language: Language) -> Path | None:
    """The report of a run that has just ended; why there is none is no reason to lose the run."""
    try:
        return _write(folder, language, None)
    except DataError as error:
        warn(f"no {REPORT} was written: {error}")
        return None


def _write(folder: Path, language: Language | None, output: Path | None) -> Path:
    record = RunRecord.read(folder)
    words = Words(language or ("zh" if record.settings.get("lang") == "zh" else "en"))
    path = output or record.folder / REPORT
    write_file(path, whole_report(record, words))
    return path
