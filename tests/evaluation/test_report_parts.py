"""Figures as a report shows them: enough digits, the right place between two ends, the right colour."""

import json
import re
from pathlib import Path

import pytest
from test_report import run_folder, shown

from bertwright.evaluation.report import numbers
from bertwright.evaluation.report.calibration import calibration
from bertwright.evaluation.report.parts import whisker
from bertwright.evaluation.report.record import RunRecord
from bertwright.evaluation.report.words import Words
from bertwright.settings.shared import Language


@pytest.mark.parametrize(
    ("value", "name", "expected"),
    [
        (0.98765, "f1", "0.9877"),
        (-9.99994, "", "-9.9999"),
        (10.0, "exact_match", "10.00"),
        (88.888, "f1", "88.89"),
        (12345.678, "mse", "12,346"),
        (1234.0, "has_answer_total", "1,234"),
    ],
)
def test_digits_are_as_many_as_are_of_use(value: float, name: str, expected: str) -> None:
    assert numbers.shown(value, name) == expected


def test_other_numbers() -> None:
    assert numbers.between((0.8691, 0.8989)) == "0.869 – 0.899"
    assert numbers.between((79.951, 81.0)) == "80.0 – 81.0"
    assert numbers.share(0.1254) == "12.5\u00a0%"
    assert numbers.small(0.0000500001) == "5e-05"
    durations = {0.94: "0.9 s", 59.6: "1 min 0 s", 200.0: "3 min 20 s", 3600.0: "1 h 0 min", 7390.0: "2 h 3 min"}
    assert {seconds: numbers.duration(seconds) for seconds in durations} == durations


@pytest.mark.parametrize(
    ("name", "task", "ends"),
    [
        ("accuracy", "classification", (0.0, 1.0)),
        ("f1", "qa", (0.0, 100.0)),
        ("matthews_correlation", "classification", (-1.0, 1.0)),
        ("loss", "qa", None),
        ("mae", "regression", None),
        ("no_answer_total", "qa", None),
        ("no_answer_threshold", "qa", None),
    ],
)
def test_the_ends_of_a_figure(name: str, task: str, ends: tuple[float, float] | None) -> None:
    assert numbers.scale(name, task) == ends


def test_a_figure_stands_between_its_ends() -> None:
    def places(*given: object) -> list[float]:
        return [float(x) for x in re.findall(r' (?:cx|x1|x2)="([\d.]+)"', whisker(*given))]  # type: ignore[arg-type]

    axis = [4.0, 116.0]
    assert places(0.0, (-1.0, 1.0)) == [*axis, 60.0]
    assert places(0.25, (0.0, 1.0), (0.0, 0.5), 1.0) == [*axis, 116.0, 116.0, 4.0, 60.0, 32.0]
    assert places(120.0, (0.0, 100.0)) == [*axis, 116.0]
    assert places(-7.0, (0.0, 100.0)) == [*axis, 4.0]


def test_what_is_right_and_what_is_wrong_has_its_shade(tmp_path: Path) -> None:
    details = {"labels": ["a", "b"], "confusion_matrix": [[2, 1], [0, 0]]}
    folder = run_folder(tmp_path, {"task": "classification", "test": {"accuracy": 0.5}, "details": {"test": details}})
    cells = re.findall(r'<td class="n (hit|miss) s(\d)">(\d)<small>([\d.]+)', shown(folder))
    assert cells == [
        ("hit", "6", "2", "66.7"),
        ("miss", "3", "1", "33.3"),
        ("miss", "0", "0", "0.0"),
        ("hit", "0", "0", "0.0"),
    ]


def test_bars_of_how_sure_a_model_is_are_as_wide_as_their_ranges(tmp_path: Path) -> None:
    bins = [{"up_to": place / 15, "rows": 5, "confidence": place / 15, "accuracy": 0.5} for place in (6, 15)]
    details = {"calibration": {"ece": 0.25, "bins": bins}}
    folder = run_folder(tmp_path, {"task": "classification", "test": {"accuracy": 0.5}, "details": {"test": details}})
    bars = re.findall(r'class="bar" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', shown(folder))
    plot = 360 - 68 - 16
    expected = [(68 + plot * left / 15, plot / 15 - 1) for left in (5, 14)]
    assert [(float(x), float(width)) for x, width in bars] == [pytest.approx(bar, abs=0.02) for bar in expected]


@pytest.mark.parametrize(
    ("language", "terms"), [("en", ("Temperature", "Answers", "Rows")), ("zh", ("温度", "回答数", "行数"))]
)
@pytest.mark.parametrize("temperature", [1.5, 1.0, None])
def test_a_temperature_is_told_of_where_one_was_chosen(
    temperature: float | None, language: Language, terms: tuple[str, str, str], tmp_path: Path
) -> None:
    """And what is counted are answers: of several labels a text has as many as there are labels."""
    found = {"ece": 0.25, "bins": [{"up_to": 1.0, "rows": 120, "confidence": 0.9, "accuracy": 0.5}]}
    found |= {} if temperature is None else {"temperature": temperature}
    metrics = {"task": "choice", "test": {"accuracy": 0.5}, "details": {"test": {"calibration": found}}}
    section = str(calibration(RunRecord.read(run_folder(tmp_path, metrics)), Words(language)))
    of_temperature, answers, rows = terms
    assert (of_temperature in section, f"{of_temperature} 1.5" in section) == (temperature == 1.5,) * 2
    assert (answers in section, rows in section) == (True, False)


def test_of_very_many_evaluations_some_are_listed_evenly(tmp_path: Path) -> None:
    folder = run_folder(tmp_path, {"task": "classification", "test": {"accuracy": 0.5}, "best_metric": "accuracy"})
    lines = [{"step": n, "epoch": n / 100, "loss": 1.0, "learning_rate": 0.1, "seconds": 9.0} for n in range(1, 201)]
    held_out = [
        {"step": n, "epoch": n / 100, "split": "validation", "loss": 1.5, "accuracy": 0.5} for n in range(1, 201)
    ]
    (folder / "run" / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*lines, *held_out]))
    page = shown(folder)
    assert "200 steps" in page
    steps = re.findall(r'<th scope="row">(\d+)</th><td class="n">1.5</td><td class="n">0.5</td>', page)
    assert [int(step) for step in steps] == list(range(1, 201, 4))
