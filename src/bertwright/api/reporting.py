"""`report`: what the files of a run say, as one page; `finetune` and `evaluate` write it, too."""

from pathlib import Path

from bertwright.api.common import say, settled, warn
from bertwright.api.run_folder import RunFolder
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
    path = _write(RunRecord.read(settings.folder), settings.lang, settings.output)
    say(f"report written to {path}")
    return path


def describe_run(folder: RunFolder, language: Language) -> None:
    """Model card and report of a fine-tuning that has just ended, from what it wrote down of itself."""
    config = BertConfig.from_file(folder.output / CONFIG)
    write_file(folder.output / "README.md", model_card(RunRecord.of(folder.run), config))
    write_report(folder.run, language)


def write_report(run: Path, language: Language) -> Path | None:
    """The report of what has just been written into this folder; why there is none is no reason to lose the run."""
    try:
        return _write(RunRecord.of(run), language, None)
    except DataError as error:
        warn(f"no {REPORT} was written: {error}")
        return None


def _write(record: RunRecord, language: Language | None, output: Path | None) -> Path:
    words = Words(language or ("zh" if record.settings.get("lang") == "zh" else "en"))
    path = output or record.folder / REPORT
    write_file(path, whole_report(record, words))
    return path
