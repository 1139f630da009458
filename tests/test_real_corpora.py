"""Real text through `prepare` and into training instances: the original's sample in English, news in Chinese."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bertwright
from bertwright.batches.masking import Masking, Unit
from bertwright.batches.pairs import Objective, make_instances
from bertwright.batches.passages import Documents
from bertwright.tasks.pretraining import Drawn, PretrainingExamples
from bertwright.text.corpus.words import make_segmenter
from bertwright.text.shards import ShardFolder
from bertwright.text.wordpiece import WordPiece

pytestmark = pytest.mark.data
UNITS: tuple[Unit, ...] = ("token", "word", "span")


def prepared(corpus: Path, vocabulary: Path, folder: Path, **settings: Any) -> ShardFolder:
    """Shards of a corpus, on ids of one of BERT's own vocabularies."""
    tokens = vocabulary.read_text("utf-8").split("\n")
    folder.mkdir()
    WordPiece.from_tokens([token for token in tokens if token]).save(folder)
    output = folder / "shards"
    bertwright.prepare(input=(str(corpus),), vocab=str(folder), output_dir=output, processes=1, quiet=True, **settings)
    return ShardFolder.open(output)


def drawn(shards: ShardFolder, objective: Objective, unit: Unit, tokens: int) -> Iterator[Drawn]:
    """Instances of at least so many tokens in all, over as many epochs as that takes."""
    documents = Documents(shards.shards)
    instances = make_instances(objective, documents, np.arange(len(documents)), 128, 0)
    masking = Masking(shards.tokenizer, unit=unit)
    examples = PretrainingExamples(documents, instances, masking, shards.tokenizer, 128, 0)
    start = 0
    while tokens > 0:
        found = examples.draw(np.arange(start, start + 100))
        yield found
        start, tokens = start + 100, tokens - len(found.sequences.ids)


class Rates:
    """What came out, over all instances."""

    def __init__(self, shards: ShardFolder, unit: Unit, tokens: int = 100_000) -> None:
        tokenizer = shards.tokenizer
        special = [tokenizer.cls_id, tokenizer.sep_id, tokenizer.unk_id]
        labels, seen, guessed, maskable = [], [], [], 0
        for some in drawn(shards, "mlm+nsp", unit, tokens):
            masked = some.masked
            restored = masked.ids.copy()
            restored[masked.positions] = masked.labels
            assert np.array_equal(restored, some.sequences.ids)
            assert not np.isin(masked.labels, special).any()
            labels.append(some.sequences.labels)
            seen.append(masked.ids[masked.positions])
            guessed.append(masked.labels)
            maskable += int(np.isin(some.sequences.ids, special, invert=True).sum())
            for instance in some.instances:
                assert instance.second is not None
                assert (instance.label == 1) == (instance.first.document != instance.second.document)
        before, after = np.concatenate(guessed), np.concatenate(seen)
        self.masked = len(before) / maskable
        pairs = np.concatenate(labels)
        self.not_next, self.deviation = float(pairs.mean()), 0.5 / len(pairs) ** 0.5
        self.hidden = float((after == tokenizer.mask_id).mean())
        self.kept = float((after == before).mean())

    def check(self) -> None:
        """See that they are BERT's."""
        assert abs(self.masked - 0.15) < 0.002
        assert abs(self.hidden - 0.8) < 0.01
        assert abs(self.kept - 0.1) < 0.01
        assert abs(self.not_next - 0.5) < 4 * self.deviation


@pytest.fixture(scope="module")
def sample(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> ShardFolder:
    folder = tmp_path_factory.mktemp("sample") / "vocab"
    return prepared(
        data_dir / "bert_sample" / "sample_text.txt", data_dir / "vocab" / "bert-base-uncased-vocab.txt", folder
    )


@pytest.mark.parametrize("unit", UNITS)
def test_the_originals_sample(sample: ShardFolder, unit: Unit):
    """Three documents, read many times over: balance, share and fates, over 100,000 tokens and more."""
    assert sum(map(len, sample.shards)) == 3
    Rates(sample, unit, 100_000 if unit != "span" else 250_000).check()


@pytest.fixture(scope="module")
def chinese(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> ShardFolder:
    """The first 400 documents of the news corpus."""
    folder = tmp_path_factory.mktemp("chinese")
    text = (data_dir / "zh_corpus" / "CLUECorpusSmall_bert_sampled.txt").read_text("utf-8")
    (folder / "news.txt").write_text("\n\n".join(text.split("\n\n")[:400]), "utf-8")
    return prepared(folder / "news.txt", data_dir / "vocab" / "bert-base-chinese-vocab.txt", folder / "vocab")


def test_chinese_words_are_masked_whole(chinese: ShardFolder):
    Rates(chinese, "word").check()
    for some in drawn(chinese, "mlm+nsp", "word", 30_000):
        ids, starts = some.sequences.ids, some.sequences.word_starts
        chosen = np.zeros(len(ids), bool)
        chosen[some.masked.positions] = True
        inside = np.flatnonzero(~starts & (ids != chinese.tokenizer.unk_id))
        together = inside[
            ids[inside - 1] > chinese.tokenizer.mask_id
        ]  # a cut may part a word: [CLS] or [SEP] before it
        assert np.array_equal(chosen[together], chosen[together - 1])


def test_chinese_words_are_the_segmenters(chinese: ShardFolder):
    """No sentence is one word, and the words are jieba's: most have one or two characters, as Chinese words have."""
    segmenter = make_segmenter("jieba")
    assert segmenter is not None
    shard = chinese.shards[0]
    lengths = []
    for start, end in zip(shard.sentences[:300].tolist(), shard.sentences[1:301].tolist(), strict=True):
        starts = np.flatnonzero(shard.word_starts(start, end))
        tokens = chinese.tokenizer.decode(shard.tokens[start:end].tolist())
        words = ["".join(tokens[a:b]) for a, b in zip(starts, [*starts[1:], len(tokens)], strict=True)]
        if end - start > 12:
            assert len(words) > 2
        text = "".join(tokens)
        if all("一" <= character <= "鿿" for character in text):
            assert words == list(segmenter.words(text))
        lengths += [len(word) for word in words]
    assert 1.3 < np.mean(lengths) < 2.5
    assert np.mean(np.array(lengths) <= 4) > 0.97
