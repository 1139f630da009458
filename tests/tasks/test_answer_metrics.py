"""Figures of answers: by hand, as the official scripts of SQuAD 1.1, SQuAD 2.0 and CMRC 2018 give them."""

import itertools
import math
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertwright.tasks.answer_metrics import AnswerScores, exact_match, f1, normalize_answer

THIRD = 100 / 3


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Quick\tBrown\nfox!", "quick brown fox"),
        ("a cat, an owl and the dog", "cat owl and dog"),
        ("theatre anthem banana", "theatre anthem banana"),  # articles are words
        ("U.S.", "us"),
        ("the-cat", "thecat"),  # punctuation goes first, so that no article is left there
        ("$5,000 (approx.)", "5000 approx"),
        ("“quoted”", "“quoted”"),  # only ASCII punctuation goes
        ("A", ""),
        ("!?", ""),
        ("", ""),
    ],
)
def test_normal_form(text: str, normal: str) -> None:
    assert normalize_answer(text) == normal


@pytest.mark.parametrize(
    ("prediction", "golds", "exact", "overlap"),
    [
        ("The Denver Broncos.", ["denver broncos"], 1, 1),
        ("Denver Broncos", ["Carolina Panthers", "the Denver Broncos"], 1, 1),
        ("Broncos", ["Denver Broncos", "Carolina Panthers"], 0, 2 / 3),
        ("the Denver Broncos of 2015", ["Denver Broncos"], 0, 2 * (2 / 4) * 1 / (2 / 4 + 1)),
        ("to be or not to be", ["to be"], 0, 2 * (2 / 6) * 1 / (2 / 6 + 1)),  # a token counts as often as in both
        ("Denver", ["Denver Denver"], 0, 2 / 3),
        ("Panthers", ["Denver Broncos"], 0, 0),
        ("", ["Denver Broncos"], 0, 0),
        ("the", ["Denver Broncos"], 0, 0),
        ("", [], 1, 1),
        ("an", [], 1, 1),  # normalisation leaves nothing
        ("Denver", [], 0, 0),
        ("the", ["a"], 1, 0),  # SQuAD 1.1: equal, but no token in common
    ],
)
def test_one_question(prediction: str, golds: list[str], exact: float, overlap: float) -> None:
    assert exact_match(prediction, golds) == exact
    assert f1(prediction, golds) == pytest.approx(overlap, abs=1e-15)


@pytest.mark.parametrize(
    ("prediction", "golds", "exact", "overlap"),
    [
        ("1963年。", ["1963年"], 1, 1),
        ("《范廷颂》", ["范廷颂"], 1, 1),
        ("被任为主教", ["任为主教"], 0, 2 * (4 / 5) / (4 / 5 + 1)),
        ("主教任为", ["任为主教"], 0, 2 / 4),  # the longest run is two long, though four characters are in common
        ("Windows 7系统", ["windows 系统"], 0, 2 * (2 / 4) * (2 / 3) / (2 / 4 + 2 / 3)),  # windows, 7, 系, 统
        ("iPhone 6s", ["iphone-6s"], 0, 0),  # a hyphen goes before words are told apart: iphone6s
        ("3.5米", ["3.5米"], 1, 1),
        ("3.5米", ["3米"], 0, 1 / 2),  # 3.5 is one token
        ("1,000元", ["1000元"], 0, 1 / 2),
        ("3.中国", ["中国"], 0, 2 * (2 / 4) / (2 / 4 + 1)),
        ("100%", ["100"], 0, 2 / 3),
        ("。", ["范廷颂"], 0, 0),
        ("", [], 1, 1),
    ],
)
def test_one_chinese_question(prediction: str, golds: list[str], exact: float, overlap: float) -> None:
    assert exact_match(prediction, golds, chinese=True) == exact
    assert f1(prediction, golds, chinese=True) == pytest.approx(overlap, abs=1e-15)


answers = st.text("ab ,.The中文年", max_size=8)


@given(answers, st.lists(answers, min_size=1, max_size=4), st.booleans())
def test_more_right_answers_never_lower_a_score(prediction: str, golds: list[str], chinese: bool) -> None:
    for score in (exact_match, f1):
        best = score(prediction, golds, chinese=chinese)
        assert best == max(score(prediction, [gold], chinese=chinese) for gold in golds)
        assert 0 <= score(prediction, golds[:1], chinese=chinese) <= best <= 1


@given(answers, answers, st.booleans())
def test_scores_do_not_depend_on_which_of_two_texts_is_predicted(one: str, two: str, chinese: bool) -> None:
    assert exact_match(one, [two], chinese=chinese) == exact_match(two, [one], chinese=chinese)
    assert f1(one, [two], chinese=chinese) == pytest.approx(f1(two, [one], chinese=chinese), abs=1e-15)


@given(answers, answers)
def test_the_longest_common_run_of_chinese_is_the_longest_of_all(one: str, two: str) -> None:
    first, second = ("".join(sign for sign in text if sign in "中文年") for text in (one, two))
    runs = [first[i:j] for i, j in itertools.combinations(range(len(first) + 1), 2) if first[i:j] in second]
    longest = max(map(len, runs), default=0)
    expected = 2 * longest / (len(first) + len(second)) if longest else 0.0
    assert f1(first, [second], chinese=True) == pytest.approx(expected, abs=1e-12)


# ---- many questions


def figures_of(
    golds: Mapping[str, Sequence[str]],
    predictions: Mapping[str, str],
    no_answer_probabilities: Mapping[str, float] | None = None,
    *,
    threshold: float = math.inf,
    chinese: bool = False,
) -> dict[str, float]:
    """As the official files are, by the id of the question; where any has no answer, the rules of SQuAD 2.0 hold."""
    probabilities = no_answer_probabilities or {}
    scores = AnswerScores(with_no_answer=not all(golds.values()), chinese=chinese)
    for key, answers in golds.items():
        scores.add(answers, predictions.get(key), probabilities.get(key))
    return scores.metrics(threshold=threshold)


def test_squad_1_a_question_without_prediction_counts_0() -> None:
    golds = {"1": ["the Broncos", "Denver Broncos"], "2": ["1066"], "3": ["Rollo"]}
    found = figures_of(golds, {"1": "Broncos!", "2": "in 1066", "other": "Rollo"})
    assert found == {
        "exact_match": pytest.approx(THIRD),
        "f1": pytest.approx((1 + 2 / 3) * THIRD),
        "total": 3,
    }


def test_squad_2_with_a_threshold() -> None:
    golds = {"1": ["Rollo"], "2": [], "3": ["1066", "in 1066"], "4": [], "5": ["Normandy"]}
    predictions = {"1": "Rollo", "2": "Rome", "3": "1066 AD", "4": "", "5": "Normandy"}
    # Of questions sorted by how probable no answer is: 1 (0.1), 3 (0.2), 2 (0.5), 5 (0.6), 4 (0.9).
    probabilities = {"1": 0.1, "2": 0.5, "3": 0.2, "4": 0.9, "5": 0.6}
    plain = figures_of(golds, predictions, probabilities)
    assert plain == pytest.approx(
        {
            "exact_match": 60,
            "f1": (1 + 0 + 2 / 3 + 1 + 1) * 20,
            "total": 5,
            "has_answer_exact_match": 2 * THIRD,
            "has_answer_f1": (1 + 2 / 3 + 1) * THIRD,
            "has_answer_total": 3,
            "no_answer_exact_match": 50,
            "no_answer_f1": 50,
            "no_answer_total": 2,
            "best_exact": 60,  # 2 of 5 with none answered, 3 after the first; never more
            "best_exact_threshold": 0.1,
            "best_f1": (2 + 1 + 2 / 3) * 20,  # 2 and 4 are right as long as they are not answered
            "best_f1_threshold": 0.2,
        }
    )
    at_best = figures_of(golds, predictions, probabilities, threshold=plain["best_f1_threshold"])
    assert at_best["f1"] == pytest.approx(plain["best_f1"])
    assert at_best["has_answer_f1"] == pytest.approx((1 + 2 / 3) * THIRD)
    assert at_best["no_answer_exact_match"] == 100


def test_best_where_nothing_should_be_answered_has_the_threshold_0() -> None:
    found = figures_of({"1": [], "2": ["x"]}, {"1": "a", "2": "b"}, {"1": 0.5, "2": 0.1})
    assert (found["best_exact"], found["best_exact_threshold"]) == (50, 0)


def test_without_probabilities_there_is_no_best() -> None:
    found = figures_of({"1": [], "2": ["x"]}, {"1": "", "2": "x"})
    assert found["exact_match"] == 100
    assert not [name for name in found if name.startswith("best")]
    assert "best_f1" not in figures_of({"1": [], "2": ["x"]}, {"1": "", "2": "x"}, {"1": 0.3})


def test_a_kind_of_question_that_does_not_occur_has_no_figures() -> None:
    scores = AnswerScores(with_no_answer=True)
    scores.add(["x"], "x", 0.1)
    assert set(scores.metrics()) == {
        *("exact_match", "f1", "total", "has_answer_exact_match", "has_answer_f1", "has_answer_total"),
        *("best_exact", "best_exact_threshold", "best_f1", "best_f1_threshold"),
    }
    assert AnswerScores().metrics() == {"exact_match": 0, "f1": 0, "total": 0}


def test_an_answer_of_which_nothing_is_left_counts_in_squad_1_and_not_in_2() -> None:
    one, two = AnswerScores(), AnswerScores(with_no_answer=True)
    for scores in (one, two):
        scores.add(["the", "the cat"], "a", 0.0)
        scores.add(["the"], "", 0.0)
    assert (one.exact_matches.values.tolist(), one.f1s.values.tolist()) == ([1, 1], [0, 0])
    assert (two.exact_matches.values.tolist(), two.f1s.values.tolist()) == ([0, 1], [0, 1])


def test_chinese_figures_and_a_question_without_prediction() -> None:
    golds = {"1": ["1963年", "在1963年"], "2": ["主教"]}
    assert figures_of(golds, {"1": "1963年。"}, chinese=True) == {"exact_match": 50, "f1": 50, "total": 2}


ALL = st.lists(
    st.tuples(st.lists(st.sampled_from(["x", "x y", "the z", "y y"]), max_size=2), st.sampled_from(["", "x", "y z"])),
    min_size=1,
    max_size=7,
)


@given(ALL, st.data())
def test_the_best_threshold_is_the_best_of_all(rows: list[tuple[list[str], str]], data: st.DataObject) -> None:
    values = data.draw(st.permutations([(place + 1) / 10 for place in range(len(rows))]))  # no two are equal
    scores = AnswerScores(with_no_answer=True)
    for (golds, prediction), value in zip(rows, values, strict=True):
        scores.add(golds, prediction, value)
    found = scores.metrics()
    at = [scores.metrics(threshold=threshold) for threshold in [0.0, *values]]
    for name, figure in (("best_exact", "exact_match"), ("best_f1", "f1")):
        assert found[name] == pytest.approx(max(figures[figure] for figures in at))
        assert scores.metrics(threshold=found[f"{name}_threshold"])[figure] == pytest.approx(found[name])
        assert found[name] >= found[figure] - 1e-9


@given(ALL, st.data())
def test_the_threshold_that_is_kept_gives_what_it_promises(
    rows: list[tuple[list[str], str]], data: st.DataObject
) -> None:
    """Also where probabilities are equal, and where they are next to each other, 0 or 1."""
    values = data.draw(
        st.lists(st.sampled_from([0.0, 0.1, 0.6, 1 - 2**-53, 1.0]), min_size=len(rows), max_size=len(rows))
    )
    scores = AnswerScores(with_no_answer=True)
    for (golds, prediction), value in zip(rows, values, strict=True):
        scores.add(golds, prediction, value)
    kept = scores.best_threshold()
    half_way = [sum(edges) / 2 for edges in itertools.pairwise(sorted({0.0, *values, 1.0}))]
    at = [scores.metrics(threshold=threshold)["f1"] for threshold in [*half_way, 1.0]]
    assert scores.metrics(threshold=kept)["f1"] == pytest.approx(max(at))
    below, above = ([value for value in values if (value > kept) == side] for side in (False, True))
    assert kept == (max(below, default=0.0) + min(above, default=1.0)) / 2


def test_which_answers_are_right() -> None:
    scores = AnswerScores(with_no_answer=True)
    for gold, predicted, silence in (
        (["UCLA"], "the UCLA", 0.1),
        (["UCLA"], "UCLA", 0.9),
        ([], "x", 0.9),
        ([], "x", 0),
    ):
        scores.add(gold, predicted, silence)
    assert scores.right(0.5).tolist() == [True, False, True, False]
