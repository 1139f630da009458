"""What users wrote is shown escaped, cut and on one line."""

from pathlib import Path

from bertwright.text.complaints import all_shown, bare, counted, counted_are, did_you_mean, one_line, place, shown


def test_texts_are_escaped_and_cut() -> None:
    assert shown("it's 好\n\x1b[0m\u202e\ud800") == '"it\'s 好\\n\\x1b[0m\\u202e\\ud800"'
    assert shown("x" * 60) == repr("x" * 60)
    assert shown("x" * 61) == repr("x" * 60) + "…"
    assert all_shown(["a"] * 31) == ", ".join(["'a'"] * 30) + ", … (31 in all)"


def test_places_and_foreign_errors_are_one_printable_line() -> None:
    assert place(Path("a b.csv"), 3) == "a b.csv:3"
    assert place(Path("a\nb.csv"), 3) == "'a\\nb.csv':3"
    assert one_line(OSError("don't\n know")) == "don't know"
    assert one_line(OSError("type \x0e")) == "'type \\x0e'"


def test_a_number_goes_with_its_noun_and_its_verb() -> None:
    assert [counted(number, "row") for number in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]
    assert [counted_are(number, "row") for number in (0, 1, 2)] == ["0 rows are", "1 row is", "2 rows are"]


def test_labels_that_differ_in_form_alone_are_one() -> None:
    assert {bare(label) for label in ("not-good", "Not good", "not_good", " NOT  GOOD")} == {"notgood"}
    assert {bare(label) for label in ("1", "1.0", "+1", "01", "1\u200b")} == {"1.0"}
    for one, other in (("A", "A-"), ("-", "--"), ("1", "-1"), ("+", "-"), ("_x", "x"), ("C", "C++")):
        assert bare(one) != bare(other)


def test_did_you_mean_is_silent_when_nothing_is_close() -> None:
    assert did_you_mean("LABLE", ["text", "Label"]) == "; did you mean 'Label'?"
    assert did_you_mean("zzz", ["text", "Label"]) == ""
