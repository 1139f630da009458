"""`doctor` finds what is planted in copies of real data, and nothing in clean ones; its output, its exit code."""

import codecs
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import QUICK, Finetune, rows, write_bert, write_csv

import bertwright
from bertwright.cli import main
from bertwright.errors import DataError
from bertwright.model.config import BertConfig
from bertwright.model.folder import write_model_folder
from bertwright.model.heads import SequenceClassifier
from bertwright.settings import FinetuneSettings
from bertwright.tasks.checks.files import LabelledFiles
from bertwright.tasks.checks.finding import Finding
from bertwright.tasks.checks.labels import empty_labels, unseen_labels
from bertwright.tasks.checks.listed import all_findings
from bertwright.tasks.checks.of_rows import (
    endless_sentences,
    never_unanswered,
    numbers_elsewhere,
    one_sided_numbers,
)
from bertwright.tasks.checks.reading import Reading
from bertwright.tasks.checks.repeats import contradictions
from bertwright.tasks.classification import Classification
from bertwright.tasks.finetuning import Rows
from bertwright.tasks.multilabel import MultiLabel
from bertwright.tasks.questions import Questions
from bertwright.tasks.regression import Regression
from bertwright.tasks.tagging import Sentence, Tagging
from bertwright.text.lines import Lines
from bertwright.text.tables.answers import Answer
from bertwright.text.tables.conll import TAGS, WORDS, open_conll
from bertwright.text.tables.questions import QuestionRow
from bertwright.text.tables.texts import Row
from bertwright.text.wordpiece import WordPiece

Found = dict[str, dict[str, Any]]
NEEDED = {"model": "tiny", "train": "train.tsv", "output_dir": "out"}


# ---- planted in real data


@dataclass
class Copy:
    """A small copy of a real data set: rows of cells by role, and the model that is to learn them."""

    rows: dict[str, list[Any]]
    model: str = "uncased"


Plant = Callable[[Copy], list[str]]
"""Spoils a copy, and tells the rows of the finding: role and number, from 1; none where it is about no single rows."""


def sst2(folder: Path) -> Copy:
    """Text and label; nothing but the beginning of each file."""
    sizes = {"train": 400, "validation": 120, "test": 150}
    names = {"validation": "dev"}
    copied = {}
    for role, size in sizes.items():
        lines = (folder / "sst2" / f"{names.get(role, role)}.tsv").read_text().splitlines()
        copied[role] = [line.split("\t") for line in lines[:size]]
    return Copy(copied)


def in_two_files(copy: Copy) -> list[str]:
    copy.rows["test"][20:30] = [[f" {text.upper()}  ", label] for text, label in copy.rows["train"][:10]]
    return [f"test:{21 + n} = train:{1 + n}" for n in range(10)]


def in_validation_and_test(copy: Copy) -> list[str]:
    copy.rows["test"][:10] = copy.rows["validation"][40:50]
    return [f"test:{1 + n} = validation:{41 + n}" for n in range(10)]


def with_another_word(copy: Copy) -> list[str]:
    return [f"test:{1 + number} ~ train:{1 + place}" for number, place in _reworded(copy, "test", 0)]


def nearly_twice_in_one_file(copy: Copy) -> list[str]:
    return [f"train:{1 + number} ~ train:{1 + place}" for number, place in _reworded(copy, "train", 300)]


def _reworded(copy: Copy, role: str, begin: int) -> list[tuple[int, int]]:
    """Put ten long training rows into a file, with another word each."""
    long = [place for place, row in enumerate(copy.rows["train"]) if len(set(row[0].split())) > 18][:10]
    for number, place in enumerate(long, begin):
        text, label = copy.rows["train"][place]
        copy.rows[role][number] = [text.replace(text.split()[9], "quite", 1), label]
    return list(enumerate(long, begin))


def twice_in_one_file(copy: Copy) -> list[str]:
    copy.rows["train"][200:210] = copy.rows["train"][:10]
    return [f"train:{201 + n}" for n in range(10)]


def with_both_labels(copy: Copy) -> list[str]:
    copy.rows["train"][200:210] = [[text, str(1 - int(label))] for text, label in copy.rows["train"][:10]]
    return [f"train:{201 + n} ≠ train:{1 + n}" for n in range(10)]


def with_what_is_not_seen(copy: Copy) -> list[str]:
    for place in range(20):
        copy.rows["train"][place][1] += "\u200b"
    return [f"train:{1 + place}" for place in range(20)]


def spelt_in_two_ways(copy: Copy) -> list[str]:
    for part in copy.rows.values():
        part[:] = [[text, ("very bad", "good")[int(label)]] for text, label in part]
    places = [place for place in range(40) if copy.rows["train"][place][1] == "very bad"]
    for place in places:
        copy.rows["train"][place][1] = "Very_Bad"
    return [f"train:{1 + place}" for place in places]


def a_label_in_test_alone(copy: Copy) -> list[str]:
    copy.rows["test"][7][1] = "2"
    return ["test:8"]


def labels_of_another_file(copy: Copy) -> list[str]:
    for row in copy.rows["test"]:
        row[1] = "odd"
    return [f"test:{1 + n}" for n in range(5)]


def a_label_in_train_alone(copy: Copy) -> list[str]:
    copy.rows["test"] = [row for row in copy.rows["test"] if row[1] == "1"]
    return []


def a_rare_label(copy: Copy) -> list[str]:
    copy.rows["train"][11][1] = copy.rows["train"][97][1] = "2"
    return ["train:12", "train:98"]


def nearly_one_label(copy: Copy) -> list[str]:
    ones = [row for row in copy.rows["train"] if row[1] == "1"]
    copy.rows["train"] = ones + [row for row in copy.rows["train"] if row[1] == "0"][:8]
    return []


def hardly_a_text(copy: Copy) -> list[str]:
    copy.rows["train"][5][0] = copy.rows["train"][6][0] = "."
    return ["train:6", "train:7"]


def not_agreed(copy: Copy) -> list[str]:
    for place in range(7, 27):
        copy.rows["train"][place][1] = "-"
    return [f"train:{1 + place}" for place in range(7, 27)]


def minus_one(copy: Copy) -> list[str]:
    for place in range(6):
        copy.rows["train"][place][1] = "-1"
    return [f"train:{1 + place}" for place in range(6)]


def without_values(copy: Copy) -> list[str]:
    copy.rows["train"][5][0] = "NaN"
    for place in range(7, 27):
        copy.rows["train"][place][1] = "nan"
    return ["train:6", *(f"train:{1 + place}" for place in range(7, 27))]


def decoded_wrongly(copy: Copy) -> list[str]:
    for row in copy.rows["train"][10:20]:
        row[0] += " schön – so".encode().decode("cp1252")
    return [f"train:{11 + n}" for n in range(10)]


def too_long(copy: Copy) -> list[str]:
    whole = [row[0] for row in copy.rows["train"]]
    for place in range(0, 400, 10):
        copy.rows["train"][place][0] = " ".join(whole[place : place + 9])
    return [f"train:{1 + place}" for place in range(0, 400, 10)]


def of_another_script(copy: Copy) -> list[str]:
    for part in copy.rows.values():
        part[:] = [[re.sub("[a-z]", lambda found: chr(0x13A0 + ord(found[0])), text), label] for text, label in part]
    return []


def of_a_few_unknown_signs(copy: Copy) -> list[str]:
    for row in copy.rows["train"][::5]:
        row[0] += " 🤦 🤦 上嘢"  # the first of these two is in the vocabulary
    return []


def in_another_language(copy: Copy) -> list[str]:
    for part in copy.rows.values():
        part[:] = [[codecs.encode(text, "rot13"), label] for text, label in part]
    return []


def lower_case_for_a_cased_model(copy: Copy) -> list[str]:
    copy.model = "cased"
    return []


def capitals_for_lower_case_tokens(copy: Copy) -> list[str]:
    copy.model = "uncased-with-capitals"
    for part in copy.rows.values():
        part[:] = [[text.title(), label] for text, label in part]
    return []


def with_accents(copy: Copy) -> list[str]:
    for part in copy.rows.values():
        part[:] = [[text.replace("e", "é"), label] for text, label in part]
    return []


PLANTED: list[tuple[Plant, str, str, str]] = [
    (in_two_files, "shared-texts", "error", "test: 10 of 150 rows (6.7%) have a text that train has, too: the test"),
    (in_validation_and_test, "shared-texts", "warning", "test: 10 of 150 rows (6.7%) have a text that validation has"),
    (with_another_word, "nearly-shared-texts", "warning", "test: 9 of 150 rows (6.0%) have nearly the text of one in"),
    (
        nearly_twice_in_one_file,
        "nearly-repeated-texts",
        "warning",
        "train: 9 of 400 rows (2.2%) have nearly the text of an earlier row",
    ),
    (twice_in_one_file, "repeated-texts", "warning", "train: 10 of 400 rows (2.5%) repeat a text of an earlier row"),
    (
        with_both_labels,
        "contradictions",
        "warning",
        "10 of 670 rows (1.5%) have the text of an earlier row and",
    ),
    (
        spelt_in_two_ways,
        "look-alike-labels",
        "error",
        "labels that differ in form alone: 'very",
    ),
    (with_what_is_not_seen, "look-alike-labels", "error", "labels that differ in form alone: '0' (rows: "),
    (a_label_in_test_alone, "unseen-labels", "error", "test: 1 label that train does not have: '2'"),
    (labels_of_another_file, "unseen-labels", "error", "test: 1 label that train does not have: 'odd'"),
    (a_label_in_train_alone, "missing-labels", "warning", "test: 1 of 2 labels of train does not occur: '0'"),
    (a_rare_label, "rare-labels", "warning", "train: 1 of 3 labels occurs fewer than 5 times: '2'"),
    (nearly_one_label, "one-sided-labels", "warning", "have the label '1': to say it always has an accuracy of 0.96"),
    (hardly_a_text, "tiny-texts", "warning", "train: 2 of 400 rows (0.5%) have a text of no more than one character"),
    (not_agreed, "null-labels", "warning", "train: 20 of 400 rows (5.0%) have the label '-', which often says that"),
    (minus_one, "null-labels", "warning", "train: 6 of 400 rows (1.5%) have the label '-1', which often says that"),
    (
        without_values,
        "missing-values",
        "warning",
        "train: 21 of 400 rows (5.2%) have 'NaN' or the like for a text or a",
    ),
    (decoded_wrongly, "wrong-encoding", "warning", "train: 10 of 400 rows (2.5%) have signs of a wrong encoding, such"),
    (too_long, "cut-texts", "warning", "train: 40 of 400 texts (10.0%) are longer than 128 tokens and lose their end"),
    (of_another_script, "unknown-tokens", "error", "of the tokens are [UNK], such as "),
    (of_a_few_unknown_signs, "unknown-tokens", "warning", "2.73% of the tokens are [UNK], such as '🤦', '嘢'"),
    (in_another_language, "shredded-words", "warning", "train: a word between blanks is "),
    (lower_case_for_a_cased_model, "casing", "warning", "the model tells capitals apart, and 0.0% of the letters are"),
    (capitals_for_lower_case_tokens, "casing", "warning", "the vocabulary has no capitals, and the tokenizer leaves"),
    (with_accents, "lost-accents", "note", "words lose an accent, such as 'thé'"),
]
"""Seventeen faults and more, what finds each, and the beginning of what is said."""


@pytest.fixture(scope="module")
def models(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small models with the vocabularies of the published ones."""
    folder = tmp_path_factory.mktemp("models")
    for name, vocabulary in (("uncased", "uncased"), ("cased", "cased"), ("uncased-with-capitals", "uncased")):
        tokens = (data_dir / "vocab" / f"bert-base-{vocabulary}-vocab.txt").read_text().split("\n")[:-1]
        config = BertConfig(
            vocab_size=len(tokens),
            hidden_size=12,
            num_hidden_layers=3,
            num_attention_heads=2,
            intermediate_size=17,
            labels=("any",),
        )
        tokenizer = WordPiece.from_tokens(tokens, lowercase=name == "uncased")
        write_model_folder(folder / name, SequenceClassifier(config), config, tokenizer)
    return folder


@pytest.fixture
def examine(models: Path, tmp_path: Path) -> Callable[[Copy], list[Finding]]:
    """Writes a copy, and gives what all checks find in it; without the verb, which times a training besides."""

    def examine(copy: Copy) -> list[Finding]:
        paths = write(copy, tmp_path)
        settings = FinetuneSettings.create({**NEEDED, "columns": ["text", "label"]})
        tables = {role: Classification.table(path, settings, labelled=True) for role, path in paths.items()}
        rows = {role: Rows(paths[role], list(table.read())) for role, table in tables.items()}
        files = LabelledFiles(Classification.learn(rows["train"], settings), rows)
        return all_findings(Reading(files, tokenizer(models / copy.model), 128, 512))

    return examine


@cache
def tokenizer(folder: Path) -> WordPiece:
    return WordPiece.from_folder(folder)


def write(copy: Copy, folder: Path) -> dict[str, Path]:
    paths = {role: folder / f"{role}.tsv" for role in copy.rows}
    for role, part in copy.rows.items():
        paths[role].write_text("".join("\t".join(cells) + "\n" for cells in part), encoding="utf-8")
    return paths


def bad(found: list[Finding]) -> list[str]:
    return [finding.check for finding in found if finding.severity != "note"]


@pytest.mark.data
def test_nothing_is_found_in_clean_data(data_dir: Path, examine: Callable[[Copy], list[Finding]]) -> None:
    assert bad(examine(sst2(data_dir))) == []


@pytest.mark.data
@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted[0].__name__)
def test_each_planted_fault_is_found(
    planted: tuple[Plant, str, str, str], data_dir: Path, tmp_path: Path, examine: Callable[[Copy], list[Finding]]
) -> None:
    plant, check, severity, said = planted
    copy = sst2(data_dir)
    rows = plant(copy)
    all_found = examine(copy)
    (found,) = [found for found in all_found if found.check == check]
    assert found.severity == severity
    assert said in found.text
    assert found.advice
    if rows:
        assert list(found.rows) == [re.sub(r"(\w+):(\d+)", rf"{tmp_path}/\1.tsv:\2", row) for row in rows[:5]]
    by_it = {"unknown-tokens", "repeated-texts", "nearly-shared-texts", "missing-labels", "cut-texts"}
    assert set(bad(all_found)) - {check} <= by_it, "one fault, not many complaints"


@pytest.mark.data
@pytest.mark.parametrize("names", [("-", "+"), ("-1", "1")])
def test_what_is_one_of_two_labels_is_one(
    names: tuple[str, str], data_dir: Path, examine: Callable[[Copy], list[Finding]]
) -> None:
    copy = sst2(data_dir)
    for part in copy.rows.values():
        part[:] = [[text, names[int(label)]] for text, label in part]
    assert bad(examine(copy)) == []


def test_fifteen_faults_are_planted() -> None:
    assert len({(check, severity) for _, check, severity, _ in PLANTED}) >= 15


@pytest.mark.data
def test_signs_between_chinese_are_no_shredded_words(data_dir: Path, tmp_path: Path) -> None:
    """What stands between blanks and is not Chinese is `~~~~`, prices and the like: it says nothing of the language."""
    vocabulary = (data_dir / "vocab" / "bert-base-chinese-vocab.txt").read_text("utf-8").split("\n")[:-1]
    train = tmp_path / "train.tsv"
    reviews = (data_dir / "chnsenticorp" / "dev.tsv").read_text("utf-8").split("\n")[:60]
    train.write_text("\n".join([reviews[0], *(f"{row} ~~~~~~~~ 3000.00RMB" for row in reviews[1:])]), "utf-8")
    settings = FinetuneSettings.create({**NEEDED, "train": train})
    rows = Rows(train, list(Classification.table(train, settings, labelled=True).read()))
    files = LabelledFiles(Classification.learn(rows, settings), {"train": rows})
    found = all_findings(Reading(files, WordPiece.from_tokens(vocabulary), 512, 512))
    assert "shredded-words" not in {finding.check for finding in found}


@pytest.mark.data
def test_the_verb_on_real_data(
    data_dir: Path, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = sst2(data_dir)
    words = ["doctor", "--model", str(models / "uncased"), "--columns", "text", "label", "--quiet", "--json"]
    for role, path in write(copy, tmp_path).items():
        words += [f"--{role}", str(path)]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []
    copy.rows["test"][41:44] = copy.rows["train"][7:10]
    write(copy, tmp_path)
    assert main(words) == 1
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    assert found["text"] == (
        "test: 3 of 150 rows (2.0%) have a text that train has, too: the test figures would be too good"
    )
    assert found["rows"] == [f"{tmp_path}/test.tsv:{n + 42} = {tmp_path}/train.tsv:{n + 8}" for n in range(3)]


# ---- other tasks


def tagged(path: Path, sentences: list[tuple[list[str], list[str]]]) -> Path:
    blocks = ("".join(f"{word} {tag}\n" for word, tag in zip(*both, strict=True)) for both in sentences)
    path.write_text("\n".join(blocks))
    return path


@pytest.mark.data
def test_impossible_tags(data_dir: Path, models: Path, tmp_path: Path) -> None:
    real = data_dir / "conll2003" / "eng.testb"
    file = open_conll(real, Lines(real), word_column=None, tag_column=None, needs_tags=True)
    sentences = [record.values for record in islice(file.records((WORDS, TAGS)), 300)]
    clean = doctor(models, train=tagged(tmp_path / "clean.conll", sentences))
    assert "impossible-tags" not in clean
    for _, tags in [sentence for sentence in sentences if len(sentence[1]) > 1 and sentence[1][-2] == "O"][:60]:
        tags[-1] = "B-PER"  # IOB1 has it behind another I-PER alone
    found = doctor(models, train=tagged(tmp_path / "planted.conll", sentences))["impossible-tags"]
    assert found["severity"] == "error"
    assert found["text"].startswith("train: 60 of 300 rows (20.0%) have tags that cannot stand where they do")
    assert all(re.fullmatch(rf"{tmp_path / 'planted.conll'}:\d+", row) for row in found["rows"])


@pytest.mark.data
def test_files_of_pairs_and_of_single_texts(models: Path, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,text_pair,label\n" + "a cat,a dog,1\nan oak,a fern,0\n" * 20)
    (tmp_path / "test.csv").write_text("text,label\na cat,1\nan oak,2\n")
    with pytest.raises(
        DataError, match=r"^\S+test\.csv: single texts, but the training set \(\S+train\.csv\) is of pairs"
    ):
        doctor(models, **dict.fromkeys(("train", "validation"), tmp_path / "train.csv"), test=tmp_path / "test.csv")


@pytest.mark.data
def test_contexts_in_two_files_and_long_answers(data_dir: Path, models: Path, tmp_path: Path) -> None:
    articles = json.loads((data_dir / "squad" / "xquad.en.json").read_text())["data"]
    for article in articles:
        del article["paragraphs"][3:]
    (tmp_path / "train.json").write_text(json.dumps({"data": articles[:8]}))
    (tmp_path / "clean.json").write_text(json.dumps({"data": articles[8:12]}))
    files = {"train": tmp_path / "train.json", "validation": tmp_path / "clean.json"}
    assert "shared-contexts" not in doctor(models, **files)
    paragraphs = articles[8]["paragraphs"]
    moved = {**paragraphs[0], "qas": paragraphs[0]["qas"][:2]}
    paragraphs[0]["qas"] = paragraphs[0]["qas"][2:]
    moved["qas"][0]["answers"] = [{"text": moved["context"][:300], "answer_start": 0}]
    articles[0]["paragraphs"].append(moved)
    (tmp_path / "train.json").write_text(json.dumps({"data": articles[:8]}))
    (tmp_path / "clean.json").write_text(json.dumps({"data": articles[8:12]}))
    found = doctor(models, **files)
    assert found["shared-contexts"]["severity"] == "error"
    assert repr(paragraphs[0]["qas"][0]["id"]) in found["shared-contexts"]["rows"][0]
    assert found["long-answers"]["rows"] == [f"{tmp_path / 'train.json'}: question {moved['qas'][0]['id']!r}"]


@pytest.mark.data
def test_choices(data_dir: Path, models: Path, tmp_path: Path) -> None:
    dialogues = json.loads((data_dir / "dream" / "dev.json").read_text())[:40]
    train = tmp_path / "train.json"
    train.write_text(json.dumps(dialogues))
    assert not {"answers-in-one-place", "equal-choices"} & doctor(models, train=train).keys()
    for _, questions, _ in dialogues:
        for asked in questions:
            asked["choice"].sort(key=lambda text, asked=asked: text != asked["answer"])
    dialogues[3][1][0]["choice"][2] = dialogues[3][1][0]["choice"][1]
    train.write_text(json.dumps(dialogues))
    found = doctor(models, train=train)
    assert "the right choice is number 1" in found["answers-in-one-place"]["text"]
    assert len(found["equal-choices"]["rows"]) == 1


@pytest.mark.data
def test_numbers(data_dir: Path, models: Path, tmp_path: Path) -> None:
    lines = (data_dir / "stsb" / "dev.tsv").read_text().splitlines()[:300]
    flags = {"text_column": "sentence1", "text_pair_column": "sentence2"}
    files = {"train": tmp_path / "train.tsv", "validation": tmp_path / "dev.tsv"}
    files["train"].write_text("\n".join(lines[:200]))
    files["validation"].write_text("\n".join([lines[0], *lines[200:]]))
    assert not {"far-numbers", "equal-numbers"} & doctor(models, **files, **flags).keys()
    planted = [*lines[:50], lines[50].rpartition("\t")[0] + "\t480.5", *lines[51:200]]
    files["train"].write_text("\n".join(planted))
    files["validation"].write_text("\n".join([lines[0], *(line.rpartition("\t")[0] + "\t3.0" for line in lines[200:])]))
    found = doctor(models, **files, **flags)
    assert found["far-numbers"]["rows"] == [f"{files['train']}:51"]
    assert found["equal-numbers"]["severity"] == "error"


@pytest.mark.parametrize(("scale", "told"), [(1.0, False), (0.2, True), (10.0, True)])
def test_numbers_on_another_scale(scale: float, told: bool) -> None:
    numbers = {"train": np.linspace(0, 5, 50), "validation": scale * np.linspace(0.3, 5, 30)}
    rows = {
        role: Rows(
            Path(f"{role}.csv"), [Row(f"text {n}", None, value, n) for n, value in enumerate(values.tolist(), 1)]
        )
        for role, values in numbers.items()
    }
    found = list(numbers_elsewhere(LabelledFiles(Regression(), rows)))
    assert len(found) == told
    if told:
        assert found[0].text == (
            f"validation: the numbers have a mean of {2.65 * scale:.3g}, those of train one of 2.5 (standard deviation "
            "1.47)"
        )


def test_a_sentence_without_an_end() -> None:
    made = [Sentence("a " * words, tuple((2 * n, 2 * n + 1) for n in range(words)), None, 1) for words in (9, 1001)]
    (found,) = endless_sentences(LabelledFiles(Tagging(("PER",)), {"train": Rows(Path("t.conll"), made)}))
    assert found.text == "train: 1 of 2 rows (50.0%) has more than 1000 words"


@pytest.mark.parametrize(("learned", "told"), [((True, True), 1), ((True, False), 0)])
def test_questions_without_an_answer_that_train_does_not_have(learned: tuple[bool, ...], told: int) -> None:
    rows = {
        role: Rows(Path(f"{role}.jsonl"), [asked(role, line, answered) for line, answered in enumerate(each, 1)])
        for role, each in {"train": learned, "test": (True, False, False)}.items()
    }
    found = [str(finding) for finding in never_unanswered(LabelledFiles(Questions(), rows))]
    assert found == told * [
        "test: 2 of 3 rows (66.7%) have no answer, and in train each has one (test.jsonl:2 'test 2', test.jsonl:3 "
        "'test 3'); the model will always give one, and be wrong there: add such questions to train, or take these out"
    ]


def asked(role: str, line: int, answered: bool) -> QuestionRow:
    return QuestionRow(f"{role} {line}", "who?", "the dog", (Answer("dog", 4),) * answered, line)


def test_columns_of_labels_that_no_row_says_yes_to() -> None:
    files = LabelledFiles(MultiLabel(("awe", "joy")), {"train": Rows(Path("a.csv"), [Row("x", None, ("joy",), 1)])})
    assert [str(finding) for finding in empty_labels(files)] == [
        "train: 1 of 2 labels occurs in no row: 'awe'; the model has them and can hardly learn to give them: add rows, "
        "or leave them out of --label-columns"
    ]


def test_labels_that_most_rows_have_and_train_does_not() -> None:
    """A slip is to be corrected; where nothing fits, another column was taken."""
    train = Rows(Path("a.csv"), [Row("x", None, "good", 1), Row("y", None, "bad", 2)])
    advice = []
    for labels in (("good", "bad", "good", "godo"), ("x", "y", "good")):
        test = Rows(Path("b.csv"), [Row("z", None, label, line) for line, label in enumerate(labels, 1)])
        (found,) = unseen_labels(LabelledFiles(Classification(("bad", "good")), {"train": train, "test": test}))
        advice.append(found.advice)
    assert advice == [
        "no model can give them: correct them, or add such rows to the training file",
        "most rows have such: is it the right --label-column, and are labels written alike in both files?",
    ]


@pytest.mark.parametrize(("same", "told"), [(19, 1), (17, 0), (20, 0)])
def test_one_number_for_nearly_all(same: int, told: int) -> None:
    texts = [Row(f"text {place}", None, 3.5 if place < same else place / 10, place + 1) for place in range(20)]
    found = list(one_sided_numbers(LabelledFiles(Regression(), {"train": Rows(Path("n.csv"), texts)})))
    assert [str(finding) for finding in found] == told * [
        "train: 19 of 20 rows (95.0%) have the number 3.5: to say it always has a mean absolute error of 0.08; "
        "correlations are of the few others: does it stand where a number is missing? Then take these rows out"
    ]


def test_a_part_that_lacks_many_labels_is_told_of(
    inputs: Path, finetune: Finetune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = rows(61)
    for place, row in enumerate(made):
        row["label"] = f"kind {place % 20}"
    train = write_csv(tmp_path / "train.csv", made)
    words = ["doctor", "--model", str(inputs / "model"), "--train", str(train), "--max-length", "16"]
    assert main(words) == 0
    told = re.compile(
        r"validation: 14 of 20 labels of train do not occur: ('kind \d+'(, )?){14}(; |\n    → )nothing will be "
        "known of how well they are told, and macro averages tell little: hold out more rows\n"
    )
    assert told.search(capsys.readouterr().out)
    finetune(train=train, validation=None)
    assert told.search(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("task", "labels", "rows", "other"),
    [
        # of a scale from 1 to 5: one step is what two people may differ by
        (Regression(), [1.0, 5.0, 4.0, 4.2, 3.0, 2.75], ["p.csv:6 ≠ p.csv:3"], "a number that is more than 1 away"),
        (MultiLabel(("a", "b")), [("b",), (), ("a",), ("a", "b"), ("b",)], ["p.csv:5 ≠ p.csv:3"], "another label"),
        (MultiLabel(("a", "b")), [("b",), ("a",), (), ("b",), ()], ["p.csv:4 ≠ p.csv:3"], "another label"),
    ],
)
def test_what_two_people_may_differ_by_is_no_contradiction(
    task: Any, labels: list[Any], rows: list[str], other: str
) -> None:
    """The first two rows stand alone, the others have one text."""
    texts = ["one", "two", *["the same"] * (len(labels) - 2)]
    made = [Row(text, None, label, line) for line, (text, label) in enumerate(zip(texts, labels, strict=True), 1)]
    (found,) = contradictions(LabelledFiles(task, {"train": Rows(Path("p.csv"), made)}))
    assert list(found.rows) == rows
    assert found.text.endswith(f" {'has' if len(rows) == 1 else 'have'} the text of an earlier row and {other}")


def doctor(models: Path, **given: Any) -> Found:
    """The findings by the names of their checks."""
    diagnosis = bertwright.doctor(model=str(models / "uncased"), device="cpu", quiet=True, **given)
    return {finding.check: finding.to_dict() for finding in diagnosis.findings}


# ---- what it says, and how


@pytest.fixture
def small(inputs: Path) -> list[str]:
    files = {"train": "train.csv", "validation": "dev.csv", "test": "test.csv"}
    return [
        "doctor", "--model", str(inputs / "model"), "--max-length", "16", "--device", "cpu",
        *(part for role, name in files.items() for part in (f"--{role}", str(inputs / name))),
    ]  # fmt: skip


def test_the_report_is_on_standard_output_and_ends_with_a_count(
    small: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(small) == 0
    out, err = capsys.readouterr()
    assert out.startswith("task: classification\n")
    assert "train: 61 texts (" in out
    assert "tokens of a row, from " in out
    assert "training, estimated from a few timed steps on CPU with " in out
    assert "\x1b" not in out
    assert "timing a few steps\n" in err
    assert re.fullmatch(r"nothing found|\d+ (errors?|warnings?|notes?)(, .*)?", out.splitlines()[-1])


def test_the_json_has_everything(small: list[str], inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*small, "--json", "--epochs", "2", "--batch-size", "8"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said.keys() == {"task", "origins", "max_length", "files", "findings", "lengths", "estimate", "exit_code"}
    assert said["files"].keys() == {"train", "validation", "test"}
    assert said["files"]["test"]["path"] == str(inputs / "test.csv")
    assert (said["files"]["test"]["read"], said["files"]["test"]["kept"]) == (31, 31)
    assert sum(said["lengths"]["counts"]) == 61
    assert len(said["lengths"]["edges"]) == len(said["lengths"]["counts"]) + 1
    assert said["estimate"]["steps"] == 2 * 8
    for found in said["findings"]:
        assert found.keys() == {"severity", "check", "text", "advice", "rows", "role"}


def test_the_function_returns_what_the_command_prints(
    small: list[str], inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([*small, "--json"])
    said = json.loads(capsys.readouterr().out)
    files = {"train": inputs / "train.csv", "validation": inputs / "dev.csv", "test": inputs / "test.csv"}
    found = bertwright.doctor(model=str(inputs / "model"), max_length=16, device="cpu", **files)
    assert [finding.to_dict() for finding in found.findings] == said["findings"]
    assert found.exit_code == said["exit_code"]


def test_it_writes_nothing_unless_asked(small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    state = torch.get_rng_state()
    main(small)
    assert list(tmp_path.iterdir()) == []
    assert torch.equal(torch.get_rng_state(), state), "nor does it draw from the caller's random numbers"


def test_what_it_found_is_kept_where_finetune_goes_on(
    small: list[str], finetune: Finetune, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*small, "--output-dir", str(tmp_path / "out"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    kept = tmp_path / "out" / "run" / "doctor.json"
    assert json.loads(kept.read_text()) == said
    assert {path.name for path in kept.parent.iterdir()} == {"doctor.json"}
    finetune()
    assert json.loads(kept.read_text()) == said


def test_what_was_mended_since_is_not_in_the_report(finetune: Finetune, inputs: Path, tmp_path: Path) -> None:
    test, train = tmp_path / "test.csv", rows(61, seed=0)
    write_csv(test, [*rows(31, seed=2), *train[:5]])
    asked = {"model": str(inputs / "model"), "train": inputs / "train.csv", "max_length": 16}
    found = bertwright.doctor(**asked, test=test, output_dir=tmp_path / "out", device="cpu", quiet=True)
    (shared,) = [finding for finding in found.findings if finding.check == "shared-texts"]
    assert (shared.severity, shared.role) == ("error", "test")
    write_csv(test, rows(31, seed=2))
    finetune(validation=None, test=test)
    run = tmp_path / "out" / "run"
    assert shared.text in (run / "doctor.json").read_text()
    assert "have a text that train has" not in (run / "report.html").read_text()


@pytest.mark.parametrize("name", ["train.csv", "copy.csv"])
def test_the_same_file_twice_is_an_error(
    name: str, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = tmp_path / "train.csv", tmp_path / name
    for path in (train, test):
        path.write_bytes((inputs / "train.csv").read_bytes())
    words = ["doctor", "--model", str(inputs / "model"), "--train", str(train), "--test", str(test)]
    assert main([*words, "--max-length", "16"]) == 1
    out = capsys.readouterr().out
    assert (
        f" error  test: {test} is the file of train, or a copy of it or of some of its rows: the test figures would be "
        "too good\n    → give a file of other rows with --test, or leave it out\n"
    ) in out
    assert "a text that train has" not in out


def test_the_same_file_for_validation_and_test_is_said_once(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {"train": inputs / "train.csv", "validation": inputs / "dev.csv", "test": inputs / "dev.csv"}
    found = bertwright.doctor(model=str(inputs / "model"), max_length=16, device="cpu", **files)
    (same,) = [finding for finding in found.findings if "file" in finding.check]
    assert (same.severity, same.role) == ("warning", "test")
    assert str(same).startswith(f"test: {files['test']} is the file of validation, or a copy of it or of some of its ")
    assert not [finding for finding in found.findings if "that validation has" in finding.text]


def test_a_file_that_begins_as_another_one_is_no_copy_of_it(inputs: Path, tmp_path: Path) -> None:
    train = rows(61, seed=0)
    test = write_csv(tmp_path / "test.csv", [*train, *rows(61, seed=2)])
    asked = {"model": str(inputs / "model"), "train": write_csv(tmp_path / "train.csv", train), "max_length": 16}
    found = {finding.check: finding for finding in bertwright.doctor(**asked, test=test, device="cpu").findings}
    assert "same-file" not in found
    shared = int(found["shared-texts"].text.split()[1])
    assert shared >= 61
    assert found["shared-texts"].text.startswith(f"test: {shared} of 122 rows ({shared / 122:.1%}) have a text that tr")


def test_what_cannot_be_read_is_one_line(inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text("text,label\ncat,1\ndog,2\nhen\n" + "".join(f"{'cat ' * n}dog,{n % 2 + 1}\n" for n in range(10)))
    words = ["doctor", "--model", str(inputs / "model"), "--train", str(bad), "--max-length", "16", "--quiet"]
    assert main(words) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert f"{bad}:4: " in err
    assert main([*words, "--skip-bad-rows"]) == 0
    assert "bad.csv: 1 of 13 rows cannot be used" in capsys.readouterr().out


def test_no_split_is_announced_where_nothing_is_trained(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--model", str(inputs / "model"), "--train", str(inputs / "train.csv"), "--max-length", "16"]
    assert main(["doctor", *words]) == 0
    assert "split off" not in capsys.readouterr().err


def test_too_few_rows_for_a_validation_set_are_said_as_by_finetune(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "few.csv"
    few.write_text("text,label\ncat,1\ndog,2\n")
    words = ["doctor", "--model", str(inputs / "model"), "--train", str(few), "--max-length", "16", "--quiet"]
    assert main(words) == 1
    assert "2 rows are too few to split off a validation set of 10%" in capsys.readouterr().err


def test_too_few_rows_for_the_folds_are_said_as_by_finetune(
    small: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*small, "--folds", "500", "--quiet"]) == 1
    assert capsys.readouterr().err.endswith("61 different rows are too few for 500 folds\n")


def test_hostile_texts_do_not_drive_the_terminal(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b]0;gone\x07\x9b31m\u202e"
    made = [{"text": f"{word} {evil} {place}", "label": f"[red]{evil}{place % 2}"} for place in range(20)
            for word in ("cat", "dog")]  # fmt: skip
    made += [{"text": f"x{place}", "label": f"[RED]{evil}1"} for place in range(4)]
    train = write_csv(tmp_path / f"a{evil}.csv", made)
    words = ["doctor", "--model", str(inputs / "model"), "--train", str(train), "--max-length", "16"]
    for flags in ([], ["--json"]):
        assert main([*words, *flags]) == 1
        out, err = capsys.readouterr()
        assert all(sign.isprintable() or sign == "\n" for sign in out + err)
        assert "[red]" in out, "no markup is read out of a label"
        assert "look-alike-labels" in out or "differ in form" in out


# ---- in front of every fine-tuning


def test_finetune_warns_of_the_worst_and_goes_on(
    finetune: Finetune, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = write_csv(tmp_path / "test.csv", [*rows(31, seed=2), *rows(61, seed=0)[:2]])
    finetune(test=test)
    warned = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: test: ")]
    assert warned[0].startswith("warning: test: 2 of 33 rows (6.1%) have a text that train has, too: ")
    assert f"({test}:33 = {inputs / 'train.csv'}:2, {test}:34 = {inputs / 'train.csv'}:3)" in warned[0]


def test_the_training_file_as_test_file_is_said_in_one_line_although_a_part_of_it_is_split_off(
    finetune: Finetune, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finetune(validation=None, test=inputs / "train.csv")
    err = capsys.readouterr().err
    (warned,) = [line for line in err.splitlines() if line.startswith("warning: test: ") and "train" in line]
    assert warned == (
        f"warning: test: {inputs / 'train.csv'} is the file of train, or a copy of it or of some of its rows: the test "
        "figures would be too good; give a file of other rows with --test, or leave it out"
    )


def test_what_finetune_found_is_kept_and_said_once(
    finetune: Finetune, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said() -> list[str]:
        return [line for line in capsys.readouterr().err.splitlines() if " is the file of train, or a copy" in line]

    run, train = tmp_path / "out" / "run", tmp_path / "train.csv"
    train.write_text((inputs / "train.csv").read_text() + "".join(f"the {n} old,stone\n" for n in ("a", "b", "c")))
    given = {"train": train, "test": inputs / "train.csv", "max_steps": 2}
    finetune(**given)
    kept = json.loads((run / "findings.json").read_text())
    found = kept["findings"]
    err = capsys.readouterr().err
    assert [entry["severity"] for entry in found] == ["error", "warning", "note", "note"]
    assert [entry["text"] in err for entry in found] == [True, True, False, False], "notes are for the file alone"
    assert all(entry.keys() == {"severity", "check", "text", "advice", "rows", "role"} for entry in found)
    (run / "finished.json").unlink()
    finetune(**given)
    assert said() == []
    assert json.loads((run / "findings.json").read_text()) == kept
    assert kept["files"]["train"]["labels"]["stone"] == 3
    (run / "findings.json").write_text("[")
    (run / "finished.json").unlink()
    finetune(**given)
    assert len(said()) == 1, "of a damaged file nothing is known"
    finetune(**given, overwrite=True)
    assert len(said()) == 1, "a new run says it anew"


def test_finetune_is_silent_on_clean_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = {" ".join(sorted(row["text"].split())): row for row in rows(200) if len(row["text"].split()) > 5}
    clean = list(made.values())
    files = {"train": clean[:60], "validation": clean[60:80], "test": clean[80:100]}
    paths = {role: write_csv(tmp_path / f"{role}.csv", part) for role, part in files.items()}
    write_bert(tmp_path / "model")
    bertwright.finetune(model=str(tmp_path / "model"), output_dir=tmp_path / "out", **paths, **QUICK)
    err = capsys.readouterr().err
    assert [line for line in err.splitlines() if line.startswith("warning: ") and " rows (" in line] == []
