"""Passages cut documents: nothing is lost, nothing is read twice, and all begin where a sentence does."""

from pathlib import Path

import numpy as np
import pytest

import small_corpus
from bertwright.batches.passages import Documents, Passages, Piece, hold_out


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    return small_corpus.documents(tmp_path_factory.mktemp("corpus") / "shards")


def pieces(passages: Passages, epoch: int) -> list[Piece]:
    count = len(passages)
    return passages.find(np.full(count, epoch), np.arange(count))


@pytest.mark.parametrize("room", [5, 29, 125])
def test_an_epoch_reads_every_sentence_once(documents: Documents, room: int):
    """But for the ends of sentences that are longer than a passage, which may be read again."""
    for epoch in range(3):
        by_document: dict[int, list[Piece]] = {}
        for piece in pieces(Passages(documents, np.arange(len(documents)), room, seed=1), epoch):
            by_document.setdefault(piece.document, []).append(piece)
        assert set(by_document) == set(range(len(documents)))
        for document, found in by_document.items():
            assert all(0 <= piece.start < piece.end for piece in found)
            covered, again = np.zeros((2, documents.lengths[document]), int)
            for piece in found:
                begins = piece.start in documents.boundaries(document)
                (covered if begins else again)[piece.start : piece.end] += 1
            assert (covered + again).min() >= 1
            assert covered.max() <= 1


def test_passages_begin_where_sentences_do(documents: Documents):
    found = pieces(Passages(documents, np.arange(len(documents)), 125, seed=1), 0)
    starts = [piece.start in documents.boundaries(piece.document) for piece in found if piece.document != 4]
    assert np.mean(starts) > 0.95  # the others are ends of sentences at a document's end


def test_epochs_are_cut_differently_and_seeds_too(documents: Documents):
    passages = Passages(documents, np.arange(len(documents)), 29, seed=1)
    assert pieces(passages, 0) == pieces(passages, 0)
    assert pieces(passages, 0) != pieces(passages, 1)
    assert pieces(passages, 0) != pieces(Passages(documents, np.arange(len(documents)), 29, seed=2), 0)


def test_a_passage_is_found_by_its_number_alone(documents: Documents):
    passages = Passages(documents, np.arange(len(documents)), 29, seed=1)
    whole = pieces(passages, 2)
    assert [passages.find(np.array([2]), np.array([place]))[0] for place in range(0, len(whole), 7)] == whole[::7]


def test_tokens_are_those_of_the_document(documents: Documents):
    for document in (0, 4, 25, len(documents) - 1):
        ids, starts = documents.read(Piece(document, 0, int(documents.lengths[document])))
        assert ids.tolist() == small_corpus.tokens(document, len(ids)).tolist()
        assert starts.tolist() == (ids < small_corpus.FIRST + 60).tolist()
        some, some_starts = documents.read(Piece(document, 3, 11))
        assert (some.tolist(), some_starts.tolist()) == (ids[3:11].tolist(), starts[3:11].tolist())
        assert documents.name(document) == f"document {document}"


def corpus(folder: Path, documents: list[tuple[int, ...]], continued: tuple[int, ...] = ()) -> Documents:
    return Documents(small_corpus.write(folder, documents, continued=continued).shards)


def test_whole_documents_are_held_out(tmp_path: Path):
    documents = corpus(tmp_path / "shards", [(3, 4)] * 400)
    train, held = hold_out(documents, 0.05, 3, pairs=True)
    assert len(held) == 20
    assert np.array_equal(np.sort(np.concatenate([train, held])), np.arange(400))
    assert held.tolist() != hold_out(documents, 0.05, 4, pairs=True)[1].tolist()
    assert held.tolist() == hold_out(documents, 0.05, 3, pairs=True)[1].tolist()
    assert len(hold_out(documents, 0.001, 0, pairs=True)[1]) == 2
    assert len(hold_out(documents, 0.0, 0, pairs=True)[1]) == 0
    assert len(hold_out(documents, 0.96, 0, pairs=True)[1]) == 200


def test_few_documents_are_all_learned_from(tmp_path: Path):
    assert len(hold_out(corpus(tmp_path / "shards", [(3, 4)] * 9), 0.5, 0, pairs=False)[1]) == 0


def test_what_is_held_out_can_be_measured(tmp_path: Path):
    """Half of the documents have one sentence: pairs cannot be made of these, whatever the seed."""
    documents = corpus(tmp_path / "shards", [(3, 4), (5,)] * 15)
    for seed in range(20):
        assert (documents.sentences[hold_out(documents, 0.01, seed, pairs=True)[1]] == 2).all()
    assert any((documents.sentences[hold_out(documents, 0.01, seed, pairs=False)[1]] == 1).any() for seed in range(20))


def test_parts_of_one_text_stay_together(tmp_path: Path):
    documents = corpus(tmp_path / "shards", [(3, 4)] * 30, continued=(4, 5, 15, 16, 29))
    assert documents.texts.tolist() == [*range(4), 3, 3, *range(4, 13), 12, 12, *range(13, 25), 24]
    for seed in range(20):
        train, held = hold_out(documents, 0.2, seed, pairs=True)
        assert not set(documents.texts[train]) & set(documents.texts[held])


def test_shards_of_a_folder_are_numbered_through(tmp_path: Path):
    one, three = (
        Documents(small_corpus.write(tmp_path / str(count), [(5, 6)] * 7, shards=count).shards) for count in (1, 3)
    )
    assert one.lengths.tolist() == three.lengths.tolist() == [11] * 7
    for document in range(7):
        for first, second in zip(one.read(Piece(document, 0, 11)), three.read(Piece(document, 0, 11)), strict=True):
            assert np.array_equal(first, second)
