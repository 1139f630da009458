"""Tagged sentences end to end: what is written is read back word by word, and every complaint says where and what."""

import gzip
import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertwright.errors import BertwrightError, DataError, UsageError
from bertwright.text.tables import conll
from bertwright.text.tables.bad_rows import BadRow
from bertwright.text.tables.tagged import TaggedRow, joined, looks_tagged, open_tagged
from bertwright.text.wordpiece import WordPiece

words_in_columns = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=6).filter(
    lambda word: not word.startswith(("#", "-DOCSTART-", "\ufeff"))
)
odd_words = st.sampled_from(["\u00a0", "\u3000", "\u200b", '"', "'", ",", "", "中", "，"])
tags = st.sampled_from(["O", "B-PER", "I-PER", "S-work-of-art", "M-ORG", "LOC"])
sentences = st.lists(
    st.lists(st.tuples(words_in_columns | odd_words, tags), min_size=1, max_size=6), min_size=1, max_size=5
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the examples of one property share."""
    return tmp_path_factory.mktemp("tagged")


def put(path: Path, content: str) -> Path:
    data = content.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def put_jsonl(path: Path, *rows: object) -> Path:
    return put(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def put_parquet(path: Path, table: pyarrow.Table) -> Path:
    pyarrow.parquet.write_table(table, path)
    return path


def pairs(rows: Sequence[TaggedRow | BadRow]) -> list[list[tuple[str, str]]]:
    return [list(zip(row.words, row.tags, strict=True)) for row in rows]


def lines_of(rows: Sequence[TaggedRow | BadRow]) -> list[int]:
    return [row.line for row in rows]


# ---- columns


@pytest.mark.parametrize("name", ["a.conll", "a.tsv", "a.char.bmes", "a.testa.gz", "a"])
@pytest.mark.parametrize("separator", ["\t", " "])
@given(written=sentences, layout=st.tuples(st.integers(0, 3), st.sampled_from(["\n", "\r\n"])))
@settings(max_examples=15)
def test_columns_are_read_back_with_exact_lines(
    folder: Path, name: str, separator: str, written: list[list[tuple[str, str]]], layout: tuple[int, str]
):
    between, ending = layout
    rows = [[separator.join((word, *["-"] * between, tag)) for word, tag in sentence] for sentence in written]
    text = "\n\n".join("\n".join(sentence) for sentence in rows) + "\n"
    file = open_tagged(put(folder / name, text.replace("\n", ending)))
    found = list(file.rows())
    assert pairs(found) == written
    assert lines_of(found) == [1 + sum(len(row) + 1 for row in rows[:place]) for place in range(len(rows))]
    assert list(file.rows()) == found


def test_documents_comments_and_blank_lines_are_no_words(tmp_path: Path):
    path = put(
        tmp_path / "a.conll",
        "\ufeff# a file of names\n\n-DOCSTART- -X- O O\n\n\nEU NNP I-NP B-ORG\nrejects VBZ I-VP O\n\u00a0\n"
        "# id 1\nGerman JJ I-NP B-MISC\n# NN I-NP O\n-DOCSTART- -X- O O\ncall NN I-NP O\n\t\n\n",
    )
    found = list(open_tagged(path).rows())
    assert pairs(found) == [
        [("EU", "B-ORG"), ("rejects", "O")],
        [("German", "B-MISC"), ("#", "O")],
        [("call", "O")],
    ]
    assert lines_of(found) == [6, 10, 13]


def test_comments_do_not_decide_how_many_columns_there_are(tmp_path: Path):
    path = put(tmp_path / "a.conllu", "# sent_id = 1\n# by = me\n# on = time\n1\tAnn\tB-PER\n2\tsings\tO\n")
    file = open_tagged(path, tokens_column="2")
    assert pairs(list(file.rows())) == [[("Ann", "B-PER"), ("sings", "O")]]


def test_the_comments_of_multiconer_hold_a_tab_and_no_words(tmp_path: Path):
    path = put(tmp_path / "en.conll", "# id 5239d808\tdomain=en\nrobert _ _ B-PER\nis _ _ O\n")
    assert pairs(list(open_tagged(path).rows())) == [[("robert", "B-PER"), ("is", "O")]]


def test_blanks_may_be_many_and_a_tagged_blank_is_a_word(tmp_path: Path):
    path = put(tmp_path / "a.bio", "EU   NNP  B-ORG \n NNP O\n  NNP O\n\u00a0 NNP O\n")
    (found,) = open_tagged(path).rows()
    assert found.words == ("EU", "", "", "\u00a0")
    assert found.tags == ("B-ORG", "O", "O", "O")


def test_a_tab_wins_and_leaves_blanks_in_words(tmp_path: Path):
    path = put(tmp_path / "a.txt", "New York\tB-LOC\n \tO\nis\tO\t\n")
    (found,) = open_tagged(path).rows()
    assert pairs([found]) == [[("New York", "B-LOC"), ("", "O"), ("is", "O")]]


def test_a_line_with_other_columns_makes_its_sentence_unusable(tmp_path: Path):
    path = put(tmp_path / "a.conll", "EU B-ORG\nrejects O\n\nGerman B-MISC\ncall\nto O\n\nboycott O\n\nthe O\n#lamb\n")
    good, bad, last, hashtag = open_tagged(path).rows()
    assert (good.line, last.line) == (1, 8)
    assert bad == BadRow(5, "1 column where 2 are expected", "call")
    assert hashtag == BadRow(11, "1 column where 2 are expected", "#lamb")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there are no words in it"),
        ("\n-DOCSTART- O\n\n", "there are no words in it"),
        ("EU\nrejects\n", "a.conll:1: a word without a tag: 'EU'; write the tag behind it, with a tab or a blank betw"),
        ("A sentence of words.\nAnother one.\nA third one.\n", "2 to 4 columns in the first lines; write one word"),
    ],
    ids=["empty", "no words", "no tags", "prose"],
)
def test_files_that_are_not_in_columns(tmp_path: Path, text: str, message: str):
    path = put(tmp_path / "a.conll", text)
    with pytest.raises(DataError, match=message):
        open_tagged(path)
    assert not looks_tagged(path)


def test_a_file_without_blank_lines_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(conll, "LONGEST_SENTENCE", 3)
    path = put(tmp_path / "a.conll", "a O\nb O\nc O\n\na O\nb O\nc O\nd O\n")
    rows = open_tagged(path).rows()
    assert next(rows).words == ("a", "b", "c")
    with pytest.raises(DataError, match=r"a\.conll:8: no blank line for 3 words; put one between sentences"):
        next(rows)


def test_columns_are_chosen_by_number(tmp_path: Path):
    path = put(tmp_path / "a.bio", "1 B-PER Ann\n2 O sings\n")
    assert open_tagged(path).warnings == (
        f"{path}: most of the first tags, in column 3, are not such as O or B-PER; "
        "if the tags are in another column, set --label-column (and --text-column) to its number",
    )
    file = open_tagged(path, tokens_column="3", tags_column="2")
    assert pairs(list(file.rows())) == [[("Ann", "B-PER"), ("sings", "O")]]
    assert file.form == "one word a line, blank-separated, words in column 3, tags in column 2 of 3"
    assert file.warnings == ()


@pytest.mark.parametrize("number", ["0", "4", "-1", "word"])
def test_a_column_that_is_not_there(tmp_path: Path, number: str):
    path = put(tmp_path / "a.bio", "\n1 B-PER Ann\n")
    message = rf"a\.bio:2: no column '{number}' \(--label-column\); the columns have numbers for names, 1 to 3: '1', "
    with pytest.raises(UsageError, match=message):
        open_tagged(path, tags_column=number)


def test_one_column_is_not_two(tmp_path: Path):
    path = put(tmp_path / "a.bio", "Ann B-PER\n")
    with pytest.raises(DataError, match=r"a\.bio:1: one column cannot be both the words and the tags; the columns are"):
        open_tagged(path, tokens_column="2")


def test_tags_are_not_needed_for_prediction(tmp_path: Path):
    bare = put(tmp_path / "bare.txt", "EU\nrejects\n\nGerman\n")
    assert [row.words for row in open_tagged(bare, needs_tags=False).rows()] == [("EU", "rejects"), ("German",)]
    tagged = put(tmp_path / "tagged.txt", "EU B-ORG\n")
    assert list(open_tagged(tagged, needs_tags=False).rows()) == [TaggedRow(("EU",), None, 1)]
    assert list(open_tagged(tagged, needs_tags=False, tags_column="2").rows()) == [TaggedRow(("EU",), ("B-ORG",), 1)]
    lists = put_jsonl(tmp_path / "a.jsonl", {"tokens": ["EU"]}, {"tokens": []})
    assert list(open_tagged(lists, needs_tags=False).rows()) == [TaggedRow(("EU",), None, 1), TaggedRow((), None, 2)]
    assert looks_tagged(lists, needs_tags=False)
    assert not looks_tagged(lists)


def test_what_is_no_text_is_refused(tmp_path: Path):
    path = put(tmp_path / "a.conll", "E\0U B-ORG\n\nrejects O\n")
    bad, _ = open_tagged(path).rows()
    assert bad == BadRow(1, "a NUL character in the list of words", "(['E\\x00U'], ['B-ORG'])")
    latin = tmp_path / "b.conll"
    latin.write_bytes("Zürich B-LOC\nliegt O\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"b\.conll:1: not UTF-8 but likely cp1252"):
        open_tagged(latin)


# ---- lists


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson.gz", "a.json", "list.json", "a.parquet"])
@given(written=sentences)
@settings(max_examples=15)
def test_lists_are_read_back(folder: Path, name: str, written: list[list[tuple[str, str]]]):
    rows = [{"tokens": [word for word, _ in one], "ner_tags": [tag for _, tag in one]} for one in written]
    if name == "a.parquet":
        path = put_parquet(folder / name, pyarrow.Table.from_pylist(rows))
    elif name == "list.json":
        path = put(folder / name, json.dumps(rows))
    else:
        path = put_jsonl(folder / name, *rows)
    file = open_tagged(path)
    found = list(file.rows())
    assert pairs(found) == written
    assert lines_of(found) == ([1] * len(rows) if name == "list.json" else list(range(1, len(rows) + 1)))
    assert file.form.endswith("; words 'tokens' (guessed), tags 'ner_tags' (guessed)")
    assert looks_tagged(path)


def test_list_columns_are_named(tmp_path: Path):
    path = put_jsonl(tmp_path / "a.jsonl", {"chars": ["中"], "pos": ["n"], "slots": ["B-LOC"]})
    with pytest.raises(UsageError, match=r"a\.jsonl: no column is called tokens or words; set --text-column; th"):
        open_tagged(path)
    with pytest.raises(UsageError, match=r"no column is called tags or ner_tags or labels or ner; set --label-column"):
        open_tagged(path, tokens_column="chars")
    with pytest.raises(
        UsageError, match=r"no column 'slot' \(--label-column\); the columns are 'chars', 'pos', 'slots'"
    ):
        open_tagged(path, tokens_column="chars", tags_column="slot")
    file = open_tagged(path, tokens_column="chars", tags_column="slots")
    assert pairs(list(file.rows())) == [[("中", "B-LOC")]]
    assert file.form == "JSON lines; words 'chars', tags 'slots'"
    assert looks_tagged(path, tokens_column="chars", tags_column="slots")


def test_two_columns_that_could_be_the_tags(tmp_path: Path):
    path = put_jsonl(tmp_path / "a.jsonl", {"tokens": ["a"], "tags": ["O"], "labels": ["O"]})
    with pytest.raises(UsageError, match="it could be 'tags', 'labels'; set --label-column"):
        open_tagged(path)


def test_columns_of_other_things_with_the_names_of_lists_are_not_tagged(tmp_path: Path):
    assert not looks_tagged(put_jsonl(tmp_path / "a.jsonl", {"tokens": "a b", "labels": ["x", "y"]}))
    assert not looks_tagged(put_jsonl(tmp_path / "b.jsonl", {"text": "a b", "labels": ["x", "y"]}))
    assert not looks_tagged(put(tmp_path / "c.jsonl", "[\n"))


@pytest.mark.parametrize(
    ("words", "row_tags", "reason"),
    [
        (["a", "b"], ["O"], "2 words but 1 tags"),
        ("a b", ["O", "O"], "the words are not a list"),
        (["a", 1], ["O", "O"], "a word is not a string: '1'"),
        (["a", None], ["O", "O"], "a word is not a string: 'None'"),
        (["a", "b"], ["O", 0], "a tag is not a string: '0'"),
        (["a", "b"], [0, 1], "the tags are numbers without names; write names in their place, such as B-PER"),
        (["a", "b"], ["O", " "], "empty tag"),
        (["a", "\ud800"], ["O", "O"], "half of a surrogate pair ('\\ud800') in the list of words"),
        ([], [], "no words"),
    ],
)
def test_unusable_lists(tmp_path: Path, words: object, row_tags: object, reason: str):
    path = tmp_path / "a.jsonl"
    rows = [{"tokens": ["x"], "tags": ["O"]}, {"tokens": words, "tags": row_tags}]
    path.write_text("\n".join(map(json.dumps, rows)))
    good, bad = open_tagged(path).rows()
    assert pairs([good]) == [[("x", "O")]]
    assert (bad.line, bad.reason) == (2, reason)


def test_broken_json_is_a_bad_row(tmp_path: Path):
    path = put(tmp_path / "a.jsonl", '{"tokens": ["x"], "tags": ["O"]}\n{"tokens": ["x"]}\n{\n')
    _, *bad = open_tagged(path).rows()
    assert [(row.line, row.reason.partition(" at ")[0]) for row in bad] == [
        (2, "no key 'tags'"),
        (3, "not JSON: Expecting property name enclosed in double quotes"),
    ]


@pytest.mark.parametrize("wrapped", [lambda names: {"feature": names, "_type": "Sequence"}, lambda names: [names]])
def test_parquet_of_the_datasets_library_names_its_class_numbers(tmp_path: Path, wrapped):
    kind = wrapped({"names": ["O", "B-PER", "I-PER"], "_type": "ClassLabel"})
    features = {"tokens": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"}, "ner_tags": kind}
    rows = [{"tokens": ["Ann", "Lee", "sings"], "ner_tags": [1, 2, 0]}, {"tokens": ["x"], "ner_tags": [3]}]
    table = pyarrow.Table.from_pylist(rows).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )
    good, bad = open_tagged(put_parquet(tmp_path / "a.parquet", table)).rows()
    assert pairs([good]) == [[("Ann", "B-PER"), ("Lee", "I-PER"), ("sings", "O")]]
    assert (bad.line, bad.reason) == (2, "3 is the number of no class; counted from 0 they are 'O', 'B-PER', 'I-PER'")


@pytest.mark.parametrize("name", ["a.conll", "a.jsonl", "a.parquet"])
def test_a_missing_file_is_said_at_once(tmp_path: Path, name: str):
    for question in (open_tagged, looks_tagged):
        with pytest.raises(UsageError, match="no such file; check the path"):
            question(tmp_path / name)


# ---- the text that words make


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["EU", "rejects", "call", "."], "EU rejects call ."),
        (["高", "勇", "：", "男", "，", "1", "9", "岁"], "高勇：男， 1 9 岁"),
        (["在", "New", "York", "。"], "在 New York 。"),
        (["中国", "人民", "“", "好", "”"], "中国人民“好”"),
        (["A股", "中A", "股"], "A股中A 股"),
        (["ガ", "ラ", "ス"], "ガ ラ ス"),  # BERT makes one word of kana without blanks
        (["中", "\u00a0", "", "国"], "中 \u00a0  国"),
        ([], ""),
    ],
)
def test_words_as_text(words: list[str], text: str):
    assert joined(words)[0] == text


@given(st.lists(words_in_columns | odd_words | st.text("中国，。ab“", max_size=4), max_size=10))
def test_offsets_cut_the_words_out_of_the_text(words: list[str]):
    row = TaggedRow(tuple(words), None, 1)
    assert [row.text[start:stop] for start, stop in row.offsets] == words
    ends = [0, *chain.from_iterable(row.offsets), len(row.text)]
    assert ends == sorted(ends)
    assert set("".join(row.text[stop:start] for stop, start in zip(ends[::2], ends[1::2], strict=True))) <= {" "}


@given(st.lists(st.text("中国，。ab“”A—·…１", min_size=1, max_size=3), min_size=1, max_size=10))
def test_no_two_words_become_one_to_bert(words: list[str]):
    signs = "中国，。ab“”—·…１"
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = WordPiece.from_tokens([*special, *signs, *(f"##{sign}" for sign in signs)])
    one_by_one, _ = tokenizer.tokenize(words)
    as_text, _ = tokenizer.tokenize([joined(words)[0]])
    assert as_text.tolist() == one_by_one.tolist()


# ---- real sets


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "form"),
    [
        ("conll2003/eng.train.gz", "one word a line, blank-separated, words in column 1, tags in column 4 of 4"),
        ("conll2003/eng.testa", "one word a line, blank-separated, words in column 1, tags in column 4 of 4"),
        ("cner/dev.char.bmes", "one word a line, blank-separated, words in column 1, tags in column 2 of 2"),
        ("peopledaily_ner/train.txt.gz", "one word a line, blank-separated, words in column 1, tags in column 2 of 2"),
    ],
)
def test_real_tagged_files(data_dir: Path, file: str, form: str):
    opened = open_tagged(data_dir / file)
    assert opened.form == form
    assert opened.warnings == ()
    assert looks_tagged(data_dir / file)


@pytest.mark.data
def test_other_real_files_do_not_look_tagged(data_dir: Path):
    tagged = {"conll2003", "cner", "peopledaily_ner"}
    files = [path for path in data_dir.rglob("*") if path.is_file() and path.parent.name not in tagged]
    assert len(files) > 30
    assert [path for path in files if looks_tagged(path)] == []


def test_errors_are_for_users(tmp_path: Path):
    path = put(tmp_path / "bad\nname.conll", "EU\n")
    with pytest.raises(BertwrightError) as caught:
        open_tagged(path)
    assert "\n" not in str(caught.value)
