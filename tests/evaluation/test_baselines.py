"""Baselines: against scikit-learn, and by hand."""

import numpy as np
import pytest
from sklearn.naive_bayes import MultinomialNB

from bertwright.evaluation.baselines import SMOOTHING, commonest_label, naive_bayes
from bertwright.text.wordpiece import Encoded, WordPiece

WORDS = ("red", "green", "blue", "apple", "pear", "sky", "grass")


@pytest.fixture
def tokenizer() -> WordPiece:
    return WordPiece.from_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])


def encode(tokenizer: WordPiece, *texts: str) -> Encoded:
    return tokenizer.encode(texts, max_length=64)


def random_texts(seed: int, labels: np.ndarray) -> list[str]:
    """Texts of 0 to 8 words, whose words lean towards their label."""
    generator = np.random.default_rng(seed)
    return [
        " ".join(generator.choice(np.roll(WORDS, label), generator.integers(0, 9), p=np.arange(1, 8) / 28))
        for label in labels
    ]


def test_naive_bayes_answers_as_scikit_learn_does(tokenizer: WordPiece) -> None:
    labels = np.random.default_rng(0).choice(3, 97, p=[0.2, 0.5, 0.3])
    train, test = encode(tokenizer, *random_texts(1, labels)), encode(tokenizer, *random_texts(2, labels))

    def counts(texts: Encoded) -> np.ndarray:
        rows = np.arange(len(texts)).repeat(texts.lengths)
        table = np.zeros((len(texts), tokenizer.vocab_size))
        np.add.at(table, (rows, texts.ids), 1)
        table[:, [tokenizer.cls_id, tokenizer.sep_id]] = 0
        return table

    width = max(train.ids.max(), test.ids.max()) + 1
    peer = MultinomialNB(alpha=SMOOTHING).fit(counts(train)[:, :width], labels)
    expected = peer.predict(counts(test)[:, :width])
    answers = naive_bayes(train, labels, test)
    assert np.array_equal(answers, expected)
    assert len(set(answers)) == 3


def test_a_text_without_known_words_gets_the_commonest_label(tokenizer: WordPiece) -> None:
    train = encode(tokenizer, "red apple", "green pear", "green grass")
    assert naive_bayes(train, np.array([0, 1, 1]), encode(tokenizer, "", "red")).tolist() == [1, 0]


def test_the_commonest_label_needs_no_text() -> None:
    assert commonest_label(np.array([2, 0, 2, 1]), 3).tolist() == [2, 2, 2]
