"""What the run began with: files, their hashes, how many rows, and of which labels."""

from collections.abc import Iterator, Mapping
from typing import Any

from bertwright.evaluation.html import Content, Html, tag, together
from bertwright.evaluation.report.numbers import share, whole
from bertwright.evaluation.report.parts import more, note, own, table
from bertwright.evaluation.report.record import RunRecord
from bertwright.evaluation.report.words import Words

_ROLES = ("model", "train", "validation", "test")
_MOST = 40


def data(record: RunRecord, words: Words) -> Html | None:
    """Files and model, and the counts of labels."""
    files: Mapping[str, Any] = record.found.get("files", {})
    roles = [role for role in _ROLES if role in record.origins or role in files]
    if not roles:
        return None
    head = [words("role"), together(words("file"), ", SHA-256"), words("rows")]
    rows = (_row(record, words, role, files.get(role, {})) for role in roles)
    split = "validation" in files and "validation" not in record.origins
    fraction = record.settings.get("validation_fraction", 0.0)
    seeds = (record.settings.get(name) for name in ("split_seed", "seed"))
    seed = next((each for each in seeds if each is not None), None)
    began = record.metrics.get("began")
    return together(
        table(words("title_data"), head, rows, numbers=(2,)),
        tag("p", own(began, 1000), class_="soft", lang="en") if began else None,
        note(words("was_split_off", share=share(fraction), seed=seed)) if split else None,
        _labels(words, files),
    )


def _row(record: RunRecord, words: Words, role: str, counted: Mapping[str, Any]) -> Iterator[Content]:
    origin = record.origins.get(role, {})
    rows = counted.get("rows", record.rows if role == record.split else None)
    yield words(f"split_{role}")
    digest = tag("code", str(origin.get("sha256", ""))[:100], class_="hash soft below")
    path = str(origin.get("path") or counted.get("path", ""))
    random = role == "model" and record.from_scratch
    yield together(words("random_weights") if random else own(path, 300), digest)
    yield "" if rows is None else whole(rows)


def _labels(words: Words, files: Mapping[str, Any]) -> Html | None:
    counts = {role: found.get("labels", {}) for role, found in files.items()}
    names = sorted({name for found in counts.values() for name in found}, key=lambda name: _order(counts, name))
    if not names:
        return None
    head = [words("label"), *(words(f"split_{role}") for role in counts)]
    rows = ([own(name), *(whole(found.get(name, 0)) for found in counts.values())] for name in names[:_MOST])
    shown = table(words("labels_counted"), head, rows, numbers=range(1, len(head)))
    left = note(words("labels_left_out", shown=_MOST, labels=len(names))) if len(names) > _MOST else None
    return more(words("labels_counted"), shown, left)


def _order(counts: Mapping[str, Mapping[str, int]], name: str) -> tuple[int, str]:
    return -max(found.get(name, 0) for found in counts.values()), name
