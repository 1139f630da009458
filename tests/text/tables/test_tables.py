"""Tables end to end: what is written is read back, every row is accounted for, and every error says where and what."""

import csv
import gzip
import io
import json
import warnings
from collections import Counter
from functools import partial
from itertools import islice
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertwright.errors import BertwrightError, DataError, UsageError
from bertwright.text.tables.bad_rows import BadRowPolicy
from bertwright.text.tables.table import ReadCounts, Table
from bertwright.text.tables.texts import Row, one_label, open_table, read_stream, several_labels

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
tricky = ['"', '""', 'a "quoted" word', '"Half of it', "a,b;c", "tab\there", "two\nlines", "a\rb", "蔡陆线", "\ufeff"]
texts = (st.text(characters) | st.sampled_from(tricky)).filter(str.strip)
labels = texts.map(str.strip)
tables = st.lists(st.tuples(texts, texts, labels), min_size=1, max_size=8)
one_line = texts.map(lambda text: text.translate({9: " ", 10: " ", 13: " "})).filter(str.strip)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the examples of one property share."""
    return tmp_path_factory.mktemp("tables")


def put(path: Path, content: str | bytes) -> Path:
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def delimited(rows: list[tuple[str, ...]], delimiter: str, ending: str, quoting: int) -> str:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator=ending, quoting=quoting).writerows(rows)
    return stream.getvalue()


def triples(table: Table) -> list[tuple[str, str | None, str | None]]:
    return [(row.text, row.pair, row.label) for row in table.read()]


# ---- what is written is read back


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz", ".tsv.gz"])
@given(table=tables, quote_all=st.booleans(), delimiter=st.sampled_from(",;\t"))
@settings(max_examples=25, deadline=None)
def test_quoted_tables_are_read_back_with_exact_lines(
    folder: Path, ending: str, table: list[tuple[str, str, str]], quote_all: bool, delimiter: str
) -> None:
    delimiter = delimiter if ending.startswith(".csv") else "\t"
    quoting, line_end = (csv.QUOTE_ALL, "\n") if quote_all else (csv.QUOTE_MINIMAL, "\r\n")
    rows = [("sentence1", "sentence2", "label"), *table]
    path = put(folder / f"t{ending}", delimited(rows, delimiter, line_end, quoting))
    opened = open_table(path)
    assert triples(opened) == table
    begins = [1 + delimited(rows[:place], delimiter, line_end, quoting).count("\n") for place in range(1, len(rows))]
    assert [row.line for row in opened.read()] == begins
    assert opened.counts == ReadCounts(len(table), len(table), 0)


@pytest.mark.parametrize("ending", [".tsv", ".tsv.gz"])
@given(table=st.lists(st.tuples(one_line, one_line, one_line.map(str.strip)), max_size=8), crlf=st.booleans())
@settings(max_examples=25, deadline=None)
def test_unquoted_tsv_is_read_back_whatever_its_quotes(
    folder: Path, ending: str, table: list[tuple[str, str, str]], crlf: bool
) -> None:
    table = [('she said "no" twice', "b", "c"), *table]  # no writer that quotes cells leaves this one as it is
    rows = ["sentence1\tsentence2\tlabel", *map("\t".join, table)]
    path = put(folder / f"u{ending}", "".join(row + ("\r\n" if crlf else "\n") for row in rows))
    opened = open_table(path)
    assert "no quoting" in opened.describe()
    assert triples(opened) == table
    assert [row.line for row in opened.read()] == list(range(2, len(table) + 2))


@pytest.mark.parametrize("ending", [".jsonl", ".ndjson.gz", ".json", ".json.gz"])
@given(table=tables, ascii_only=st.booleans(), indent=st.sampled_from([None, 2]))
@settings(max_examples=25, deadline=None)
def test_json_is_read_back(
    folder: Path, ending: str, table: list[tuple[str, str, str]], ascii_only: bool, indent: int | None
) -> None:
    objects = [dict(zip(("text_a", "text_b", "label"), row, strict=True)) for row in table]
    if ending.startswith(".json") and "l" not in ending:
        content = json.dumps(objects, ensure_ascii=ascii_only, indent=indent)
    else:
        content = "\n\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in objects)
    assert triples(open_table(put(folder / f"t{ending}", content))) == table


@given(table=tables)
@settings(max_examples=25, deadline=None)
def test_parquet_is_read_back(folder: Path, table: list[tuple[str, str, str]]) -> None:
    one, two, label = (list(column) for column in zip(*table, strict=True))
    columns = {"premise": one, "unused": list(range(len(one))), "hypothesis": two, "label": label}
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "t.parquet", row_group_size=3)
    opened = open_table(folder / "t.parquet")
    assert triples(opened) == table
    assert [row.line for row in opened.read()] == list(range(1, len(table) + 1))


def test_the_lines_of_a_json_list_are_those_where_its_objects_begin(tmp_path: Path) -> None:
    content = '\n[\n {"text": "a",\n  "label": 1}, {"text": "b", "label": 2},\n\n {"text": "", "label": 3}\n]\n'
    table = open_table(put(tmp_path / "t.json", content)).under(BadRowPolicy(skip=True))
    assert [(row.text, row.line) for row in table.read()] == [("a", 3), ("b", 4)]
    assert [(row.line, row.raw) for row in table.bad_rows] == [(6, '{"text": "", "label": 3}')]


def test_a_table_is_read_anew_by_each_call_and_lazily(tmp_path: Path) -> None:
    table = open_table(put(tmp_path / "t.csv", "text,label\na,1\nb,2\nc,\n"))
    rows = table.read()
    assert next(rows) == Row("a", None, "1", 2)  # the bad last row has not been looked at
    assert next(table.read()) == Row("a", None, "1", 2)
    assert next(rows) == Row("b", None, "2", 3)
    with pytest.raises(DataError, match="empty label"):
        next(rows)


def test_a_named_column_that_is_not_read_is_told(tmp_path: Path) -> None:
    path = put(tmp_path / "t.csv", "a,b,1\n")
    told = (
        "of --columns neither text nor label: 'pair'; a second text is called text_pair (with a first one called text)"
    )
    assert open_table(path, columns=("text", "pair", "label")).warnings == (
        f"{path}: {told}, and what is to be left out `_`",
    )
    for names in (("text", "_", "label"), ("text", "text_pair", "label")):
        assert open_table(path, columns=names).warnings == ()
    assert open_table(path, columns=("text", "_", "label"), needs_label=False).warnings == ()


def test_labels_that_say_there_is_none(tmp_path: Path) -> None:
    path = put(tmp_path / "t.csv", "text,label\na,1\nb,-\nc,-1\n")
    table = open_table(path, read_label=partial(one_label, null=("-", "-1")))
    with pytest.raises(DataError, match=r"2 of 3 rows cannot be used: .*t\.csv:3: empty label in 'b,-'"):
        list(table.read())
    assert [row.label for row in table.under(BadRowPolicy(skip=True)).read()] == ["1"]
    asked = open_table(path, label_column="label", read_label=partial(one_label, null=("-",)), needs_label=False)
    assert [row.label for row in asked.read()] == ["1", None, "-1"]


# ---- every row is accounted for

BAD_JSON = [
    *('{"text": "cut', '["a", "b"]', '{"text": 7, "label": "x"}', '{"text": "a"}', '{"text": " ", "label": "x"}'),
    *('{"text": "a", "label": null}', r'{"text": "\ud800", "label": "x"}', r'{"text": "\u0000", "label": "x"}'),
    *('{"text": ["a"], "label": "x"}', '{"text": "a", "label": {}}', '{"text": "a", "label": NaN}', "[" * 9999),
]
BAD_CSV = ["a", "a,b,c", ",x", " ,x", "a,", '"a"b,x', "a\0,x", "a\rb,x"]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
@given(rows=st.lists(st.integers(-3, 11), min_size=1, max_size=30))
@settings(max_examples=25, deadline=None)
def test_read_is_kept_plus_skipped_and_the_rest_is_untouched(folder: Path, form: str, rows: list[int]) -> None:
    bad = BAD_JSON if form == "jsonl" else BAD_CSV
    good = '{"text": "fine", "label": "x"}' if form == "jsonl" else "fine,x"
    lines = [good] + [bad[row % len(bad)] if row >= 0 else good for row in rows]  # -1 to -3 are good rows
    header = [] if form == "jsonl" else ["text,label"]
    path = put(folder / f"bad.{form}", "\n".join(header + lines) + "\n")
    quarantine = folder / "quarantine.jsonl"
    table = open_table(path).under(BadRowPolicy(skip=True, quarantine=quarantine))
    kept = list(table.read())
    expected_bad = [(at, line) for at, line in enumerate(lines, 1 + len(header)) if line != good]
    assert table.counts == ReadCounts(len(lines), len(lines) - len(expected_bad), len(expected_bad))
    assert [row.line for row in kept] == [at for at, line in enumerate(lines, 1 + len(header)) if line == good]
    written = [json.loads(line) for line in quarantine.read_text().splitlines()] if expected_bad else []
    assert [(row["line"], row["row"]) for row in written] == expected_bad
    assert all(row["file"] == str(path) and row["reason"] for row in written)
    assert quarantine.exists() == bool(expected_bad)  # that of the example before is gone
    assert [(row.line, row.raw) for row in table.bad_rows] == expected_bad[:3]


hostile = st.text(st.sampled_from('ab1",;\t\n\r\0{}[]: \\\ud7ff')) | st.text()


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".json", ".parquet", ".txt", ".tsv.gz"])
@given(content=st.binary() | hostile.map(lambda text: text.encode(errors="surrogatepass")), raw=st.booleans())
@settings(max_examples=25, deadline=None)
def test_any_bytes_are_rows_or_one_clear_error(folder: Path, ending: str, content: bytes, raw: bool) -> None:
    path = folder / f"fuzz{ending}"
    path.write_bytes(content) if raw else put(path, b"text,label\n" + content)
    problem = ""
    rows = []
    try:
        table = open_table(path, needs_label=False).under(BadRowPolicy(skip=True))
        rows = list(table.read())
    except BertwrightError as error:
        problem = str(error)
    assert problem.isprintable()
    if problem:
        assert problem.startswith(str(path))
    else:
        assert table.counts.read == len(rows) + table.counts.skipped
        assert b"\xef\xbf\xbd" in content or not any("\ufffd" in row.text for row in rows)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("text,label\na,1\nb\n", "1 column where 2 are expected in 'b'"),
        ("text,label\na,1\n\n,2\n", "empty text in ',2'"),
        ("text,label\na,1\nb, \n", "empty label in 'b, '"),
        ('text,label\na,1\n"b" c,2\n', "text follows a closing quote in '\"b\" c,2'"),
        ('text,label\na,1\n"b,2\n', "a quote is opened and never closed in '\"b,2'"),
        ('text,label\na,1\n"b,2\nc,1\nd,2\n', "a quote is opened and never closed (3 lines) in '\"b,2\\nc,1\\nd,2'"),
        ("text,label\na,1\nb\rc,2\n", "a bare carriage return outside quotes in 'b\\rc,2'"),
        ("text,label\na,1\nb\x00,2\n", "a NUL character in the text in 'b\\x00,2'"),
        ("sentence1,sentence2,label\na,b,1\na, ,1\n", "empty text pair in 'a, ,1'"),
    ],
)
def test_a_bad_row_of_csv_says_where_and_why(tmp_path: Path, content: str, reason: str) -> None:
    path = put(tmp_path / "t.csv", content)
    line = 4 if "\n\n" in content else 3
    with pytest.raises(DataError) as caught:
        list(open_table(path).read())
    advice = "correct them, or go on without them: --skip-bad-rows"
    assert str(caught.value) == f"{path}: 1 of 2 rows cannot be used: {path}:{line}: {reason}; {advice}"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('{"text": "a", "label": 1', "not JSON: Expecting ',' delimiter at column 25"),
        ("7", "not a JSON object in braces"),
        ('{"text": "a"}', "no key 'label'"),
        ('{"text": 7, "label": 1}', "the text is a number, not a string"),
        ('{"text": {}, "label": 1}', "the text is an object, not a string"),
        ('{"text": null, "label": 1}', "empty text"),
        ('{"text": "a", "label": [1]}', "the label is a list, not a string"),
        (r'{"text": "a\udfff", "label": 1}', r"half of a surrogate pair ('\udfff') in the text"),
        (r'{"text": "a", "label": "\u0000"}', "a NUL character in the label"),
        ("[" * 9999, "not JSON: brackets nested too deeply"),
        ('{"text": "a", "label": ' + "9" * 5000 + "}", "not JSON: Exceeds the limit"),
    ],
)
def test_a_bad_row_of_json_says_where_and_why(tmp_path: Path, row: str, reason: str) -> None:
    path = put(tmp_path / "t.jsonl", f'{{"text": "a", "label": 1}}\n{row}\n')
    with pytest.raises(DataError) as caught:
        list(open_table(path).read())
    assert f"t.jsonl: 1 of 2 rows cannot be used: {path}:2: {reason}" in str(caught.value)


def test_many_bad_rows_are_counted_and_the_first_named_on_one_printable_line(tmp_path: Path) -> None:
    wild = "\x1b[31m" + "x" * 500
    path = put(tmp_path / "bad\x1bname.csv", "text,label\ngood,1\n" + f"{wild}\n" * 9)
    with pytest.raises(DataError) as caught:
        list(open_table(path).read())
    text = str(caught.value)
    assert "9 of 10 rows" in text
    assert "name.csv':3: 1 column where" in text
    assert "name.csv':5: 1 column where" in text
    assert "'\\x1b[31m" + "x" * 55 + "'…" in text
    assert "; and 6 more; correct them" in text
    assert text.isprintable()


def test_quoted_line_breaks_and_a_bad_row_do_not_move_the_line_numbers(tmp_path: Path) -> None:
    content = 'text,label\r\n"one\r\ntwo\r\nthree",1\r\n"four\r\nfive"bad,1\r\nsix,2\r\n'
    table = open_table(put(tmp_path / "t.csv", content)).under(BadRowPolicy(skip=True))
    assert list(table.read()) == [Row("one\r\ntwo\r\nthree", None, "1", 2), Row("six", None, "2", 7)]
    assert [(row.line, row.raw) for row in table.bad_rows] == [(5, '"four\r\nfive"bad,1')]


def test_the_quarantine_is_published_whole_and_never_replaces_the_table(tmp_path: Path) -> None:
    path = put(tmp_path / "t.csv", "text,label\n,1\na,1\nb,1\n")
    quarantine = put(tmp_path / "q.jsonl", "old\n")
    rows = open_table(path).under(BadRowPolicy(skip=True, quarantine=quarantine)).read()
    next(rows)
    rows.close()  # a pass that was given up publishes nothing and leaves nothing behind
    assert quarantine.read_text() == "old\n"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["q.jsonl", "t.csv"]
    with pytest.raises(UsageError, match="the quarantine file cannot be the table itself"):
        open_table(path).under(BadRowPolicy(quarantine=tmp_path / "." / "t.csv"))


@pytest.mark.parametrize("content", ["kept\n", '{"file": "/elsewhere/t.csv", "line": 2}\n', "[1]\n", "", "\xff\n"])
def test_a_pass_without_bad_rows_takes_away_no_file_of_others(content: str, tmp_path: Path) -> None:
    path = put(tmp_path / "t.csv", "text,label\na,1\n")
    quarantine = put(tmp_path / "q.jsonl", content)
    assert len(list(open_table(path).under(BadRowPolicy(skip=True, quarantine=quarantine)).read())) == 1
    assert quarantine.read_text(encoding="utf-8") == content


def test_without_skipping_the_quarantine_still_lists_every_bad_row(tmp_path: Path) -> None:
    path = put(tmp_path / "t.csv", "text,label\n" + ",1\n" * 5 + "a,1\n")
    with pytest.raises(DataError, match="5 of 6 rows"):
        list(open_table(path).under(BadRowPolicy(quarantine=tmp_path / "q.jsonl")).read())
    assert len((tmp_path / "q.jsonl").read_text().splitlines()) == 5


# ---- labels and texts are the same from every format


def test_labels_are_the_same_strings_from_csv_json_and_parquet(tmp_path: Path) -> None:
    csv_path = put(tmp_path / "t.csv", "text,label\na,1\na, 1 \na,true\na,0.5\n")
    json_path = put(
        tmp_path / "t.jsonl", "".join(f'{{"text": "a", "label": {one}}}\n' for one in ("1", "1.0", "true", "0.5"))
    )
    assert [row.label for row in open_table(csv_path).read()] == ["1", "1", "true", "0.5"]
    assert [row.label for row in open_table(json_path).read()] == ["1", "1", "true", "0.5"]
    for number, column in enumerate(([1, 0], [1.0, -0.0], [True, False], ["1", "0"])):
        path = tmp_path / f"{number}.parquet"
        pyarrow.parquet.write_table(pyarrow.table({"text": ["a", "b"], "label": column}), path)
        expected = ["true", "false"] if column[0] is True else ["1", "0"]
        assert [row.label for row in open_table(path).read()] == expected


def put_classes(path: Path, columns: dict[str, list[object]], classes: dict[str, object]) -> Path:
    """Parquet as the `datasets` library writes it, with the names of its classes."""
    noted = {"huggingface": json.dumps({"info": {"features": classes}})}
    pyarrow.parquet.write_table(pyarrow.table(columns).replace_schema_metadata(noted), path)
    return path


def test_parquet_of_the_datasets_library_has_labels_by_their_names(tmp_path: Path) -> None:
    names = {"names": ["neg", "pos"], "_type": "ClassLabel"}
    columns = {"text": ["a", "b", "c", "d"], "label": [0, 1, -1, 2]}
    table = open_table(put_classes(tmp_path / "one.parquet", columns, {"label": names})).under(BadRowPolicy(skip=True))
    assert [row.label for row in table.read()] == ["neg", "pos"]
    beyond = "2 is the number of no class; counted from 0 they are 'neg', 'pos'"
    assert [(row.line, row.reason) for row in table.bad_rows] == [(3, "empty label"), (4, beyond)]
    assert table.bad_rows[1].raw == "('d', 2)"
    lists = {"text": ["a", "b"], "labels": [[0, 1], []]}
    classes = {"labels": {"feature": names, "_type": "Sequence"}}
    table = open_table(put_classes(tmp_path / "some.parquet", lists, classes), read_label=several_labels)
    assert [row.label for row in table.read()] == [("neg", "pos"), ()]


def test_parquet_nulls_and_broken_utf8_are_bad_rows(tmp_path: Path) -> None:
    broken = pyarrow.array([b"ok", b"\xc4\xe3", None, b"ok"]).view(pyarrow.string())
    columns = {"text": broken, "label": pyarrow.array([1.0, 1.0, 1.0, None])}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    table = open_table(tmp_path / "t.parquet").under(BadRowPolicy(skip=True))
    assert list(table.read()) == [Row("ok", None, "1", 1)]
    reasons = [(2, "the text is of type bytes, not a string"), (3, "empty text"), (4, "empty label")]
    assert [(row.line, row.reason) for row in table.bad_rows] == reasons
    assert table.bad_rows[0].raw == r"(b'\xc4\xe3', 1.0)"


def test_prediction_has_a_row_for_every_row(tmp_path: Path) -> None:
    content = "a\n\n  \nb"
    rows = [Row("a", None, None, 1), Row("", None, None, 2), Row("  ", None, None, 3), Row("b", None, None, 4)]
    assert list(open_table(put(tmp_path / "t.txt", content), needs_label=False).read()) == rows
    one_column = put(tmp_path / "t.csv", "text\n" + content)
    assert [row.text for row in open_table(one_column, needs_label=False).read()] == ["a", "", "  ", "b"]
    nulls = put(tmp_path / "t.jsonl", '{"text": null}\n{"text": "a"}\n')
    assert [row.text for row in open_table(nulls, needs_label=False).read()] == ["", "a"]


def test_prediction_reads_a_label_only_when_named(tmp_path: Path) -> None:
    path = put(tmp_path / "t.csv", "text,label\na,1\nb,\n")
    assert [row.label for row in open_table(path, needs_label=False).read()] == [None, None]
    named = open_table(path, needs_label=False, label_column="label")
    assert [row.label for row in named.read()] == ["1", None]


def test_cells_beyond_the_csv_modules_limit_are_read_and_the_limit_is_put_back(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    path = put(tmp_path / "t.csv", f"text,label\n{'x' * (limit + 1)},1\n")
    rows = open_table(path).read()
    assert len(next(rows).text) == limit + 1
    assert csv.field_size_limit() == limit


def test_a_cell_beyond_our_own_limit_is_a_bad_row(tmp_path: Path) -> None:
    path = put(tmp_path / "t.csv", f'text,label\na,1\n"{"x" * 10_000_001},1\nb,2\n')
    table = open_table(path).under(BadRowPolicy(skip=True))
    assert [(row.text, row.line) for row in table.read()] == [("a", 2), ("b", 4)]
    assert table.bad_rows[0].reason == "a cell longer than 10,000,000 characters: is a quote never closed?"
    path = put(tmp_path / "t.tsv", f"text\tlabel\na\t1\n{'x' * 10_000_001}\t1\n")
    table = open_table(path).under(BadRowPolicy(skip=True))
    assert [row.text for row in table.read()] == ["a"]
    assert table.bad_rows[0].reason == "the text is longer than 10,000,000 characters"


# ---- the form of a file: format, header, columns, delimiter


@pytest.mark.parametrize(
    ("name", "content", "options", "form"),
    [
        ("t.csv", "text,label\na,1\n", {}, "comma-separated, header, cells may be in quotes; text 'text' (guessed), "
         "label 'label' (guessed)"),
        ("t.csv", "Text;Label\n\"a, b\";1\n", {}, "semicolon-separated, header, cells may be in quotes; text 'Text' "
         "(guessed), label 'Label' (guessed)"),
        ("t.csv", "a, b, c;1\nd, e, f;1\n", {"columns": ["text", "label"]}, "semicolon-separated, no header, cells may "
         "be in quotes; text 'text', label 'label'"),
        ("t.csv", "text\tlabel\n\"half, a\t1\n", {}, "tab-separated, header, no quoting: a \" is a plain character; "
         "text 'text' (guessed), label 'label' (guessed)"),
        ("t.tsv", "foo\tbar\nab\t1\n", {"text_column": "foo", "label_column": "bar"}, "tab-separated, header, no "
         "quoting: a \" is a plain character; text 'foo', label 'bar'"),
        ("t.jsonl", '{"id": 1, "text": "a", "label": 1}\n', {"text_column": "text"}, "JSON lines; text 'text', label "
         "'label' (guessed)"),
        ("t.json", '[{"premise": "a", "hypothesis": "b", "label": 1}]', {}, "JSON list; text 'premise' (guessed), "
         "text pair 'hypothesis' (guessed), label 'label' (guessed)"),
        ("t.txt", "a\n", {"needs_label": False}, "one text a line; text 'text'"),
    ],
)  # fmt: skip
def test_the_form_is_found_and_described_on_one_line(
    tmp_path: Path, name: str, content: str, options: dict[str, object], form: str
) -> None:
    table = open_table(put(tmp_path / name, content), **options)  # type: ignore[arg-type]
    assert table.describe() == f"{tmp_path / name}: {form}"
    rows = content.count("\n") - ("header" in form and "no header" not in form)
    assert len(list(table.read())) == (rows or 1)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("good\t1\n", {}, ":1: the first row has no column name that is known: 'good', '1'; if it is data, name the 2 "
         "columns (such as --columns text label, `_` for one to leave out); if it is a header, set --text-column"),
        ("text,label\na,1\n", {}, ":1: no tab in 'text,label'; if commas separate the columns, give the file a name in "
         ".csv"),
        ("a\t1\tx\n", {"columns": ["text", "label"]}, ":1: --columns gives 2 names and the file has 3 columns: 'a', "
         "'1', 'x'; name each of them, `_` for one to leave out"),
        ("text\tlabel\na\t1\n", {"label_column": "lable"}, ": no column 'lable' (--label-column); the columns are "
         "'text', 'label'; did you mean 'label'?"),
        ("text\tlabel\na\t1\n", {"label_columns": ("lable",)}, ": no column 'lable' (--label-columns); the columns are "
         "'text', 'label'; did you mean 'label'?"),
        ("text\tlabel\na\t1\n", {"text_column": "TEXT"}, ": no column 'TEXT' (--text-column); the columns are "
         "'text', 'label'; did you mean 'text'?"),
        ("text\tlabel\ttext\na\t1\tb\n", {}, ": the column 'text' occurs twice; rename one of them"),
        ("text\ttitle\tlabel\na\tb\t1\n", {}, ": the text could be 'text', 'title'; set --text-column (and "
         "--text-pair-column for pairs); the columns are 'text', 'title', 'label'"),
        ("text\tlabel\trating\na\t1\t5\n", {}, ": the label could be 'label', 'rating'; set --label-column; the "
         "columns are 'text', 'label', 'rating'"),
        ("text\tfoo\na\t1\n", {}, ": no column has a name known for labels; set --label-column; the columns are"),
        ("id\ttext\tsad\tvery cross\tnone\n1\ta\t1\t0\t\n0\tb\t0\t0\t\n2\tc\t0\t\t\n", {}, ": no column has a name "
         "known for labels; set --label-column; the columns are 'id', 'text', 'sad', 'very cross', 'none'; 2 of them "
         "hold nothing but 1 and 0: if each is a label, set --label-columns sad 'very cross'"),
        ("text\tsad\tage\na\t1\t0\nb\t0\t17\n", {}, ": no column has a name known for labels; set --label-column; "
         "the columns are 'text', 'sad', 'age'"),
        ("foo\tlabel\na\t1\n", {}, ": no column has a name known for texts; set --text-column"),
        ("text\tlabel\na\t1\n", {"text_pair_column": "text"}, ": --text-pair-column also needs --text-column"),
        ("text\tlabel\na\t1\n", {"text_column": "label", "label_column": "label"}, ": one column cannot be two of "
         "text, pair and label: 'label', 'label'"),
    ],
)  # fmt: skip
def test_columns_that_cannot_be_told_are_listed(
    tmp_path: Path, content: str, options: dict[str, object], message: str
) -> None:
    path = put(tmp_path / "t.tsv", content)
    with pytest.raises(UsageError) as caught:
        open_table(path, **options)  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"{path}{message}")


@pytest.mark.parametrize("name", ["t.tsv", "t.csv"])
def test_line_ends_of_old_macs_are_told_of(tmp_path: Path, name: str) -> None:
    path = put(tmp_path / name, "text\tlabel\ra\t1\rb\t0\r")
    with pytest.raises(DataError) as caught:
        open_table(path)
    assert str(caught.value) == (
        f"{path}:1: carriage returns stand alone where lines should end, as on old Macs; convert the file: "
        "tr '\\r' '\\n' < OLD > NEW"
    )


def test_a_header_read_as_data_is_warned_of(tmp_path: Path) -> None:
    path = put(tmp_path / "t.csv", "sentence,label\na,1\n")
    table = open_table(path, columns=["text", "label"])
    warning = f"{path}:1: the first row looks like a header and is read as data, as --columns is given"
    assert table.warnings == (f"{warning}: 'sentence', 'label'",)
    assert open_table(path).warnings == ()


def test_columns_can_be_left_out_and_named(tmp_path: Path) -> None:
    path = put(tmp_path / "t.tsv", "gj04\t1\t\tThe sailors.\n")
    table = open_table(path, columns=["_", "mark", "_", "sentence"], label_column="mark")
    assert list(table.read()) == [Row("The sailors.", None, "1", 1)]
    with pytest.raises(UsageError, match=r"--columns is for \.csv and \.tsv files"):
        open_table(put(tmp_path / "t.jsonl", '{"text": "a", "label": 1}'), columns=["text", "label"])


def test_a_column_named_as_the_label_is_no_guess_for_the_text(tmp_path: Path) -> None:
    path = put(tmp_path / "t.csv", "text,title\na,b\n")
    assert triples(open_table(path, label_column="title")) == [("a", None, "b")]


def test_naming_the_text_means_no_pair(tmp_path: Path) -> None:
    path = put(tmp_path / "t.csv", "question1,question2,label\na,b,1\n")
    assert triples(open_table(path)) == [("a", "b", "1")]
    assert triples(open_table(path, text_column="question2")) == [("b", None, "1")]
    named = open_table(path, text_column="question2", text_pair_column="question1")
    assert triples(named) == [("b", "a", "1")]


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("t.csv", "", DataError, ": the file is empty"),
        ("t.tsv.gz", "\n\n", DataError, ": the file is empty"),
        ("t.jsonl", "\n", DataError, ": there are no rows in it"),
        ("t.json", "[]", DataError, ": there are no rows in it"),
        ("t.json", '[{"text": "a",\n}]', DataError, ":2: not JSON: Expecting property name"),
        ("t.json", '{\n"data": []}', DataError, ":1: no JSON object with keys among the first 100 rows"),
        ("t.csv", "text,label\n", DataError, ": there are no rows in it"),
        ("t.csv", "text,label\n,\n", DataError, ": 1 of 1 rows cannot be used: "),
        ("t.csv", '"text"x,label\na,1\n', DataError, ":1: the first row cannot be read: text follows a closing quote"),
        ("t.txt", "a\n", UsageError, ": a .txt file holds texts without labels; name it .tsv if"),
        ("t.xlsx", "a", UsageError, ": the ending '.xlsx' says no format that is known; .csv, .tsv, .jsonl, .ndjson,"),
        ("t.parquet.gz", "a", UsageError, ": the ending '.parquet' says no format"),
        ("t.parquet", "not parquet", DataError, ": not a whole Parquet file ("),
        ("t.csv", b"PK\x03\x04\xff\xff", DataError, ":1: a zip or Excel file: export the table as CSV"),
    ],
)
def test_files_that_are_no_tables(
    tmp_path: Path, name: str, content: str | bytes, error: type[BertwrightError], message: str
) -> None:
    path = put(tmp_path / name, content)
    with pytest.raises(error) as caught:
        list(open_table(path).under(BadRowPolicy(skip=True)).read())
    assert str(caught.value).startswith(f"{path}{message}")


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.csv: no such file; check the path"):
        open_table(tmp_path / "none.csv")
    with pytest.raises(UsageError, match=r"this is a folder; name one file in it"):
        open_table(tmp_path)


def test_a_parquet_file_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"text": pyarrow.array([], "string"), "label": []}), path)
    with pytest.raises(DataError, match=r"t\.parquet: there are no rows in it"):
        list(open_table(path).read())


# ---- streams


class Endless(io.RawIOBase):
    """A stream without an end, as a pipe from a running program is; counts what was taken from it."""

    taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        part = b"text\n" * 2
        self.taken += len(part)
        buffer[: len(part)] = part
        return len(part)


def test_a_stream_is_read_as_it_comes() -> None:
    stream = Endless()
    table = read_stream(io.BufferedReader(stream))
    assert [row.line for row in islice(table.read(), 4)] == [1, 2, 3, 4]
    assert stream.taken < 100


def test_a_stream_is_json_when_its_first_line_is_an_object() -> None:
    lines = b'\xef\xbb\xbf{"id": 1, "text": "a"}\n{"text": "b"}\n'
    table = read_stream(io.BytesIO(lines))
    assert table.describe() == "standard input: JSON lines; text 'text' (guessed)"
    assert [row.text for row in table.read()] == ["a", "b"]
    assert [row.text for row in read_stream(io.BytesIO(b"{a}\n[1]\n")).read()] == ["{a}", "[1]"]
    with pytest.raises(DataError, match="standard input:2: not UTF-8 but likely cp1252"):
        list(read_stream(io.BytesIO("plain\ncafé du coin\n".encode("latin-1"))).read())
    with pytest.raises(DataError, match="standard input: there are no texts in it"):
        read_stream(io.BytesIO(b""))


# ---- real data


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder_name", "columns", "sizes"),
    [
        ("sst2", ["text", "label"], {"train.tsv": 6920, "dev.tsv": 872, "test.tsv": 1821}),
        ("cola", ["_", "label", "_", "text"], {"train.tsv": 8551, "dev.tsv": 1043}),
        ("mrpc", None, {"train.tsv": 3668, "dev.tsv": 408}),
        ("rte", None, {"train.tsv": 2127, "dev.tsv": 277}),
        ("rte", ["_", "sentence1", "sentence2", "label"], {"val.tsv": 363}),
        ("stsb", None, {"train.tsv": 5749, "dev.tsv": 1500}),
        ("chnsenticorp", None, {"train.tsv.gz": 9600, "dev.tsv": 1200, "test.tsv": 1200}),
    ],
)
def test_real_tables_have_all_their_rows_and_plain_quotes(
    data_dir: Path, folder_name: str, columns: list[str] | None, sizes: dict[str, int]
) -> None:
    for name, size in sizes.items():
        path = data_dir / folder_name / name
        table = open_table(path, columns=columns)
        rows = list(table.read())
        assert table.counts == ReadCounts(size, size, 0)
        assert table.warnings == ()
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        lines = raw.decode("utf-8-sig").split("\n")
        for row in rows:  # the quotes of the file are those of the texts
            assert row.text in lines[row.line - 1].split("\t")
            assert row.pair is None or row.pair in lines[row.line - 1].split("\t")


@pytest.mark.data
def test_the_label_counts_of_real_tables(data_dir: Path) -> None:
    labels_of = {
        "mrpc/train.tsv": {"1": 2474, "0": 1194},
        "rte/dev.tsv": {"entailment": 146, "not_entailment": 131},
        "chnsenticorp/train.tsv.gz": {"1": 4799, "0": 4801},
    }
    for name, counts in labels_of.items():
        assert Counter(row.label for row in open_table(data_dir / name).read()) == counts
    assert (
        "text '#1 String' (guessed), text pair '#2 String' (guessed)"
        in open_table(data_dir / "mrpc" / "test.tsv", needs_label=False).describe()
    )


@pytest.mark.data
def test_goemotions_is_a_tsv_that_does_quote(data_dir: Path) -> None:
    path = data_dir / "goemotions" / "dev.tsv"
    table = open_table(path, columns=["text", "label", "_"])
    rows = list(table.read())
    assert len(rows) == 5426
    assert "cells may be in quotes" in table.describe()
    with warnings.catch_warnings(), path.open(newline="", encoding="utf-8") as file:
        assert [row.text for row in rows] == [cells[0] for cells in csv.reader(file, delimiter="\t")]
