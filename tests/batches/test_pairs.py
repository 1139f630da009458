"""Pairs: half of them follow, the others are never from one document; lengths, cuts and labels as the original's."""

from pathlib import Path

import numpy as np
import pytest

import small_corpus
from bertwright.batches.pairs import Instance, Instances, Objective, make_instances
from bertwright.batches.passages import Documents
from bertwright.errors import DataError, UsageError

LENGTH = 64


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    return small_corpus.documents(tmp_path_factory.mktemp("corpus") / "shards", 120)


def draw(instances: Instances, count: int, epoch: int = 0) -> list[Instance]:
    numbers = np.arange(count)
    return instances.find(epoch + numbers // len(instances), numbers % len(instances))


def made(documents: Documents, objective: Objective, length: int = LENGTH, seed: int = 1) -> Instances:
    return make_instances(objective, documents, np.arange(len(documents)), length, seed)


@pytest.mark.parametrize("objective", ["mlm", "mlm+nsp", "mlm+sop"])
def test_instances_fit(documents: Documents, objective: Objective):
    for length in (8, LENGTH, 300):
        for instance in draw(made(documents, objective, length), 400):
            assert 1 + sum(len(piece) + 1 for piece in instance.pieces) <= length
            assert all(len(piece) > 0 for piece in instance.pieces)
            assert all(piece.end <= documents.lengths[piece.document] for piece in instance.pieces)
            assert (instance.second is None) == (objective == "mlm")


def test_half_of_the_pairs_follow_and_no_other_is_from_one_document(documents: Documents):
    """Eight thousand pairs, each with its label checked against the documents that it is from."""
    instances = made(documents, "mlm+nsp")
    found = draw(instances, 8_000)
    labels = np.array([instance.label for instance in found])
    assert abs(labels.mean() - 0.5) < 0.02
    for instance in found:
        assert instance.second is not None
        assert (instance.label == 1) == (instance.first.document != instance.second.document)
        if instance.label == 0:
            assert instance.first.end <= instance.second.start


def test_what_follows_really_follows(documents: Documents):
    """Where nothing was cut, the second segment begins where the first ends, at the beginning of a sentence."""
    for instance in draw(made(documents, "mlm+nsp", 2000), 500):
        first, second = instance.pieces
        assert second.start in documents.boundaries(second.document)
        if instance.label == 0:
            assert first.end == second.start


def test_swapped_or_not(documents: Documents):
    found = draw(made(documents, "mlm+sop", 2000), 2000)
    labels = np.array([instance.label for instance in found])
    assert abs(labels.mean() - 0.5) < 0.04
    for instance in found:
        first, second = instance.pieces
        assert first.document == second.document
        assert (second.end == first.start) if instance.label else (first.end == second.start)


def test_partners_come_from_everywhere(documents: Documents):
    """Each of the 119 others is as likely, those of one sentence included: chi-square."""
    found = draw(made(documents, "mlm+nsp"), 8_000)
    partners = [
        i.second.document for i in found if i.second and i.label and i.first.document == found[0].first.document
    ]
    everybody = [i.second.document for i in found if i.second and i.label]
    assert found[0].first.document not in partners
    counts = np.bincount(everybody, minlength=len(documents))
    expected = len(everybody) / len(documents)
    assert ((counts - expected) ** 2 / expected).sum() < 190  # 119 degrees of freedom


def test_a_tenth_is_short(tmp_path: Path):
    """Of a long document of short sentences, pairs fill the room but for the tenth that shall not."""
    documents = Documents(small_corpus.write(tmp_path / "long", [(4,) * 5000, (4,) * 5000]).shards)
    lengths = [sum(map(len, instance.pieces)) for instance in draw(made(documents, "mlm+nsp", 128), 2000)]
    assert abs(np.mean(np.array(lengths) < 105) - 0.1 * 103 / 124) < 0.02
    assert np.median(lengths) >= 120


def test_cut_from_both_ends(tmp_path: Path):
    """Of two segments of 90 tokens 63 and 62 stay, and each token goes in front or behind as a coin falls."""
    documents = Documents(small_corpus.write(tmp_path / "long", [(90, 90)] * 50).shards)
    found = [i.pieces for i in draw(made(documents, "mlm+nsp", 128), 1000) if i.label == 0]
    whole = [(first, second) for first, second in found if (len(first), len(second)) == (63, 62)]
    assert len(whole) > 200
    for lost, fronts in ((27, [a.start for a, _ in whole]), (28, [b.start - 90 for _, b in whole])):
        assert abs(np.mean(fronts) - lost / 2) < 0.8
        assert abs(np.std(fronts) - lost**0.5 / 2) < 0.5


def test_one_document_cannot_have_a_partner(tmp_path: Path):
    documents = Documents(small_corpus.write(tmp_path / "one", [(5, 6, 7)], shards=1).shards)
    with pytest.raises(DataError, match="next sentence prediction needs two documents or more, and the corpus has 1"):
        made(documents, "mlm+nsp")
    assert len(made(documents, "mlm+sop")) == len(made(documents, "mlm")) == 1


def test_parts_of_one_text_are_no_partners(tmp_path: Path):
    """A text that was cut into three documents, and two others."""
    documents = Documents(small_corpus.write(tmp_path / "cut", [(5, 6, 7)] * 5, continued=(2, 3)).shards)
    partners = {
        (i.first.document, i.second.document) for i in draw(made(documents, "mlm+nsp"), 500) if i.second and i.label
    }
    own = {1, 2, 3}
    expected = {(a, b) for a in range(5) for b in range(5) if a != b and not {a, b} <= own}
    assert partners == expected


def test_a_cut_document_is_one_document(tmp_path: Path):
    documents = Documents(small_corpus.write(tmp_path / "cut", [(5, 6, 7)] * 3, continued=(1, 2)).shards)
    with pytest.raises(DataError, match="needs two documents or more, and the corpus has 1"):
        made(documents, "mlm+nsp")


@pytest.mark.parametrize(("objective", "shortest"), [("mlm", 3), ("mlm+nsp", 5), ("mlm+sop", 5)])
def test_the_shortest_sequences(documents: Documents, objective: Objective, shortest: int):
    for instance in draw(made(documents, objective, shortest), 50):
        assert all(len(piece) == 1 for piece in instance.pieces)
    with pytest.raises(UsageError, match=rf"^max_length = {shortest - 1} leaves no room for "):
        made(documents, objective, shortest - 1)


def test_documents_of_one_sentence_make_no_pairs(tmp_path: Path):
    documents = Documents(small_corpus.write(tmp_path / "lines", [(5,), (6,), (7,)], shards=1).shards)
    with pytest.raises(DataError, match=r"none of 3 documents has two sentences, as --objective mlm\+nsp needs"):
        made(documents, "mlm+nsp")
    assert len(made(documents, "mlm")) == 3
