"""A pre-trained model fills [MASK]s and judges pairs as transformers' own does, whatever the text holds."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import bertwright
import tiny  # noqa: F401 - one thread
from bertwright.errors import DataError, ModelFolderError, UsageError
from bertwright.serving.masked_predictor import Filled, MaskedPredictor, _with_tokens
from bertwright.text.wordpiece import WordPiece

WORDS = ["the", "a", "cat", "dog", "axe", "##s", "##ed", "mask", "[", "]", ".", "猫", "sat", "on"]
TOKENIZER = WordPiece.from_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS], max_length=17)
SIZES: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 37,
    "max_position_embeddings": 19,
}
TEXTS = ["the [MASK] sat", "[MASK]", "cat[MASK]sat [MASK][MASK].", "猫 [MASK] the Zzz", "[MASK] on the dogs [mask]"]
PAIRS = ["on [MASK]", "the cat", ".", "[MASK] [MASK]", "a dog sat on the axe"]
LOADING: dict[str, Any] = {"precision": "fp32", "device": "cpu"}


def write(folder: Path, cls: Any, vocab_size: int = TOKENIZER.vocab_size) -> Any:
    """A random model as transformers writes it."""
    torch.manual_seed(3)
    peer = cls(transformers.BertConfig(vocab_size=vocab_size, **SIZES)).eval()
    for parameter in peer.parameters():
        parameter.data += torch.empty_like(parameter).uniform_(-0.3, 0.3)
    peer.save_pretrained(folder)
    TOKENIZER.save(folder)
    return peer


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return write(tmp_path_factory.mktemp("peer"), transformers.BertForPreTraining)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    write(path, transformers.BertForPreTraining)
    return path


def load(folder: Path, **how: Any) -> MaskedPredictor:
    predictor = bertwright.load(folder, **LOADING | how)
    assert isinstance(predictor, MaskedPredictor)
    return predictor


def by_transformers(peer: Any, folder: Path, text: str, pair: str | None, count: int) -> tuple[Any, float]:
    """Token and score of the likeliest at each mask, and the probability of label 0."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(*([text] if pair is None else [text, pair]), return_tensors="pt")
    with torch.no_grad():
        output = peer(**inputs)
    scores, ids = output.prediction_logits[inputs["input_ids"] == tokenizer.mask_token_id].softmax(1).topk(count)
    found = [
        list(zip(tokenizer.convert_ids_to_tokens(each), score.tolist(), strict=True))
        for each, score in zip(ids, scores, strict=True)
    ]
    return found, output.seq_relationship_logits.softmax(1)[0, 0].item()


def check(answer: Filled, filled: Any, is_next: float | None) -> None:
    assert [[each.token for each in mask] for mask in answer.filled] == [
        [token for token, _ in mask] for mask in filled
    ]
    for mask, theirs in zip(answer.filled, filled, strict=True):
        assert [each.score for each in mask] == pytest.approx([score for _, score in theirs], abs=1e-5)
    assert answer.is_next == (None if is_next is None else pytest.approx(is_next, abs=1e-5))


def test_the_same_tokens_and_scores_as_transformers(peer: Any, folder: Path) -> None:
    singles = load(folder, batch_tokens=20).predict(TEXTS)
    for text, answer in zip(TEXTS, singles, strict=True):
        check(answer, by_transformers(peer, folder, text, None, 5)[0], None)
    pairs = load(folder, top_k=3).predict(TEXTS, PAIRS)
    for text, pair, answer in zip(TEXTS, PAIRS, pairs, strict=True):
        check(answer, *by_transformers(peer, folder, text, pair, 3))
    assert [len(answer.filled) for answer in pairs] == [2, 1, 3, 3, 1]


def test_a_folder_without_a_head_for_pairs(tmp_path: Path) -> None:
    write(tmp_path, transformers.BertForMaskedLM)
    predictor = load(tmp_path)
    (answer,) = predictor.predict("the [MASK]", "a cat")
    assert answer.is_next is None
    assert "is_next" not in answer.to_dict()
    with pytest.raises(DataError, match=r"^memory:1: 'the' has no \[MASK\] in it, and a pre-trained model can do noth"):
        predictor.predict("the", "a cat")


def test_a_bigger_matrix_than_vocabulary(tmp_path: Path) -> None:
    """Its spare rows have no token, so they are no candidates."""
    write(tmp_path, transformers.BertForPreTraining, vocab_size=TOKENIZER.vocab_size + 40)
    (answer,) = load(tmp_path, top_k=100).predict("the [MASK]")
    assert sorted(each.token for each in answer.filled[0]) == sorted(TOKENIZER.tokens)


def test_the_best_text_has_the_likeliest_tokens_in_their_places() -> None:
    assert _with_tokens("the [MASK] sat", ["cat"]) == "the cat sat"
    assert _with_tokens("the cat [MASK] sat [MASK].", ["##s", "on"]) == "the cats sat on."
    assert _with_tokens("[MASK] sat", ["##s"]) == "##s sat"
    assert _with_tokens("[MASK] sat [MASK]", ["cat"]) == "cat sat [MASK]", "the end was cut off"


def test_what_was_cut_off_has_no_candidates_and_mixes_nothing_up(folder: Path) -> None:
    predictor = load(folder)
    assert predictor.max_length == 17
    whole, cut = predictor.predict(["[MASK] cat", "[MASK] " + "cat " * 20 + "[MASK]"], ["a [MASK]", "a [MASK]"])
    assert not whole.truncated
    assert cut.truncated
    assert [len(mask) for mask in cut.filled] == [5, 0, 5]
    assert cut.best.endswith("cat [MASK]")
    assert "[MASK]" not in str(cut.best_pair)


def test_only_a_typed_mask_is_special(folder: Path) -> None:
    predictor = load(folder)
    typed, plain = predictor.predict(["[MASK] [SEP] cat", "[MASK] [ sep ] cat"])
    assert typed.filled == plain.filled
    (lower,) = predictor.predict("[MASK] [mask]")
    assert len(lower.filled) == 1


def test_a_text_that_asks_nothing_is_an_error_that_says_so(folder: Path) -> None:
    text = "a film\x1b[2J"
    with pytest.raises(DataError) as caught:
        load(folder).predict(["[MASK]", text])
    assert str(caught.value) == (
        "memory:2: 'a film\\x1b[2J' has no [MASK] in it and no second text, and a pre-trained model can do nothing "
        "else; labels come from a model that was fine-tuned on them"
    )
    (judged,) = load(folder).predict("the cat", "sat")
    assert judged.filled == ()
    assert 0 < (judged.is_next or 0) < 1
    assert judged.best == "the cat"
    assert load(folder).predict([]) == []
    with pytest.raises(UsageError, match=r"^2 texts but 1 pairs: each text needs its own$"):
        load(folder).predict(["a", "b"], ["c"])


def test_a_mask_is_no_unknown_word(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As plain text it would be three, in a vocabulary without brackets."""
    model = shutil.copytree(folder, tmp_path / "model")
    other = {"[": "of", "]": "in", "mask": "to"}
    WordPiece.from_tokens([other.get(token, token) for token in TOKENIZER.tokens], max_length=17).save(model)
    (tmp_path / "texts.txt").write_text("the [MASK] sat\n")
    given = {"model": str(model), "input": str(tmp_path / "texts.txt"), "output": str(tmp_path / "out.jsonl")}
    bertwright.predict(**given, quiet=True, **LOADING)
    assert capsys.readouterr().err == ""


def test_the_verb_writes_a_line_for_each_text(folder: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "texts.jsonl", tmp_path / "out.jsonl"
    source.write_text(
        "".join(json.dumps({"text": t, "text_pair": p}) + "\n" for t, p in zip(TEXTS, PAIRS, strict=True))
    )
    answer = bertwright.predict(
        model=str(folder), input=str(source), output=str(output), top_k=2, quiet=True, **LOADING
    )
    assert (answer.texts, answer.truncated) == (5, 0)
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    in_memory = load(folder, top_k=2).predict(TEXTS, PAIRS)
    said = [{"line": number, **answer.to_dict()} for number, answer in enumerate(in_memory, 1)]
    assert lines == json.loads(json.dumps(said))
    assert list(lines[0]) == ["line", "text", "text_pair", "filled", "best", "best_pair", "is_next", "truncated"]
    assert list(lines[0]["filled"][0][0]) == ["token", "score"]


def test_a_model_with_neither_labels_nor_heads_is_refused(folder: Path, tmp_path: Path) -> None:
    write(tmp_path, transformers.BertModel)
    with pytest.raises(
        ModelFolderError, match=r"is no fine-tuned model \(its config.json says BertModel\), nor has it the head of"
    ):
        bertwright.load(tmp_path)
    table = tmp_path / "test.csv"
    table.write_text("text,label\na,b\n")
    with pytest.raises(ModelFolderError, match=r"is not a fine-tuned model: make one of it with bertwright finetune$"):
        bertwright.evaluate(model=str(folder), test=table, quiet=True, **LOADING)
