"""Lines of files: UTF-8 alone, other encodings refused by their name, damage and monsters refused by file and line."""

import gzip
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertwright.errors import DataError
from bertwright.text.encoding import guess_encoding
from bertwright.text.lines import LONGEST_LINE, Lines, cut_lines

CHINESE = "label\ttext_a\n1\t距离川沙公路较近，但是公交指示不对。\n0\t机器背面似乎被撕了张什么标签，残胶还在。\n"
TAIWAN = "label\ttext\n1\t這間飯店的服務非常好，房間也很乾淨，下次還會再來住。\n"
JAPANESE = "label\ttext\n1\tこのホテルのサービスはとても良かったです。\n"
FRENCH = "label\ttext\n1\tL'été était très agréable à la plage, Noël aussi\n"
WIDE = ("UTF-16LE", "UTF-16BE", "UTF-32LE", "UTF-32BE")


@pytest.mark.parametrize("ending", [".tsv", ".tsv.gz"])
@pytest.mark.parametrize(
    ("data", "named", "line"),
    [
        *[(text.encode(encoding), encoding, 1) for text in (CHINESE, TAIWAN, FRENCH) for encoding in WIDE],
        *[(("\ufeff" + text).encode(encoding), encoding[:6], 1) for text in (CHINESE, FRENCH) for encoding in WIDE],
        *[(CHINESE.partition("\n")[2].encode(encoding), encoding, 1) for encoding in WIDE],  # no Latin header
        (CHINESE.encode("gb18030"), "gb18030", 2),
        (CHINESE.encode("gbk"), "gb18030", 2),
        (TAIWAN.encode("big5"), "big5", 2),
        (JAPANESE.encode("shift_jis"), "shift_jis", 2),
        (FRENCH.encode("latin-1"), "cp1252", 2),
        (FRENCH.encode("cp1252"), "cp1252", 2),
    ],
)
def test_other_encodings_are_refused_by_name(tmp_path: Path, ending: str, data: bytes, named: str, line: int) -> None:
    path = tmp_path / f"t{ending}"
    path.write_bytes(gzip.compress(data) if ending.endswith(".gz") else data)
    with pytest.raises(DataError) as caught:
        list(Lines(path))
    advice = f"convert the file: iconv -f {named} -t utf-8 OLD > NEW"
    assert str(caught.value) == f"{path}:{line}: not UTF-8 but likely {named}; {advice}"
    if shutil.which("iconv"):
        converted = subprocess.run(["iconv", "-f", named, "-t", "utf-8"], input=data, capture_output=True, check=True)
        assert converted.stdout.decode() == data.decode(named)


@pytest.mark.parametrize("text", [CHINESE, TAIWAN, JAPANESE, FRENCH, "emoji 😀\n", "\x85 \u2028\x0b\x1c\n", "a\0b\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf8_is_read_with_and_without_mark(tmp_path: Path, text: str, encoding: str) -> None:
    (tmp_path / "t.txt").write_bytes(text.replace("\n", "\r\n").encode(encoding))
    assert list(Lines(tmp_path / "t.txt")) == [line + "\r\n" for line in text.split("\n")[:-1]]


def test_damaged_utf8_is_not_called_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes("一\n今天天气好".encode()[:-1])
    with pytest.raises(DataError, match=r"t\.txt:2: broken UTF-8 at byte 13 of the line \(0xe5\); was the file cut"):
        list(Lines(tmp_path / "t.txt"))


def test_what_cannot_be_guessed_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes("Этот отель очень хороший\n".encode("koi8-r"))
    with pytest.raises(DataError, match=r"t\.txt:1: not UTF-8, and the encoding could not be guessed; convert"):
        list(Lines(tmp_path / "t.txt"))


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("好\t1".encode("gbk"), "gb18030"),
        (b"\xe9t\xe9\t1\n", "cp1252"),  # its middle is a valid but rare pair of GBK
        (b"Bush hid the fact\xe9\n", "cp1252"),  # English letters, two by two, are Chinese in UTF-16
        ("1\tЭто".encode("utf-16-le"), None),  # cp1252 could be read into it, NULs and all
        (b"\xff\xff\xff\xff", None),
    ],
)
def test_the_guess_for_short_lines(data: bytes, encoding: str | None) -> None:
    assert guess_encoding(data) == encoding


@pytest.mark.parametrize("cut", [12, 60, -1])
def test_damaged_gzip_is_named(tmp_path: Path, cut: int) -> None:
    data = gzip.compress(b"".join(b"text number %d\n" % number for number in range(500)))
    (tmp_path / "t.tsv.gz").write_bytes(data[:cut])
    with pytest.raises(DataError, match=r"t\.tsv\.gz:\d+: damaged gzip data \(Compressed file ended"):
        list(Lines(tmp_path / "t.tsv.gz"))


def test_gzip_by_name_alone_or_by_content_alone_is_named(tmp_path: Path) -> None:
    (tmp_path / "plain.tsv.gz").write_bytes(b"text\tlabel\n")
    with pytest.raises(DataError, match=r"plain\.tsv\.gz:1: damaged gzip data \(Not a gzipped file"):
        list(Lines(tmp_path / "plain.tsv.gz"))
    (tmp_path / "packed.tsv").write_bytes(gzip.compress(b"text\tlabel\n"))
    with pytest.raises(DataError, match=r"packed\.tsv:1: gzip data: give the file a name that ends in \.gz"):
        list(Lines(tmp_path / "packed.tsv"))


def test_a_monstrous_line_is_refused_before_it_is_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"fine\n")
        for _ in range(6):
            file.write(bytes(LONGEST_LINE // 5))
    lines = iter(Lines(path))
    assert next(lines) == "fine\n"
    with pytest.raises(DataError, match=r"t\.jsonl\.gz:2: a line longer than 50,000,000 bytes; is this a file with"):
        next(lines)


# ---- lines of any length


@given(st.text(st.sampled_from("a中\U0001f600\u0301 \r\n\u2028"), max_size=60), st.integers(1, 7))
def test_cut_lines_are_the_lines_in_parts(text: str, longest: int) -> None:
    found: dict[int, list[str]] = {}
    for number, part in cut_lines(io.BytesIO(text.encode()), Path("x"), longest):
        assert len(part) <= longest
        found.setdefault(number, []).append(part)
    whole = text.removesuffix("\n").split("\n") if text else []
    assert list(found) == list(range(1, len(whole) + 1))
    for line, parts in zip(whole, found.values(), strict=True):
        assert "".join(parts).rstrip("\r") == line.rstrip("\r")


def test_cut_lines_refuse_what_is_not_utf8_by_line() -> None:
    for data, told in [
        (b"fine\n\xff\xff\xff\n", "x:2: not UTF-8"),
        ("中".encode() * 20 + b"\xff", "x:1: broken UTF-8"),
        ("text".encode("utf-16"), "x:1: not UTF-8 but likely UTF-16;"),
        (b"a\n\xe4\xb8", "x:2: broken UTF-8 at the end of the file; was it cut inside a character?"),
    ]:
        with pytest.raises(DataError, match=f"^{re.escape(told)}"):
            list(cut_lines(io.BytesIO(data), Path("x"), 99))


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert list(cut_lines(io.BytesIO("\ufeffa\n\ufeffb".encode()), Path("x"), 9)) == [(1, "a"), (2, "\ufeffb")]
