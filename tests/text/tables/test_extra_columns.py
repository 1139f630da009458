"""Columns beyond text and label: each row has its own value, whatever rows were skipped."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bertwright.errors import UsageError
from bertwright.text.tables.bad_rows import BadRowPolicy
from bertwright.text.tables.columns import Named
from bertwright.text.tables.extra_columns import ExtraColumns
from bertwright.text.tables.texts import open_table


def values(path: Path, *names: str) -> tuple[list[str], dict[str, list[str]]]:
    """The texts of the usable rows, and what each has in the columns."""
    table = open_table(path).under(BadRowPolicy(skip=True))
    rows = list(table.read())
    columns = ExtraColumns.open(path, names, columns=None, named=Named(), quoting=None)
    return [row.text for row in rows], columns.of(np.array([row.line for row in rows]))


@pytest.mark.parametrize("form", ["csv", "jsonl", "json", "parquet"])
def test_each_row_has_its_own_value(form: str, tmp_path: Path) -> None:
    made = [{"text": f"t{n}", "label": "ab"[n % 2], "place": f"p{n}"} for n in range(9)]
    made[3]["text"] = made[6]["label"] = ""  # two rows that cannot be used
    path = tmp_path / f"rows.{form}"
    if form == "csv":
        path.write_text("text,label,place\n" + "".join(",".join(row.values()) + "\n" for row in made))
    elif form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in made))
    elif form == "json":
        path.write_text(json.dumps(made, indent=1))
    else:
        pq.write_table(pa.Table.from_pylist(made), path)
    texts, found = values(path, "place", "label")
    assert texts == [f"t{n}" for n in range(9) if n not in (3, 6)]
    assert found["place"] == [text.replace("t", "p") for text in texts]
    assert found["label"] == ["ab"[int(text[1]) % 2] for text in texts]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12))
def test_rows_that_share_a_line_are_told_apart_or_unknown(made: list[tuple[bool, bool]], tmp_path: Path) -> None:
    """Of a JSON list, where elements follow others on a line, and some cannot be used: never another row's value."""
    path = tmp_path / "rows.json"
    elements = [
        json.dumps({"text": f"t{n}" if usable else "", "label": "a", "place": f"p{n}"})
        for n, (usable, _) in enumerate(made)
    ]
    ends = [",\n" if breaks else ", " for _, breaks in made]
    path.write_text("[" + "".join(map("".join, zip(elements, [*ends[:-1], ""], strict=True))) + "]")
    if not any(usable for usable, _ in made):
        return
    texts, found = values(path, "place")
    for text, value in zip(texts, found["place"], strict=True):
        assert value in ("", text.replace("t", "p"))
    if all(usable for usable, _ in made) or all(breaks for _, breaks in made):
        assert "" not in found["place"]


def test_values_of_any_kind_are_texts(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    cells = [3, None, True, ["a", 1], " x ", "y" * 999]
    path.write_text("".join(json.dumps({"text": "t", "label": "a", "place": cell}) + "\n" for cell in cells))
    assert values(path, "place")[1]["place"] == ["3", "", "true", '["a", 1]', "x", "y" * 200]


def test_a_number_that_is_none_is_no_value(tmp_path: Path) -> None:
    """As pandas writes a column of numbers of which some are missing; and a day is written as it is read."""
    made = {"text": ["a", "b"], "label": ["x", "y"], "place": [0.5, float("nan")], "day": [date(2024, 2, 29), None]}
    pq.write_table(pa.table(made), tmp_path / "rows.parquet")
    assert values(tmp_path / "rows.parquet", "place", "day")[1] == {"place": ["0.5", ""], "day": ["2024-02-29", ""]}


def test_a_key_that_is_missing_takes_no_other_along(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    made = [{"place": "x", "year": 1}, {"place": "y"}, {"year": 2}]
    path.write_text("".join(json.dumps({"text": "t", "label": "a", **row}) + "\n" for row in made))
    assert values(path, "place", "year")[1] == {"place": ["x", "y", ""], "year": ["1", "", "2"]}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (None, r"rows\.csv:1: the first row has no column name that is known: 'alpha', 'beta'; if it"),
        (("text", "label", "place"), r"rows\.csv:1: --columns gives 3 names and the file has 2 columns: 'alpha'"),
    ],
)
def test_columns_that_cannot_be_told_are_the_reason(
    columns: tuple[str, ...] | None, message: str, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("alpha,beta\nx,1\n")
    with pytest.raises(UsageError, match=message):
        ExtraColumns.open(tmp_path / "rows.csv", ["place"], columns=columns, named=Named(), quoting=None)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "t.csv",
            "text,label,place\na,b,c\n",
            r"t.csv: no column 'plaec' \(--slice-columns\); the columns are .*; did you mean 'place'\?$",
        ),
        ("t.conll", "EU B-ORG\n", r"t.conll: --slice-columns is for tables, and it has no columns$"),
        ("t.json", "[[1]]", r"t.json: no column 'plaec' \(--slice-columns\); it has no columns$"),
    ],
)
def test_a_column_that_is_not_there_is_one_line(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=message):
        ExtraColumns.open(tmp_path / name, ["plaec"], columns=None, named=Named(), quoting=None)
