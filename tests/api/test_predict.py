"""`predict` and `load(...).predict` from end to end: every text gets its answer, in its order, whatever it holds."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small import json_lines, rows, write_csv

import bertwright
from bertwright.api.training_run import Trained
from bertwright.errors import BertwrightError, DataError, ModelFolderError, UsageError

EXACT = {"precision": "fp32", "device": "cpu", "quiet": True}
ODD = [
    "the cat",
    "",
    "   ",
    "[SEP] dog [MASK] [PAD] [CLS] [UNK]",
    "猫 und Ёж 🦔 \u202e abc",
    'a "quoted" \\ cat',
    "\u2028 line \x85 separators \x0b are no line ends",
    "old " * 30 + "cat",
    "x" * 5000,
    "oak",
]


def predicted(tuned: Trained, source: Path, tmp_path: Path, **changed: Any) -> list[dict[str, Any]]:
    output = tmp_path / "predictions.jsonl"
    given = {"model": str(tuned.folder), "input": str(source), "output": str(output), **EXACT}
    answer = bertwright.predict(**given | changed)
    lines = json_lines(output)
    assert answer.texts == len(lines)
    assert answer.truncated == sum(bool(line["truncated"]) for line in lines)
    return lines


def test_each_text_has_its_line_in_order_and_as_in_memory(tuned: Trained, tmp_path: Path) -> None:
    source = tmp_path / "texts.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in ODD))
    lines = predicted(tuned, source, tmp_path)
    assert [line["text"] for line in lines] == ODD
    cut = [place for place, line in enumerate(lines) if line["truncated"]]
    assert cut == [3, 7], "a typed [SEP] is three tokens of plain text"
    for line in lines:
        assert list(line) == ["line", "text", "label", "score", "scores", "truncated"]
        assert sum(line["scores"].values()) == pytest.approx(1)
        assert line["score"] == line["scores"][line["label"]] == max(line["scores"].values())
    predictor = bertwright.load(tuned.folder, precision="fp32", device="cpu")
    inside = [prediction.to_dict() for prediction in predictor.predict(ODD)]
    assert [{"line": number, **answer} for number, answer in enumerate(inside, 1)] == lines


def test_special_tokens_that_somebody_typed_are_plain_text(tuned: Trained) -> None:
    predictor = bertwright.load(tuned.folder, precision="fp32", device="cpu")
    typed, marked, bracketed = predictor.predict(["a [SEP] cat", "a zzz cat", "a [ sep ] cat"])
    assert typed.scores == pytest.approx(bracketed.scores, abs=1e-6)
    assert typed.scores != pytest.approx(marked.scores, abs=1e-6)


def test_one_text_may_be_given_without_a_list(tuned: Trained) -> None:
    predictor = bertwright.load(str(tuned.folder), precision="fp32", device="cpu")
    (alone,) = predictor.predict("the cat")
    assert alone.scores == pytest.approx(predictor.predict(["oak", "the cat"])[1].scores, abs=1e-5)
    assert predictor.predict([]) == []
    with pytest.raises(UsageError, match=r"^2 texts but 1 pairs: each text needs its own$"):
        predictor.predict(["a", "b"], ["c"])


@pytest.mark.parametrize("batch_tokens", [1, 37, 100_000])
def test_how_many_are_computed_at_a_time_changes_nothing(
    batch_tokens: int, tuned: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "texts.txt"
    source.write_text("\n".join(row["text"] for row in rows(60, seed=9)) + "\n")
    expected = predicted(tuned, source, tmp_path)
    monkeypatch.setattr("bertwright.evaluation.inference.chunks.__defaults__", (7,))
    found = predicted(tuned, source, tmp_path, batch_tokens=batch_tokens)
    assert [line["text"] for line in found] == [line["text"] for line in expected]
    for one, other in zip(found, expected, strict=True):
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-5)


def of_pairs(tuned: Trained, folder: Path, pairs: bool | None) -> Path:
    """The same model, but that it learned from pairs, or that nobody knows."""
    shutil.copytree(tuned.folder, folder, ignore=shutil.ignore_patterns("run"))
    config = json.loads((folder / "config.json").read_text())
    assert config["bertwright"]["pairs"] is False
    config["bertwright"]["pairs"] = pairs
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("known", [True, None])
def test_pairs_and_files_without_a_header(known: bool | None, tuned: Trained, tmp_path: Path) -> None:
    model = of_pairs(tuned, tmp_path / "pairs", known)
    source = tmp_path / "pairs.tsv"
    source.write_text("1\tthe cat\tan old saw\n2\toak\tfern\n")
    named = {"columns": ("_", "one", "two"), "text_column": "one", "text_pair_column": "two"}
    lines = predicted(tuned, source, tmp_path, model=str(model), **named)
    assert [(line["text"], line["text_pair"]) for line in lines] == [("the cat", "an old saw"), ("oak", "fern")]
    predictor = bertwright.load(model, precision="fp32", device="cpu")
    assert predictor.predict(["the cat", "oak"], ["an old saw", "fern"])[0].scores == lines[0]["scores"]
    (pair,) = predictor.predict("the cat", "an old saw")
    assert pair.text_pair == "an old saw"
    assert pair.to_dict() == {name: value for name, value in lines[0].items() if name != "line"}


def test_pairs_are_for_models_of_pairs_alone(tuned: Trained, tmp_path: Path) -> None:
    """And single texts for those of single texts: what is answered to the others looks like an answer."""
    source = tmp_path / "pairs.csv"
    source.write_text("text,text_pair\nthe cat,an oak\n")
    with pytest.raises(DataError) as raised:
        predicted(tuned, source, tmp_path)
    found = "pairs of texts, but the model is of single ones: name its column (--text-column)"
    assert str(raised.value) == f"{source}: {found}"
    assert [line["text"] for line in predicted(tuned, source, tmp_path, text_column="text")] == ["the cat"]
    model = of_pairs(tuned, tmp_path / "pairs", pairs=True)
    with pytest.raises(DataError) as raised:
        predicted(tuned, source, tmp_path, model=str(model), text_column="text")
    found = "single texts, but the model is of pairs: give the second ones as well"
    ways = "columns by --text-column and --text-pair-column, JSON lines with text and text_pair, or predict(texts, "
    ways += "pairs)"
    assert str(raised.value) == f"{source}: {found} ({ways})"
    for given in (["the cat"], [("the cat", "an oak")]):
        with pytest.raises(DataError, match=f"^memory: {found}"):
            bertwright.load(model, device="cpu").predict(given)
    with pytest.raises(ModelFolderError, match=r"config\.json: pairs should be true or false, not 'yes'$"):
        bertwright.load(of_pairs(tuned, tmp_path / "odd", "yes"), device="cpu")  # type: ignore[arg-type]


@pytest.mark.parametrize("known", [True, False])
def test_each_text_needs_its_own_pair(known: bool, tuned: Trained, tmp_path: Path) -> None:
    """Rows are judged by the first one."""
    predictor = bertwright.load(of_pairs(tuned, tmp_path / "model", known), device="cpu")
    with pytest.raises(UsageError, match=r"^pair 1 \(counted from 0\) is None: each text needs its own$"):
        predictor.predict(["the cat", "oak"], ["fern", None])


def test_a_pair_without_its_second_text_is_told(
    tuned: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "pairs.jsonl"
    pairs = [{"text": "the cat", "text_pair": second} for second in ("an oak", None, " ")]
    source.write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    model = str(of_pairs(tuned, tmp_path / "model", pairs=True))
    assert len(predicted(tuned, source, tmp_path, model=model)) == 3
    assert capsys.readouterr().err == (
        f"warning: {source}: 2 of 3 rows lack a text of theirs: what is answered is to the rest\n"
    )


def test_windows_are_not_for_models_of_pairs(tuned: Trained, tmp_path: Path) -> None:
    folder = of_pairs(tuned, tmp_path / "model", pairs=True)
    config = json.loads((folder / "config.json").read_text())
    config["bertwright"]["long"] = {"way": "window", "stride": None, "pooling": "mean"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelFolderError, match=r"pairs is true, and windows over long texts are for single ones$"):
        bertwright.load(folder, device="cpu")


def test_labels_in_the_file_are_not_needed_and_not_read(tuned: Trained, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "labelled.csv", [row | {"label": "what"} for row in rows(5)])
    assert [line["text"] for line in predicted(tuned, source, tmp_path)] == [row["text"] for row in rows(5)]


def test_standard_input_and_output(tuned: Trained) -> None:
    """A process of its own, on a terminal that speaks ASCII alone: JSON is JSON there, too."""
    command = [sys.executable, "-m", "bertwright", "predict", "--model", str(tuned.folder), "--input", "-"]
    command += ["--precision", "fp32"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "ascii"}
    texts = ["the cat", "", "猫 é", '{"text": "not JSON lines"}']
    run = subprocess.run(command, input="\n".join(texts).encode(), capture_output=True, check=False, env=environment)
    assert run.returncode == 0, run.stderr
    assert [json.loads(line)["text"] for line in run.stdout.decode("ascii").splitlines()] == texts
    empty, unknown, answered = run.stderr.decode().splitlines()
    assert empty.startswith("warning: standard input: 1 of 4 texts is empty; ")
    assert unknown.startswith("warning: standard input: ")
    assert " of the tokens are [UNK], " in unknown
    assert answered == "4 texts answered"


def test_standard_input_of_json_lines(
    tuned: Trained, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = '{"text": "the cat\\nand old good new bad dog"}\n{"text": "猫"}\n'.encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    bertwright.predict(model=str(tuned.folder), input="-", **EXACT)
    out, err = capsys.readouterr()
    answers = [json.loads(line) for line in out.splitlines()]
    assert [(answer["line"], answer["text"]) for answer in answers] == [
        (1, "the cat\nand old good new bad dog"),
        (2, "猫"),
    ]
    assert "猫" in out
    assert err == ""


MEASURE = """
import resource, sys
import bertwright
bertwright.predict(model=sys.argv[1], input=sys.argv[2], output=sys.argv[3], precision="fp32", device="cpu")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is in kilobytes on Linux")
def test_memory_does_not_grow_with_the_number_of_rows(tuned: Trained, tmp_path: Path) -> None:
    peaks = {}
    for count in (5_000, 50_000):
        source = tmp_path / f"{count}.txt"
        source.write_text("the old cat\n" * count)
        run = subprocess.run(
            [sys.executable, "-c", MEASURE, str(tuned.folder), str(source), str(tmp_path / "out.jsonl")],
            capture_output=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            check=True,
        )
        peaks[count] = int(run.stdout) / 1024
        with (tmp_path / "out.jsonl").open() as file:
            assert sum(1 for _ in file) == count
    # 45,000 more predictions held in memory would be 40 MiB and more.
    assert peaks[50_000] - peaks[5_000] < 15, peaks


# ---- what goes wrong


def test_an_error_in_the_middle_leaves_no_file_and_an_old_one_as_it_was(tuned: Trained, tmp_path: Path) -> None:
    source = tmp_path / "texts.jsonl"
    source.write_text('{"text": "the cat"}\n{"txt": "the dog"}\n')
    with pytest.raises(DataError, match=r"texts.jsonl:2: no key 'text' in .*--skip-bad-rows$"):
        predicted(tuned, source, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["texts.jsonl"]
    (tmp_path / "predictions.jsonl").write_text("old")
    with pytest.raises(DataError):
        predicted(tuned, source, tmp_path)
    assert (tmp_path / "predictions.jsonl").read_text() == "old"


def test_bad_rows_are_skipped_counted_and_kept(
    tuned: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "texts.jsonl"
    source.write_text('{"text": "the cat"}\n{"txt": "the dog"}\n{"text": "oak"}\n')
    lines = predicted(tuned, source, tmp_path, skip_bad_rows=True)
    assert [(line["line"], line["text"]) for line in lines] == [(1, "the cat"), (3, "oak")]
    quarantine = tmp_path / "predictions.bad_rows.jsonl"
    expected = f"warning: {source}: 3 rows read = 2 kept + 1 skipped (in {quarantine})\n"
    assert capsys.readouterr().err == expected
    assert [line["line"] for line in json_lines(quarantine)] == [2]


def test_cut_texts_are_told(tuned: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "texts.txt"
    source.write_text("old " * 14 + "\n" + "old " * 15 + "\n")
    assert [line["truncated"] for line in predicted(tuned, source, tmp_path)] == [False, True]
    assert capsys.readouterr().err == (f"warning: {source}: 1 of 2 texts is longer than 16 tokens and loses its end\n")


def test_nothing_and_what_the_model_has_no_words_for_are_told(
    tuned: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are answered all the same: a row out for every row in."""
    source = tmp_path / "texts.txt"
    source.write_text("old cat\n\nquagga okapi\n")
    assert len(predicted(tuned, source, tmp_path)) == 3
    assert capsys.readouterr().err == (
        f"warning: {source}: 1 of 3 texts is empty; what is answered to nothing means nothing\n"
        f"warning: {source}: 50% of the tokens are [UNK], which all look the same to the model: is its vocabulary of "
        "the language of these texts?\n"
    )


@pytest.mark.parametrize(
    ("changed", "content", "message"),
    [
        ({}, b"", r"texts.txt: there are no rows in it$"),
        ({}, b"caf\xe9\n", r"texts.txt:1: not UTF-8 but likely cp1252"),
        ({"label_columns": ("a",)}, b"a\n", "^label_columns is for multilabel, and the task is classification$"),
        ({"input": "none.txt"}, b"a\n", r"none.txt: no such file; check the path$"),
        ({"output": "no/such/place.jsonl"}, b"a\n", r"^cannot write \S+place.jsonl: No such file or directory"),
        ({"output": "texts.txt"}, b"a\n", r"^--output \S+texts.txt is the file of --input: choose another name$"),
        ({"output": "a.csv"}, b"a\n", r"^--output \S+a.csv: predictions are JSON lines: name it .jsonl"),
        ({"output": "a.parquet"}, b"a\n", r"^--output \S+a.parquet: predictions are JSON lines: name it .jsonl"),
        ({"max_length": 20}, b"a\n", r"^max_length = 20 is more than the model reads: it has 19 positions$"),
        ({"model": "no/such/model"}, b"a\n", r"^no model folder no/such/model"),
    ],
    ids=str,
)
def test_what_is_wrong_is_one_line(
    changed: dict[str, Any], content: bytes, message: str, tuned: Trained, tmp_path: Path
) -> None:
    (tmp_path / "texts.txt").write_bytes(content)
    given = {name: str(tmp_path / value) if name in ("input", "output") else value for name, value in changed.items()}
    with pytest.raises(BertwrightError, match=message):
        predicted(tuned, tmp_path / "texts.txt", tmp_path, **given)
    assert {path.name for path in tmp_path.iterdir()} == {"texts.txt"}
    assert (tmp_path / "texts.txt").read_bytes() == content
