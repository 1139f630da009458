"""Questions in every form that is read: what is written is read back, with honest lines, and faults are named."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertwright.errors import DataError, UsageError
from bertwright.text.tables.answers import Answer
from bertwright.text.tables.bad_rows import BadRow, BadRowPolicy
from bertwright.text.tables.questions import QuestionRow, looks_like_questions, open_questions
from bertwright.text.tables.table import Table

CONTEXT = "Rollo, a Norse leader, ruled Normandy. Rollo spoke Norse."
ROLLO = {"text": "Rollo", "answer_start": 0}
LEADER = {"text": "Norse leader", "answer_start": 9}


def put(path: Path, content: Any) -> Path:
    """Write JSON, or text as it is."""
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def squad(*questions: dict[str, Any], context: str = CONTEXT) -> dict[str, Any]:
    return {"version": "1.1", "data": [{"title": "Normans", "paragraphs": [{"context": context, "qas": [*questions]}]}]}


def asked(**fields: Any) -> dict[str, Any]:
    return {"id": "q1", "question": "Who ruled?", "answers": [ROLLO], **fields}


def only_row(path: Path, **how: Any) -> QuestionRow | BadRow:
    (row,) = open_questions(path, **how).rows()
    return row


# ---- forms


def test_squad_1(tmp_path: Path) -> None:
    path = put(tmp_path / "train.json", squad(asked(answers=[ROLLO, LEADER])))
    file = open_questions(path)
    assert list(file.rows()) == [
        QuestionRow("q1", "Who ruled?", CONTEXT, (Answer("Rollo", 0), Answer("Norse leader", 9)), 1, "Normans")
    ]
    assert (file.form, file.warnings) == ("SQuAD 1.1 JSON", ())


def test_squad_2_has_questions_without_an_answer(tmp_path: Path) -> None:
    impossible = {"id": "q2", "question": "Who lost?", "is_impossible": True, "plausible_answers": [ROLLO]}
    questions = [
        asked(is_impossible=False),
        {**impossible, "answers": []},
        {**impossible, "id": "q3"},
        {**impossible, "id": "q4", "answers": [{"text": "", "answer_start": -1}]},
    ]
    file = open_questions(put(tmp_path / "train.json.gz", squad(*questions)))
    assert file.form == "SQuAD 2.0 JSON"
    assert [row.answers for row in file.rows()] == [(Answer("Rollo", 0),), (), (), ()]
    assert [row.id for row in file.rows()] == ["q1", "q2", "q3", "q4"]  # read twice


def test_the_first_form_of_cmrc_2018_gives_no_places(tmp_path: Path) -> None:
    context = (
        "范廷颂是越南罗马天主教枢机，1963年被任为主教；1990年被擢升为天主教河内总教区宗座署理；1994年被擢升为总主教。"
    )
    asks = [
        {"query_id": "TRAIN_186_QUERY_0", "query_text": "范廷颂是什么时候被任为主教的？", "answers": ["1963年"]},
        {"query_id": "TRAIN_186_QUERY_1", "query_text": "他被擢升过几次？", "answers": ["被擢升为", "三次"]},
        {"query_id": "TRAIN_186_QUERY_2", "query_text": "他1990年怎么了？", "answers": ["被擢升为"]},
    ]
    content = [{"context_id": "TRAIN_186", "context_text": context, "qas": asks, "title": "范廷颂"}]
    file = open_questions(put(tmp_path / "cmrc.json", content))
    first, second, third = file.rows()
    place = context.index("1963年")
    title = "范廷颂"
    assert first == QuestionRow(
        "TRAIN_186_QUERY_0", "范廷颂是什么时候被任为主教的？", context, (Answer("1963年", place),), 1, title
    )
    assert isinstance(second, BadRow)
    assert second.reason == "question 'TRAIN_186_QUERY_1': the answer '三次' does not stand in the context"
    assert isinstance(third, QuestionRow)
    assert third.answers == (Answer("被擢升为", context.index("被擢升为")),)
    assert file.form == "JSON list of contexts (as CMRC 2018)"
    assert file.warnings == (
        f"{tmp_path}/cmrc.json: answers without answer_start that stand more than once in their contexts, and are "
        "taken from the first place: 1 (question 'TRAIN_186_QUERY_2'); give the right place with answer_start",
    )


def test_flat_rows_in_json_lines_a_list_under_data_and_parquet(tmp_path: Path) -> None:
    one = {"id": "1", "title": "Normans", "context": CONTEXT, "question": "Who ruled?"}
    two = {**one, "id": "2", "question": "Who lost?"}
    rows = [
        one | {"answers": {"text": ["Rollo"], "answer_start": [39]}},
        two | {"answers": {"text": [], "answer_start": []}},
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    lines = "\n\n".join(json.dumps(row) for row in rows)
    files = {
        "JSON lines": put(tmp_path / "a.jsonl", lines),
        "JSON lines ": put(tmp_path / "lines.json", lines),
        "JSON list of questions": put(tmp_path / "list.json", rows),
        "SQuAD 1.1 JSON": put(tmp_path / "a.json", {"data": rows}),
        "Parquet": tmp_path / "a.parquet",
    }
    expected_lines = {"a.jsonl": [1, 3], "lines.json": [1, 3], "a.parquet": [1, 2]}
    for form, path in files.items():
        file = open_questions(path)
        first, second = file.rows()
        assert file.form == form.strip()
        assert (first.id, first.answers, first.title) == ("1", (Answer("Rollo", 39),), "Normans")
        assert (second.id, second.answers, second.context) == ("2", (), CONTEXT)
        assert [first.line, second.line] == expected_lines.get(path.name, [1, 1])


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip)


@st.composite
def articles(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Articles whose questions have their ids first, so that an id's line tells where its object begins."""
    number = iter(range(100))

    def question(context: str) -> dict[str, Any]:
        start = draw(st.integers(0, len(context) - 1))
        text = context[start : draw(st.integers(start + 1, len(context)))]
        answers = [{"answer_start": start, "text": text}] if text.strip() else []
        return {"id": f"«{next(number)}»", "answers": answers, "question": draw(words)}

    def paragraph() -> dict[str, Any]:
        context = draw(words)
        qas = [question(context) for _ in range(draw(st.integers(0, 3)))]
        return draw(st.sampled_from([{"context": context, "qas": qas}, {"qas": qas, "context": context}]))

    return [
        {"paragraphs": [paragraph() for _ in range(draw(st.integers(0, 3)))], "title": draw(words)}
        for _ in range(draw(st.integers(1, 3)))
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the examples of one property share."""
    return tmp_path_factory.mktemp("questions")


def flat(data: list[dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    for article in data:
        for paragraph in article["paragraphs"]:
            for asked in paragraph["qas"]:
                answers = tuple(Answer(answer["text"], answer["answer_start"]) for answer in asked["answers"])
                yield asked["id"], asked["question"], paragraph["context"], answers, article["title"]


@settings(max_examples=60)
@given(data=articles(), indent=st.sampled_from([None, 0, 1, 4]), ascii_only=st.booleans())
def test_any_document_is_read_back_with_the_line_of_each_question(
    folder: Path, data: list[dict[str, Any]], indent: int | None, ascii_only: bool
) -> None:
    one = {"id": "«one»", "answers": [{"text": "one", "answer_start": 0}], "question": "?"}
    data[0]["paragraphs"].append({"context": "one", "qas": [one]})  # a file without any question is refused
    text = json.dumps({"data": data, "version": "1.1"}, indent=indent, ensure_ascii=ascii_only)
    rows = list(open_questions(put(folder / "any.json", text)).rows())
    assert [(row.id, row.question, row.context, row.answers, row.title) for row in rows] == list(flat(data))
    numbered = list(enumerate(text.split("\n"), 1))
    for row in rows:
        ids = {json.dumps(row.id), json.dumps(row.id, ensure_ascii=False)}
        (line,) = (number for number, line in numbered if any(f'"id": {one}' in line for one in ids))
        assert row.line == (line if indent is None else line - 1)


def test_a_document_of_squads_full_size_on_one_line(tmp_path: Path) -> None:
    context = "the quick brown fox " * 3_000
    paragraphs = [
        {"context": context, "qas": [asked(id=str(number), answers=[{"text": "fox", "answer_start": 16}])]}
        for number in range(720)
    ]
    path = put(tmp_path / "large.json", {"data": [{"title": "t", "paragraphs": paragraphs}], "version": "1.1"})
    assert path.stat().st_size > 43_000_000
    assert looks_like_questions(path)
    assert sum(isinstance(row, QuestionRow) for row in open_questions(path).rows()) == 720


# ---- answers and where they stand


@pytest.mark.parametrize(
    ("text", "given", "found"),
    [
        ("Rollo", 0, 0),
        ("Rollo", 3, 0),
        ("Rollo", 39, 39),
        ("Rollo", 36, 39),
        ("Rollo", 49, 39),
        ("Norse", 12, 9),
        ("o", 3, 4),
        ("o", 2, 1),  # two are as near: the earlier one
        ("Norse.", 60, 51),  # said to begin behind the end
    ],
)
def test_the_nearest_place_within_ten_characters_is_taken(tmp_path: Path, text: str, given: int, found: int) -> None:
    path = put(tmp_path / "a.json", squad(asked(answers=[{"text": text, "answer_start": given}])))
    file = open_questions(path)
    (row,) = file.rows()
    assert row.answers == (Answer(text, found),)
    moved = (
        f"{path}: answers that stand up to 10 characters beside their answer_start, and are taken from there: 1 "
        f"(question {row.id!r}); was it counted in other units, or before the context was changed?"
    )
    assert file.warnings == (() if given == found else (moved,))


def test_warnings_are_those_of_the_last_pass(tmp_path: Path) -> None:
    path = put(tmp_path / "a.json", squad(asked(answers=[{"text": "Rollo", "answer_start": 1}])))
    table = Table(path, open_questions(path))
    assert table.warnings == ()
    list(table.read())
    list(table.read())
    (warning,) = table.warnings
    assert "taken from there: 1 (question" in warning


def test_a_clean_pass_leaves_the_file_and_its_bad_rows_cannot_go_into_it(tmp_path: Path) -> None:
    path = put(tmp_path / "bad_rows.jsonl", asked(context=CONTEXT))
    with pytest.raises(UsageError, match=r"bad_rows\.jsonl: the quarantine file cannot be the table itself"):
        Table(path, open_questions(path)).under(BadRowPolicy(skip=True, quarantine=path))
    assert path.exists()


@pytest.mark.parametrize("unsaid", [{}, {"answer_start": None}, {"answer_start": -1}])
def test_an_answer_without_a_place_is_looked_for(tmp_path: Path, unsaid: dict[str, Any]) -> None:
    file = open_questions(put(tmp_path / "a.json", squad(asked(answers=[{"text": "Normandy", **unsaid}]))))
    (row,) = file.rows()
    assert (row.answers, file.warnings) == ((Answer("Normandy", 29),), ())


FAULTS = {
    "the answer 'Rollo' does not stand at 20 in the context, but 'r, ru'": asked(
        answers=[ROLLO | {"answer_start": 20}]
    ),
    "the answer 'orse.' does not stand at -5 in the context, but 'Rollo'": asked(
        answers=[{"text": "orse.", "answer_start": -5}]
    ),
    "the answer 'Rolf' does not stand in the context": asked(answers=["Rolf"]),
    "the answer is a number, not a string": asked(answers=[{"text": 5, "answer_start": 0}]),
    "empty answer": asked(answers=[{"text": " ", "answer_start": 0}]),
    "answer_start is '0', not a whole number": asked(answers=[ROLLO | {"answer_start": "0"}]),
    "answer_start is 'True', not a whole number": asked(answers=[ROLLO | {"answer_start": True}]),
    "no answers are given, not even an empty list": {"id": "q1", "question": "?"},
    "the answers are 'Rollo', not a list": asked(answers="Rollo"),
    "there is not one answer_start for each of the 2 answers": asked(
        answers={"text": ["Rollo", "Norse"], "answer_start": [0]}
    ),
    "is_impossible is true, yet there are answers": asked(is_impossible=True),
    "is_impossible is false, yet there are no answers": asked(is_impossible=False, answers=[]),
    "is_impossible is '[1]', neither true nor false": asked(is_impossible=[1]),
    "empty question": asked(question=" "),
    "the question is a list, not a string": asked(question=["Who?"]),
    "empty context": asked(context=""),
    "a NUL character in the context": asked(context="a\0b"),
}


@pytest.mark.parametrize("reason", FAULTS)
def test_what_cannot_be_used_says_why_and_which_question(tmp_path: Path, reason: str) -> None:
    content = squad(FAULTS[reason])
    if "context" in FAULTS[reason]:
        content["data"][0]["paragraphs"][0]["context"] = FAULTS[reason]["context"]
    row = only_row(put(tmp_path / "a.json", content))
    assert isinstance(row, BadRow)
    assert row.reason == f"question 'q1': {reason}"
    assert json.loads(row.raw)["id"] == "q1"


def test_an_id_may_be_a_number_and_is_one_where_there_is_none(tmp_path: Path) -> None:
    questions = [asked(id=7), {"question": "Who?", "answers": ["Norse leader"]}, asked(id=["x"])]
    seven, second, third = open_questions(put(tmp_path / "a.json", squad(*questions))).rows()
    assert (seven.id, second.id) == ("7", "2")
    assert third.reason == "the id is a list, not a string"


def test_an_error_names_file_line_and_question(tmp_path: Path) -> None:
    path = put(tmp_path / "a.json", json.dumps(squad(asked(), asked(), asked(id="q2")), indent=1))
    first, second, _ = (n for n, line in enumerate(path.read_text().split("\n"), 1) if '"id"' in line)
    table = Table(path, open_questions(path))
    with pytest.raises(DataError) as error:
        list(table.read())
    reason = f"{path}:{second - 1}: question 'q1': the one on line {first - 1} has the same id in "
    assert str(error.value).startswith(f"{path}: 1 of 3 rows cannot be used: {reason}")


def test_lines_that_are_no_objects_do_not_hide_the_others(tmp_path: Path) -> None:
    good = json.dumps({"context": CONTEXT, **asked()})
    rows = list(open_questions(put(tmp_path / "a.jsonl", f'{{"context": \n[1]\n{good}\n')).rows())
    assert [row.line for row in rows] == [1, 2, 3]
    assert [row.reason for row in rows[:2]] == ["not JSON: Expecting value at column 13", "not a JSON object in braces"]
    assert [row.raw for row in rows[:2]] == ['{"context": ', "[1]"]
    assert isinstance(rows[2], QuestionRow)


def test_a_level_that_is_no_list_is_one_bad_row(tmp_path: Path) -> None:
    content = squad(asked())
    content["data"].insert(0, {"title": "broken", "paragraphs": {"context": "x"}})
    first, second = open_questions(put(tmp_path / "a.json", content)).rows()
    assert (first.reason, second.id) == ("'paragraphs' is not a list", "q1")
    assert json.loads(first.raw)["title"] == "broken"


def test_for_a_prediction_answers_are_not_looked_at(tmp_path: Path) -> None:
    questions = [asked(answers="whatever"), {"id": "q2", "question": ""}]
    rows = list(open_questions(put(tmp_path / "a.json", squad(*questions)), needs_answers=False).rows())
    assert [(row.id, row.question, row.answers) for row in rows] == [("q1", "Who ruled?", None), ("q2", "", None)]


@pytest.mark.parametrize("key", ["question", "context"])
def test_for_a_prediction_a_text_may_be_empty_but_not_missing(tmp_path: Path, key: str) -> None:
    whole = {"id": "q1", "question": "Who ruled?", "context": CONTEXT}
    lines = [{**whole, "id": "q0", key: ""}, {name: value for name, value in whole.items() if name != key}]
    path = put(tmp_path / "a.jsonl", "\n".join(map(json.dumps, lines)))
    empty, missing = open_questions(path, needs_answers=False).rows()
    assert isinstance(empty, QuestionRow)
    assert isinstance(missing, BadRow)
    assert missing.reason == f"question 'q1': the key {key!r} is missing"


# ---- the file as a whole


def test_files_that_hold_no_questions(tmp_path: Path) -> None:
    wrong = {
        "a.json": ('{"a": 1}', "questions have the keys 'question' and 'context', as in SQuAD; keys found: 'a'"),
        "b.json": (
            '{"data": []}',
            "questions have the keys 'question' and 'context', as in SQuAD; no objects with keys",
        ),
        "c.jsonl": (
            "",
            "questions have the keys 'question' and 'context', as in SQuAD; no objects with keys are in it",
        ),
        "d.json": ('{"data": [}', "not JSON: Expecting value (column 11)"),
    }
    for name, (content, text) in wrong.items():
        with pytest.raises(DataError) as error:
            open_questions(put(tmp_path / name, content))
        assert str(error.value).startswith(f"{tmp_path}/{name}")
        assert text in str(error.value)


def test_a_missing_file_and_an_unknown_ending(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.json: no such file; check the path"):
        open_questions(tmp_path / "none.json")
    with pytest.raises(UsageError) as error:
        open_questions(put(tmp_path / "a.csv", "id,question,context"))
    assert str(error.value) == (
        f"{tmp_path}/a.csv: the ending '.csv' says no format in which questions (SQuAD's form) are read: "
        ".json, .jsonl, .ndjson, .parquet"
    )
    with pytest.raises(UsageError, match=r"a\.parquet\.gz: the ending '\.parquet' says no format"):
        open_questions(put(tmp_path / "a.parquet.gz", ""))


def test_what_looks_like_questions(tmp_path: Path) -> None:
    row = {"id": "1", "context": CONTEXT, "question": "?", "answers": {"text": ["Rollo"], "answer_start": [0]}}
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), tmp_path / "a.parquet")
    yes = [
        put(tmp_path / "a.json", squad(asked())),
        put(tmp_path / "b.json.gz", json.dumps(squad(asked()), indent=2)),
        put(tmp_path / "c.json", [{"context_text": CONTEXT, "qas": []}]),
        put(tmp_path / "d.jsonl", row),
        tmp_path / "a.parquet",
    ]
    label = {"question": "q", "context": "c", "label": 0}
    no = [
        put(tmp_path / "e.jsonl", label),
        put(tmp_path / "f.jsonl", {**label, "answers": ["a", "b"]}),  # choices
        put(tmp_path / "g.jsonl", {"text": 'he said "qas": and "answers":', "label": 1}),
        put(tmp_path / "h.csv", "question,context,answers\n"),
        put(tmp_path / "i.tsv", "text\tlabel\n"),
        put(tmp_path / "j.json", ""),
    ]
    assert [path.name for path in [*yes, *no] if looks_like_questions(path)] == [path.name for path in yes]


def test_only_the_beginning_is_looked_at(tmp_path: Path) -> None:
    path = put(tmp_path / "a.json", squad(asked()))
    path.write_bytes(path.read_bytes() + b" " * 300_000 + b"\xff")
    assert looks_like_questions(path)
    with pytest.raises(DataError, match="not UTF-8"):
        open_questions(path)


@pytest.mark.data
def test_xquad_is_read_whole(data_dir: Path) -> None:
    path = data_dir / "squad" / "xquad.en.json"
    file = open_questions(path)
    rows = list(file.rows())
    assert (file.form, file.warnings) == ("SQuAD 1.1 JSON", ())
    assert not any(isinstance(row, BadRow) for row in rows)
    assert (len(rows), len({row.context for row in rows}), len({row.title for row in rows})) == (1_190, 240, 48)
    assert {len(row.answers) for row in rows} == {1}
    lines = path.read_text(encoding="utf-8").split("\n")
    assert all(lines[row.line - 1].strip() == "{" for row in rows)
    assert all(f'"id": "{row.id}"' in "".join(lines[row.line : row.line + 12]) for row in rows)


@pytest.mark.data
def test_a_part_of_squad_2_is_read_whole(data_dir: Path) -> None:
    file = open_questions(data_dir / "squad" / "cs224n-dev-v2.0.json.gz")
    rows = list(file.rows())
    assert (file.form, file.warnings) == ("SQuAD 2.0 JSON", ())
    assert not any(isinstance(row, BadRow) for row in rows)
    counts = Counter(len(row.answers) for row in rows)
    assert (len(rows), counts[0], set(counts)) == (6_078, 3_168, {0, 2, 3, 4, 5, 6})
    assert len({row.title for row in rows}) == 16
    titles = {row.title for row in rows}
    left = [row for row in open_questions(data_dir / "squad" / "xquad.en.json").rows() if row.title not in titles]
    assert (len(left), len({row.title for row in left})) == (838, 32)
