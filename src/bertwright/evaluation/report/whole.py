"""All sections of a report, in their order, as one page.

A section is a function of what a run's files say, and gives nothing where these have nothing for it. A new one is a
file beside this one, a line here, and its title in each language.
"""

from collections.abc import Callable, Mapping
from importlib import resources
from types import MappingProxyType

from bertwright.errors import DataError
from bertwright.evaluation.html import Html, tag, together
from bertwright.evaluation.page import page
from bertwright.evaluation.report.again import again
from bertwright.evaluation.report.answers import answers
from bertwright.evaluation.report.calibration import calibration
from bertwright.evaluation.report.classes import classes
from bertwright.evaluation.report.confusion import confusion
from bertwright.evaluation.report.curves import curves
from bertwright.evaluation.report.data import data
from bertwright.evaluation.report.environment import environment
from bertwright.evaluation.report.findings import findings
from bertwright.evaluation.report.headline import headline, title
from bertwright.evaluation.report.metrics import against, metrics
from bertwright.evaluation.report.places import places
from bertwright.evaluation.report.ranking import ranking
from bertwright.evaluation.report.record import METRICS, RunRecord
from bertwright.evaluation.report.repeats import folds, seeds
from bertwright.evaluation.report.scatter import scatter
from bertwright.evaluation.report.settings import settings
from bertwright.evaluation.report.slices import slices
from bertwright.evaluation.report.study import study
from bertwright.evaluation.report.suspects import suspects
from bertwright.evaluation.report.words import Words
from bertwright.evaluation.report.worst import worst
from bertwright.evaluation.svg import STYLE as CHARTS

Section = Callable[[RunRecord, Words], Html | None]
SECTIONS: Mapping[str, Section] = MappingProxyType(
    {
        "findings": findings,
        "metrics": metrics,
        "seeds": seeds,
        "folds": folds,
        "study": study,
        "against": against,
        "confusion": confusion,
        "classes": classes,
        "answers": answers,
        "scatter": scatter,
        "places": places,
        "calibration": calibration,
        "ranking": ranking,
        "slices": slices,
        "worst": worst,
        "suspects": suspects,
        "curves": curves,
        "data": data,
        "settings": settings,
        "environment": environment,
        "again": again,
    }
)


def report(record: RunRecord, words: Words) -> str:
    """The page.

    Raises:
        DataError: The files are not as a run writes them.
    """
    try:
        drawn = {name: content for name, section in SECTIONS.items() if (content := section(record, words))}
        head, named = headline(record, words), title(record, words)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{record.folder}: its files are not as a run writes them ({type(error).__name__}: {error}); "
            f"write {METRICS} anew with bertwright evaluate --output-dir"
        ) from error
    body = together(head, _contents(words, list(drawn)), [_section(words, *each) for each in drawn.items()])
    style = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    return page(named, body, CHARTS + style, words.tag)


def _contents(words: Words, names: list[str]) -> Html:
    links = [(tag("a", words(f"title_{name}"), href=f"#{name}"), " ") for name in names]
    return tag("nav", links, aria_label=words("contents"))


def _section(words: Words, name: str, content: Html) -> Html:
    return tag("section", tag("h2", words(f"title_{name}"), id=name), content)
