"""The bench of quality: both sides get the published rows, the peer's figures are right, the table says it all."""

import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertConfig, BertForQuestionAnswering

from bertwright.tasks.answer_metrics import exact_match, f1

BENCH = Path(__file__).resolve().parent.parent / "bench"


Bench = dict[str, ModuleType]


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Its modules, imported as they are when it is run."""
    names = ("quality_sets", "quality_answers", "quality_peer", "quality")
    sys.path.insert(0, str(BENCH))
    yield {name: importlib.import_module(name) for name in names}
    sys.path.remove(str(BENCH))
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("found", "golds", "expected"),
    [
        ("The Norman dynasty.", ["norman dynasty"], (1, 1)),
        ("in the 10th and 11th centuries", ["10th and 11th centuries"], (0, 8 / 9)),
        ("Rollo", ["Duke Rollo", "Rollo", "x"], (1, 1)),
        ("red red blue", ["red blue blue"], (0, 2 / 3)),
        ("", [], (1, 1)),
        ("Rollo", [], (0, 0)),
        ("", ["Rollo"], (0, 0)),
        ("", ["the"], (1, 1)),  # a gold answer of which nothing is left is none
    ],
)
def test_answers_are_scored_as_the_official_scripts_do(
    bench: Bench, found: str, golds: list[str], expected: tuple[float, float]
):
    assert bench["quality_answers"].scores(found, golds) == pytest.approx(expected)


ANSWERS = st.text("ab ,.", min_size=1, max_size=12).filter(lambda text: any(c in "b" for c in text))


@given(found=st.text("abthe ,.", max_size=12), golds=st.lists(ANSWERS, min_size=1, max_size=3))
def test_both_sides_score_answers_alike(bench: Bench, found: str, golds: list[str]):
    assert bench["quality_answers"].scores(found, golds) == pytest.approx((exact_match(found, golds), f1(found, golds)))


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(-3, 3)), min_size=1, max_size=9))
def test_no_answer_is_given_where_that_pays_best(bench: Bench, drawn: list[tuple[bool, bool, float]]):
    """Each question: whether it has an answer, whether that is found, and how much likelier no answer is."""
    module = bench["quality_answers"]
    questions = [module.Question("?", "yes", ["yes"] if asked else [], 0 if asked else -1) for asked, _, _ in drawn]
    found = ["yes" if right else "no" for _, right, _ in drawn]
    gaps = np.array([gap for _, _, gap in drawn])

    class Known(module.Answers):  # type: ignore[misc, name-defined]
        """Answers without a model."""

        def __init__(self) -> None:
            self.questions = questions

        def _best(self, _: object) -> tuple[list[str], np.ndarray]:
            return found, gaps

    answers = Known()
    _, figures = answers.best_threshold(None)
    if all(asked for asked, _, _ in drawn):
        assert figures == answers.figures(None, np.inf)
    else:
        tried = [answers.figures(None, threshold)["f1"] for threshold in (-np.inf, *gaps)]
        assert figures["f1"] == pytest.approx(max(tried))


def test_the_peer_gets_the_threshold_that_is_best_on_the_validation_set(bench: Bench):
    """Its logits are all below 0: at one half it would give no label at all."""
    peer = bench["quality_peer"]
    metrics = peer.label_sets()
    truth = np.array([[1, 0], [0, 1], [1, 1]])
    sure = SimpleNamespace(predictions=np.where(truth, -1.0, -2.0), label_ids=truth)
    assert peer.of_label_sets(sure, 0.5)["f1_micro"] == 0
    assert metrics["validation"](sure) == {"f1_micro": 1, "f1_macro": 1}
    assert metrics["test"](sure) == {"f1_micro": 1, "f1_macro": 1}
    less = SimpleNamespace(predictions=sure.predictions - 2, label_ids=truth)
    assert metrics["test"](less)["f1_micro"] == 0, "the test set chooses nothing"


def test_the_peer_answers_the_questions_in_their_order(bench: Bench, tmp_path: Path):
    """A Trainer that groups texts by length groups those that it predicts, too: spans would be cut from other texts."""
    peer = bench["quality_peer"]
    torch.manual_seed(0)
    sizes = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = BertForQuestionAnswering(BertConfig(**sizes, intermediate_size=8)).eval()
    examples = [{"input_ids": torch.arange(length) + 1} for length in (3, 9, 5, 12, 4, 7)]

    def padded(rows: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        ids = torch.nn.utils.rnn.pad_sequence([row["input_ids"] for row in rows], batch_first=True)
        return {"input_ids": ids, "attention_mask": (ids > 0).long()}

    settings = peer.arguments(bench["quality_sets"].SETS["squad1"], 0, tmp_path, 1)
    settings.per_device_eval_batch_size = 2
    starts, _ = peer.InOrder(model, settings, data_collator=padded, eval_dataset=examples).predict(examples).predictions
    for found, example in zip(starts, examples, strict=True):
        with torch.no_grad():
            alone = model(example["input_ids"][None]).start_logits[0].numpy()
        np.testing.assert_allclose(found[: len(alone)], alone, atol=1e-5)


def keep(folder: Path, run: str, figures: dict[str, float], commit: str = "0c1d2e3", precision: str = "fp32") -> None:
    """Keep a run's figures, as `SET/SIDE-SEED`."""
    file = folder / f"{run}.json"
    file.parent.mkdir(exist_ok=True)
    kept = {
        "metrics": dict.fromkeys(("validation", "test"), figures),
        "versions": {"bertwright": commit},
        "precision": precision,
    }
    file.write_text(json.dumps(kept))


def test_the_table_has_means_and_differences(bench: Bench, tmp_path: Path):
    for side, values in {"ours": (0.5, 0.54), "peer": (0.51,)}.items():
        for seed, value in enumerate(values):
            keep(tmp_path, f"cola/{side}-{seed}", {"matthews_correlation": value})
    keep(tmp_path, "rte/ours-2", {"accuracy": 0.6})
    assert bench["quality"].table(tmp_path).splitlines()[2:] == [
        "| CoLA | Matthews | 52.00 ± 2.83 (2) | 51.00 (1) | +1.00 |",
        "| RTE | accuracy (dev) | 60.00 (1) |  |  |",
        "| RTE | accuracy (test) | 60.00 (1) |  |  |",
    ]


def test_seeds_that_were_made_in_several_ways_are_told_apart(bench: Bench, tmp_path: Path):
    """Precision over both sides, as it is to be the same; the commit is of what bertwright's side learned with."""
    keep(tmp_path, "rte/ours-0", {"accuracy": 0.6}, commit="f00")
    keep(tmp_path, "rte/ours-1", {"accuracy": 0.6})
    keep(tmp_path, "rte/peer-0", {"accuracy": 0.6})
    keep(tmp_path, "mrpc/ours-0", {"accuracy": 0.6, "f1": 0.7}, precision="bf16")
    keep(tmp_path, "mrpc/peer-0", {"accuracy": 0.6, "f1": 0.7}, commit="f00")
    told = [line for line in bench["quality"].table(tmp_path).splitlines() if line and not line.startswith("|")]
    assert told == [
        "Of more than one commit of bertwright: RTE (f00, 0c1d2e3).",
        "Of more than one precision: MRPC (bf16, fp32).",
    ]


@pytest.mark.skipif(shutil.which("git") is None, reason="NOT TESTED: git is not here")
def test_figures_note_the_commit(bench: Bench, tmp_path: Path):
    quality = bench["quality"]
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    with patch.object(quality, "HERE", tmp_path):
        assert "bertwright" not in quality.versions(), "no checkout"
        (tmp_path / "file").write_text("one")
        for words in (["init", "-q"], ["add", "file"], ["commit", "-qm", "one"]):
            subprocess.run([*git, *words], check=True)
        commit = quality.versions()["bertwright"]
        assert re.fullmatch("[0-9a-f]{7,}", commit)
        (tmp_path / "file").write_text("two")
        assert quality.versions()["bertwright"] == f"{commit}+"


def test_what_is_there_is_not_trained_again(bench: Bench, tmp_path: Path):
    """Unless it is of other settings; where the files lie is no setting."""
    (tmp_path / "cola").mkdir()
    cached = tmp_path / "cola" / "ours-1.json"
    folders = ["--output", str(tmp_path), "--figures", str(tmp_path)]
    flags = ["--model", "nowhere", "--data", "nowhere", *folders, "--sets", "cola", "--sides", "ours"]
    ran = []

    def trained(command: list[str], **_: object) -> None:
        ran.append([part.replace(str(tmp_path), "/moved") for part in command])
        raise InterruptedError

    with (
        patch("subprocess.run", trained),
        patch.object(bench["quality"], "versions"),
        patch.object(bench["quality_sets"].QualitySet, "write"),
    ):
        with pytest.raises(InterruptedError):
            bench["quality"].main([*flags, "--seeds", "1"])
        keep(tmp_path, "cola/ours-1", {"matthews_correlation": 0.5})
        of_command = {"command": shlex.join(["python9", *ran[0][1:]])}
        of_settings = {"settings": bench["quality"].settings_of(bench["quality_sets"].SETS["cola"])}
        kept = json.loads(cached.read_text()) | of_command | of_settings
        cached.write_text(json.dumps(kept))
        bench["quality"].main([*flags, "--seeds", "1"])
        bench["quality"].main([*flags, "--seeds", "1", "--precision", "bf16"])
        with pytest.raises(SystemExit, match=r"ours-1\.json is of another command: delete it, or choose another"):
            bench["quality"].main([*flags, "--seeds", "1", "--max-steps", "3"])
        cached.write_text(json.dumps(kept | {"settings": kept["settings"] | {"epochs": 9}}))
        with pytest.raises(SystemExit, match="of another command"):
            bench["quality"].main([*flags, "--seeds", "1"])
    assert len(ran) == 1


def test_why_a_side_failed_stands_in_its_log(bench: Bench, tmp_path: Path):
    flags = ["--model", str(tmp_path / "none"), "--data", "nowhere"]
    flags += ["--sets", "cola", "--sides", "ours", "--seeds", "0"]
    with (
        patch.object(bench["quality_sets"].QualitySet, "write"),
        pytest.raises(SystemExit, match=r"^exit code 2: the end of \S+cola/ours-0\.log says why$"),
    ):
        bench["quality"].main([*flags, "--output", str(tmp_path), "--figures", str(tmp_path / "figures")])
    assert "no such file" in (tmp_path / "cola" / "ours-0.log").read_text()


def test_a_kept_command_names_no_place_of_a_machine(bench: Bench):
    quality = bench["quality"]
    script = str(quality.HERE / "quality_peer.py")
    assert quality.shown([sys.executable, script, "--set", "cola"]) == "python bench/quality_peer.py --set cola"
    for kept in quality.HERE.glob("figures/*/*.json"):
        assert not [part for part in json.loads(kept.read_text())["command"].split() if part.startswith("/")], kept


def test_the_table_in_the_docs_is_of_the_kept_figures(bench: Bench):
    quality = bench["quality"]
    documented = (quality.HERE.parent / "docs" / "results.md").read_text(encoding="utf-8")
    assert quality.table(quality.HERE / "figures") in documented


@pytest.mark.data
@pytest.mark.parametrize("key", ["cola", "mrpc", "stsb"])
def test_every_published_row_is_in_one_file(bench: Bench, data_dir: Path, key: str):
    texts = bench["quality_sets"].SETS[key].files(data_dir)
    parts = [texts[role].split("\n") for role in ("train", "validation")]
    published = (data_dir / key / "train.tsv").read_text(encoding="utf-8-sig").split("\n")
    header = [] if key == "cola" else published[:1]
    assert sorted(parts[0] + parts[1]) == sorted(published + header + [""])
    assert 0.08 < len(parts[1]) / len(published) < 0.12
    assert texts["test"] == (data_dir / key / "dev.tsv").read_text(encoding="utf-8-sig")


@pytest.mark.data
def test_no_article_is_in_two_files(bench: Bench, data_dir: Path):
    for key in ("squad1", "squad2"):
        texts = bench["quality_sets"].SETS[key].files(data_dir)
        titles = [{article["title"] for article in json.loads(text)["data"]} for text in texts.values()]
        assert sum(map(len, titles)) == len(set.union(*titles))
        assert ('"is_impossible": true' in texts["train"]) == (key == "squad2")
