"""The ids of transformers' `BertTokenizer`, on every row of the real data sets and on curious Unicode."""

import gzip
import json
import shutil
from collections.abc import Callable
from functools import cache
from itertools import groupby, product
from pathlib import Path

import pytest
import transformers
from check_transformers import SETTINGS, assert_same_ids, check_both_ways, curious_texts, small_vocabulary
from hypothesis import given
from hypothesis import strategies as st

from bertwright.text.wordpiece import WordPiece

CURIOUS_TEXTS = curious_texts(300)
CURIOUS_TOKENS = small_vocabulary(CURIOUS_TEXTS)
ALL_SETTINGS = [
    dict(zip(SETTINGS, flags, strict=True)) for flags in product((True, False), (None, True, False), (True, False))
]
Both = tuple[WordPiece, transformers.BertTokenizer]


@cache
def both(**flags: bool | None) -> Both:
    names = {"lowercase": "do_lower_case", "chinese_characters": "tokenize_chinese_chars"}
    vocabulary = {token: place for place, token in enumerate(CURIOUS_TOKENS)}
    peer = transformers.BertTokenizer(vocabulary, **{names.get(name, name): flag for name, flag in flags.items()})
    return WordPiece.from_tokens(CURIOUS_TOKENS, **flags), peer


@pytest.mark.parametrize("flags", ALL_SETTINGS, ids=str)
def test_ids_on_curious_texts(flags: dict[str, bool | None]):
    for max_length in (5, 16, 128):
        assert_same_ids(*both(**flags), CURIOUS_TEXTS, None, max_length)
        assert_same_ids(*both(**flags), CURIOUS_TEXTS, CURIOUS_TEXTS[::-1], max_length)


@given(st.sampled_from(ALL_SETTINGS), st.lists(st.tuples(st.text(), st.text()), min_size=1), st.integers(5, 40))
def test_ids_on_any_unicode(flags: dict[str, bool | None], rows: list[tuple[str, str]], max_length: int):
    texts, pairs = zip(*rows, strict=True)
    assert_same_ids(*both(**flags), texts, None, max_length)
    assert_same_ids(*both(**flags), texts, pairs, max_length)


@pytest.mark.parametrize("flags", [ALL_SETTINGS[0], ALL_SETTINGS[6], ALL_SETTINGS[-1]], ids=str)
def test_folders_of_either_side_serve_the_other(flags: dict[str, bool | None], tmp_path: Path):
    """Uncased, cased, and unlike either; check_transformers.py, run by hand, takes every setting."""
    tokenizer = WordPiece.from_tokens(CURIOUS_TOKENS, **flags, max_length=99)
    check_both_ways(tokenizer, tmp_path, CURIOUS_TEXTS[:100])


# --- the real data sets


def lines(path: Path) -> list[str]:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return content.decode("utf-8-sig").removesuffix("\n").split("\n")


def columns(*wanted: int) -> Callable[[Path], list[list[str]]]:
    def read(folder: Path) -> list[list[str]]:
        rows = [line.split("\t") for path in sorted(folder.glob("*.tsv*")) for line in lines(path)]
        return [[row[column] for row in rows] for column in wanted]

    return read


def sentences(folder: Path) -> list[list[str]]:
    words = [line.split(" ")[0] for path in sorted(folder.iterdir()) for line in lines(path)]
    return [[" ".join(sentence) for is_words, sentence in groupby(words, key=bool) if is_words]]


def questions_and_contexts(folder: Path) -> list[list[str]]:
    files = [json.loads("\n".join(lines(path))) for path in sorted(folder.iterdir())]
    paragraphs = [paragraph for file in files for article in file["data"] for paragraph in article["paragraphs"]]
    return [[part["qas"][0]["question"] for part in paragraphs], [part["context"] for part in paragraphs]]


READERS = {
    "sst2": columns(0),
    "cola": columns(-1),
    "mrpc": columns(-2, -1),
    "rte": columns(1, 2),
    "stsb": columns(7, 8),
    "goemotions": columns(0),
    "chnsenticorp": columns(1),
    "conll2003": sentences,
    "squad": questions_and_contexts,
}


@pytest.fixture(scope="module")
def published(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Both]:
    """Read one of Google's vocabularies with both libraries."""

    @cache
    def read(name: str) -> Both:
        folder = tmp_path_factory.mktemp(name)
        shutil.copy(data_dir / "vocab" / f"bert-base-{name}-vocab.txt", folder / "vocab.txt")
        config = {"tokenizer_class": "BertTokenizer", "do_lower_case": name != "cased"}
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        return WordPiece.from_folder(folder), transformers.BertTokenizer.from_pretrained(folder)

    return read


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "vocabulary", "rows"),  # rows: headers too; to see that none is left out
    [
        ("sst2", "uncased", 9_613),
        ("cola", "cased", 10_658),
        ("mrpc", "cased", 5_804),
        ("rte", "uncased", 2_769),
        ("stsb", "uncased", 8_631),
        ("goemotions", "uncased", 54_263),
        ("chnsenticorp", "chinese", 12_003),
        ("conll2003", "cased", 22_137),
        ("squad", "cased", 886),
    ],
)
def test_ids_on_every_row(data_dir: Path, published: Callable[[str], Both], name: str, vocabulary: str, rows: int):
    columns = READERS[name](data_dir / name)
    assert len(columns[0]) == rows
    texts, pairs = (*columns, None)[:2]
    assert_same_ids(*published(vocabulary), texts, pairs, 128)
    assert_same_ids(*published(vocabulary), texts[::8], pairs and pairs[::8], 16)


@pytest.mark.data
@pytest.mark.parametrize("vocabulary", ["uncased", "cased", "chinese"])
def test_published_vocabularies_go_both_ways(vocabulary: str, published: Callable[[str], Both], tmp_path: Path):
    """The Chinese one holds U+2028, which transformers 5 takes for an empty token."""
    ours, _ = published(vocabulary)
    check_both_ways(ours, tmp_path, CURIOUS_TEXTS)
