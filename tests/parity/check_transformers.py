"""Hold our tokenizer folders against the transformers of this interpreter, both ways; prints OK.

The suite does so with the newest transformers (`test_wordpiece_parity.py`). For another version:

    python -m venv other && other/bin/pip install . "transformers==4.57.6"
    other/bin/python tests/parity/check_transformers.py [vocab.txt ...]
"""

import random
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np
import transformers

from bertwright.text.vocabulary import SPECIAL_TOKENS
from bertwright.text.wordpiece import WordPiece

# Whatever BERT's cleaning treats in its own way: accents, marks, Chinese, Hangul, emoji, control characters,
# right-to-left text, ligatures, special tokens, and words too long to look up.
CURIOUS = (
    "",
    " ",
    "plain words, plain marks: don't $3.50 <b>#tag</b> ``q''",
    "Ünïcödé naïve ÀÉÎ e\u0301\u0327 ﬁ ß İ ı Σς",
    "中文 and 漢字，混ぜ한국어。\U0002a6d6",
    "a\x00b\x07c\u200bd\ufeffe\u00ade\ufffd\U0001fffe",
    "\tTabs\r\nand\u2028lines\u3000\xa0",
    "🙂👩\u200d👩\u200d👧🏽 ﷺ שָׁלוֹם \u202eabc",
    "[CLS] [SEP][MASK]a[PAD]b[UNK] [cls] ## ##ing",
    "x" * 100,
    "x" * 101,
)
SETTINGS = ("lowercase", "strip_accents", "chinese_characters")


def curious_texts(count: int, seed: int = 0) -> list[str]:
    """Strings of the curious kind: the list above, then mixtures of its characters and of any others."""
    choice = random.Random(seed)
    known = "".join(CURIOUS)
    anything = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
    alphabets = (known, known[:60], anything)
    return [
        *CURIOUS,
        *("".join(choice.choices(choice.choice(alphabets), k=choice.randrange(60))) for _ in range(count)),
    ]


def small_vocabulary(texts: Iterable[str]) -> list[str]:
    """Tokens that know some of the characters of the texts, in several cases, and some pieces of words."""
    characters = sorted(filter(str.strip, set("".join(texts))))[::2]
    pieces = [*"[]", "un", "plain", "words", "##ds", "CLS", "sep", "Mask", "##ing", "naive", "naïve", "中文"]
    return list(dict.fromkeys([*SPECIAL_TOKENS.values(), *pieces, *characters, *(f"##{c}" for c in characters)]))


def assert_same_ids(
    ours: WordPiece, peer: Any, texts: Sequence[str], pairs: Sequence[str] | None, max_length: int
) -> None:
    """Compare ids, lengths and segments of all texts at once; special tokens in texts are text for both."""
    encoded = ours.encode(texts, pairs, max_length=max_length)
    wanted = peer(
        list(texts),
        pairs and list(pairs),
        max_length=max_length,
        truncation=True,
        split_special_tokens=True,
        return_attention_mask=False,
        return_token_type_ids=pairs is not None,
    )
    lengths = np.fromiter(map(len, wanted["input_ids"]), np.int64, len(texts))
    np.testing.assert_array_equal(encoded.lengths, lengths)
    for name, array in (("input_ids", encoded.ids), ("token_type_ids", encoded.segments)):
        if name in wanted:
            flat = np.fromiter(chain.from_iterable(wanted[name]), np.int32, lengths.sum())
            np.testing.assert_array_equal(array, flat)


def assert_same_tokenizer(tokenizer: WordPiece, other: WordPiece) -> None:
    """Compare all they are made of; of a token in `vocab.txt`, transformers 5 drops white space at the end."""
    for attribute in (*SETTINGS, "max_length"):
        assert getattr(tokenizer, attribute) == getattr(other, attribute), attribute
    assert [token.rstrip() for token in tokenizer.tokens] == [token.rstrip() for token in other.tokens]


def without(folder: Path, *names: str) -> Path:
    """Copy a folder, but for these files."""
    copy = folder.with_name("-".join([folder.name, "without", *names]))
    shutil.copytree(folder, copy, ignore=lambda *_: names, dirs_exist_ok=True)
    return copy


def check_both_ways(ours: WordPiece, folder: Path, texts: Sequence[str]) -> None:
    """Let transformers read what we wrote, write it again, and read what it wrote.

    Each of vocab.txt and tokenizer.json must do alone. The tokenizer in plain Python that transformers had
    before version 5 differs from its own fast one on odd texts: of that only the files are checked.
    """
    (folder / "ours").mkdir()
    ours.save(folder / "ours")
    both, text_only, json_only = (
        without(folder / "ours", *names) for names in ((), ("tokenizer.json",), ("vocab.txt",))
    )
    cases = [(transformers.AutoTokenizer, both), (transformers.AutoTokenizer, text_only)]
    cases += [(transformers.BertTokenizerFast, json_only), (transformers.BertTokenizer, text_only)]
    for number, (kind, source) in enumerate(cases):
        peer = kind.from_pretrained(source)
        assert peer.model_max_length == ours.max_length
        if peer.is_fast:
            assert_same_ids(ours, peer, texts, None, 64)
            assert_same_ids(ours, peer, texts, texts[::-1], 17)
        theirs = folder / f"theirs-{number}"
        peer.save_pretrained(theirs)
        assert_same_tokenizer(WordPiece.from_folder(theirs), ours)


def main() -> None:
    texts = curious_texts(500)
    vocabularies = [small_vocabulary(texts)]
    vocabularies += [Path(path).read_text("utf-8").removesuffix("\n").split("\n") for path in sys.argv[1:]]
    for tokens, *flags in product(vocabularies, (True, False), (None, True, False), (True, False)):
        with tempfile.TemporaryDirectory() as folder:
            tokenizer = WordPiece.from_tokens(tokens, **dict(zip(SETTINGS, flags, strict=True)), max_length=99)
            check_both_ways(tokenizer, Path(folder), texts)
    print(f"OK: transformers {transformers.__version__}, vocabularies {len(vocabularies)}, texts {len(texts)}")


if __name__ == "__main__":
    main()
