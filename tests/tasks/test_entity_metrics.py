"""Figures of entities: those of seqeval, for any truth and any prediction, in one go or bit by bit."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from seqeval import metrics as seqeval
from seqeval.scheme import IOB2, IOBES, IOE2, Token

from bertwright.tasks.entity_metrics import EntityCounts
from bertwright.tasks.tag_schemes import Scheme, entities

LETTERS = {"IOB2": "BI", "IOE2": "IE", "BIOES": "BIES"}
THEIRS: dict[str, type[Token]] = {"IOB2": IOB2, "IOE2": IOE2, "BIOES": IOBES}
FIGURES = ("precision", "recall", "f1")
Sentences = list[list[str]]


def predictions(scheme: Scheme) -> st.SearchStrategy[tuple[Sentences, Sentences]]:
    """Truths and predictions of equal lengths, half of the tags right, none of them sure to be possible."""
    tags = st.sampled_from(["O", *(f"{letter}-{type_}" for letter in LETTERS[scheme] for type_ in ("A", "B", "C-D"))])
    pairs = tags.map(lambda tag: (tag, tag)) | st.tuples(tags, tags)
    sentences = st.lists(st.lists(pairs, min_size=1, max_size=6), min_size=1, max_size=5)
    return sentences.map(lambda drawn: tuple([[pair[side] for pair in one] for one in drawn] for side in (0, 1)))


def counted(scheme: Scheme, truth: Sentences, predicted: Sentences) -> EntityCounts:
    counts = EntityCounts(scheme)
    counts.add(truth, predicted)
    return counts


@pytest.mark.parametrize("mode", [None, "strict"])
@pytest.mark.parametrize("scheme", LETTERS)
@settings(max_examples=40)
@given(st.data())
def test_figures_are_those_of_seqeval(scheme: Scheme, mode: str | None, data: st.DataObject):
    truth, predicted = data.draw(predictions(scheme))
    assume(any(entities(tags, scheme, mode == "strict") for tags in truth))  # seqeval has NaN for nothing at all
    how = {"mode": mode, "scheme": THEIRS[scheme], "zero_division": 0}
    prefix = "strict_" if mode else ""
    expected = {}
    for name in FIGURES:
        score = getattr(seqeval, f"{name}_score")
        expected[prefix + name] = score(truth, predicted, **how)
        for average in ("macro", "weighted"):
            expected[f"{prefix}{name}_{average}"] = score(truth, predicted, average=average, **how)
    found = counted(scheme, truth, predicted).metrics()
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert found["accuracy"] == pytest.approx(seqeval.accuracy_score(truth, predicted))
    assert all(type(value) is float for value in found.values())  # JSON has no numpy


@pytest.mark.parametrize("mode", [None, "strict"])
@pytest.mark.parametrize("scheme", LETTERS)
@settings(max_examples=25)
@given(st.data())
def test_figures_of_each_type(scheme: Scheme, mode: str | None, data: st.DataObject):
    truth, predicted = data.draw(predictions(scheme))
    assume(any(entities(tags, scheme, mode == "strict") for tags in truth))
    report = seqeval.classification_report(
        truth, predicted, output_dict=True, mode=mode, scheme=THEIRS[scheme], zero_division=0
    )
    prefix = "strict_" if mode else ""
    found = counted(scheme, truth, predicted).per_type()
    rows = {type_: row for type_, row in report.items() if not type_.endswith(" avg")}
    assert rows.keys() <= found.keys()
    for type_, row in rows.items():
        expected = [row["precision"], row["recall"], row["f1-score"], row["support"]]
        assert [found[type_][prefix + name] for name in (*FIGURES, "support")] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30)
@given(predictions("BIOES"), predictions("BIOES"))
def test_counts_add_up(one: tuple[Sentences, Sentences], other: tuple[Sentences, Sentences]):
    by_batch = counted("BIOES", *one)
    by_batch.add(*other)
    at_once = counted("BIOES", one[0] + other[0], one[1] + other[1])
    assert by_batch.metrics() == at_once.metrics()
    assert by_batch.per_type() == at_once.per_type()


def test_default_and_strict_by_hand():
    counts = counted("IOB2", [["B-A", "I-A", "O", "B-B"]], [["I-A", "I-A", "O", "B-B"]])
    figures = counts.metrics()
    assert (figures["precision"], figures["recall"], figures["f1"]) == (1.0, 1.0, 1.0)
    assert (figures["strict_precision"], figures["strict_recall"]) == (1.0, 0.5)
    assert figures["strict_f1"] == pytest.approx(2 / 3)
    assert figures["accuracy"] == 0.75
    assert counts.per_type() == {
        "A": dict.fromkeys(FIGURES, 1.0) | {"support": 1} | dict.fromkeys((f"strict_{name}" for name in FIGURES), 0.0)
        | {"strict_support": 1},
        "B": dict.fromkeys((*FIGURES, *(f"strict_{name}" for name in FIGURES)), 1.0)
        | {"support": 1, "strict_support": 1},
    }  # fmt: skip


def test_no_entity_at_all():
    counts = counted("IOB2", [["O", "O"]], [["O", "O"]])
    figures = counts.metrics()
    assert figures.pop("accuracy") == 1.0
    assert set(figures.values()) == {0.0}
    assert counts.per_type() == {}
    assert set(EntityCounts("IOB2").metrics().values()) == {0.0}


@pytest.mark.parametrize(("truth", "predicted"), [([["O"]], [["O", "O"]]), ([["O"]], [])])
def test_truth_and_prediction_have_one_length(truth: Sentences, predicted: Sentences):
    with pytest.raises(ValueError, match="zip"):
        counted("IOB2", truth, predicted)
