"""Multiple choice in every form that is read: context, choices and the right one, and what makes a row unusable."""

import csv
import gzip
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertwright.errors import DataError, UsageError
from bertwright.text.tables.bad_rows import BadRow
from bertwright.text.tables.cells import UnusableCellError
from bertwright.text.tables.choice_cells import Choices, right_choice
from bertwright.text.tables.choices import ChoiceRow, looks_like_choices, open_choices


def put(path: Path, content: Any) -> Path:
    """Write JSON, or text as it is."""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def delimited(*rows: list[Any], delimiter: str = ",") -> str:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def json_lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def row_of(path: Path, **how: Any) -> ChoiceRow | BadRow:
    (row,) = open_choices(path, **how).rows()
    return row


# ---- forms

ENDINGS = ("pats him.", "turns, \nslowly.", "runs.", "eats.")
SWAG = [
    ["", "video-id", "startphrase", "sent1", "sent2", "ending0", "ending1", "ending2", "ending3", "label"],
    ["0", "anetv_1", "x", "Students lower their eyes.", "She", *ENDINGS, "1"],
]


def test_swag(tmp_path: Path) -> None:
    for path in (tmp_path / "train.csv", tmp_path / "train.csv.gz"):
        file = open_choices(put(path, delimited(*SWAG, SWAG[1])))
        first, second = file.rows()
        assert first == ChoiceRow("1", "Students lower their eyes.", "She", ENDINGS, 1, 2)
        assert (second.id, second.line) == ("2", 4)
        assert file.form == (
            "comma-separated, header, cells may be in quotes; context 'sent1', question 'sent2', answer 'label', "
            "choices 'ending0', 'ending1', 'ending2', 'ending3'"
        )


def test_race_has_lists_and_letters(tmp_path: Path) -> None:
    row = {
        "example_id": "high1.txt",
        "article": "Tom ran.",
        "question": "Who _ ?",
        "options": ["Ann", "Tom"],
        "answer": "B",
    }
    expected = [ChoiceRow(str(n), "Tom ran.", "Who _ ?", ("Ann", "Tom"), 1, n) for n in (1, 2)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row, row]), tmp_path / "a.parquet")
    lines = put(tmp_path / "a.jsonl.gz", json_lines(row, row))
    listed = put(tmp_path / "a.json", "[" + ",\n".join([json.dumps(row)] * 2) + "]")
    for path in (lines, listed, tmp_path / "a.parquet"):
        assert list(open_choices(path).rows()) == expected


def test_commonsense_qa_has_no_context_and_names_its_choices(tmp_path: Path) -> None:
    row = {"id": "1afa", "question": "Where?", "choices": {"label": ["1", "2", "3"], "text": ["bank", "mall", "home"]}}
    pairs = {**row, "choices": [{"label": "x", "text": "bank"}, {"label": "y", "text": "mall"}], "answerKey": "Y"}
    first, second = open_choices(put(tmp_path / "a.jsonl", json_lines({**row, "answerKey": "1"}, pairs))).rows()
    assert first == ChoiceRow("1afa", "Where?", None, ("bank", "mall", "home"), 0, 1)
    assert (second.choices, second.answer) == (("bank", "mall"), 1)


def test_columns_called_by_letters_and_rows_with_fewer_choices(tmp_path: Path) -> None:
    rows = [["prompt", "A", "B", "C", "answer"], ["p", "x", "y", "z", "C"], ["p", "x", "y", "", "b"]]
    for path, delimiter in ((tmp_path / "a.csv", ";"), (tmp_path / "a.tsv", "\t")):
        first, second = open_choices(put(path, delimited(*rows, delimiter=delimiter))).rows()
        assert (first.choices, first.answer, first.context) == (("x", "y", "z"), 2, "p")
        assert (second.choices, second.answer, second.line) == (("x", "y"), 1, 3)


def test_json_rows_may_leave_out_the_last_choices(tmp_path: Path) -> None:
    long = {"premise": "p", "choice1": "a", "choice2": "b", "choice10": "c", "label": 0}
    short = {"premise": "p", "choice1": "a", "choice2": "b", "label": "Choice2"}
    first, second = open_choices(put(tmp_path / "a.jsonl", json_lines(short, long))).rows()
    assert (first.choices, first.answer) == (("a", "b"), 1)
    assert (second.choices, second.answer) == (("a", "b", "c"), 0)


def test_a_list_in_a_cell_of_csv_is_json(tmp_path: Path) -> None:
    content = delimited(
        ["context", "options", "label"], ["c", '["a", "b"]', "1"], ["c", "['a', 'b']", 1], ["c", "a|b", 1]
    )
    good, python, plain = open_choices(put(tmp_path / "a.csv", content)).rows()
    assert (good.choices, good.answer) == (("a", "b"), 1)
    assert python.reason.startswith("the choices are not JSON: ")
    assert plain.reason == "the choices are 'a|b', not a list"


def test_dream(tmp_path: Path) -> None:
    turns = ["M: Did you watch TV?", "F: No, a film."]
    asks = [
        {"question": "What?", "choice": ["1", "2", "0"], "answer": "0"},  # a text, though it could be a number
        {"question": "Who?", "choice": ["M", "F", "both"], "answer": "none"},
    ]
    dialogues = [turns, asks, "12-497"], [turns, asks[:1], "7"], [turns, "x"]
    file = open_choices(put(tmp_path / "dev.json", "[\n" + ",\n".join(map(json.dumps, dialogues)) + "]"))
    first, second, third, fourth = file.rows()
    assert first == ChoiceRow("12-497-1", "M: Did you watch TV?\nF: No, a film.", "What?", ("1", "2", "0"), 2, 2)
    ways = "a number from 0 to 2, a letter from A to C or the text of a choice"
    assert (second.line, second.reason) == (2, f"the answer 'none' is not {ways}")
    assert (third.id, third.answer, third.line) == ("7-1", 2, 3)
    assert fourth == BadRow(4, "not a dialogue: [list of turns, list of questions, id]", json.dumps(dialogues[2]))
    assert file.form == "JSON, dialogues with their questions (as DREAM)"


# ---- the right choice

CHOICES = Choices(("red", "green", "2", "red"))


@pytest.mark.parametrize(
    ("cell", "is_key", "meant"),
    [
        (0, False, 0),
        (3.0, False, 3),
        ("1", False, 1),
        (" B ", False, 1),
        ("d", False, 3),
        ("green", False, 1),
        ("2", False, 2),  # its number and its text say the same
        (2, False, 2),
    ],
)
def test_an_answer_is_a_number_a_letter_or_a_text(cell: object, is_key: bool, meant: int) -> None:
    assert right_choice(cell, CHOICES, is_key=is_key) == meant


def test_a_label_is_a_number_where_it_can_be_one_and_an_answer_must_be_clear(tmp_path: Path) -> None:
    row = {"context": "2 - 1?", "choices": ["1", "2", "3"]}
    assert row_of(put(tmp_path / "a.jsonl", row | {"label": "1"})).answer == 1
    unclear = row_of(put(tmp_path / "b.jsonl", row | {"answer": "1"}))
    assert unclear.reason == "the answer '1' could mean choice 0 or 1, counted from 0"
    assert row_of(put(tmp_path / "c.jsonl", row | {"answer": 1})).answer == 1
    assert row_of(put(tmp_path / "d.jsonl", row | {"answer": "3"})).answer == 2


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("red", "the answer 'red' could mean choice 0 or 3, counted from 0"),
        ("4", "the answer '4' is not a number from 0 to 3, a letter from A to D or the text of a choice"),
        (4, "the answer '4' is not a number from 0 to 3, a letter from A to D or the text of a choice"),
        (-1, "the answer '-1' is not a number from 0 to 3, a letter from A to D or the text of a choice"),
        ("E", "the answer 'E' is not a number from 0 to 3, a letter from A to D or the text of a choice"),
        ("", "no answer"),
        (None, "no answer"),
        (["red"], "the label is a list, not a string"),
    ],
)
def test_an_answer_that_is_not_clear_is_refused(cell: object, reason: str) -> None:
    with pytest.raises(UnusableCellError) as error:
        right_choice(cell, CHOICES, is_key=False)
    assert str(error.value) == reason


def test_there_are_letters_for_26_choices() -> None:
    many = Choices(tuple(f"choice {number}" for number in range(30)))
    assert right_choice("z", many, is_key=False) == 25
    with pytest.raises(UnusableCellError, match=r"is not a number from 0 to 29, a letter from A to Z or the"):
        right_choice("ä", many, is_key=False)


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=2).filter(str.strip),
        min_size=2,
        max_size=8,
        unique_by=str.strip,
    ),
    st.data(),
)
def test_number_letter_and_text_say_the_same(texts: list[str], data: st.DataObject) -> None:
    choices = Choices(tuple(texts))
    number = data.draw(st.integers(0, len(texts) - 1))
    for cell in (number, str(number), "ABCDEFGH"[number], "abcdefgh"[number]):
        assert right_choice(cell, choices, is_key=True) == number
    texts_only = Choices(tuple(f"({text})" for text in texts))
    assert right_choice(texts_only.texts[number], texts_only, is_key=True) == number


def test_answers_counted_from_1_are_known_by_the_whole_file(tmp_path: Path) -> None:
    rows = [{"context": "c", "option1": "x", "option2": "y", "answer": answer} for answer in ("1", "1", "2", "3")]
    file = open_choices(put(tmp_path / "a.jsonl", json_lines(*rows)))
    assert file.form.endswith(", answers counted from 1")
    *read, beyond = file.rows()
    assert [row.answer for row in read if isinstance(row, ChoiceRow)] == [0, 0, 1]
    assert isinstance(beyond, BadRow)
    assert beyond.reason.startswith("the answer '3' is not a number from 1 to 2, a letter from A to B")


@pytest.mark.parametrize(
    ("fields", "answers", "meant"),
    [
        ({"choices": ["a", "b"]}, ["1", 1, "B"], [1, 1, 1]),  # nothing says that they are not counted from 0
        ({"choices": {"text": ["a", "b"], "label": ["2", "1"]}}, ["1", "2"], [1, 0]),
        ({"choices": ["2", "7"]}, ["2", "7", 0], [0, 1, 0]),  # texts
    ],
)
def test_names_and_texts_that_are_numbers_count_nothing(
    fields: dict[str, Any], answers: list[object], meant: list[int], tmp_path: Path
) -> None:
    rows = [{"context": "c", **fields, "answer": answer} for answer in answers]
    file = open_choices(put(tmp_path / "a.jsonl", json_lines(*rows)))
    assert [row.answer for row in file.rows() if isinstance(row, ChoiceRow)] == meant
    assert "counted" not in file.form


@pytest.mark.parametrize(
    ("answers", "meant", "doubt"),
    [
        ([1, 2, 3, 4], [0, 1, 2, 3], None),
        ([0, 1, 2, 3], [0, 1, 2, 3], None),
        (["B", "C", "d"], [1, 2, 3], None),
        (
            [1, 2, 3, 3, 2],
            [1, 2, 3, 3, 2],
            "1: answers that are numbers, none of them 0 and none the number of its choices: they are read as counted "
            "from 0, so that 1 is the second choice; where that is wrong, count them from 0, or write letters from A",
        ),
        (
            ["A", 1, 2, 0, 3, 4],  # one slip of the pen makes one row unusable, and shifts no other
            [0, 1, 2, 0, 3, None],
            "6: an answer that is the number of its choices, as if they were counted from 1, and on line 4 one that is "
            "0: they are read as counted from 0, and such as on line 6 cannot be used; count all of them from 0, or "
            "write letters from A",
        ),
    ],
)
def test_from_where_answers_are_counted_is_said_where_it_is_not_sure(
    answers: list[object], meant: list[int | None], doubt: str | None, tmp_path: Path
) -> None:
    rows = [{"context": "c", "choices": ["w", "x", "y", "z"], "label": label} for label in answers]
    path = put(tmp_path / "a.jsonl", json_lines(*rows))
    file = open_choices(path)
    assert [row.answer if isinstance(row, ChoiceRow) else None for row in file.rows()] == meant
    assert file.warnings == (() if doubt is None else (f"{path}:{doubt}",))


# ---- what cannot be used


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"choices": ["a"]}, "two choices at least are needed, and there are 1"),
        ({"choices": []}, "two choices at least are needed, and there are 0"),
        ({"choices": ["a", " "]}, "empty choice 1"),
        ({"choices": ["a", 3]}, "the choice 1 is a number, not a string"),
        ({"choices": 3}, "the choices are '3', not a list"),
        ({"choices": None}, "no choices are given"),
        ({"choices": {"text": ["a", "b"], "label": ["A"]}}, "there are 2 choices and 1 labels of choices"),
        ({"context": ""}, "empty context"),
        ({"context": ["c"]}, "the context is a list, not a string"),
        ({"question": 5}, "the question is a number, not a string"),
    ],
)
def test_reasons(tmp_path: Path, fields: dict[str, Any], reason: str) -> None:
    good = {"context": "c", "question": "q", "choices": ["a", "b"], "label": 0}
    path = put(tmp_path / "a.jsonl", json_lines(good, good | fields))
    first, second = open_choices(path).rows()
    assert isinstance(first, ChoiceRow)
    assert second == BadRow(2, reason, json.dumps(good | fields))


def test_broken_rows_of_a_table(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", "context,choice0,choice1,label\nc,a,b\nc,,b,1\nc,a,b,0\n")
    short, gap, good = open_choices(path).rows()
    assert short == BadRow(2, "3 columns where 4 are expected", "c,a,b")
    assert gap.reason == "empty choice 0"
    assert good.answer == 0


def test_for_a_prediction_answers_are_not_looked_at(tmp_path: Path) -> None:
    fields = {"context": "", "choices": ["a", "b"], "label": "whatever"}
    assert row_of(put(tmp_path / "a.jsonl", fields), needs_answer=False) == ChoiceRow(
        "1", "", None, ("a", "b"), None, 1
    )
    del fields["label"]
    assert row_of(put(tmp_path / "b.jsonl", fields), needs_answer=False).answer is None
    dialogue = [[["M: Hi."], [{"question": "Who?", "choice": ["M", "F"]}], "1"]]
    assert row_of(put(tmp_path / "c.json", dialogue), needs_answer=False).choices == ("M", "F")


# ---- the file as a whole


def test_files_whose_columns_cannot_be_told(tmp_path: Path) -> None:
    needed = "context or question, choices (a list) or choice0, choice1, …, and label or answer"
    for name, content, columns in (
        ("a.csv", "x,y\n1,2\n", "'x', 'y'"),
        ("b.csv", "context,choice0,label\nc,a,0\n", "'context', 'choice0', 'label'"),
        ("c.jsonl", '{"context": "c", "choices": ["a", "b"]}', "'context', 'choices'"),
    ):
        with pytest.raises(UsageError) as error:
            open_choices(put(tmp_path / name, content))
        assert (
            str(error.value)
            == f"{tmp_path}/{name}: multiple choice needs columns such as {needed}; there are {columns}"
        )


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    """Which of them is meant nobody knows; columns without a name, such as an index, are none."""
    twice = put(tmp_path / "a.csv", "context,choice0,choice1,label,label\nc,a,b,0,1\n")
    with pytest.raises(UsageError) as error:
        open_choices(twice)
    assert str(error.value) == f"{twice}: the column 'label' occurs twice; rename one of them"
    names = ("context", "choices", "label", "label")
    columns = pyarrow.table([["c"], [["a", "b"]], [0], [1]], names=names)
    pyarrow.parquet.write_table(columns, tmp_path / "a.parquet")
    with pytest.raises(UsageError, match=r"a\.parquet: the column 'label' occurs twice; rename one of them$"):
        open_choices(tmp_path / "a.parquet")
    assert row_of(put(tmp_path / "b.csv", ",,context,choice0,choice1,label\n7,8,c,a,b,1\n")).answer == 1


def test_files_without_rows(tmp_path: Path) -> None:
    for name, content, text in (
        ("a.json", "[]", "a.json: there are no rows in it"),
        ("b.jsonl", "1\n", "b.jsonl:1: no object with keys among the first 100 rows"),
        ("c.csv", "context,a,b,label\n", "c.csv: there are no rows in it"),
    ):
        with pytest.raises(DataError) as error:
            open_choices(put(tmp_path / name, content))
        assert str(error.value) == f"{tmp_path}/{text}"
    with pytest.raises(UsageError) as usage:
        open_choices(put(tmp_path / "a.txt", "x"))
    read = ".csv, .tsv, .json, .jsonl, .ndjson, .parquet"
    assert str(usage.value) == f"{tmp_path}/a.txt: the ending '.txt' says no format in which choices are read: {read}"


def test_what_looks_like_choices(tmp_path: Path) -> None:
    race = {"article": "a", "question": "q", "options": ["x", "y"], "answer": "B"}
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([race]), tmp_path / "a.parquet")
    yes = [
        put(tmp_path / "a.csv", delimited(*SWAG)),
        put(tmp_path / "b.jsonl.gz", race),
        put(tmp_path / "c.json", [[["M: Hi."], [{"question": "q", "choice": ["a", "b"], "answer": "a"}], "1"]]),
        put(tmp_path / "d.tsv", '"prompt"\tA\tB\tanswer\n'),
        put(tmp_path / "e.jsonl", {"question": "q", "context": "c", "answers": ["a", "b"], "label": 0}),
        tmp_path / "a.parquet",
    ]
    no = [
        put(tmp_path / "f.csv", "sentence1,sentence2,label\n"),
        put(tmp_path / "g.jsonl", {"question": "q", "context": "c", "answers": {"text": ["a"], "answer_start": [0]}}),
        put(tmp_path / "h.tsv", "a fine film\t1\n"),
        put(tmp_path / "i.jsonl", {"text": "t", "label": "x"}),
        put(tmp_path / "j.txt", "context,a,b,label"),
    ]
    assert [path.name for path in [*yes, *no] if looks_like_choices(path)] == [path.name for path in yes]


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "questions", "dialogues"),
    [("train.json.gz", 6_116, 3_869), ("dev.json", 2_040, 1_288), ("test.json", 2_041, 1_287)],
)
def test_dream_is_read_whole(data_dir: Path, name: str, questions: int, dialogues: int) -> None:
    path = data_dir / "dream" / name
    assert looks_like_choices(path)
    rows = list(open_choices(path).rows())
    assert not any(isinstance(row, BadRow) for row in rows)
    assert (len(rows), len({row.line for row in rows}), len({row.id for row in rows})) == (
        questions,
        dialogues,
        questions,
    )
    assert {len(row.choices) for row in rows} == {3}
    places = Counter(row.answer for row in rows)
    assert set(places) == {0, 1, 2}
    assert min(places.values()) > questions / 4
