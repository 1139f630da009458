"""All checks, in the order in which their findings are told, and what they find.

A new check is one function beside the others and one line here.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from bertwright.tasks.checks.files import LabelledFiles
from bertwright.tasks.checks.finding import SEVERITIES, Finding
from bertwright.tasks.checks.labels import (
    empty_labels,
    look_alike_labels,
    missing_labels,
    null_labels,
    one_sided_labels,
    rare_labels,
    unseen_labels,
)
from bertwright.tasks.checks.of_rows import (
    answers_in_one_place,
    endless_sentences,
    equal_choices,
    equal_numbers,
    far_numbers,
    impossible_tags,
    missing_values,
    never_unanswered,
    numbers_elsewhere,
    one_sided_numbers,
    tiny_texts,
    wrong_encoding,
)
from bertwright.tasks.checks.reading import (
    Reading,
    casing,
    cut_texts,
    long_answers,
    lost_accents,
    unknown_tokens,
)
from bertwright.tasks.checks.repeats import (
    contradictions,
    near_repeats,
    repeated_texts,
    same_files,
    shared_contexts,
    shared_texts,
)
from bertwright.tasks.choice import Choice
from bertwright.tasks.classification import Classification
from bertwright.tasks.multilabel import MultiLabel
from bertwright.tasks.questions import Questions
from bertwright.tasks.regression import Regression
from bertwright.tasks.tagging import Tagging

Check = Callable[[LabelledFiles], Iterator[Finding]]

QUICK: tuple[Check, ...] = (
    unseen_labels,
    missing_labels,
    look_alike_labels,
    rare_labels,
    one_sided_labels,
    same_files,
    shared_texts,
    contradictions,
    repeated_texts,
    tiny_texts,
    missing_values,
    wrong_encoding,
)
"""A pass over the rows each: they take no longer than to read them."""
OF_TASK: Mapping[type, tuple[Check, ...]] = MappingProxyType(
    {
        Classification: (null_labels,),
        MultiLabel: (empty_labels,),
        Tagging: (impossible_tags, endless_sentences),
        Questions: (shared_contexts, never_unanswered),
        Choice: (shared_contexts, answers_in_one_place, equal_choices),
        Regression: (far_numbers, equal_numbers, one_sided_numbers, numbers_elsewhere),
    }
)
"""As quick as these, for one task alone."""
SLOW: tuple[Check, ...] = (near_repeats,)
OF_READING: tuple[Callable[[Reading], Iterator[Finding]], ...] = (
    cut_texts,
    long_answers,
    unknown_tokens,
    casing,
    lost_accents,
)


def short_findings(files: LabelledFiles) -> list[Finding]:
    """What can be found at once, as in front of every fine-tuning, the worst first."""
    return worst_first(_found(files, _quick(files)))


def all_findings(reading: Reading) -> list[Finding]:
    """What all checks find, the worst first."""
    files = reading.files
    found = _found(files, (*_quick(files), *SLOW))
    found += [finding for check in OF_READING for finding in check(reading)]
    return worst_first(found)


def worst_first(findings: list[Finding]) -> list[Finding]:
    """In the order of `SEVERITIES`, else as they are."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def _quick(files: LabelledFiles) -> tuple[Check, ...]:
    return (*QUICK, *OF_TASK.get(type(files.task), ()))


def _found(files: LabelledFiles, checks: tuple[Check, ...]) -> list[Finding]:
    return [finding for check in checks for finding in check(files)]
