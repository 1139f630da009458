"""A guess, by name, of the encoding of bytes that are not UTF-8, so that an error can say how to convert them.

The guess is for the error text alone: nothing is ever decoded with it. Knows nothing of files or lines.
"""

import re

# utf-32 first: its little-endian mark begins with that of UTF-16LE
_MARKS = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}

# which of four neighbouring bytes are mostly NUL (in UTF-16 for Latin letters alone)
_NUL_PATTERNS: dict[tuple[bool, ...], str] = {
    (False, True, True, True): "UTF-32LE",
    (False, False, True, True): "UTF-32LE",
    (True, True, True, False): "UTF-32BE",
    (True, True, False, False): "UTF-32BE",
    (False, True, False, True): "UTF-16LE",
    (True, False, True, False): "UTF-16BE",
}

# The bytes of everyday characters: punctuation, kana and the first, common level of each standard's characters.
# A text read with a wrong one of these codecs lands mostly on rare characters, if it can be decoded at all.
_EVERYDAY = {
    "gb18030": re.compile(rb"[\xa1-\xa3\xb0-\xd7][\xa1-\xfe]"),
    "big5": re.compile(rb"[\xa1-\xc6][\x40-\x7e\xa1-\xfe]"),
    "shift_jis": re.compile(rb"[\x81-\x83\x88-\x97][\x40-\x7e\x80-\xfc]"),
    "UTF-16LE": re.compile(rb"[\0-\xff][\x4e-\x9f\xff]|[\0-\xff][\0\x20\x30]"),
    "UTF-16BE": re.compile(rb"[\x4e-\x9f\xff][\0-\xff]|[\0\x20\x30][\0-\xff]"),
}
_ENOUGH = 0.7


def guess_wide_encoding(data: bytes) -> str | None:
    """Name UTF-16 or UTF-32 by the byte-order mark or the pattern of NULs; None for anything else."""
    for mark, name in _MARKS.items():
        if data.startswith(mark):
            return name
    positions = [data[start::4] for start in range(4)]
    return _NUL_PATTERNS.get(tuple(2 * part.count(0) > len(part) for part in positions))


def guess_encoding(data: bytes) -> str | None:
    """Name the likely encoding of one line that is not UTF-8.

    Returns:
        A codec's name, iconv's as well; `utf-8` when the line is UTF-8 but for a few damaged bytes; None when
        nothing fits.
    """
    if wide := guess_wide_encoding(data):
        return wide
    valid = sum(character > "\x7f" for character in data.decode(errors="ignore"))
    damaged = data.decode(errors="replace").count("\ufffd")
    if valid > damaged:
        return "utf-8"
    shares = {name: _everyday_share(data, name) for name in _EVERYDAY}
    best = max(shares, key=lambda name: shares[name])
    if shares[best] >= _ENOUGH:
        return best
    return "cp1252" if _is_western(data) else None


def _everyday_share(data: bytes, encoding: str) -> float:
    """Return which share of the characters beyond ASCII are everyday ones, 0 where `data` cannot be decoded."""
    if encoding.startswith("UTF-16"):
        if b"\0" not in data:  # as tabs and digits have; without this, English reads as Chinese, two letters a sign
            return 0.0
        data = data[: len(data) // 2 * 2]  # a line that was cut at its b"\n" lacks the second half of it
    try:
        foreign = [character for character in data.decode(encoding) if character > "\x7f"]
    except UnicodeDecodeError:
        return 0.0
    everyday = _EVERYDAY[encoding].fullmatch
    return sum(everyday(character.encode(encoding)) is not None for character in foreign) / max(len(foreign), 1)


def _is_western(data: bytes) -> bool:
    """Whether the bytes read as Latin letters of which the lesser part has accents."""
    if b"\0" in data:
        return False
    try:
        data.decode("cp1252")
    except UnicodeDecodeError:
        return False
    return 2 * sum(byte > 0x7F for byte in data) < len(data)
