"""Tokenizer files of others: what is taken from them, and what is refused in which words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bertwright.errors import ModelFolderError
from bertwright.text.vocabulary import SPECIAL_TOKENS, Vocabulary, read_vocabulary
from bertwright.text.wordpiece import WordPiece

TOKENS = (*SPECIAL_TOKENS.values(), "the", "##s", "中", "\u2028")
LINES = "".join(f"{token}\n" for token in TOKENS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a `vocab.txt` alone."""
    (tmp_path / "vocab.txt").write_bytes(LINES.encode())
    return tmp_path


@pytest.fixture
def full_folder(tmp_path: Path) -> Path:
    """A folder with all four files."""
    WordPiece.from_tokens(TOKENS).save(tmp_path)
    return tmp_path


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content), "utf-8")


def complaint(folder: Path) -> str:
    """The error's text, with the folder's path taken out of it."""
    with pytest.raises(ModelFolderError) as caught:
        read_vocabulary(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{folder}/", "").replace(str(folder), "FOLDER")


# --- vocab.txt


def test_a_vocabulary_alone_is_uncased_bert(folder: Path):
    assert read_vocabulary(folder) == Vocabulary(TOKENS, True, None, True, 512)


@pytest.mark.parametrize(
    "content",
    [
        LINES.encode().removesuffix(b"\n"),
        LINES.replace("\n", "\r\n").encode(),
        LINES.encode("utf-8-sig"),
    ],
    ids=["no last line end", "CRLF", "byte-order mark"],
)
def test_line_ends_and_a_byte_order_mark_are_no_part_of_a_token(folder: Path, content: bytes):
    (folder / "vocab.txt").write_bytes(content)
    assert read_vocabulary(folder).tokens == TOKENS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "vocab.txt:1 is empty: remove it, for a vocabulary ends with a token"),
        (LINES.encode() + b"\n", "vocab.txt:10 is empty: remove it, for a vocabulary ends with a token"),
        (LINES.encode() + b"\n\nx", "vocab.txt:11 repeats the token '' of vocab.txt:10: a token has one id"),
        (LINES.encode() + b"the\n", "vocab.txt:10 repeats the token 'the' of vocab.txt:6: a token has one id"),
        (LINES.encode() + b"x\ry\n", "vocab.txt:10 is 'x\\ry': a token holds no line end"),
        (LINES.encode() + b"x" * 1_001, "vocab.txt:10 has 1,001 characters: a token has 1,000 at most"),
        (LINES.encode() + b"caf\xe9\n", "vocab.txt:10 is not UTF-8: save the file in that encoding"),
        (b"[PAD]\n[UNK]\n", "vocab.txt lacks [CLS] [SEP] [MASK], which a BERT vocabulary has: add what is missing"),
    ],
)
def test_a_broken_vocabulary_is_refused_by_its_line(folder: Path, content: bytes, message: str):
    (folder / "vocab.txt").write_bytes(content)
    assert complaint(folder) == message


def test_a_cased_vocabulary_needs_to_be_told(folder: Path):
    """Lower-casing what a cased model reads would spoil it without a word."""
    (folder / "vocab.txt").write_text(LINES + "The\n", "utf-8")
    assert complaint(folder) == (
        "tokenizer_config.json does not say whether texts are lower-cased, and the vocabulary has 'The': "
        'write {"do_lower_case": false} there, or true if the model was trained so'
    )
    for stated in (False, True):
        (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": stated}))
        assert read_vocabulary(folder).lowercase is stated


def test_a_file_of_tokens_may_have_any_name(folder: Path):
    """Published vocabularies lie side by side, as `bert-base-chinese-vocab.txt`."""
    (folder / "tiny-vocab.txt").write_text(LINES + "##y\n", "utf-8")
    assert read_vocabulary(folder / "tiny-vocab.txt") == Vocabulary((*TOKENS, "##y"), True, None, True, 512)
    (folder / "tiny-vocab.txt").write_text(LINES + "The\n", "utf-8")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert not read_vocabulary(folder / "tiny-vocab.txt").lowercase


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path):
    assert complaint(tmp_path) == "FOLDER has no tokenizer: neither tokenizer.json nor vocab.txt is there"
    with pytest.raises(ModelFolderError, match=r"/voacb: no such folder or file with a vocabulary; check the path$"):
        read_vocabulary(tmp_path / "voacb")


def test_a_file_that_cannot_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)  # root, who may run this, can read any file
    assert complaint(folder) == "cannot read vocab.txt: Permission denied"


# --- tokenizer_config.json


def test_the_flags_are_read(folder: Path):
    config = {
        "do_lower_case": False,
        "strip_accents": True,
        "tokenize_chinese_chars": False,
        "model_max_length": 128,
        "tokenizer_class": "BertTokenizerFast",
        "cls_token": {"content": "[CLS]", "__type": "AddedToken", "lstrip": False},
        "sep_token": "[SEP]",
        "never_split": None,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert read_vocabulary(folder) == Vocabulary(TOKENS, False, True, False, 128)


@pytest.mark.parametrize("stated", [int(1e30), 1e30, None])
def test_no_greatest_length_is_that_of_bert(folder: Path, stated: float | None):
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": stated}))
    assert read_vocabulary(folder).max_length == 512


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ('{"do_lower_case": "yes"}', "do_lower_case: Input should be a valid boolean"),
        ('{"model_max_length": 0}', "model_max_length: Input should be greater than or equal to 1"),
        ('{"model_max_length": NaN}', "model_max_length: Input should be greater than or equal to 1"),
        ('{"cls_token": "<s>"}', "cls_token is '<s>', and must be '[CLS]'"),
        (
            '{"tokenizer_class": "BertJapaneseTokenizer"}',
            "tokenizer_class is 'BertJapaneseTokenizer', and must be 'BertTokenizer', 'BertTokenizerFast', "
            "'PreTrainedTokenizerFast' or 'TokenizersBackend'",
        ),
        (
            '{"added_tokens_decoder": {"9": {"content": "[ENTITY]"}}}',
            "added_tokens_decoder.9.content is '[ENTITY]', and must be '[PAD]', '[UNK]', '[CLS]', '[SEP]' or '[MASK]'",
        ),
        ("[]", "Input should be an object"),
        ('{\n "a": ,\n}', "Invalid JSON: expected value at line 2 column 7"),
    ],
)
def test_a_config_of_another_tokenizer_is_refused(folder: Path, config: str, problem: str):
    (folder / "tokenizer_config.json").write_text(config)
    assert complaint(folder) == f"tokenizer_config.json is not that of a BERT tokenizer: {problem}"


def test_a_config_made_to_exhaust_the_stack_is_refused(folder: Path):
    (folder / "tokenizer_config.json").write_text("[" * 100_000)
    assert "Invalid JSON: recursion limit exceeded at line 1" in complaint(folder)


def test_tokens_added_in_the_old_way_are_refused(folder: Path):
    (folder / "added_tokens.json").write_text("{}")
    assert read_vocabulary(folder).tokens == TOKENS
    (folder / "added_tokens.json").write_text('{"[ENTITY]": 9}')
    assert complaint(folder).startswith(
        "added_tokens.json is not that of a BERT tokenizer: [ENTITY].[key] is '[ENTITY]'"
    )


# --- tokenizer.json


def test_of_a_tokenizer_file_the_vocabulary_and_flags_are_taken(full_folder: Path):
    """The three below are what real folders (sentence-transformers' among them) carry in that file."""
    for other in ("vocab.txt", "tokenizer_config.json", "special_tokens_map.json"):
        (full_folder / other).unlink()

    def change(file: dict[str, Any]) -> None:
        file["truncation"] = {"max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
        file["padding"] = {"strategy": {"Fixed": 128}, "pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"}
        file["post_processor"] = None
        file["normalizer"] |= {"lowercase": False, "strip_accents": True, "handle_chinese_chars": False}
        del file["model"]["type"]

    edit(full_folder / "tokenizer.json", change)
    assert read_vocabulary(full_folder) == Vocabulary(TOKENS, False, True, False, 512)
    encoded = WordPiece.from_folder(full_folder).encode(["the the the the"], max_length=512)
    assert encoded.ids.tolist() == [2, 5, 5, 5, 5, 3]


def test_flags_of_the_config_count_before_those_of_the_tokenizer_file(full_folder: Path):
    edit(full_folder / "tokenizer.json", lambda file: file["normalizer"].update(lowercase=False, strip_accents=True))
    edit(full_folder / "tokenizer_config.json", lambda config: config.pop("strip_accents"))
    assert read_vocabulary(full_folder) == Vocabulary(TOKENS, True, True, True, 512)


def test_two_vocabularies_that_differ_are_refused(full_folder: Path):
    rest = "on: remove the wrong one"
    (full_folder / "vocab.txt").write_text(LINES.replace("##s", "##t"), "utf-8")
    assert complaint(full_folder) == f"tokenizer.json and vocab.txt hold different vocabularies, from id 6 {rest}"
    (full_folder / "vocab.txt").write_text(LINES + "more\n", "utf-8")
    assert complaint(full_folder) == f"tokenizer.json and vocab.txt hold different vocabularies, from id 9 {rest}"


def test_a_token_that_transformers_trimmed_away_is_no_difference(full_folder: Path):
    """Version 5 reads the U+2028 of a vocab.txt as an empty token, and writes that to its tokenizer.json."""

    def change(file: dict[str, Any]) -> None:
        vocab = file["model"]["vocab"]
        vocab[""] = vocab.pop("\u2028")
        vocab["x"] = len(vocab)

    edit(full_folder / "tokenizer.json", change)
    (full_folder / "vocab.txt").write_text(LINES + "x\n", "utf-8")
    assert read_vocabulary(full_folder).tokens == (*TOKENS, "x")
    (full_folder / "vocab.txt").unlink()
    trimmed = (*TOKENS[:-1], "", "x")
    assert read_vocabulary(full_folder).tokens == trimmed
    WordPiece.from_folder(full_folder).save(full_folder)
    (full_folder / "tokenizer.json").unlink()
    assert read_vocabulary(full_folder).tokens == trimmed


SEQUENCE = {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "(a+)+$"}}]}
ADDED = {"id": 9, "content": "[ENTITY]", "special": True}


@pytest.mark.parametrize(
    ("part", "value", "problem"),
    [
        ("model.type", "BPE", "model.type is 'BPE', and must be 'WordPiece'"),
        ("model.unk_token", "<unk>", "model.unk_token is '<unk>', and must be '[UNK]'"),
        ("model.continuing_subword_prefix", "@@", "model.continuing_subword_prefix is '@@', and must be '##'"),
        ("model.max_input_chars_per_word", 200, "model.max_input_chars_per_word is 200, and must be 100"),
        ("model.vocab", ["[PAD]"], "model.vocab: Input should be an object"),
        ("model.vocab.the", "5", "model.vocab.the: Input should be a valid integer"),
        ("normalizer", None, "normalizer: Input should be an object"),
        ("normalizer.type", "Lowercase", "normalizer.type is 'Lowercase', and must be 'BertNormalizer'"),
        ("normalizer.clean_text", False, "normalizer.clean_text is False, and must be True"),
        ("pre_tokenizer", SEQUENCE, "pre_tokenizer.type is 'Sequence', and must be 'BertPreTokenizer'"),
        (
            "added_tokens",
            [ADDED],
            "added_tokens.0.content is '[ENTITY]', and must be '[PAD]', '[UNK]', '[CLS]', '[SEP]' or '[MASK]'",
        ),
    ],
)
def test_what_is_not_wordpiece_is_refused_by_name(full_folder: Path, part: str, value: object, problem: str):
    *above, last = part.split(".")

    def change(file: dict[str, Any]) -> None:
        for name in above:
            file = file[name]
        file[last] = value

    edit(full_folder / "tokenizer.json", change)
    assert complaint(full_folder) == f"tokenizer.json is not that of a BERT tokenizer: {problem}"


def test_ids_with_gaps_or_of_two_tokens_are_refused(full_folder: Path):
    path = full_folder / "tokenizer.json"
    edit(path, lambda file: file["model"]["vocab"].update(the=55))
    assert complaint(full_folder) == "tokenizer.json: ids run from 0 without gaps, but '##s' has 6, not 5"
    edit(path, lambda file: file["model"]["vocab"].update(the=6))
    assert complaint(full_folder) == "tokenizer.json: ids run from 0 without gaps, but 'the' has 6, not 5"
    edit(path, lambda file: file["model"]["vocab"].update(the=5) or file["added_tokens"][2].update(id=7))
    assert complaint(full_folder) == "tokenizer.json: [CLS] is id 7 in added_tokens, not in model.vocab"


@pytest.mark.checkpoint
def test_a_real_checkpoint_is_read(minilm_dir: Path):
    """Its tokenizer.json truncates and pads to 128 tokens, which is none of our business."""
    vocabulary = read_vocabulary(minilm_dir)
    assert (len(vocabulary.tokens), vocabulary.lowercase, vocabulary.max_length) == (30_522, True, 512)
