"""Whether a tab-separated file quotes its cells: read off the whole of it."""

import pytest

from bertwright.text.tables.quoting import uses_quotes


@pytest.mark.parametrize(
    ("content", "quoted"),
    [
        ("text\tlabel\nplain\t1\n", False),
        ('text\tlabel\n"a ""b"" c"\t1\n', True),  # doubled quotes: pandas, csv
        ('text\tlabel\nplain\t1\n"two\nlines"\t1\n', True),
        ('text\tlabel\n"a\tb"\t1\n', True),
        ('text\tlabel\n"Well, yes"\t1\nplain\t0\n', True),  # Excel quotes cells with commas among tabs, too
        ('"text"\t"label"\r\n"plain"\t1\r\n"more"\t2', True),  # every row has some: R, QUOTE_ALL
        ('text\tlabel\n"plain"\t1\n', False),  # nothing here needs quotes: they are the text's own
        ('text\tlabel\n"Well, yes" he said\t1\n"a ""b"" c"\t1\n', False),
        ('text\tlabel\nhe said "no"\t1\n"a ""b"" c"\t1\n', False),
        ('text\tlabel\n"Well, yes\t1\n', False),  # never closed
        ('text\tlabel\n"Well, yes\t1\nand so on.\t0\nhe went"\t1 "x\n', False),
        ('a\n"b ""c""\n' + "d\n" * 600_000 + '"\n', False),  # closed far beyond what a cell may span
    ],
)
def test_uses_quotes(content: str, quoted: bool) -> None:
    assert uses_quotes(content.splitlines(keepends=True)) is quoted
