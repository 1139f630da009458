"""Checks of labels: how many of each there are, which only one file has, and which look like one and the same."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from bertwright.tasks.checks.files import LabelledFiles, label_names, named, where
from bertwright.tasks.checks.finding import Finding, first, rows_have
from bertwright.tasks.finetuning import Rows
from bertwright.tasks.multilabel import MultiLabel
from bertwright.text.complaints import agreeing, all_shown, bare, counted, shown

FEWEST = 5
"""Rows that a label needs for there to be something to learn from."""
ONE_SIDED = 0.9
"""The share of rows with one label, or number, from which on there is little else to learn."""
_EXPECTED = 5  # rows of a label that a held-out file should have, by the training set, for their lack to be odd
_OF_ONE_WHOLE = ": are the files parts of one whole?"
_MANY_MISSING = 0.2  # share of the labels
_FEW_NULL = 0.05  # share of the rows: as many with -1 among 0, 1, 2 may well mean it


def rare_labels(files: LabelledFiles) -> Iterator[Finding]:
    """Labels that hardly any row has."""
    counts = Counter(named(files.train))
    if rare := sorted(name for name, count in counts.items() if count < FEWEST):
        yield Finding(
            "warning",
            "rare-labels",
            f"train: {len(rare)} of {len(counts)} labels {agreeing(len(rare), 'occurs', 'occur')} fewer than "
            f"{FEWEST} times: {all_shown(rare)}",
            "too few to learn from and to measure: add rows, or join labels",
            _places(files.train, set(rare)),
            role="train",
        )


def empty_labels(files: LabelledFiles) -> Iterator[Finding]:
    """Columns of labels in which no row of the training set has a yes."""
    assert isinstance(files.task, MultiLabel)
    labels, occurring = files.task.labels, set(named(files.train))
    if empty := [name for name in labels if name not in occurring]:
        yield Finding(
            "warning",
            "empty-labels",
            f"train: {len(empty)} of {len(labels)} labels {agreeing(len(empty), 'occurs', 'occur')} in no "
            f"row: {all_shown(empty)}",
            "the model has them and can hardly learn to give them: add rows, or leave them out of --label-columns",
            role="train",
        )


def one_sided_labels(files: LabelledFiles) -> Iterator[Finding]:
    """One label that nearly all rows have; where a row has one."""
    counts = Counter(names[0] for row in files.train if len(names := label_names(row)) == 1)
    if len(counts) < 2 or counts.total() < len(files.train):
        return
    (name, count), share = counts.most_common(1)[0], counts.most_common(1)[0][1] / counts.total()
    if share >= ONE_SIDED:
        yield Finding(
            "warning",
            "one-sided-labels",
            f"train: {rows_have(count, counts.total())} the label {shown(name)}: to say it always has an "
            f"accuracy of {share:.3f}",
            "choose and judge by another figure (--best-metric f1_macro), and try --class-weights balanced",
            role="train",
        )


def unseen_labels(files: LabelledFiles) -> Iterator[Finding]:
    """Labels of a held-out file that training never sees: fine-tuning refuses them, unless columns are named so."""
    known = set(named(files.train))
    for role, rows in files.held_out.items():
        if strange := sorted(set(named(rows)) - known):
            yield Finding(
                "error",
                "unseen-labels",
                f"{role}: {counted(len(strange), 'label')} that train does not have: {all_shown(strange)}",
                _how_to_be_seen(rows, set(strange)),
                _places(rows, set(strange)),
                role=role,
            )


def _how_to_be_seen(rows: Rows[Any], strange: set[str]) -> str:
    """What to do about labels that no model can give; where most rows have such, the files are not of one form."""
    labelled = [names for row in rows if (names := label_names(row))]
    if 2 * sum(not strange.isdisjoint(names) for names in labelled) > len(labelled):
        return "most rows have such: is it the right --label-column, and are labels written alike in both files?"
    return "no model can give them: correct them, or add such rows to the training file"


def missing_labels(files: LabelledFiles) -> Iterator[Finding]:
    """Labels of the training set that a held-out file does not have, so that nothing is known of them."""
    counts, size = Counter(named(files.train)), len(files.train)
    for role, rows in files.held_out.items():
        missing = counts.keys() - set(named(rows))
        if missing:
            odd = any(counts[name] / size * len(rows) >= _EXPECTED for name in missing)
            many = 1 < len(missing) >= _MANY_MISSING * len(counts)
            yield Finding(
                "warning" if odd or many else "note",
                "missing-labels",
                f"{role}: {len(missing)} of {len(counts)} labels of train {agreeing(len(missing), 'does', 'do')} not "
                f"occur: {all_shown(sorted(missing))}",
                "nothing will be known of how well they are told"
                + (", and macro averages tell little: hold out more rows" if many else _OF_ONE_WHOLE),
                role=role,
            )


def null_labels(files: LabelledFiles) -> Iterator[Finding]:
    """Labels that sets of inference, and copies of others, give to rows that have none."""
    for role, rows in files.rows.items():
        counts = Counter(named(rows))
        null = {name for name in ("-", "-1") if name in counts and _says_none(name, counts)}
        if null:
            yield Finding(
                "warning",
                "null-labels",
                f"{role}: {rows_have(sum(counts[name] for name in null), len(rows))} the label "
                f"{all_shown(sorted(null))}, which often says that there is none",
                f"if so, go on without these rows: --null-labels {' '.join(sorted(null))} --skip-bad-rows",
                _places(rows, null),
                role=role,
            )


def _says_none(name: str, counts: Counter[str]) -> bool:
    """Of `-` where there is no `+`; of -1 where it is rare beside 0, 1 and so on."""
    if name == "-":
        return "+" not in counts
    return counts[name] < _FEW_NULL * counts.total() and all(other.isdecimal() for other in counts if other != name)


def look_alike_labels(files: LabelledFiles) -> Iterator[Finding]:
    """Labels that differ in nothing but case, blanks, or hyphens or underscores inside, or are the same number."""
    alike: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for rows in files.rows.values():
        for name in named(rows):
            alike[bare(name)][name] += 1
    groups = [counts for folded, counts in sorted(alike.items()) if folded and len(counts) > 1]
    if groups:
        listed = "; ".join(" and ".join(f"{shown(n)} (rows: {c})" for n, c in g.most_common()) for g in groups[:5])
        odd = {name for counts in groups for name, _ in counts.most_common()[1:]}
        yield Finding(
            "error",
            "look-alike-labels",
            f"labels that differ in form alone: {listed}",
            "they are learned as different labels: write each in one way",
            first(place for rows in files.rows.values() for place in _places(rows, odd)),
        )


def _places(rows: Rows[Any], names: set[str]) -> tuple[str, ...]:
    return first(where(rows, number) for number, row in enumerate(rows) if names.intersection(label_names(row)))
