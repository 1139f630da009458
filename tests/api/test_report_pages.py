"""report.html in a real browser: every task, from a telephone to a wide screen, with data that would be markup."""

import csv
import json
import os
import re
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from small import QUICK, rows

import bertwright
from bertwright.settings.shared import Language
from chromium import Chromium, chromium, executable

LONG = "x" * 3000
ATTACKS = [
    "<script>alert(1)</script>",
    "</style></title><h1>mine</h1>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    '=HYPERLINK("http://example.org","open")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "&lt;b&gt; &amp;amp; {{7*7}} ${1}",
    "javascript:alert(1) https://example.org/x.png",
    "\u202egnp.exe\u2066 \x1b[31m \u2028end",
    "👩‍👩‍👧 😀 é̈̂",
    "مرحبا بالعالم! שלום",
    LONG,
]
SHOWN = [attack for attack in ATTACKS if attack.isprintable() and attack != LONG]
LABELS = ['<b onmouseover="alert(1)">bad</b>', "=1+1", "</table><script>", LONG[:400]]


def texts(count: int) -> list[str]:
    return [f"{attack} {row['text']}" for attack, row in zip(ATTACKS * 4, rows(count), strict=False)]


def classification(path: Path, count: int) -> Path:
    with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows((text, LABELS[place % 4]) for place, text in enumerate(texts(count)))
    return path.with_suffix(".csv")


def json_lines(path: Path, made: list[dict[str, Any]]) -> Path:
    path = path.with_suffix(".jsonl")
    path.write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")
    return path


def multilabel(path: Path, count: int) -> Path:
    return json_lines(path, [{"text": text, "labels": LABELS[: n % 3]} for n, text in enumerate(texts(count))])


def regression(path: Path, count: int) -> Path:
    return json_lines(path, [{"text": text, "score": n / 7} for n, text in enumerate(texts(count))])


def tagging(path: Path, count: int) -> Path:
    made = []
    for n, attack in enumerate((ATTACKS * 4)[:count]):
        words = [attack, "the", "cat", attack]
        made.append({"tokens": words, "ner_tags": [f"B-{LABELS[n % 3]}", "O", "O", f"B-{LABELS[0]}"]})
    return json_lines(path, made)


def qa(path: Path, count: int) -> Path:
    made = []
    for n, (attack, text) in enumerate(zip(ATTACKS * 4, texts(count), strict=False)):
        answerable = n % 3 or count == len(ATTACKS)  # in the test file all: no silence is right, so all are wrong
        found = {"text": [attack.split()[0]], "answer_start": [0]} if answerable else {"text": [], "answer_start": []}
        made.append({"id": str(n), "question": f"{attack}?", "context": text, "answers": found})
    return json_lines(path, made)


def choice(path: Path, count: int) -> Path:
    made = [{"context": t, "choices": ATTACKS[n % 9 : n % 9 + 3], "label": n % 3} for n, t in enumerate(texts(count))]
    return json_lines(path, made)


TASKS: dict[str, Callable[[Path, int], Path]] = {
    "classification": classification,
    "multilabel": multilabel,
    "regression": regression,
    "tagging": tagging,
    "qa": qa,
    "choice": choice,
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    program = executable()
    if program is None:
        if os.environ.get("BERTWRIGHT_REQUIRE_CHROMIUM"):
            pytest.fail("Chromium is not installed: apt-get install chromium")
        pytest.skip("NOT TESTED: how reports look; install Chromium to run these tests")
    with chromium(program) as found:
        yield found


@pytest.fixture(scope="module")
def report(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The report of a task, of files with names that are markup; each made once."""
    done: dict[str, Path] = {}

    def make(task: str) -> Path:
        if task not in done:
            folder = tmp_path_factory.mktemp(task)
            train = TASKS[task](folder / '"><img src=x onerror=alert(1)>', 48)
            test = TASKS[task](folder / '"><img src=x onerror=alert(2)>', len(ATTACKS))  # all are among the worst rows
            given: dict[str, Any] = QUICK | {"max_steps": 2, "quiet": True}
            out = folder / "<script>alert(3)" / "out"
            out.parent.mkdir()
            bertwright.finetune(model=str(inputs / "model"), train=train, test=test, task=task, output_dir=out, **given)
            done[task] = out / "run" / "report.html"
        return done[task]

    return make


FACTS = """(() => {
  document.querySelectorAll("details").forEach(each => { each.open = true; });
  const all = [...document.querySelectorAll("*")];
  const links = [...document.querySelectorAll("[href]")].map(each => each.getAttribute("href"));
  const attributes = all.flatMap(each => [...each.attributes].map(one => one.name));
  return {
    width: document.scrollingElement.scrollWidth,
    elements: [...new Set(all.map(each => each.localName))],
    handlers: attributes.filter(name => name.startsWith("on") || name === "style"),
    outside: links.filter(to => to[0] !== "#"),
    unnamed: [...document.querySelectorAll("svg")].filter(
      each => !each.getAttribute("aria-hidden") && !(each.getAttribute("role") === "img" && each.querySelector("title"))
    ).length,
    bare: [...document.querySelectorAll("th")].filter(each => !each.scope).length,
    headings: [...document.querySelectorAll("h1, h2, h3")].map(each => Number(each.localName[1])),
    text: document.body.textContent,
    title: document.title,
  };
})()"""
POLICY = r"default-src 'none'; style-src 'sha256-[\w+/]{43}='; base-uri 'none'; form-action 'none'"
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "header", "section", "nav", "a", "p", "div"),
    *("span", "strong", "small", "bdi", "br", "wbr", "table", "caption", "thead", "tbody", "tr", "th", "td", "dl"),
    *("dt", "dd", "ul", "ol", "li", "details", "summary", "pre", "code", "mark", "figure", "svg", "g", "line", "rect"),
    *("circle", "polyline", "text"),
}


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("task", TASKS)
def test_a_report_is_plain_text_at_any_width(
    task: str, lang: Language, report: Callable[[str], Path], browser: Chromium, tmp_path: Path
) -> None:
    path = report(task)
    if lang == "zh":
        path = bertwright.report(folder=path.parent.parent, lang=lang, output=tmp_path / "zh.html")
    for width, dark in product((360, 1400), (True, False)):
        seen = browser.open(path, width, dark=dark)
        assert seen.problems == []
        assert seen.requests == [browser.evaluate("location.href")]
        facts = browser.evaluate(FACTS)
        assert facts["width"] <= width
        assert set(facts["elements"]) <= ALLOWED
        assert (facts["handlers"], facts["outside"], facts["unnamed"], facts["bare"]) == ([], [], 0, 0)
        assert facts["headings"][0] == 1
        assert max(b - a for a, b in zip(facts["headings"], facts["headings"][1:], strict=False)) <= 1
    text = " ".join(facts["text"].split())
    assert [attack for attack in SHOWN if " ".join(attack.split()) not in text] == []
    assert not {"\u202e", "\u2066", "\x1b"} & set(facts["text"])
    assert '"><img src=x onerror=alert(2)>' in facts["text"]
    assert path.stat().st_size < 2_000_000
    assert re.fullmatch(POLICY, browser.evaluate("document.querySelector('meta[http-equiv]').content"))
    assert browser.evaluate("fetch('data:,x').then(() => 'got', () => 'refused')") == "refused"


def test_the_browser_sees_what_must_not_be(browser: Chromium, tmp_path: Path) -> None:
    """A page with every fault: a script that throws, a style that the policy forbids, an image, too wide a box."""
    path = tmp_path / "bad.html"
    path.write_text(
        "<meta http-equiv='Content-Security-Policy' content=\"script-src 'unsafe-inline'; style-src 'none'\">"
        "<p style='color: red'>x<img src='picture.png'><script>throw Error('mine')</script><table width=2000><td>x"
    )
    seen = browser.open(path, 360)
    problems = "".join(seen.problems)
    assert "mine" in problems
    assert "style-src" in problems
    assert [address.rpartition("/")[2] for address in seen.requests] == ["bad.html", "picture.png"]
    facts = browser.evaluate(FACTS)
    assert facts["width"] > 360
    assert set(facts["elements"]) - ALLOWED == {"img", "script"}
    assert facts["handlers"] == ["style"]


def test_what_evaluate_writes_has_a_report_too(
    report: Callable[[str], Path], browser: Chromium, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = report("classification").parent.parent
    test = classification(tmp_path / "<i>t</i>".replace("/", "_"), 20)
    bertwright.evaluate(
        model=str(model),
        against=str(model),
        test=test,
        output_dir=tmp_path / "measured",
        bootstrap_draws=30,
        quiet=True,
    )
    seen = browser.open(tmp_path / "measured" / "report.html", 360)
    assert (seen.problems, len(seen.requests)) == ([], 1)
    facts = browser.evaluate(FACTS)
    assert facts["width"] <= 360
    assert "Beside another model" in facts["text"]
    assert "<i>t<_i>.csv" in facts["text"]
    path = bertwright.report(folder=tmp_path / "measured", lang="zh", output=tmp_path / "zh.html")
    assert "与另一模型比较" in path.read_text()
    assert capsys.readouterr().err.endswith(f"report written to {tmp_path / 'zh.html'}\n")
