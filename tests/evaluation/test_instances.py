"""Instances for people: they are those of the batches, and the figures are what a plain count gives."""

from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import small_corpus
from bertwright.batches.masking import Masking
from bertwright.batches.pairs import Objective, make_instances
from bertwright.batches.passages import Documents
from bertwright.evaluation.instances import Figures, measure_instances, sequences, table
from bertwright.files import write_manifest
from bertwright.tasks.pretraining import Pretraining, PretrainingBatch, PretrainingExamples
from bertwright.text.shards import FORMAT, TOKENIZER, ShardContent, ShardFolder, write_shard

TOKENS = small_corpus.TOKENIZER_OF_ALL


def examples_of(documents: Documents, objective: Objective = "mlm+nsp", max_length: int = 60) -> PretrainingExamples:
    instances = make_instances(objective, documents, np.arange(len(documents)), max_length, 0)
    return PretrainingExamples(documents, instances, Masking(TOKENS), TOKENS, max_length, 0)


@pytest.mark.parametrize("objective", ["mlm", "mlm+nsp", "mlm+sop"])
def test_what_is_shown_is_what_the_batches_hold(objective: Objective, tmp_path: Path) -> None:
    examples = examples_of(small_corpus.documents(tmp_path / "shards"), objective)
    rows = np.arange(3, 24)
    batch, drawn = examples.batch(rows), examples.draw(rows)
    shown = list(sequences(examples, Pretraining(objective).pairs, rows))
    tokens = [token for sequence in shown for segment in sequence.segments for token in segment]
    assert [token.text for token in tokens] == TOKENS.decode(batch.tokens.ids.tolist())
    assert [token.original for token in tokens] == TOKENS.decode(drawn.sequences.ids.tolist())
    assert [token.begins_word for token in tokens] == drawn.sequences.word_starts.tolist()
    chosen = [place for place, token in enumerate(tokens) if token.fate in {"masked", "replaced", "kept"}]
    assert chosen == batch.masked_positions.tolist()
    for token in tokens:
        assert (token.fate == "masked") == (token.text == "[MASK]")
        assert (token.fate == "replaced") == (token.text not in {"[MASK]", token.original})
        assert (token.fate == "special") == (token.original in {"[CLS]", "[SEP]"})
    names = {"mlm": [None], "mlm+nsp": ["IsNext", "NotNext"], "mlm+sop": ["InOrder", "Swapped"]}[objective]
    assert [sequence.relation for sequence in shown] == [names[label] for label in batch.pair_labels.tolist()]
    for sequence, instance in zip(shown, drawn.instances, strict=True):
        assert sequence.documents == tuple(f"document {piece.document}" for piece in instance.pieces)
        assert len(sequence.segments) == len(instance.pieces)
        assert (sequence.relation == "NotNext") == (len(set(sequence.documents)) == 2)
    assert list(sequences(examples, "nsp", np.arange(0))) == []


def counted(examples: PretrainingExamples, rows: int) -> Counter[str]:
    """The figures, one token at a time."""
    found = Counter[str]()
    for sequence in sequences(examples, "nsp", np.arange(rows)):
        tokens = [token for segment in sequence.segments for token in segment]
        found.update(token.fate for token in tokens)
        found.update({"tokens": len(tokens), "unrelated": sequence.relation == "NotNext"})
        found["unknown"] += sum(token.original == "[UNK]" for token in tokens)
    return found


def test_the_figures_are_a_plain_count(tmp_path: Path) -> None:
    examples = examples_of(small_corpus.documents(tmp_path / "shards"))
    figures = measure_instances(examples, 200)
    plain = counted(examples, 200)
    assert figures.sequences == 200 < len(examples)
    for name in ("tokens", "unknown", "masked", "replaced", "kept", "unrelated"):
        assert getattr(figures, name) == plain[name], name
    assert figures.text_tokens == plain["tokens"] - plain["special"]
    assert figures.mask_share == figures.chosen / (figures.text_tokens - figures.unknown)
    assert figures.related_share == 1 - plain["unrelated"] / 200
    assert sum(figures.fate_shares) == pytest.approx(1)
    lengths = [sum(map(len, s.segments)) for s in sequences(examples, "nsp", np.arange(200))]
    for left, right, count in zip(figures.bins, figures.bins[1:], figures.lengths, strict=False):
        assert count == sum(left <= length < right for length in lengths)
    assert sum(figures.lengths) == 200


def test_the_promised_rates(tmp_path: Path) -> None:
    """Of more than 100,000 tokens."""
    figures = measure_instances(examples_of(small_corpus.documents(tmp_path / "shards", 400)), 10_000)
    assert figures.text_tokens > 100_000
    assert figures.mask_share == pytest.approx(0.15, abs=0.002)
    assert figures.fate_shares == pytest.approx((0.8, 0.1, 0.1), abs=0.01)
    assert figures.related_share == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("samples", [1, 7, 10**9])
def test_no_more_is_measured_than_there_is(samples: int, tmp_path: Path) -> None:
    examples = examples_of(small_corpus.documents(tmp_path / "shards", 5))
    assert measure_instances(examples, samples).sequences == min(samples, len(examples))


def test_padding_is_measured(tmp_path: Path) -> None:
    class Padded(PretrainingExamples):
        def batch(self, rows: np.ndarray) -> PretrainingBatch:
            batch = super().batch(rows)
            flat = {name: getattr(batch.tokens, name) for name in ("ids", "segments", "positions")}
            longer = {name: nn.functional.pad(values, (0, 7)) for name, values in flat.items()}
            return replace(batch, tokens=replace(batch.tokens, **longer))

    examples = examples_of(small_corpus.documents(tmp_path / "shards", 20))
    padded = Padded(**{field.name: getattr(examples, field.name) for field in fields(examples)})
    assert [measure_instances(some, 50).padding for some in (examples, padded)] == [0, 7]


def repeating(folder: Path, kinds: int, sentences: int) -> Figures:
    """Figures of 30 documents whose sentences are of a few kinds, four tokens each."""
    (folder / TOKENIZER).mkdir(parents=True)
    TOKENS.save(folder / TOKENIZER)
    of_kind = small_corpus.FIRST + np.arange(kinds)[:, None] // 8 ** np.arange(4) % 8
    ids = of_kind[np.arange(30 * sentences) % kinds].ravel()
    count = 30 * sentences
    content = ShardContent(
        tokens=ids.astype(np.uint16),
        word_starts=np.ones(len(ids), bool),
        sentences=np.arange(count + 1) * 4,
        documents=np.arange(31) * sentences,
        names=tuple(f"document {number}" for number in range(30)),
    )
    write_shard(folder / "00000", content, {})
    write_manifest(folder, {"format": FORMAT, "shards": ["00000"]})
    return measure_instances(examples_of(Documents(ShardFolder.open(folder).shards), "mlm", 6), 10**9)


def test_repeated_sentences_and_sequences_are_counted_once_each(tmp_path: Path) -> None:
    """150 sentences, each a sequence of its own; the same place read twice would be no repetition."""
    all_different, few = repeating(tmp_path / "a", 150, 5), repeating(tmp_path / "b", 10, 5)
    assert all_different.sentences == few.sentences == 150
    assert all_different.repeated_sentence_rate == all_different.repeated_sequence_rate == 0
    assert few.repeated_sentences == few.repeated_sequences == 140


def test_the_table_names_what_there_is(tmp_path: Path) -> None:
    documents = small_corpus.documents(tmp_path / "shards", 20)
    examples = examples_of(documents)
    figures = measure_instances(examples, 50)
    rows = {name: value for name, value, _ in table(figures, documents, "nsp")}
    assert rows["documents"] == "20"
    assert rows["tokens"] == f"{documents.lengths.sum():,}"
    assert rows["padding"] == "0"
    assert rows["IsNext"] == f"{figures.related_share:.4f}"
    assert "IsNext" not in {name for name, _, _ in table(figures, documents, "")}
