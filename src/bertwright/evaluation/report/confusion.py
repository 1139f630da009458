"""Which label is given for which: the matrix, or of many labels the commonest ones, and the pairs mistaken most."""

from collections.abc import Sequence

from bertwright.evaluation.html import Html, tag, together
from bertwright.evaluation.report.numbers import share, whole
from bertwright.evaluation.report.parts import note, own, scrolling, table
from bertwright.evaluation.report.record import RunRecord
from bertwright.evaluation.report.words import Words

MOST = 20
_PAIRS = 15
_SHORT = 24
_SHADES = 9


def confusion(record: RunRecord, words: Words) -> Html | None:
    """The matrix, whose rows are the truth."""
    matrix, labels = record.details.get("confusion_matrix"), record.details.get("labels")
    if not matrix or not labels:
        return None
    totals = [sum(row) for row in matrix]
    chosen = sorted(sorted(range(len(labels)), key=totals.__getitem__, reverse=True)[:MOST])
    left = len(labels) - len(chosen)
    return together(
        _matrix(words, matrix, labels, chosen),
        note(words("read_matrix")),
        note(words("labels_left_out", shown=len(chosen), labels=len(labels))) if left else None,
        _pairs(words, matrix, labels) if len(labels) > 2 else None,
    )


def _matrix(words: Words, matrix: Sequence[Sequence[int]], labels: Sequence[str], chosen: Sequence[int]) -> Html:
    given = [tag("th", own(labels[column], _SHORT), scope="col", class_="n") for column in chosen]
    rows = (
        tag("tr", tag("th", own(labels[row], _SHORT), scope="row"), (_cell(matrix[row], row, col) for col in chosen))
        for row in chosen
    )
    head = tag("thead", tag("tr", tag("th", words("truth_and_answer"), scope="col"), given))
    caption = tag("caption", words("title_confusion"))
    drawn = tag("table", caption, head, tag("tbody", rows), class_="matrix")
    return scrolling(words("title_confusion"), drawn)


def _cell(counts: Sequence[int], row: int, column: int) -> Html:
    part = counts[column] / max(sum(counts), 1)
    shade = round(part * _SHADES)
    kind = "hit" if row == column else "miss"
    return tag("td", whole(counts[column]), tag("small", share(part)), class_=f"n {kind} s{shade}")


def _pairs(words: Words, matrix: Sequence[Sequence[int]], labels: Sequence[str]) -> Html | None:
    """The pairs of labels that are mistaken for each other most."""
    wrong = [
        (count, row, column)
        for row, counts in enumerate(matrix)
        for column, count in enumerate(counts)
        if row != column and count
    ]
    if not wrong:
        return None
    head = [words("true_label"), words("given_label"), words("rows"), words("of_true_label")]
    rows = (
        [own(labels[row]), own(labels[column]), whole(count), share(count / max(sum(matrix[row]), 1))]
        for count, row, column in sorted(wrong, key=lambda found: -found[0])[:_PAIRS]
    )
    return together(tag("h3", words("mistaken_pairs")), table(words("mistaken_pairs"), head, rows, numbers=(2, 3)))
